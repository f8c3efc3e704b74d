"""How a finite population strays from its mean field: covariance and bias, to first order in 1/N.

Source     theory.md section 6.
Notation   S observations, A actions, K successors, T steps; Phi_t the step of the flow, J its Jacobian, H its second
           derivative, K_t (S, S) the rows of one agent averaged over who acts and what: Phi_t(mu) = K_t(mu)' mu.
Method     Sigma = F F' is factorised, and Phi is differentiated along the columns of F only: J Sigma J' = (J F)(J F)',
           H : Sigma = sum over columns f of H[f, f]. Columns of F are directions in which the population can really be
           off, so they lie in the simplex, on observations that hold somebody, and no user function is ever asked
           about a mu that is no distribution.
Cost       a step: O(S^3); O(S^2 A K) more where the rows depend on mu with derivatives that are known, O(S^3 A) where
           the policy does, too; 2 S evaluations of Phi where the derivatives are differences.
"""
from libc.math cimport fabs, isfinite, sqrt
from libc.stdint cimport int32_t
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._model.evaluator cimport Evaluator, passive_successors_of, successors_of
from tmfcore._model.model cimport Model
from tmfcore._model.policy cimport Policy

cdef extern from "_limit/step.h" nogil:
    void tmf_add_rows(const double *weights, const double *table, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out)

cdef extern from "_limit/values.h" nogil:
    void tmf_row_values(const double *reward, const double *table, const double *values, const double *other,
                        double discount, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out, double *other_out)

# Step of the differences, in units of the largest entry of the direction. Truncation and rounding of the second
# difference are both near 1e-8 of its size for functions that vary on the scale of 1.
cdef double STEP = 1.0 / 4096
# An observation that holds less than this share cannot be moved both ways; the dependence of the game on it is left
# out, which changes a variance by about this much.
cdef double FLOOR = 1e-9
# Pivots below this share of the largest variance count as zero.
cdef double RANK_TOLERANCE = 1e-14
# Entries of the policy's derivatives held at a time: directions are taken in blocks that fit.
cdef Py_ssize_t BLOCK_ENTRIES = 1 << 16


