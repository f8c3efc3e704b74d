"""Replicas side by side, as modules that keep their states see them."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from tmfcore._model.evaluator cimport Evaluator
from tmfcore._population.alias cimport tmf_alias
from tmfcore._population.singles cimport Population, Singles, tmf_batch


cdef extern from "_population/lanes.h" nogil:
    enum:
        TMF_SIDE
    ctypedef struct tmf_side:
        uint32_t pairs[32][16]
        uint32_t extra_of[16]
        double total[16]
        double reward[16]
        double whole[16]
        int64_t n_populations, n_observations, n_actions
        uint64_t n_agents
        tmf_batch batch
        uint64_t keys[16][4]
        tmf_alias alias
        int64_t n_blocks
        uint32_t *counts
        uint32_t *blocks
        double *margin
        double *rise
        double *extra
        int64_t *decisions[16]
        double weight, discount
        int64_t n_ties, n_biased


cdef class Side:
    cdef tmf_side *it
    cdef void *memory
    cdef double[::1] doubles
    cdef int64_t[:, :, ::1] counts         # (R, J + 1, S)
    cdef int64_t[:, :, :, ::1] decisions   # (R, J, S, A), or None
    cdef double[:, ::1] rewards            # (R, J)
    cdef int64_t[::1] idle                 # (S A,) decisions of idle lanes
    cdef bint decides
    cdef Evaluator at
    cdef Population people                 # one replica, as Singles sees it
    cdef Singles singles
    cdef double *extra                     # (R, S, A) r - r0; it.extra is its mean over the policy, if averaged

    cdef int allocate(self) except -1
    cdef int place(
        self, const uint64_t[:, ::1] keys, const int64_t[:, ::1] initial_counts, int64_t[:, :, ::1] counts, discount
    ) except -1
    cdef void see(self, Evaluator at, Py_ssize_t r) noexcept nogil
    cdef int open(self, Evaluator at) except -1 nogil
    cdef int open_tables(self, Evaluator at, Py_ssize_t t) except -1 nogil
    cdef void average(self, Evaluator at) noexcept nogil
    cdef void begin_interval(self, Py_ssize_t j) noexcept nogil
    cdef void end_interval_of(self, Py_ssize_t r, Py_ssize_t j) noexcept nogil
    cdef void end_interval(self, Py_ssize_t j) noexcept nogil
    cdef int check_ends(self, Py_ssize_t R, uint64_t[:, ::1] ends) except -1
