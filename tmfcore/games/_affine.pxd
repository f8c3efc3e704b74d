"""Declarations of affine games for other kernels; see _affine.pyx."""
from tmfcore._model.model cimport Model, Tables
from tmfcore.games._affine_rows cimport Rows


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
