"""Ascent directions from observed samples: the critics "empirical" and "returns".

Source     Theory, section 7.  Notation and outputs as in _gradient; J intervals of `pool` steps.
Contract   the advantage of a decision is (observed return after it) - sum_a pi(a | o) q(o, a). The tables q and w are
           values of acting and of waiting in other samples, and must not depend on this one. To reduce variance, the
           following are subtracted at later steps; their expectation is 0 for any tables:

               the agent takes action a:  q(o, a) - v(o)      v = beta sum_a pi(a | o) q(o, a) + (1 - beta) w(o)
               the agent waits:           w(o) - v(o)

           With altruism, the advantage of an agent has in addition altruism times the sum over all others of observed
           return after this step - v, from which the same terms of this and later steps are subtracted.
"""
from libc.stdint cimport int16_t, int32_t, int64_t, int8_t, uint16_t, uint32_t, uint8_t
from libc.string cimport memset

import numpy as np

from tmfcore._base.interrupts cimport look, tmf_looks
from tmfcore._model.activation cimport ActingShares
from tmfcore._model.evaluator cimport Evaluator, share_at
from tmfcore._limit.values cimport policy_mean
from tmfcore.solvers._gradient cimport Ascent, climb, open_ascent
from tmfcore._model.model cimport Model
from tmfcore._model.policy cimport Policy, stage_of


cdef struct Account:
    const double *acting       # (J, S, A)   q
    const double *waiting      # (J, S)      w
    double *acted              # (J, S, A)   sums over agents of the observed values of acting, in this sample
    double *acted_count        # (J, S, A)   number of agents in each sum
    double *waited             # (J, S)      the same for waiting
    double *waited_count       # (J, S)


cdef int open_account(Account *account, Py_ssize_t J, Py_ssize_t S, Py_ssize_t A, tables, sums) except -1:
    cdef const double[:, :, ::1] acting
    cdef const double[:, ::1] waiting
    cdef double[:, :, :, ::1] acted
    cdef double[:, :, ::1] waited
    acting, waiting = tables
    acted, waited = sums
    if (tables[0].shape != (J, S, A) or tables[1].shape != (J, S)
            or sums[0].shape != (2, J, S, A) or sums[1].shape != (2, J, S)):
        raise ValueError(f"tables and sums have shapes {tables[0].shape}, {tables[1].shape}, {sums[0].shape} and "
                         f"{sums[1].shape}; must be {(J, S, A)}, {(J, S)}, {(2, J, S, A)} and {(2, J, S)}")
    account.acting = &acting[0, 0, 0]
    account.waiting = &waiting[0, 0]
    account.acted = &acted[0, 0, 0, 0]
    account.acted_count = &acted[1, 0, 0, 0]
    account.waited = &waited[0, 0, 0]
    account.waited_count = &waited[1, 0, 0]
    memset(account.acted, 0, 2 * J * S * A * sizeof(double))
    memset(account.waited, 0, 2 * J * S * sizeof(double))
    return 0


cdef int open_level(Ascent *ascent, double[:, :, :, ::1] direction, double[:, :, :, ::1] level,
                    double[:, ::1] surplus) except -1:
    cdef Py_ssize_t size = direction.shape[0] * direction.shape[1]
    if (level.shape[0] != direction.shape[0] or level.shape[1] != direction.shape[1]
            or level.shape[2] != direction.shape[2] or level.shape[3] != direction.shape[3]
            or surplus.shape[0] != direction.shape[0] or surplus.shape[1] != direction.shape[1]):
        raise ValueError("level must have the shape of direction, and surplus its first two dimensions")
    ascent.level = &level[0, 0, 0, 0]
    ascent.surplus = &surplus[0, 0]
    memset(ascent.level, 0, size * direction.shape[2] * direction.shape[3] * sizeof(double))
    memset(ascent.surplus, 0, size * sizeof(double))
    return 0


