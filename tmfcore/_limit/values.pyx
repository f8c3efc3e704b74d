"""The mean-field limit: flows forwards, values backwards, and who would deviate.

Source     theory.md sections 2 (flow), 3 (values, two clocks) and 4 (exploitability).
Notation   S observations, A actions, K successors, T steps; the loop over time is inside the kernels.
Cost       O(S A K) a step, plus the tables of the game where they depend on mu or t.
"""
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._model.evaluator cimport Kept, check_active
from tmfcore._base.memory cimport room_for
from tmfcore._model.model cimport Model
from tmfcore._model.policy cimport Policy
from tmfcore._limit.step cimport Push

cdef extern from "_limit/values.h" nogil:
    double *tmf_align(void *memory)
    Py_ssize_t TMF_LINE
    void tmf_row_values(const double *reward, const double *table, const double *values, const double *other,
                        double discount, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out, double *other_out)
    void tmf_turned_values(const double *reward, const double *turned, const double *values, const double *other,
                           double discount, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out, double *other_out)
    void tmf_turn(const double *table, Py_ssize_t n_rows, Py_ssize_t n_cells, double *turned)
    Py_ssize_t tmf_turned_size(Py_ssize_t n_rows, Py_ssize_t n_cells)
    void tmf_sparse_values(const double *reward, const double *table, const int32_t *successor, const double *values,
                           double discount, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out)
    void tmf_sparse_means(const double *reward, const double *table, const int32_t *successor, const double *values,
                          const double *pi, double discount, Py_ssize_t n_observations, Py_ssize_t n_actions,
                          Py_ssize_t n_cells, double *q, double *means)
    void tmf_sparse_both(const double *reward, const double *table, const int32_t *successor, const double *pairs,
                         const double *pi, double discount, Py_ssize_t n_observations, Py_ssize_t n_actions,
                         Py_ssize_t n_cells, double *means, double *largest)
    void tmf_means(const double *pi, const double *q, Py_ssize_t n_observations, Py_ssize_t n_actions, double *out)
    void tmf_add_resting(const double *reward, const double *table, const int32_t *successor, const double *next_values,
                         double discount, double beta, Py_ssize_t n_observations, Py_ssize_t n_cells, double *values)
    void tmf_largest(const double *q, Py_ssize_t n_observations, Py_ssize_t n_actions, double *out)

cdef enum:
    SHORT_ROWS = 48         # beyond, reading the table bounds the speed whichever way it lies
    WORTH_TURNING = 32      # turning a table takes as long as a few dozen steps save


cdef int expect_steps(Evaluator at, Py_ssize_t n_steps) except -1:
    cdef Py_ssize_t K = at.n_successors, n_rows = at.n_observations * at.n_actions
    if (at.model.successor == NULL and at.model.constant_transition and K <= SHORT_ROWS and n_steps >= WORTH_TURNING
            and at.turned == NULL):
        at.turned_memory = room_for(
            <double>tmf_turned_size(n_rows, K) + TMF_LINE, sizeof(double), b"tables with rows turned")
        at.turned = tmf_align(at.turned_memory)
    return 0


cdef inline const double *turned_table(Evaluator at) noexcept nogil:
    """The kernel with rows side by side, or NULL."""
    if at.turned != NULL and not at.turned_filled:
        tmf_turn(at.tables.transition, at.n_observations * at.n_actions, at.n_successors, at.turned)
        at.turned_filled = True
    return at.turned


cdef void action_values(Evaluator at, const double *next_values, double discount, double *q) noexcept nogil:
    cdef Py_ssize_t K = at.n_successors, n_rows = at.n_observations * at.n_actions
    cdef const double *reward = at.tables.reward
    cdef const double *turned = turned_table(at)
    if at.model.successor != NULL:
        tmf_sparse_values(reward, at.tables.transition, at.model.successor, next_values, discount, n_rows, K, q)
    elif turned != NULL:
        tmf_turned_values(reward, turned, next_values, NULL, discount, n_rows, K, q, NULL)
    else:
        tmf_row_values(reward, at.tables.transition, next_values, NULL, discount, n_rows, K, q, NULL)


cdef inline void rest(
    Evaluator at, const double *next_values, double discount, double beta, double *values
) noexcept nogil:
    """From the values of those who act those of an agent who acts with probability beta."""
    if beta < 1:
        tmf_add_resting(
            at.tables.passive_reward, NULL if at.model.passive_identity else at.tables.passive_transition,
            at.model.passive_successor, next_values, discount, beta, at.n_observations, at.n_passive_successors, values)


cdef void policy_values(
    Evaluator at, const double *next_values, double discount, double beta, double *q, double *values
) noexcept nogil:
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions
    if at.model.successor != NULL:
        tmf_sparse_means(at.tables.reward, at.tables.transition, at.model.successor, next_values, at.pi, discount,
                         S, A, at.n_successors, q, values)
    else:
        action_values(at, next_values, discount, q)
        tmf_means(at.pi, q, S, A, values)
    rest(at, next_values, discount, beta, values)


