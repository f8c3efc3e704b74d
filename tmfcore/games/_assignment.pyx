"""Traffic assignment: the paths of origin-destination pairs, and flows on them that tend to the user equilibrium.

Source     Theory, section 8: Dafermos and Sparrow 1969; path equilibration by Newton steps as in Jayakrishnan et al.
           1994; pairs one after another on links that are always up to date as in Xie, Nie and Liu 2018.
Notation   E links, M nodes, W pairs sorted by origin, P paths.  Link e at volume v takes c (1 + a (v / C)^b).
Contract   path flows are >= 0, and those of a pair add up to its demand.  Every path is simple, starts at its origin
           and passes through no closed node.  A path is stored from its origin on, so that its cost has the bits of the
           distance that `search` finds for it, and is added at most once.
Cost       generate: a Dijkstra search per origin, O(E log M), and O(links of all paths).  equilibrate: O(links of the
           paths of pairs that have several) per sweep.  The room of dropped paths is used again.
"""
from libc.math cimport INFINITY, pow
from libc.stdint cimport int32_t, int64_t, uint8_t

import numpy as np

from tmfcore._base.interrupts cimport look, tmf_looks
from tmfcore.games.shortest cimport shortest

cdef double NEW = 1e-13         # a path is new if it is shorter than all paths of its pair by this share
cdef double OVERSHOOT = 0.25    # largest overshoot of a shift, as a share of the difference before it
cdef int32_t NONE = -1


