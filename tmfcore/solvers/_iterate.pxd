"""A policy under improvement: its table, the flow it makes, and what it is worth there."""
from libc.stdint cimport int32_t

from tmfcore._model.model cimport Model, Tables


cdef struct Arrivals:
    const Py_ssize_t *start     # (S + 1,); NULL: dense
    const int32_t *cell         # (n_cells,) in the table, by the observation it leads to
    const int32_t *row          # (n_cells,) the row each cell lies in
    double *share               # (n_cells,) the table in that order where it never changes; else NULL


cdef class Iterate:
    cdef Model model
    cdef readonly Py_ssize_t horizon, n_observations, n_actions
    cdef readonly object policy, mu, q, greedy
    cdef readonly double residual
    cdef readonly long flows
    cdef double[:, :, ::1] pi            # (T, S, A), the data of `policy`
    cdef double[:, ::1] flow             # (T + 1, S), of `mu`
    cdef double[:, :, ::1] played        # (T, S, A), of `q`
    cdef int32_t[:, ::1] best            # (T, S), of `greedy`
    cdef const double[::1] initial, active
    cdef double discount
    cdef bint always, kept, shared
    cdef Py_ssize_t n_slots
    cdef double *memory
    cdef Tables *slots                   # (n_slots,)
    cdef bint *filled                    # (n_slots,)
    cdef Arrivals active_arrivals, passive_arrivals
    cdef tuple owned                     # arrays the arrivals point into
    cdef double *weights                 # SCRATCH (S, A)
    cdef double *still                   # SCRATCH (S,)
    cdef double *best_q                  # SCRATCH (S, A)
    cdef double *pairs                   # SCRATCH (4, S)

    cdef double beta(self, Py_ssize_t t) noexcept nogil
    # The tables at step t of the flow as `refresh` left them.
    cdef Tables *tables(self, Py_ssize_t t) noexcept nogil
    cdef int refresh(self, Py_ssize_t t) except -1 nogil
    # next_mu (S,) of those at mu (S,) of whom beta act; weights (S, A) holds beta mu(o) pi(a|o).
    cdef void push(self, const Tables *tables, double beta, const double *mu, const double *weights,
                   double *next_mu) noexcept nogil
    cdef void advance(self, Py_ssize_t t) noexcept nogil
    cdef int forward(self) except -1 nogil
    cdef double step_back(self, Py_ssize_t t, const double *next, double *now) noexcept nogil
    cdef void weigh(self, const double *mu, const double *pairs, double *gap, double *mean_return) noexcept nogil
    cdef int backward(self, double *gap, double *pointwise, double *mean_return) except -1 nogil
    cdef int check_table(self, str name, const double[:, :, ::1] table) except -1


cdef inline double row_mean(
    const double *table, const int32_t *successor, Py_ssize_t row, Py_ssize_t n_cells, const double *values
) noexcept nogil:
    """sum_k table[row, k] values[successor[row, k]]; successor NULL: dense."""
    cdef Py_ssize_t k, first = row * n_cells
    cdef double total = 0
    if successor == NULL:
        for k in range(n_cells):
            total += table[first + k] * values[k]
    else:
        for k in range(n_cells):
            total += table[first + k] * values[successor[first + k]]
    return total
