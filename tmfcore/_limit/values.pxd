"""One step of values backwards, shared by every kernel that needs them."""
from libc.stdint cimport int32_t

from tmfcore._model.evaluator cimport Evaluator


# Prepare for many steps backwards: a kernel that stays the same is laid out for speed.
cdef int expect_steps(Evaluator at, Py_ssize_t n_steps) except -1
# q (S, A) of acting at once.
cdef void action_values(Evaluator at, const double *next_values, double discount, double *q) noexcept nogil
# From the values (S,) of those who act those of an agent who acts with probability beta.
cdef void rest(Evaluator at, const double *next_values, double discount, double beta, double *values) noexcept nogil
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

# Both in one pass over the table, a policy's own values and then those of the best response; returns the largest gap.
cdef double both_values(
    Evaluator at,
    const double *next_values,    # IN   (2, S)
    double discount,
    double beta,
    double *scratch,              # SCRATCH (2, S, A)
    double *q,                    # OUT  (S, A)   of the policy, or NULL
    int32_t *greedy,              # OUT  (S,)     the best response, or NULL with q
    double *values,               # OUT  (2, S)
) noexcept nogil


cdef inline void weigh(
    const double *mu, const double *values, Py_ssize_t n_observations, double *gap, double *mean_return
) noexcept nogil:
    """Gap and own value of one drawn from mu (S,), where values (2, S) are as both_values has them."""
    cdef Py_ssize_t o
    gap[0] = mean_return[0] = 0
    for o in range(n_observations):
        gap[0] += mu[o] * (values[n_observations + o] - values[o])
        mean_return[0] += mu[o] * values[o]


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
