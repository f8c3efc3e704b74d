"""Models, as the kernels see them: rewards and transition rows at (t, mu).

Notation   S observations, A actions, K successors of an active agent, K0 of a passive agent.
           Action -1 means "passive".
To add a compiled game: subclass Model, call set_shape in __init__, and override row_at, on which the defaults of the
other methods rest.
"""
from libc.stdint cimport int32_t, uint8_t


# The C signature of compiled games. Fills the reward and probabilities (K,), or (K0,) for action -1.
# Returns 0, or an error code that the author chooses; the error raised for it quotes the code.
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


# Agents that take action 1 of two adopt a random observation with probability `mutation`; otherwise they meet a random
# agent, and adopt its observation y with probability p(gain), where gain = intensity (f(y) - f(o)) and f(o) =
# sum_k payoffs[o, k] mu(k): 1 / (1 + exp(-gain)) if logistic, else `gain` cut to [0, 1]. Otherwise, and after action 0,
# they stay. Rewards are r(o, a, mu) = r0(o, mu) = step f(o).
cdef struct Adoption:
    const double *payoffs         # (S, S)
    double step, intensity, mutation
    bint logistic


cdef class Model:
    cdef readonly Py_ssize_t n_observations, n_actions, n_successors, n_passive_successors
    cdef readonly object successors             # (S, A, K) int32 array, or None: dense, K = S
    cdef readonly object passive_successors     # (S, K0) int32 array, or None: dense, K0 = S
    cdef const int32_t *successor               # the data of successors, NULL if dense; likewise below
    cdef const int32_t *passive_successor
    cdef readonly bint constant                 # no table depends on mu or t
    cdef readonly bint constant_transition      # neither kernel depends on mu or t
    cdef readonly bint constant_reward          # neither reward depends on mu
    # 1: r_t(o, a, mu) = g_t(o, a) + h_t(o, mu(o)) and r0_t(o, mu) = h_t(o, mu(o)), with h nonincreasing in mu(o).
    # 2: moreover h is strictly decreasing at every observation, with at most one exception. 0: nothing is known.
    cdef readonly int falling_reward
    cdef readonly bint passive_identity         # passive agents stay where they are
    cdef readonly bint local_passive_reward     # r0(o, mu) depends on o and mu(o) only
    cdef readonly bint separable_reward         # so does r0, and r(o, a, mu) - r0(o, mu) depends on (o, a) only
    cdef bint constant_extra                    # r(o, a, mu) - r0(o, mu) depends on (o, a) only
    # NULL unless r0(o, mu) is standing_level[o] + standing_slope[o] mu(o), both (S,), and the reward is separable; or
    # standing_level[o] + sum_y standing_matrix[o, y] mu(y), with (S, S).
    cdef const double *standing_level
    cdef const double *standing_slope
    cdef const Adoption *adoption               # if not NULL: what agents that act do
    cdef const double *standing_matrix
    cdef readonly bint affine                   # rewards and rows are affine in mu and do not depend on t
    cdef readonly bint differentiable           # slopes_at gives the derivatives of the rows
    cdef bint meets                             # active rows are means over a partner (met_at)
    cdef bint constant_meetings                 # the row that met_at gives depends on neither mu nor t
    cdef const uint8_t *alone                   # (S, A) rows that do not depend on the partner; NULL: none
    cdef object meetings                        # tables of all meetings, which _population builds when it needs them
    cdef bint by_row                            # one row costs less by row_at than by tables_at
    cdef bint asked_by_row                      # each row costs a call: tables only if most of their rows are read
    cdef bint in_parts                          # tables_at omits the tables whose pointer is NULL
    cdef bint trusted                           # rows are correct by construction and need no check
    cdef readonly object legal                  # (S, A) booleans, or None: every action is legal
    # (S, A) the action whose row each action has: itself or, if it is illegal, the first legal one at its observation.
    # NULL: every action is legal. Rows of this model have stand-ins already; who chooses actions calls `lawful`.
    cdef const int32_t *stand_in
    cdef object stand_ins
    cdef readonly bint graded                   # reward_pull gives the derivatives of the rewards

    # row_at and tables_at raise if user code fails. row_at need not check its own output: kernels call checked_row.
    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil
    # r0(o, mu), which the caller checks to be finite. Called only if separable_reward, and reads mu(o) only then; or if
    # there is a standing_matrix.
    cdef double standing_reward(self, int observation, const double *mu) noexcept nogil
    # Derivatives of one row in mu, if `differentiable`. slope (K, S): d row[k] / d mu(y), up to a constant that is the
    # same for all y and cancels along differences of populations. bend (K,): the sum over y and z of sigma[y, z] (S, S)
    # times d^2 row[k] / d mu(y) d mu(z); sigma is symmetric and its rows sum to 0. Action -1: the passive row, K0.
    cdef int slopes_at(
        self, int t, int observation, int action, const double *mu, const double *sigma, double *slope, double *bend
    ) except -1 nogil
    # Refresh the tables that vary with (t, mu); if `everything`, all four.
    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil

    cdef int set_shape(
        self, Py_ssize_t n_observations, Py_ssize_t n_actions, object successors, object passive_successors
    ) except -1
    # If `meets`: the active row of an agent that met an agent at `partner`, checked by kernels like one of row_at. Its
    # mean over partners drawn from mu is the row at mu (Theory, section 5). The reward is that at mu.
    cdef int met_at(
        self, int t, int observation, int action, int partner, const double *mu, double *probabilities, double *reward
    ) except -1 nogil
    # Declare which actions are legal: (S, A) booleans with one true entry in each row, or None. After set_shape. The
    # rows, and the successors, of an illegal action must be those of `stand_in`, bit for bit.
    cdef int set_legal(self, legal) except -1
    # If `graded`: out[y] += sum over (o, a) of acting[o, a] dr(o, a, mu) / dmu(y), over o of resting[o] dr0(o, mu) /
    # dmu(y). acting (S, A) is 0 at illegal actions. Here and below, up to a constant that is the same for all y.
    cdef int reward_pull(
        self, int t, const double *mu, const double *acting, const double *resting, double *out
    ) except -1 nogil
    # If `differentiable`: the same with the means of values (S,) over the active and passive rows in place of rewards.
    # scratch: S S zeros, followed by (max(K, K0) (S + 1)).
    cdef int row_pull(
        self, int t, const double *mu, const double *acting, const double *resting, const double *values,
        double *scratch, double *out
    ) except -1 nogil


