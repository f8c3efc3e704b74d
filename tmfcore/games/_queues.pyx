"""Resource selection and queueing, as compiled rows and tables.

Source     Theory, section 8.  Notation: model.pxd; mu(o) the share of the population at observation o.
Contract   rows are distributions by construction; nothing is checked during a run.
"""
from libc.math cimport pow
from libc.string cimport memset

import numpy as np

from tmfcore._model.model cimport Model, Tables


cdef int falling(const double[::1] slopes):
    """`Model.falling_reward` for rewards whose derivative in mu(o) has the sign of slopes[o] at every mu(o)."""
    cdef Py_ssize_t o, n_flat = 0
    for o in range(slopes.shape[0]):
        if slopes[o] > 0:
            return 0
        n_flat += slopes[o] == 0
    return 2 if n_flat <= 1 else 1


cdef class ResourceSelection(Model):
    """Resource selection: keep one of M resources, or switch (Theory, section 8).

    Parameters
    ----------
    values, congestion : array_like of float, shape (M,)
        v_o and c_o, per sweep.
    switching_cost, power, step : float
        k, p and dt.
    """
    cdef double[::1] value, congestion, slope      # times dt; slope: of the reward in mu(o) if p = 1
    cdef double switching_cost, power

    def __init__(self, values, congestion, double switching_cost, double power, double step):
        n = len(values)
        places = np.arange(n, dtype=np.int32)[:, None]
        self.set_shape(n, n, places[None].repeat(n, axis=0), places)
        self.value = np.array(values, np.float64) * step
        self.congestion = np.array(congestion, np.float64) * step
        if self.congestion.shape[0] != n:
            raise ValueError(f"congestion has shape ({self.congestion.shape[0]},); must be ({n},)")
        self.slope = -np.asarray(self.congestion)
        if power == 1:
            self.standing_level = &self.value[0]
            self.standing_slope = &self.slope[0]
            self.affine = True
        self.switching_cost = switching_cost
        self.power = power
        self.falling_reward = falling(self.slope if power > 0 else np.zeros(n))
        self.constant_transition = self.passive_identity = True
        self.local_passive_reward = self.separable_reward = True
        self.by_row = self.trusted = self.graded = True

    cdef inline double held(self, Py_ssize_t o, double share) noexcept nogil:
        """dt (v_o - c_o mu(o)^p)"""
        if self.power == 1:
            return self.value[o] - self.congestion[o] * share
        return self.value[o] - self.congestion[o] * pow(share, self.power)

    cdef double standing_reward(self, int observation, const double *mu) noexcept nogil:
        return self.held(observation, mu[observation])

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        probabilities[0] = 1
        reward[0] = self.held(observation, mu[observation])
        if action >= 0 and action != observation:
            reward[0] -= self.switching_cost
        return 0

    cdef int reward_pull(
        self, int t, const double *mu, const double *acting, const double *resting, double *out
    ) except -1 nogil:
        cdef Py_ssize_t o                       # all at o, acting or not, have one derivative: their weight is mu(o)
        if self.power == 1:
            for o in range(self.n_observations):
                out[o] -= mu[o] * self.congestion[o]
        else:
            for o in range(self.n_observations):
                out[o] -= self.congestion[o] * self.power * pow(mu[o], self.power)
        return 0

    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil:
        cdef Py_ssize_t o, a, n = self.n_observations
        cdef double held
        cdef double *row
        for o in range(n):
            held = self.held(o, mu[o])
            tables.passive_reward[o] = held
            row = tables.reward + o * n
            for a in range(n):
                row[a] = held - self.switching_cost
            row[o] = held
        if everything:
            for o in range(n):
                tables.passive_transition[o] = 1
            for o in range(n * n):
                tables.transition[o] = 1
        return 0


