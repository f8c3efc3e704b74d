"""A policy and its evaluation along its own flow, with which every iteration of an exact solver begins.

Source     Theory, sections 2 (flow), 3 (values, two clocks) and 4 (exploitability).
Notation   S observations, A actions, K successors, T steps; each method loops over all steps.
Contract   each evaluation computes the policy's own flow in float64; results do not depend on earlier iterations.
Cost       O(T S A K), and the tables of the game once per (t, mu_t) if they depend on it.
"""
from libc.stdint cimport int32_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._base.pieces import parts

from tmfcore._base.interrupts cimport look
from tmfcore._base.memory cimport room_for
from tmfcore._limit.externality cimport Externality
from tmfcore._limit.values cimport both_values, expect_steps, policy_values, weigh
from tmfcore._model.model cimport lawful

cdef enum:
    KEPT_BYTES = 1 << 28


cdef class Judged:
    """The present policy of a solve, its flow, and its values along the flow; used by one thread at a time.

    Parameters
    ----------
    model : Model
    initial : ndarray of float64, shape (S,)
        mu_0.
    active : ndarray of float64, shape (1,) or (T,), or ActingShares
        Active fractions beta_t, or beta_t(o, mu).
    horizon : int
        T.
    discount : float
    always : bool
        Clock "always" (the valued agent acts at every step) instead of "schedule".
    kept_bytes : float
        Tables that vary are kept from flow to values if they take at most this (256 MB), else evaluated twice.
    altruism : float
        Weight in [0, 1] of what an agent does to all others (Theory, section 14).
    width : int
        Of groups of observations, in each of which tables depend on its own population; 0: one group.

    Attributes
    ----------
    policy : ndarray of float64, shape (T, S, A)
        The caller or an update writes to it; every row must be a distribution.
    mu : ndarray of float64, shape (T + 1, S)
        Flow of the policy at the last `evaluate`, which also wrote the next two.
    q : ndarray of float64, shape (T, S, A)
        Q_t(o, a) of an acting agent, for the policy along its flow.
    greedy : ndarray of int32, shape (T, S)
        The best response to the flow; the lowest of equally good actions.
    residual : float
        Error of the flow as a flow of the policy: 0, since every step is computed from the one before.
    flows : int
        Number of flows computed so far, the measure of a solver's work.

    Notes
    -----
    Memory O(T S A), and the varying tables of all T steps if they are kept.
    """

    def __cinit__(self, Model model not None, const double[::1] initial not None, active not None, Py_ssize_t horizon,
                  double discount, bint always, double kept_bytes=KEPT_BYTES, double altruism=0.0,
                  Py_ssize_t width=0):
        cdef Py_ssize_t S = model.n_observations, A = model.n_actions
        cdef double size = <double>S * A + S        # cells kept per step
        if initial.shape[0] != S:
            raise ValueError(f"initial has shape ({initial.shape[0]},); must be ({S},)")
        self.at = Evaluator(model, None, horizon)
        self.active = self.at.activate(active)
        self.at.keep_shares()
        self.moves = Moves(self.at)
        self.model = model
        self.initial = initial
        self.horizon = horizon
        self.discount = discount
        self.always = always
        self.n_observations = S
        self.n_actions = A
        self.policy = np.empty((horizon, S, A))
        self.mu = np.zeros((horizon + 1, S))
        self.q = np.zeros((horizon, S, A))
        self.greedy = np.zeros((horizon, S), np.int32)
        self.pi, self.flow, self.played, self.best = self.policy, self.mu, self.q, self.greedy
        uniform = 1.0 / A if model.legal is None else model.legal / model.legal.sum(axis=1, keepdims=True)
        for part in parts(horizon, S * A):
            self.policy[part] = uniform
        self.scratch = <double *>room_for(2.0 * S * A + 4.0 * S, sizeof(double), b"the values of a step")
        self.pair = self.scratch + 2 * S * A
        if not model.constant_transition:
            size += <double>S * A * model.n_successors + <double>S * model.n_passive_successors
        if not model.constant and size * horizon * sizeof(double) <= kept_bytes:
            self.kept_cells = <Py_ssize_t>size
            self.tables = <double *>room_for(size * horizon, sizeof(double), b"the tables of the game")
        expect_steps(self.at, 1 << 20)              # many iterations follow
        self.altruism = altruism
        if altruism > 0:
            self.externality = Externality(self.at, None)
            if width > 0:
                self.externality.divide(width)
            self.prices = self.priced = np.zeros((horizon, S))
            self.social = np.zeros((2, S))
            self.apart = (altruism < 1 or always) and self.externality.looks_ahead

    def __dealloc__(self):
        free(self.scratch)
        free(self.tables)

    cdef double beta(self, Py_ssize_t t) noexcept nogil:
        return self.active[t if self.active.shape[0] > 1 else 0]

    cdef void stand(self, Py_ssize_t t) noexcept nogil:
        """Point the evaluator to the policy of step t and, if tables are kept, to those of step t."""
        cdef Py_ssize_t S = self.n_observations, n_pairs = S * self.n_actions
        self.at.pi = &self.pi[t, 0, 0]
        if self.tables == NULL:
            return
        self.at.tables.reward = self.tables + t * self.kept_cells
        self.at.tables.passive_reward = self.at.tables.reward + n_pairs
        if not self.model.constant_transition:
            self.at.tables.transition = self.at.tables.passive_reward + S
            self.at.tables.passive_transition = self.at.tables.transition + n_pairs * self.model.n_successors

    cdef int refresh(self, Py_ssize_t t) except -1 nogil:
        """Set the evaluator to step t, and evaluate its tables at flow[t]."""
        cdef Py_ssize_t n_filled = self.horizon if self.tables != NULL else 1
        cdef bint first = self.n_filled < n_filled and t == self.n_filled
        self.stand(t)
        if self.at.acting is not None:
            self.at.shares_at(<int>t, &self.flow[t, 0])
        if not first and self.model.constant:
            return 0
        self.model.tables_at(<int>t, &self.flow[t, 0], &self.at.tables, first)
        if first:
            self.n_filled += 1
            if self.model.constant_transition:
                self.moves.sort(self.at)
        return 0

    cdef int recall(self, Py_ssize_t t) except -1 nogil:
        """Set the evaluator to step t again, with the tables that `refresh` made."""
        self.stand(t)
        if self.at.acting is not None:
            self.at.recall_shares(t)
        if self.tables == NULL and not self.model.constant:
            self.refresh(t)
        return 0

    cdef void push(self, const double *mu, double beta, double *next_mu) noexcept nogil:
        """next_mu (S,) from mu (S,), of which a share beta acts by moves.weights."""
        cdef Py_ssize_t o
        cdef double total = 0
        self.moves.move(self.at, mu, beta, next_mu)
        # Normalised: otherwise the error of the sum would double at every step if the kernel is linear in mu. Summed in
        # order: in symmetric games rounding selects among equally good responses, and so changes fictitious play.
        for o in range(self.n_observations):
            total += next_mu[o]
        total = 1 / total
        for o in range(self.n_observations):
            next_mu[o] *= total

    cdef void advance(self, Py_ssize_t t) noexcept nogil:
        """flow[t + 1] from flow[t] and the policy, with the tables of step t."""
        self.moves.weigh(self.at, &self.flow[t, 0], self.beta(t))
        self.push(&self.flow[t, 0], self.beta(t), &self.flow[t + 1, 0])

    cdef int forward(self) except -1 nogil:
        cdef Py_ssize_t t
        self.flows += 1
        memcpy(&self.flow[0, 0], &self.initial[0], self.n_observations * sizeof(double))
        for t in range(self.horizon):
            look(&self.at.looks)
            self.refresh(t)
            self.advance(t)
        return 0

    cdef void open_prices(self) noexcept nogil:
        """Begin a pass of prices backward."""
        self.turn = 0
        memset(&self.social[0, 0], 0, 2 * self.n_observations * sizeof(double))

    cdef int price(self, Py_ssize_t t, const double *ahead, bint apart) except -1 nogil:
        """Write prices of step t, from social values `ahead`; `apart`: from those of `social`, which get those of t."""
        cdef Py_ssize_t o, S = self.n_observations
        cdef double beta = self.beta(t)
        cdef double *own = &self.priced[t, 0]
        cdef double *now = &self.social[1 - self.turn, 0]
        if apart:
            ahead = &self.social[self.turn, 0]
        self.externality.price(<int>t, &self.flow[t, 0], beta, ahead, self.discount, own)
        if apart:
            policy_values(self.at, ahead, self.discount, beta, self.scratch, now)
            for o in range(S):
                now[o] += own[o]
            self.turn = 1 - self.turn
        for o in range(S):
            own[o] *= self.altruism
        return 0

    cdef int price_all(self) except -1 nogil:
        """Prices of the policy along its flow, without its values."""
        cdef Py_ssize_t t
        self.open_prices()
        for t in range(self.horizon - 1, -1, -1):
            look(&self.at.looks)
            self.recall(t)
            self.price(t, &self.social[0, 0], self.externality.looks_ahead)
        return 0

    cdef double step_back(self, Py_ssize_t t, const double *next_values, double *now) except? -1 nogil:
        """Values (2, S) at t, of policy and best response, from those at t + 1; q[t], greedy[t]. The largest gap."""
        cdef double gap = both_values(
            self.at, next_values, self.discount, 1.0 if self.always else self.beta(t), self.scratch,
            &self.played[t, 0, 0], &self.best[t, 0], now)
        cdef Py_ssize_t o
        if self.externality is not None:
            self.price(t, next_values, self.apart)
            for o in range(self.n_observations):
                now[o] += self.priced[t, o]
                now[self.n_observations + o] += self.priced[t, o]
        if self.model.stand_in != NULL:
            for o in range(self.n_observations):
                self.best[t, o] = <int32_t>lawful(self.model, o, self.best[t, o])
        return gap

    cdef int backward(self, double *gap, double *pointwise, double *mean_return) except -1 nogil:
        """Values of the policy and of the best response in one pass."""
        cdef Py_ssize_t t, S = self.n_observations
        cdef double *now = self.pair
        cdef double *next_values = self.pair + 2 * S
        pointwise[0] = 0
        memset(next_values, 0, 2 * S * sizeof(double))
        if self.externality is not None:
            self.open_prices()
        for t in range(self.horizon - 1, -1, -1):
            look(&self.at.looks)
            self.recall(t)
            pointwise[0] = max(pointwise[0], self.step_back(t, next_values, now))
            now, next_values = next_values, now
        weigh(&self.initial[0], next_values, S, gap, mean_return)
        return 0

    def evaluate(self):
        """Compute the flow of the policy, and values and exploitability along it.

        Returns
        -------
        exploitability : float
            sum_o mu_0(o) (V^BR_0(o) - V_0(o)).
        pointwise : float
            max_{t,o} (V^BR_t(o) - V_t(o)).
        mean_return : float
            sum_o mu_0(o) V_0(o).

        Notes
        -----
        Theory, sections 2 to 4. O(T S A K).
        """
        cdef double gap, pointwise, mean_return
        with nogil:
            self.forward()
            self.backward(&gap, &pointwise, &mean_return)
        return gap, pointwise, mean_return

    def play(self):
        """The flow `mu` of the policy, and prices along it, without its values; O(T S A K)."""
        with nogil:
            self.forward()
            if self.externality is not None:
                self.price_all()

    cdef int check_table(self, str name, const double[:, :, ::1] table) except -1:
        if (table.shape[0] != self.horizon or table.shape[1] != self.n_observations
                or table.shape[2] != self.n_actions):
            raise ValueError(f"{name} has shape ({table.shape[0]}, {table.shape[1]}, {table.shape[2]}); must be "
                             f"({self.horizon}, {self.n_observations}, {self.n_actions})")
        return 0
