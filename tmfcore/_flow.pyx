"""The mean-field limit: flows forwards, values backwards, and who would deviate.

Source     theory.md sections 2 (flow), 3 (values, two clocks) and 4 (exploitability).
Notation   S observations, A actions, K successors, T steps; the loop over time is inside the kernels.
Cost       O(S A K) a step, plus the tables of the game where they depend on mu or t.
"""
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._evaluator cimport passive_successors_of
from tmfcore._model cimport Model
from tmfcore._policy cimport Policy

cdef extern from "dense.h" nogil:
    void tmf_add_rows(const double *weights, const double *table, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out)
    void tmf_row_values(const double *reward, const double *table, const double *values, double discount,
                        Py_ssize_t n_rows, Py_ssize_t n_cells, double *out)


cdef class Incoming:
    """Sparse rows by the observation they lead to: sums over arrivals need no memory to be read back.

    Entry i of the cells that lead to x, i in start[x]..start[x + 1] - 1: cell[i] in the table, in row[i].
    """
    cdef Py_ssize_t n_observations
    cdef Py_ssize_t[::1] start
    cdef int32_t[::1] cell, row

    def __cinit__(self, successors, n_observations):
        flat = successors.reshape(-1)
        order = np.argsort(flat, kind="stable")
        self.n_observations = n_observations
        self.start = np.searchsorted(flat[order], np.arange(n_observations + 1)).astype(np.intp)
        self.cell = order.astype(np.int32)
        self.row = (order // successors.shape[successors.ndim - 1]).astype(np.int32)

    cdef void add(self, const double *weights, const double *table, double *out) noexcept nogil:
        """out[x] += sum over the cells that lead to x of weights[row] table[cell]."""
        cdef Py_ssize_t x, i, last
        cdef double even, odd
        for x in range(self.n_observations):
            even = odd = 0
            last = self.start[x + 1]
            i = self.start[x]
            while i + 1 < last:
                even += weights[self.row[i]] * table[self.cell[i]]
                odd += weights[self.row[i + 1]] * table[self.cell[i + 1]]
                i += 2
            if i < last:
                even += weights[self.row[i]] * table[self.cell[i]]
            out[x] += even + odd


cdef void push_forward(
    Evaluator at,
    Incoming active,          # None when dense
    Incoming passive,         # None when dense, or the identity
    double *weights,          # SCRATCH (S, A)
    const double *mu,         # IN   (S,)
    double beta,              # IN
    double *next_mu,          # OUT  (S,)
) noexcept nogil:
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions
    cdef Py_ssize_t o, a
    cdef double total = 0
    memset(next_mu, 0, S * sizeof(double))
    if beta > 0:
        for o in range(S):
            for a in range(A):
                weights[o * A + a] = mu[o] * beta * at.pi[o * A + a]
        if active is None:
            tmf_add_rows(weights, at.tables.transition, S * A, at.n_successors, next_mu)
        else:
            active.add(weights, at.tables.transition, next_mu)
    if beta < 1:
        for o in range(S):
            weights[o] = mu[o] * (1 - beta)
        if at.model.passive_identity:
            for o in range(S):
                next_mu[o] += weights[o]
        elif passive is None:
            tmf_add_rows(weights, at.tables.passive_transition, S, at.n_passive_successors, next_mu)
        else:
            passive.add(weights, at.tables.passive_transition, next_mu)
    # The rounding of a step must not feed the next: a kernel linear in mu would double it every time.
    for o in range(S):
        total += next_mu[o]
    for o in range(S):
        next_mu[o] /= total


cdef inline double gather(
    const double *row, Py_ssize_t n_cells, const int32_t *successor, const double *values
) noexcept nogil:
    cdef double total = 0
    cdef Py_ssize_t k
    if successor == NULL:
        for k in range(n_cells):
            total += row[k] * values[k]
    else:
        for k in range(n_cells):
            total += row[k] * values[successor[k]]
    return total


cdef inline void sparse_action_values(
    const double *reward, const double *table, const int32_t *successor, Py_ssize_t n_rows, Py_ssize_t n_cells,
    const double *next_values, double discount, double *q
) noexcept nogil:
    cdef Py_ssize_t i, k
    cdef double total
    for i in range(n_rows):
        total = 0
        for k in range(n_cells):
            total += table[i * n_cells + k] * next_values[successor[i * n_cells + k]]
        q[i] = reward[i] + discount * total


cdef void action_values(Evaluator at, const double *next_values, double discount, double *q) noexcept nogil:
    cdef Py_ssize_t K = at.n_successors, n_rows = at.n_observations * at.n_actions
    cdef const double *reward = at.tables.reward
    cdef const double *table = at.tables.transition
    cdef const int32_t *successor = at.model.successor
    if successor == NULL:
        tmf_row_values(reward, table, next_values, discount, n_rows, K, q)
    elif K == 1:              # inlined with K known: a third of the instructions
        sparse_action_values(reward, table, successor, n_rows, 1, next_values, discount, q)
    elif K == 2:
        sparse_action_values(reward, table, successor, n_rows, 2, next_values, discount, q)
    else:
        sparse_action_values(reward, table, successor, n_rows, K, next_values, discount, q)


cdef void observation_values(
    Evaluator at, const double *q, const double *next_values, double discount, double beta, bint greedy,
    double *values
) noexcept nogil:
    cdef Py_ssize_t A = at.n_actions, K0 = at.n_passive_successors
    cdef Py_ssize_t o
    cdef double passive
    cdef const double *row
    for o in range(at.n_observations):
        row = q + o * A
        values[o] = row[best_action(row, A)] if greedy else policy_mean(at.pi + o * A, row, A)
        if beta < 1:
            if at.model.passive_identity:
                passive = next_values[o]
            else:
                passive = gather(at.tables.passive_transition + o * K0, K0,
                                 passive_successors_of(at, o), next_values)
            values[o] = beta * values[o] + (1 - beta) * (at.tables.passive_reward[o] + discount * passive)


cdef int check_flow(Model model, Py_ssize_t width, Py_ssize_t n_active, Py_ssize_t horizon) except -1:
    if width != model.n_observations:
        raise ValueError(f"mu has {width} entries a step; the game has {model.n_observations} observations")
    if n_active != 1 and n_active != horizon:
        raise ValueError(f"active has {n_active} entries; must have 1 or {horizon}")
    return 0


def forward(Model model not None, Policy policy not None, const double[::1] initial not None,
            const double[::1] active not None, Py_ssize_t horizon, Py_ssize_t record_every,
            double[:, ::1] mu not None):
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

    Notes
    -----
    theory.md section 2. O(T S A K).
    """
    cdef Evaluator at = Evaluator(model, policy, horizon)
    cdef Py_ssize_t S = model.n_observations
    cdef Py_ssize_t t, j = 0
    cdef Py_ssize_t stride = 1 if active.shape[0] > 1 else 0
    cdef double[:, ::1] pair = np.empty((2, S))
    cdef double *now = &pair[0, 0]
    cdef double *after = &pair[1, 0]
    cdef double[::1] weights = np.empty(S * model.n_actions)
    cdef Incoming arriving = None, drifting = None
    check_flow(model, initial.shape[0], active.shape[0], horizon)
    check_flow(model, mu.shape[1], active.shape[0], horizon)
    if record_every < 1 or mu.shape[0] != 1 + (horizon + record_every - 1) // record_every:
        raise ValueError(f"mu has {mu.shape[0]} rows; must have 1 + ceil({horizon} / {record_every})")
    if model.successors is not None:
        arriving = Incoming(model.successors, S)
    if model.passive_successors is not None and not model.passive_identity:
        drifting = Incoming(model.passive_successors, S)
    with nogil:
        memcpy(now, &initial[0], S * sizeof(double))
        memcpy(&mu[0, 0], now, S * sizeof(double))
        for t in range(horizon):
            at.at(<int>t, now)
            push_forward(at, arriving, drifting, &weights[0], now, active[t * stride], after)
            now, after = after, now
            if (t + 1) % record_every == 0 or t + 1 == horizon:
                j += 1
                memcpy(&mu[j, 0], now, S * sizeof(double))


def backward(Model model not None, Policy policy, const double[:, ::1] mu not None,
             const double[::1] active not None, double discount, bint always, double[:, ::1] values not None,
             double[:, :, ::1] q=None, int64_t[:, ::1] greedy=None):
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
    cdef double *row
    check_flow(model, mu.shape[1], active.shape[0], horizon)
    if values.shape[0] != horizon + 1 or values.shape[1] != S:
        raise ValueError(f"values has shape ({values.shape[0]}, {values.shape[1]}); must be ({horizon + 1}, {S})")
    if q is not None and (q.shape[0] != horizon or q.shape[1] != S or q.shape[2] != A):
        raise ValueError(f"q must have shape ({horizon}, {S}, {A})")
    if greedy is not None and (greedy.shape[0] != horizon or greedy.shape[1] != S):
        raise ValueError(f"greedy must have shape ({horizon}, {S})")
    with nogil:
        memset(&values[horizon, 0], 0, S * sizeof(double))
        for t in range(horizon - 1, -1, -1):
            at.tables_at(<int>t, &mu[t, 0])
            if policy is not None:
                policy.table_at(<int>t, at.horizon, &mu[t, 0], at.pi_buffer, &at.pi)
            row = &scratch[0] if q is None else &q[t, 0, 0]
            action_values(at, &values[t + 1, 0], discount, row)
            observation_values(at, row, &values[t + 1, 0], discount, 1.0 if always else active[t * stride],
                               policy is None, &values[t, 0])
            if greedy is not None:
                for o in range(S):
                    greedy[t, o] = best_action(row + o * A, A)


def gaps(Model model not None, Policy policy not None, const double[:, ::1] mu not None,
         const double[::1] active not None, double discount, bint always):
    """How much a best response gains on the policy along a flow.

    Parameters
    ----------
    mu : ndarray of float64, shape (T + 1, S)
        The policy's own flow.
    active : ndarray of float64, shape (1,) or (T,)
        beta_t.
    always : bool
        Clock "always" instead of "schedule".

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
    cdef double[::1] q = np.empty(S * A)
    cdef double *played = &memory[0, 0]
    cdef double *best = &memory[1, 0]
    cdef double *played_before = &memory[2, 0]
    cdef double *best_before = &memory[3, 0]
    cdef double beta, gap = 0, pointwise = 0, mean_return = 0
    check_flow(model, mu.shape[1], active.shape[0], horizon)
    with nogil:
        for t in range(horizon - 1, -1, -1):
            beta = 1.0 if always else active[t * stride]
            at.at(<int>t, &mu[t, 0])
            action_values(at, played, discount, &q[0])
            observation_values(at, &q[0], played, discount, beta, False, played_before)
            action_values(at, best, discount, &q[0])
            observation_values(at, &q[0], best, discount, beta, True, best_before)
            played, played_before = played_before, played
            best, best_before = best_before, best
            for o in range(S):
                pointwise = max(pointwise, best[o] - played[o])
        for o in range(S):
            gap += mu[0, o] * (best[o] - played[o])
            mean_return += mu[0, o] * played[o]
    return gap, pointwise, mean_return
