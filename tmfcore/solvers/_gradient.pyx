"""Policy-gradient statistics of a rollout: ascent directions for softmax policies, and the critic "model".

Source     Theory, section 7.  Notation: S observations, A actions, K successors, T steps, L policy stages,
           J intervals, F features of the logits: phi = 1 (F = 1) or phi = (1, mu) (F = 1 + S).
Contract   outputs are overwritten. With adv(o, a) = Q(o, a) - sum_b pi(b | o) Q(o, b), summed over a stage:
           plain     direction[l, o, a, f] = phi_f (W[o, a] - pi(a | o) sum_b W[o, b]),  W = n[o, a] adv(o, a)
           natural   direction[l, o, a, f] = phi_f m[o, a] adv(o, a),                    visits[l, o, a] = m[o, a]
           where n counts the decisions; m is n, or its sum over actions if the critic knows the Q of every action.

The critics that use only observed samples are in _observed.
"""
from libc.stdint cimport int64_t
from libc.string cimport memset

import numpy as np

from tmfcore._base.interrupts cimport look
from tmfcore._model.evaluator cimport Evaluator, share_at
from tmfcore._limit.values cimport expect_steps, policy_mean, policy_values
from tmfcore._model.model cimport Model
from tmfcore._model.policy cimport Policy, stage_of


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
    ascent.level = NULL
    ascent.surplus = NULL
    memset(ascent.direction, 0, L * S * A * ascent.n_features * sizeof(double))
    memset(ascent.visits, 0, L * S * A * sizeof(double))
    return 0


cdef void climb(
    Ascent *ascent,
    Py_ssize_t stage,
    Py_ssize_t observation,
    const double *mu,           # IN   (S,)
    const double *pi,           # IN   (A,)
    const double *n,            # IN   (A,)    decisions
    const double *advantage,    # IN   (A,)
    bint all_actions,           # IN           advantages of actions that were not taken are known, too
) noexcept nogil:
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
    if ascent.level == NULL:
        return
    ascent.surplus[stage * ascent.n_observations + observation] += weighted
    for a in range(A):
        weight = n[a] if ascent.natural else n[a] - pi[a] * total
        add_features(ascent.level + (row + a) * ascent.n_features, weight, mu, ascent.n_features)


def model_direction(Model model not None, Policy policy not None, const double[:, ::1] mu not None,
                    const int64_t[:, :, ::1] decisions, active not None, double discount, bint always, bint natural,
                    double[:, :, :, ::1] direction not None, double[:, :, ::1] visits not None,
                    const double[:, ::1] extra=None):
    """Ascent direction with the exact Q of the model along a flow.

    Parameters
    ----------
    mu : ndarray of float64, shape (T + 1, S)
        The sampled flow counts / N, or the mean-field flow.
    decisions : ndarray of int64, shape (T, S, A), or None
        n[t, o, a]; None: those of the mean field per agent, mu_t(o) beta_t pi(a | o).
    active : ndarray of float64, shape (1,) or (T,), or ActingShares
        beta_t, or beta_t(o, mu).
    always : bool
        Clock "always" instead of "schedule".
    natural : bool
        Natural instead of plain direction.
    direction : ndarray of float64, shape (L, S, A, F)
        OUT.
    visits : ndarray of float64, shape (L, S, A)
        OUT. direction / visits is the mean advantage of every action, taken or not.
    extra : ndarray of float64, shape (T, S), or None
        A reward of every agent at (t, o), active or passive.

    Returns
    -------
    float
        Mean return sum_o mu_0(o) V_0(o) along this flow.

    Notes
    -----
    Theory, sections 3 and 7. O(T S A (K + F)) time, O(S A) memory.
    """
    cdef Py_ssize_t horizon = mu.shape[0] - 1
    cdef Evaluator at = Evaluator(model, policy, horizon)
    cdef Py_ssize_t S = model.n_observations, A = model.n_actions
    cdef Py_ssize_t t, o, a, stage
    cdef const double[::1] fractions = at.activate(active)
    cdef Py_ssize_t stride = 1 if fractions.shape[0] > 1 else 0
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
    if mu.shape[1] != S:
        raise ValueError(f"mu must have shape (T + 1, {S})")
    if decisions is not None and (
            decisions.shape[0] != horizon or decisions.shape[1] != S or decisions.shape[2] != A):
        raise ValueError(f"decisions must have shape ({horizon}, {S}, {A})")
    if extra is not None and (extra.shape[0] != horizon or extra.shape[1] != S):
        raise ValueError(f"extra must have shape ({horizon}, {S})")
    expect_steps(at, horizon)
    with nogil:
        for t in range(horizon - 1, -1, -1):
            look(&at.looks)
            beta = fractions[t * stride]
            at.at(<int>t, &mu[t, 0])
            policy_values(at, next_values, discount, 1.0 if always else beta, q, values)
            stage = stage_of(t, horizon, n_stages)
            for o in range(S):
                if decisions is None:
                    for a in range(A):
                        n[a] = mu[t, o] * share_at(at, o, beta) * at.pi[o * A + a]
                else:
                    taken = &decisions[t, o, 0]
                    any_taken = 0
                    for a in range(A):
                        any_taken |= taken[a]
                    if any_taken == 0:        # most rows, if few agents act
                        continue
                    for a in range(A):
                        n[a] = <double>taken[a]
                mean = policy_mean(at.pi + o * A, q + o * A, A)
                for a in range(A):
                    advantage[a] = q[o * A + a] - mean
                climb(&ascent, stage, o, &mu[t, 0], at.pi + o * A, n, advantage, True)
            if extra is not None:
                for o in range(S):
                    values[o] += extra[t, o]
            values, next_values = next_values, values
        for o in range(S):
            mean_return += mu[0, o] * next_values[o]
    return mean_return
