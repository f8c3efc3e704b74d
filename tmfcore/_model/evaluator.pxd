"""A model and a policy at one (t, mu): the tables every kernel works from."""
from libc.stdint cimport int32_t

from tmfcore._model.model cimport Model, Tables
from tmfcore._model.policy cimport Policy


# Raise unless a run has 1..2**31 - 1 steps; unless there is one active fraction or one a step.
cdef int check_horizon(object horizon) except -1
cdef int check_active(Py_ssize_t n_active, Py_ssize_t horizon) except -1


cdef class Kept:
    cdef Py_ssize_t size            # cells of both kernels at one step
    cdef double *kernels            # (T, size)
    cdef bint *filled               # (T,)


cdef class Evaluator:
    cdef Model model
    cdef Policy policy              # None for best responses
    cdef Py_ssize_t n_observations, n_actions, n_successors, n_passive_successors
    cdef int horizon
    cdef Tables tables
    cdef const double *pi           # (S, A)
    cdef double *pi_buffer          # (S, A)
    cdef void *memory
    cdef bint filled, transitions_filled
    cdef double *turned             # the active kernel with rows side by side (values.h), or NULL
    cdef void *turned_memory
    cdef bint turned_filled
    cdef Kept kept                  # None: the kernels of a step are evaluated in every pass

    # Take kernels from `kept` where an earlier pass along the same flow left them, and leave them there. May be None.
    cdef int keep(self, Kept kept) except -1
    cdef int kept_at(self, int t, const double *mu, bint with_rewards) except -1 nogil

    # Refresh tables and pi for step t and population mu (S,).
    cdef int at(self, int t, const double *mu) except -1 nogil
    cdef int tables_at(self, int t, const double *mu) except -1 nogil
    # pi and the tables of those who do not act, row by row; a row of one who does is the caller's to ask for.
    cdef int passive_at(self, int t, const double *mu) except -1 nogil
    # The same for a run that reads no reward: rewards are refreshed only if that is no work.
    cdef int transitions_at(self, int t, const double *mu) except -1 nogil


cdef inline const int32_t *successors_of(Evaluator at, Py_ssize_t row) noexcept nogil:
    """Successors (K,) of active row o * A + a; NULL when dense."""
    if at.model.successor == NULL:
        return NULL
    return at.model.successor + row * at.n_successors


cdef inline const int32_t *passive_successors_of(Evaluator at, Py_ssize_t observation) noexcept nogil:
    """Successors (K0,) of a passive agent's row; NULL when dense."""
    if at.model.passive_successor == NULL:
        return NULL
    return at.model.passive_successor + observation * at.n_passive_successors
