"""What agents do to all others: the derivative in mu of what the agents of a step earn, as a price of being somewhere.

Source     Theory, section 14.
Notation   S observations, A actions, K successors, T steps.
Method     With everything but the shares of agents depending on m,
               G(m) = sum_o mu(o) [ beta sum_a pi (r + gamma P V) + (1 - beta) (r0 + gamma P0 V) ],
           E(y) is the derivative of G at m = mu along e_y - mu. Derivatives that the model gives are exact; all others,
           that of a policy or a schedule that depends on mu among them, are differences of G along e_y - e_z, z the
           fullest observation: populations stay distributions, and move at two observations only.
Cost       O(S A) if rewards depend on mu(o) alone and rows do not depend on mu, O(S^2 A K) for affine rows, and
           2 (S - 1) evaluations of the tables for differences.
"""
from libc.math cimport isfinite
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._base.interrupts cimport look
from tmfcore._limit.values cimport expect_steps, policy_values
from tmfcore._model.evaluator cimport Evaluator, Kept, share_at
from tmfcore._model.model cimport Model, refuse_standing
from tmfcore._model.policy cimport Policy

cdef extern from "_limit/push.h" nogil:
    void tmf_decisions(const double *mu, const double *pi, double beta, Py_ssize_t n_observations, Py_ssize_t n_actions,
                       double *out)

# Largest length of differences. Truncation and rounding are both near 1e-11 for functions that vary on the scale of 1,
# and a kink in mu is smoothed over no more than this. Of small shares, it is a part of them, since rewards such as
# log mu vary on the scale of mu. Observations with less than FLOOR are moved forward only.
cdef double REACH = 1.0 / 65536
cdef double PART = 1.0 / 1024
cdef double LEAST = 1e-9
cdef double FLOOR = 4e-9


cdef inline double length(double share, bint *forward) noexcept nogil:
    """How far a share is moved for differences, both ways, or `forward` alone, once and twice."""
    forward[0] = share < FLOOR
    return 0.5 * REACH if forward[0] else min(REACH, max(PART * share, min(LEAST, 0.25 * share)))


