"""First and second derivatives of a step of the mean field in the population."""
from tmfcore._limit.push cimport Moves
from tmfcore._model.evaluator cimport Evaluator


cdef class Derivatives:
    """Derivatives of the step of the evaluator's tables, and scratch memory of a run."""
    cdef Evaluator at
    cdef Moves moves
    cdef Py_ssize_t n_observations, n_actions
    cdef int horizon
    cdef bint exact                             # derivatives of policy and rows are known
    cdef bint moving                            # rows depend on mu, and their derivatives are known
    cdef bint smooth                            # the policy depends on mu, and its derivatives are known
    cdef Py_ssize_t block                       # directions at once if only the derivatives of the policy are known
    cdef object memory
    cdef double *transposed                     # (S, S) K', the averaged rows of one agent, transposed
    cdef double *factor                         # (S, S) row k is column k of F
    cdef double *square                         # (S, S) SCRATCH
    cdef double *directions                     # (S, S + 1) columns of F, and the bias
    cdef double *images                         # (S, S + 1) J times them
    cdef double *first                          # (A, S + 1) derivatives of a row of the policy, or (S, A, block)
    cdef double *second
    cdef double *pi                             # (S, A) at mu
    cdef double *moved                          # (S, A) near mu
    cdef double *scales                         # (S,) for a block: length of each direction
    cdef double *rooms                          # (S,) for a block: how far mu can move along each direction
    cdef double *centre                         # (S,) Phi(mu), as push computes it
    cdef double *curvature                      # (S,) H : Sigma
    cdef double *slope                          # (S,)
    cdef double *argument                       # (S,)
    cdef double *population                     # (S,)
    cdef double *plus                           # (S,)
    cdef double *toward                         # (S,) the direction along which mu moves
    cdef double *spread                         # (S, S) Sigma, if moving
    cdef double *row_slope                      # (K, S) derivatives of a row
    cdef double *row_bend                       # (K,)

    # out (S,) = K' population (S,), with K the rows at the evaluator's (t, mu).
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
