"""One step of the mean field forwards."""
from libc.stdint cimport int32_t

from tmfcore._model.evaluator cimport Evaluator


cdef class Incoming:
    """Sparse rows by the observation they lead to: sums over arrivals need no memory to be read back.

    Entry i of the cells that lead to x, i in start[x]..start[x + 1] - 1: cell[i] in the table, in row[i].
    """
    cdef Py_ssize_t n_observations, n_cells
    cdef Py_ssize_t *start       # (S + 1,)
    cdef int32_t *cell           # (n_cells,)
    cdef int32_t *row            # (n_cells,)

    cdef void add(self, const double *weights, const double *table, double *out) noexcept nogil


cdef class Push:
    """What a run forwards works with: who arrives where, and the kernel averaged over the policy of a stage."""
    cdef Incoming arriving           # None when dense
    cdef Incoming drifting           # None when dense, or the identity
    cdef void *memory
    cdef double *weights             # (S, A)
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
