"""One tagged agent of N with a policy of its own: the game of two types, and the agent's values.

Source     Theory, sections 1, 3 and 5.
Notation   S observations, A actions, K successors, T steps, R replicas, N agents.
Method     The two types have separate observations: o for the tagged agent, S + o for the others. This game has 2 S
           observations and runs on every engine. Only the tagged agent has rewards: they are N times the mean reward.
"""
from libc.stdint cimport int64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._base.interrupts cimport look
from tmfcore._model.evaluator cimport Evaluator
from tmfcore._limit.values cimport best_action, best_values, policy_values
from tmfcore._base.memory cimport room_for
from tmfcore._model.model cimport Model, Tables
from tmfcore._model.policy cimport Policy

# Replicas used for an observation without agents in any replica: one more agent is put there in each (respond).
cdef Py_ssize_t STAND_INS = 32


cdef double *marginal(const double *mu, Py_ssize_t n_observations) except NULL nogil:
    """mu over observations, both types together (S,); the caller frees it."""
    cdef double *total = <double *>room_for(n_observations, sizeof(double), b"a population")
    cdef Py_ssize_t o
    for o in range(n_observations):
        total[o] = mu[o] + mu[n_observations + o]
    return total


cdef class TaggedModel(Model):
    """The game with separate observations for the tagged agent, 0..S-1, and for the others, S..2S-1.

    Parameters
    ----------
    base : Model
        The game. It gets the population of both types together.
    """
    cdef Model base

    def __init__(self, Model base not None):
        S, A = base.n_observations, base.n_actions
        active, passive = base.successors, base.passive_successors
        if active is None:
            active = np.broadcast_to(np.arange(S), (S, A, S))
        if passive is None:
            passive = np.broadcast_to(np.arange(S), (S, S))
        self.set_shape(2 * S, A, np.concatenate([active, active + S]), np.concatenate([passive, passive + S]))
        self.base = base
        self.constant = base.constant
        self.constant_transition = base.constant_transition
        self.passive_identity = base.passive_identity
        self.by_row = base.by_row
        self.trusted = base.trusted

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        cdef int S = <int>self.base.n_observations
        cdef double *total = marginal(mu, S)
        try:
            self.base.row_at(t, observation % S, action, total, probabilities, reward)
        finally:
            free(total)
        if observation >= S:
            reward[0] = 0
        return 0

    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil:
        # The base fills the first half, the tagged agent's rows, in place: tables that do not vary are still there.
        cdef Py_ssize_t S = self.base.n_observations, A = self.n_actions
        cdef Py_ssize_t n_active = S * A * self.n_successors, n_passive = S * self.n_passive_successors
        cdef double *total
        if self.constant and not everything:
            return 0
        total = marginal(mu, S)
        try:
            self.base.tables_at(t, total, tables, everything)
        finally:
            free(total)
        if everything or not self.constant_transition:
            memcpy(tables.transition + n_active, tables.transition, n_active * sizeof(double))
            memcpy(tables.passive_transition + n_passive, tables.passive_transition, n_passive * sizeof(double))
        memset(tables.reward + S * A, 0, S * A * sizeof(double))
        memset(tables.passive_reward + S, 0, S * sizeof(double))
        return 0


cdef class TaggedPolicy(Policy):
    """The tagged agent plays `own`, the others play `others`; both get the population of both types together."""
    cdef Policy own, others

    def __init__(self, Policy own not None, Policy others not None):
        if own.n_observations != others.n_observations or own.n_actions != others.n_actions:
            raise ValueError(f"own has (S, A) = ({own.n_observations}, {own.n_actions}); must equal (S, A) of others, "
                             f"({others.n_observations}, {others.n_actions})")
        self.own = own
        self.others = others
        self.n_observations = 2 * own.n_observations
        self.n_actions = own.n_actions
        self.n_stages = 1
        self.depends_on_mu = True               # or on t: the two policies may have different stages

    cdef int row_at(
        self, int t, int horizon, Py_ssize_t observation, const double *mu, double *buffer, const double **out
    ) except -1 nogil:
        cdef Py_ssize_t S = self.own.n_observations
        cdef double *total = marginal(mu, S)
        try:
            if observation < S:
                self.own.row_at(t, horizon, observation, total, buffer, out)
            else:
                self.others.row_at(t, horizon, observation - S, total, buffer + S * self.n_actions, out)
        finally:
            free(total)
        return 0

    cdef int table_at(
        self, int t, int horizon, const double *mu, double *buffer, const double **out
    ) except -1 nogil:
        cdef Py_ssize_t S = self.own.n_observations, n_cells = S * self.n_actions
        cdef const double *table
        cdef double *total = marginal(mu, S)
        try:
            self.own.table_at(t, horizon, total, buffer, &table)
            if table != buffer:
                memcpy(buffer, table, n_cells * sizeof(double))
            self.others.table_at(t, horizon, total, buffer + n_cells, &table)
            if table != buffer + n_cells:
                memcpy(buffer + n_cells, table, n_cells * sizeof(double))
        finally:
            free(total)
        out[0] = buffer
        return 0


