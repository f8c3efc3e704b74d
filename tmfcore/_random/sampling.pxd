"""Exact samplers on a borrowed numpy bit generator: no allocation, no Python.

Source     binomials by inversion, by transformed rejection (BTRS: Hoermann, J. Stat. Comput. Simul. 46, 1993) and, for
           large means, by numpy's BTPE (Kachitvichyanukul & Schmeiser 1988); hypergeometrics by numpy's HRUA
           (Stadlober 1990). Many rows at once: binomials.h.
Contract   a cell of probability zero is never drawn; counts split over cells sum exactly to the total.
Validity   binomials up to n = 10**18 (in SIMD lanes up to 2**50, else one by one), hypergeometrics up to 10**12 agents.
"""
from libc.stdint cimport int64_t, uint64_t

from tmfcore._random.numpy_random cimport binomial_t, bitgen_t


cdef extern from "tmfcore/_random/bounded.h" nogil:
    uint64_t tmf_multiply_high(uint64_t a, uint64_t b, uint64_t *low)
    bint tmf_biased(uint64_t low, uint64_t n)
    int64_t TMF_MOST_AGENTS
    int64_t TMF_MOST_BATCHED


cdef struct Sampler:
    bitgen_t *bits
    binomial_t binomial       # numpy's set-up cache for repeated (n, p)


# Both borrow the C struct of numpy's BitGenerator, which must outlive the pointer.
cdef bitgen_t *bits_of(object bit_generator) except NULL
cdef int start(Sampler *sampler, object bit_generator) except -1

# Raise ValueError unless 0 <= n <= 10**18, where binomials are exact; it names entry i of `name`, or `name` for i = -1.
cdef int check_number(str name, Py_ssize_t i, int64_t n) except -1

# Raise ValueError for a batch 1 < B < N of more than 10**12 agents, whose hypergeometric law numpy cannot draw.
cdef int check_batch(int64_t n_agents, int64_t batch) except -1
cdef int64_t binomial_by_inversion(Sampler *sampler, int64_t n, double p) noexcept nogil
cdef int64_t binomial_by_rejection(Sampler *sampler, int64_t n, double p) noexcept nogil

# numpy's samplers, which only this module is linked with.
cdef int64_t binomial_of_numpy(Sampler *sampler, int64_t n, double p) noexcept nogil
cdef int64_t poisson_of_numpy(bitgen_t *bits, double mean) noexcept nogil
cdef void split_multinomial(
    Sampler *sampler,
    int64_t n,                # IN           agents to place
    const double *p,          # IN   (K,)    probabilities, sum to 1
    Py_ssize_t n_cells,       # IN           K
    double *tails,            # SCRATCH (K,)
    int64_t *out,             # OUT  (K,)    sums to n
) noexcept nogil
cdef void split_hypergeometric(
    Sampler *sampler,
    const int64_t *counts,    # IN   (S,)    sums to total
    Py_ssize_t n_cells,       # IN           S
    int64_t total,            # IN           N
    int64_t batch,            # IN           0 <= batch <= N
    int64_t *out,             # OUT  (S,)    sums to batch, 0 <= out <= counts
) noexcept nogil


# Bytes of the stream of a RowSplitter; whether bytes from a file can be one, so that no word is read beside it.
cdef size_t stream_bytes() noexcept nogil
cdef bint stream_sound(const void *words) noexcept nogil


cdef class RowSplitter:
    """Multinomials of many rows at once, in SIMD lanes, from an addressed stream (streams.h). Owns its buffers.

    The stream's key is four words of the sampler's bit generator, drawn when rows are first split.
    """
    cdef Py_ssize_t capacity      # M K, in cells
    cdef Py_ssize_t *label        # (M,)    index of the row in the caller's table
    cdef int64_t *n               # (M,)    agents to place
    cdef double *p                # (M, K)  probabilities, overwritten by split
    cdef int64_t *out             # (M, K)  each row sums to its n
    cdef int64_t *listed
    cdef double *tails
    cdef void *words              # the stream, stream_bytes()
    cdef bint opened

    cdef void open(self, Sampler *sampler) noexcept nogil

    # Keep the stream, which is open, in 33 words; and its restoring, which opens it.
    cdef void keep(self, uint64_t *kept) noexcept nogil
    cdef int recall(self, const uint64_t *kept) except -1

    # Split, for the n_rows rows j that are listed, n[j] <= 2^50 agents by p[j], all in lanes. p is as tmf_shares writes
    # it, out zero. Open first.
    cdef void split_abreast(
        self, const int64_t *listed, Py_ssize_t n_rows, Py_ssize_t n_cells, const int64_t *n, const double *p,
        int64_t *out
    ) noexcept nogil

    # Split n by p (2,) into out (2,), by one inversion, if the rarer cell's mean is < 1; else return False. Open first.
    cdef bint rare(self, int64_t n, const double *p, int64_t *out) noexcept nogil

    # A double in (0, 1). Open first.
    cdef double uniform(self) noexcept nogil

    # Split n[j] by p[j] into out[j], for the first n_rows rows.
    cdef void split(self, Sampler *sampler, Py_ssize_t n_rows, Py_ssize_t n_cells) noexcept nogil

    # Split the next rows of a table with counts > 0, as many as fit into the capacity; return their number.
    cdef Py_ssize_t split_next(
        self,
        Sampler *sampler,
        const int64_t *counts,    # IN   (rows,)
        const double *table,      # IN   (rows, K)
        Py_ssize_t rows,
        Py_ssize_t n_cells,       # IN           K
        Py_ssize_t *row,          # INOUT        the first row not yet read
    ) noexcept nogil


cdef inline double uniform(Sampler *sampler) noexcept nogil:
    """A double in [0, 1) with 53 random bits."""
    return sampler.bits.next_double(sampler.bits.state)


cdef inline int64_t below(Sampler *sampler, int64_t n) noexcept nogil:
    """An integer exactly uniform on {0..n-1}, n >= 1."""
    cdef uint64_t low
    cdef uint64_t high = tmf_multiply_high(
        sampler.bits.next_uint64(sampler.bits.state), <uint64_t>n, &low)
    while tmf_biased(low, <uint64_t>n):
        high = tmf_multiply_high(sampler.bits.next_uint64(sampler.bits.state), <uint64_t>n, &low)
    return <int64_t>high


cdef inline Py_ssize_t scan(double u, const double *p, Py_ssize_t n_cells) noexcept nogil:
    """The cell of u in [0, 1); if rounding puts u beyond the sum of p, the last cell that has mass."""
    cdef Py_ssize_t k
    for k in range(n_cells):
        u -= p[k]
        if u < 0:
            return k
    k = n_cells - 1
    while k > 0 and p[k] <= 0:
        k -= 1
    return k


cdef inline int64_t binomial(Sampler *sampler, int64_t n, double p) noexcept nogil:
    """A Binomial(n, p) variate, exact for 0 <= n <= 10**18."""
    if n == 0 or p <= 0:
        return 0
    if p >= 1:
        return n
    if p > 0.5:               # n - k in integers: above 2**53 a double could not hold it
        return n - binomial(sampler, n, 1 - p)
    if n * p < 15:
        return binomial_by_inversion(sampler, n, p)
    if n * p <= 562949953421312.0:     # 2^49: above, a double has no fractional bits of k, which BTRS needs
        return binomial_by_rejection(sampler, n, p)
    return binomial_of_numpy(sampler, n, p)
