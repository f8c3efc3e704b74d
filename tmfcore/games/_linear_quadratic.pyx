"""Linear-quadratic games: agents on a line or a ring drift towards the mean of the population, and steer towards it.

Source     games.linear_quadratic has the formulas.  Notation: model.pxd; J shifts by the noise; positions, distances
           and displacements are in cells of the grid; m the mean position.
Contract   the cells of a row are first[o, a], first[o, a] + 1, ... of the grid, enough for all m in 0..S-1.
"""
import numpy as np

from tmfcore._model.model cimport Model, Tables

cdef enum:
    LINEAR = 0
    DISPLACEMENT = 1
    POSITION = 2

# Adding and subtracting 1.5 * 2^52 rounds to the nearest integer, ties to even.
cdef double MAGIC = 6755399441055744.0


cdef inline Py_ssize_t whole(double x) noexcept nogil:
    """floor(x), |x| < 2^62"""
    cdef Py_ssize_t down = <Py_ssize_t>x
    return down - (<double>down > x)


cdef class LinearQuadratic(Model):
    """Displacement (push(a) + pull (m - o)) delta + shift(j), rounded to the grid; a quadratic reward.

    Parameters
    ----------
    n_observations, n_steps : int
        S and T.
    push : array_like of float, shape (A,)
        Speeds, in cells per time.
    pull : float
        Speed towards the mean, per cell of distance, >= 0.
    delta : float
        Time, > 0.
    shifts : array_like of float, shape (J,)
        Shifts by the noise, in cells.
    chances : array_like of float, shape (J,)
        Probabilities of the shifts.
    action_reward, cross : array_like of float, shape (A,)
        Reward of an action, and of an action per cell of distance to the mean.
    standing, terminal : float
        Cost per squared cell of distance to the mean: in a step before the last, and in the last step.
    rounding : int
        LINEAR (0): mass is split between the two nearest cells. DISPLACEMENT (1): displacements are rounded, ties to
        even. POSITION (2): positions, counted from the middle (S - 1) // 2, are rounded, ties to even.
    wrap : bool
        A ring; otherwise a line with two ends.
    """
    cdef double[::1] push, shifts, chances, action_reward, cross
    cdef Py_ssize_t[:, ::1] first                 # (S, A + 1): the first cell of a row; column A: passive
    cdef double pull, delta, standing, terminal
    cdef Py_ssize_t n_steps, n_shifts, middle
    cdef int rounding
    cdef bint wrap, dense, passive_dense

    def __init__(self, Py_ssize_t n_observations, Py_ssize_t n_steps, push, double pull, double delta,
                 shifts, chances, action_reward, cross, double standing, double terminal, int rounding, bint wrap):
        self.push = np.array(push, np.float64)
        self.shifts = np.array(shifts, np.float64)
        self.chances = np.array(chances, np.float64)
        self.action_reward = np.array(action_reward, np.float64)
        self.cross = np.array(cross, np.float64)
        self.n_shifts = self.shifts.shape[0]
        A = self.push.shape[0]
        if not (self.chances.shape[0] == self.n_shifts >= 1):
            raise ValueError(f"chances has shape ({self.chances.shape[0]},); must be that of shifts, and not (0,)")
        if not (self.action_reward.shape[0] == self.cross.shape[0] == A >= 1):
            raise ValueError("push, action_reward and cross must have equal lengths, one entry per action, at least 1")
        if not 0 <= pull < np.inf:
            raise ValueError(f"pull is {pull}; must be >= 0 and finite")
        if not delta > 0:
            raise ValueError(f"delta is {delta}; must be > 0")
        if not LINEAR <= rounding <= POSITION:
            raise ValueError(f"rounding is {rounding}; must lie in 0..2")
        self.pull = pull
        self.delta = delta
        self.standing = standing
        self.terminal = terminal
        self.n_steps = n_steps
        self.rounding = rounding
        self.wrap = wrap
        self.middle = (n_observations - 1) // 2
        places = np.arange(n_observations)[:, None]
        steered = np.append(self.push, 0.0)
        low = (steered - pull * places) * delta + np.min(self.shifts)
        high = (steered + pull * (n_observations - 1 - places)) * delta + np.max(self.shifts)
        if not max(-low.min(), high.max()) < 2**30:
            raise ValueError("the largest displacement in a step is 2**30 cells or more; must be less")
        lowest, highest = np.floor(low), np.floor(high)
        if pull != 0 or (steered * delta % 1 != 0).any() or (np.asarray(self.shifts) % 1 != 0).any():
            highest += 1
        self.first = np.ascontiguousarray(places + lowest, np.intp)
        width = (highest - lowest).astype(np.intp) + 1
        K, passive_K = width[:, :A].max(), width[:, A].max()
        self.dense, self.passive_dense = K >= n_observations, passive_K >= n_observations
        self.set_shape(
            n_observations, A,
            None if self.dense else self.cell(np.asarray(self.first)[:, :A, None] + np.arange(K)),
            None if self.passive_dense else self.cell(np.asarray(self.first)[:, A, None] + np.arange(passive_K)))
        self.constant_transition = pull == 0
        self.by_row = self.trusted = True

    cdef object cell(self, places):
        """Observations of places on the infinite line."""
        n = self.first.shape[0]
        return places % n if self.wrap else np.clip(places, 0, n - 1)

    cdef inline double mean(self, const double *mu) noexcept nogil:
        """m, counted from the middle, so that a symmetric mu has m = 0; clipped to the grid, against rounding"""
        cdef Py_ssize_t o
        cdef double total = 0
        for o in range(self.n_observations):
            total += (o - self.middle) * mu[o]
        return min(max(total, -<double>self.middle), <double>(self.n_observations - 1 - self.middle))

    cdef inline void put(
        self, Py_ssize_t first, Py_ssize_t x, double mass, Py_ssize_t n_cells, bint dense, double *row
    ) noexcept nogil:
        """Add mass at place x of the infinite line to the row."""
        cdef Py_ssize_t k = x - first
        if dense:
            k = x
            if self.wrap:
                k %= n_cells
                if k < 0:
                    k += n_cells
        row[min(max(k, 0), n_cells - 1)] += mass

    cdef inline void fill(self, Py_ssize_t o, Py_ssize_t column, double distance, double *row) noexcept nogil:
        """Write the row of action `column` (A: passive) at `distance` = m - o."""
        cdef Py_ssize_t j, x, A = self.n_actions
        cdef bint dense = self.passive_dense if column == A else self.dense
        cdef Py_ssize_t n_cells = self.n_passive_successors if column == A else self.n_successors
        cdef Py_ssize_t first = self.first[o, column]
        cdef double base = ((self.push[column] if column < A else 0.0) + self.pull * distance) * self.delta
        cdef double from_here = MAGIC + (o - self.middle) if self.rounding == POSITION else MAGIC
        cdef double moved, part
        for j in range(n_cells):
            row[j] = 0
        for j in range(self.n_shifts):
            moved = base + self.shifts[j]
            if self.rounding == LINEAR:
                x = whole(moved)
                part = (moved - x) * self.chances[j]
                self.put(first, o + x, self.chances[j] - part, n_cells, dense, row)
                if part > 0:
                    self.put(first, o + x + 1, part, n_cells, dense, row)
            else:
                self.put(first, o + <Py_ssize_t>((moved + from_here) - from_here), self.chances[j], n_cells, dense, row)

    cdef inline double lagging(self, int t, double distance) noexcept nogil:
        """The reward (<= 0) for the distance to the mean in step t."""
        return -(self.standing if t < self.n_steps - 1 else self.terminal) * distance * distance

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        cdef double distance = self.mean(mu) - (observation - self.middle)
        reward[0] = self.lagging(t, distance)
        if action >= 0 and t < self.n_steps - 1:
            reward[0] += self.action_reward[action] + self.cross[action] * distance
        self.fill(observation, self.n_actions if action < 0 else action, distance, probabilities)
        return 0

    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil:
        cdef Py_ssize_t o, a, A = self.n_actions
        cdef double distance, lag, mean = self.mean(mu)
        cdef bint last = t >= self.n_steps - 1
        cdef double *reward = tables.reward
        for o in range(self.n_observations):
            distance = mean - (o - self.middle)
            lag = self.lagging(t, distance)
            tables.passive_reward[o] = lag
            for a in range(A):
                reward[a] = lag if last else lag + (self.action_reward[a] + self.cross[a] * distance)
            reward += A
        if everything or not self.constant_transition:
            for o in range(self.n_observations):
                distance = mean - (o - self.middle)
                for a in range(A):
                    self.fill(o, a, distance, tables.transition + (o * A + a) * self.n_successors)
                self.fill(o, A, distance, tables.passive_transition + o * self.n_passive_successors)
        return 0
