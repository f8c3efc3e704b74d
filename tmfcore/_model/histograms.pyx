"""Policies of agents that see a histogram of kappa others, averaged over the histogram.

Source     Theory, section 15.  Notation: X observations of a block, M blocks, S = M X, A actions, L stages; a
           histogram z (X,) sums to kappa, and there are Z = C(kappa + X - 1, X - 1) of them, in lexicographic order.
Contract   a row is sum_z p(z) table[l, z, x], divided by the sum of p over all z, so that it is a distribution to
           rounding. p is never computed from factorials: it is a product of Poisson probabilities, in units of their
           largest.
Cost       O(M Z X A) for all rows, O(Z A) for one.
"""
from libc.math cimport floor
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free
from libc.string cimport memset

from math import comb

import numpy as np

from tmfcore._base.memory cimport room_for
from tmfcore._model.model cimport TOLERANCE, check_row
from tmfcore._model.policy cimport Policy, stage_of

cdef extern from "_base/simd/check.h" nogil:
    int tmf_distributions(const double *rows, Py_ssize_t n_rows, Py_ssize_t n_cells, double tolerance)

cdef extern from "_base/simd/dense.h" nogil:
    void tmf_add_rows(const double *weights, const double *table, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out)

cdef enum:
    TOGETHER = 256             # histograms whose rows are added in one pass


