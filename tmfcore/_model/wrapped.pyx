"""Models that wrap another one: with some actions illegal, or with a price of being at an observation.

Contract   what a subclass of Wrapped does not override is that of the base, call by call.
"""
import numpy as np

from libc.stdint cimport uint8_t

from tmfcore._model.model cimport Model, Tables, lawful


cdef class Wrapped(Model):
    """A model that changes some of what another one gives; abstract.

    Attributes
    ----------
    base : Model
    """

    cdef int wrap(self, Model base, successors, legal) except -1:
        self.base = base
        self.set_shape(base.n_observations, base.n_actions, successors, base.passive_successors)
        self.set_legal(legal)
        self.constant_transition, self.constant_reward = base.constant_transition, base.constant_reward
        self.falling_reward, self.passive_identity = base.falling_reward, base.passive_identity
        self.constant_extra = base.constant_extra
        self.differentiable, self.graded = base.differentiable, base.graded
        self.meets, self.constant_meetings = base.meets, base.constant_meetings
        self.by_row, self.asked_by_row, self.trusted = base.by_row, base.asked_by_row, base.trusted
        return 0

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        return self.base.row_at(t, observation, action, mu, probabilities, reward)

    cdef int met_at(
        self, int t, int observation, int action, int partner, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        return self.base.met_at(t, observation, action, partner, mu, probabilities, reward)

    cdef double standing_reward(self, int observation, const double *mu) noexcept nogil:
        return self.base.standing_reward(observation, mu)

    cdef int slopes_at(
        self, int t, int observation, int action, const double *mu, const double *sigma, double *slope, double *bend
    ) except -1 nogil:
        return self.base.slopes_at(t, observation, action, mu, sigma, slope, bend)

    cdef int reward_pull(
        self, int t, const double *mu, const double *acting, const double *resting, double *out
    ) except -1 nogil:
        return self.base.reward_pull(t, mu, acting, resting, out)

    cdef int row_pull(
        self, int t, const double *mu, const double *acting, const double *resting, const double *values,
        double *scratch, double *out
    ) except -1 nogil:
        return self.base.row_pull(t, mu, acting, resting, values, scratch, out)


cdef class Restricted(Wrapped):
    """A model in which only some actions of another one are legal: others have the row of the first legal action.

    The base is never asked for the row of an illegal action. What it declares stays true, since a row that replaces
    another belongs to the same observation. Tables are filled row by row.

    Parameters
    ----------
    base : Model
        In which every action is legal.
    legal : array_like of bool, shape (S, A)
    """
    cdef const uint8_t[:, ::1] own_alone

    def __init__(self, Model base not None, legal):
        cdef Py_ssize_t o, a, A = base.n_actions
        cdef uint8_t[:, ::1] alone
        if base.legal is not None:
            raise ValueError(f"{type(base).__name__} has illegal actions already; must have none")
        self.wrap(base, base.successors, legal)
        if self.successors is not None and self.legal is not None:
            successors = np.array(base.successors)
            o_at, a_at = np.nonzero(~self.legal)
            successors[o_at, a_at] = successors[o_at, np.asarray(self.stand_ins)[o_at, a_at]]
            self.set_shape(base.n_observations, A, successors, base.passive_successors)
        self.constant, self.affine = base.constant, base.affine
        self.local_passive_reward, self.separable_reward = base.local_passive_reward, base.separable_reward
        self.standing_level, self.standing_slope = base.standing_level, base.standing_slope
        self.standing_matrix = base.standing_matrix
        if base.alone != NULL:
            self.own_alone = alone = np.empty((base.n_observations, A), np.uint8)
            for o in range(base.n_observations):
                for a in range(A):
                    alone[o, a] = base.alone[o * A + lawful(self, o, a)]
            self.alone = &self.own_alone[0, 0]

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        if action >= 0:
            action = <int>lawful(self, observation, action)
        return self.base.row_at(t, observation, action, mu, probabilities, reward)

    cdef int met_at(
        self, int t, int observation, int action, int partner, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        return self.base.met_at(t, observation, <int>lawful(self, observation, action), partner, mu, probabilities,
                                reward)

    cdef int slopes_at(
        self, int t, int observation, int action, const double *mu, const double *sigma, double *slope, double *bend
    ) except -1 nogil:
        if action >= 0:
            action = <int>lawful(self, observation, action)
        return self.base.slopes_at(t, observation, action, mu, sigma, slope, bend)


cdef class Charged(Wrapped):
    """A model with prices, by step: r_t(o, a, mu) - price_t(o) and r0_t(o, mu) - price_t(o).

    Rewards are written at every step.

    Parameters
    ----------
    base : Model
    prices : array_like of float, shape (T, S)
    """
    cdef readonly object prices
    cdef const double[:, ::1] price

    def __init__(self, Model base not None, prices):
        array = np.array(prices, np.float64, order="C")
        array.flags.writeable = False
        self.prices = self.price = array
        if array.shape[0] < 1 or array.shape[1] != base.n_observations:
            raise ValueError(f"prices has shape {array.shape}; must be (T, {base.n_observations}), T >= 1")
        self.wrap(base, base.successors, base.legal)
        self.alone, self.in_parts = base.alone, base.in_parts

    cdef inline double due(self, int t, Py_ssize_t o) noexcept nogil:
        return self.price[min(max(t, 0), self.price.shape[0] - 1), o]

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        self.base.row_at(t, observation, action, mu, probabilities, reward)
        reward[0] -= self.due(t, observation)
        return 0

    cdef int met_at(
        self, int t, int observation, int action, int partner, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        self.base.met_at(t, observation, action, partner, mu, probabilities, reward)
        reward[0] -= self.due(t, observation)
        return 0

    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil:
        cdef Py_ssize_t o, a, A = self.n_actions
        cdef Tables rewards = tables[0]
        if tables.reward == NULL and tables.passive_reward == NULL:
            return self.base.tables_at(t, mu, tables, everything)
        if self.in_parts and not everything:        # rewards anew, since prices were taken from the last ones
            rewards.transition = rewards.passive_transition = NULL
            self.base.tables_at(t, mu, &rewards, True)
            if not self.constant_transition and tables.transition != NULL:
                rewards = tables[0]
                rewards.reward = rewards.passive_reward = NULL
                self.base.tables_at(t, mu, &rewards, False)
        else:
            self.base.tables_at(t, mu, tables, True)
        for o in range(self.n_observations):
            if tables.passive_reward != NULL:
                tables.passive_reward[o] -= self.due(t, o)
            if tables.reward != NULL:
                for a in range(A):
                    tables.reward[o * A + a] -= self.due(t, o)
        return 0
