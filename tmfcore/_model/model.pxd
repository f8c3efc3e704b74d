"""What is played, as the kernels see it: rewards and transition rows at (t, mu).

Notation   S observations, A actions, K successors of an active agent, K0 of a passive one.
           Action -1 stands for "passive".
To add a compiled game, subclass Model, set the fields in __init__ through set_shape, and override row_at
(every other method has a default built on it).
"""
from libc.stdint cimport int32_t


# The one C signature for compiled games. Fills probabilities (K,) or, for action -1, (K0,), and the reward.
# Returns 0, or an error code of its own.
ctypedef int (*row_function)(
    int t,
    int observation,
    int action,               # -1: passive
    const double *mu,         # IN   (S,)
    double *probabilities,    # OUT  (K,) or (K0,)
    double *reward,           # OUT  (1,)
    void *user,
) noexcept nogil


cdef struct Tables:
    double *reward                # (S, A)
    double *transition            # (S, A, K)
    double *passive_reward        # (S,)
    double *passive_transition    # (S, K0)


cdef class Model:
    cdef readonly Py_ssize_t n_observations, n_actions, n_successors, n_passive_successors
    cdef readonly object successors             # (S, A, K) int32 array, or None: dense, K = S
    cdef readonly object passive_successors     # (S, K0) int32 array, or None: dense, K0 = S
    cdef const int32_t *successor               # the data of the two, NULL when dense
    cdef const int32_t *passive_successor
    cdef readonly bint constant                 # no table depends on mu or t
    cdef readonly bint constant_transition      # neither kernel depends on mu or t
    cdef readonly bint constant_reward          # neither reward depends on mu
    # r_t(o, a, mu) = g_t(o, a) + h_t(o, mu(o)) and r0_t(o, mu) = h_t(o, mu(o)), with h never rising in mu(o): 1; and
    # falling strictly at every observation but one at most: 2. 0: nothing is known.
    cdef readonly int falling_reward
    cdef readonly bint passive_identity         # passive agents stay where they are
    cdef readonly bint local_passive_reward     # r0(o, mu) depends on o and mu(o) only
    cdef readonly bint separable_reward         # r(o, a, mu) - r0(o, mu) depends on (o, a) only, r0 as above
    cdef const double *standing_level           # (S,) both; NULL unless the reward is separable with
    cdef const double *standing_slope           # r0(o, mu) = standing_level[o] + standing_slope[o] mu(o)
    cdef readonly bint affine                   # rewards and rows are affine in mu and do not depend on t
    cdef readonly bint differentiable           # slopes_at gives the derivatives of the rows
    cdef bint by_row                            # row_at costs less than tables_at
    cdef bint asked_by_row        # every row costs a call: tables only where most of their rows are read
    cdef bint in_parts                          # tables_at leaves out the tables whose pointer is NULL
    cdef bint trusted                           # rows need no check: they are right by construction

    # Both raise for user code that misbehaves. row_at of a user's class need not check its own output: kernels call
    # checked_row below.
    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil
    # r0(o, mu), which reads mu(o) only; called for a separable_reward only, and looked at where it is used.
    cdef double standing_reward(self, int observation, const double *mu) noexcept nogil
    # Derivatives of one row in mu, where `differentiable`: slope (K, S), d row[k] / d mu(y), up to an addition that is
    # the same for all y, which no difference of populations sees; bend (K,), sum over y and z of sigma[y, z] (S, S)
    # times d^2 row[k] / d mu(y) d mu(z), sigma symmetric with rows that sum to 0. Action -1: the passive row, K0.
    cdef int slopes_at(
        self, int t, int observation, int action, const double *mu, const double *sigma, double *slope, double *bend
    ) except -1 nogil
    # Refreshes the tables that vary; all four when `everything`.
    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil

    cdef int set_shape(
        self, Py_ssize_t n_observations, Py_ssize_t n_actions, object successors, object passive_successors
    ) except -1


cdef double TOLERANCE           # within which a row sums to 1
cdef object frozen(array)
cdef str where(int t, int observation, int action)
cdef int check_row(
    const double *probabilities, Py_ssize_t n_cells, double reward, int t, int observation, int action
) except -1 nogil


# Raise for a standing_reward that is not finite.
cdef int refuse_standing(Model model, int t, int observation, const double *mu) except -1 nogil


cdef inline int checked_row(
    Model model, int t, int observation, int action, const double *mu, double *probabilities, double *reward
) except -1 nogil:
    """model.row_at, and the check of what it gave unless it is right by construction."""
    model.row_at(t, observation, action, mu, probabilities, reward)
    if model.trusted:
        return 0
    return check_row(probabilities, model.n_passive_successors if action < 0 else model.n_successors, reward[0],
                     t, observation, action)
