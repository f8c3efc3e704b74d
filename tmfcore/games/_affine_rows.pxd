"""Rows that are affine in mu, for the kernels of affine games; see _affine_rows.pyx."""
from libc.stdint cimport int32_t


cdef class Rows:
    """n rows of K cells that are affine in mu, stored by their values at the corners of the simplex."""
    cdef object arrays                  # owners of the memory below
    cdef readonly Py_ssize_t n_observations
    cdef Py_ssize_t n_rows, n_cells, n_runs
    cdef readonly bint constant
    cdef readonly bint rigid            # constant also if mu does not sum to 1
    cdef const double *base             # (n, K) the formula at mu = 0
    cdef const double *first            # (n, K) all rows at corner 0
    cdef const double *corner           # (M, K, S) the M rows that depend on mu, at all corners
    cdef const Py_ssize_t *slot         # (n,) index of the row in `corner`, or -1 if it is constant
    cdef const Py_ssize_t *run          # (n_runs, 2) runs of neighbouring rows that depend on mu: first row, length
    cdef const double *zeros            # (n K,)

    cdef void row(self, Py_ssize_t i, const double *mu, double *out) noexcept nogil
    cdef void corner_row(self, Py_ssize_t i, Py_ssize_t y, double *out) noexcept nogil
    cdef void fill(self, const double *mu, double *out, bint everything) noexcept nogil
    cdef void slopes(self, Py_ssize_t i, double *slope, double *bend) noexcept nogil
    # out[y] += sum over rows i and cells k of weights[i] values[k], or values[successor[i, k]], times the derivative.
    cdef void pull(
        self, const double *weights, const double *values, const int32_t *successor,
        double *scratch,              # (K, S)
        double *out) noexcept nogil
    # Turn rows first..first + n - 1, written by `row` or `fill` at mu, into those of the formula, if mu sums to mass.
    cdef void stretch(self, Py_ssize_t first, Py_ssize_t n, double mass, double *rows) noexcept nogil
