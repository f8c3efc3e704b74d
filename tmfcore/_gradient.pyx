"""Policy-gradient statistics of a rollout: ascent directions for softmax policies, by three critics.

Source     theory.md section 7.  Notation: S observations, A actions, K successors, T steps, L policy stages,
           J intervals, F features of the logits: phi = 1 (F = 1) or phi = (1, mu) (F = 1 + S).
Contract   outputs are overwritten. With adv(o, a) = Q(o, a) - sum_b pi(b | o) Q(o, b), summed over a stage:
           plain     direction[l, o, a, f] = phi_f (W[o, a] - pi(a | o) sum_b W[o, b]),  W = n[o, a] adv(o, a)
           natural   direction[l, o, a, f] = phi_f m[o, a] adv(o, a),                    visits[l, o, a] = m[o, a]
           where n counts the decisions and m is n, or its row sum where the critic knows every action.
"""
from libc.stdint cimport int16_t, int32_t, int64_t, int8_t, uint16_t, uint32_t, uint8_t
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._evaluator cimport Evaluator
from tmfcore._flow cimport expect_steps, policy_mean, policy_values
from tmfcore._model cimport Model
from tmfcore._policy cimport Policy, stage_of


cdef struct Ascent:
    double *direction          # (L, S, A, F)
    double *visits             # (L, S, A)
    Py_ssize_t n_observations, n_actions, n_features
    bint natural


cdef int open_ascent(Ascent *ascent, Py_ssize_t S, Py_ssize_t A, bint natural,
                     double[:, :, :, ::1] direction, double[:, :, ::1] visits) except -1:
    cdef Py_ssize_t L = direction.shape[0]
    if direction.shape[1] != S or direction.shape[2] != A or (direction.shape[3] != 1 and direction.shape[3] != 1 + S):
        raise ValueError(f"direction must have shape (L, {S}, {A}, 1 or {1 + S})")
    if visits.shape[0] != L or visits.shape[1] != S or visits.shape[2] != A:
        raise ValueError(f"visits must have shape ({L}, {S}, {A})")
    ascent.direction = &direction[0, 0, 0, 0]
    ascent.visits = &visits[0, 0, 0]
    ascent.n_observations = S
    ascent.n_actions = A
    ascent.n_features = direction.shape[3]
    ascent.natural = natural
    memset(ascent.direction, 0, L * S * A * ascent.n_features * sizeof(double))
    memset(ascent.visits, 0, L * S * A * sizeof(double))
    return 0


cdef inline void add_features(double *direction, double weight, const double *mu, Py_ssize_t n_features) noexcept nogil:
    cdef Py_ssize_t f
    direction[0] += weight
    for f in range(1, n_features):
        direction[f] += weight * mu[f - 1]


cdef inline void climb(
    Ascent *ascent,
    Py_ssize_t stage,
    Py_ssize_t observation,
    const double *mu,           # IN   (S,)
    const double *pi,           # IN   (A,)
    const double *n,            # IN   (A,)    decisions
    const double *advantage,    # IN   (A,)
    bint all_actions,           # IN           the advantage of actions not taken is known too
) noexcept nogil:
    """Add what one observation saw at one step (or interval)."""
    cdef Py_ssize_t A = ascent.n_actions
    cdef Py_ssize_t a
    cdef Py_ssize_t row = (stage * ascent.n_observations + observation) * A
    cdef double *direction = ascent.direction + row * ascent.n_features
    cdef double *visits = ascent.visits + row
    cdef double total = 0, weighted = 0, weight
    for a in range(A):
        total += n[a]
        weighted += n[a] * advantage[a]
    if total == 0:
        return
    for a in range(A):
        weight = total if all_actions and ascent.natural else n[a]
        visits[a] += weight
        weight *= advantage[a]
        if not ascent.natural:
            weight -= pi[a] * weighted
        add_features(direction + a * ascent.n_features, weight, mu, ascent.n_features)


