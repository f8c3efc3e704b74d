"""Alias tables of a step: one row per observation; one draw gives action and successor."""
from libc.stdint cimport uint32_t

from tmfcore._model.evaluator cimport Evaluator


cdef extern from "_population/alias.h" nogil:
    ctypedef struct tmf_alias:
        int column_bits
        int cell_bits
        const uint32_t *cells
        const uint32_t *finer
        const uint32_t *successors
    uint32_t tmf_successor(const tmf_alias *alias, uint32_t flow)
    ctypedef struct tmf_bytes:
        pass
    void tmf_bytes_build(tmf_bytes *bytes, const tmf_alias *alias, int n_cells)
    uint32_t tmf_draw_one(const tmf_alias *alias, uint32_t row, uint32_t random, uint32_t more)


cdef extern from "_population/vose.h" nogil:
    enum: TMF_ROWS            # rows built at once


cdef struct Layout:
    bint averaged             # a column is a successor only; rows are averaged over the policy's actions
    bint dense                # the cell of a flow is its successor
    int action_bits
    int cell_bits
    Py_ssize_t n_rows         # S, or 2 S: active rows, then passive rows


cdef class AliasTables:
    cdef Layout layout
    cdef tmf_alias alias
    cdef uint32_t *cells
    cdef uint32_t *finer
    cdef uint32_t *successors
    cdef tmf_bytes *bytes     # the same tables as bytes; NULL for more than 256 cells
    cdef void *memory         # block that holds `bytes`
    cdef double *mass         # (TMF_ROWS, 2^b) scratch
    cdef uint32_t *order      # (TMF_ROWS, 2^b) scratch

    @staticmethod
    cdef AliasTables of(Layout layout)
    # Build `bytes` as well from now on, if there are at most 256 cells.
    cdef int as_bytes(self) except -1
    cdef void build(self, Evaluator at) noexcept nogil
    cdef void build_rows(self, Py_ssize_t first, int n_rows) noexcept nogil
    cdef void clear(self, double *mass, Py_ssize_t row, Py_ssize_t observation) noexcept nogil
    cdef void fill_active(self, Evaluator at, Py_ssize_t o, double *mass) noexcept nogil
    cdef void fill_passive(self, Evaluator at, Py_ssize_t o, double *mass) noexcept nogil


cdef Layout layout_of(Evaluator at, bint passive_rows, bint averaged) noexcept
cdef double cells_in(Layout *layout) noexcept nogil
cdef int bits_for(Py_ssize_t n) noexcept nogil
