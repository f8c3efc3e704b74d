"""Affine games as other kernels see them (_affine.pyx)."""
from tmfcore._model.model cimport Model, Tables


cdef class Rows:
    """n rows of K cells at every mu; of those that depend on it, the corners are kept."""
    cdef object arrays                  # owners of the memory below
    cdef readonly Py_ssize_t n_observations
    cdef Py_ssize_t n_rows, n_cells, n_runs
    cdef readonly bint constant
    cdef readonly bint rigid            # constant whatever mu sums to
    cdef const double *base             # (n, K) the constants of the formula: the rows at mu = 0
    cdef const double *first            # (n, K) all rows at corner 0
    cdef const double *corner           # (M, K, S) the rows that depend on mu, at all corners
    cdef const Py_ssize_t *slot         # (n,) where a row stands among them, or -1
    cdef const Py_ssize_t *run          # (n_runs, 2) first row and number of rows that depend on mu and are neighbours
    cdef const double *zeros            # (n K,)

    cdef void row(self, Py_ssize_t i, const double *mu, double *out) noexcept nogil
    cdef void fill(self, const double *mu, double *out, bint everything) noexcept nogil
    cdef void slopes(self, Py_ssize_t i, double *slope, double *bend) noexcept nogil
    # Rows first..first + n - 1, as `row` and `fill` give them at mu, become those of the formula where mu sums to mass.
    cdef void stretch(self, Py_ssize_t first, Py_ssize_t n, double mass, double *rows) noexcept nogil


cdef class Affine(Model):
    cdef readonly Rows active, passive
    cdef readonly bint by_mass          # what the formula gives depends on what mu sums to
    cdef object arrays                  # owners of the memory below
    cdef bint fixed_reward              # r does not depend on mu
    cdef bint fixed_passive_reward
    cdef bint additive                  # r(o, a, mu) = r0(o, mu) + extra(o, a)
    cdef const double *reward           # (S, A): r where it is fixed, extra where additive, else R
    cdef const double *slope            # (S, A, S), else NULL
    cdef const double *level            # (S,): r0(o, mu) = level[o] + passive_slope[o] mu(o) where it is local,
    cdef const double *passive_slope    # (S,), or (S, S): level[o] + sum_y passive_slope[o, y] mu(y)
    cdef const double *reward_share     # (S, A) and (S,): the part of `reward` and `level` that is a multiple of what
    cdef const double *level_share      # mu sums to

    cdef double held(self, Py_ssize_t o, const double *mu) noexcept nogil
    # What row_at and tables_at(everything) gave at mu becomes what the formula says where mu sums to `mass`, not to 1.
    cdef void stretch_row(self, Py_ssize_t o, Py_ssize_t a, double mass, double *row, double *reward) noexcept nogil
    cdef void stretch_tables(self, double mass, Tables *tables) noexcept nogil