def model_direction(Model model not None, Policy policy not None, const double[:, ::1] mu not None,
                    const int64_t[:, :, ::1] decisions, const double[::1] active not None, double discount,
                    bint always, bint natural, double[:, :, :, ::1] direction not None,
                    double[:, :, ::1] visits not None):
    """Ascent direction with the model's own Q along a sampled flow.

    Parameters
    ----------
    mu : ndarray of float64, shape (T + 1, S)
        The sampled flow counts / N, or the mean-field flow.
    decisions : ndarray of int64, shape (T, S, A), or None
        n[t, o, a]; None takes the mean field's own, mu_t(o) beta_t pi(a | o), per agent.
    active : ndarray of float64, shape (1,) or (T,)
        beta_t.
    always : bool
        Clock "always" instead of "schedule".
    natural : bool
        Natural instead of plain direction.
    direction : ndarray of float64, shape (L, S, A, F)
        OUT.
    visits : ndarray of float64, shape (L, S, A)
        OUT. direction / visits is the mean advantage of every action, visited or not.

    Returns
    -------
    float
        Mean return sum_o mu_0(o) V_0(o) along this flow.

    Notes
    -----
    theory.md sections 3 and 7. O(T S A (K + F)) time, O(S A) memory.
    """
    cdef Py_ssize_t horizon = mu.shape[0] - 1
    cdef Evaluator at = Evaluator(model, policy, horizon)
    cdef Py_ssize_t S = model.n_observations, A = model.n_actions
    cdef Py_ssize_t t, o, a, stage
    cdef Py_ssize_t stride = 1 if active.shape[0] > 1 else 0
    cdef Py_ssize_t n_stages = direction.shape[0]
    cdef Ascent ascent
    cdef double[:, ::1] pair = np.zeros((2, S))
    cdef double[:, ::1] scratch = np.empty((3, S * A))
    cdef double *values = &pair[0, 0]
    cdef double *next_values = &pair[1, 0]
    cdef double *q = &scratch[0, 0]
    cdef double *n = &scratch[1, 0]
    cdef double *advantage = &scratch[2, 0]
    cdef const int64_t *taken
    cdef int64_t any_taken
    cdef double beta, mean, mean_return = 0
    open_ascent(&ascent, S, A, natural, direction, visits)
    if mu.shape[1] != S or (active.shape[0] != 1 and active.shape[0] != horizon):
        raise ValueError(f"mu must have shape (T + 1, {S}) and active 1 or T entries")
    if decisions is not None and (
            decisions.shape[0] != horizon or decisions.shape[1] != S or decisions.shape[2] != A):
        raise ValueError(f"decisions must have shape ({horizon}, {S}, {A})")
    expect_steps(at, horizon)
    with nogil:
        for t in range(horizon - 1, -1, -1):
            beta = active[t * stride]
            at.at(<int>t, &mu[t, 0])
            policy_values(at, next_values, discount, 1.0 if always else beta, q, values)
            stage = stage_of(t, horizon, n_stages)
            for o in range(S):
                if decisions is None:
                    for a in range(A):
                        n[a] = mu[t, o] * beta * at.pi[o * A + a]
                else:
                    taken = &decisions[t, o, 0]
                    any_taken = 0
                    for a in range(A):
                        any_taken |= taken[a]
                    if any_taken == 0:        # most rows, when few act
                        continue
                    for a in range(A):
                        n[a] = <double>taken[a]
                mean = policy_mean(at.pi + o * A, q + o * A, A)
                for a in range(A):
                    advantage[a] = q[o * A + a] - mean
                climb(&ascent, stage, o, &mu[t, 0], at.pi + o * A, n, advantage, True)
            values, next_values = next_values, values
        for o in range(S):
            mean_return += mu[0, o] * next_values[o]
    return mean_return


