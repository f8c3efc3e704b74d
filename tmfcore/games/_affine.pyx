"""Games whose rewards and transition rows are affine in mu: tables, rows and exact derivatives.

Source     Theory, section 1, with r(o,a,mu) = R(o,a) + sum_y R'(o,a,y) mu(y), and rows likewise.
Notation   model.pxd; y an observation whose share enters the formula; e_y the corner of the simplex: all agents at y.
Method     Rows are stored by their values at the corners, P(k | o, a, mu) = sum_y mu(y) P(k | o, a, e_y). All terms are
           >= 0, so that rounding cannot make an entry negative. Rows that are equal at all corners are stored once.
Contract   rows are distributions at every corner, hence at every mu; this is checked when the model is made.
           If mu does not sum to 1 (games.typed), the formula and the mixture of corners differ: `stretch_row` and
           `stretch_tables` turn the mixture into the formula; games.typed checks first that this gives distributions.
Cost       rewards O(S^2 A); O(S^2) if r - r0 does not depend on mu; O(S A) if moreover r0(o, mu) depends on mu(o) only.
           O(S K) for each row that depends on mu.
"""
from libc.stdint cimport uint8_t
from libc.string cimport memcpy

import numpy as np

from tmfcore._model.model cimport Tables

cdef extern from "_base/simd/dense.h" nogil:
    void tmf_add_rows(const double *weights, const double *table, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out)

cdef extern from "_limit/values.h" nogil:
    void tmf_row_values(const double *reward, const double *table, const double *values, const double *other,
                        double discount, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out, double *other_out)


cdef object owned(str name, value, tuple shape):
    """A C-contiguous copy of value, with its shape checked; None for None."""
    if value is None:
        return None
    table = np.array(value, np.float64, order="C")
    if table.shape != shape:
        raise ValueError(f"{name} has shape {table.shape}; must be {shape}")
    return table


cdef object same_for_all(slopes):
    """The first entry of each row (..., S), and whether every row has all its entries exactly equal."""
    return slopes[..., 0].copy(), bool((slopes == slopes[..., :1]).all())


