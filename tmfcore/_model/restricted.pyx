"""Any compiled model with some actions illegal: their rows are those of the first legal action at the observation.

Contract   the base is never asked for the row of an illegal action. What it declares stays true, since a row that
           replaces another belongs to the same observation.
Cost       that of the base's rows: tables are filled row by row.
"""
import numpy as np

from libc.stdint cimport uint8_t

from tmfcore._model.model cimport Model, lawful


cdef class Restricted(Model):
    """A model in which only some actions of another one are legal.

    Parameters
    ----------
    base : Model
        In which every action is legal.
    legal : array_like of bool, shape (S, A)
    """
    cdef Model base
    cdef const uint8_t[:, ::1] own_alone

    def __init__(self, Model base not None, legal):
        cdef Py_ssize_t o, a, A = base.n_actions
        cdef uint8_t[:, ::1] alone
        if base.legal is not None:
            raise ValueError(f"{type(base).__name__} has illegal actions already; must have none")
        self.base = base
        self.set_shape(base.n_observations, A, None, base.passive_successors)
        self.set_legal(legal)
        if base.successors is not None:
            successors = np.array(base.successors)
            if self.legal is not None:
                o_at, a_at = np.nonzero(~self.legal)
                successors[o_at, a_at] = successors[o_at, np.asarray(self.stand_ins)[o_at, a_at]]
            self.set_shape(base.n_observations, A, successors, base.passive_successors)
        self.constant, self.constant_transition = base.constant, base.constant_transition
        self.constant_reward, self.falling_reward = base.constant_reward, base.falling_reward
        self.passive_identity, self.local_passive_reward = base.passive_identity, base.local_passive_reward
        self.separable_reward, self.constant_extra = base.separable_reward, base.constant_extra
        self.standing_level, self.standing_slope = base.standing_level, base.standing_slope
        self.standing_matrix = base.standing_matrix
        self.affine, self.differentiable, self.graded = base.affine, base.differentiable, base.graded
        self.meets, self.constant_meetings = base.meets, base.constant_meetings
        self.by_row, self.asked_by_row, self.trusted = base.by_row, base.asked_by_row, base.trusted
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

    cdef double standing_reward(self, int observation, const double *mu) noexcept nogil:
        return self.base.standing_reward(observation, mu)

    cdef int slopes_at(
        self, int t, int observation, int action, const double *mu, const double *sigma, double *slope, double *bend
    ) except -1 nogil:
        if action >= 0:
            action = <int>lawful(self, observation, action)
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

    cdef int met_at(
        self, int t, int observation, int action, int partner, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        return self.base.met_at(t, observation, <int>lawful(self, observation, action), partner, mu, probabilities,
                                reward)
