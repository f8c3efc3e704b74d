"""First and second derivatives of a step of the mean field in the population.

Source     Theory, section 6.
Notation   S observations, A actions, K successors; Phi the step of the flow, J its Jacobian, H its second derivative.
Method     Phi is differentiated only along the columns f of a factor F of Sigma = F F': J Sigma J' = (J F)(J F)',
           H : Sigma = sum over f of H[f, f]. The fluctuations of a population span these columns: they lie in the
           simplex, on observations with mass, so that user functions are evaluated only at distributions.
Cost       O(S^2 A K) if rows depend on mu and their derivatives are known, O(S^3 A) if the same holds of the policy;
           2 S evaluations of Phi if derivatives are taken by differences.
"""
from libc.math cimport fabs
from libc.stdint cimport int32_t
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._base.interrupts cimport look
from tmfcore._model.evaluator cimport passive_successors_of, share_at, successors_of

cdef extern from "_base/simd/dense.h" nogil:
    void tmf_add_rows(const double *weights, const double *table, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out)

# Largest step of differences, in units of the largest entry of the direction. Truncation and rounding of second
# differences are both near 1e-8 of their size for functions that vary on the scale of 1.
cdef double STEP = 1.0 / 4096
# The mass of an observation with less than this share cannot be moved both ways. The dependence of the game on it is
# omitted, which changes a variance by about this much.
cdef double FLOOR = 1e-9
# Entries of the policy's derivatives stored at once; this limits the block of directions.
cdef Py_ssize_t BLOCK_ENTRIES = 1 << 16


cdef class Derivatives:

    def __cinit__(self, Evaluator at not None, bint exact):
        cdef Py_ssize_t S = at.n_observations, A = at.n_actions
        cdef Py_ssize_t block = max(1, min(S, BLOCK_ENTRIES // (S * A)))
        cdef Py_ssize_t n_slopes = A * max(S + 1, S * block)
        cdef Py_ssize_t K = max(at.n_successors, at.n_passive_successors)
        cdef bint moving = exact and not at.model.constant_transition
        cdef double[::1] memory = np.zeros(3 * S * S + 2 * S * (S + 1) + 2 * n_slopes + 2 * S * A + 9 * S
                                           + (S * S + K * (S + 1) if moving else 0))
        self.memory = memory
        self.at = at
        self.moves = Moves(at)
        self.horizon = at.horizon
        self.n_observations = S
        self.n_actions = A
        self.exact = exact
        self.moving = moving
        self.smooth = at.policy.depends_on_mu and at.policy.differentiable
        self.block = block
        self.transposed = &memory[0]
        self.factor = self.transposed + S * S
        self.square = self.factor + S * S
        self.directions = self.square + S * S
        self.images = self.directions + S * (S + 1)
        self.first = self.images + S * (S + 1)
        self.second = self.first + n_slopes
        self.pi = self.second + n_slopes
        self.moved = self.pi + S * A
        self.scales = self.moved + S * A
        self.rooms = self.scales + S
        self.centre = self.rooms + S
        self.curvature = self.centre + S
        self.slope = self.curvature + S
        self.argument = self.slope + S
        self.population = self.argument + S
        self.plus = self.population + S
        self.toward = self.plus + S
        self.spread = self.toward + S                               # this and the next two: allocated if moving
        self.row_slope = self.spread + S * S
        self.row_bend = self.row_slope + K * S

    cdef void push(self, const double *population, double beta, double *out) noexcept nogil:
        self.moves.weigh(self.at, population, beta)
        self.moves.move(self.at, population, beta, out)

    cdef int along_exactly(self, Evaluator at, int t, const double *mu, double beta, Py_ssize_t rank) except -1 nogil:
        """images = J directions, curvature += H : Sigma, from the derivatives of the policy and of the rows.

        Column `rank` of directions is the bias; it does not enter the curvature.
        """
        cdef Py_ssize_t S = self.n_observations, A = self.n_actions, K = at.n_successors, n = rank + 1
        cdef Py_ssize_t o, a, k, x
        cdef const int32_t *successor
        cdef const double *row
        cdef const double *f
        cdef double *first
        cdef double *second
        cdef double bend, p
        cdef double fraction = beta         # of all agents, or BY_OBSERVATION
        memset(self.images, 0, S * n * sizeof(double))
        for x in range(S):
            look(&at.looks)
            tmf_add_rows(self.transposed + x * S, self.directions, S, n, self.images + x * n)
        if self.moving:
            memset(self.square, 0, S * S * sizeof(double))          # the part of J from rows that depend on mu
            if fraction != 1 and not at.model.passive_identity:
                for o in range(S):
                    self.add_moving_row(at, t, o, -1, mu, 1 - share_at(at, o, fraction), NULL)
        for o in range(S):
            look(&at.looks)
            beta = share_at(at, o, fraction)
            if beta == 0:
                continue
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
                look(&at.looks)
                if self.moving:                                     # slope: `pull` of add_moving_row
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
            # Slopes are known up to a constant that is the same for all y; here it is chosen so that they are 0 along
            # mu. Otherwise columns of J could sum to 2, and the rounding error of the mass would double at every step.
            for x in range(S):
                look(&at.looks)
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
        double share,             # IN             the share of the agents at o that move by this row
        const double *pull,       # IN     (S,)    sum over directions f of (d share / d f) f; NULL: 0
    ) except -1 nogil:
        """Add the effect of one row's dependence on mu to J (`square`) and to H : Sigma (`curvature`).

        With p(mu) the row and w(mu) = mu(o) share(mu), the second derivative of w p contains 2 dw dp + w d2p; dw along
        f is f(o) share + mu(o) dshare, and the sum over f of f f' is Sigma.
        """
        cdef Py_ssize_t S = self.n_observations
        cdef Py_ssize_t K = at.n_passive_successors if a < 0 else at.n_successors
        cdef Py_ssize_t k, x, y
        cdef const int32_t *successor
        cdef const double *slope = self.row_slope
        cdef double weight = mu[o] * share, bend
        if not self.moving or (share == 0 and pull == NULL):
            return 0
        look(&at.looks)
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
        """Write the part of f along which mu can move, divided by f's largest |entry|, to `toward`; return that entry.

        room: OUT, how far mu can move along `toward` and back, at most STEP, or, if forward, along it only, at most
        2 STEP. It is not set if f is 0.
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
        """out = K(mu + h u)' (mu + h f / scale); the policy by its derivatives along u unless `first` is NULL."""
        cdef Py_ssize_t x, i
        for x in range(self.n_observations):
            self.argument[x] = max(0.0, mu[x] + h * u[x])
            self.population[x] = mu[x] + h * f[x] / scale
        if first == NULL:
            self.at.at(t, self.argument)
        else:                                   # omitted terms are odd in h, or within the error of the differences
            self.at.tables_at(t, self.argument)
            for i in range(self.n_observations * self.n_actions):
                self.moved[i] = self.pi[i] + h * (first[0] + 0.5 * h * second[0])
                first += self.block
                second += self.block
            self.at.pi = self.moved
        self.push(self.population, beta, out)
        return 0

    cdef int along(self, int t, const double *mu, double beta, Py_ssize_t rank) except -1 nogil:
        """images = J times the `rank` columns of F, curvature += H : Sigma, by central differences."""
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
                    look(&self.at.looks)
                    i = o * A * block
                    self.at.policy.slopes_at(t, self.horizon, o, self.pi + o * A, self.directions, block,
                                             self.first + i, self.second + i)
            for j in range(n):
                look(&self.at.looks)
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
        """slope = J f by a three-point forward difference: f may put mass on observations without any."""
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