cdef class Externality:
    """Prices of one evaluator's steps.

    Parameters
    ----------
    at : Evaluator
        With the active fractions set.
    policy : Policy or None
        None: the evaluator's table pi, which does not depend on mu.
    """

    def __cinit__(self, Evaluator at not None, Policy policy):
        cdef Model model = at.model
        cdef Py_ssize_t S = at.n_observations, A = at.n_actions
        cdef Py_ssize_t K = max(at.n_successors, at.n_passive_successors)
        cdef double[::1] memory
        self.at = at
        self.rewards_known = model.graded and not model.constant_reward
        self.local = not (model.constant_reward or model.graded) and model.separable_reward
        self.reward_differences = not (model.constant_reward or model.graded or self.local)
        self.rows_known = model.differentiable and not model.constant_transition
        self.row_differences = not (model.constant_transition or model.differentiable)
        self.policy_differences = policy is not None and policy.depends_on_mu
        self.share_differences = at.acting is not None and at.acting.depends_on_mu
        self.looks_ahead = (self.rows_known or self.row_differences or self.policy_differences
                            or self.share_differences)
        if (self.reward_differences or self.row_differences or self.policy_differences
                or self.share_differences):
            self.there = Evaluator(model, policy, at.horizon)
            self.own = self.there.tables
            if at.acting is not None:
                self.there.activate(at.acting)
        self.memory = memory = np.zeros(2 * S * A + 6 * S + (S * S + K * (S + 1) if self.rows_known else 0))
        self.acting = &memory[0]
        self.q = self.acting + S * A
        self.resting = self.q + S * A
        self.scaled = self.resting + S
        self.argument = self.scaled + S
        self.centre = self.argument + S
        self.above = self.centre + S
        self.below = self.above + S
        self.scratch = self.below + S
        self.divide(S)

    cdef int divide(self, Py_ssize_t width) except -1:
        cdef Py_ssize_t n = self.at.n_observations // width
        cdef double[::1] masses
        cdef Py_ssize_t[::1] places
        if width < self.at.n_observations:      # derivatives that are known are not those of groups
            self.difference(self.rewards_known or self.local, self.rows_known)
        self.width = width
        self.places = np.zeros(n, np.intp), np.zeros(n)
        places, masses = self.places
        self.fullest, self.mass = &places[0], &masses[0]
        return 0

    cdef int difference(self, bint rewards, bint rows) except -1:
        """Take derivatives of rewards or rows by differences, although the model gives them."""
        if rewards:
            self.rewards_known = self.local = False
            self.reward_differences = True
        if rows:
            self.rows_known = False
            self.row_differences = True
        if (rewards or rows) and self.there is None:
            self.there = Evaluator(self.at.model, None, self.at.horizon)
            self.own = self.there.tables
        return 0

    cdef int price(
        self, int t, const double *mu, double beta, const double *next_values, double discount, double *out
    ) except -1 nogil:
        cdef Py_ssize_t S = self.at.n_observations, A = self.at.n_actions, o, a
        memset(out, 0, S * sizeof(double))
        if self.rewards_known or self.rows_known:
            for o in range(S):
                self.resting[o] = mu[o] * (1 - share_at(self.at, o, beta))
            if beta >= 0:
                tmf_decisions(mu, self.at.pi, beta, S, A, self.acting)
            else:
                for o in range(S):
                    for a in range(A):
                        self.acting[o * A + a] = share_at(self.at, o, beta) * mu[o] * self.at.pi[o * A + a]
        if self.rewards_known:
            self.at.model.reward_pull(t, mu, self.acting, self.resting, out)
        elif self.local:
            self.add_local(t, mu, out)
        if self.rows_known:
            for o in range(S):
                self.scaled[o] = discount * next_values[o]
            self.at.model.row_pull(t, mu, self.acting, self.resting, self.scaled, self.scratch, out)
        if self.there is not None:
            self.add_differences(t, mu, beta, next_values, discount, out)
        self.centre_prices(mu, out)
        return 0

    cdef void centre_prices(self, const double *mu, double *out) noexcept nogil:
        """Make sum_o mu(o) out[o] = 0 in every group."""
        cdef Py_ssize_t g, o, first
        cdef double mean, mass
        for g in range(self.at.n_observations // self.width):
            first = g * self.width
            mean = mass = 0
            for o in range(first, first + self.width):
                mean += mu[o] * out[o]
                mass += mu[o]
            if self.width < self.at.n_observations:
                mean = mean / mass if mass > 0 else 0
            for o in range(first, first + self.width):
                out[o] -= mean

    cdef int add_local(self, int t, const double *mu, double *out) except -1 nogil:
        """Rewards r0(o, mu(o)), and r with the same derivative: sum_o mu(o) r0(o, m), by differences of order 4."""
        cdef Py_ssize_t o, i, S = self.at.n_observations
        cdef double h, slope
        cdef double r[4]
        memcpy(self.argument, mu, S * sizeof(double))
        for o in range(S):
            if mu[o] == 0:
                continue
            h = PART * mu[o]
            if mu[o] + 2 * h <= 1:
                for i in range(4):
                    self.argument[o] = mu[o] + h * (i - 2 if i < 2 else i - 1)
                    r[i] = self.at.model.standing_reward(<int>o, self.argument)
                slope = (8 * (r[2] - r[1]) - (r[3] - r[0])) / (12 * h)
            else:                               # of order 2, from below
                for i in range(3):
                    self.argument[o] = mu[o] - REACH * i
                    r[i] = self.at.model.standing_reward(<int>o, self.argument)
                slope = (4 * (r[0] - r[1]) - (r[0] - r[2])) / (2 * REACH)
            self.argument[o] = mu[o]
            if not isfinite(slope):
                refuse_standing(self.at.model, t, <int>o, mu)
            out[o] += mu[o] * slope
        return 0

    cdef int add_differences(
        self, int t, const double *mu, double beta, const double *next_values, double discount, double *out
    ) except -1 nogil:
        """Add the differences of G along e_o - e_z to out[o]; z is the fullest observation, where they are 0.

        Groups do not depend on each other: their populations move at the same time.
        """
        cdef Py_ssize_t S = self.at.n_observations, width = self.width, n_groups = S // width, i, o, g, x
        cdef double h, total
        cdef bint forward, seen = False
        memcpy(self.argument, mu, S * sizeof(double))
        for g in range(n_groups):
            self.fullest[g] = g * width
            self.mass[g] = mu[g * width]
            for o in range(g * width + 1, (g + 1) * width):
                self.mass[g] += mu[o]
                if mu[o] > mu[self.fullest[g]]:
                    self.fullest[g] = o
        if n_groups == 1:
            self.mass[0] = 1
        for i in range(width):
            look(&self.at.looks)
            if not seen:
                for g in range(n_groups):
                    seen |= (mu[g * width + i] < FLOOR * self.mass[g] and self.fullest[g] != g * width + i
                             and self.mass[g] > 0)
                if seen:
                    self.values_near(t, beta, next_values, discount, self.centre)
            if not self.shift(mu, i, 1):
                continue
            self.values_near(t, beta, next_values, discount, self.above)
            self.shift(mu, i, -1)
            self.values_near(t, beta, next_values, discount, self.below)
            self.shift(mu, i, 0)
            for g in range(n_groups):
                o = g * width + i
                if self.mass[g] == 0 or o == self.fullest[g]:
                    continue
                total = 0
                h = length(mu[o] / self.mass[g], &forward)
                for x in range(g * width, (g + 1) * width):
                    if forward:
                        total += mu[x] * (4 * (self.above[x] - self.centre[x]) - (self.below[x] - self.centre[x]))
                    else:
                        total += mu[x] * (self.above[x] - self.below[x])
                out[o] += total / (2 * h * self.mass[g])
        return 0

    cdef bint shift(self, const double *mu, Py_ssize_t i, int way) noexcept nogil:
        """Move the argument at observation i of every group: 1 forward, -1 on the other side, 0 back to mu.

        Forward differences go on to twice the length instead. Whether there is anything to move.
        """
        cdef Py_ssize_t o, z, g
        cdef double h
        cdef bint forward, moved = False
        for g in range(self.at.n_observations // self.width):
            o, z = g * self.width + i, self.fullest[g]
            if self.mass[g] == 0 or o == z:
                continue
            moved = True
            h = self.mass[g] * length(mu[o] / self.mass[g], &forward)
            if way == -1 and forward:
                h *= 2
            else:
                h *= way
            self.argument[o] = mu[o] + h
            self.argument[z] = mu[z] - h
        return moved

    cdef int values_near(
        self, int t, double beta, const double *next_values, double discount, double *values
    ) except -1 nogil:
        """What agents earn, (S,), if the population is the argument; parts whose derivative is known stay."""
        cdef Tables wanted = self.own
        self.there.tables = self.at.tables
        if self.reward_differences or self.row_differences:
            if self.at.model.in_parts and not self.reward_differences:
                wanted.reward = wanted.passive_reward = NULL
            if self.at.model.in_parts and not self.row_differences:
                wanted.transition = wanted.passive_transition = NULL
            self.at.model.tables_at(t, self.argument, &wanted, not self.filled)
            self.filled = True
            if self.reward_differences:
                self.there.tables.reward = self.own.reward
                self.there.tables.passive_reward = self.own.passive_reward
            if self.row_differences:
                self.there.tables.transition = self.own.transition
                self.there.tables.passive_transition = self.own.passive_transition
        self.there.pi = self.at.pi
        if self.policy_differences:
            self.there.policy.table_at(t, self.at.horizon, self.argument, self.there.pi_buffer, &self.there.pi)
        self.there.shares = self.at.shares
        if self.share_differences:
            self.there.shares_at(t, self.argument)
        return self.earn(next_values, discount, beta, values)

    cdef int earn(self, const double *next_values, double discount, double beta, double *values) except -1 nogil:
        policy_values(self.there, next_values, discount, beta, self.q, values)
        return 0


def prices(Model model not None, Policy policy not None, const double[:, ::1] mu not None, active not None,
           double discount, double[:, ::1] found not None, Kept kept=None, Py_ssize_t width=0):
    """What an agent at o at step t adds to the returns of all others, by being counted in mu_t.

    Parameters
    ----------
    mu : ndarray of float64, shape (T + 1, S)
        The flow of the policy.
    active : ndarray of float64, shape (1,) or (T,), or ActingShares
        beta_t, or beta_t(o, mu).
    found : ndarray of float64, shape (T, S)
        OUT. E_t(o), with sum_o mu_t(o) E_t(o) = 0.
    kept : Kept or None
        Kernels along this flow.
    width : int
        Of groups of observations, in each of which prices depend on its own population; 0: one group.

    Notes
    -----
    Theory, section 14. O(T S A K), and the derivatives of each step.
    """
    cdef Py_ssize_t horizon = mu.shape[0] - 1, S = model.n_observations
    cdef Evaluator at = Evaluator(model, policy, horizon)
    cdef const double[::1] fractions = at.activate(active)
    cdef Externality externality = Externality(at, policy)
    cdef Py_ssize_t stride = 1 if fractions.shape[0] > 1 else 0
    cdef Py_ssize_t t, o
    cdef double[:, ::1] pair = np.zeros((2, S))
    cdef double[::1] q = np.empty(S * model.n_actions)
    cdef double *now = &pair[0, 0]
    cdef double *ahead = &pair[1, 0]
    if mu.shape[1] != S or found.shape[0] != horizon or found.shape[1] != S:
        raise ValueError(f"mu and found must have shapes (T + 1, {S}) and (T, {S})")
    if width > 0:
        externality.divide(width)
    if externality.looks_ahead:
        expect_steps(at, horizon)
    at.keep(kept)
    with nogil:
        for t in range(horizon - 1, -1, -1):
            look(&at.looks)
            at.at(<int>t, &mu[t, 0])
            externality.price(<int>t, &mu[t, 0], fractions[t * stride], ahead, discount, &found[t, 0])
            if externality.looks_ahead:
                policy_values(at, ahead, discount, fractions[t * stride], &q[0], now)
                for o in range(S):
                    now[o] += found[t, o]
                now, ahead = ahead, now
