"""The tables of a model and of a policy at one (t, mu), from which every kernel works."""
from libc.stdint cimport int32_t

from tmfcore._base.interrupts cimport tmf_looks
from tmfcore._model.activation cimport ActingShares
from tmfcore._model.model cimport Model, Tables
from tmfcore._model.policy cimport Policy


# Raise ValueError unless 1 <= horizon < 2**31; unless n_active is 1 or horizon.
cdef int check_horizon(object horizon) except -1
cdef int check_active(Py_ssize_t n_active, Py_ssize_t horizon) except -1


# In place of an active fraction beta_t: each observation has its own, Evaluator.shares.
cdef enum:
    BY_OBSERVATION = -1


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
    cdef double *turned             # the active kernel in the blocks of values.h, or NULL
    cdef void *turned_memory
    cdef bint turned_filled
    cdef Kept kept                  # None: every pass evaluates the kernels again
    cdef ActingShares acting        # None: the probability of acting does not depend on the observation or mu
    cdef const double *shares       # (S,) with `acting`: that probability at (t, mu)
    cdef double[:, ::1] share_rows  # (1, S), or (T, S) if the shares of all steps are kept
    cdef tmf_looks looks            # of the kernel that uses this evaluator, for interrupts

    # Read and store the kernels of each step in `kept`, which later passes along the same flow reuse. None: do not.
    cdef int keep(self, Kept kept) except -1
    cdef int kept_at(self, int t, const double *mu, bint with_rewards) except -1 nogil

    # beta_t for the kernels that use this evaluator, from their argument: the array (1,) or (T,) itself; for
    # ActingShares, which are stored in `acting`, the array (BY_OBSERVATION,). Raise ValueError. See share_at.
    cdef const double[::1] activate(self, active)
    # Keep the shares of all steps, for recall_shares.
    cdef int keep_shares(self) except -1
    # With `acting`: point `shares` to beta_t(., mu), or to those kept at step t. The methods below call shares_at.
    cdef int shares_at(self, int t, const double *mu) except -1 nogil
    cdef void recall_shares(self, Py_ssize_t t) noexcept nogil

    # Refresh tables and pi for step t and population mu (S,); tables_at: the tables only.
    cdef int at(self, int t, const double *mu) except -1 nogil
    cdef int tables_at(self, int t, const double *mu) except -1 nogil
    # Refresh pi and the passive tables, by row. The caller asks for the active rows that it needs.
    cdef int passive_at(self, int t, const double *mu) except -1 nogil
    # Like at, for runs that read no rewards: rewards are refreshed only if the model cannot omit them (in_parts).
    cdef int transitions_at(self, int t, const double *mu) except -1 nogil


cdef inline double share_at(Evaluator at, Py_ssize_t o, double beta) noexcept nogil:
    """The probability that an agent at o acts: beta, or, if beta is BY_OBSERVATION, that of its observation."""
    return at.shares[o] if beta < 0 else beta


cdef inline const int32_t *successors_of(Evaluator at, Py_ssize_t row) noexcept nogil:
    """Successors (K,) of active row o * A + a; NULL if dense."""
    if at.model.successor == NULL:
        return NULL
    return at.model.successor + row * at.n_successors


cdef inline const int32_t *passive_successors_of(Evaluator at, Py_ssize_t observation) noexcept nogil:
    """Successors (K0,) of the passive row of an observation; NULL if dense."""
    if at.model.passive_successor == NULL:
        return NULL
    return at.model.passive_successor + observation * at.n_passive_successors
