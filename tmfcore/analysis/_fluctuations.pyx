"""Fluctuations of a finite population around its mean field: covariance and bias, to first order in 1/N.

Source     Theory, section 6.
Notation   S observations, A actions, K successors, T steps; Phi_t the step of the flow, J its Jacobian, H its second
           derivative; K_t (S, S) an agent's rows averaged over activation and action: Phi_t(mu) = K_t(mu)' mu.
Method     Sigma = F F' is factorised, and Phi is differentiated along the columns of F only (_derivatives).
Cost       per step O(S^3), and the derivatives of Phi.
"""
from libc.math cimport fabs, isfinite, sqrt
from libc.stdint cimport int32_t
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._base.interrupts cimport look
from tmfcore._model.evaluator cimport Evaluator, passive_successors_of, share_at, successors_of
from tmfcore._model.model cimport Model
from tmfcore._model.policy cimport Policy
from tmfcore.analysis._derivatives cimport Derivatives

cdef extern from "_base/simd/dense.h" nogil:
    void tmf_add_rows(const double *weights, const double *table, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out)

cdef extern from "_limit/values.h" nogil:
    void tmf_row_values(const double *reward, const double *table, const double *values, const double *other,
                        double discount, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out, double *other_out)

# Pivots below this share of the largest variance count as zero.
cdef double RANK_TOLERANCE = 1e-14


