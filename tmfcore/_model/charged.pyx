"""Any compiled model with a price of being at an observation, by step: prices are taken from the rewards of all agents.

Contract   rows are those of the base.
Cost       that of the base, whose rewards are written at every step.
"""
import numpy as np

from tmfcore._model.model cimport Model, Tables


cdef class Charged(Model):
    """A model with prices: r_t(o, a, mu) - price_t(o) and r0_t(o, mu) - price_t(o).

    Parameters
    ----------
    base : Model
    prices : array_like of float, shape (T, S)
    """
    cdef readonly Model base
    cdef readonly object prices
    cdef const double[:, ::1] price

    def __init__(self, Model base not None, prices):
        array = np.array(prices, np.float64, order="C")
        array.flags.writeable = False
        self.prices = self.price = array
        if array.shape[0] < 1 or array.shape[1] != base.n_observations:
            raise ValueError(f"prices has shape {array.shape}; must be (T, {base.n_observations}), T >= 1")
        self.base = base
        self.set_shape(base.n_observations, base.n_actions, base.successors, base.passive_successors)
        self.set_legal(base.legal)
        self.constant_transition, self.constant_reward = base.constant_transition, base.constant_reward
        self.falling_reward, self.passive_identity = base.falling_reward, base.passive_identity
        self.constant_extra = base.constant_extra
        self.differentiable, self.graded = base.differentiable, base.graded
        self.meets, self.constant_meetings, self.alone = base.meets, base.constant_meetings, base.alone
        self.by_row, self.asked_by_row, self.in_parts = base.by_row, base.asked_by_row, base.in_parts
        self.trusted = base.trusted

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
