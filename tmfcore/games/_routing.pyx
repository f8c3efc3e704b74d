"""Dynamic routing with congestion: vehicles on the links of a road network (games.routing has the equations).

Source     Cabannes et al., "Solving N-player dynamic routing games with congestion: a mean field approach",
           arXiv:2110.11943.
Notation   L links.  An observation is a place on a link, with the steps left and the destination, or a place where the
           drive is over.  The row of a vehicle that just entered a link has one cell for each number of steps that the
           link may take, fastest first; every other row has all its mass in cell 0.
Contract   rows are distributions by construction.  Only rows of vehicles that just entered a link vary, with the volume
           of the link.  Only rewards of links that may take a single step vary, and, in the last step, all rewards.
Cost       tables O(S + A (S + E (K + A))) per step, E the observations of vehicles that just entered a link.
"""
from libc.math cimport floor, pow
from libc.stdint cimport int32_t, uint8_t
from libc.string cimport memset

import numpy as np

from tmfcore._model.model cimport Tables
from tmfcore.games._traffic cimport Traffic

cdef struct Split:
    Py_ssize_t cell         # cell of the smaller of two neighbouring numbers of steps
    double more             # share of the vehicles that take one step more
    double one              # share of the vehicles that take a single step


cdef class Routing(Traffic):
    """Vehicles on a road network.

    Parameters
    ----------
    successors : ndarray of int32, shape (S, A, K)
    passive_successors : ndarray of int32, shape (S, K0)
    place : ndarray of int32, shape (S, 2)
        Link and kind of each observation: -1 if the vehicle just entered, otherwise the steps left (>= 0). Sorted by
        link; then follow the places where the drive is over, with link -1.
    arriving : ndarray of uint8, shape (S, A)
        Whether action a at the end of the link leads to the destination; 0 if steps are left.
    passive_arriving : ndarray of uint8, shape (S,)
        The same for passive agents, which drive on without choosing.
    paying : ndarray of uint8, shape (S,)
        Whether time costs anything at the observation.
    delay : ndarray of float64, shape (L, 4)
        Free-flow time, a, capacity and b of each link.
    steps : ndarray of int32, shape (L, 2)
        The fewest and the most steps of each link.
    vehicles, time_step, late : float
        Number of vehicles, length of a step, and the extra cost of being on the road at the end.
    horizon : int
        T.
    linear : bool
        A travel time between two whole numbers of steps is split between them; otherwise it is rounded down.
    """
    cdef public object on_way, room         # (L,) shares of vehicles: largest on each link; largest that `steps` covers
    cdef int32_t[:, ::1] place, steps
    cdef uint8_t[:, ::1] arriving
    cdef uint8_t[::1] passive_arriving, paying
    cdef double[:, ::1] delay
    cdef Py_ssize_t[::1] start              # (L + 1,) observations start[l]..start[l + 1] - 1 are on link l
    cdef int32_t[::1] entered               # (E,) observations of vehicles that just entered a link
    cdef double[:, ::1] spent               # (S, A) minus the steps that an action takes; rows of entered links: -1
    cdef double[::1] passive_spent          # (S,)
    cdef double time_step, late
    cdef int horizon
    cdef readonly bint linear

    def __init__(self, successors, passive_successors, place, arriving, passive_arriving, paying, delay, steps,
                 double vehicles, double time_step, double late, int horizon, bint linear):
        S, A = successors.shape[:2]
        self.set_shape(S, A, successors, passive_successors)
        self.place = np.array(place, np.int32, order="C")
        self.arriving = np.array(arriving, np.uint8, order="C")
        self.passive_arriving = np.array(passive_arriving, np.uint8)
        self.paying = np.array(paying, np.uint8)
        self.delay = np.array(delay, np.float64, order="C")
        self.steps = np.array(steps, np.int32, order="C")
        self.n_links = self.delay.shape[0]
        shapes = ((place, (S, 2)), (arriving, (S, A)), (passive_arriving, (S,)), (paying, (S,)),
                  (delay, (self.n_links, 4)), (steps, (self.n_links, 2)))
        for array, shape in shapes:
            if np.shape(array) != shape:
                raise ValueError(f"an array of the road network has shape {np.shape(array)}; must be {shape}")
        kinds = np.asarray(self.place)
        on_road = kinds[:, 0] >= 0
        links = kinds[on_road, 0]
        if not on_road[:len(links)].all() or (np.diff(links) < 0).any() or (len(links) and links.max() >= self.n_links):
            raise ValueError("place must list the observations sorted by link, and then those with link -1")
        widest = int(np.ptp(np.asarray(self.steps), axis=1).max(initial=0)) + 1
        if np.min(steps) < 1 or widest > min(self.n_successors, self.n_passive_successors):
            raise ValueError(f"steps has minimum {np.min(steps)} and needs {widest} cells; must be >= 1 and need at "
                             f"most {min(self.n_successors, self.n_passive_successors)}")
        self.start = np.searchsorted(links, np.arange(self.n_links + 1)).astype(np.intp)
        self.entered = np.flatnonzero(on_road & (kinds[:, 1] < 0)).astype(np.int32)
        known = np.asarray(self.paying)[:, None] * (1.0 - np.asarray(self.arriving))
        known[np.asarray(self.entered)] = 1.0
        self.spent = -known
        self.passive_spent = -(np.asarray(self.paying) * (1.0 - np.asarray(self.passive_arriving)))
        self.vehicles = vehicles
        self.time_step = time_step
        self.late = late
        self.horizon = horizon
        self.linear = linear
        self.by_row = self.in_parts = self.trusted = True

    cdef inline double price(self, int t) noexcept nogil:
        """Cost of a step on the road."""
        return self.time_step + self.late if t >= self.horizon - 1 else self.time_step

    cdef double share(self, Py_ssize_t link, const double *mu) noexcept nogil:
        """The share of the population on a link."""
        cdef Py_ssize_t o
        cdef double total = 0
        for o in range(self.start[link], self.start[link + 1]):
            total += mu[o]
        return total

    cdef void split(self, Py_ssize_t link, const double *mu, Split *out) noexcept nogil:
        """Split the vehicles that just entered the link over its numbers of steps."""
        cdef const double *delay = &self.delay[link, 0]
        cdef Py_ssize_t fewest = self.steps[link, 0], most = self.steps[link, 1]
        cdef double x, whole
        out.cell = 0
        out.more = 0
        if fewest < most:
            x = delay[0] * (1.0 + delay[1] * pow(self.vehicles * self.share(link, mu) / delay[2], delay[3]))
            x /= self.time_step
            if x >= most:
                out.cell = most - fewest
            elif x > fewest:
                whole = floor(x)
                out.cell = <Py_ssize_t>whole - fewest
                if self.linear:
                    out.more = x - whole
        out.one = 1 - out.more if fewest == 1 and out.cell == 0 else 0.0

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        cdef Py_ssize_t n_cells = self.n_passive_successors if action < 0 else self.n_successors
        cdef bint arriving
        cdef Split split
        memset(probabilities, 0, n_cells * sizeof(double))
        if self.place[observation, 0] < 0 or self.place[observation, 1] >= 0:
            probabilities[0] = 1
            reward[0] = self.price(t) * (
                self.passive_spent[observation] if action < 0 else self.spent[observation, action])
            return 0
        self.split(self.place[observation, 0], mu, &split)
        probabilities[split.cell] = 1 - split.more
        if split.more > 0:
            probabilities[split.cell + 1] = split.more
        arriving = self.passive_arriving[observation] if action < 0 else self.arriving[observation, action]
        reward[0] = -self.price(t) * (1 - split.one) if arriving else -self.price(t)
        return 0

    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil:
        cdef Py_ssize_t A = self.n_actions, K = self.n_successors, K0 = self.n_passive_successors
        cdef Py_ssize_t S = self.n_observations
        cdef Py_ssize_t i, o, a, _, link = -1
        cdef const double *spent = &self.spent[0, 0]
        cdef const double *passive_spent = &self.passive_spent[0]
        cdef double price = self.price(t)
        cdef double *row
        cdef double *rewards = tables.reward
        cdef Split split
        if rewards != NULL:
            for i in range(S * A):
                rewards[i] = price * spent[i]
        rewards = tables.passive_reward
        if rewards != NULL:
            for i in range(S):
                rewards[i] = price * passive_spent[i]
        if everything and tables.transition != NULL:
            memset(tables.transition, 0, S * A * K * sizeof(double))
            for i in range(S * A):
                tables.transition[i * K] = 1
        if everything and tables.passive_transition != NULL:
            memset(tables.passive_transition, 0, S * K0 * sizeof(double))
            for i in range(S):
                tables.passive_transition[i * K0] = 1
        for i in range(self.entered.shape[0]):
            o = self.entered[i]
            if self.place[o, 0] != link:
                link = self.place[o, 0]
                self.split(link, mu, &split)
            if tables.transition != NULL:
                row = tables.transition + o * A * K
                memset(row, 0, A * K * sizeof(double))
                row += split.cell
                for _ in range(A):
                    row[0] = 1 - split.more
                    if split.more > 0:
                        row[1] = split.more
                    row += K
            if tables.passive_transition != NULL:
                row = tables.passive_transition + o * K0
                memset(row, 0, K0 * sizeof(double))
                row[split.cell] = 1 - split.more
                if split.more > 0:
                    row[split.cell + 1] = split.more
            if split.one > 0 and tables.reward != NULL:
                for a in range(A):
                    if self.arriving[o, a]:
                        tables.reward[o * A + a] = -price * (1 - split.one)
            if tables.passive_reward != NULL:
                tables.passive_reward[o] = -price * (1 - split.one) if self.passive_arriving[o] else -price
        return 0