cdef class Recursion(Derivatives):
    """One step of the recursion, and its memory."""
    cdef bint linear                            # Phi is linear in mu, and its derivatives are known
    cdef bint fixed                             # neither rows of the game nor the policy depend on mu
    cdef object rows
    cdef double *active                         # (S, S) rows of an acting agent, A_o
    cdef double *passive                        # (S, S) rows of a passive agent, P0_o
    cdef double *kernel                         # (S, S) beta A + (1 - beta) P0
    cdef double *less                           # (S, S) decrease of a batch's noise by the fluctuations of mu-hat
    cdef double *bias                           # (S,) J m
    cdef double *mean                           # (S,) E mu-hat, if fixed
    cdef double *mean_after                     # (S,) Phi of it

    def __cinit__(self, Evaluator at not None, bint exact):
        cdef Py_ssize_t S = at.n_observations
        cdef double[::1] rows = np.zeros(4 * S * S + 3 * S)
        self.rows = rows
        self.fixed = (at.model.constant_transition and not at.policy.depends_on_mu
                      and not (at.acting is not None and at.acting.depends_on_mu))
        self.linear = exact and self.fixed
        self.active = &rows[0]
        self.passive = self.active + S * S
        self.kernel = self.passive + S * S
        self.less = self.kernel + S * S
        self.bias = self.less + S * S
        self.mean = self.bias + S
        self.mean_after = self.mean + S

    cdef int fill_rows(self, Evaluator at, double beta) except -1 nogil:
        """Write active, passive, kernel and transposed, from the evaluator's tables."""
        cdef Py_ssize_t S = self.n_observations, A = self.n_actions, K = at.n_successors, K0 = at.n_passive_successors
        cdef Py_ssize_t o, a, k, i
        cdef const int32_t *successor
        cdef const double *row
        cdef double *out
        cdef double share
        memset(self.active, 0, 2 * S * S * sizeof(double))         # passive follows active in memory
        for o in range(S):
            look(&at.looks)
            out = self.active + o * S
            for a in range(A):
                share = at.pi[o * A + a]
                if share == 0:
                    continue
                row = at.tables.transition + (o * A + a) * K
                successor = successors_of(at, o * A + a)
                if successor == NULL:
                    tmf_add_rows(&share, row, 1, S, out)
                else:
                    for k in range(K):
                        out[successor[k]] += share * row[k]
            out = self.passive + o * S
            if at.model.passive_identity:
                out[o] = 1
                continue
            row = at.tables.passive_transition + o * K0
            successor = passive_successors_of(at, o)
            for k in range(K0):
                out[k if successor == NULL else successor[k]] += row[k]
        for o in range(S):
            share = share_at(at, o, beta)
            for i in range(o * S, (o + 1) * S):
                self.kernel[i] = share * self.active[i] + (1 - share) * self.passive[i]
            for k in range(S):
                self.transposed[k * S + o] = self.kernel[o * S + k]
        return 0

    cdef int add_noise(
        self,
        const double *mu,         # IN     (S,)
        const double *after,      # IN     (S,)    Phi(mu)
        double beta,              # IN
        double ratio,             # IN             N / (N - 1), or 1 in the limit
        bint coins,               # IN             agents act independently: no term of the batch
        double *sigma,            # INOUT  (S, S)  += Q(mu)
    ) except -1 nogil:
        """The covariance of one step. With A, P the active and passive row of o, D = A - P, c = beta (1 - beta) ratio:

        Q = diag Phi(mu) - sum_o mu_o (beta A A' + (1-beta) P P' - c D D') - [batches] c d d',  d = sum_o mu_o D.

        beta may be BY_OBSERVATION: each o then has its own beta and c.
        """
        cdef Py_ssize_t S = self.n_observations
        cdef Py_ssize_t o, x, y
        cdef double c = beta * (1 - beta) * (1.0 if coins else ratio)
        cdef double of_active, of_passive
        cdef bint by_observation = beta < 0
        cdef const double *active
        cdef const double *passive
        cdef double *drift = self.plus
        memset(drift, 0, S * sizeof(double))
        for x in range(S):
            sigma[x * S + x] += after[x]
        for o in range(S):
            if mu[o] == 0:
                continue
            look(&self.at.looks)
            if by_observation:
                beta = self.at.shares[o]
                c = beta * (1 - beta) * (1.0 if coins else ratio)
            active = self.active + o * S
            passive = self.passive + o * S
            for x in range(S):
                drift[x] += mu[o] * (active[x] - passive[x])
                # Row x of the three outer products is of_active A + of_passive P; it is 0 if both rows are 0 at x.
                of_active = mu[o] * ((c - beta) * active[x] - c * passive[x])
                of_passive = mu[o] * ((c - (1 - beta)) * passive[x] - c * active[x])
                if of_active != 0:
                    tmf_add_rows(&of_active, active, 1, S, sigma + x * S)
                if of_passive != 0:
                    tmf_add_rows(&of_passive, passive, 1, S, sigma + x * S)
        if not coins and c > 0:
            for x in range(S):
                for y in range(S):
                    sigma[x * S + y] -= c * drift[x] * drift[y]
        return 0

    cdef int fill_less(self, const double *sigma, double weight) except -1 nogil:
        """less = weight D' sigma D, with D the active minus the passive rows."""
        cdef Py_ssize_t S = self.n_observations
        cdef Py_ssize_t o, x
        cdef double difference
        memset(self.square, 0, S * S * sizeof(double))              # sigma D
        memset(self.less, 0, S * S * sizeof(double))
        for o in range(S):
            look(&self.at.looks)
            tmf_add_rows(sigma + o * S, self.active, S, S, self.square + o * S)
            for x in range(S):
                self.slope[x] = -sigma[o * S + x]
            tmf_add_rows(self.slope, self.passive, S, S, self.square + o * S)
        for o in range(S):
            look(&self.at.looks)
            for x in range(S):
                difference = weight * (self.active[o * S + x] - self.passive[o * S + x])
                if difference != 0:
                    tmf_add_rows(&difference, self.square + o * S, 1, S, self.less + x * S)
        return 0

    cdef int add_step(
        self,
        const double *mu,         # IN     (S,)
        double beta,              # IN
        double ratio,             # IN
        bint coins,               # IN
        double share,             # IN             1 / N, or 0 in the limit
        const double *bias,       # IN     (S,)
        double *sigma,            # INOUT  (S, S)  += the noise of the step
    ) except -1 nogil:
        """The covariance of one step. If fixed, it is exact at N: it is quadratic in mu-hat, and its mean is its value
        at E mu-hat minus `less`. Otherwise it is taken at mu: other terms of order 1/N are omitted, too."""
        cdef Py_ssize_t x
        if not self.fixed or share == 0:
            self.add_noise(mu, self.centre, beta, ratio, coins, sigma)
            return 0
        for x in range(self.n_observations):
            self.mean[x] = mu[x] + share * bias[x]
        self.push(self.mean, beta, self.mean_after)
        self.add_noise(self.mean, self.mean_after, beta, ratio, coins, sigma)
        if not coins and 0 < beta < 1:
            for x in range(self.n_observations * self.n_observations):
                sigma[x] -= self.less[x]
        return 0

    cdef Py_ssize_t factorise(self, const double *sigma) except -1 nogil:
        """Pivoted Cholesky: write rows f_k of `factor` with sum_k f_k f_k' = sigma; return their number, the rank."""
        cdef Py_ssize_t S = self.n_observations
        cdef Py_ssize_t k, x, y, pivot
        cdef double largest = 0, root, weight
        cdef double *left = self.square
        cdef double *row
        memcpy(left, sigma, S * S * sizeof(double))
        for x in range(S):
            largest = max(largest, left[x * S + x])
        largest *= RANK_TOLERANCE
        for k in range(S):
            look(&self.at.looks)
            pivot = 0
            for x in range(1, S):
                if left[x * S + x] > left[pivot * S + pivot]:
                    pivot = x
            if not left[pivot * S + pivot] > largest:
                return k
            root = sqrt(left[pivot * S + pivot])
            row = self.factor + k * S
            for x in range(S):
                row[x] = left[pivot * S + x] / root
            for x in range(S):
                weight = -row[x]
                if weight != 0:
                    tmf_add_rows(&weight, row, 1, S, left + x * S)
            for y in range(S):                                      # set to 0 what rounding has left
                left[pivot * S + y] = 0
                left[y * S + pivot] = 0
        return S

    cdef int step(
        self,
        int t,
        double beta,              # IN
        double ratio,             # IN
        bint coins,               # IN
        double share,             # IN             1 / N, or 0 in the limit
        double *mu,               # INOUT  (S,)
        double *sigma,            # INOUT  (S, S)
        double *bias,             # INOUT  (S,)
    ) except -1 nogil:
        """Replace mu_t, Sigma_t, m_t by mu_{t+1}, Sigma_{t+1}, m_{t+1}."""
        cdef Py_ssize_t S = self.n_observations
        cdef Py_ssize_t k, n, x, y, rank
        cdef double total = 0, trace = 0
        self.at.at(t, mu)
        self.fill_rows(self.at, beta)
        self.push(mu, beta, self.centre)
        memset(self.curvature, 0, S * sizeof(double))
        if self.fixed and share > 0 and not coins and 0 < beta < 1:
            self.fill_less(sigma, beta * (1 - beta) * ratio * share)
        if self.linear:
            memset(self.square, 0, S * S * sizeof(double))
            for x in range(S):
                look(&self.at.looks)
                tmf_add_rows(sigma + x * S, self.kernel, S, S, self.square + x * S)
            tmf_row_values(self.curvature, self.transposed, bias, NULL, 1.0, S, S, self.bias, NULL)     # curvature is 0
            memset(sigma, 0, S * S * sizeof(double))
            for x in range(S):
                look(&self.at.looks)
                tmf_add_rows(self.transposed + x * S, self.square, S, S, sigma + x * S)
            self.add_step(mu, beta, ratio, coins, share, bias, sigma)
        else:
            rank = self.factorise(sigma)
            n = rank + 1
            if self.moving:
                memcpy(self.spread, sigma, S * S * sizeof(double))
            memset(sigma, 0, S * S * sizeof(double))
            self.add_step(mu, beta, ratio, coins, share, bias, sigma)   # before differences change the evaluator
            if self.exact:
                for x in range(S):
                    for k in range(rank):
                        self.directions[x * n + k] = self.factor[k * S + x]
                    self.directions[x * n + rank] = bias[x]
                self.along_exactly(self.at, t, mu, beta, rank)
            else:
                memset(self.images, 0, S * n * sizeof(double))
                self.along(t, mu, beta, rank)
                self.along_forward(t, mu, beta, bias, self.slope)
                for x in range(S):
                    self.images[x * n + rank] = self.slope[x]
            for x in range(S):
                self.bias[x] = self.images[x * n + rank]
                self.images[x * n + rank] = 0
            for x in range(S):                  # sigma += images images'
                look(&self.at.looks)
                memcpy(self.slope, sigma + x * S, S * sizeof(double))
                tmf_row_values(self.slope, self.images, self.images + x * n, NULL, 1.0, S, n, sigma + x * S, NULL)
        for x in range(S):
            bias[x] = self.bias[x] + 0.5 * self.curvature[x]
            for y in range(x):
                sigma[x * S + y] = sigma[y * S + x] = 0.5 * (sigma[x * S + y] + sigma[y * S + x])
            total += self.centre[x]
            trace += sigma[x * S + x] + fabs(bias[x])
        if not isfinite(trace):
            with gil:
                raise ValueError(f"the covariance overflows at t = {t + 1}: the flow multiplies small differences at "
                                 "every step, and no N is large enough for a prediction; use a shorter horizon")
        for x in range(S):                      # normalised, as in the flow: rounding errors must not grow with t
            mu[x] = self.centre[x] / total
        return 0


