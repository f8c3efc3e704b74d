"""One step of the mean field forward."""
from cython cimport final
from libc.stdint cimport int32_t

from tmfcore._model.evaluator cimport Evaluator


cdef class Arrivals:
    """Cells of sparse rows, sorted by successor: each sum over arrivals stays in a register until it is stored.

    Entries i in start[x]..start[x + 1] - 1 lead to x: entry i is cell[i] of the table, in row[i].
    """
    cdef Py_ssize_t n_observations, n_cells
    cdef Py_ssize_t *start       # (S + 1,)
    cdef int32_t *cell           # (n_cells,)
    cdef int32_t *row            # (n_cells,)
    cdef double *share           # (n_cells,) a constant table in this order; NULL before sort

    # Copy a constant table into the order of arrivals, once.
    cdef int sort(self, const double *table) except -1 nogil
    # out[x] = (with `onto`: +=) the sum over the cells that lead to x of weights[row] table[cell].
    cdef void gather(self, const double *weights, const double *table, bint onto, double *out) noexcept nogil


cdef class Moves:
    """Moves a population by the tables that an evaluator holds. beta may be BY_OBSERVATION, as in share_at."""
    cdef Arrivals acting         # None if dense
    cdef Arrivals resting        # None if dense, or the identity
    cdef double *weights         # (S, A)  mass of acting agents by observation and action
    cdef double *still           # (S,)    SCRATCH

    # Sort constant kernels by arrival, once.
    cdef int sort(self, Evaluator at) except -1 nogil

    # weights[o, a] = beta mu(o) pi(a | o)
    @final
    cdef void weigh(self, Evaluator at, const double *mu, double beta) noexcept nogil

    # next_mu (S,): `weights` moved by the active kernel, plus (1 - beta) mu moved by the passive one. Not normalised.
    @final
    cdef void move(self, Evaluator at, const double *mu, double beta, double *next_mu) noexcept nogil

    # Add to next_mu the passive agents, (1 - beta) mu.
    @final
    cdef void drift(self, Evaluator at, const double *mu, double beta, double *next_mu) noexcept nogil


cdef class Push(Moves):
    """Steps of a forward run. If policy and kernel are constant within a stage, they are averaged once per stage."""
    cdef void *memory
    cdef bint steady                 # policy and kernel are constant within stages long enough for averaging to pay
    cdef Py_ssize_t stage_end        # the first step after the averaged stage
    cdef double *average             # if steady: (S, S), or one entry per merged arrival
    cdef bint merged                 # arrivals are merged over actions, to one per origin and successor:
    cdef Py_ssize_t[::1] start       # (S + 1,)
    cdef int32_t[::1] origin

    cdef Py_ssize_t merge(self, Py_ssize_t A) except -1
    cdef int open_stage(self, Evaluator at, int t, const double *mu) except -1 nogil
    # next_mu (S,) after step t, at which a share beta of mu (S,) acts. `at` must be the evaluator given to __cinit__.
    cdef int step(self, Evaluator at, int t, const double *mu, double beta, double *next_mu) except -1 nogil
