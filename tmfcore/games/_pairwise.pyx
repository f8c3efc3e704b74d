"""Pairwise revision: rows of agents that copy the strategy of an agent they meet, or choose one by its payoff.

Source     games.pairwise_revision has the formulas.  Notation: model.pxd; f(y) the payoff of strategy y, affine in mu;
           beta the intensity of selection, m the probability of mutation.
Contract   the caller checks that payoffs are finite and that probabilities of adoption are at most 1.
Cost       O(S^2) per row, for the payoffs of all strategies; O(S) per row of a meeting; O(S^2) for all rows.
"""
from libc.string cimport memset

import numpy as np

from tmfcore._model.model cimport Adoption, Model, Tables
from tmfcore.games._affine cimport Affine

cdef extern from "_base/simd/elementary.h" nogil:
    double tmf_exp_one(double x)
    void tmf_exp_all(double *x, Py_ssize_t n)

cdef enum:
    REVISE = 1                          # the action; 0 keeps the strategy

cdef enum Rule:                         # in the order of games.pairwise_revision.Rule
    FERMI
    BETTER
    LOGIT


cdef double form(const double *d, const double *sigma, Py_ssize_t S) noexcept nogil:
    """d' sigma d"""
    cdef Py_ssize_t y, w
    cdef double out = 0
    for y in range(S):
        for w in range(S):
            out += d[y] * sigma[y * S + w] * d[w]
    return out