cdef class HistogramPolicy(Policy):
    """Probabilities (L, Z, X, A) by stage, histogram and observation, averaged over the histogram.

    Parameters
    ----------
    table : ndarray of float64, shape (L, Z, X, A)
        Read in place.
    kappa : int
        The entries of a histogram sum to it.
    weights : ndarray of float64, shape (M, M), or None
        The observations of the game are M blocks of X. An agent of block i draws from sum_j weights[i, j] mu_j, scaled
        to sum 1, where mu_j (X,) are the shares at the observations of block j. None: one block.
    """

    def __init__(self, const double[:, :, :, ::1] table not None, Py_ssize_t kappa, const double[:, ::1] weights=None):
        cdef Py_ssize_t l, z, x
        cdef int64_t[:, ::1] below
        self.stages, self.kappa = table, kappa
        self.table = np.asarray(table)
        self.n_stages, self.n_seen, self.n_actions = table.shape[0], table.shape[2], table.shape[3]
        if kappa < 1 or self.table.size == 0 or table.shape[1] != comb(kappa + self.n_seen - 1, self.n_seen - 1):
            raise ValueError(f"table has shape {self.table.shape}; must have one row for each of the "
                             f"{comb(kappa + self.n_seen - 1, self.n_seen - 1)} histograms of {kappa} agents")
        self.weights = np.ones((1, 1)) if weights is None else weights
        self.n_blocks = self.weights.shape[0]
        if self.weights.shape[1] != self.n_blocks:
            raise ValueError(f"weights have shape {np.asarray(weights).shape}; must be square")
        self.n_observations = self.n_blocks * self.n_seen
        self.depends_on_mu = True
        below = np.zeros((self.n_seen, kappa + 1), np.int64)
        for x in range(self.n_seen):
            for z in range(kappa + 1):
                below[x, z] = comb(z + x, x)
        self.below = below
        if tmf_distributions(&table[0, 0, 0, 0], table.shape[0] * table.shape[1] * self.n_seen, self.n_actions,
                             TOLERANCE):
            return
        for l in range(table.shape[0]):
            for z in range(table.shape[1]):
                for x in range(self.n_seen):
                    try:
                        check_row(&table[l, z, x, 0], self.n_actions, 0, 0, <int>x, -1)
                    except ValueError:
                        row = [float(p) for p in self.table[l, z, x]]
                        raise ValueError(f"table[{l}, {z}, {x}] is {row}, which sums to {sum(row):.10g}; each row must "
                                         "be >= 0 and sum to 1 within 1e-08") from None

    cdef int view(self, Py_ssize_t block, const double *mu, double *seen) except -1 nogil:
        cdef Py_ssize_t x
        cdef double total = 0, present = 0
        memset(seen, 0, self.n_seen * sizeof(double))
        tmf_add_rows(&self.weights[block, 0], mu, self.n_blocks, self.n_seen, seen)
        for x in range(self.n_seen):
            total += seen[x]
            present += mu[block * self.n_seen + x]
        if not total > 0:
            if present > 0:
                with gil:
                    raise ValueError(f"agents of block {block} see nobody at mu; the population must have agents where "
                                     f"row {block} of the weights is positive")
            for x in range(self.n_seen):         # a block without agents may see anybody
                seen[x] = 1
            total = self.n_seen
        for x in range(self.n_seen):
            seen[x] /= total
        return 0

    cdef void average(
        self, Py_ssize_t stage, const double *seen, Py_ssize_t first, Py_ssize_t last, double *scratch, double *rows
    ) noexcept nogil:
        # The histogram of kappa draws has the law of X independent Poisson numbers of means kappa seen[x], given that
        # their sum is kappa. part[x] is the product of their probabilities up to x; left[x] is what remains to be
        # placed from x on. The last two entries are an inner loop over the first of them.
        cdef Py_ssize_t X = self.n_seen, A = self.n_actions, width = self.kappa + 1, outer = X - 2
        cdef Py_ssize_t x, k, i, n = 0, m, row = 0, rest
        cdef double weights[TOGETHER]
        cdef double mean, total = 0, p
        cdef double *own = scratch               # (X, kappa + 1)
        cdef double *part = scratch + X * width
        cdef double *left = part + X
        cdef const double *one
        cdef const double *other
        cdef bint all_rows = first == 0 and last == X
        memset(rows, 0, (last - first) * A * sizeof(double))
        for x in range(X):
            mean = self.kappa * seen[x]
            k = min(<Py_ssize_t>floor(mean), self.kappa)
            own[x * width + k] = 1
            for i in range(k + 1, width):
                own[x * width + i] = own[x * width + i - 1] * mean / i
            for i in range(k, 0, -1):
                own[x * width + i - 1] = own[x * width + i] * i / mean
        if X == 1:
            weights[0] = total = 1
            self.add(stage, 0, 1, weights, first, last, all_rows, rows)
        part[0] = 1
        left[0] = self.kappa
        for x in range(outer):                   # histograms begin with zeros
            part[x + 1] = part[x] * own[x * width]
            left[x + 1] = left[x]
        while X > 1:
            rest = <Py_ssize_t>left[outer]
            p = part[outer]
            one = own + outer * width
            other = one + width + rest
            k = 0
            while k <= rest:
                m = min(TOGETHER - n, rest + 1 - k)
                for i in range(m):
                    weights[n + i] = p * one[k + i] * other[-(k + i)]
                    total += weights[n + i]
                k += m
                n += m
                if n == TOGETHER:
                    self.add(stage, row, n, weights, first, last, all_rows, rows)
                    row += n
                    n = 0
            x = outer - 1                        # the last entry before the inner loop that can grow
            while x >= 0 and left[x + 1] == 0:
                x -= 1
            if x < 0:
                break
            left[x + 1] -= 1
            part[x + 1] = part[x] * own[x * width + <Py_ssize_t>(left[x] - left[x + 1])]
            for i in range(x + 1, outer):
                part[i + 1] = part[i] * own[i * width]
                left[i + 1] = left[i]
        if n > 0:
            self.add(stage, row, n, weights, first, last, all_rows, rows)
        for i in range((last - first) * A):
            rows[i] /= total

    cdef void add(
        self, Py_ssize_t stage, Py_ssize_t row, Py_ssize_t n, const double *weights, Py_ssize_t first, Py_ssize_t last,
        bint all_rows, double *rows
    ) noexcept nogil:
        cdef Py_ssize_t i, j, n_cells = self.n_seen * self.n_actions, n_own = (last - first) * self.n_actions
        cdef const double *table = &self.stages[stage, row, 0, 0]
        if all_rows:
            tmf_add_rows(weights, table, n, n_cells, rows)
            return
        table += first * self.n_actions
        for i in range(n):
            for j in range(n_own):
                rows[j] += weights[i] * table[i * n_cells + j]

    cdef int averages(
        self, int t, int horizon, const double *mu, Py_ssize_t first, Py_ssize_t last, double *rows
    ) except -1 nogil:
        cdef Py_ssize_t X = self.n_seen, o = first, stage = stage_of(t, horizon, self.n_stages)
        cdef double *seen = <double *>room_for(<double>X * (self.kappa + 4), sizeof(double), b"sums over histograms")
        try:
            while o < last:
                self.view(o // X, mu, seen)
                self.average(
                    stage, seen, o % X, min(X, last - o // X * X), seen + X, rows + (o - first) * self.n_actions)
                o = (o // X + 1) * X
        finally:
            free(seen)
        return 0

    cdef int table_at(
        self, int t, int horizon, const double *mu, double *buffer, const double **out
    ) except -1 nogil:
        out[0] = buffer
        return self.averages(t, horizon, mu, 0, self.n_observations, buffer)

    cdef int row_at(
        self, int t, int horizon, Py_ssize_t observation, const double *mu, double *buffer, const double **out
    ) except -1 nogil:
        out[0] = buffer + observation * self.n_actions
        return self.averages(t, horizon, mu, observation, observation + 1, buffer + observation * self.n_actions)

    cdef const double *row_of(
        self, Py_ssize_t stage, Py_ssize_t observation, const int32_t *histogram
    ) noexcept nogil:
        return &self.stages[stage, place(self, histogram), observation % self.n_seen, 0]

    def places(self, const int32_t[:, ::1] histograms not None):
        """The places (n,) int64 of histograms (n, X) among the rows of the table."""
        cdef int64_t[::1] out = np.empty(histograms.shape[0], np.int64)
        cdef Py_ssize_t i
        if histograms.shape[1] != self.n_seen or np.any(np.less(histograms, 0)) or np.any(
                np.sum(histograms, axis=1) != self.kappa):
            raise ValueError(f"histograms must have {self.n_seen} entries >= 0 that sum to {self.kappa}")
        for i in range(histograms.shape[0]):
            out[i] = place(self, &histograms[i, 0])
        return np.asarray(out)
