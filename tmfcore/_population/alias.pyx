"""Alias tables of a step: one row per observation; one draw gives action and successor.

Source     Walker (1977), Vose (1991).  Layout and exactness of the packed cells: alias.h.
Notation   S observations, A actions, K successors; 2^b columns per row.
Contract   column (a, k) of row o has probability pi(a | o) P(k | o, a), column x of an averaged row the sum over a of
           pi(a | o) P(x | o, a), up to rounding. Columns of probability zero, such as padding to 2^b, are never drawn.
Cost       about 4 ns per column.
"""
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memset

from tmfcore._model.evaluator cimport passive_successors_of, successors_of
from tmfcore._base.memory cimport room_for

cdef extern from "_population/vose.h" nogil:
    void tmf_build_rows(double *mass, uint32_t *order, uint32_t *cells, uint32_t *finer, int bits, int n_rows)


cdef int bits_for(Py_ssize_t n) noexcept nogil:
    """The least b with 2^b >= n."""
    cdef int bits = 0
    while (<Py_ssize_t>1 << bits) < n:
        bits += 1
    return bits


cdef Layout layout_of(Evaluator at, bint passive_rows, bint averaged) noexcept:
    cdef Layout layout
    layout.averaged = averaged
    layout.dense = averaged or at.model.successor == NULL
    layout.action_bits = 0 if averaged else bits_for(at.n_actions)
    layout.cell_bits = bits_for(at.n_observations if averaged else at.n_successors)
    layout.n_rows = 2 * at.n_observations if passive_rows else at.n_observations
    if not layout.dense and passive_rows and not at.model.passive_identity:
        while <int64_t>1 << (layout.action_bits + layout.cell_bits) < at.n_passive_successors:
            layout.cell_bits += 1
    if layout.action_bits + layout.cell_bits == 0:
        layout.cell_bits = 1              # b >= 1: a threshold has 32 - b < 32 bits
    return layout


cdef double cells_in(Layout *layout) noexcept nogil:
    """Cells of all rows, as a double, since the number may not fit in an integer."""
    return <double>layout.n_rows * <double>(<int64_t>1 << (layout.action_bits + layout.cell_bits))


cdef class AliasTables:

    @staticmethod
    cdef AliasTables of(Layout layout):
        cdef AliasTables self = AliasTables.__new__(AliasTables)
        cdef int bits = layout.action_bits + layout.cell_bits
        cdef double size = cells_in(&layout)
        cdef double scratch = <double>TMF_ROWS * (<size_t>1 << bits)
        self.layout = layout
        self.cells = <uint32_t *>room_for(size, sizeof(uint32_t), b"alias tables")
        self.finer = <uint32_t *>room_for(size, sizeof(uint32_t), b"alias tables")
        self.mass = <double *>room_for(scratch, sizeof(double), b"alias tables")
        self.order = <uint32_t *>room_for(scratch, sizeof(uint32_t), b"alias tables")
        if not layout.dense:
            self.successors = <uint32_t *>room_for(size, sizeof(uint32_t), b"alias tables")
        self.alias.column_bits = bits
        self.alias.cell_bits = layout.cell_bits
        self.alias.cells = self.cells
        self.alias.finer = self.finer
        self.alias.successors = self.successors
        return self

    cdef int as_bytes(self) except -1:
        if cells_in(&self.layout) <= 256:
            self.memory = room_for(1, sizeof(tmf_bytes) + 64, b"alias tables")
            self.bytes = <tmf_bytes *>((<size_t>self.memory + 63) & ~<size_t>63)
            memset(self.bytes, 0, sizeof(tmf_bytes))
        return 0

    def __dealloc__(self):
        free(self.cells)
        free(self.finer)
        free(self.successors)
        free(self.memory)
        free(self.mass)
        free(self.order)

    cdef void build(self, Evaluator at) noexcept nogil:
        """Build all rows from the tables and the policy of `at`."""
        cdef Py_ssize_t row, first = 0
        cdef int bits = self.alias.column_bits
        for row in range(self.layout.n_rows):
            if row < at.n_observations:
                self.fill_active(at, row, self.mass + ((row - first) << bits))
            else:
                self.fill_passive(at, row - at.n_observations, self.mass + ((row - first) << bits))
            if row + 1 - first == TMF_ROWS or row + 1 == self.layout.n_rows:
                self.build_rows(first, <int>(row + 1 - first))
                first = row + 1
        if self.bytes != NULL:
            tmf_bytes_build(self.bytes, &self.alias, <int>(self.layout.n_rows << bits))

    cdef void build_rows(self, Py_ssize_t first, int n_rows) noexcept nogil:
        """Build rows first..first + n_rows - 1, n_rows <= TMF_ROWS, from self.mass, which is overwritten."""
        cdef int bits = self.alias.column_bits
        tmf_build_rows(self.mass, self.order, self.cells + (first << bits), self.finer + (first << bits), bits, n_rows)

    cdef void clear(self, double *mass, Py_ssize_t row, Py_ssize_t observation) noexcept nogil:
        cdef Py_ssize_t j
        memset(mass, 0, (<size_t>1 << self.alias.column_bits) * sizeof(double))
        if self.successors != NULL:
            for j in range(1 << self.alias.column_bits):
                self.successors[(row << self.alias.column_bits) + j] = <uint32_t>observation

    cdef void fill_active(self, Evaluator at, Py_ssize_t o, double *mass) noexcept nogil:
        cdef Py_ssize_t A = at.n_actions, K = at.n_successors
        cdef Py_ssize_t a, k, j
        cdef double share
        cdef const double *row
        cdef const int32_t *successor
        self.clear(mass, o, o)
        for a in range(A):
            share = at.pi[o * A + a]
            row = at.tables.transition + (o * A + a) * K
            successor = successors_of(at, o * A + a)
            if self.layout.dense and not self.layout.averaged:
                for k in range(K):
                    mass[(a << self.layout.cell_bits) + k] = share * row[k]
                continue
            for k in range(K):
                j = k if successor == NULL else successor[k]
                if self.layout.averaged:
                    mass[j] += share * row[k]
                    continue
                if self.successors != NULL:
                    self.successors[(o << self.alias.column_bits) + (a << self.layout.cell_bits) + k] = <uint32_t>j
                mass[(a << self.layout.cell_bits) + k] = share * row[k]

    cdef void fill_passive(self, Evaluator at, Py_ssize_t o, double *mass) noexcept nogil:
        cdef Py_ssize_t K0 = at.n_passive_successors
        cdef Py_ssize_t j, x, row = at.n_observations + o
        cdef const int32_t *successor = passive_successors_of(at, o)
        self.clear(mass, row, o)
        if at.model.passive_identity:
            mass[o if self.layout.dense else 0] = 1
            return
        for j in range(K0):
            x = j if successor == NULL else successor[j]
            if self.layout.dense:
                mass[x] += at.tables.passive_transition[o * K0 + j]
            else:
                mass[j] = at.tables.passive_transition[o * K0 + j]
                self.successors[(row << self.alias.column_bits) + j] = <uint32_t>x
