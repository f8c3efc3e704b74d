"""Crowd aversion: any constant kernel, and a reward that falls with the logarithm of the share at the agent's place.

Source     games.crowd_aversion has the formulas.  Notation: model.pxd; mu(o) the share of the population at o.
Contract   the caller checks that the kernels are distributions; nothing is checked during a run.
"""
from libc.string cimport memcpy

import numpy as np

from tmfcore._model.model cimport Model, Tables

cdef extern from "_base/simd/elementary.h" nogil:
    double tmf_log_one(double x)
    void tmf_log_all(const double *x, double shift, Py_ssize_t n, double *out)

cdef enum:
    SHORT = 5


cdef inline void spread(
    const double *passive,      # IN   (S,)
    const double *extra,        # IN   (S, A); (A,) for all o if stride is 0
    Py_ssize_t stride,
    double scale,
    Py_ssize_t S,
    Py_ssize_t A,
    double *reward,             # OUT  (S, A)  passive[o] + scale extra[o, a]
) noexcept nogil:
    cdef Py_ssize_t _, a
    cdef double standing
    for _ in range(S):
        standing = passive[0]
        for a in range(A):
            reward[a] = standing + scale * extra[a]
        passive += 1
        extra += stride
        reward += A


cdef inline void spread_same(
    const double *passive, const double *extra, double scale, Py_ssize_t S, Py_ssize_t A, double *reward
) noexcept nogil:
    """spread for one row of at most SHORT actions that all o share: it stays in registers. Two observations at a time
    fill whole vectors."""
    cdef double gain[SHORT]
    cdef Py_ssize_t _, a
    cdef double standing, other
    for a in range(A):
        gain[a] = scale * extra[a]
    for _ in range(S // 2):
        standing = passive[0]
        other = passive[1]
        for a in range(A):
            reward[a] = standing + gain[a]
        for a in range(A):
            reward[A + a] = other + gain[a]
        passive += 2
        reward += 2 * A
    if S % 2:
        for a in range(A):
            reward[a] = passive[0] + gain[a]


cdef class CrowdAversion(Model):
    """Constant kernels; r0 = worth_t(o) - c log(mu(o) + epsilon), r = r0 + scale_t extra(o, a).

    Parameters
    ----------
    transition : array_like of float, shape (S, A, K)
    passive_transition : array_like of float, shape (S, K0)
    successors, passive_successors : array_like of int, shapes (S, A, K) and (S, K0), or None
        The observation of each cell; None: cell x is observation x.
    worth : array_like of float, shape (T, S) or (1, S)
        Per step; one row: the same for all steps.
    extra : array_like of float, shape (S, A)
        Reward that acting adds.
    scale : array_like of float, shape (T,) or (1,)
        The factor of `extra` at each step.
    crowding, epsilon : float
        c per step, and epsilon > 0.

    Notes
    -----
    A step after the last row of `worth` or `scale` uses the last row.
    """
    cdef const double[:, :, ::1] transition
    cdef const double[:, ::1] passive_transition, worth, extra
    cdef const double[::1] scale
    cdef double crowding, epsilon
    cdef bint same                          # all rows of extra are equal

    def __init__(self, transition, passive_transition, successors, passive_successors, worth, extra, scale,
                 double crowding, double epsilon):
        self.transition = np.array(transition, np.float64, order="C")
        self.passive_transition = np.array(passive_transition, np.float64, order="C")
        self.worth = np.array(worth, np.float64, order="C")
        self.extra = np.array(extra, np.float64, order="C")
        self.scale = np.array(scale, np.float64)
        S, A = self.transition.shape[0], self.transition.shape[1]
        self.set_shape(S, A, successors, passive_successors)
        for name, found, wanted in (
            ("transition", self.transition.shape[2], self.n_successors),
            ("passive_transition", self.passive_transition.shape[0], S),
            ("passive_transition", self.passive_transition.shape[1], self.n_passive_successors),
            ("worth", self.worth.shape[1], S),
            ("extra", self.extra.shape[0], S),
            ("extra", self.extra.shape[1], A),
        ):
            if found != wanted:
                raise ValueError(f"{name} has an axis of length {found}; must have length {wanted}")
        if self.worth.shape[0] < 1 or self.scale.shape[0] < 1:
            raise ValueError("worth or scale is empty; each must have at least one row")
        if not epsilon > 0:
            raise ValueError(f"epsilon is {epsilon}; must be > 0, since empty places have mu = 0")
        self.same = bool((np.asarray(self.extra) == np.asarray(self.extra)[:1]).all())
        self.crowding = crowding
        self.epsilon = epsilon
        self.constant_reward = crowding == 0
        self.falling_reward = (2 if crowding > 0 else 1) if crowding >= 0 else 0
        self.constant_transition = self.by_row = self.in_parts = self.trusted = self.graded = True
        self.passive_identity = bool(
            self.passive_successors is not None and (self.passive_successors == np.arange(S)[:, None]).all())
        self.local_passive_reward = self.worth.shape[0] == 1
        self.separable_reward = self.local_passive_reward and self.scale.shape[0] == 1

    cdef inline double standing(self, int t, Py_ssize_t o, double share) noexcept nogil:
        """worth_t(o) - c log(mu(o) + epsilon)"""
        return (self.worth[min(max(t, 0), self.worth.shape[0] - 1), o]
                - self.crowding * tmf_log_one(share + self.epsilon))

    cdef inline double share_paid(self, int t) noexcept nogil:
        return self.scale[min(max(t, 0), self.scale.shape[0] - 1)]

    cdef double standing_reward(self, int observation, const double *mu) noexcept nogil:
        return self.standing(0, observation, mu[observation])

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        cdef Py_ssize_t k
        reward[0] = self.standing(t, observation, mu[observation])
        if action < 0:
            for k in range(self.n_passive_successors):
                probabilities[k] = self.passive_transition[observation, k]
            return 0
        reward[0] += self.share_paid(t) * self.extra[observation, action]
        for k in range(self.n_successors):
            probabilities[k] = self.transition[observation, action, k]
        return 0

    cdef int reward_pull(
        self, int t, const double *mu, const double *acting, const double *resting, double *out
    ) except -1 nogil:
        cdef Py_ssize_t o                       # all at o, acting or not, have one derivative: their weight is mu(o)
        for o in range(self.n_observations):
            out[o] -= mu[o] * self.crowding / (mu[o] + self.epsilon)
        return 0

    cdef void fill_reward(self, int t, const double *mu, double *reward) noexcept nogil:
        """Write the rewards (S, A) of acting agents; for calls that do not ask for passive rewards."""
        cdef Py_ssize_t o, a, A = self.n_actions
        cdef double standing
        for o in range(self.n_observations):
            standing = self.standing(t, o, mu[o])
            for a in range(A):
                reward[a] = standing + self.share_paid(t) * self.extra[o, a]
            reward += A

    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil:
        cdef Py_ssize_t o, S = self.n_observations, A = self.n_actions
        cdef double scale = self.share_paid(t), crowding = self.crowding
        cdef const double *worth = &self.worth[min(max(t, 0), self.worth.shape[0] - 1), 0]
        cdef const double *extra = &self.extra[0, 0]
        cdef double *passive = tables.passive_reward
        if passive != NULL:
            tmf_log_all(mu, self.epsilon, S, passive)
            for o in range(S):
                passive[o] = worth[o] - crowding * passive[o]
        if tables.reward == NULL:
            pass
        elif passive == NULL:
            self.fill_reward(t, mu, tables.reward)
        elif self.same and A == 3:                       # a constant A lets the compiler unroll the inner loop
            spread_same(passive, extra, scale, S, 3, tables.reward)
        elif self.same and A == SHORT:
            spread_same(passive, extra, scale, S, SHORT, tables.reward)
        else:
            spread(passive, extra, A, scale, S, A, tables.reward)
        if everything and tables.transition != NULL:
            memcpy(tables.transition, &self.transition[0, 0, 0], S * A * self.n_successors * sizeof(double))
        if everything and tables.passive_transition != NULL:
            memcpy(tables.passive_transition, &self.passive_transition[0, 0],
                   S * self.n_passive_successors * sizeof(double))
        return 0