cdef inline Py_ssize_t lawful(Model model, Py_ssize_t observation, Py_ssize_t action) noexcept nogil:
    """The action, or the first legal one, which has the same row, if it is illegal: best responses take legal ones."""
    if model.stand_in == NULL:
        return action
    return model.stand_in[observation * model.n_actions + action]


# A copy of a table (S, A, ...) of float64 in which rows of illegal actions are those of their stand-ins.
cdef object with_stand_ins(Model model, table)
cdef double TOLERANCE           # largest |sum - 1| of a row
cdef object frozen(array)
cdef str where(int t, int observation, int action)
cdef int check_row(
    const double *probabilities, Py_ssize_t n_cells, double reward, int t, int observation, int action
) except -1 nogil


# Raise the error for a standing_reward that is not finite.
cdef int refuse_standing(Model model, int t, int observation, const double *mu) except -1 nogil


cdef inline int checked_row(
    Model model, int t, int observation, int action, const double *mu, double *probabilities, double *reward
) except -1 nogil:
    """model.row_at, followed by check_row unless the model is trusted."""
    model.row_at(t, observation, action, mu, probabilities, reward)
    if model.trusted:
        return 0
    return check_row(probabilities, model.n_passive_successors if action < 0 else model.n_successors, reward[0],
                     t, observation, action)


cdef inline int checked_meeting(
    Model model, int t, int observation, int action, int partner, const double *mu, double *probabilities,
    double *reward
) except -1 nogil:
    """model.met_at, followed by check_row unless the model is trusted."""
    model.met_at(t, observation, action, partner, mu, probabilities, reward)
    if model.trusted:
        return 0
    return check_row(probabilities, model.n_successors, reward[0], t, observation, action)
