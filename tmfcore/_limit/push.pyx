"""One step of the mean field forward: mu_{t+1} = Phi_t(mu_t).

Source     Theory, section 2.  Notation: S observations, A actions, K successors.
Contract   next_mu is divided by its sum, so that it sums to 1 up to rounding. Otherwise the error of the sum would
           double at every step if the kernel is linear in mu.

If the kernel is constant and the policy is constant within a stage, the kernel is averaged over the policy once per
stage, Kbar(o, x) = sum_a pi(a | o) P(x | o, a), which leaves S^2 cells per step instead of S A K. Sparse cells with the
same origin and successor are merged; if a sparse kernel has S^2 / 2 cells or more, the average is dense.
"""
from libc.stdint cimport int32_t
from libc.stdlib cimport free
from libc.string cimport memset

import numpy as np

from tmfcore._base.memory cimport room_for
from tmfcore._model.evaluator cimport share_at
from tmfcore._model.model cimport Model
from tmfcore._model.policy cimport stage_end, stage_of

cdef extern from "_base/simd/dense.h" nogil:
    void tmf_add_rows(const double *weights, const double *table, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out)

cdef extern from "_limit/push.h" nogil:
    double *tmf_align(void *memory)
    Py_ssize_t TMF_LINE
    void tmf_average(const double *pi, const double *table, Py_ssize_t n_observations, Py_ssize_t n_actions,
                     Py_ssize_t n_cells, double *out)
    void tmf_normalise(double *mu, Py_ssize_t n)
    void tmf_step(const double *mu, const double *kernel, double beta, Py_ssize_t n, double *next_mu)
    void tmf_arrivals(const Py_ssize_t *start, const int32_t *cell, const int32_t *row, const double *weights,
                      const double *table, bint onto, Py_ssize_t n_observations, double *out)
    void tmf_decisions(const double *mu, const double *pi, double beta, Py_ssize_t n_observations, Py_ssize_t n_actions,
                       double *out)

# Stages of at least this many steps are averaged: averaging costs about one step without it.
cdef enum:
    WORTH_AVERAGING = 4


