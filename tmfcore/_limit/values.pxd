"""One step of values backwards, shared by every kernel that needs them."""
from tmfcore._model.evaluator cimport Evaluator


# Prepare for many steps backwards: a kernel that stays the same is laid out for speed.
cdef int expect_steps(Evaluator at, Py_ssize_t n_steps) except -1
cdef void policy_values(
    Evaluator at,
    const double *next_values,    # IN   (S,)
    double discount,
    double beta,                  # IN            1 for the clock "always"
    double *q,                    # OUT  (S, A)
    double *values,               # OUT  (S,)
) noexcept nogil

# The same of the best response.
cdef void best_values(
    Evaluator at, const double *next_values, double discount, double beta, double *q, double *values
) noexcept nogil


cdef inline double policy_mean(const double *pi, const double *q, Py_ssize_t n_actions) noexcept nogil:
    """sum_a pi(a) q(a) of one row."""
    cdef double total = 0
    cdef Py_ssize_t a
    for a in range(n_actions):
        total += pi[a] * q[a]
    return total


cdef inline Py_ssize_t best_action(const double *q, Py_ssize_t n_actions) noexcept nogil:
    """The first maximiser of one row."""
    cdef Py_ssize_t a, best = 0
    for a in range(1, n_actions):
        if q[a] > q[best]:
            best = a
    return best
