"""Alias tables of a step: one row per observation, drawing action and successor at once.

Source     Walker (1977), Vose (1991).  Layout and exactness of the packed cells: alias.h.
Notation   S observations, A actions, K successors; 2^b columns a row, at least A K.
Contract   column a K + k of row o has probability pi(a | o) P(k | o, a) to double rounding; a column of probability
           zero, the padding up to 2^b included, is never drawn.
Cost       about 10 ns a column.
"""
from libc.stdint cimport int32_t, uint32_t
from libc.stdlib cimport free, malloc

import numpy as np

from tmfcore._evaluator cimport passive_successors_of, successors_of

cdef extern from "alias.h" nogil:
    enum: TMF_OBSERVATION_BITS
    uint32_t tmf_draw_one(const tmf_alias *alias, uint32_t row, uint32_t random, uint32_t more)


cdef Py_ssize_t columns_of(Evaluator at, bint passive_rows) noexcept:
    """2^b: the columns a row needs, a power of two and at least 2."""
    cdef Py_ssize_t needed = at.n_actions * at.n_successors, columns = 2
    if passive_rows and not at.model.passive_identity:
        needed = max(needed, at.n_passive_successors)
    while columns < needed:
        columns *= 2
    return columns


cdef class AliasTables:

    def __cinit__(self, Py_ssize_t n_rows, Py_ssize_t n_columns):
        cdef Py_ssize_t size = n_rows * n_columns
        self.n_rows = n_rows
        self.alias.column_bits = 0
        while 1 << self.alias.column_bits < n_columns:
            self.alias.column_bits += 1
        self.cells = <uint32_t *>malloc(size * sizeof(uint32_t))
        self.finer = <uint32_t *>malloc(size * sizeof(uint32_t))
        self.outcomes = <uint32_t *>malloc(size * sizeof(uint32_t))
        self.mass = <double *>malloc(n_columns * sizeof(double))
        self.order = <uint32_t *>malloc(n_columns * sizeof(uint32_t))
        if not (self.cells and self.finer and self.outcomes and self.mass and self.order):
            raise MemoryError(f"alias tables of {n_rows} rows and {n_columns} columns do not fit in memory")
        self.alias.cells = self.cells
        self.alias.finer = self.finer
        self.alias.outcomes = self.outcomes

    def __dealloc__(self):
        free(self.cells)
        free(self.finer)
        free(self.outcomes)
        free(self.mass)
        free(self.order)

    cdef void build_active(self, Evaluator at) noexcept nogil:
        cdef Py_ssize_t A = at.n_actions, K = at.n_successors
        cdef Py_ssize_t n_columns = 1 << self.alias.column_bits
        cdef Py_ssize_t o, a, k, j
        cdef double share
        cdef const double *row
        cdef const int32_t *successor
        cdef uint32_t *outcomes
        for o in range(at.n_observations):
            outcomes = self.outcomes + o * n_columns
            for a in range(A):
                share = at.pi[o * A + a]
                row = at.tables.transition + (o * A + a) * K
                successor = successors_of(at, o * A + a)
                for k in range(K):
                    j = a * K + k
                    self.mass[j] = share * row[k]
                    outcomes[j] = <uint32_t>(k if successor == NULL else successor[k])
                    outcomes[j] |= <uint32_t>a << TMF_OBSERVATION_BITS
            for j in range(A * K, n_columns):
                self.mass[j] = 0
                outcomes[j] = <uint32_t>o
            self.build_row(o)

    cdef void build_passive(self, Evaluator at) noexcept nogil:
        cdef Py_ssize_t K0 = at.n_passive_successors
        cdef Py_ssize_t n_columns = 1 << self.alias.column_bits
        cdef Py_ssize_t o, j
        cdef uint32_t nobody = <uint32_t>at.n_actions << TMF_OBSERVATION_BITS
        cdef const int32_t *successor
        cdef uint32_t *outcomes
        for o in range(at.n_observations):
            outcomes = self.outcomes + (at.n_observations + o) * n_columns
            successor = passive_successors_of(at, o)
            for j in range(n_columns):
                outcomes[j] = <uint32_t>o | nobody
                self.mass[j] = 1 if at.model.passive_identity else 0
            if not at.model.passive_identity:
                for j in range(K0):
                    self.mass[j] = at.tables.passive_transition[o * K0 + j]
                    outcomes[j] = <uint32_t>(j if successor == NULL else successor[j]) | nobody
            self.build_row(at.n_observations + o)

    cdef void build_row(self, Py_ssize_t row) noexcept nogil:
        """Cells of one row from self.mass, which it uses up."""
        cdef int bits = self.alias.column_bits
        cdef Py_ssize_t n_columns = 1 << bits
        cdef uint32_t *cells = self.cells + row * n_columns
        cdef uint32_t *finer = self.finer + row * n_columns
        cdef double *mass = self.mass
        cdef double total = 0, threshold
        cdef Py_ssize_t j, small, large
        cdef Py_ssize_t n_small = 0, first_large = n_columns
        for j in range(n_columns):
            total += mass[j]
        # self.order: columns below 1 from the left, the others from the right; every column is in it once.
        for j in range(n_columns):
            mass[j] *= n_columns / total
            if mass[j] < 1:
                self.order[n_small] = <uint32_t>j
                n_small += 1
            else:
                first_large -= 1
                self.order[first_large] = <uint32_t>j
        while n_small > 0 and first_large < n_columns:
            n_small -= 1
            small = self.order[n_small]
            large = self.order[first_large]
            threshold = mass[small] * (<double>(1 << 30) * 4) / n_columns       # 32 - b bits before the point
            cells[small] = <uint32_t>threshold << bits | <uint32_t>large
            finer[small] = <uint32_t>((threshold - <uint32_t>threshold) * (<double>(1 << 30) * 4))
            mass[large] = (mass[large] + mass[small]) - 1
            if mass[large] < 1:
                first_large += 1
                self.order[n_small] = <uint32_t>large
                n_small += 1
        while n_small > 0:                  # full up to rounding: both outcomes are the column itself
            n_small -= 1
            cells[self.order[n_small]] = self.order[n_small]
            finer[self.order[n_small]] = 0
        while first_large < n_columns:
            cells[self.order[first_large]] = self.order[first_large]
            finer[self.order[first_large]] = 0
            first_large += 1