cdef void best_values(
    Evaluator at,
    const double *next_values,    # IN   (S,)
    double discount,
    double beta,
    double *q,                    # OUT  (S, A)
    double *values,               # OUT  (S,)
) noexcept nogil:
    """policy_values of the best response."""
    action_values(at, next_values, discount, q)
    tmf_largest(q, at.n_observations, at.n_actions, values)
    rest(at, next_values, discount, beta, values)


cdef void both_values(
    Evaluator at,
    const double *next_played,    # IN   (S,)
    const double *next_best,      # IN   (S,)
    double discount,
    double beta,
    double *scratch,              # SCRATCH (2 S A,)
    double *played,               # OUT  (S,)
    double *best,                 # OUT  (S,)
) noexcept nogil:
    """policy_values and best_values, in one pass over the table."""
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions, K = at.n_successors
    cdef Py_ssize_t o
    cdef double *other = scratch + S * A
    cdef const double *reward = at.tables.reward
    cdef const double *table = at.tables.transition
    cdef const double *turned = turned_table(at)
    if at.model.successor != NULL:
        for o in range(S):
            scratch[2 * o] = next_played[o]
            scratch[2 * o + 1] = next_best[o]
        tmf_sparse_both(reward, table, at.model.successor, scratch, at.pi, discount, S, A, K, played, best)
    else:
        if turned != NULL:
            tmf_turned_values(reward, turned, next_played, next_best, discount, S * A, K, scratch, other)
        else:
            tmf_row_values(reward, table, next_played, next_best, discount, S * A, K, scratch, other)
        tmf_means(at.pi, scratch, S, A, played)
        tmf_largest(other, S, A, best)
    rest(at, next_played, discount, beta, played)
    rest(at, next_best, discount, beta, best)


cdef int check_flow(Model model, Py_ssize_t width, Py_ssize_t n_active, Py_ssize_t horizon) except -1:
    if width != model.n_observations:
        raise ValueError(f"mu has {width} entries a step; the game has {model.n_observations} observations")
    return check_active(n_active, horizon)


def forward(Model model not None, Policy policy not None, const double[::1] initial not None,
            const double[::1] active not None, Py_ssize_t horizon, Py_ssize_t record_every,
            double[:, ::1] mu not None, Kept kept=None):
    """Push `initial` forward for `horizon` steps.

    Parameters
    ----------
    initial : ndarray of float64, shape (S,)
        mu_0.
    active : ndarray of float64, shape (1,) or (T,)
        Active fractions beta_t.
    record_every : int
        Steps between two rows of mu.
    mu : ndarray of float64, shape (J + 1, S), J = ceil(T / record_every)
        OUT. Row j is mu after min(j * record_every, T) steps.
    kept : Kept or None
        OUT. The kernels of all steps, for `backward` or `gaps` along this flow.

    Notes
    -----
    theory.md section 2. O(T S A K).
    """
    cdef Evaluator at = Evaluator(model, policy, horizon)
    cdef Push push = Push(at)
    cdef Py_ssize_t S = model.n_observations
    cdef Py_ssize_t t, j = 0, unrecorded = 0
    cdef Py_ssize_t stride = 1 if active.shape[0] > 1 else 0
    cdef double[:, ::1] pair = None
    cdef const double *now
    cdef double *after
    check_flow(model, initial.shape[0], active.shape[0], horizon)
    check_flow(model, mu.shape[1], active.shape[0], horizon)
    if record_every < 1 or mu.shape[0] != 1 + (horizon + record_every - 1) // record_every:
        raise ValueError(f"mu has {mu.shape[0]} rows; must have 1 + ceil({horizon} / {record_every})")
    at.keep(kept)
    if record_every > 1:
        pair = np.empty((2, S))
    with nogil:
        memcpy(&mu[0, 0], &initial[0], S * sizeof(double))
        now = &mu[0, 0]
        for t in range(horizon):
            unrecorded += 1
            if unrecorded == record_every or t + 1 == horizon:
                unrecorded = 0
                j += 1
                after = &mu[j, 0]
            else:
                after = &pair[t & 1, 0]
            push.step(at, <int>t, now, active[t * stride], after)
            now = after