cdef class Queueing(Model):
    """Dynamic queueing: idle (0) or waiting at one of K servers (Theory, section 8).

    Cells of a row: finished (idle), and the observation after the action.

    Parameters
    ----------
    capacities : array_like of float, shape (n_servers,)
        s_j, jobs per agent and sweep.
    service_reward, waiting_cost, jockeying_cost, step : float
        R, w, k and dt <= 1.
    """
    cdef double[::1] capacity               # (S,), entry 0 unused
    cdef double service_reward, waiting_cost, jockeying_cost, step

    def __init__(self, capacities, double service_reward, double waiting_cost, double jockeying_cost,
                 double step):
        n = len(capacities) + 1
        places = np.arange(n)
        targets = np.where(places[None, :] == 0, places[:, None], places[None, :])
        self.set_shape(n, n, np.stack([np.zeros_like(targets), targets], -1),
                       np.stack([np.zeros_like(places), places], -1))
        if not 0 < step <= 1:
            raise ValueError(f"step is {step}; must lie in (0, 1]: service rates times step are probabilities")
        self.capacity = np.concatenate([[0.0], np.array(capacities, np.float64)])
        self.service_reward = service_reward
        self.waiting_cost = waiting_cost
        self.jockeying_cost = jockeying_cost
        self.step = step
        self.falling_reward = falling(-service_reward * np.asarray(self.capacity))
        self.local_passive_reward = self.separable_reward = True
        self.by_row = self.trusted = self.differentiable = self.graded = True

    cdef inline double service(self, Py_ssize_t o, double share) noexcept nogil:
        """d_o(mu) = s_o / (s_o + mu(o)), 0 if idle"""
        return self.capacity[o] / (self.capacity[o] + share) if o > 0 else 0.0

    cdef inline double waiting(self, Py_ssize_t o, double service) noexcept nogil:
        """dt (R d_o - w), 0 if idle"""
        return self.step * (self.service_reward * service - self.waiting_cost) if o > 0 else 0.0

    cdef double standing_reward(self, int observation, const double *mu) noexcept nogil:
        return self.waiting(observation, self.service(observation, mu[observation]))

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        cdef double service = self.service(observation, mu[observation])
        probabilities[0] = self.step * service
        probabilities[1] = 1 - self.step * service
        reward[0] = self.waiting(observation, service)
        if observation != 0 and action > 0 and action != observation:
            reward[0] -= self.jockeying_cost
        return 0

    cdef int slopes_at(
        self, int t, int observation, int action, const double *mu, const double *sigma, double *slope, double *bend
    ) except -1 nogil:
        cdef Py_ssize_t S = self.n_observations
        cdef double s = self.capacity[observation], length
        memset(slope, 0, 2 * S * sizeof(double))
        bend[0] = bend[1] = 0
        if observation > 0:                     # d = s / l: d' = -s / l^2, d'' = 2 s / l^3
            length = s + mu[observation]
            slope[observation] = -self.step * s / (length * length)
            slope[S + observation] = -slope[observation]
            bend[0] = 2 * self.step * s / (length * length * length) * sigma[observation * S + observation]
            bend[1] = -bend[0]
        return 0

    cdef int reward_pull(
        self, int t, const double *mu, const double *acting, const double *resting, double *out
    ) except -1 nogil:
        cdef Py_ssize_t o
        cdef double s, length
        for o in range(1, self.n_observations):         # dt R d_o, d = s / l: d' = -s / l^2
            s = self.capacity[o]
            length = s + mu[o]
            out[o] -= mu[o] * self.step * self.service_reward * s / (length * length)
        return 0

    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil:
        cdef Py_ssize_t o, a, n = self.n_observations
        cdef double service, done, stays, reward, moved
        cdef double *rewards = tables.reward
        cdef double *cells = tables.transition
        cdef double *passive_rewards = tables.passive_reward
        cdef double *passive_cells = tables.passive_transition
        for o in range(n):
            service = self.service(o, mu[o])
            done = self.step * service
            stays = 1 - done
            reward = self.waiting(o, service)
            moved = reward - self.jockeying_cost if o > 0 else reward
            passive_rewards[o] = reward
            passive_cells[0] = done
            passive_cells[1] = stays
            for a in range(n):
                cells[2 * a] = done
                cells[2 * a + 1] = stays
            for a in range(n):
                rewards[a] = moved
            rewards[0] = rewards[o] = reward
            rewards += n
            cells += 2 * n
            passive_cells += 2
        return 0
