"""Declarations of affine games for other kernels; see _affine.pyx."""
from libc.stdint cimport int32_t

from tmfcore._model.model cimport Model, Tables


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
    # out[y] += sum over rows i and cells k of weights[i] values[k, or successor[i, k]] times the derivative of the cell.
    cdef void pull(
        self, const double *weights, const double *values, const int32_t *successor, double *out) noexcept nogil
    # Turn rows first..first + n - 1, written by `row` or `fill` at mu, into those of the formula, if mu sums to mass.
    cdef void stretch(self, Py_ssize_t first, Py_ssize_t n, double mass, double *rows) noexcept nogil


cdef class Affine(Model):
    cdef readonly Rows active, passive
    cdef readonly bint by_mass          # stretch_row and stretch_tables change something if mu does not sum to 1
    cdef object arrays                  # owners of the memory below
    cdef bint fixed_reward              # r does not depend on mu
    cdef bint fixed_passive_reward
    cdef bint additive                  # r(o, a, mu) = r0(o, mu) + extra(o, a)
    cdef const double *reward           # (S, A): r if fixed, extra if additive, otherwise R
    cdef const double *slope            # (S, A, S) R'; NULL if fixed or additive
    cdef const double *level            # (S,): r0(o, mu) is level[o] + passive_slope[o] mu(o) if local,
    cdef const double *passive_slope    # (S,) or (S, S), otherwise level[o] + sum_y passive_slope[o, y] mu(y)
    cdef const double *reward_share     # (S, A) and (S,): the parts of `reward` and `level` that are multiplied by the
    cdef const double *level_share      # sum of mu

    cdef double held(self, Py_ssize_t o, const double *mu) noexcept nogil
    cdef double earned(self, Py_ssize_t o, Py_ssize_t a, const double *mu) noexcept nogil
    # Turn the output of row_at, or of tables_at(everything), at mu into that of the formula, if mu sums to `mass`.
    cdef void stretch_row(self, Py_ssize_t o, Py_ssize_t a, double mass, double *row, double *reward) noexcept nogil
    cdef void stretch_tables(self, double mass, Tables *tables) noexcept nogil