cdef class PairwiseRevision(Affine):
    """Keep one's strategy, or revise it; r = r0 = dt sum_y M(o, y) mu(y).

    Parameters
    ----------
    payoffs : array_like of float, shape (S, S)
        M, per sweep.
    rule : int
    intensity, mutation, dt : float
    """
    cdef const double[:, ::1] payoffs
    cdef Rule rule
    cdef double intensity, mutation
    cdef Adoption how

    def __init__(self, payoffs, int rule, double intensity, double mutation, double dt):
        self.payoffs = np.array(payoffs, np.float64, order="C")
        S = self.payoffs.shape[0]
        rewards = dt * np.asarray(self.payoffs)
        Affine.__init__(self, np.zeros((S, 2)), np.repeat(rewards[:, None], 2, axis=1),
                        np.repeat(np.eye(S)[:, None], 2, axis=1), None, np.zeros(S), rewards, None, None)
        self.rule = <Rule>rule
        self.intensity = intensity
        self.mutation = mutation
        self.constant = self.constant_transition = self.affine = False
        if self.rule != LOGIT:
            self.how.payoffs = &self.payoffs[0, 0]
            self.how.step = dt
            self.how.intensity = intensity
            self.how.mutation = mutation
            self.how.logistic = self.rule == FERMI
            self.adoption = &self.how
        self.differentiable = self.rule != BETTER       # whose rows have kinks where payoffs are equal
        self.meets = self.rule != LOGIT
        self.constant_meetings = False
        self.alone = NULL

    cdef inline double payoff(self, Py_ssize_t o, const double *mu) noexcept nogil:
        cdef Py_ssize_t y
        cdef double out = 0
        for y in range(self.n_observations):
            out += self.payoffs[o, y] * mu[y]
        return out

    cdef inline double chance(self, double gain) noexcept nogil:
        """The probability of adopting a strategy that earns `gain` more than one's own."""
        cdef double e
        if self.rule == BETTER:
            return min(self.intensity * max(gain, 0.0), 1.0)
        e = tmf_exp_one(-self.intensity * abs(gain))
        return (1.0 if gain >= 0 else e) / (1 + e)

    cdef void choose(self, double *row) noexcept nogil:
        """Turn payoffs (S,) into the probabilities with which logit chooses strategies."""
        cdef Py_ssize_t y, S = self.n_observations
        cdef double best = row[0], total = 0
        for y in range(1, S):
            best = max(best, row[y])
        for y in range(S):
            row[y] = self.intensity * (row[y] - best)
        tmf_exp_all(row, S)
        for y in range(S):
            total += row[y]
        for y in range(S):
            row[y] /= total

    cdef void revise(self, Py_ssize_t o, const double *mu, double *row) noexcept nogil:
        """Turn the payoffs (S,) in `row` into the row of an agent at o that revises."""
        cdef Py_ssize_t y, S = self.n_observations
        cdef double own = row[o], total = 0, share, adopted
        cdef double random = self.mutation / S, other = 1 - self.mutation
        if self.rule == LOGIT:
            self.choose(row)
            for y in range(S):
                row[y] = other * row[y] + random
            return
        for y in range(S):
            share = other * mu[y]
            adopted = self.chance(row[y] - own) * share
            total += share - adopted
            row[y] = adopted + random
        row[o] += total

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        cdef Py_ssize_t y
        if action != REVISE:
            return Affine.row_at(self, t, observation, action, mu, probabilities, reward)
        reward[0] = self.held(observation, mu)
        for y in range(self.n_observations):
            probabilities[y] = self.payoff(y, mu)
        self.revise(observation, mu, probabilities)
        return 0

    cdef int met_at(
        self, int t, int observation, int action, int partner, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        cdef Py_ssize_t x, S = self.n_observations
        cdef double adopted
        if action != REVISE:
            return Affine.met_at(self, t, observation, action, partner, mu, probabilities, reward)
        reward[0] = self.held(observation, mu)
        for x in range(S):
            probabilities[x] = self.mutation / S
        adopted = (1 - self.mutation) * self.chance(self.payoff(partner, mu) - self.payoff(observation, mu))
        probabilities[partner] += adopted
        probabilities[observation] += 1 - self.mutation - adopted
        return 0

    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil:
        cdef Py_ssize_t o, y, S = self.n_observations
        cdef double *row = tables.transition
        cdef double *last
        Affine.tables_at(self, t, mu, tables, everything)
        if row == NULL:
            return 0
        last = row + (2 * S - 1) * S                    # the payoffs, until it is turned into a row itself
        for y in range(S):
            last[y] = self.payoff(y, mu)
        for o in range(S):
            row += S
            for y in range(S if row != last else 0):
                row[y] = last[y]
            self.revise(o, mu, row)
            row += S
        return 0

    cdef int slopes_at(
        self, int t, int observation, int action, const double *mu, const double *sigma, double *slope, double *bend
    ) except -1 nogil:
        if action != REVISE:
            return Affine.slopes_at(self, t, observation, action, mu, sigma, slope, bend)
        if self.rule == LOGIT:
            self.slopes_of_choice(mu, sigma, slope, bend)
        else:
            self.slopes_of_imitation(observation, mu, sigma, slope, bend)
        return 0

    cdef int row_pull(
        self, int t, const double *mu, const double *acting, const double *resting, const double *values,
        double *scratch, double *out
    ) except -1 nogil:
        return Model.row_pull(self, t, mu, acting, resting, values, scratch, out)

    cdef void slopes_of_imitation(
        self, Py_ssize_t o, const double *mu, const double *sigma, double *slope, double *bend
    ) noexcept nogil:
        # row[x] = (1 - m) mu(x) p(z_x) + m / S for x != o, with z_x = beta (f(x) - f(o)) and p logistic
        cdef Py_ssize_t x, y, S = self.n_observations
        cdef double p, first, second, along, own = self.payoff(o, mu), other = 1 - self.mutation
        cdef double *rise = slope
        memset(slope + o * S, 0, S * sizeof(double))
        bend[o] = 0
        for x in range(S):
            if x != o:
                p = self.chance(self.payoff(x, mu) - own)
                first = p * (1 - p)
                second = first * (1 - 2 * p)
                along = 0
                for y in range(S):
                    rise[y] = self.intensity * (self.payoffs[x, y] - self.payoffs[o, y])
                    along += sigma[x * S + y] * rise[y]
                bend[x] = other * (2 * first * along + mu[x] * second * form(rise, sigma, S))
                bend[o] -= bend[x]
                for y in range(S):
                    rise[y] = other * (mu[x] * first * rise[y] + (p if x == y else 0.0))
                    slope[o * S + y] -= rise[y]
            rise += S

    cdef void slopes_of_choice(
        self, const double *mu, const double *sigma, double *slope, double *bend
    ) noexcept nogil:
        # row[k] = (1 - m) p_k + m / S with p the softmax of beta f. With d_k = beta (M_k - sum_j p_j M_j), the gradient
        # of p_k is p_k d_k, and its second derivative p_k (d_k d_k' - sum_j p_j d_j d_j').
        cdef Py_ssize_t k, y, S = self.n_observations
        cdef double mean, total = 0
        for k in range(S):
            bend[k] = self.payoff(k, mu)
        self.choose(bend)
        for y in range(S):
            mean = 0
            for k in range(S):
                mean += bend[k] * self.payoffs[k, y]
            for k in range(S):
                slope[k * S + y] = self.intensity * (self.payoffs[k, y] - mean)
        for k in range(S):
            total += bend[k] * form(slope + k * S, sigma, S)
        for k in range(S):
            bend[k] *= 1 - self.mutation
            mean = form(slope + k * S, sigma, S)
            for y in range(S):
                slope[k * S + y] *= bend[k]
            bend[k] *= mean - total
