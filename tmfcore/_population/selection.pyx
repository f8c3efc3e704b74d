"""The batch of a step at which all agents are visited: a bit for each agent.

Contract   a batch is drawn uniformly without replacement; step t uses a stream addressed by (key, t) alone.
Cost       O(N), some 0.1 ns an agent; O(B) if B < N / 64.
"""
from libc.stdint cimport int64_t, uint16_t, uint64_t
from libc.string cimport memset

from tmfcore._random.streams cimport SELECTION, TMF_PART, tmf_below, tmf_fill, tmf_open, tmf_stream

cdef extern from "_population/acting.h" nogil:
    void tmf_bits_below(const uint64_t *random, uint16_t threshold, uint64_t *bits, int n_words)
    int64_t tmf_count_bits(const uint64_t *bits, int64_t n_words)

cdef enum:
    DRAWN = 256                # agents drawn at once


cdef void adjust_bits(int64_t N, uint64_t *acting, tmf_stream *stream, int64_t excess) noexcept nogil:
    """Clear `excess` uniformly drawn bits of those set; if excess < 0, set -excess bits of those clear."""
    cdef uint64_t words[DRAWN]
    cdef uint64_t agents[DRAWN]
    cdef uint64_t bit
    cdef uint64_t wanted = excess > 0       # the value of the bits to change
    cdef int64_t left = excess if excess > 0 else -excess
    cdef int i, n
    while left > 0:
        n = <int>min(left, <int64_t>DRAWN)
        tmf_fill(stream, words, (n + 7) // 8)
        tmf_below(stream, words, N, agents, n)
        for i in range(n):
            bit = acting[agents[i] >> 6] >> (agents[i] & 63) & 1
            acting[agents[i] >> 6] ^= <uint64_t>(bit == wanted) << (agents[i] & 63)
            left -= bit == wanted


cdef void select_bits(int64_t N, const uint64_t *key, uint64_t *acting, int t, int64_t n_acting) noexcept nogil:
    """Set the bits of a uniformly drawn batch of n_acting < N agents.

    Each bit is drawn with probability close to n_acting / N, then random bits are changed until n_acting are set. By
    symmetry all batches of that size are equally likely, whatever the probability was.
    """
    cdef tmf_stream stream
    cdef uint64_t random[TMF_PART]            # four numbers of 16 bits each
    cdef int64_t first = 0
    cdef Py_ssize_t n_words = (N + 63) // 64
    cdef int64_t threshold = <int64_t>(65536.0 * <double>n_acting / <double>N)
    tmf_open(&stream, key, t, 0, SELECTION)
    if 64 * <double>n_acting < <double>N or 64 * <double>(N - n_acting) < <double>N:
        memset(acting, 0 if 2 * n_acting < N else 0xFF, n_words * sizeof(uint64_t))
        adjust_bits(N, acting, &stream, -n_acting if 2 * n_acting < N else N - n_acting)
        return
    while first < N:
        tmf_fill(&stream, random, TMF_PART // 8)
        tmf_bits_below(random, <uint16_t>threshold, acting + first // 64, TMF_PART // 16)
        first += 4 * TMF_PART                 # 4 TMF_PART divides TMF_TILE: `acting` has room for whole parts
    if N % 64:
        acting[n_words - 1] &= (<uint64_t>1 << (N % 64)) - 1
    adjust_bits(N, acting, &stream, tmf_count_bits(acting, n_words) - n_acting)
