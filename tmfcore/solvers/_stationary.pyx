"""A stationary policy and its evaluation at its stationary distribution, over an infinite horizon.

Source     Theory, sections 2 to 4 with mu_t = mu: Phi(mu) = mu and V = T V; section 16 with discount 1.
Contract   every search for the distribution begins at the same start: no result depends on earlier iterates.
"""
from libc.math cimport fabs
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._base.interrupts cimport look
from tmfcore._limit.values cimport weigh
from tmfcore.solvers._descent cimport Iterate

cdef extern from "_base/simd/dense.h" nogil:
    void tmf_add_rows(const double *weights, const double *table, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out)

cdef enum:
    SINGLE = 200               # steps one by one, before powers of the kernel, which cost S^3 each
    SQUARINGS = 80             # 2^80 steps: enough for probabilities to leave from about 2^-80 on
    LARGEST = 1000             # largest S for powers: above, each takes more than a second


cdef class StationaryIterate(Iterate):
    """An Iterate with one step, T = 1, that is repeated for ever.

    Parameters
    ----------
    model, initial, active, horizon, discount, always
        As for Iterate, with horizon = 1. Every step uses the tables of step 0; the search for the distribution begins
        at `initial`. With discount 1 gains take the place of values: mean rewards in the long run.

    Attributes
    ----------
    mu : ndarray of float64, shape (2, S)
        The distribution found, and the distribution one step later.
    residual : float
        sum_o |mu[1] - mu[0]|.
    tolerance : float
        Largest residual of a distribution that counts as stationary.
    max_steps : int
        Largest number of steps, one by one, of the search; and of the search for gains.
    unit : float
        Length of a step in units of time, by which gains are divided.

    Notes
    -----
    If neither kernel depends on mu and S <= 1000, powers of the kernel take 2^k steps at once, after 200 single steps:
    an observation that agents leave with probability p needs about 1 / p steps. O(S^3) per power, memory O(S^2).
    """
    cdef public double tolerance
    cdef public Py_ssize_t max_steps
    cdef bint settled            # mu is the stationary distribution of the present policy
    cdef public double unit
    cdef double[:, ::1] rises    # (2, S)  T V - V at the last step, with discount 1

    def __init__(self, *arguments, **options):
        self.tolerance = 1e-12
        self.max_steps = 100_000
        self.unit = 1
        if self.horizon != 1:
            raise ValueError(f"horizon is {self.horizon}; must be 1")
        if not self.discount <= 1:
            raise ValueError(f"discount is {self.discount}; must be at most 1")
        if self.discount == 1:
            self.rises = np.zeros((2, self.n_observations))

    cdef bint rests(self) except -1 nogil:
        """Whether mu[0] is stationary; computes mu[1], one step later, and `residual`."""
        cdef Py_ssize_t o
        self.refresh(0)
        self.advance(0)
        self.residual = 0
        for o in range(self.n_observations):
            self.residual += fabs(self.flow[1, o] - self.flow[0, o])
        return self.residual <= self.tolerance

    cdef bint settle(self, Py_ssize_t max_steps) except -1 nogil:
        """mu <- (mu + Phi(mu)) / 2, with the fixed points of Phi and no cycles if Phi is linear. Whether it settles."""
        cdef Py_ssize_t o, S = self.n_observations
        cdef Py_ssize_t step = 0
        self.flows += 1
        memcpy(&self.flow[0, 0], &self.initial[0], S * sizeof(double))
        while True:
            look(&self.at.looks)
            if self.rests():
                return True
            if step == max_steps:
                return False
            for o in range(S):
                self.flow[0, o] += 0.5 * (self.flow[1, o] - self.flow[0, o])
            step += 1

    cdef int halfway(self, double *kernel) except -1 nogil:
        """(I + Phi) / 2 as a matrix (S, S), for tables that do not depend on mu."""
        cdef Py_ssize_t o, x, S = self.n_observations
        memset(self.pair, 0, S * sizeof(double))
        for o in range(S):
            look(&self.at.looks)
            self.pair[o] = 1
            self.moves.weigh(self.at, self.pair, self.beta(0))
            self.push(self.pair, self.beta(0), kernel + o * S)
            self.pair[o] = 0
            for x in range(S):
                kernel[o * S + x] *= 0.5
            kernel[o * S + o] += 0.5
        return 0

    cdef bint leap(self, double *kernel, double *squared) except -1 nogil:
        """As `settle`, by powers of the kernel (S, S): initial (I + Phi)^(2^k) / 2^(2^k).

        Rows are divided by their sums after every squaring. All terms are >= 0, so that the probability to leave keeps
        its leading digits, however small it is.
        """
        cdef Py_ssize_t _, i, o, S = self.n_observations
        cdef double total
        self.halfway(kernel)
        for _ in range(SQUARINGS):
            memset(squared, 0, S * S * sizeof(double))
            for i in range(S):
                look(&self.at.looks)
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
        """Search for the distribution of a new policy, for the next `evaluate`; return whether it settles."""
        cdef Py_ssize_t S = self.n_observations
        cdef bint fixed = self.model.constant_transition and not (self.at.acting is not None
                                                                  and self.at.acting.depends_on_mu)
        cdef bint powers = fixed and S <= LARGEST and self.max_steps > SINGLE
        cdef double[:, :, ::1] room
        with nogil:
            self.settled = self.settle(SINGLE if powers else self.max_steps)
        if powers and not self.settled:
            room = np.empty((2, S, S))
            with nogil:
                self.settled = self.leap(&room[0, 0, 0], &room[1, 0, 0])
        return self.settled

    cdef bint discounted(self, double *gap, double *pointwise, double *mean_return) except -1 nogil:
        """Both values by value iteration. True."""
        cdef double moved, largest, bound = 1.0
        cdef Py_ssize_t S = self.n_observations, i
        cdef double *now = self.pair
        cdef double *next = self.pair + 2 * S
        memset(next, 0, 2 * S * sizeof(double))
        if self.externality is not None:
            self.open_prices()
        while True:
            look(&self.at.looks)
            pointwise[0] = self.step_back(0, next, now)
            moved = largest = 0
            for i in range(2 * S):
                moved = max(moved, fabs(now[i] - next[i]))
                largest = max(largest, fabs(now[i]))
            now, next = next, now
            bound *= self.discount
            # The error is at most gamma / (1 - gamma) times the last move. If `apart`, prices are made of values of
            # their own, which are not looked at.
            if bound <= 1e-16 or moved != moved or (
                    not self.apart and moved * self.discount <= 1e-14 * largest * (1 - self.discount)):
                weigh(&self.flow[0, 0], next, S, gap, mean_return)
                return True

    cdef bint averaged(self, double *gap, double *pointwise, double *mean_return) except -1 nogil:
        """Gains in place of values: V <- V + (T V - V) / 2 less a constant, until T V - V is the same. Whether it is.

        Half steps keep the gains and differences of V, and do not cycle. T V - V tends to the gain of each observation,
        also if some cannot be reached from others.
        """
        cdef double moved = 0, largest, earned, own
        cdef Py_ssize_t S = self.n_observations, step, i, o
        cdef double *now = self.pair
        cdef double *next = self.pair + 2 * S
        cdef double *rise = &self.rises[0, 0]
        memset(next, 0, 2 * S * sizeof(double))
        memset(rise, 0, 2 * S * sizeof(double))
        for step in range(self.max_steps):
            look(&self.at.looks)
            self.step_back(0, next, now)
            moved = largest = 0
            for i in range(2 * S):
                earned = now[i] - next[i]
                moved = max(moved, fabs(earned - rise[i]))
                largest = max(largest, max(fabs(earned), fabs(next[i])))
                rise[i] = earned
            weigh(&self.flow[0, 0], rise, S, gap, mean_return)
            if step > 0 and (moved <= 1e-14 * largest or moved != moved):
                pointwise[0] = 0
                for o in range(S):
                    pointwise[0] = max(pointwise[0], rise[S + o] - rise[o])
                gap[0] = max(gap[0], 0)         # of a best response: below 0 by rounding only
                return True
            for i in range(2 * S):
                own = mean_return[0] if i < S else mean_return[0] + gap[0]
                next[i] += 0.5 * (rise[i] - own)
        self.residual = moved
        return False

    def evaluate(self):
        """Find the stationary distribution, and compute values and exploitability there.

        Returns
        -------
        exploitability : float
            sum_o mu(o) (V^BR(o) - V(o)); with discount 1, of gains per unit of time instead of values.
        pointwise : float
            max_o (V^BR(o) - V(o)).
        mean_return : float
            sum_o mu(o) V(o).

        Raises
        ------
        ValueError
            The distribution does not settle, or gains do not.

        Notes
        -----
        Both values by value iteration, until the error is below 1e-14 of the largest value, or until enough sweeps have
        shrunk any initial error to 1e-16 of itself. With discount 1, until gains change by less than 1e-14 of the
        largest relative value. O(S A K) per step and per sweep.
        """
        cdef double gap = 0, pointwise = 0, mean_return = 0
        cdef bint fine
        if not (self.settled or self.settles()):
            raise ValueError(
                f"the distribution still moves by {self.residual:.3g} per step after {self.max_steps} steps; must be "
                f"at most {self.tolerance:g}")
        self.settled = False
        with nogil:
            if self.discount < 1:
                fine = self.discounted(&gap, &pointwise, &mean_return)
            else:
                fine = self.averaged(&gap, &pointwise, &mean_return)
        if not fine:
            raise ValueError(f"gains still change by {self.residual:.3g} per step after {self.max_steps} steps")
        return gap / self.unit, pointwise / self.unit, mean_return / self.unit
