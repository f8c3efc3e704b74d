"""What agents do to all others, as a price of being at an observation."""
from tmfcore._model.evaluator cimport Evaluator
from tmfcore._model.model cimport Tables


cdef class Externality:
    """Prices at the steps of one flow, and scratch memory."""
    cdef Evaluator at                   # tables, policy and shares at (t, mu)
    cdef Evaluator there                # and at populations near mu; None: no differences are needed
    cdef readonly bint looks_ahead      # prices depend on the values of the next step
    cdef bint rewards_known, local      # derivatives of the rewards: from the model; or r0 depends on mu(o) alone
    cdef bint rows_known                # derivatives of the rows: from the model
    cdef bint reward_differences, row_differences, policy_differences, share_differences
    cdef bint filled
    cdef Py_ssize_t width               # of groups of observations (`divide`); S: one group
    cdef Tables own                     # of `there`
    cdef object memory
    cdef double *acting                 # (S, A) the share of all agents that chooses a at o
    cdef double *resting                # (S,)   and that waits there
    cdef double *scaled                 # (S,)   discounted next values
    cdef double *argument               # (S,)   a population near mu
    cdef double *centre                 # (S,)   values of the step at mu, and above and below it
    cdef double *above
    cdef double *below
    cdef double *q                      # (S, A)
    cdef double *scratch                # of Model.row_pull
    cdef Py_ssize_t *fullest            # (S / width,) of each group
    cdef double *mass                   # (S / width,) the share of all agents in it
    cdef object places

    # Observations are groups of `width`, such as histories of a noise: what agents earn in a group depends on the
    # population of the group, divided by its mass, which nobody changes. Prices then have mean 0 in each group, and are
    # 0 in empty ones. To be called before `price`.
    cdef int divide(self, Py_ssize_t width) except -1
    cdef int difference(self, bint rewards, bint rows) except -1
    cdef void centre_prices(self, const double *mu, double *out) noexcept nogil
    # out (S,): E_t of Theory, section 14, with sum_o mu(o) out[o] = 0. `at` is at (t, mu); next_values (S,): V_{t+1} of
    # the social optimum, read only if looks_ahead.
    cdef int price(
        self, int t, const double *mu, double beta, const double *next_values, double discount, double *out
    ) except -1 nogil
    cdef int add_local(self, int t, const double *mu, double *out) except -1 nogil
    cdef int add_differences(
        self, int t, const double *mu, double beta, const double *next_values, double discount, double *out
    ) except -1 nogil
    cdef bint shift(self, const double *mu, Py_ssize_t i, int way) noexcept nogil
    cdef int values_near(
        self, int t, double beta, const double *next_values, double discount, double *values
    ) except -1 nogil
    # What agents earn, (S,), with the tables and the policy of `there`.
    cdef int earn(self, const double *next_values, double discount, double beta, double *values) except -1 nogil