cdef int check_counts(Model model, const int64_t[:, :, ::1] counts) except -1:
    if counts.shape[2] != model.n_observations or counts.shape[0] < 1 or counts.shape[1] < 2:
        raise ValueError(f"counts has shape ({counts.shape[0]}, {counts.shape[1]}, {counts.shape[2]}); must be "
                         f"(R, T + 1, {model.n_observations})")
    return 0


def respond(Model model not None, Policy policy, const int64_t[:, :, ::1] counts not None, double n_agents,
            active not None, double discount, double[:, ::1] values not None,
            int64_t[:, ::1] greedy=None, const double[:, ::1] extra=None):
    """Values of one agent that observes only t and its own observation, in sampled populations.

    Rewards and rows at (t, o) are averaged over the replicas, weighted by the number of agents at o. If no replica has
    an agent at o, one more agent is put there.

    Parameters
    ----------
    policy : Policy or None
        The agent's policy; None: at each (t, o) the action that is best on average.
    counts : ndarray of int64, shape (R, T + 1, S)
        Sampled populations.
    active : ndarray of float64, shape (1,) or (T,), or ActingShares
        beta_t, or beta_t(o, mu): the average is then also weighted by the probability of acting, or of waiting.
    values : ndarray of float64, shape (T + 1, S)
        OUT. V_t(o), V_T = 0.
    greedy : ndarray of int64, shape (T, S), optional
        OUT. With policy None: the first best action.
    extra : ndarray of float64, shape (T, S), or None
        A reward of the agent at (t, o), active or passive, whatever the population.

    Notes
    -----
    One backward pass over all replicas: O(R T S A K) time, O(S A) memory.
    """
    cdef Py_ssize_t horizon = counts.shape[1] - 1, R = counts.shape[0]
    cdef Evaluator at = Evaluator(model, policy, horizon)
    cdef Py_ssize_t S = model.n_observations, A = model.n_actions
    cdef const double[::1] fractions = at.activate(active)
    cdef Py_ssize_t stride = 1 if fractions.shape[0] > 1 else 0
    cdef Py_ssize_t t, r, o, a, y, best
    cdef double weight, beta, acts, waits
    cdef double[:, ::1] q = np.empty((S, A)), total = np.empty((S, A))
    cdef double[::1] mu = np.empty(S), moved = np.empty(S), value = np.empty(S)
    cdef double[::1] waiting = np.empty(S), present = np.empty(S)
    check_counts(model, counts)
    if values.shape[0] != horizon + 1 or values.shape[1] != S:
        raise ValueError(f"values has shape ({values.shape[0]}, {values.shape[1]}); must be ({horizon + 1}, {S})")
    if greedy is not None and (greedy.shape[0] != horizon or greedy.shape[1] != S):
        raise ValueError(f"greedy must have shape ({horizon}, {S})")
    if extra is not None and (extra.shape[0] != horizon or extra.shape[1] != S):
        raise ValueError(f"extra has shape ({extra.shape[0]}, {extra.shape[1]}); must be ({horizon}, {S})")
    with nogil:
        memset(&values[horizon, 0], 0, S * sizeof(double))
        for t in range(horizon - 1, -1, -1):
            # One beta for all agents multiplies the sums at the end; others weight what they sum.
            beta = fractions[t * stride]
            acts = waits = 1
            look(&at.looks)
            total[:, :] = 0
            waiting[:] = 0
            present[:] = 0
            for r in range(R):
                for o in range(S):
                    mu[o] = counts[r, t, o] / n_agents
                look(&at.looks)
                add_values(at, <int>t, mu, &values[t + 1, 0], discount, q, value)
                for o in range(S):
                    weight = counts[r, t, o]
                    present[o] += weight
                    if beta < 0:
                        acts, waits = at.shares[o], 1 - at.shares[o]
                    add_row(at, policy, q, o, weight * acts, total)
                    waiting[o] += weight * waits * value[o]
            for o in range(S):
                if present[o] > 0:
                    continue
                for r in range(min(R, STAND_INS)):
                    for y in range(S):
                        moved[y] = counts[r, t, y] / n_agents * (1 - 1 / n_agents)
                    moved[o] += 1 / n_agents
                    add_values(at, <int>t, moved, &values[t + 1, 0], discount, q, value)
                    present[o] += 1
                    if beta < 0:
                        acts, waits = at.shares[o], 1 - at.shares[o]
                    add_row(at, policy, q, o, acts, total)
                    waiting[o] += waits * value[o]
            for o in range(S):
                if policy is None:
                    best = best_action(&total[o, 0], A)
                    weight = total[o, best]
                    if greedy is not None:
                        greedy[t, o] = best
                else:
                    weight = 0
                    for a in range(A):
                        weight += total[o, a]
                if beta < 0:
                    values[t, o] = (weight + waiting[o]) / present[o]
                else:
                    values[t, o] = (beta * weight + (1 - beta) * waiting[o]) / present[o]
                if extra is not None:
                    values[t, o] += extra[t, o]


