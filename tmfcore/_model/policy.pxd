"""Policies, as the kernels see them: action probabilities at (t, mu)."""


cdef class Policy:
    cdef readonly Py_ssize_t n_observations, n_actions, n_stages
    cdef readonly bint depends_on_mu        # or on t by more than the stage
    cdef readonly bint differentiable       # slopes_at gives the derivatives in mu

    # Point `out` to the table (S, A) at step t of T; it is either the policy's own or written to `buffer` (S, A).
    cdef int table_at(
        self, int t, int horizon, const double *mu, double *buffer, const double **out) except -1 nogil
    # Point `out` to the row (A,) of one observation; `buffer` (S, A) as in table_at.
    cdef int row_at(
        self, int t, int horizon, Py_ssize_t observation, const double *mu, double *buffer, const double **out
    ) except -1 nogil
    # First and second derivatives (A, n), along `directions` (S, n), of the row of one observation; `pi` (A,): the row.
    cdef int slopes_at(
        self, int t, int horizon, Py_ssize_t observation, const double *pi, const double *directions, Py_ssize_t n,
        double *first, double *second
    ) except -1 nogil


cdef inline Py_ssize_t stage_of(Py_ssize_t t, Py_ssize_t horizon, Py_ssize_t n_stages) noexcept nogil:
    """The stage of step t; n_stages stages divide the horizon evenly."""
    return t * n_stages // horizon


cdef inline Py_ssize_t stage_end(Py_ssize_t stage, Py_ssize_t horizon, Py_ssize_t n_stages) noexcept nogil:
    """The first step after a stage."""
    return ((stage + 1) * horizon + n_stages - 1) // n_stages
