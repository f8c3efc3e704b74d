"""Robotics: rows of robots that are idle, in transit or at work, and get in each other's way at work.

Source     games.robotics has the formulas.  Notation: model.pxd; g = mu(work).
Contract   the caller checks that all probabilities are in [0, 1]; g >= 0 may be any number, as in games.typed.
"""
import numpy as np

from tmfcore._model.model cimport Model, Tables

cdef enum:
    WORK = 2                            # the observation, and the action that leads there
    SIZE = 3                            # S = A
    CELLS = 2                           # K


cdef class Robotics(Model):
    """Choose to be idle, in transit or at work; a wish to work is granted less often the more robots work.

    Parameters
    ----------
    worth, costs : array_like of float, shape (3,)
        Reward by observation if nobody works, and cost by action.
    congestion, least_share : float
        worth is multiplied by max(least_share, 1 - congestion g).
    success, slowdown, least_success : float
        A wish to work is granted with probability max(least_success, success - slowdown g), others with `success`.
    """
    cdef double[::1] worth, costs
    cdef double congestion, least_share, success, slowdown, least_success

    def __init__(self, worth, costs, double congestion, double least_share, double success, double slowdown,
                 double least_success):
        self.worth, self.costs = np.array(worth, np.float64), np.array(costs, np.float64)
        if self.worth.shape[0] != SIZE or self.costs.shape[0] != SIZE:
            raise ValueError(f"worth and costs have {self.worth.shape[0]} and {self.costs.shape[0]} entries; must have "
                             "3 each")
        self.congestion, self.least_share = congestion, least_share
        self.success, self.slowdown, self.least_success = success, slowdown, least_success
        successors = np.empty((SIZE, SIZE, CELLS), np.int32)
        successors[:, :, 0] = np.arange(SIZE)
        successors[:, :, 1] = np.arange(SIZE)[:, None]
        successors[:, WORK, 1] = WORK - 1
        self.set_shape(SIZE, SIZE, successors, np.arange(SIZE)[:, None])
        self.passive_identity = self.constant_extra = self.by_row = self.trusted = True

    cdef inline double share(self, const double *mu) noexcept nogil:
        return max(self.least_share, 1 - self.congestion * mu[WORK])

    cdef inline void fill(self, Py_ssize_t o, Py_ssize_t a, const double *mu, double *row) noexcept nogil:
        row[0] = self.success
        if a == WORK:
            row[0] = max(self.least_success, self.success - self.slowdown * mu[WORK])
        elif a == o:                    # it stays if it succeeds, and if it does not
            row[0] = 1
        row[1] = 1 - row[0]

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        reward[0] = self.worth[observation] * self.share(mu)
        if action < 0:
            probabilities[0] = 1
            return 0
        reward[0] -= self.costs[action]
        self.fill(observation, action, mu, probabilities)
        return 0

    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil:
        cdef Py_ssize_t o, a
        cdef double share = self.share(mu)
        for o in range(SIZE):
            tables.passive_reward[o] = self.worth[o] * share
            tables.passive_transition[o] = 1
            for a in range(SIZE):
                tables.reward[SIZE * o + a] = tables.passive_reward[o] - self.costs[a]
                self.fill(o, a, mu, tables.transition + CELLS * (SIZE * o + a))
        return 0
