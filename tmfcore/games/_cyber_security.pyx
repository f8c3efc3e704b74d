"""Cyber security: rows of computers of several types that are defended or not, and infected or not.

Source     games.cyber_security has the formulas.  Notation: model.pxd; M types; observation 4 m + 2 u + h is type m,
           defended (u = 0) or not (u = 1), infected (h = 0) or susceptible (h = 1); g[u] the share of all agents that
           are infected and at u.
Contract   the caller checks that all probabilities are in [0, 1]; nothing is checked during a run.
Cost       O(M) for g, O(1) per row then, O(S) for all tables.
"""
from libc.string cimport memset

import numpy as np

from tmfcore._model.model cimport Model, Tables

cdef enum:
    CELLS = 4                           # of a row: the observations of the agent's type
    SWITCH = 1                          # the action; 0 keeps the defence as it is


cdef class CyberSecurity(Model):
    """Keep or switch one's defence; infection and recovery go on for all.

    Parameters
    ----------
    switching : float
        Probability that a wish to switch is carried out.
    attack, recovery : array_like of float, shape (M, 2)
        Probabilities per step by type and defence u: of an infection from outside, and of a recovery.
    contagion : array_like of float, shape (M, 2, 2)
        By type, own defence and that of the infected: g[u] times this is the probability of an infection by them.
    cost : array_like of float, shape (S,)
        Cost of a step at each observation.
    """
    cdef double[:, ::1] attack, recovery
    cdef double[:, :, ::1] contagion
    cdef double[::1] reward, flat
    cdef double switching

    def __init__(self, double switching, attack, contagion, recovery, cost):
        self.switching = switching
        self.attack = np.array(attack, np.float64)
        self.contagion = np.array(contagion, np.float64)
        self.recovery = np.array(recovery, np.float64)
        self.reward = -np.array(cost, np.float64)
        M = self.attack.shape[0]
        own = np.arange(CELLS * M) // CELLS * CELLS
        cells = own[:, None] + np.arange(CELLS)
        self.set_shape(CELLS * M, 2, cells[:, None].repeat(2, axis=1), cells)
        for name, found, wanted in (
            ("contagion", self.contagion.shape, (M, 2, 2)), ("recovery", self.recovery.shape, (M, 2)),
            ("attack", self.attack.shape, (M, 2)), ("cost", self.reward.shape, (CELLS * M,)),
        ):
            if tuple(found)[:len(wanted)] != wanted:
                raise ValueError(f"{name} has shape {tuple(found)[:len(wanted)]}; must be {wanted}")
        self.flat = np.zeros(CELLS * M)
        self.standing_level = &self.reward[0]
        self.standing_slope = &self.flat[0]
        self.falling_reward = 1
        self.constant_reward = self.local_passive_reward = self.separable_reward = self.constant_extra = True
        self.by_row = self.trusted = self.differentiable = True

    cdef inline double infected(self, Py_ssize_t u, const double *mu) noexcept nogil:
        """g[u], at most 1"""
        cdef Py_ssize_t m
        cdef double out = 0
        for m in range(self.n_observations // CELLS):
            out += mu[CELLS * m + 2 * u]
        return min(out, 1.0)

    cdef inline double spared(self, Py_ssize_t o, double defended, double undefended) noexcept nogil:
        """The probability that a susceptible agent at o is not infected."""
        cdef Py_ssize_t m = o // CELLS, u = o % CELLS // 2
        return ((1 - self.attack[m, u]) * (1 - self.contagion[m, u, 0] * defended)
                * (1 - self.contagion[m, u, 1] * undefended))

    cdef inline void fill(
        self, Py_ssize_t o, double switched, double defended, double undefended, double *row
    ) noexcept nogil:
        """The row of an agent at o that changes its defence with probability `switched`."""
        cdef Py_ssize_t m = o // CELLS, u = o % CELLS // 2
        cdef double healthy = self.recovery[m, u] if o % 2 == 0 else self.spared(o, defended, undefended)
        row[2 * u] = (1 - switched) * (1 - healthy)
        row[2 * u + 1] = (1 - switched) * healthy
        row[2 - 2 * u] = switched * (1 - healthy)
        row[3 - 2 * u] = switched * healthy

    cdef double standing_reward(self, int observation, const double *mu) noexcept nogil:
        return self.reward[observation]

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        reward[0] = self.reward[observation]
        self.fill(observation, self.switching if action == SWITCH else 0.0, self.infected(0, mu), self.infected(1, mu),
                  probabilities)
        return 0

    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil:
        cdef Py_ssize_t o
        cdef double defended = self.infected(0, mu), undefended = self.infected(1, mu)
        for o in range(self.n_observations):
            if everything:
                tables.reward[2 * o] = tables.reward[2 * o + 1] = tables.passive_reward[o] = self.reward[o]
            self.fill(o, 0.0, defended, undefended, tables.passive_transition + CELLS * o)
            self.fill(o, 0.0, defended, undefended, tables.transition + CELLS * 2 * o)
            self.fill(o, self.switching, defended, undefended, tables.transition + CELLS * (2 * o + 1))
        return 0

    cdef int slopes_at(
        self, int t, int observation, int action, const double *mu, const double *sigma, double *slope, double *bend
    ) except -1 nogil:
        # spared = (1 - w) (1 - b0 g0) (1 - b1 g1), g0 and g1 sums of entries of mu: bilinear in them
        cdef Py_ssize_t m = observation // CELLS, u = observation % CELLS // 2, k, y, z, S = self.n_observations
        cdef double outside = 1 - self.attack[m, u], first = self.contagion[m, u, 0], second = self.contagion[m, u, 1]
        cdef double switched = self.switching if action == SWITCH else 0.0
        cdef double both = 0, part
        cdef double rise[2]
        memset(slope, 0, CELLS * S * sizeof(double))
        memset(bend, 0, CELLS * sizeof(double))
        if observation % 2 == 0:                # the infected recover at a constant rate
            return 0
        rise[0] = -outside * first * (1 - second * self.infected(1, mu))
        rise[1] = -outside * second * (1 - first * self.infected(0, mu))
        for y in range(S // CELLS):
            for z in range(S // CELLS):
                both += 2 * sigma[CELLS * y * S + CELLS * z + 2]
        both *= outside * first * second
        for k in range(CELLS):                  # the sign of healthy in the cell, times the probability of its defence
            part = (switched if k // 2 != u else 1 - switched) * (1 if k % 2 else -1)
            bend[k] = part * both
            for y in range(S // 2):
                slope[k * S + 2 * y] = part * rise[y % 2]
        return 0
