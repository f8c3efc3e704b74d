"""numpy's bit generators and samplers as C, without the types of numpy that `cimport numpy.random` loads."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from "<numpy/random/bitgen.h>":
    struct bitgen:
        void *state
        uint64_t (*next_uint64)(void *state) noexcept nogil
        uint32_t (*next_uint32)(void *state) noexcept nogil
        double (*next_double)(void *state) noexcept nogil
        uint64_t (*next_raw)(void *state) noexcept nogil

    ctypedef bitgen bitgen_t

cdef extern from "<numpy/random/distributions.h>" nogil:
    ctypedef struct binomial_t:
        pass

    int64_t random_poisson(bitgen_t *bits, double mean) noexcept
    int64_t random_binomial(bitgen_t *bits, double p, int64_t n, binomial_t *binomial) noexcept
    int64_t random_hypergeometric(bitgen_t *bits, int64_t good, int64_t bad, int64_t sample) noexcept
