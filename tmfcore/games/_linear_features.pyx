"""Linear features: rows |phi(o, a)' G(mu) psi| / sum, and a reward that falls with the logarithm of the share.

Source     games.linear_features has the formulas.  Notation: model.pxd; d features; H sets of features, one per sweep.
Contract   the caller checks finiteness and d <= TMF_MOST_FEATURES; rows sum to 1 within rounding.
Cost       O(S d^2) for G(mu), and O(d^2 + S d) for each row.
"""
import numpy as np

from libc.math cimport floor

from tmfcore._model.model cimport Model, Tables

cdef extern from "_base/simd/elementary.h" nogil:
    double tmf_log_one(double x)

cdef extern from "games/linear_features.h" nogil:
    enum:
        TMF_MOST_FEATURES
    void tmf_mean_features(const double *mu, const double *g, Py_ssize_t S, Py_ssize_t cells, double *mean)
    void tmf_feature_rows(
        const double *phi, Py_ssize_t n, const double *mean, const double *psi, Py_ssize_t d, Py_ssize_t S,
        double *rows)

MOST_FEATURES = int(TMF_MOST_FEATURES)


cdef class LinearFeatures(Model):
    """Rows of features; r = r0 = -c log(mu(o) + epsilon); passive agents stay.

    Parameters
    ----------
    own : array_like of float, shape (H, S, A, d)
        phi.
    crowd : array_like of float, shape (H, S, d, d)
        G_y of each observation y.
    target : array_like of float, shape (H, d, S)
        psi.
    step : float
        dt > 0, the length of a step in sweeps; each sweep has a set of features.
    n_steps : int
        T; later steps have the last set.
    crowding, epsilon : float
        c per step, and epsilon > 0.
    """
    cdef const double[:, :, :, ::1] own, crowd
    cdef const double[:, :, ::1] target
    cdef double step, crowding, epsilon
    cdef int n_steps

    def __init__(self, own, crowd, target, double step, int n_steps, double crowding, double epsilon):
        self.own = np.asarray(own, np.float64, order="C")
        self.crowd = np.asarray(crowd, np.float64, order="C")
        self.target = np.asarray(target, np.float64, order="C")
        self.step, self.n_steps = step, n_steps
        H, S, A, d = self.own.shape[0], self.own.shape[1], self.own.shape[2], self.own.shape[3]
        for name, found, wanted in (
            ("crowd", np.shape(crowd), (H, S, d, d)),
            ("target", np.shape(target), (H, d, S)),
        ):
            if found != wanted:
                raise ValueError(f"{name} has shape {found}; must be {wanted}")
        if not 1 <= d <= MOST_FEATURES:
            raise ValueError(f"own has {d} features; must have 1 to {MOST_FEATURES}")
        if not step > 0:
            raise ValueError(f"step is {step}; must be > 0")
        if not epsilon > 0:
            raise ValueError(f"epsilon is {epsilon}; must be > 0, since empty observations have mu = 0")
        self.set_shape(S, A, None, np.arange(S)[:, None])
        self.crowding = crowding
        self.epsilon = epsilon
        self.constant_reward = crowding == 0
        self.falling_reward = 2 if crowding > 0 else 1
        self.passive_identity = self.local_passive_reward = self.separable_reward = self.constant_extra = True
        self.by_row = self.in_parts = self.trusted = self.graded = True

    cdef inline Py_ssize_t set_of(self, int t) noexcept nogil:
        if t >= self.n_steps:
            return self.own.shape[0] - 1
        return <Py_ssize_t>min(floor(max(t, 0) * self.step + 1e-9), <double>(self.own.shape[0] - 1))

    cdef double standing_reward(self, int observation, const double *mu) noexcept nogil:
        return -self.crowding * tmf_log_one(mu[observation] + self.epsilon)

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        cdef double mean[TMF_MOST_FEATURES * TMF_MOST_FEATURES]
        cdef Py_ssize_t S = self.n_observations, d = self.target.shape[1], h = self.set_of(t)
        reward[0] = self.standing_reward(observation, mu)
        if action < 0:
            probabilities[0] = 1
            return 0
        tmf_mean_features(mu, &self.crowd[h, 0, 0, 0], S, d * d, mean)
        tmf_feature_rows(&self.own[h, observation, action, 0], 1, mean, &self.target[h, 0, 0], d, S, probabilities)
        return 0

    cdef int reward_pull(
        self, int t, const double *mu, const double *acting, const double *resting, double *out
    ) except -1 nogil:
        cdef Py_ssize_t o                       # all at o, acting or not, have one derivative: their weight is mu(o)
        for o in range(self.n_observations):
            out[o] -= mu[o] * self.crowding / (mu[o] + self.epsilon)
        return 0

    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil:
        cdef double mean[TMF_MOST_FEATURES * TMF_MOST_FEATURES]
        cdef Py_ssize_t o, a, S = self.n_observations, A = self.n_actions, d = self.target.shape[1], h = self.set_of(t)
        cdef double paid
        for o in range(S):
            paid = self.standing_reward(o, mu)
            if tables.passive_reward != NULL:
                tables.passive_reward[o] = paid
            if tables.reward != NULL:
                for a in range(A):
                    tables.reward[o * A + a] = paid
        if tables.transition != NULL:
            tmf_mean_features(mu, &self.crowd[h, 0, 0, 0], S, d * d, mean)
            tmf_feature_rows(
                &self.own[h, 0, 0, 0], S * A, mean, &self.target[h, 0, 0], d, S, tables.transition)
        if everything and tables.passive_transition != NULL:
            for o in range(S):
                tables.passive_transition[o] = 1
        return 0
