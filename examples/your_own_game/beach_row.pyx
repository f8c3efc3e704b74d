"""The beach bar in Cython, one row per call: `api` functions are exported as capsules named by their signature."""

from libc.math cimport log
from libc.stdlib cimport abs

cdef int S = 100


cdef api int row(
    int t, int place, int move, const double *mu, double *probabilities, double *reward, void *user
) noexcept nogil:
    reward[0] = 1 - abs(place - S // 2) / (S / 2.0) - log(mu[place] + 1e-6)
    if move < 0:                           # passive agents stay where they are
        probabilities[0] = 1
        return 0
    if move != 1:
        reward[0] -= 1.0 / S
    probabilities[0] = probabilities[2] = 0.25
    probabilities[1] = 0.5
    return 0
