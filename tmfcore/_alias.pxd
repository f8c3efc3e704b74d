"""Alias tables of a step: one row per observation, drawing action and successor at once."""
from libc.stdint cimport uint32_t, uint64_t

from tmfcore._evaluator cimport Evaluator


cdef extern from "alias.h" nogil:
    ctypedef struct tmf_alias:
        int column_bits
        const uint32_t *cells
        const uint32_t *finer
        const uint32_t *outcomes


cdef class AliasTables:
    cdef tmf_alias alias
    cdef Py_ssize_t n_rows             # S, or 2 S with the passive rows behind
    cdef uint32_t *cells
    cdef uint32_t *finer
    cdef uint32_t *outcomes
    cdef double *mass                  # (2^b,) scratch
    cdef uint32_t *order               # (2^b,) scratch

    cdef void build_active(self, Evaluator at) noexcept nogil
    cdef void build_passive(self, Evaluator at) noexcept nogil
    cdef void build_row(self, Py_ssize_t row) noexcept nogil


cdef Py_ssize_t columns_of(Evaluator at, bint passive_rows) noexcept