cdef class Affine(Model):
    """Rewards and transition rows affine in mu (games.affine has the formulas).

    Parameters
    ----------
    reward0 : array_like of float, shape (S, A)
    reward_mu : array_like of float, shape (S, A, S), or None: 0
    transition0 : array_like of float, shape (S, A, K)
    transition_mu : array_like of float, shape (S, A, K, S), or None: 0
    passive_reward0 : array_like of float, shape (S,)
    passive_reward_mu : array_like of float, shape (S, S), or None: 0
    passive_transition0 : array_like of float, shape (S, K0), or None: identity
    passive_transition_mu : array_like of float, shape (S, K0, S), or None: 0
    successors, passive_successors : array_like of int, optional
        Shapes (S, A, K) and (S, K0).
    legal : array_like of bool, optional
        Shape (S, A); rows of illegal actions must be those of stand-ins (Model.set_legal).

    Raises
    ------
    ValueError
        A shape is wrong, or a row is not a distribution at some corner; the error names both.
    """
    def __init__(self, reward0, reward_mu, transition0, transition_mu, passive_reward0, passive_reward_mu,
                 passive_transition0, passive_transition_mu, successors=None, passive_successors=None, legal=None):
        cdef const double[::1] reward, slope, level, passive_slope, reward_share, level_share
        cdef const uint8_t[::1] alone
        S, A = np.shape(reward0)
        if passive_transition0 is None:
            if passive_successors is not None:
                raise ValueError("passive_successors is given without passive_transition0; pass both or neither")
            if passive_transition_mu is None:
                passive_transition0, passive_successors = np.ones((S, 1)), np.arange(S)[:, None]
            else:
                passive_transition0 = np.eye(S)
        self.set_shape(S, A, successors, passive_successors)
        self.set_legal(legal)
        K, K0 = self.n_successors, self.n_passive_successors

        acting = owned("transition0", transition0, (S, A, K))
        resting = owned("passive_transition0", passive_transition0, (S, K0))
        self.active = Rows("transition", acting, owned("transition_mu", transition_mu, (S, A, K, S)), S)
        self.passive = Rows("passive_transition", resting,
                            owned("passive_transition_mu", passive_transition_mu, (S, K0, S)), S)
        self.constant_transition = self.active.constant and self.passive.constant
        places = np.arange(S)[:, None]
        elsewhere = (np.arange(S)[None, :] if self.passive_successors is None else self.passive_successors) != places
        self.passive_identity = self.passive.constant and not self.passive.arrays[0][elsewhere].any()

        # Rewards: mu sums to 1, so that slopes which are equal for all y add a constant.
        own = owned("passive_reward0", passive_reward0, (S,))
        base = owned("reward0", reward0, (S, A))
        waiting = np.zeros((S, S)) if passive_reward_mu is None else passive_reward_mu
        waiting = owned("passive_reward_mu", waiting, (S, S))
        moving = owned("reward_mu", reward_mu, (S, A, S))
        _, self.fixed_passive_reward = same_for_all(waiting)
        other = waiting[np.arange(S), (np.arange(S) + 1) % S] if S > 1 else np.zeros(S)
        self.local_passive_reward = bool(((waiting == other[:, None]) | np.eye(S, dtype=bool)).all())
        differences = (-waiting[:, None, :] if moving is None else moving - waiting[:, None, :])
        extra, self.additive = same_for_all(differences)
        constant, self.fixed_reward = (0.0, True) if moving is None else same_for_all(moving)
        no_reward = np.zeros((S, A))
        if self.local_passive_reward:
            level_of, slope_of, shared = own + other, np.diagonal(waiting) - other, other
        else:
            level_of, slope_of, shared = own, waiting, np.zeros(S)
        if self.fixed_reward:
            reward_of, shared_reward = base + constant, no_reward + constant
        elif self.additive:
            reward_of, shared_reward = base - own[:, None] + extra, extra
        else:
            reward_of, shared_reward = base, no_reward
        varies = not (self.fixed_reward or self.additive)
        self.arrays = tuple(np.ascontiguousarray(array, np.float64).reshape(-1)
                            for array in (reward_of, moving if varies else np.zeros(1), level_of, slope_of,
                                          shared_reward, shared))
        reward, slope, level, passive_slope, reward_share, level_share = self.arrays
        alone = np.asarray(self.active.arrays[2] < 0, np.uint8)
        self.arrays += (alone,)
        self.reward_share = &reward_share[0]
        self.level_share = &level_share[0]
        self.by_mass = bool(not (self.active.rigid and self.passive.rigid) or np.any(shared) or np.any(shared_reward))
        self.reward = &reward[0]
        self.slope = &slope[0] if varies else NULL
        self.level = &level[0]
        self.passive_slope = &passive_slope[0]
        self.separable_reward = self.local_passive_reward and self.additive
        self.constant_reward = self.fixed_reward and self.fixed_passive_reward
        if self.separable_reward and not (slope_of > 0).any():
            self.falling_reward = 2 if (slope_of == 0).sum() <= 1 else 1
        self.constant_extra = self.additive
        self.standing_level = self.level
        if self.separable_reward:
            self.standing_slope = self.passive_slope
        elif not self.local_passive_reward:
            self.standing_matrix = self.passive_slope
        self.meets = not self.active.constant
        self.constant_meetings = True
        self.alone = &alone[0]
        self.constant = self.constant_transition and self.constant_reward
        self.affine = self.differentiable = self.graded = True
        self.by_row = self.trusted = self.in_parts = True

    def reward_slopes(self):
        """The derivatives of the rewards in mu, up to a constant that is the same for all y.

        Returns
        -------
        reward : ndarray of float64, shape (S, A, S)
        passive_reward : ndarray of float64, shape (S, S)
        """
        S, A = self.n_observations, self.n_actions
        kept = self.arrays[3]
        waiting = np.diag(kept) if self.local_passive_reward else kept.reshape(S, S)
        if self.fixed_reward:
            return np.zeros((S, A, S)), waiting.copy()
        if self.additive:
            return np.repeat(waiting[:, None], A, axis=1), waiting.copy()
        return self.arrays[1].reshape(S, A, S).copy(), waiting.copy()

    cdef double held(self, Py_ssize_t o, const double *mu) noexcept nogil:
        """r0(o, mu)"""
        cdef double out
        cdef Py_ssize_t S = self.n_observations
        if self.local_passive_reward:
            return self.level[o] + self.passive_slope[o] * mu[o]
        tmf_row_values(self.level + o, self.passive_slope + o * S, mu, NULL, 1.0, 1, S, &out, NULL)
        return out

    cdef double earned(self, Py_ssize_t o, Py_ssize_t a, const double *mu) noexcept nogil:
        """r(o, a, mu)"""
        cdef double out
        cdef Py_ssize_t S = self.n_observations, i = o * self.n_actions + a
        if self.fixed_reward:
            return self.reward[i]
        if self.additive:
            return self.held(o, mu) + self.reward[i]
        tmf_row_values(self.reward + i, self.slope + i * S, mu, NULL, 1.0, 1, S, &out, NULL)
        return out

    cdef double standing_reward(self, int observation, const double *mu) noexcept nogil:
        return self.held(observation, mu)

    cdef int met_at(
        self, int t, int observation, int action, int partner, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        self.active.corner_row(observation * self.n_actions + action, partner, probabilities)
        reward[0] = self.earned(observation, action, mu)
        return 0

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        if action < 0:
            self.passive.row(observation, mu, probabilities)
            reward[0] = self.held(observation, mu)
        else:
            self.active.row(observation * self.n_actions + action, mu, probabilities)
            reward[0] = self.earned(observation, action, mu)
        return 0

    cdef void stretch_row(self, Py_ssize_t o, Py_ssize_t a, double mass, double *row, double *reward) noexcept nogil:
        cdef double more = mass - 1
        cdef Py_ssize_t i = o * self.n_actions + a
        if a < 0:
            self.passive.stretch(o, 1, mass, row)
            reward[0] += more * self.level_share[o]
            return
        self.active.stretch(i, 1, mass, row)
        reward[0] += more * self.reward_share[i]
        if self.additive and not self.fixed_reward:
            reward[0] += more * self.level_share[o]

    cdef void stretch_tables(self, double mass, Tables *tables) noexcept nogil:
        cdef double more = mass - 1
        cdef bint held = self.additive and not self.fixed_reward
        cdef Py_ssize_t o, a, A = self.n_actions
        self.active.stretch(0, self.active.n_rows, mass, tables.transition)
        self.passive.stretch(0, self.passive.n_rows, mass, tables.passive_transition)
        for o in range(self.n_observations):
            tables.passive_reward[o] += more * self.level_share[o]
            for a in range(A):
                tables.reward[o * A + a] += more * (
                    self.reward_share[o * A + a] + (self.level_share[o] if held else 0.0))

    cdef int slopes_at(
        self, int t, int observation, int action, const double *mu, const double *sigma, double *slope, double *bend
    ) except -1 nogil:
        if action < 0:
            self.passive.slopes(observation, slope, bend)
        else:
            self.active.slopes(observation * self.n_actions + action, slope, bend)
        return 0

    cdef int reward_pull(
        self, int t, const double *mu, const double *acting, const double *resting, double *out
    ) except -1 nogil:
        cdef Py_ssize_t S = self.n_observations, A = self.n_actions, o
        cdef double weight
        if not (self.fixed_reward or self.additive):
            tmf_add_rows(acting, self.slope, S * A, S, out)
        if self.fixed_passive_reward:
            return 0
        for o in range(S):
            weight = mu[o] if self.additive and not self.fixed_reward else resting[o]   # r - r0 does not depend on mu
            if self.local_passive_reward:
                out[o] += weight * self.passive_slope[o]
            elif weight != 0:
                tmf_add_rows(&weight, self.passive_slope + o * S, 1, S, out)
        return 0

    cdef int row_pull(
        self, int t, const double *mu, const double *acting, const double *resting, const double *values,
        double *scratch, double *out
    ) except -1 nogil:
        scratch += self.n_observations * self.n_observations
        if not self.active.constant:
            self.active.pull(acting, values, self.successor, scratch, out)
        if not self.passive.constant:
            self.passive.pull(resting, values, self.passive_successor, scratch, out)
        return 0

    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil:
        cdef Py_ssize_t S = self.n_observations, A = self.n_actions
        cdef Py_ssize_t o, a
        cdef double held
        cdef const double *base = self.reward
        cdef double *passive = tables.passive_reward
        cdef double *reward = tables.reward
        if tables.transition != NULL:
            self.active.fill(mu, tables.transition, everything)
        if tables.passive_transition != NULL:
            self.passive.fill(mu, tables.passive_transition, everything)
        if passive != NULL and (everything or not self.fixed_passive_reward):
            if self.local_passive_reward:
                for o in range(S):
                    passive[o] = self.level[o] + self.passive_slope[o] * mu[o]
            else:
                tmf_row_values(self.level, self.passive_slope, mu, NULL, 1.0, S, S, passive, NULL)
        if reward == NULL or (self.fixed_reward and not everything):
            return 0
        if self.fixed_reward:
            memcpy(reward, base, S * A * sizeof(double))
        elif self.additive:
            for o in range(S):
                held = passive[o] if passive != NULL else self.held(o, mu)
                for a in range(A):
                    reward[a] = held + base[a]
                reward += A
                base += A
        else:
            tmf_row_values(base, self.slope, mu, NULL, 1.0, S * A, S, reward, NULL)
        return 0
