"""Majority: rows of agents that take the answer of most of b messages from the population.

Source     games.majority has the formulas.  Notation: model.pxd; u the bias of a message, f_b(u) that of the majority
           of b independent messages: P(right) - P(wrong).
Method     With b = 2k + 1

               f_b(u) = u sum_{j=0}^k C(2j, j) ((1 - u^2) / 4)^j,      f_b'(u) = b C(2k, k) ((1 - u^2) / 4)^k

           (integrate f_b' by parts). All terms have the sign of u, so that nothing cancels however small u is.
Contract   the caller checks that b is odd and that probabilities are in [0, 1].
Cost       O(b) per row, and for all rows together: they do not depend on the agent's own answer.
"""
from libc.string cimport memset

import numpy as np

from tmfcore._model.model cimport Model, Tables

cdef enum:
    RIGHT = 0                           # the observations
    WRONG = 1
    POLL = 1                            # the action; 0 keeps the answer


cdef class Majority(Model):
    """Keep one's answer, or take that of the majority of b messages.

    Parameters
    ----------
    n_polled : int
        b.
    fidelity, correlation : float
        gamma and rho.
    worth, polling_cost : float
        Reward of a right answer, per step, and cost of a decision to poll.
    """
    cdef double[::1] held, flat         # (S,) r0(o), and its slope, 0
    cdef double fidelity, correlation, polling_cost
    cdef Py_ssize_t half                # k

    def __init__(self, Py_ssize_t n_polled, double fidelity, double correlation, double worth, double polling_cost):
        self.set_shape(2, 2, None, [[0], [1]])
        self.half = (n_polled - 1) // 2
        self.fidelity = fidelity
        self.correlation = correlation
        self.polling_cost = polling_cost
        self.held = np.array([worth, 0.0])
        self.flat = np.zeros(2)
        self.standing_level = &self.held[0]
        self.standing_slope = &self.flat[0]
        self.falling_reward = 1
        self.constant_reward = self.passive_identity = True
        self.local_passive_reward = self.separable_reward = self.constant_extra = True
        self.by_row = self.trusted = self.differentiable = True

    cdef inline double heard(self, const double *mu) noexcept nogil:
        """u = gamma (mu(right) - mu(wrong)), within [-1, 1] against rounding"""
        return min(max(self.fidelity * (mu[RIGHT] - mu[WRONG]), -1.0), 1.0)

    cdef inline double rise(self, double u) noexcept nogil:
        """f_b'(u)"""
        cdef Py_ssize_t j
        cdef double out = 2 * self.half + 1
        for j in range(1, self.half + 1):
            out *= (1 - u * u) * (2 * j - 1) / (2 * j)
        return out

    cdef inline double right(self, const double *mu) noexcept nogil:
        """The probability that an agent which polls gets the right answer."""
        cdef Py_ssize_t j
        cdef double u = self.heard(mu), term = u, bias = u
        for j in range(1, self.half + 1):
            term *= (1 - u * u) * (2 * j - 1) / (2 * j)
            bias += term
        bias = self.correlation * u + (1 - self.correlation) * bias
        return min(max(0.5 + 0.5 * bias, 0.0), 1.0)

    cdef double standing_reward(self, int observation, const double *mu) noexcept nogil:
        return self.held[observation]

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        reward[0] = self.held[observation]
        if action < 0:
            probabilities[0] = 1
        elif action == POLL:
            reward[0] -= self.polling_cost
            probabilities[RIGHT] = self.right(mu)
            probabilities[WRONG] = 1 - probabilities[RIGHT]
        else:
            probabilities[observation] = 1
            probabilities[1 - observation] = 0
        return 0

    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil:
        cdef Py_ssize_t o
        cdef double right = self.right(mu)
        cdef double *row = tables.transition
        for o in range(2):
            if everything:
                tables.passive_reward[o] = tables.reward[2 * o] = self.held[o]
                tables.reward[2 * o + 1] = self.held[o] - self.polling_cost
                tables.passive_transition[o] = row[o] = 1
                row[1 - o] = 0
            row[2 + RIGHT] = right
            row[2 + WRONG] = 1 - right
            row += 4
        return 0

    cdef int slopes_at(
        self, int t, int observation, int action, const double *mu, const double *sigma, double *slope, double *bend
    ) except -1 nogil:
        # P(right) = 1/2 + (rho u + (1 - rho) f_b(u)) / 2, u = gamma (mu(0) - mu(1)), f_b'' = -2 k u f_b' / (1 - u^2)
        cdef double u, first, second = 0, independent = 1 - self.correlation
        cdef Py_ssize_t n_cells = 1 if action < 0 else 2
        memset(slope, 0, 2 * n_cells * sizeof(double))
        memset(bend, 0, n_cells * sizeof(double))
        if action != POLL:
            return 0
        u = self.heard(mu)
        first = self.rise(u)
        if u * u < 1:
            second = -2 * self.half * u * first / (1 - u * u)
        first = 0.5 * self.fidelity * (self.correlation + independent * first)
        second *= 0.5 * self.fidelity * self.fidelity * independent
        slope[0] = slope[3] = first
        slope[1] = slope[2] = -first
        bend[RIGHT] = second * (sigma[0] - sigma[1] - sigma[2] + sigma[3])
        bend[WRONG] = -bend[RIGHT]
        return 0
