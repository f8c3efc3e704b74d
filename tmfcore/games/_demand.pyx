"""Demand: agents that choose how much to take of a common capacity.

Source     games.demand has the formulas.  Notation: model.pxd; d (S,) the demand of each observation, D its mean.
Contract   rows are constant; nothing is checked during a run.
Cost       O(S) per row, for D; O(S A) for all tables.
"""
import numpy as np

from tmfcore._model.model cimport Model, Tables


cdef class Levels(Model):
    """r0(o, mu) = dt ((1 - l) d(o) + l D - severity max(D - capacity, 0)); action a leads to observation a.

    Parameters
    ----------
    levels : array_like of float, shape (S,)
        d.
    capacity, severity, social_weight, dt : float
    """
    cdef double[::1] levels, own            # own: dt (1 - l) d
    cdef double capacity, severity, common  # dt severity, dt l

    def __init__(self, levels, double capacity, double severity, double social_weight, double dt):
        self.levels = np.array(levels, np.float64)
        self.own = dt * (1 - social_weight) * np.asarray(self.levels)
        self.capacity = capacity
        self.severity = dt * severity
        self.common = dt * social_weight
        n = self.levels.shape[0]
        places = np.arange(n)[:, None]
        self.set_shape(n, n, places[None].repeat(n, axis=0), places)
        self.constant_transition = self.passive_identity = self.constant_extra = True
        self.by_row = self.trusted = True

    cdef inline double shared(self, const double *mu) noexcept nogil:
        """The part of the reward that is the same for all."""
        cdef Py_ssize_t o
        cdef double total = 0
        for o in range(self.n_observations):
            total += mu[o] * self.levels[o]
        return self.common * total - self.severity * max(total - self.capacity, 0.0)

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        probabilities[0] = 1
        reward[0] = self.own[observation] + self.shared(mu)
        return 0

    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil:
        cdef Py_ssize_t o, a, n = self.n_observations
        cdef double shared = self.shared(mu)
        for o in range(n):
            tables.passive_reward[o] = self.own[o] + shared
            for a in range(n):
                tables.reward[o * n + a] = tables.passive_reward[o]
        if everything:
            for o in range(n):
                tables.passive_transition[o] = 1
            for o in range(n * n):
                tables.transition[o] = 1
        return 0