def run(Model model not None, Policy policy not None, active not None, double ratio, bint coins,
        double share, bint exact, Py_ssize_t record_every, Py_ssize_t horizon,
        double[:, ::1] mu not None, double[:, :, ::1] sigma not None, double[:, ::1] bias not None):
    """Mean field, covariance and bias of a population, every record_every steps.

    Parameters
    ----------
    active : ndarray of float64, shape (1,) or (T,), or ActingShares
        Active fractions beta_t, or beta_t(o, mu).
    ratio : float
        N / (N - 1), or 1 in the limit of many agents.
    coins : bool
        Agents act independently (Bernoulli), not in batches drawn without replacement.
    share : float
        1 / N, or 0 in the limit of many agents.
    exact : bool
        Use the derivatives of policy and model. The policy must be differentiable; the model must be differentiable or
        have constant transitions.
    record_every : int
        Steps between two records.
    mu, bias : ndarray of float64, shape (J + 1, S), J = ceil(T / record_every)
    sigma : ndarray of float64, shape (J + 1, S, S)
        INOUT. Row 0 is the start; the other rows are written. N Cov(mu-hat) = sigma, N (E mu-hat - mu) = bias.

    Notes
    -----
    Theory, section 6; exact at N if neither rows nor policy depend on mu.
    O(T S (S^2 + S A K)) time, O(S^2 + S A + S K) scratch memory.
    """
    cdef Recursion recursion
    cdef Evaluator at = Evaluator(model, policy, horizon)
    cdef const double[::1] fractions = at.activate(active)
    cdef Py_ssize_t S = model.n_observations
    cdef Py_ssize_t t, j = 0
    cdef Py_ssize_t stride = 1 if fractions.shape[0] > 1 else 0
    cdef Py_ssize_t n_records = 1 + (horizon + record_every - 1) // max(record_every, 1)
    cdef double[::1] now = np.array(mu[0])
    cdef double[:, ::1] covariance = np.array(sigma[0])
    cdef double[::1] offset = np.array(bias[0])
    if record_every < 1:
        raise ValueError(f"record_every is {record_every}; must be >= 1")
    if mu.shape[0] != n_records or sigma.shape[0] != n_records or bias.shape[0] != n_records:
        raise ValueError(f"mu, sigma and bias must have {n_records} rows; have {mu.shape[0]}, {sigma.shape[0]}, "
                         f"{bias.shape[0]}")
    if mu.shape[1] != S or bias.shape[1] != S or sigma.shape[1] != S or sigma.shape[2] != S:
        raise ValueError(f"mu, sigma and bias must be over {S} observations; are over {mu.shape[1]}, {sigma.shape[1]}, "
                         f"{bias.shape[1]}")
    if exact and at.acting is not None and at.acting.depends_on_mu:
        raise ValueError("exact is True; the probability of acting must not depend on mu")
    if exact and not ((model.constant_transition or model.differentiable) and policy.differentiable):
        raise ValueError("exact is True; policy.differentiable must be True, and the model must be differentiable or "
                         "have constant transitions")
    recursion = Recursion(at, exact)
    with nogil:
        for t in range(horizon):
            recursion.step(<int>t, fractions[t * stride], ratio, coins, share, &now[0], &covariance[0, 0], &offset[0])
            if (t + 1) % record_every == 0 or t + 1 == horizon:
                j += 1
                memcpy(&mu[j, 0], &now[0], S * sizeof(double))
                memcpy(&sigma[j, 0, 0], &covariance[0, 0], S * S * sizeof(double))
                memcpy(&bias[j, 0], &offset[0], S * sizeof(double))
