"""How a step of the mean field answers small changes of the population: its first and second derivatives."""
from tmfcore._limit.push cimport Moves
from tmfcore._model.evaluator cimport Evaluator


cdef class Derivatives:
    """Of the step at which the evaluator stands; and scratch memory of a run."""
    cdef Evaluator at
    cdef Moves moves
    cdef Py_ssize_t n_observations, n_actions
    cdef int horizon
    cdef bint exact                             # derivatives of policy and rows are known
    cdef bint moving                            # rows depend on mu, with derivatives that are known
    cdef bint smooth                            # the policy depends on mu, with derivatives that are known
    cdef Py_ssize_t block                       # directions taken together where only the policy's are known
    cdef object memory
    cdef double *transposed                     # (S, S) rows of one agent averaged over who acts and what, by column
    cdef double *factor                         # (S, S) row k is column k of F
    cdef double *square                         # (S, S) SCRATCH
    cdef double *directions                     # (S, S + 1) columns of F, and the bias
    cdef double *images                         # (S, S + 1) J times them
    cdef double *first                          # (A, S + 1) derivatives of a row of the policy, or (S, A, block)
    cdef double *second
    cdef double *pi                             # (S, A) at mu
    cdef double *moved                          # (S, A) near it
    cdef double *scales                         # (S,) of a block: length of each direction
    cdef double *rooms                          # (S,) and how far mu can move along it
    cdef double *centre                         # (S,) Phi(mu), as push computes it
    cdef double *curvature                      # (S,) H : Sigma
    cdef double *slope                          # (S,)
    cdef double *argument                       # (S,)
    cdef double *population                     # (S,)
    cdef double *plus                           # (S,)
    cdef double *toward                         # (S,) the direction in which mu is moved
    cdef double *spread                         # (S, S) Sigma, where rows move
    cdef double *row_slope                      # (K, S) derivatives of a row
    cdef double *row_bend                       # (K,)

    # out (S,) = K' population (S,), with K the rows at the (t, mu) where the evaluator stands.
    cdef void push(self, const double *population, double beta, double *out) noexcept nogil
    cdef int along_exactly(self, Evaluator at, int t, const double *mu, double beta, Py_ssize_t rank) except -1 nogil
    cdef int add_moving_row(
        self, Evaluator at, int t, Py_ssize_t o, Py_ssize_t a, const double *mu, double share, const double *pull
    ) except -1 nogil
    cdef double direction(self, const double *mu, const double *f, bint forward, double *room) noexcept nogil
    cdef int evaluate(
        self, int t, const double *mu, double beta, const double *f, double scale, const double *u, double h,
        const double *first, const double *second, double *out
    ) except -1 nogil
    cdef int along(self, int t, const double *mu, double beta, Py_ssize_t rank) except -1 nogil
    cdef int along_forward(self, int t, const double *mu, double beta, const double *f, double *slope) except -1 nogil
