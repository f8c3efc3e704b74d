"""How one plays, as the kernels see it: action probabilities at (t, mu)."""


cdef class Policy:
    cdef readonly Py_ssize_t n_observations, n_actions, n_stages
    cdef readonly bint depends_on_mu        # or on t other than through the stage
    cdef readonly bint differentiable       # slopes_at knows the derivatives in mu

    # Point `out` at the (S, A) table at step t of T; `buffer` (S, A) may hold it.
    cdef int table_at(
        self, int t, int horizon, const double *mu, double *buffer, const double **out) except -1 nogil
    # Point `out` at row (A,) of one observation; `buffer` (S, A) may hold it.
    cdef int row_at(
        self, int t, int horizon, Py_ssize_t observation, const double *mu, double *buffer, const double **out
    ) except -1 nogil
    # First and second derivatives (A, n) in mu of one observation's row, `pi` (A,) at mu, along `directions` (S, n).
    cdef int slopes_at(
        self, int t, int horizon, Py_ssize_t observation, const double *pi, const double *directions, Py_ssize_t n,
        double *first, double *second
    ) except -1 nogil


cdef inline Py_ssize_t stage_of(Py_ssize_t t, Py_ssize_t horizon, Py_ssize_t n_stages) noexcept nogil:
    """The stage of step t when n_stages are spread evenly over the horizon."""
    return t * n_stages // horizon


cdef inline Py_ssize_t stage_end(Py_ssize_t stage, Py_ssize_t horizon, Py_ssize_t n_stages) noexcept nogil:
    """The first step after a stage."""
    return ((stage + 1) * horizon + n_stages - 1) // n_stages
