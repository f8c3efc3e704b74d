"""A policy that never changes, judged at the distribution it settles at, over an infinite horizon.

Source     Theory, sections 2 to 4 with mu_t = mu: Phi(mu) = mu and V = T V.
Contract   nothing is carried over from an iterate before: the distribution is sought from the same start every time.
"""
from libc.math cimport fabs
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._limit.values cimport weigh
from tmfcore.solvers._descent cimport Iterate

cdef extern from "_base/simd/dense.h" nogil:
    void tmf_add_rows(const double *weights, const double *table, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out)

cdef enum:
    SINGLE = 200               # steps before powers of a kernel are worth their S^3
    SQUARINGS = 80             # 2^80 steps: below that a row that has left is not 1 any more
    LARGEST = 1000             # S, beyond which powers take more than a second each


cdef class StationaryIterate(Iterate):
    """An Iterate of one step, T = 1, that is played for ever.

    Parameters
    ----------
    model, initial, active, horizon, discount, always
        As of Iterate, with horizon = 1 and discount < 1: the tables of step 0 at every step, and the distribution is
        sought from `initial`.

    Attributes
    ----------
    mu : ndarray of float64, shape (2, S)
        The distribution found, and the one a step later.
    residual : float
        sum_o |mu[1] - mu[0]|.
    tolerance : float
        The residual at which a distribution is taken for stationary.
    max_steps : int
        Steps in which it must be found, one by one.

    Notes
    -----
    Where neither kernel depends on mu, at most 1000 observations have powers of their kernel, 2^k steps at once, after
    200 steps: rows that are hardly ever left need as many steps as they are left seldom. O(S^3) each, memory O(S^2).
    """
    cdef public double tolerance
    cdef public Py_ssize_t max_steps
    cdef bint settled            # whether mu is that of the present policy

    def __init__(self, *arguments):
        self.tolerance = 1e-12
        self.max_steps = 100_000
        if self.horizon != 1:
            raise ValueError(f"horizon is {self.horizon}; must be 1")
        if not self.discount < 1:
            raise ValueError(f"discount is {self.discount}; must be < 1: an infinite horizon without has no values")

    cdef bint rests(self) except -1 nogil:
        """Whether the distribution in hand is stationary; sets where it is a step later, and `residual`."""
        cdef Py_ssize_t o
        self.refresh(0)
        self.advance(0)
        self.residual = 0
        for o in range(self.n_observations):
            self.residual += fabs(self.flow[1, o] - self.flow[0, o])
        return self.residual <= self.tolerance

    cdef bint settle(self, Py_ssize_t max_steps) except -1 nogil:
        """mu <- (mu + Phi(mu)) / 2, which has the fixed points of Phi and no cycles where Phi does not depend on mu."""
        cdef Py_ssize_t o, S = self.n_observations
        cdef Py_ssize_t step = 0
        self.flows += 1
        memcpy(&self.flow[0, 0], &self.initial[0], S * sizeof(double))
        while True:
            if self.rests():
                return True
            if step == max_steps:
                return False
            for o in range(S):
                self.flow[0, o] += 0.5 * (self.flow[1, o] - self.flow[0, o])
            step += 1

    cdef void halfway(self, double *kernel) noexcept nogil:
        """(I + Phi) / 2 as a matrix (S, S), at tables that do not depend on mu."""
        cdef Py_ssize_t o, x, S = self.n_observations
        memset(self.pair, 0, S * sizeof(double))
        for o in range(S):
            self.pair[o] = 1
            self.moves.weigh(self.at, self.pair, self.beta(0))
            self.push(self.pair, self.beta(0), kernel + o * S)
            self.pair[o] = 0
            for x in range(S):
                kernel[o * S + x] *= 0.5
            kernel[o * S + o] += 0.5

    cdef bint leap(self, double *kernel, double *squared) except -1 nogil:
        """The same as `settle` by powers of the kernel (S, S): initial (I + Phi)^(2^k) / 2^(2^k).

        Rows are brought back to a sum of 1 after every squaring: what is added is never negative, so that the chance
        to leave keeps its leading digits however small it is.
        """
        cdef Py_ssize_t _, i, o, S = self.n_observations
        cdef double total
        self.halfway(kernel)
        for _ in range(SQUARINGS):
            memset(squared, 0, S * S * sizeof(double))
            for i in range(S):
                tmf_add_rows(kernel + i * S, kernel, S, S, squared + i * S)
                total = 0
                for o in range(S):
                    total += squared[i * S + o]
                for o in range(S):
                    squared[i * S + o] /= total
            kernel, squared = squared, kernel
            memset(&self.flow[0, 0], 0, S * sizeof(double))
            tmf_add_rows(&self.initial[0], kernel, S, S, &self.flow[0, 0])
            if self.rests():
                return True
        return False

    def settles(self):
        """Whether the distribution of a new policy settles in so many steps; the next `evaluate` takes it from here."""
        cdef Py_ssize_t S = self.n_observations
        cdef bint powers = self.model.constant_transition and S <= LARGEST and self.max_steps > SINGLE
        cdef double[:, :, ::1] room
        with nogil:
            self.settled = self.settle(SINGLE if powers else self.max_steps)
        if powers and not self.settled:
            room = np.empty((2, S, S))
            with nogil:
                self.settled = self.leap(&room[0, 0, 0], &room[1, 0, 0])
        return self.settled

    def evaluate(self):
        """Find the distribution, and judge the policy there.

        Returns
        -------
        exploitability : float
            sum_o mu(o) (V^BR(o) - V(o)).
        pointwise : float
            max_o (V^BR(o) - V(o)).
        mean_return : float
            sum_o mu(o) V(o).

        Raises
        ------
        ValueError
            The distribution does not settle.

        Notes
        -----
        Both values by value iteration until they move by less than 1e-14 of the largest, or as many sweeps as shrink
        any error by 1e-16. O(S A K) a step and a sweep.
        """
        cdef double gap, pointwise = 0, mean_return, moved, largest, bound = 1.0
        cdef Py_ssize_t S = self.n_observations
        cdef Py_ssize_t i
        cdef double *now = self.pair
        cdef double *next = self.pair + 2 * S
        if not (self.settled or self.settles()):
            raise ValueError(
                f"the distribution still moves by {self.residual:.3g} a step after {self.max_steps} steps; must settle "
                f"within {self.tolerance:g}")
        self.settled = False
        with nogil:
            memset(next, 0, 2 * S * sizeof(double))
            while True:
                pointwise = self.step_back(0, next, now)
                moved = largest = 0
                for i in range(2 * S):
                    moved = max(moved, fabs(now[i] - next[i]))
                    largest = max(largest, fabs(now[i]))
                now, next = next, now
                bound *= self.discount
                # The error is at most gamma / (1 - gamma) times the last move.
                if moved * self.discount <= 1e-14 * largest * (1 - self.discount) or bound <= 1e-16 or moved != moved:
                    break
            weigh(&self.flow[0, 0], next, S, &gap, &mean_return)
        return gap, pointwise, mean_return
