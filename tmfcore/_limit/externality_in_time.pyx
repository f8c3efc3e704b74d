"""What agents do to all others under Poisson clocks: the derivative in mu of what the agents earn per unit of time.

Source     Theory, sections 12 and 14.
Notation   S observations, A actions, K successors.
Method     As `externality`, for
               G(m) = sum_o mu(o) [ nu ( sum_a pi (r + P V) - V(o) ) + sum_x Q(x|o) (V(x) - V(o)) + r0 ].
           Derivatives of rewards that the model gives are exact. Those of rows are differences: steps of the model are
           so short that the own cell of a passive row, part of known derivatives, has no digits of a rate.
Cost       O(S A) if rewards depend on mu(o) alone and rows do not depend on mu, else 2 (S - 1) evaluations of tables.
"""
from libc.stdint cimport int32_t
from libc.string cimport memset

from tmfcore._limit.externality cimport Externality
from tmfcore._model.evaluator cimport Evaluator, passive_successors_of, successors_of
from tmfcore._model.model cimport Model
from tmfcore._model.policy cimport Policy


cdef void earned_in_time(
    Evaluator at, const double *rate, double short, const double *values, double *out
) noexcept nogil:
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions, K = at.n_successors, K0 = at.n_passive_successors
    cdef Py_ssize_t o, a, k, x
    cdef double standing, mean, q
    cdef const double *row
    cdef const int32_t *successor
    for o in range(S):
        standing = at.tables.passive_reward[o]
        mean = 0
        for a in range(A):
            if at.pi[o * A + a] == 0:
                continue
            q = at.tables.reward[o * A + a] - standing
            row = at.tables.transition + (o * A + a) * K
            successor = successors_of(at, o * A + a)
            for k in range(K):
                q += row[k] * values[k if successor == NULL else successor[k]]
            mean += at.pi[o * A + a] * q
        out[o] = rate[o] * (mean - values[o]) + standing / short
        if at.model.passive_identity:
            continue
        row = at.tables.passive_transition + o * K0
        successor = passive_successors_of(at, o)
        for k in range(K0):
            x = k if successor == NULL else successor[k]
            if x != o:
                out[o] += row[k] / short * (values[x] - values[o])


cdef class ExternalityInTime(Externality):
    """Prices per unit of time, at the populations of one evaluator."""

    def __cinit__(self, Evaluator at not None, Policy policy):
        self.difference(False, self.rows_known)

    cdef void tick(self, const double *rate, double short) noexcept nogil:
        self.rate = rate
        self.short = short

    cdef int price(
        self, int t, const double *mu, double beta, const double *next_values, double discount, double *out
    ) except -1 nogil:
        cdef Py_ssize_t S = self.at.n_observations, A = self.at.n_actions, o, a
        memset(out, 0, S * sizeof(double))
        if self.rewards_known:                  # models may rely on acting and resting to be all of mu
            for o in range(S):
                self.resting[o] = mu[o] * (1 - self.short * self.rate[o])
                for a in range(A):
                    self.acting[o * A + a] = mu[o] * self.short * self.rate[o] * self.at.pi[o * A + a]
            self.at.model.reward_pull(t, mu, self.acting, self.resting, out)
        elif self.local:
            self.add_local(t, mu, out)
        for o in range(S):
            out[o] /= self.short
        if self.there is not None:
            self.add_differences(t, mu, beta, next_values, discount, out)
        self.centre_prices(mu, out)
        return 0

    cdef int earn(self, const double *next_values, double discount, double beta, double *values) except -1 nogil:
        earned_in_time(self.there, self.rate, self.short, next_values, values)
        return 0


cdef class PricesInTime:
    """The same at one population after another, for equations that are solved in Python.

    Parameters
    ----------
    model : Model
        The game in steps of `short` sweeps.
    policy : Policy
        Of all others; a function of mu in each of its stages.
    rate : ndarray of float64, shape (S,)
        nu.
    short : float
    """
    cdef Evaluator evaluator
    cdef ExternalityInTime externality
    cdef const double[::1] rate
    cdef double short

    def __init__(self, Model model not None, Policy policy not None, const double[::1] rate not None, double short):
        if rate.shape[0] != model.n_observations:
            raise ValueError(f"rate has {rate.shape[0]} entries; must have {model.n_observations}, one per observation")
        self.evaluator = Evaluator(model, policy, policy.n_stages)
        self.externality = ExternalityInTime(self.evaluator, policy)
        self.rate, self.short = rate, short
        self.externality.tick(&self.rate[0], short)

    def at(self, int stage, const double[::1] mu not None, const double[::1] values not None,
           double[::1] price not None, double[::1] earned not None):
        """Prices at a population, and what agents earn there.

        Parameters
        ----------
        stage : int
            Of the policy.
        mu : ndarray of float64, shape (S,)
            A distribution.
        values : ndarray of float64, shape (S,)
            V, the derivative of the welfare that follows.
        price : ndarray of float64, shape (S,)
            OUT. E(o) per unit of time.
        earned : ndarray of float64, shape (S,)
            OUT. nu ( sum_a pi (r + P V) - V(o) ) + sum_x Q(x|o) (V(x) - V(o)) + r0.
        """
        cdef Py_ssize_t S = self.evaluator.n_observations
        if mu.shape[0] != S or values.shape[0] != S or price.shape[0] != S or earned.shape[0] != S:
            raise ValueError(f"mu, values, price and earned must have {S} entries each")
        if not 0 <= stage < self.evaluator.horizon:
            raise ValueError(f"stage is {stage}; must lie in 0..{self.evaluator.horizon - 1}")
        self.evaluator.at(stage, &mu[0])
        self.externality.price(stage, &mu[0], -1, &values[0], 1.0, &price[0])
        earned_in_time(self.evaluator, &self.rate[0], self.short, &values[0], &earned[0])
