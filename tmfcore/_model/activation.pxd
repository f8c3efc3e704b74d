"""The acting agents of each step, as the engines read them: a batch size, or a probability per agent."""
from libc.stdint cimport int64_t


cdef struct Activation:
    const int64_t *batch          # (1,) or (T,); NULL for Bernoulli
    const double *probability     # (1,) or (T,); NULL for batches
    Py_ssize_t stride             # 0 when constant, else 1


# Fill *activation, which borrows the array, from one of batch and probability; the other is None. Raise ValueError.
cdef int read_activation(
    Activation *activation, const int64_t[::1] batch, const double[::1] probability,
    int64_t n_agents, Py_ssize_t horizon,
) except -1


cdef inline Py_ssize_t single_steps(const Activation *activation, Py_ssize_t t, Py_ssize_t horizon) noexcept nogil:
    """The number of consecutive steps from t on at which one agent acts; one agent acts at t."""
    cdef Py_ssize_t end = t + 1
    if activation.stride == 0:
        return horizon - t
    while end < horizon and activation.batch[end] == 1:
        end += 1
    return end - t
