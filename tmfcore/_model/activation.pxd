"""The acting agents of each step: a batch size, one probability for all agents, or one per observation."""
from libc.stdint cimport int64_t


cdef class ActingShares:
    """The probability with which an agent acts, by observation: beta_t(o, mu); or the share that a batch is of N."""
    cdef readonly object table, function     # (1, S) or (T, S) float64; f(mu, t); one of the two is None
    cdef const double[:, ::1] rows           # the data of `table`
    cdef readonly str name                   # of the user's argument, for errors
    cdef readonly bint batches               # beta N agents act, drawn without replacement: beta is one number

    # Raise ValueError unless the table has a column per observation and 1 or `horizon` rows.
    cpdef int check(self, Py_ssize_t n_observations, Py_ssize_t horizon) except -1
    # Point `out` to beta_t(., mu) (S,): a row of the table, or `buffer` (S,), which gets the function's result.
    cdef int at(
        self, int t, const double *mu, Py_ssize_t n_observations, double *buffer, const double **out) except -1 nogil
    cdef int call(self, int t, const double *mu, Py_ssize_t n_observations, double *buffer) except -1 with gil


cdef struct Activation:
    const int64_t *batch          # (1,) or (T,); NULL for Bernoulli
    const double *probability     # (1,) or (T,); NULL for batches, and if the probability depends on the observation
    Py_ssize_t stride             # 0 when constant, else 1


# Fill *activation, which borrows the array, from one of batch and probability; the other is None. Raise ValueError.
cdef int read_activation(
    Activation *activation, const int64_t[::1] batch, object probability, int64_t n_agents, Py_ssize_t n_observations,
    Py_ssize_t horizon,
) except -1


cdef inline int64_t batch_of(double share, int64_t n_agents) noexcept nogil:
    """The whole number of agents nearest to a share of them."""
    return n_agents if share * n_agents + 0.5 >= n_agents else <int64_t>(share * n_agents + 0.5)


cdef inline Py_ssize_t single_steps(const Activation *activation, Py_ssize_t t, Py_ssize_t horizon) noexcept nogil:
    """The number of consecutive steps from t on at which one agent acts; one agent acts at t."""
    cdef Py_ssize_t end = t + 1
    if activation.stride == 0:
        return horizon - t
    while end < horizon and activation.batch[end] == 1:
        end += 1
    return end - t
