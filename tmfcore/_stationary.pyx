"""A policy that never changes, judged at the distribution it settles at, over an infinite horizon.

Source     theory.md sections 2 to 4 with mu_t = mu: Phi(mu) = mu and V = T V.
Contract   nothing is carried over from an iterate before: the distribution is sought from the same start every time.
"""
from libc.math cimport fabs
from libc.string cimport memcpy, memset

from tmfcore._descent cimport Iterate


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
        Steps in which it must be found.
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

    cdef bint settle(self) except -1 nogil:
        """mu <- (mu + Phi(mu)) / 2, which has the fixed points of Phi and no cycles where Phi does not depend on mu."""
        cdef Py_ssize_t o, S = self.n_observations
        cdef Py_ssize_t step = 0
        self.flows += 1
        memcpy(&self.flow[0, 0], &self.initial[0], S * sizeof(double))
        while True:
            self.refresh(0)
            self.advance(0)
            self.residual = 0
            for o in range(S):
                self.residual += fabs(self.flow[1, o] - self.flow[0, o])
            if self.residual <= self.tolerance:
                return True
            if step == self.max_steps:
                return False
            for o in range(S):
                self.flow[0, o] += 0.5 * (self.flow[1, o] - self.flow[0, o])
            step += 1

    def settles(self):
        """Whether the distribution of a new policy settles in so many steps; the next `evaluate` takes it from here."""
        with nogil:
            self.settled = self.settle()
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
        cdef double *now = self.pairs
        cdef double *next = self.pairs + 2 * S
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
            self.weigh(&self.flow[0, 0], next, &gap, &mean_return)
        return gap, pointwise, mean_return
