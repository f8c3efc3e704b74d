"""What agents do to all others under Poisson clocks, as a price per unit of time of being at an observation."""
from tmfcore._limit.externality cimport Externality
from tmfcore._model.evaluator cimport Evaluator


cdef class ExternalityInTime(Externality):
    cdef const double *rate             # (S,) nu
    cdef double short                   # the length of the steps of the model, in which rates are probabilities

    # To be called once, before `price`. Of the arguments of `price`, beta and discount have no meaning here.
    cdef void tick(self, const double *rate, double short) noexcept nogil


# out (S,): what agents at o earn per unit of time beside -rho values[o], and by their moves among `values` (S,).
cdef void earned_in_time(
    Evaluator at, const double *rate, double short, const double *values, double *out
) noexcept nogil
