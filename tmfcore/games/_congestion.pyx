"""Congestion on the paths of a network: drivers keep a path or change to another of their pair (games.congestion).

Source     Theory, section 8 (Wardrop 1952; Rosenthal 1973).
Notation   E links, S paths, A the most paths of a pair.  An observation is a path, an action the number of a path of
           the same pair.  Link e at volume v takes c (1 + a (v / C)^b), v = vehicles * sum of mu(o) over paths on e.
Contract   rows have one cell; nothing is checked during a run.
Cost       tables O(S A + links of all paths); a row O(paths on the links of its path).
"""
from libc.math cimport pow
from libc.stdint cimport int32_t, int64_t

import numpy as np

from tmfcore._model.model cimport Tables
from tmfcore.games._traffic cimport Traffic


cdef class Congestion(Traffic):
    """Drivers on the paths of a network.

    Parameters
    ----------
    successors : ndarray of int32, shape (S, A, 1)
        The path that an action chooses; of an illegal action, that of the first legal one.
    start : array_like of int, shape (S + 1,)
        Path o has the links links[start[o]:start[o + 1]].
    links : array_like of int
        Links of all paths, in order.
    delay : array_like of float, shape (E, 4)
        c, a, C and b of each link.
    vehicles, step : float
        Number of vehicles, and dt.
    legal : array_like of bool, shape (S, A), optional
        Which numbers of paths the pair of a path has. Default: all.
    """
    cdef int64_t[::1] start, over                   # (S + 1,), (E + 1,)
    cdef int32_t[::1] links, paths                  # links of path o; paths over link e: paths[over[e]:over[e + 1]]
    cdef double[::1] free, extra, per_capacity, power
    cdef double step

    def __init__(self, successors, start, links, delay, double vehicles, double step, legal=None):
        S, A = successors.shape[:2]
        self.set_shape(S, A, successors, np.arange(S, dtype=np.int32)[:, None])
        self.set_legal(legal)
        self.start = np.array(start, np.int64)
        self.links = np.array(links, np.int32)
        given = np.array(delay, np.float64)
        self.n_links = len(given)
        if len(start) != S + 1 or start[0] != 0 or start[S] != len(links) or (np.diff(start) < 1).any():
            raise ValueError("start must divide the links among the paths")
        if len(links) and (np.min(links) < 0 or np.max(links) >= self.n_links):
            raise ValueError(f"links must be in 0..{self.n_links - 1}")
        order = np.argsort(links, kind="stable")
        self.paths = np.repeat(np.arange(S), np.diff(start))[order].astype(np.int32)
        self.over = np.searchsorted(np.asarray(links)[order], np.arange(self.n_links + 1)).astype(np.int64)
        free, congestion, capacity, power = (np.ascontiguousarray(column) for column in given.T)
        self.free, self.extra, self.power, self.per_capacity = free, free * congestion, power, vehicles / capacity
        self.vehicles = vehicles
        self.step = step
        self.affine = bool(((power == 1) | (power == 0) | (free * congestion == 0)).all())
        self.constant_transition = self.passive_identity = self.trusted = self.graded = True

    cdef double share(self, Py_ssize_t link, const double *mu) noexcept nogil:
        """Share of the population on a link."""
        cdef int64_t i
        cdef double total = 0
        for i in range(self.over[link], self.over[link + 1]):
            total += mu[self.paths[i]]
        return total

    cdef inline double time(self, Py_ssize_t link, double share) noexcept nogil:
        return self.free[link] + self.extra[link] * pow(share * self.per_capacity[link], self.power[link])

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        cdef int64_t i
        probabilities[0] = 1
        reward[0] = 0
        for i in range(self.start[observation], self.start[observation + 1]):
            reward[0] -= self.time(self.links[i], self.share(self.links[i], mu))
        reward[0] *= self.step
        return 0

    cdef int reward_pull(
        self, int t, const double *mu, const double *acting, const double *resting, double *out
    ) except -1 nogil:
        # All on a path, acting or not, have one derivative. Of link e with a share w of the agents: -dt w dt_e / dw for
        # each path on e.
        cdef Py_ssize_t link
        cdef int64_t i
        cdef double share, weight, power
        for link in range(self.n_links):
            power = self.power[link]
            if power == 0 or self.extra[link] == 0:
                continue
            share = self.share(link, mu)
            weight = -self.step * self.extra[link] * power * pow(share * self.per_capacity[link], power)
            for i in range(self.over[link], self.over[link + 1]):
                out[self.paths[i]] += weight
        return 0

    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil:
        cdef Py_ssize_t o, a, link, A = self.n_actions
        cdef int64_t i
        cdef double time
        cdef double *costs = tables.passive_reward
        for o in range(self.n_observations):
            costs[o] = 0
        for link in range(self.n_links):
            time = self.step * self.time(link, self.share(link, mu))
            for i in range(self.over[link], self.over[link + 1]):
                costs[self.paths[i]] -= time
        for o in range(self.n_observations):
            for a in range(A):
                tables.reward[o * A + a] = costs[o]
        if everything:
            for o in range(self.n_observations):
                tables.passive_transition[o] = 1
            for o in range(self.n_observations * A):
                tables.transition[o] = 1
        return 0