cdef inline int add_values(
    Evaluator at, int t, double[::1] mu, const double *next_values, double discount, double[:, ::1] q,
    double[::1] waiting
) except -1 nogil:
    """q[o, a], the values of acting, and waiting[o], those of not acting, at (t, mu)."""
    at.tables_at(t, &mu[0])
    if at.policy is not None:
        at.policy.table_at(t, at.horizon, &mu[0], at.pi_buffer, &at.pi)
    best_values(at, next_values, discount, 0.0, &q[0, 0], &waiting[0])
    return 0


cdef inline void add_row(
    Evaluator at, Policy policy, double[:, ::1] q, Py_ssize_t o, double weight, double[:, ::1] total
) noexcept nogil:
    """total[o, a] += weight q[o, a], times the probability of a unless policy is None."""
    cdef Py_ssize_t a
    if weight == 0:
        return
    for a in range(at.n_actions):
        total[o, a] += weight * q[o, a] * (1.0 if policy is None else at.pi[o * at.n_actions + a])


def surprises(Model model not None, Policy policy not None, const int64_t[:, :, ::1] counts not None,
              const int64_t[:, :, ::1] valued not None, double n_agents, active not None, double discount,
              const double[:, ::1] values not None, double[::1] out not None):
    """The discounted sum of expected temporal differences of V along each sampled population, mean over agents.

    Parameters
    ----------
    policy : Policy
        The policy of the valued agents.
    counts : ndarray of int64, shape (R, T + 1, S)
        All agents.
    valued : ndarray of int64, shape (R, T + 1, S)
        The agents whose returns are wanted; their number is constant.
    values : ndarray of float64, shape (T + 1, S)
        V_t(o), any function with V_T = 0.
    out : ndarray of float64, shape (R,)
        OUT. Mean over the valued agents of
        sum_t gamma^t ( E[r_t + gamma V_{t+1}(o_{t+1}) | o_t, counts_t] - V_t(o_t) ).

    Notes
    -----
    The sum telescopes: for any V its expectation is that of the return minus V_0(o_0). If V is the expected return, the
    randomness of single agents averages out and only that of the population is left. O(R T S A K) time.
    """
    cdef Py_ssize_t horizon = counts.shape[1] - 1, R = counts.shape[0]
    cdef Evaluator at = Evaluator(model, policy, horizon)
    cdef Py_ssize_t S = model.n_observations, A = model.n_actions
    cdef const double[::1] fractions = at.activate(active)
    cdef Py_ssize_t stride = 1 if fractions.shape[0] > 1 else 0
    cdef Py_ssize_t t, r, o
    cdef double factor, total, size
    cdef double[::1] mu = np.empty(S), value = np.empty(S), q = np.empty(S * A)
    check_counts(model, counts)
    if valued.shape[0] != R or valued.shape[1] != horizon + 1 or valued.shape[2] != S:
        raise ValueError(f"valued must have shape ({R}, {horizon + 1}, {S})")
    if values.shape[0] != horizon + 1 or values.shape[1] != S or out.shape[0] != R:
        raise ValueError(f"values must have shape ({horizon + 1}, {S}) and out ({R},)")
    with nogil:
        for r in range(R):
            total = size = 0
            factor = 1
            for o in range(S):
                size += valued[r, 0, o]
            for t in range(horizon):
                for o in range(S):
                    mu[o] = counts[r, t, o] / n_agents
                look(&at.looks)
                at.at(<int>t, &mu[0])
                policy_values(at, &values[t + 1, 0], discount, fractions[t * stride], &q[0], &value[0])
                for o in range(S):
                    total += factor * valued[r, t, o] * (value[o] - values[t, o])
                factor *= discount
            out[r] = total / size
