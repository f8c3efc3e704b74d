"""One step of the mean field forwards."""
from cython cimport final
from libc.stdint cimport int32_t

from tmfcore._model.evaluator cimport Evaluator


cdef class Arrivals:
    """Sparse rows by the observation they lead to: sums over arrivals need no memory to be read back.

    Entry i of the cells that lead to x, i in start[x]..start[x + 1] - 1: cell[i] in the table, in row[i].
    """
    cdef Py_ssize_t n_observations, n_cells
    cdef Py_ssize_t *start       # (S + 1,)
    cdef int32_t *cell           # (n_cells,)
    cdef int32_t *row            # (n_cells,)
    cdef double *share           # (n_cells,) a table that never changes, in this order; else NULL

    cdef int sort(self, const double *table) except -1 nogil
    # out[x], or with `onto` what is added to it, is the sum over the cells that lead to x of weights[row] table[cell].
    cdef void gather(self, const double *weights, const double *table, bint onto, double *out) noexcept nogil


cdef class Moves:
    """Where a population goes by the tables at which an evaluator stands."""
    cdef Arrivals acting         # None when dense
    cdef Arrivals resting        # None when dense, or the identity
    cdef double *weights         # (S, A)  who acts, by what they do
    cdef double *still           # (S,)    SCRATCH

    # Lay out kernels that never change by arrival, once and for all.
    cdef int sort(self, Evaluator at) except -1 nogil

    # weights[o, a] = beta mu(o) pi(a | o)
    @final
    cdef void weigh(self, Evaluator at, const double *mu, double beta) noexcept nogil

    # next_mu (S,) of `weights`, and of the share 1 - beta of mu (S,) that does not act; sums to what they sum to.
    @final
    cdef void move(self, Evaluator at, const double *mu, double beta, double *next_mu) noexcept nogil

    # Adds to next_mu those who do not act.
    @final
    cdef void drift(self, Evaluator at, const double *mu, double beta, double *next_mu) noexcept nogil


cdef class Push(Moves):
    """What a run forwards works with: who arrives where, and the kernel averaged over the policy of a stage."""
    cdef void *memory
    cdef bint steady                 # policy and kernel stay the same for a stage, and it is worth averaging them
    cdef Py_ssize_t stage_end        # the first step after the stage that is averaged
    cdef double *average             # (S, S), or the shares of merged arrivals; unused unless steady
    cdef bint merged                 # arrivals are merged over actions, by origin:
    cdef Py_ssize_t[::1] start       # (S + 1,)
    cdef int32_t[::1] origin

    cdef Py_ssize_t merge(self, Py_ssize_t A) except -1
    cdef int open_stage(self, Evaluator at, int t, const double *mu) except -1 nogil
    # next_mu (S,) of the population mu (S,) of which a share beta acts at step t; `at` is the one it was made for.
    cdef int step(self, Evaluator at, int t, const double *mu, double beta, double *next_mu) except -1 nogil