cdef class Assignment:
    """Paths and flows of all pairs, which its methods change: used by one thread at a time.

    Parameters
    ----------
    tail, head : array_like of int, shape (E,)
    closed : array_like of bool, shape (M,)
        Nodes that paths may only start or end at.
    delay : array_like of float, shape (E, 4)
        c, a, C and b of each link, as a RoadNetwork has them.
    origin, destination : array_like of int, shape (W,)
        Sorted by origin.
    demand : array_like of float, shape (W,)
        > 0.
    """
    cdef readonly Py_ssize_t n_links, n_nodes, n_pairs, n_paths
    cdef int32_t[::1] exit_start, exits, head, tail, origin, destination
    cdef uint8_t[::1] closed
    cdef double[::1] free, extra, per_capacity, power, demand
    cdef int32_t[::1] whole                 # (E,) the power if it is a small whole number, else -1
    cdef double[::1] volume, time, slope    # (E,)
    cdef double[::1] distance               # (M,) of the last search
    cdef int32_t[::1] entered, place, heap  # (M,) link by which a node is reached; place in the heap; the heap
    cdef int64_t[::1] on_best, on_other     # (E,) marks of the links of two paths
    cdef int64_t mark, other_mark            # of the present best path, and of the present other one
    cdef int32_t[::1] first                 # (W,) newest path of a pair
    cdef int32_t[::1] after, length         # (room for paths,) next path of the pair; number of links
    cdef int64_t[::1] start
    cdef double[::1] flow, cost
    cdef int32_t[::1] links                 # links of all paths, path by path; those of dropped ones stay
    cdef int64_t n_stored
    cdef Py_ssize_t limit                   # number of stored paths at which dropped ones are cleared away
    cdef int32_t[::1] several               # pairs with several paths

    def __init__(self, tail, head, closed, delay, origin, destination, demand):
        cdef Py_ssize_t e
        self.tail = np.array(tail, np.int32)
        self.head = np.array(head, np.int32)
        self.closed = np.array(closed, np.uint8)
        self.origin = np.array(origin, np.int32)
        self.destination = np.array(destination, np.int32)
        self.demand = np.array(demand, np.float64)
        self.n_links, self.n_nodes, self.n_pairs = len(tail), len(closed), len(demand)
        given = np.array(delay, np.float64)
        shapes = ((head, self.n_links), (origin, self.n_pairs), (destination, self.n_pairs))
        if given.shape != (self.n_links, 4) or any(len(array) != n for array, n in shapes):
            raise ValueError("arrays of links or of pairs differ in length")
        for array in (tail, head, origin, destination):
            if len(array) and (np.min(array) < 0 or np.max(array) >= self.n_nodes):
                raise ValueError(f"a node is not in 0..{self.n_nodes - 1}")
        if (np.diff(origin) < 0).any():
            raise ValueError("pairs are not sorted by origin")
        order = np.argsort(tail, kind="stable").astype(np.int32)
        self.exits = order
        self.exit_start = np.searchsorted(np.asarray(tail)[order], np.arange(self.n_nodes + 1)).astype(np.int32)
        free, congestion, capacity, power = (np.ascontiguousarray(column) for column in given.T)
        self.free, self.extra, self.per_capacity, self.power = free, free * congestion, 1 / capacity, power
        self.whole = np.where((power == np.floor(power)) & (power <= 8), power, -1).astype(np.int32)
        self.volume, self.time, self.slope = (np.zeros(self.n_links) for _ in range(3))
        for e in range(self.n_links):
            self.refresh(e)
        self.distance = np.empty(self.n_nodes)
        self.entered, self.place, self.heap = (np.empty(self.n_nodes, np.int32) for _ in range(3))
        self.on_best, self.on_other = (np.zeros(self.n_links, np.int64) for _ in range(2))
        self.first = np.full(self.n_pairs, NONE, np.int32)
        self.several = np.empty(self.n_pairs, np.int32)
        self.limit = 4 * self.n_pairs + 1024
        room = 2 * self.n_pairs + 16
        self.after, self.length = (np.empty(room, np.int32) for _ in range(2))
        self.start = np.empty(room, np.int64)
        self.flow, self.cost = (np.empty(room) for _ in range(2))
        self.links = np.empty(16 * room, np.int32)

    # ------------------------------------------------------------------------------------------------ links and paths

    cdef inline void refresh(self, Py_ssize_t e) noexcept nogil:
        """Time and slope of link e at its volume."""
        cdef double share = self.volume[e] * self.per_capacity[e], power = 1
        cdef int32_t _
        if self.extra[e] == 0 or self.whole[e] == 0:
            self.time[e] = self.free[e] + self.extra[e]
            self.slope[e] = 0
            return
        if self.whole[e] > 0:
            for _ in range(self.whole[e] - 1):
                power *= share
        else:
            power = pow(share, self.power[e] - 1)
        self.slope[e] = self.extra[e] * self.power[e] * power * self.per_capacity[e]
        self.time[e] = self.free[e] + self.extra[e] * (power * share if share > 0 else 0.0)

    cdef inline double cost_of(self, int32_t path) noexcept nogil:
        cdef const int32_t *link = &self.links[self.start[path]]
        cdef double total = 0
        cdef Py_ssize_t i
        for i in range(self.length[path]):
            total += self.time[link[i]]
        return total

    cdef int grow(self) except -1 nogil:
        """Make room for a path."""
        if self.n_paths + 1 < self.after.shape[0] and self.n_stored + self.n_nodes < self.links.shape[0]:
            return 0
        with gil:
            if self.n_paths + 1 >= self.after.shape[0]:
                room = 2 * self.after.shape[0]
                self.after, self.length = np.resize(self.after, room), np.resize(self.length, room)
                self.start, self.flow = np.resize(self.start, room), np.resize(self.flow, room)
                self.cost = np.empty(room)
            if self.n_stored + self.n_nodes >= self.links.shape[0]:
                self.links = np.resize(self.links, 2 * self.links.shape[0] + self.n_nodes)
        return 0

    cdef int add(self, Py_ssize_t pair, double flow) except -1 nogil:
        """Add the path that the last search found."""
        cdef int32_t node = self.destination[pair], path, e
        cdef int64_t i
        self.grow()
        path = <int32_t>self.n_paths
        self.n_paths += 1
        self.start[path] = self.n_stored
        while node != self.origin[pair]:
            e = self.entered[node]
            self.links[self.n_stored] = e
            self.n_stored += 1
            node = self.tail[e]
        self.length[path] = <int32_t>(self.n_stored - self.start[path])
        for i in range(self.length[path] // 2):
            e = self.links[self.start[path] + i]
            self.links[self.start[path] + i] = self.links[self.n_stored - 1 - i]
            self.links[self.n_stored - 1 - i] = e
        self.flow[path] = flow
        self.after[path] = self.first[pair]
        self.first[pair] = path
        return 0

    # -------------------------------------------------------------------------------------------------------- searches

    cdef void search(self, int32_t origin) noexcept nogil:
        """Shortest paths from a node to all others, at the present times."""
        shortest(self.n_nodes, &self.exit_start[0], &self.exits[0], &self.head[0], &self.closed[0], &self.time[0],
                 origin, &self.distance[0], &self.entered[0], &self.place[0], &self.heap[0])

    def load(self):
        """Put every pair on its shortest path, origin by origin, in the traffic of the origins before.

        Returns
        -------
        int
            The first pair without a path; -1: there is none, and all are loaded.
        """
        cdef Py_ssize_t pair, i, bad = -1
        cdef int32_t node, e
        cdef int32_t at = NONE
        cdef tmf_looks looks = tmf_looks(0, 0, 0)
        with nogil:
            pair = 0
            while pair < self.n_pairs and bad < 0:
                look(&looks)
                at = self.origin[pair]
                self.search(at)
                while pair < self.n_pairs and self.origin[pair] == at:
                    if self.distance[self.destination[pair]] == INFINITY:
                        bad = pair
                        break
                    self.add(pair, self.demand[pair])
                    node = self.destination[pair]
                    while node != at:
                        e = self.entered[node]
                        self.volume[e] += self.demand[pair]
                        node = self.tail[e]
                    pair += 1
                for i in range(self.n_links):
                    self.refresh(i)
        return bad

    def generate(self):
        """Add the shortest path of every pair that does not have it, with flow 0, at the times of the present flows.

        Returns
        -------
        total, least : float
            Total travel time, and that of all vehicles on shortest paths.
        """
        cdef Py_ssize_t pair, i
        cdef int32_t path, at = NONE
        cdef double total = 0, least = 0, best, far
        cdef tmf_looks looks = tmf_looks(0, 0, 0), searches = tmf_looks(0, 0, 0)  # as long as hundreds of pairs
        if self.n_paths > self.limit:
            self.clear()
        with nogil:
            self.sum_up()
            for i in range(self.n_links):
                total += self.volume[i] * self.time[i]
            for pair in range(self.n_pairs):
                look(&looks)
                if self.origin[pair] != at:
                    look(&searches)
                    at = self.origin[pair]
                    self.search(at)
                best = INFINITY
                path = self.first[pair]
                while path >= 0:
                    best = min(best, self.cost_of(path))
                    path = self.after[path]
                far = self.distance[self.destination[pair]]
                least += self.demand[pair] * far
                if far < best * (1 - NEW):
                    self.add(pair, 0.0)
        return total, least

    def clear(self):
        """Forget the dropped paths."""
        pair, start, links, flow = self.paths()
        n = len(flow)
        np.asarray(self.after)[:n] = np.where(np.append(pair[1:], -1) == pair, np.arange(1, n + 1), NONE)
        self.first = np.searchsorted(pair, np.arange(self.n_pairs)).astype(np.int32)
        stored = (self.length, np.diff(start)), (self.start, start[:n]), (self.flow, flow), (self.links, links)
        for array, kept in stored:
            np.asarray(array)[:len(kept)] = kept
        self.n_paths, self.n_stored = n, len(links)
        self.limit = max(self.limit, 3 * n)

    cdef void sum_up(self) noexcept nogil:
        """Volumes and times from the flows of paths, which rounding in single shifts does not reach."""
        cdef Py_ssize_t pair, i
        cdef int32_t path
        cdef double total
        for i in range(self.n_links):
            self.volume[i] = 0
        for pair in range(self.n_pairs):
            total = 0
            path = self.first[pair]
            while path >= 0:
                total += self.flow[path]
                path = self.after[path]
            path = self.first[pair]
            while path >= 0:
                if total != self.demand[pair]:
                    self.flow[path] *= self.demand[pair] / total
                for i in range(self.length[path]):
                    self.volume[self.links[self.start[path] + i]] += self.flow[path]
                path = self.after[path]
        for i in range(self.n_links):
            self.refresh(i)

    # ----------------------------------------------------------------------------------------------------------- shifts

    def equilibrate(self, Py_ssize_t sweeps, double target):
        """Shift flow to the best known path of each pair, pair by pair.

        Parameters
        ----------
        sweeps : int
            The most passes over all pairs with several paths.
        target : float
            Ends when a pass meets less excess than this: the sum of flow times (cost - cost of the pair's best path).

        Returns
        -------
        int
            Number of passes.
        """
        cdef Py_ssize_t pair, i, sweep = 0, n = 0
        cdef double excess = INFINITY
        cdef tmf_looks looks = tmf_looks(0, 0, 0)
        with nogil:
            for pair in range(self.n_pairs):
                if self.after[self.first[pair]] >= 0:
                    self.several[n] = <int32_t>pair
                    n += 1
            while sweep < sweeps and excess > target:
                excess = 0
                for i in range(n):
                    look(&looks)
                    excess += self.even_out(self.several[i])
                sweep += 1
        return sweep

    cdef double even_out(self, Py_ssize_t pair) noexcept nogil:
        """One Newton step from each path of a pair to its best; drop empty paths. Returns the excess before."""
        cdef int32_t path, best = NONE, before = NONE
        cdef double excess = 0
        cdef Py_ssize_t i
        path = self.first[pair]
        while path >= 0:
            self.cost[path] = self.cost_of(path)
            if best < 0 or self.cost[path] < self.cost[best]:
                best = path
            path = self.after[path]
        self.mark += 1
        for i in range(self.length[best]):
            self.on_best[self.links[self.start[best] + i]] = self.mark
        path = self.first[pair]
        while path >= 0:
            if path != best:
                if self.flow[path] > 0 and self.cost[path] > self.cost[best]:
                    excess += self.flow[path] * (self.cost[path] - self.cost[best])
                    self.shift(path, best)
                if self.flow[path] == 0:
                    if before < 0:
                        self.first[pair] = self.after[path]
                    else:
                        self.after[before] = self.after[path]
                    path = self.after[path]
                    continue
            before = path
            path = self.after[path]
        return excess

    cdef void shift(self, int32_t path, int32_t best) noexcept nogil:
        """Move flow from a path to the best one: a Newton step on the difference of their costs.

        The step is shortened by secants while it leaves the best path much worse than it found the other. Links on
        both paths cancel. Their times do not change.
        """
        cdef const int32_t *out = &self.links[self.start[path]]
        cdef const int32_t *to = &self.links[self.start[best]]
        cdef Py_ssize_t i, n_out = self.length[path], n_to = self.length[best]
        cdef double gap = 0, slope = 0, at, found, low = 0, gap_low, high, gap_high
        cdef int tries = 0
        self.other_mark += 1
        for i in range(n_out):
            if self.on_best[out[i]] == self.mark:
                self.on_other[out[i]] = self.other_mark
            else:
                gap += self.time[out[i]]
                slope += self.slope[out[i]]
        for i in range(n_to):
            if self.on_other[to[i]] != self.other_mark:
                gap -= self.time[to[i]]
                slope += self.slope[to[i]]
        if gap <= 0:
            return
        at = self.flow[path]
        if 0 < slope < INFINITY and gap < at * slope:
            at = gap / slope
        found = self.move(path, best, at)
        gap_low = gap
        while found < -OVERSHOOT * gap and tries < 60:
            high, gap_high = at, found
            at = low + (high - low) * (0.5 if tries % 3 == 2 else gap_low / (gap_low - gap_high))
            found = self.move(path, best, at - high)
            tries += 1
        self.flow[path] = self.flow[path] - at if at < self.flow[path] else 0.0
        self.flow[best] += at

    cdef double move(self, int32_t path, int32_t best, double flow) noexcept nogil:
        """Move flow on the links that only one of the two paths has. Returns the difference of costs afterwards."""
        cdef const int32_t *out = &self.links[self.start[path]]
        cdef const int32_t *to = &self.links[self.start[best]]
        cdef Py_ssize_t i
        cdef int32_t e
        cdef double gap = 0
        for i in range(self.length[path]):
            e = out[i]
            if self.on_best[e] != self.mark:
                self.volume[e] = max(self.volume[e] - flow, 0.0)
                self.refresh(e)
                gap += self.time[e]
        for i in range(self.length[best]):
            e = to[i]
            if self.on_other[e] != self.other_mark:
                self.volume[e] += flow
                self.refresh(e)
                gap -= self.time[e]
        return gap

    # ---------------------------------------------------------------------------------------------------------- results

    def volumes(self):
        """Vehicles on each link, (E,)."""
        return np.array(self.volume)

    def times(self):
        """Travel time of each link, (E,)."""
        return np.array(self.time)

    def paths(self):
        """All paths, pair by pair.

        Returns
        -------
        pair : ndarray of int32, shape (P,)
        start : ndarray of int64, shape (P + 1,)
            Path p has the links links[start[p]:start[p + 1]], in the order in which they are passed.
        links : ndarray of int32, shape (sum of lengths,)
        flow : ndarray of float64, shape (P,)
        """
        cdef Py_ssize_t pair, i, n = 0
        cdef int64_t n_links = 0
        cdef int32_t path
        for pair in range(self.n_pairs):
            path = self.first[pair]
            while path >= 0:
                n += 1
                n_links += self.length[path]
                path = self.after[path]
        cdef int32_t[::1] pairs = np.empty(n, np.int32), links = np.empty(n_links, np.int32)
        cdef int64_t[::1] start = np.zeros(n + 1, np.int64)
        cdef double[::1] flow = np.empty(n)
        n = n_links = 0
        for pair in range(self.n_pairs):
            path = self.first[pair]
            while path >= 0:
                pairs[n], flow[n] = <int32_t>pair, self.flow[path]
                for i in range(self.length[path]):
                    links[n_links + i] = self.links[self.start[path] + i]
                n_links += self.length[path]
                n += 1
                start[n] = n_links
                path = self.after[path]
        return np.asarray(pairs), np.asarray(start), np.asarray(links), np.asarray(flow)
