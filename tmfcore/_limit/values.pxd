"""One step of values backward, for all kernels that need it."""
from libc.stdint cimport int32_t

from tmfcore._model.evaluator cimport Evaluator


# Prepare for n_steps backward steps: a constant dense kernel is rearranged once, if that pays (values.pyx).
cdef int expect_steps(Evaluator at, Py_ssize_t n_steps) except -1
# q (S, A): reward of acting plus discounted next values.
cdef void action_values(Evaluator at, const double *next_values, double discount, double *q) noexcept nogil
# Mix in waiting: values = beta * values + (1 - beta) * (r0 + discount * mean next values of the passive row). Here and
# below, beta may be BY_OBSERVATION, as in share_at.
cdef void rest(Evaluator at, const double *next_values, double discount, double beta, double *values) noexcept nogil
# q and values of the policy at.pi.
cdef void policy_values(
    Evaluator at,
    const double *next_values,    # IN   (S,)
    double discount,
    double beta,                  # IN            1 for the clock "always"
    double *q,                    # OUT  (S, A)
    double *values,               # OUT  (S,)
) noexcept nogil

# q and values of the best response.
cdef void best_values(
    Evaluator at, const double *next_values, double discount, double beta, double *q, double *values
) noexcept nogil

# Both in one pass over the table: row 0 of values is the policy's, row 1 the best response's. Returns the largest gap.
cdef double both_values(
    Evaluator at,
    const double *next_values,    # IN   (2, S)
    double discount,
    double beta,
    double *scratch,              # SCRATCH (2, S, A)
    double *q,                    # OUT  (S, A)   action values of the policy; or NULL
    int32_t *greedy,              # OUT  (S,)     actions of the best response; or NULL, as it must be if q is
    double *values,               # OUT  (2, S)
) noexcept nogil


cdef inline void weigh(
    const double *mu, const double *values, Py_ssize_t n_observations, double *gap, double *mean_return
) noexcept nogil:
    """The means over mu (S,) of the gap and of the policy's values, from the values (2, S) of both_values."""
    cdef Py_ssize_t o
    gap[0] = mean_return[0] = 0
    for o in range(n_observations):
        gap[0] += mu[o] * (values[n_observations + o] - values[o])
        mean_return[0] += mu[o] * values[o]


cdef inline double policy_mean(const double *pi, const double *q, Py_ssize_t n_actions) noexcept nogil:
    """sum_a pi(a) q(a)."""
    cdef double total = 0
    cdef Py_ssize_t a
    for a in range(n_actions):
        total += pi[a] * q[a]
    return total


cdef inline Py_ssize_t best_action(const double *q, Py_ssize_t n_actions) noexcept nogil:
    """The first maximiser of q (A,)."""
    cdef Py_ssize_t a, best = 0
    for a in range(1, n_actions):
        if q[a] > q[best]:
            best = a
    return best
