"""Policies over histograms of kappa others, as kernels that draw histograms read them."""
from libc.stdint cimport int32_t, int64_t

from tmfcore._model.policy cimport Policy


cdef class HistogramPolicy(Policy):
    cdef const double[:, :, :, ::1] stages       # (L, Z, X, A)
    cdef const double[:, ::1] weights            # (M, M); M = 1: one block
    cdef const int64_t[:, ::1] below             # (X, kappa + 1)  C(n + x, x), for `place`
    cdef readonly Py_ssize_t kappa, n_seen, n_blocks      # kappa, X, M
    cdef readonly object table

    # The mixture of the population that agents of a block see, (X,).
    cdef int view(self, Py_ssize_t block, const double *mu, double *seen) except -1 nogil
    # Average the rows of observations first..last - 1 of a block that sees `seen` into rows (last - first, A).
    # scratch: (X (kappa + 3),).
    cdef void average(
        self, Py_ssize_t stage, const double *seen, Py_ssize_t first, Py_ssize_t last, double *scratch, double *rows
    ) noexcept nogil
    # Add n histograms from `row` on, times `weights`, to the sums of observations first..last - 1.
    cdef void add(
        self, Py_ssize_t stage, Py_ssize_t row, Py_ssize_t n, const double *weights, Py_ssize_t first, Py_ssize_t last,
        bint all_rows, double *rows
    ) noexcept nogil
    # The rows of observations first..last - 1 of the game: of one block in part, or of whole blocks.
    cdef int averages(
        self, int t, int horizon, const double *mu, Py_ssize_t first, Py_ssize_t last, double *rows
    ) except -1 nogil
    # The row (A,) of an agent at an observation that sees a histogram (X,).
    cdef const double *row_of(
        self, Py_ssize_t stage, Py_ssize_t observation, const int32_t *histogram) noexcept nogil


cdef inline int64_t place(HistogramPolicy policy, const int32_t *histogram) noexcept nogil:
    """The place of a histogram (X,) among all in lexicographic order: those with a smaller entry come before it."""
    cdef Py_ssize_t x, others
    cdef int64_t left = policy.kappa, found = 0
    for x in range(policy.n_seen - 1):
        others = policy.n_seen - 1 - x
        found += policy.below[others, left]
        left -= histogram[x]
        found -= policy.below[others, left]
    return found