cdef class Arrivals:

    def __cinit__(self, successors, Py_ssize_t n_observations):
        cdef const int32_t[::1] flat = successors.reshape(-1)
        cdef Py_ssize_t K = successors.shape[successors.ndim - 1]
        cdef Py_ssize_t n_cells = flat.shape[0]
        cdef Py_ssize_t i, x, at, earlier, number
        self.n_observations = n_observations
        self.n_cells = n_cells
        if n_cells > 2**31 - 1:
            raise ValueError(f"successors have {n_cells} cells; must have at most {2**31 - 1}")
        self.start = <Py_ssize_t *>room_for(n_observations + 1.0, sizeof(Py_ssize_t), b"the arrivals of a kernel")
        self.cell = <int32_t *>room_for(n_cells, sizeof(int32_t), b"the arrivals of a kernel")
        self.row = <int32_t *>room_for(n_cells, sizeof(int32_t), b"the arrivals of a kernel")
        memset(self.start, 0, (n_observations + 1) * sizeof(Py_ssize_t))
        for i in range(n_cells):
            self.start[flat[i]] += 1
        earlier = 0
        for x in range(n_observations):
            number = self.start[x]
            self.start[x] = earlier
            earlier += number
        at = 0
        for i in range(n_cells // K):
            for _ in range(K):
                x = flat[at]
                self.cell[self.start[x]] = <int32_t>at
                self.row[self.start[x]] = <int32_t>i
                self.start[x] += 1
                at += 1
        for x in range(n_observations, 0, -1):      # the loop above has moved each start to the next
            self.start[x] = self.start[x - 1]
        self.start[0] = 0

    def __dealloc__(self):
        free(self.start)
        free(self.cell)
        free(self.row)
        free(self.share)

    cdef int sort(self, const double *table) except -1 nogil:
        cdef Py_ssize_t i
        if self.share == NULL:
            self.share = <double *>room_for(self.n_cells, sizeof(double), b"the arrivals of a kernel")
            for i in range(self.n_cells):
                self.share[i] = table[self.cell[i]]
        return 0

    cdef void gather(self, const double *weights, const double *table, bint onto, double *out) noexcept nogil:
        if self.share != NULL:
            tmf_arrivals(self.start, NULL, self.row, weights, self.share, onto, self.n_observations, out)
        else:
            tmf_arrivals(self.start, self.cell, self.row, weights, table, onto, self.n_observations, out)


cdef class Moves:

    def __cinit__(self, Evaluator at not None):
        cdef Model model = at.model
        cdef Py_ssize_t S = at.n_observations, A = at.n_actions
        if model.successors is not None:
            self.acting = Arrivals(model.successors, S)
        if model.passive_successors is not None and not model.passive_identity:
            self.resting = Arrivals(model.passive_successors, S)
        self.weights = <double *>room_for(<double>S * A + S, sizeof(double), b"the moves of a population")
        self.still = self.weights + S * A

    def __dealloc__(self):
        free(self.weights)

    cdef int sort(self, Evaluator at) except -1 nogil:
        if self.acting is not None:
            self.acting.sort(at.tables.transition)
        if self.resting is not None:
            self.resting.sort(at.tables.passive_transition)
        return 0

    cdef void weigh(self, Evaluator at, const double *mu, double beta) noexcept nogil:
        cdef Py_ssize_t o, a, A = at.n_actions
        if beta >= 0:
            tmf_decisions(mu, at.pi, beta, at.n_observations, A, self.weights)
            return
        for o in range(at.n_observations):
            for a in range(A):
                self.weights[o * A + a] = at.shares[o] * mu[o] * at.pi[o * A + a]

    cdef void move(self, Evaluator at, const double *mu, double beta, double *next_mu) noexcept nogil:
        cdef Py_ssize_t S = at.n_observations
        if beta != 0 and self.acting is not None:
            self.acting.gather(self.weights, at.tables.transition, False, next_mu)
        else:
            memset(next_mu, 0, S * sizeof(double))
            if beta != 0:
                tmf_add_rows(self.weights, at.tables.transition, S * at.n_actions, at.n_successors, next_mu)
        self.drift(at, mu, beta, next_mu)

    cdef void drift(self, Evaluator at, const double *mu, double beta, double *next_mu) noexcept nogil:
        cdef Py_ssize_t o, S = at.n_observations
        if beta == 1:
            return
        if beta < 0:
            for o in range(S):
                self.still[o] = mu[o] * (1 - at.shares[o])
        else:
            for o in range(S):
                self.still[o] = mu[o] * (1 - beta)
        if at.model.passive_identity:
            for o in range(S):
                next_mu[o] += self.still[o]
        elif self.resting is None:
            tmf_add_rows(self.still, at.tables.passive_transition, S, at.n_passive_successors, next_mu)
        else:
            self.resting.gather(self.still, at.tables.passive_transition, True, next_mu)


cdef class Push(Moves):

    def __cinit__(self, Evaluator at not None):
        cdef Model model = at.model
        cdef Py_ssize_t S = at.n_observations, A = at.n_actions
        cdef Py_ssize_t n_merged = 0
        self.steady = (model.constant_transition and not at.policy.depends_on_mu
                       and at.horizon // at.policy.n_stages >= WORTH_AVERAGING)
        if self.steady:
            n_merged = S * S
            if self.acting is not None and 2 * self.acting.n_cells < S * S:
                n_merged = self.merge(A)
        self.memory = room_for(<double>n_merged + TMF_LINE, sizeof(double), b"averaged kernels")
        self.average = tmf_align(self.memory)

    def __dealloc__(self):
        free(self.memory)

    cdef Py_ssize_t merge(self, Py_ssize_t A) except -1:
        """Fill `start` and `origin`, arrivals by origin instead of by row; return their number."""
        cdef Py_ssize_t S = self.acting.n_observations
        cdef Arrivals arriving = self.acting
        cdef Py_ssize_t x, i, number = 0
        cdef int32_t o
        self.merged = True
        self.start = np.empty(S + 1, np.intp)
        self.origin = np.empty(arriving.n_cells, np.int32)
        for x in range(S):
            self.start[x] = number
            for i in range(arriving.start[x], arriving.start[x + 1]):
                o = <int32_t>(arriving.row[i] // A)
                if number == self.start[x] or self.origin[number - 1] != o:     # arrivals of x are sorted by row
                    self.origin[number] = o
                    number += 1
        self.start[S] = number
        return number

    cdef int open_stage(self, Evaluator at, int t, const double *mu) except -1 nogil:
        """Average the kernel of the stage that begins at step t."""
        cdef Py_ssize_t S = at.n_observations, A = at.n_actions, K = at.n_successors
        cdef Py_ssize_t L = at.policy.n_stages
        cdef Py_ssize_t x, i, j, row
        cdef const double *table
        cdef double *average = self.average
        self.stage_end = stage_end(stage_of(t, at.horizon, L), at.horizon, L)
        at.transitions_at(t, mu)
        table = at.tables.transition
        if self.acting is None:
            tmf_average(at.pi, table, S, A, K, average)
        elif not self.merged:
            memset(average, 0, S * S * sizeof(double))
            for row in range(S * A):
                for i in range(row * K, (row + 1) * K):
                    average[row // A * S + at.model.successor[i]] += at.pi[row] * table[i]
        else:
            for x in range(S):
                j = self.start[x] - 1
                for i in range(self.acting.start[x], self.acting.start[x + 1]):
                    row = self.acting.row[i]
                    if j < self.start[x] or self.origin[j] != row // A:
                        j += 1
                        average[j] = 0
                    average[j] += at.pi[row] * table[self.acting.cell[i]]
        return 0

    cdef int step(
        self, Evaluator at, int t, const double *mu, double beta, double *next_mu
    ) except -1 nogil:
        cdef Py_ssize_t o, S = at.n_observations
        if self.steady and t >= self.stage_end:
            self.open_stage(at, t, mu)
        elif not self.steady:
            at.transitions_at(t, mu)
            if at.model.constant_transition:
                self.sort(at)
        elif at.acting is not None:
            at.shares_at(t, mu)
        if not self.steady:
            self.weigh(at, mu, beta)
            self.move(at, mu, beta, next_mu)
        elif beta >= 0 and not self.merged and (beta == 1 or at.model.passive_identity):
            tmf_step(mu, self.average, beta, S, next_mu)
            return 0
        else:
            if self.merged and beta < 0:
                for o in range(S):
                    self.still[o] = mu[o] * at.shares[o]
                tmf_arrivals(&self.start[0], NULL, &self.origin[0], self.still, self.average, False, S, next_mu)
            elif self.merged:
                tmf_arrivals(&self.start[0], NULL, &self.origin[0], mu, self.average, False, S, next_mu)
                for o in range(S if beta < 1 else 0):
                    next_mu[o] *= beta
            else:
                memset(next_mu, 0, S * sizeof(double))
                for o in range(S):
                    self.still[o] = mu[o] * share_at(at, o, beta)
                tmf_add_rows(self.still, self.average, S, S, next_mu)
            self.drift(at, mu, beta, next_mu)
        tmf_normalise(next_mu, S)
        return 0
