"""A policy and its evaluation along its own flow."""
from libc.stdint cimport int32_t

from tmfcore._limit.externality cimport Externality
from tmfcore._limit.push cimport Moves
from tmfcore._model.evaluator cimport Evaluator
from tmfcore._model.model cimport Model


cdef class Judged:
    cdef Model model
    cdef Evaluator at                    # tables and policy of the step set by `stand`
    cdef Moves moves
    cdef readonly Py_ssize_t horizon, n_observations, n_actions
    cdef readonly object policy, mu, q, greedy
    cdef readonly double residual
    cdef readonly long flows
    cdef double[:, :, ::1] pi            # (T, S, A), the data of `policy`
    cdef double[:, ::1] flow             # (T + 1, S), the data of `mu`
    cdef double[:, :, ::1] played        # (T, S, A), the data of `q`
    cdef int32_t[:, ::1] best            # (T, S), the data of `greedy`
    cdef const double[::1] initial, active
    cdef double discount
    cdef bint always
    cdef double *tables                  # (T, kept_cells) the tables of the game that vary; NULL: not kept
    cdef Py_ssize_t kept_cells
    cdef Py_ssize_t n_filled             # steps whose tables have been filled at least once
    cdef double *scratch                 # SCRATCH (2, S, A)
    cdef double *pair                    # SCRATCH (2, 2, S)
    cdef Externality externality         # None: altruism is 0
    cdef readonly double altruism
    cdef readonly object prices          # (T, S) altruism times E_t(o), of Theory, section 14; None: altruism is 0
    cdef double[:, ::1] priced           # the data of `prices`
    cdef double[:, ::1] social           # (2, S) values of the social optimum; rows take turns, `turn` is the later one
    cdef int turn
    cdef bint apart                      # prices need values other than those of the policy: altruism < 1, or `always`

    cdef double beta(self, Py_ssize_t t) noexcept nogil
    cdef void stand(self, Py_ssize_t t) noexcept nogil
    cdef int refresh(self, Py_ssize_t t) except -1 nogil
    cdef int recall(self, Py_ssize_t t) except -1 nogil
    cdef void push(self, const double *mu, double beta, double *next_mu) noexcept nogil
    cdef void advance(self, Py_ssize_t t) noexcept nogil
    cdef int forward(self) except -1 nogil
    cdef double step_back(self, Py_ssize_t t, const double *next_values, double *now) except? -1 nogil
    cdef int price(self, Py_ssize_t t, const double *ahead, bint apart) except -1 nogil
    cdef int price_all(self) except -1 nogil
    cdef void open_prices(self) noexcept nogil
    cdef int backward(self, double *gap, double *pointwise, double *mean_return) except -1 nogil
    cdef int check_table(self, str name, const double[:, :, ::1] table) except -1