def empirical_direction(Policy policy not None, const double[:, ::1] mu not None, flows, successors,
                        passive_successors, Py_ssize_t horizon, Py_ssize_t record_every,
                        const double[::1] active not None, double discount, bint always, bint natural,
                        double[:, :, :, ::1] direction not None, double[:, :, ::1] visits not None):
    """Ascent direction from what was observed alone: rewards paid and transition frequencies, no model.

    Parameters
    ----------
    mu : ndarray of float64, shape (J + 1, S)
        counts / N at the ends of the record intervals.
    flows : tuple of ndarrays
        As written by tmfcore._counts.run over the same J intervals.
    successors, passive_successors : ndarray of int32 or None
        Shapes (S, A, K) and (S, K0): what the cells of the flows stand for.
    horizon, record_every : int
        T, and the steps an interval pools.
    active, discount, always, natural, direction, visits
        As for model_direction; visits counts the decisions taken.

    Returns
    -------
    float
        Estimated mean return sum_o mu_0(o) V_0(o).

    Notes
    -----
    theory.md section 7, critic "empirical": the recursion of section 3 at every step with the tables of the
    interval the step falls in. An action nobody took at o in an interval has advantage 0 there and does not count
    in the policy's mean; where nobody acted at o the value of waiting stands in, and where nobody stood at all
    the next step's value. O(T S A K) time.
    """
    cdef int64_t[:, :, :, ::1] acted
    cdef int64_t[:, :, ::1] waited
    cdef double[:, :, ::1] reward_sums
    cdef double[:, ::1] passive_reward_sums
    acted, reward_sums, waited, passive_reward_sums = flows
    cdef Py_ssize_t S = acted.shape[1], A = acted.shape[2], K = acted.shape[3], K0 = waited.shape[2]
    cdef Py_ssize_t n_intervals = acted.shape[0]
    cdef Py_ssize_t n_stages = direction.shape[0]
    cdef Py_ssize_t stride = 1 if active.shape[0] > 1 else 0
    cdef Py_ssize_t t, j, o, a, k, first, stage
    cdef const int32_t[:, :, ::1] successor = dense_successors(successors, (S, A, K))
    cdef const int32_t[:, ::1] passive_successor = dense_successors(passive_successors, (S, K0))
    cdef Ascent ascent
    cdef double[:, ::1] n = np.empty((S, A))
    cdef double[::1] n0 = np.empty(S)
    cdef double[:, ::1] q = np.empty((S, A))
    cdef double[:, ::1] advantage = np.empty((S, A))
    cdef double[:, ::1] pi_buffer = np.empty((S, A))
    cdef double[::1] values = np.zeros(S)
    cdef double[::1] next_values = np.zeros(S)
    cdef const double *pi
    cdef double beta, mean, seen, waiting, mean_return = 0
    open_ascent(&ascent, S, A, natural, direction, visits)
    if record_every < 1 or n_intervals != (horizon + record_every - 1) // record_every:
        raise ValueError(f"flows have {n_intervals} intervals; must have ceil({horizon} / {record_every})")
    if mu.shape[0] != n_intervals + 1 or mu.shape[1] != S or (active.shape[0] != 1 and active.shape[0] != horizon):
        raise ValueError(f"mu must have shape ({n_intervals + 1}, {S}) and active 1 or {horizon} entries")
    with nogil:
        for j in range(n_intervals - 1, -1, -1):
            first = j * record_every
            stage = stage_of(first, horizon, n_stages)
            policy.table_at(<int>first, <int>horizon, &mu[j, 0], &pi_buffer[0, 0], &pi)
            for o in range(S):
                n0[o] = 0
                for k in range(K0):
                    n0[o] += waited[j, o, k]
                for a in range(A):
                    n[o, a] = advantage[o, a] = 0
                    for k in range(K):
                        n[o, a] += acted[j, o, a, k]
            for t in range(min(first + record_every, horizon) - 1, first - 1, -1):
                beta = 1.0 if always else active[t * stride]
                for o in range(S):
                    mean = seen = 0
                    for a in range(A):
                        if n[o, a] > 0:
                            q[o, a] = reward_sums[j, o, a]
                            for k in range(K):
                                q[o, a] += discount * acted[j, o, a, k] * next_values[successor[o, a, k]]
                            q[o, a] /= n[o, a]
                            mean += pi[o * A + a] * q[o, a]
                            seen += pi[o * A + a]
                    waiting = next_values[o]
                    if n0[o] > 0:
                        waiting = passive_reward_sums[j, o]
                        for k in range(K0):
                            waiting += discount * waited[j, o, k] * next_values[passive_successor[o, k]]
                        waiting /= n0[o]
                    values[o] = waiting
                    if seen > 0:
                        mean /= seen
                        values[o] = beta * mean + (1 - beta) * waiting
                        for a in range(A):
                            if n[o, a] > 0:
                                advantage[o, a] += q[o, a] - mean
                memcpy(&next_values[0], &values[0], S * sizeof(double))
            for o in range(S):
                for a in range(A):
                    advantage[o, a] /= min(record_every, horizon - first)
                climb(&ascent, stage, o, &mu[j, 0], pi + o * A, &n[o, 0], &advantage[o, 0], False)
        for o in range(S):
            mean_return += mu[0, o] * next_values[o]
    return mean_return


cdef object dense_successors(successors, tuple shape):
    if successors is None:
        return np.ascontiguousarray(np.broadcast_to(np.arange(shape[len(shape) - 1], dtype=np.int32), shape))
    if successors.shape != shape:
        raise ValueError(f"successors have shape {successors.shape}; the flows have {shape}")
    return successors


cdef inline Py_ssize_t read_observation(const uint8_t *data, Py_ssize_t i, Py_ssize_t width) noexcept nogil:
    if width == 1:
        return data[i]
    if width == 2:
        return (<const uint16_t *>data)[i]
    return (<const uint32_t *>data)[i]


cdef inline Py_ssize_t read_action(const uint8_t *data, Py_ssize_t i, Py_ssize_t width) noexcept nogil:
    if width == 1:
        return (<const int8_t *>data)[i]
    if width == 2:
        return (<const int16_t *>data)[i]
    return (<const int32_t *>data)[i]