def empirical_direction(Policy policy not None, const double[:, ::1] mu not None, flows, successors,
                        passive_successors, Py_ssize_t horizon, Py_ssize_t pool,
                        active not None, double discount, bint always, tables, sums, bint natural,
                        double[:, :, :, ::1] direction not None, double[:, :, ::1] visits not None,
                        double[:, :, :, ::1] level not None, double[:, ::1] surplus not None, double altruism=0.0):
    """Ascent direction from observed rewards and transition frequencies, without a model.

    Parameters
    ----------
    mu : ndarray of float64, shape (J + 1, S)
        counts / N at the ends of the intervals, J = ceil(T / pool).
    flows : tuple of ndarrays
        As written by tmfcore._population.counts.run over the same intervals.
    successors, passive_successors : ndarray of int32 or None
        Shapes (S, A, K) and (S, K0): the observation of each cell of the flows.
    horizon, pool : int
        T, and the steps per interval.
    active : ndarray of float64, shape (1,) or (T,), or ActingShares
        beta_t, or beta_t(o, mu), at the population at the start of the interval.
    always : bool
        Clock "always" instead of "schedule": waiting has no value, and the baseline sum_a pi q of the advantages is
        shifted by the mean of Q - q under pi. (On this clock there are many steps per decision; the errors of V are
        common to all actions at o, and larger than the differences between actions.)
    tables : (ndarray of float64 (J, S, A), ndarray of float64 (J, S))
        q and w of other samples.
    sums : (ndarray of float64 (2, J, S, A), ndarray of float64 (2, J, S))
        OUT. Of this sample: sums over agents of the values of acting, and of waiting, and the numbers of agents.
    natural, direction, visits
        As for _gradient.model_direction; visits counts the decisions taken.
    level : ndarray of float64, shape (L, S, A, F)
        OUT. The change of direction if the advantage of every decision is raised by 1.
    surplus : ndarray of float64, shape (L, S)
        OUT. Sum of the advantages of all decisions; divided by their number, the error of the baseline sum_a pi q.
    altruism : float
        In [0, 1]: the weight of the returns of all other agents.

    Returns
    -------
    float
        Estimated mean return sum_o mu_0(o) V_0(o).

    Notes
    -----
    Theory, section 7: Q_t(o, a) = mean reward + gamma sum_x (frequency of x) V_{t+1}(x), with the frequencies of the
    interval that contains t, and V_t(o) = v(o) + mean over the agents at o of Q_t - q (acting) or W_t - w (waiting). On
    the clock "always" V_t(o) is the mean of Q_t under pi over the actions that were taken, or W_t if none was. If no
    agent was at o, V_t is V_{t+1}. An interval belongs to the stage of its middle. O(T S A K) time.
    """
    cdef int64_t[:, :, :, ::1] gone
    cdef int64_t[:, :, ::1] stayed
    cdef double[:, :, ::1] reward_sums
    cdef double[:, ::1] passive_reward_sums
    gone, reward_sums, stayed, passive_reward_sums = flows
    cdef Py_ssize_t S = gone.shape[1], A = gone.shape[2], K = gone.shape[3], K0 = stayed.shape[2]
    cdef Py_ssize_t n_intervals = gone.shape[0]
    cdef ActingShares acting = active if isinstance(active, ActingShares) else None
    cdef const double[::1] fractions = active if acting is None else np.ones(1)
    cdef Py_ssize_t stride = 1 if fractions.shape[0] > 1 else 0
    cdef double[::1] share_buffer = np.empty(S)
    cdef const double *shares = NULL
    cdef Py_ssize_t t, j, o, a, k, first, end, row, cell, stage
    cdef const int32_t[:, :, ::1] successor = dense_successors(successors, (S, A, K))
    cdef const int32_t[:, ::1] passive_successor = dense_successors(passive_successors, (S, K0))
    cdef Ascent ascent
    cdef Account account
    cdef double[:, ::1] n = np.empty((S, A))
    cdef double[::1] n0 = np.empty(S), base = np.empty(S)        # agents that waited; baseline of the advantages
    cdef double[:, ::1] advantage = np.empty((S, A)), pi_buffer = np.empty((S, A))
    cdef double[:, ::1] pair = np.zeros((2, S))
    cdef double *values = &pair[0, 0]
    cdef double *next_values = &pair[1, 0]
    cdef const double *pi
    cdef double beta, worth, weight, surprise, people, mean, excess, mean_return = 0
    cdef tmf_looks looks
    memset(&looks, 0, sizeof(looks))
    open_ascent(&ascent, S, A, natural, direction, visits)
    if pool < 1 or n_intervals != (horizon + pool - 1) // pool:
        raise ValueError(f"flows have {n_intervals} intervals; must have ceil({horizon} / {pool})")
    if mu.shape[0] != n_intervals + 1 or mu.shape[1] != S or (
            fractions.shape[0] != 1 and fractions.shape[0] != horizon):
        raise ValueError(f"mu must have shape ({n_intervals + 1}, {S}) and active 1 or {horizon} entries")
    open_level(&ascent, direction, level, surplus)
    open_account(&account, n_intervals, S, A, tables, sums)
    if acting is not None:
        acting.check(S, horizon)
    with nogil:
        for j in range(n_intervals - 1, -1, -1):
            look(&looks)
            first = j * pool
            end = min(first + pool, horizon)
            stage = stage_of((first + end) // 2, horizon, direction.shape[0])
            policy.table_at(<int>first, <int>horizon, &mu[j, 0], &pi_buffer[0, 0], &pi)
            for o in range(S):
                n0[o] = 0
                base[o] = policy_mean(pi + o * A, account.acting + (j * S + o) * A, A)
                for k in range(K0):
                    n0[o] += stayed[j, o, k]
                for a in range(A):
                    n[o, a] = 0
                    for k in range(K):
                        n[o, a] += gone[j, o, a, k]
            excess = 0      # of what all agents of a step earn from there on, over the tables
            for t in range(end - 1, first - 1, -1):
                beta = 1.0 if always else fractions[t * stride]
                if acting is not None and not always:
                    acting.at(<int>t, &mu[j, 0], S, &share_buffer[0], &shares)
                for o in range(S):
                    if shares != NULL:
                        beta = shares[o]
                    row = j * S + o
                    surprise = people = mean = 0
                    for a in range(A):
                        if n[o, a] > 0:
                            worth = reward_sums[j, o, a]
                            for k in range(K):
                                worth += discount * gone[j, o, a, k] * next_values[successor[o, a, k]]
                            account.acted[row * A + a] += worth
                            weight = pi[o * A + a] if always else n[o, a]
                            surprise += weight * (worth / n[o, a] - account.acting[row * A + a])
                            mean += weight * worth / n[o, a]
                            people += weight
                    if n0[o] > 0:
                        worth = passive_reward_sums[j, o]
                        for k in range(K0):
                            worth += discount * stayed[j, o, k] * next_values[passive_successor[o, k]]
                        account.waited[row] += worth
                        if not always:
                            surprise += worth - n0[o] * account.waiting[row]
                            people += n0[o]
                    excess += surprise
                    if people == 0:
                        values[o] = worth / n0[o] if n0[o] > 0 else next_values[o]
                    elif always:
                        values[o] = mean / people
                        base[o] += surprise / people / (end - first)
                    else:
                        values[o] = surprise / people + beta * base[o] + (1 - beta) * account.waiting[row]
                values, next_values = next_values, values
            excess /= <double>(end - first) * (end - first)
            for o in range(S):
                row = j * S + o
                account.waited[row] /= end - first
                account.waited_count[row] = n0[o]
                for a in range(A):
                    cell = row * A + a
                    account.acted[cell] /= end - first
                    account.acted_count[cell] = n[o, a]
                    advantage[o, a] = account.acted[cell] / n[o, a] - base[o] if n[o, a] > 0 else 0
                    if altruism > 0 and n[o, a] > 0:
                        advantage[o, a] += altruism * (
                            excess - (account.acted[cell] / n[o, a] - account.acting[cell]))
                climb(&ascent, stage, o, &mu[j, 0], pi + o * A, &n[o, 0], &advantage[o, 0], False)
        for o in range(S):
            mean_return += mu[0, o] * next_values[o]
    return mean_return


cdef object dense_successors(successors, tuple shape):
    if successors is None:
        return np.ascontiguousarray(np.broadcast_to(np.arange(shape[len(shape) - 1], dtype=np.int32), shape))
    if successors.shape != shape:
        raise ValueError(f"successors have shape {successors.shape}; must be {shape}, as the flows")
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
                      observations, actions, active not None, double discount, Py_ssize_t pool,
                      tables, sums, bint natural, double[:, :, :, ::1] direction not None,
                      double[:, :, ::1] visits not None, double[:, :, :, ::1] level not None,
                      double[:, ::1] surplus not None, double altruism=0.0):
    """Ascent direction from Monte-Carlo returns of individuals.

    Parameters
    ----------
    mu : ndarray of float64, shape (T + 1, S)
        counts / N at every step; the rewards of the agents are evaluated at it again.
    observations : ndarray of uint8, uint16 or uint32, shape (T, N)
    actions : ndarray of int8, int16 or int32, shape (T, N)
        -1: passive.
    active : ndarray of float64, shape (1,) or (T,), or ActingShares
        beta_t or beta_t(o, mu), the probability with which an agent acts.
    pool : int
        Steps that share a row of the tables; J = ceil(T / pool).
    tables : (ndarray of float64 (J, S, A), ndarray of float64 (J, S))
        q and w of other samples.
    sums : (ndarray of float64 (2, J, S, A), ndarray of float64 (2, J, S))
        OUT. Of this sample: sums of the returns after acting, and after waiting, and the numbers of agents.
    natural, direction, visits
        As for _gradient.model_direction; visits counts the decisions taken.
    level : ndarray of float64, shape (L, S, A, F)
        OUT. The change of direction if the advantage of every decision is raised by 1.
    surplus : ndarray of float64, shape (L, S)
        OUT. Sum of the advantages of all decisions; divided by their number, the error of the baseline sum_a pi q.
    altruism : float
        In [0, 1]: the weight of the returns of all other agents.

    Returns
    -------
    float
        Mean discounted return of the N agents.

    Notes
    -----
    Theory, section 7, critic "returns": G_t = sum_{s >= t} gamma^(s-t) r_s of the agent, passive rewards included
    (clock "schedule"), minus the module docstring's differences at steps s > t. O(T N + T S A F) time, O(N) memory.
    """
    cdef Py_ssize_t horizon = mu.shape[0] - 1
    cdef Evaluator at = Evaluator(model, policy, horizon)
    cdef Py_ssize_t S = model.n_observations, A = model.n_actions
    cdef const double[::1] fractions = at.activate(active)
    cdef Py_ssize_t stride = 1 if fractions.shape[0] > 1 else 0
    cdef Py_ssize_t N, t, i, o, a, j, row, cell, stage, action, observed_width, action_width
    cdef const uint8_t[:, ::1] observed, acted
    cdef const uint8_t *observed_now
    cdef const uint8_t *acted_now
    cdef Ascent ascent
    cdef Account account
    cdef double[::1] returns
    cdef double[:, ::1] acting = np.zeros((4, S * A))    # of one step: sum of G, decisions, q - v, advantage
    cdef double[:, ::1] waiting = np.zeros((4, S))       # of one step: sum of G, waiting agents, w - v, sum_a pi q
    cdef double beta, g, v, paid, excess, mean_return = 0
    open_ascent(&ascent, S, A, natural, direction, visits)
    if observations.shape != actions.shape or observations.ndim != 2 or observations.shape[0] != horizon:
        raise ValueError(f"observations and actions have shapes {observations.shape} and {actions.shape}; "
                         f"must both be ({horizon}, N)")
    if mu.shape[1] != S or pool < 1:
        raise ValueError(f"mu must have shape (T + 1, {S}), and pool must be >= 1; got pool {pool}")
    open_level(&ascent, direction, level, surplus)
    open_account(&account, (horizon + pool - 1) // pool, S, A, tables, sums)
    N = observations.shape[1]
    observed_width = observations.dtype.itemsize
    action_width = actions.dtype.itemsize
    observed = observations.view(np.uint8)
    acted = actions.view(np.uint8)
    returns = np.zeros(N)
    with nogil:
        for t in range(horizon - 1, -1, -1):
            look(&at.looks)
            at.at(<int>t, &mu[t, 0])
            stage = stage_of(t, horizon, direction.shape[0])
            j = t // pool
            for o in range(S):
                row = j * S + o
                waiting[3, o] = policy_mean(at.pi + o * A, account.acting + row * A, A)
                beta = share_at(at, o, fractions[t * stride])
                v = beta * waiting[3, o] + (1 - beta) * account.waiting[row]
                waiting[0, o] = waiting[1, o] = 0
                waiting[2, o] = account.waiting[row] - v
                for a in range(A):
                    cell = o * A + a
                    acting[0, cell] = acting[1, cell] = acting[3, cell] = 0
                    acting[2, cell] = account.acting[row * A + a] - v
            observed_now = &observed[t, 0]
            acted_now = &acted[t, 0]
            for i in range(N):
                o = read_observation(observed_now, i, observed_width)
                action = read_action(acted_now, i, action_width)
                if i & 0xFFFF == 0xFFFF:
                    look(&at.looks)
                if action < 0:
                    g = at.tables.passive_reward[o] + discount * returns[i]
                    returns[i] = g - waiting[2, o]
                    waiting[0, o] += g
                    waiting[1, o] += 1
                else:
                    cell = o * A + action
                    g = at.tables.reward[cell] + discount * returns[i]
                    returns[i] = g - acting[2, cell]
                    acting[0, cell] += g
                    acting[1, cell] += 1
            paid = excess = 0       # excess: of what all agents earn from here on, over the tables
            if altruism > 0:
                for o in range(S):
                    row = j * S + o
                    excess += waiting[0, o] - waiting[1, o] * account.waiting[row]
                    for a in range(A):
                        excess += acting[0, o * A + a] - acting[1, o * A + a] * account.acting[row * A + a]
            for o in range(S):
                row = j * S + o
                paid += waiting[1, o] * at.tables.passive_reward[o]
                account.waited[row] += waiting[0, o]
                account.waited_count[row] += waiting[1, o]
                for a in range(A):
                    cell = o * A + a
                    if acting[1, cell] > 0:
                        paid += acting[1, cell] * at.tables.reward[cell]
                        account.acted[row * A + a] += acting[0, cell]
                        account.acted_count[row * A + a] += acting[1, cell]
                        acting[3, cell] = acting[0, cell] / acting[1, cell] - waiting[3, o]
                        if altruism > 0:
                            acting[3, cell] += altruism * (
                                excess - (acting[0, cell] / acting[1, cell] - account.acting[row * A + a]))
                climb(&ascent, stage, o, &mu[t, 0], at.pi + o * A, &acting[1, o * A], &acting[3, o * A], False)
            mean_return = paid / N + discount * mean_return
    return mean_return
