"""Ascent directions of TMF-PG towards a reference population, from the decisions of a sample.

Source     Theory, section 7.  Notation: as in _gradient; J intervals of `every` steps, mu (J + 1, S) at their ends;
           d (J, S) the gaps, mu minus the reference at the end of each interval.
Contract   outputs are overwritten, in the form and with the visits of the critic whose sample it is:
           plain     W[o, a] = n[o, .] pi(a | o) g(o, a),  g(o, a) = -sum_x P(x | o, a, mu) (d(x) - own(x)), own the
                     share 1 / N of the agent itself, by the mean row of those who decided: the mean over its action,
                     given all others. DG-PG takes the action that was played instead.
           natural   -sum_x P(x | o, a, mu) d(x), minus its mean over the policy, weighted by the visits of the critic.
Cost       O(J S A (K + F)).
"""
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

import numpy as np

from tmfcore._base.interrupts cimport look
from tmfcore._limit.values cimport policy_mean
from tmfcore._model.evaluator cimport Evaluator, share_at, successors_of
from tmfcore._model.model cimport Model
from tmfcore._model.policy cimport Policy, stage_of
from tmfcore.solvers._gradient cimport Ascent, climb, open_ascent


cdef double mean_gap(Evaluator at, Py_ssize_t row, const double *gap) noexcept nogil:
    """sum_x P(x | o, a, mu) gap(x), for the row o * A + a."""
    cdef Py_ssize_t k, K = at.n_successors
    cdef const double *chances = at.tables.transition + row * K
    cdef const int32_t *places = successors_of(at, row)
    cdef double total = 0
    for k in range(K):
        total += chances[k] * gap[k if places == NULL else places[k]]
    return total


cdef void weigh_rows(Evaluator at, Py_ssize_t o, const double *n, double *out) noexcept nogil:
    """out[x] += sum_a n[a] P(x | o, a, mu)."""
    cdef Py_ssize_t a, k, K = at.n_successors
    cdef const double *chances
    cdef const int32_t *places
    for a in range(at.n_actions):
        if n[a] == 0:
            continue
        chances = at.tables.transition + (o * at.n_actions + a) * K
        places = successors_of(at, o * at.n_actions + a)
        for k in range(K):
            out[k if places == NULL else places[k]] += n[a] * chances[k]


def guided_direction(Model model not None, Policy policy not None, const double[:, ::1] mu not None,
                     const int64_t[:, :, ::1] decisions, double n_agents, active not None,
                     const double[:, ::1] gaps not None, Py_ssize_t horizon, Py_ssize_t every, bint natural,
                     bint all_actions,
                     double[:, :, :, ::1] direction not None, double[:, :, ::1] visits not None):
    """Ascent direction of -|mu - reference|^2 / 2 at the ends of the intervals, as if each one was the last.

    Parameters
    ----------
    mu : ndarray of float64, shape (J + 1, S)
        The sampled flow, or the mean-field flow.
    decisions : ndarray of int64, shape (J, S, A), or None
        n[j, o, a]; None: those of the mean field per agent, mu_t(o) beta_t pi(a | o), with every = 1.
    n_agents : float
        N; used with decisions only.
    active : ndarray of float64, shape (1,) or (T,), or ActingShares
        beta_t, or beta_t(o, mu); used without decisions only.
    gaps : ndarray of float64, shape (J, S)
        d, of mu[1:].
    horizon, every : int
        T, and the number of steps of an interval.
    natural, all_actions : bool
        As the critic's: natural directions, with the visits of all decisions at a row for each action.
    direction : ndarray of float64, shape (L, S, A, F)
        OUT.
    visits : ndarray of float64, shape (L, S, A)
        OUT. Those of the critic.
    """
    cdef Evaluator at = Evaluator(model, policy, horizon)
    cdef Py_ssize_t S = model.n_observations, A = model.n_actions, J = gaps.shape[0]
    cdef Py_ssize_t j, o, a, t, stage, n_stages = direction.shape[0]
    cdef const double[::1] fractions = at.activate(active)
    cdef Py_ssize_t stride = 1 if fractions.shape[0] > 1 else 0
    cdef Ascent ascent
    cdef double[:, ::1] scratch = np.empty((2, A))
    cdef double *n = &scratch[0, 0]
    cdef double *advantage = &scratch[1, 0]
    cdef double[::1] own = np.zeros(S), expected
    cdef double *seen = NULL        # of plain directions, whose n is not what was counted
    cdef double beta, mean, any_taken
    open_ascent(&ascent, S, A, natural, direction, visits)
    if decisions is not None and not natural:
        expected = np.zeros(n_stages * S * A)
        seen, ascent.visits = ascent.visits, &expected[0]
    if every < 1 or J != (horizon + every - 1) // every:
        raise ValueError(f"gaps has {J} rows; must have one for each interval of {every} steps of {horizon}")
    if mu.shape[0] != J + 1 or mu.shape[1] != S or gaps.shape[1] != S:
        raise ValueError(f"mu and gaps must have shapes ({J + 1}, {S}) and ({J}, {S})")
    if decisions is None and every != 1:
        raise ValueError(f"every is {every} without decisions; must be 1")
    if decisions is not None and (
            decisions.shape[0] != J or decisions.shape[1] != S or decisions.shape[2] != A):
        raise ValueError(f"decisions must have shape ({J}, {S}, {A})")
    with nogil:
        for j in range(J):
            look(&at.looks)
            t = (j * every + min((j + 1) * every, horizon)) // 2        # the middle of the interval
            at.transitions_at(<int>t, &mu[j, 0])
            beta = fractions[t * stride]
            stage = stage_of(t, horizon, n_stages)
            for o in range(S):
                any_taken = 0
                for a in range(A):
                    if decisions is None:
                        n[a] = mu[j, o] * share_at(at, o, beta) * at.pi[o * A + a]
                    else:
                        n[a] = <double>decisions[j, o, a]
                    any_taken += n[a]
                if any_taken == 0:
                    continue
                for a in range(A):
                    advantage[a] = -mean_gap(at, o * A + a, &gaps[j, 0])
                if natural:
                    mean = policy_mean(at.pi + o * A, advantage, A)
                    for a in range(A):
                        advantage[a] -= mean
                elif decisions is not None:
                    weigh_rows(at, o, n, &own[0])
                    for a in range(A):
                        advantage[a] += mean_gap(at, o * A + a, &own[0]) / (n_agents * any_taken)
                        seen[(stage * S + o) * A + a] += n[a]
                    memset(&own[0], 0, S * sizeof(double))
                    for a in range(A):
                        n[a] = any_taken * at.pi[o * A + a]
                climb(&ascent, stage, o, &mu[j, 0], at.pi + o * A, n, advantage, all_actions)