def backward(Model model not None, Policy policy, const double[:, ::1] mu not None,
             const double[::1] active not None, double discount, bint always, double[:, ::1] values not None,
             double[:, :, ::1] q=None, int64_t[:, ::1] greedy=None, Kept kept=None):
    """Values along a flow, of the policy or (policy None) of the best response to the flow.

    Parameters
    ----------
    mu : ndarray of float64, shape (T + 1, S)
        The flow.
    active : ndarray of float64, shape (1,) or (T,)
        beta_t.
    always : bool
        Clock "always" (a tagged agent acts at every step) instead of "schedule".
    values : ndarray of float64, shape (T + 1, S)
        OUT. V_t(o), V_T = 0.
    q : ndarray of float64, shape (T, S, A), optional
        OUT. Q_t(o, a).
    greedy : ndarray of int64, shape (T, S), optional
        OUT. The first maximiser of Q_t(o, .).
    kept : Kept or None
        As `forward` left it.

    Notes
    -----
    theory.md section 3. O(T S A K).
    """
    cdef Py_ssize_t horizon = mu.shape[0] - 1
    cdef Evaluator at = Evaluator(model, policy, horizon)
    cdef Py_ssize_t S = model.n_observations, A = model.n_actions
    cdef Py_ssize_t t, o
    cdef Py_ssize_t stride = 1 if active.shape[0] > 1 else 0
    cdef double[::1] scratch = np.empty(S * A)
    cdef double beta
    cdef double *row
    check_flow(model, mu.shape[1], active.shape[0], horizon)
    if values.shape[0] != horizon + 1 or values.shape[1] != S:
        raise ValueError(f"values has shape ({values.shape[0]}, {values.shape[1]}); must be ({horizon + 1}, {S})")
    if q is not None and (q.shape[0] != horizon or q.shape[1] != S or q.shape[2] != A):
        raise ValueError(f"q must have shape ({horizon}, {S}, {A})")
    if greedy is not None and (greedy.shape[0] != horizon or greedy.shape[1] != S):
        raise ValueError(f"greedy must have shape ({horizon}, {S})")
    expect_steps(at, horizon)
    at.keep(kept)
    with nogil:
        memset(&values[horizon, 0], 0, S * sizeof(double))
        for t in range(horizon - 1, -1, -1):
            at.tables_at(<int>t, &mu[t, 0])
            if policy is not None:
                policy.table_at(<int>t, at.horizon, &mu[t, 0], at.pi_buffer, &at.pi)
            row = &scratch[0] if q is None else &q[t, 0, 0]
            beta = 1.0 if always else active[t * stride]
            if policy is None:
                best_values(at, &values[t + 1, 0], discount, beta, row, &values[t, 0])
            else:
                policy_values(at, &values[t + 1, 0], discount, beta, row, &values[t, 0])
            if greedy is not None:
                for o in range(S):
                    greedy[t, o] = best_action(row + o * A, A)


def gaps(Model model not None, Policy policy not None, const double[:, ::1] mu not None,
         const double[::1] active not None, double discount, bint always, Kept kept=None):
    """How much a best response gains on the policy along a flow.

    Parameters
    ----------
    mu : ndarray of float64, shape (T + 1, S)
        The policy's own flow.
    active : ndarray of float64, shape (1,) or (T,)
        beta_t.
    always : bool
        Clock "always" instead of "schedule".
    kept : Kept or None
        As `forward` left it.

    Returns
    -------
    exploitability : float
        sum_o mu_0(o) (V^BR_0(o) - V_0(o)).
    pointwise : float
        max_{t,o} (V^BR_t(o) - V_t(o)).
    mean_return : float
        sum_o mu_0(o) V_0(o).

    Notes
    -----
    theory.md section 4. One backward pass for both values: O(T S A K) time, O(S A) memory.
    """
    cdef Py_ssize_t horizon = mu.shape[0] - 1
    cdef Evaluator at = Evaluator(model, policy, horizon)
    cdef Py_ssize_t S = model.n_observations, A = model.n_actions
    cdef Py_ssize_t t, o
    cdef Py_ssize_t stride = 1 if active.shape[0] > 1 else 0
    cdef double[:, ::1] memory = np.zeros((4, S))
    cdef double[::1] scratch = np.empty(2 * S * A)
    cdef double *played = &memory[0, 0]
    cdef double *best = &memory[1, 0]
    cdef double *played_before = &memory[2, 0]
    cdef double *best_before = &memory[3, 0]
    cdef double beta, gap = 0, pointwise = 0, mean_return = 0
    check_flow(model, mu.shape[1], active.shape[0], horizon)
    expect_steps(at, horizon)
    at.keep(kept)
    with nogil:
        for t in range(horizon - 1, -1, -1):
            beta = 1.0 if always else active[t * stride]
            at.at(<int>t, &mu[t, 0])
            both_values(at, played, best, discount, beta, &scratch[0], played_before, best_before)
            played, played_before = played_before, played
            best, best_before = best_before, best
            for o in range(S):
                pointwise = max(pointwise, best[o] - played[o])
        for o in range(S):
            gap += mu[0, o] * (best[o] - played[o])
            mean_return += mu[0, o] * played[o]
    return gap, pointwise, mean_return