def returns_direction(Model model not None, Policy policy not None, const double[:, ::1] mu not None,
                      observations, actions, double discount, Py_ssize_t pool, bint natural,
                      double[:, :, :, ::1] direction not None, double[:, :, ::1] visits not None):
    """Ascent direction from Monte-Carlo returns of individuals.

    Parameters
    ----------
    mu : ndarray of float64, shape (T + 1, S)
        counts / N at every step: at it the rewards that were paid are read off again.
    observations : ndarray of uint8, uint16 or uint32, shape (T, N)
    actions : ndarray of int8, int16 or int32, shape (T, N)
        -1: passive.
    pool : int
        Steps over which the baseline, the mean return of the agents that acted at o, is pooled.
    natural, direction, visits
        As for model_direction; visits counts the decisions taken.

    Returns
    -------
    float
        Mean discounted return of the N agents.

    Notes
    -----
    theory.md section 7, critic "returns": G_t = sum_{s >= t} gamma^(s-t) r_s of the agent itself, passive rewards
    included (clock "schedule"). O(T N + T S A F) time, O(N) memory.
    """
    cdef Py_ssize_t horizon = mu.shape[0] - 1
    cdef Evaluator at = Evaluator(model, policy, horizon)
    cdef Py_ssize_t S = model.n_observations, A = model.n_actions
    cdef Py_ssize_t n_stages = direction.shape[0], F = direction.shape[3]
    cdef Py_ssize_t N, t, i, o, a, f, row, stage, observed_width, action_width
    cdef Py_ssize_t action
    cdef const uint8_t[:, ::1] observed, acted
    cdef const uint8_t *observed_now
    cdef const uint8_t *acted_now
    cdef Ascent ascent
    cdef double[::1] returns
    cdef double[:, ::1] step = np.zeros((2, S * A))             # of one step: sum of G, decisions
    cdef double[:, :, :, ::1] pooled = np.zeros((2, S, A, F))   # of one pool: directions with G and with 1
    cdef double[:, ::1] baseline = np.zeros((2, S))             # of one pool: sum of G, decisions
    cdef double g, n, share, mean_return = 0
    open_ascent(&ascent, S, A, natural, direction, visits)
    if observations.shape != actions.shape or observations.ndim != 2 or observations.shape[0] != horizon:
        raise ValueError(f"observations and actions have shapes {observations.shape} and {actions.shape}; "
                         f"must both be ({horizon}, N)")
    if mu.shape[1] != S or pool < 1:
        raise ValueError(f"mu must have shape (T + 1, {S}) and pool must be >= 1; got pool {pool}")
    N = observations.shape[1]
    observed_width = observations.dtype.itemsize
    action_width = actions.dtype.itemsize
    observed = observations.view(np.uint8)
    acted = actions.view(np.uint8)
    returns = np.zeros(N)
    with nogil:
        for t in range(horizon - 1, -1, -1):
            at.at(<int>t, &mu[t, 0])
            stage = stage_of(t, horizon, n_stages)
            observed_now = &observed[t, 0]
            acted_now = &acted[t, 0]
            for i in range(N):
                o = read_observation(observed_now, i, observed_width)
                action = read_action(acted_now, i, action_width)
                if action < 0:
                    returns[i] = at.tables.passive_reward[o] + discount * returns[i]
                else:
                    row = o * A + action
                    returns[i] = at.tables.reward[row] + discount * returns[i]
                    step[0, row] += returns[i]
                    step[1, row] += 1
            for o in range(S):
                g = n = 0
                for a in range(A):
                    g += step[0, o * A + a]
                    n += step[1, o * A + a]
                if n == 0:
                    continue
                baseline[0, o] += g
                baseline[1, o] += n
                for a in range(A):
                    row = o * A + a
                    share = 0.0 if natural else at.pi[row]
                    add_features(&pooled[0, o, a, 0], step[0, row] - share * g, &mu[t, 0], F)
                    add_features(&pooled[1, o, a, 0], step[1, row] - share * n, &mu[t, 0], F)
                    ascent.visits[stage * S * A + row] += step[1, row]
                    step[0, row] = step[1, row] = 0
            if t % pool == 0 or stage != stage_of(t - 1, horizon, n_stages):
                for o in range(S):
                    if baseline[1, o] == 0:
                        continue
                    g = baseline[0, o] / baseline[1, o]
                    for a in range(A):
                        for f in range(F):
                            direction[stage, o, a, f] += pooled[0, o, a, f] - g * pooled[1, o, a, f]
                            pooled[0, o, a, f] = pooled[1, o, a, f] = 0
                    baseline[0, o] = baseline[1, o] = 0
        for i in range(N):
            mean_return += returns[i]
    return mean_return / N