def alias_draws(bit_generator, const double[::1] p not None, Py_ssize_t size):
    """Cells (size,) int64 drawn from p (K,) through one packed alias row: the door of the law tests; O(K + size)."""
    cdef Py_ssize_t K = p.shape[0], n_columns = 2, i
    cdef AliasTables tables
    cdef const uint32_t[:, ::1] random
    cdef long long[::1] out = np.empty(size, np.int64)
    while n_columns < K:
        n_columns *= 2
    tables = AliasTables(1, n_columns)
    for i in range(n_columns):
        tables.mass[i] = p[i] if i < K else 0
        tables.outcomes[i] = <uint32_t>i
    random = np.random.Generator(bit_generator).integers(2**32, size=(size, 2), dtype=np.uint32)
    with nogil:
        tables.build_row(0)
        for i in range(size):
            out[i] = tmf_draw_one(&tables.alias, 0, random[i, 0], random[i, 1])
    return np.asarray(out)


def alias_probabilities(const double[::1] p not None):
    """Exact probability (2^b,) float64 of every column under the packed cells of p (K,): what the tables say."""
    cdef Py_ssize_t K = p.shape[0], n_columns = 2, i
    cdef AliasTables tables
    cdef double threshold
    cdef double[::1] out
    while n_columns < K:
        n_columns *= 2
    out = np.zeros(n_columns)
    tables = AliasTables(1, n_columns)
    for i in range(n_columns):
        tables.mass[i] = p[i] if i < K else 0
    tables.build_row(0)
    for i in range(n_columns):
        threshold = (<double>(tables.cells[i] >> tables.alias.column_bits)
                     + <double>tables.finer[i] / 4294967296.0) * n_columns / 4294967296.0
        out[i] += threshold / n_columns
        out[tables.cells[i] & <uint32_t>(n_columns - 1)] += (1 - threshold) / n_columns
    return np.asarray(out)