cdef class Recursion:
    """Scratch memory of one run, and the pieces of a step."""
    cdef Evaluator at
    cdef Py_ssize_t n_observations, n_actions
    cdef int horizon
    cdef bint exact, linear                     # derivatives known; and Phi linear in mu
    cdef bint fixed                             # rows of the game and the policy do not depend on mu
    cdef bint moving                            # rows depend on mu, with derivatives that are known
    cdef bint smooth                            # the policy depends on mu, with derivatives that are known
    cdef Py_ssize_t block                       # directions taken together where only the policy's are known
    cdef object memory
    cdef double *active                         # (S, S) rows of an agent that acts, A_o
    cdef double *passive                        # (S, S) rows of one that does not, P0_o
    cdef double *kernel                         # (S, S) beta A + (1 - beta) P0
    cdef double *transposed                     # (S, S)
    cdef double *factor                         # (S, S) row k is column k of F
    cdef double *square                         # (S, S)
    cdef double *directions                     # (S, S + 1) columns of F, and the bias
    cdef double *images                         # (S, S + 1) J times them
    cdef double *weights                        # (S, A)
    cdef double *first                          # (A, S + 1) derivatives of a row of the policy, or (S, A, block)
    cdef double *second
    cdef double *pi                             # (S, A) at mu
    cdef double *moved                          # (S, A) near it
    cdef double *scales                         # (S,) of a block: length of each direction
    cdef double *rooms                          # (S,) and how far mu can move along it
    cdef double *centre                         # (S,) Phi(mu), as push computes it
    cdef double *curvature                      # (S,) H : Sigma
    cdef double *bias                           # (S,) J m
    cdef double *slope                          # (S,)
    cdef double *argument                       # (S,)
    cdef double *population                     # (S,)
    cdef double *plus                           # (S,)
    cdef double *toward                         # (S,) the direction in which mu is moved
    cdef double *spread                         # (S, S) Sigma, where rows move
    cdef double *row_slope                      # (K, S) derivatives of a row
    cdef double *row_bend                       # (K,)
    cdef double *mean                           # (S,) E mu-hat, and
    cdef double *mean_after                     # (S,) Phi of it, where rows are fixed
    cdef double *less                           # (S, S) what the noise of a batch lacks because mu-hat itself strays

    def __cinit__(self, Evaluator at not None, bint exact):
        cdef Py_ssize_t S = at.n_observations, A = at.n_actions
        cdef Py_ssize_t block = max(1, min(S, BLOCK_ENTRIES // (S * A)))
        cdef Py_ssize_t n_slopes = A * max(S + 1, S * block)
        cdef Py_ssize_t K = max(at.n_successors, at.n_passive_successors)
        cdef bint moving = exact and not at.model.constant_transition
        cdef double[::1] memory = np.zeros(7 * S * S + 2 * S * (S + 1) + 2 * n_slopes + 3 * S * A + 12 * S
                                           + (S * S + K * (S + 1) if moving else 0))
        cdef double *next_free = &memory[0]
        self.memory = memory
        self.at = at
        self.horizon = at.horizon
        self.n_observations = S
        self.n_actions = A
        self.exact = exact
        self.moving = moving
        self.fixed = at.model.constant_transition and not at.policy.depends_on_mu
        self.linear = exact and self.fixed
        self.smooth = at.policy.depends_on_mu and at.policy.differentiable
        self.block = block
        self.active = next_free
        self.passive = self.active + S * S
        self.kernel = self.passive + S * S
        self.transposed = self.kernel + S * S
        self.factor = self.transposed + S * S
        self.square = self.factor + S * S
        self.directions = self.square + S * S
        self.images = self.directions + S * (S + 1)
        self.first = self.images + S * (S + 1)
        self.second = self.first + n_slopes
        self.weights = self.second + n_slopes
        self.pi = self.weights + S * A
        self.moved = self.pi + S * A
        self.scales = self.moved + S * A
        self.rooms = self.scales + S
        self.centre = self.rooms + S
        self.curvature = self.centre + S
        self.bias = self.curvature + S
        self.slope = self.bias + S
        self.argument = self.slope + S
        self.population = self.argument + S
        self.plus = self.population + S
        self.toward = self.plus + S
        self.mean = self.toward + S
        self.mean_after = self.mean + S
        self.less = self.mean_after + S
        self.spread = self.less + S * S                            # these three lie there where rows move
        self.row_slope = self.spread + S * S
        self.row_bend = self.row_slope + K * S

    cdef void add_active(self, Evaluator at, const double *weights, double *out) noexcept nogil:
        """out[x] += sum_{o,a} weights[o, a] P(x | o, a)."""
        cdef Py_ssize_t n_rows = self.n_observations * self.n_actions, K = at.n_successors
        cdef const double *table = at.tables.transition
        cdef const int32_t *successor = at.model.successor
        cdef Py_ssize_t i, k
        if successor == NULL:
            tmf_add_rows(weights, table, n_rows, K, out)
            return
        for i in range(n_rows):
            if weights[i] != 0:
                for k in range(K):
                    out[successor[i * K + k]] += weights[i] * table[i * K + k]

    cdef void add_passive(self, Evaluator at, const double *weights, double scale, double *out) noexcept nogil:
        """out[x] += scale sum_o weights[o] P0(x | o)."""
        cdef Py_ssize_t o, k, K0 = at.n_passive_successors
        cdef const int32_t *successor
        cdef const double *row
        cdef double weight
        for o in range(self.n_observations):
            weight = scale * weights[o]
            if weight == 0:
                continue
            if at.model.passive_identity:
                out[o] += weight
                continue
            row = at.tables.passive_transition + o * K0
            successor = passive_successors_of(at, o)
            for k in range(K0):
                out[k if successor == NULL else successor[k]] += weight * row[k]

    cdef void push(self, const double *population, double beta, double *out) noexcept nogil:
        """out = K' population, with K at the (t, mu) where the evaluator stands."""
        cdef Py_ssize_t o, a, A = self.n_actions
        memset(out, 0, self.n_observations * sizeof(double))
        if beta > 0:
            for o in range(self.n_observations):
                for a in range(A):
                    self.weights[o * A + a] = beta * population[o] * self.at.pi[o * A + a]
            self.add_active(self.at, self.weights, out)
        if beta < 1:
            self.add_passive(self.at, population, 1 - beta, out)

    cdef void fill_rows(self, Evaluator at, double beta) noexcept nogil:
        """Rows of agents that act and that do not, and their mixture, where the evaluator stands."""
        cdef Py_ssize_t S = self.n_observations, A = self.n_actions, K = at.n_successors, K0 = at.n_passive_successors
        cdef Py_ssize_t o, a, k, i
        cdef const int32_t *successor
        cdef const double *row
        cdef double *out
        cdef double share
        memset(self.active, 0, 2 * S * S * sizeof(double))         # passive lies behind active
        for o in range(S):
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
        for i in range(S * S):
            self.kernel[i] = beta * self.active[i] + (1 - beta) * self.passive[i]
        for o in range(S):
            for k in range(S):
                self.transposed[k * S + o] = self.kernel[o * S + k]

    cdef void add_noise(
        self,
        const double *mu,         # IN     (S,)
        const double *after,      # IN     (S,)    Phi(mu)
        double beta,              # IN
        double ratio,             # IN             N / (N - 1), or 1 in the limit
        bint coins,               # IN             every agent acts by itself: no term for the batch
        double *sigma,            # INOUT  (S, S)  += Q(mu)
    ) noexcept nogil:
        """The covariance of one step. With A, P the two rows of o, D = A - P and c = beta (1 - beta) ratio:

        Q = diag Phi(mu) - sum_o mu_o (beta A A' + (1-beta) P P' - c D D') - [batches] c d d',  d = sum_o mu_o D.
        """
        cdef Py_ssize_t S = self.n_observations
        cdef Py_ssize_t o, x, y
        cdef double c = beta * (1 - beta) * (1.0 if coins else ratio)
        cdef double of_active, of_passive
        cdef const double *active
        cdef const double *passive
        cdef double *drift = self.plus
        memset(drift, 0, S * sizeof(double))
        for x in range(S):
            sigma[x * S + x] += after[x]
        for o in range(S):
            if mu[o] == 0:
                continue
            active = self.active + o * S
            passive = self.passive + o * S
            for x in range(S):
                drift[x] += mu[o] * (active[x] - passive[x])
                # Row x of the three outer products: of_active A + of_passive P, nothing where both rows are zero at x.
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

    cdef void fill_less(self, const double *sigma, double weight) noexcept nogil:
        """less = weight D' sigma D, with D the rows of agents that act minus those of agents that do not."""
        cdef Py_ssize_t S = self.n_observations
        cdef Py_ssize_t o, x
        cdef double difference
        memset(self.square, 0, S * S * sizeof(double))              # sigma D
        memset(self.less, 0, S * S * sizeof(double))
        for o in range(S):
            tmf_add_rows(sigma + o * S, self.active, S, S, self.square + o * S)
            for x in range(S):
                self.slope[x] = -sigma[o * S + x]
            tmf_add_rows(self.slope, self.passive, S, S, self.square + o * S)
        for o in range(S):
            for x in range(S):
                difference = weight * (self.active[o * S + x] - self.passive[o * S + x])
                if difference != 0:
                    tmf_add_rows(&difference, self.square + o * S, 1, S, self.less + x * S)

    cdef void add_step(
        self,
        const double *mu,         # IN     (S,)
        double beta,              # IN
        double ratio,             # IN
        bint coins,               # IN
        double share,             # IN             1 / N, or 0 in the limit
        const double *bias,       # IN     (S,)
        double *sigma,            # INOUT  (S, S)  += the noise of the step
    ) noexcept nogil:
        """The covariance of one step, exact at N where rows are fixed: it is quadratic in mu-hat then, and its mean is
        that at E mu-hat less `less`. Elsewhere the noise at mu: other terms of order 1/N are left out there, too."""
        cdef Py_ssize_t x
        if not self.fixed or share == 0:
            self.add_noise(mu, self.centre, beta, ratio, coins, sigma)
            return
        for x in range(self.n_observations):
            self.mean[x] = mu[x] + share * bias[x]
        self.push(self.mean, beta, self.mean_after)
        self.add_noise(self.mean, self.mean_after, beta, ratio, coins, sigma)
        if not coins and 0 < beta < 1:
            for x in range(self.n_observations * self.n_observations):
                sigma[x] -= self.less[x]

    cdef Py_ssize_t factorise(self, const double *sigma) noexcept nogil:
        """Pivoted Cholesky: rows of `factor` f_k with sum_k f_k f_k' = sigma; returns their number, the rank."""
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
            for y in range(S):                                      # eliminated for good, whatever rounding leaves
                left[pivot * S + y] = 0
                left[y * S + pivot] = 0
        return S

    cdef int along_exactly(self, Evaluator at, int t, const double *mu, double beta, Py_ssize_t rank) except -1 nogil:
        """images = J directions, curvature += H : Sigma, from the derivatives of the policy and of the rows.

        Column `rank` is the bias, which has no part in the curvature.
        """
        cdef Py_ssize_t S = self.n_observations, A = self.n_actions, K = at.n_successors, n = rank + 1
        cdef Py_ssize_t o, a, k, x
        cdef const int32_t *successor
        cdef const double *row
        cdef const double *f
        cdef double *first
        cdef double *second
        cdef double bend, p
        memset(self.images, 0, S * n * sizeof(double))
        for x in range(S):
            tmf_add_rows(self.transposed + x * S, self.directions, S, n, self.images + x * n)
        if self.moving:
            memset(self.square, 0, S * S * sizeof(double))          # the part of J by which the rows move
            if beta < 1 and not at.model.passive_identity:
                for o in range(S):
                    self.add_moving_row(at, t, o, -1, mu, 1 - beta, NULL)
        for o in range(S):
            if beta == 0:
                break
            if not at.policy.depends_on_mu:
                for a in range(A):
                    self.add_moving_row(at, t, o, a, mu, beta * at.pi[o * A + a], NULL)
                continue
            at.policy.slopes_at(t, self.horizon, o, at.pi + o * A, self.directions, n, self.first, self.second)
            f = self.directions + o * n
            for a in range(A):
                first = self.first + a * n
                second = self.second + a * n
                bend = 0
                for k in range(rank):
                    bend += 2 * f[k] * first[k] + mu[o] * second[k]
                bend *= beta
                if self.moving:                                     # sum over k < rank: the pull of the policy
                    for x in range(S):
                        self.slope[x] = 0
                        for k in range(rank):
                            self.slope[x] += first[k] * self.directions[x * n + k]
                        self.slope[x] *= beta
                    self.add_moving_row(at, t, o, a, mu, beta * at.pi[o * A + a], self.slope)
                for k in range(n):
                    first[k] *= beta * mu[o]
                row = at.tables.transition + (o * A + a) * K
                successor = successors_of(at, o * A + a)
                for k in range(K):
                    p = row[k]
                    if p != 0:
                        x = k if successor == NULL else successor[k]
                        self.curvature[x] += p * bend
                        tmf_add_rows(&p, first, 1, n, self.images + x * n)
        if self.moving:
            # Slopes are known up to an addition that is the same for all y. Without the one that makes them 0 along mu,
            # columns of J could sum to 2, and the rounding of the mass would double at every step.
            for x in range(S):
                bend = 0
                for k in range(S):
                    bend += self.square[x * S + k] * mu[k]
                for k in range(S):
                    self.square[x * S + k] -= bend
                tmf_add_rows(self.square + x * S, self.directions, S, n, self.images + x * n)
        return 0

    cdef int add_moving_row(
        self,
        Evaluator at,
        int t,
        Py_ssize_t o,
        Py_ssize_t a,             # IN             -1: the passive row
        const double *mu,         # IN     (S,)
        double share,             # IN             of the agents at o, those who go by this row
        const double *pull,       # IN     (S,)    sum over directions f of (d share / d f) f; NULL: 0
    ) except -1 nogil:
        """What the dependence of one row on mu adds to J (`square`) and to H : Sigma (`curvature`).

        With p(mu) the row and w(mu) = mu(o) share(mu), the second derivative of w p has 2 dw dp + w d2p: dw along f is
        f(o) share + mu(o) dshare, and sums over f of f f' are Sigma.
        """
        cdef Py_ssize_t S = self.n_observations
        cdef Py_ssize_t K = at.n_passive_successors if a < 0 else at.n_successors
        cdef Py_ssize_t k, x, y
        cdef const int32_t *successor
        cdef const double *slope = self.row_slope
        cdef double weight = mu[o] * share, bend
        if not self.moving or (share == 0 and pull == NULL):
            return 0
        at.model.slopes_at(t, <int>o, <int>a, mu, self.spread, self.row_slope, self.row_bend)
        successor = passive_successors_of(at, o) if a < 0 else successors_of(at, o * self.n_actions + a)
        for k in range(K):
            x = k if successor == NULL else successor[k]
            bend = 0
            for y in range(S):
                bend += slope[y] * (share * self.spread[o * S + y] + (mu[o] * pull[y] if pull != NULL else 0.0))
            self.curvature[x] += 2 * bend + weight * self.row_bend[k]
            if weight != 0:
                tmf_add_rows(&weight, slope, 1, S, self.square + x * S)
            slope += S
        return 0

    cdef double direction(self, const double *mu, const double *f, bint forward, double *room) noexcept nogil:
        """The part of f along which mu can move, scaled to 1, in `toward`; returns the scale of f, 0 for no direction.

        `room` is how far mu can move along it, both ways or (forward) one way, at most STEP or twice that.
        """
        cdef Py_ssize_t S = self.n_observations
        cdef Py_ssize_t x, fullest = 0
        cdef double scale = 0, total = 0
        cdef double *u = self.toward
        for x in range(S):
            scale = max(scale, fabs(f[x]))
            if mu[x] > mu[fullest]:
                fullest = x
        if scale == 0:
            return 0
        for x in range(S):
            u[x] = f[x] / scale
            if mu[x] < FLOOR and not (forward and u[x] > 0):
                u[x] = 0
            total += u[x]
        u[fullest] -= total
        room[0] = 2 * STEP if forward else STEP
        for x in range(S):
            if u[x] < 0 or not forward:
                if fabs(u[x]) * room[0] > mu[x]:
                    room[0] = mu[x] / fabs(u[x])
        return scale

    cdef int evaluate(
        self, int t, const double *mu, double beta, const double *f, double scale, const double *u, double h,
        const double *first, const double *second, double *out
    ) except -1 nogil:
        """out = K(mu + h u)' (mu + h f / scale); the policy by its derivatives along u, if given."""
        cdef Py_ssize_t x, i
        for x in range(self.n_observations):
            self.argument[x] = max(0.0, mu[x] + h * u[x])
            self.population[x] = mu[x] + h * f[x] / scale
        if first == NULL:
            self.at.at(t, self.argument)
        else:                                   # what is left out is odd in h, or as small as the differences' error
            self.at.tables_at(t, self.argument)
            for i in range(self.n_observations * self.n_actions):
                self.moved[i] = self.pi[i] + h * (first[0] + 0.5 * h * second[0])
                first += self.block
                second += self.block
            self.at.pi = self.moved
        self.push(self.population, beta, out)
        return 0

    cdef int along(self, int t, const double *mu, double beta, Py_ssize_t rank) except -1 nogil:
        """images = J times the first `rank` directions, curvature += H : Sigma, by central differences."""
        cdef Py_ssize_t S = self.n_observations, A = self.n_actions, block = self.block
        cdef Py_ssize_t k, j, x, o, i, n
        cdef double h, scale, by_one, by_two
        cdef const double *f
        cdef const double *first
        cdef const double *second
        memcpy(self.pi, self.at.pi, S * A * sizeof(double))
        k = 0
        while k < rank:
            n = min(block, rank - k)
            memset(self.directions, 0, S * block * sizeof(double))
            for j in range(n):
                self.scales[j] = self.direction(mu, self.factor + (k + j) * S, False, &self.rooms[j])
                if self.scales[j] > 0:
                    for x in range(S):
                        self.directions[x * block + j] = self.toward[x]
            if self.smooth:
                for o in range(S):
                    i = o * A * block
                    self.at.policy.slopes_at(t, self.horizon, o, self.pi + o * A, self.directions, block,
                                             self.first + i, self.second + i)
            for j in range(n):
                scale = self.scales[j]
                h = self.rooms[j]
                if scale == 0:
                    continue
                f = self.factor + (k + j) * S
                for x in range(S):
                    self.toward[x] = self.directions[x * block + j]
                first = self.first + j if self.smooth else NULL
                second = self.second + j if self.smooth else NULL
                self.evaluate(t, mu, beta, f, scale, self.toward, h, first, second, self.plus)
                self.evaluate(t, mu, beta, f, scale, self.toward, -h, first, second, self.slope)
                by_one = scale / (2 * h)
                by_two = (scale / h) * (scale / h)
                for x in range(S):
                    self.curvature[x] += by_two * ((self.plus[x] - self.centre[x]) + (self.slope[x] - self.centre[x]))
                    self.images[x * (rank + 1) + k + j] = by_one * (self.plus[x] - self.slope[x])
            k += block
        return 0

    cdef int along_forward(self, int t, const double *mu, double beta, const double *f, double *slope) except -1 nogil:
        """slope = J f by the three-point forward difference: f may point where nobody is."""
        cdef Py_ssize_t S = self.n_observations
        cdef Py_ssize_t x
        cdef double h
        cdef double scale = self.direction(mu, f, True, &h)
        if scale == 0:
            memset(slope, 0, S * sizeof(double))
            return 0
        h /= 2
        self.evaluate(t, mu, beta, f, scale, self.toward, h, NULL, NULL, self.plus)
        self.evaluate(t, mu, beta, f, scale, self.toward, 2 * h, NULL, NULL, slope)
        for x in range(S):
            slope[x] = scale * (4 * (self.plus[x] - self.centre[x]) - (slope[x] - self.centre[x])) / (2 * h)
        return 0

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
        """mu_t, Sigma_t, m_t -> mu_{t+1}, Sigma_{t+1}, m_{t+1}."""
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
                tmf_add_rows(sigma + x * S, self.kernel, S, S, self.square + x * S)
            tmf_row_values(self.curvature, self.transposed, bias, NULL, 1.0, S, S, self.bias, NULL)     # curvature is 0
            memset(sigma, 0, S * S * sizeof(double))
            for x in range(S):
                tmf_add_rows(self.transposed + x * S, self.square, S, S, sigma + x * S)
            self.add_step(mu, beta, ratio, coins, share, bias, sigma)
        else:
            rank = self.factorise(sigma)
            n = rank + 1
            if self.moving:
                memcpy(self.spread, sigma, S * S * sizeof(double))
            memset(sigma, 0, S * S * sizeof(double))
            self.add_step(mu, beta, ratio, coins, share, bias, sigma)   # before the evaluator moves on
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
                                 "every step, so no N is large enough for a prediction")
        for x in range(S):                      # as the flow does: rounding must not feed the next step
            mu[x] = self.centre[x] / total
        return 0


def run(Model model not None, Policy policy not None, const double[::1] active not None, double ratio, bint coins,
        double share, bint exact, Py_ssize_t record_every, Py_ssize_t horizon,
        double[:, ::1] mu not None, double[:, :, ::1] sigma not None, double[:, ::1] bias not None):
    """Mean field, covariance and bias of a population, recorded every so many steps.

    Parameters
    ----------
    active : ndarray of float64, shape (1,) or (T,)
        Active fractions beta_t.
    ratio : float
        N / (N - 1), or 1 in the limit of many agents.
    coins : bool
        Every agent acts by itself (Bernoulli) instead of a batch drawn without replacement.
    share : float
        1 / N, or 0 in the limit of many agents.
    exact : bool
        Use the derivatives that policy and model give; only for a differentiable policy and a model that is
        differentiable or has constant transitions.
    record_every : int
        Steps between two records.
    mu, bias : ndarray of float64, shape (J + 1, S), J = ceil(T / record_every)
    sigma : ndarray of float64, shape (J + 1, S, S)
        INOUT. Row 0 holds the start; the others are filled. N Cov(mu-hat) = sigma, N (E mu-hat - mu) = bias.

    Notes
    -----
    theory.md section 6; exact at N where neither rows nor policy depend on mu.
    O(T S (S^2 + S A K)) time, O(S^2 + S A + S K) scratch memory.
    """
    cdef Recursion recursion
    cdef Py_ssize_t S = model.n_observations
    cdef Py_ssize_t t, j = 0
    cdef Py_ssize_t stride = 1 if active.shape[0] > 1 else 0
    cdef Py_ssize_t n_records = 1 + (horizon + record_every - 1) // max(record_every, 1)
    cdef double[::1] now = np.array(mu[0])
    cdef double[:, ::1] covariance = np.array(sigma[0])
    cdef double[::1] offset = np.array(bias[0])
    if record_every < 1:
        raise ValueError(f"record_every is {record_every}; must be >= 1")
    if active.shape[0] != 1 and active.shape[0] != horizon:
        raise ValueError(f"active has {active.shape[0]} entries; must have 1 or {horizon}")
    if mu.shape[0] != n_records or sigma.shape[0] != n_records or bias.shape[0] != n_records:
        raise ValueError(f"mu, sigma and bias must have {n_records} rows; have {mu.shape[0]}, {sigma.shape[0]}, "
                         f"{bias.shape[0]}")
    if mu.shape[1] != S or bias.shape[1] != S or sigma.shape[1] != S or sigma.shape[2] != S:
        raise ValueError(f"mu, sigma and bias must be over {S} observations; are over {mu.shape[1]}, {sigma.shape[1]}, "
                         f"{bias.shape[1]}")
    if exact and not ((model.constant_transition or model.differentiable) and policy.differentiable):
        raise ValueError("exact is True; needs transitions and a policy whose derivatives are known")
    recursion = Recursion(Evaluator(model, policy, horizon), exact)
    with nogil:
        for t in range(horizon):
            recursion.step(<int>t, active[t * stride], ratio, coins, share, &now[0], &covariance[0, 0], &offset[0])
            if (t + 1) % record_every == 0 or t + 1 == horizon:
                j += 1
                memcpy(&mu[j, 0], &now[0], S * sizeof(double))
                memcpy(&sigma[j, 0, 0], &covariance[0, 0], S * S * sizeof(double))
                memcpy(&bias[j, 0], &offset[0], S * sizeof(double))
