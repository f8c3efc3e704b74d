"""The events of agents with Poisson clocks as a model in steps of one agent, for games whose tables depend on mu.

Source     Theory, section 12.  Notation: S observations, A actions, K and K0 cells of the rows of the game, nu + g the
           rate of events of an agent.
Contract   rows are computed from those of the game at every event, and checked by the caller. Passive agents stay: they
           move at events of their own, action A.
Cost       that of one row of the game, and of its passive row for the passive reward unless that is declared separable.
"""
from libc.stdint cimport int32_t
from libc.stdlib cimport free
from libc.string cimport memset

import numpy as np

from tmfcore._base.memory cimport room_for
from tmfcore._model.model cimport Model, Tables, checked_row


cdef class ClockedModel(Model):
    """A model with one action more, the passive event.

    Parameters
    ----------
    base : Model
        The game in steps of `short` sweeps, so short that passive rows are I + short Q.
    short, dt : float
        That step, and the mean time between two events of all agents.
    rest : array_like of float, shape (S,)
        The rate of passive events of an agent at each observation, nu + g - nu(o) >= 0.
    bound : float
        g, the largest rate at which a passive agent may leave an observation.
    successors : ndarray of int, shape (S, A + 1, cells), or None
        Of an action a the first K are those of the game, of action A the first K0; None: dense.
    """
    cdef Model base
    cdef double short, dt, bound
    cdef object arrays
    cdef const double *rest

    def __init__(self, Model base not None, double short, double dt, rest, double bound, successors):
        cdef const double[::1] rates
        self.base, self.short, self.dt, self.bound = base, short, dt, bound
        rates = self.arrays = np.array(rest, np.float64, order="C")
        if rates.shape[0] != base.n_observations:
            raise ValueError(f"rest has {rates.shape[0]} entries; must have {base.n_observations}")
        self.rest = &rates[0]
        own = np.arange(base.n_observations)[:, None]
        self.set_shape(base.n_observations, base.n_actions + 1, successors, own)
        least = max(base.n_successors, 1 if base.passive_identity else base.n_passive_successors)
        if self.n_successors < least:
            raise ValueError(f"successors has {self.n_successors} cells; must have at least {least}")
        self.passive_identity = True
        self.constant_transition = base.constant_transition
        self.local_passive_reward = base.local_passive_reward
        self.separable_reward = base.separable_reward
        self.constant_extra = base.constant_extra
        self.by_row = base.by_row
        self.asked_by_row = base.asked_by_row

    cdef double standing_reward(self, int observation, const double *mu) noexcept nogil:
        return self.base.standing_reward(observation, mu) * (self.dt / self.short)

    cdef int put(
        self, Py_ssize_t n_cells, const double *row, const int32_t *successor, double *out
    ) except -1 nogil:
        """Write a row of the game, of n_cells cells, as a row of this model."""
        cdef Py_ssize_t k
        memset(out, 0, self.n_successors * sizeof(double))
        if self.successor != NULL or successor == NULL:
            for k in range(n_cells):
                out[k] = row[k]
        else:
            for k in range(n_cells):
                out[successor[k]] += row[k]
        return 0

    cdef int put_passive(self, Py_ssize_t o, double *row, double *out) except -1 nogil:
        """Write the row of a passive event, I + Q / rest, from row o (K0,) of I + short Q, which is overwritten."""
        cdef Py_ssize_t K0 = self.base.n_passive_successors, k, own = -1
        cdef const int32_t *successor = NULL
        cdef double leaving = 0, scale
        if self.base.passive_successor != NULL:
            successor = self.base.passive_successor + o * K0
        for k in range(K0):
            if (k if successor == NULL else successor[k]) == o:
                row[k] = 0
                own = k if own < 0 else own
            else:
                leaving += row[k]
        leaving /= self.short
        if leaving > self.bound * (1 + 1e-12):
            self.refuse(o, leaving)
        scale = 1 / (self.short * self.rest[o]) if self.rest[o] > 0 else 0
        for k in range(K0):
            row[k] *= scale
        if own >= 0:
            row[own] = max(1 - leaving * scale * self.short, 0.0)
        return self.put(K0, row, successor, out)

    cdef int refuse(self, Py_ssize_t o, double leaving) except -1 with gil:
        raise ValueError(f"passive_rates: agents leave observation {o} at the rate {leaving:.12g}; must be at most "
                         f"{self.bound:.12g}, which Poisson(rate, most=...) states")

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        cdef Py_ssize_t K = self.base.n_successors, A = self.base.n_actions
        cdef const int32_t *successor = NULL
        cdef double *row
        cdef double standing, found
        row = <double *>room_for(K + self.base.n_passive_successors, sizeof(double), b"a row of a game")
        try:
            if self.base.separable_reward and 0 <= action < A:
                standing = self.base.standing_reward(observation, mu)
            else:
                checked_row(self.base, 0, observation, -1, mu, row + K, &standing)
            reward[0] = standing * (self.dt / self.short)
            if action < 0:
                probabilities[0] = 1
            elif action < A:
                checked_row(self.base, 0, observation, action, mu, row, &found)
                reward[0] += found - standing
                if self.base.successor != NULL:
                    successor = self.base.successor + (observation * A + action) * K
                self.put(K, row, successor, probabilities)
            else:
                self.put_passive(observation, row + K, probabilities)
        finally:
            free(row)
        return 0

    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil:
        cdef Py_ssize_t S = self.base.n_observations, A = self.base.n_actions, K = self.base.n_successors
        cdef Py_ssize_t K0 = self.base.n_passive_successors, cells = self.n_successors, o, a, i
        cdef const int32_t *successor = NULL
        cdef double *memory = <double *>room_for(
            S * (A * (K + 1.0) + K0 + 1.0), sizeof(double), b"the tables of a game")
        cdef Tables own
        own.reward = memory
        own.passive_reward = memory + S * A
        own.transition = own.passive_reward + S
        own.passive_transition = own.transition + S * A * K
        try:
            self.base.tables_at(0, mu, &own, True)
            for o in range(S):
                tables.passive_transition[o] = 1
                tables.passive_reward[o] = own.passive_reward[o] * (self.dt / self.short)
                for a in range(A):
                    i = o * A + a
                    tables.reward[o * (A + 1) + a] = own.reward[i] - own.passive_reward[o] + tables.passive_reward[o]
                    if self.base.successor != NULL:
                        successor = self.base.successor + i * K
                    self.put(K, own.transition + i * K, successor, tables.transition + (o * (A + 1) + a) * cells)
                tables.reward[o * (A + 1) + A] = tables.passive_reward[o]
                self.put_passive(o, own.passive_transition + o * K0, tables.transition + (o * (A + 1) + A) * cells)
        finally:
            free(memory)
        return 0
