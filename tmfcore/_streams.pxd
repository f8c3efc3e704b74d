"""Addressed random streams and packed observations: streams.h and observations.h, as Cython sees them."""
from libc.stdint cimport int64_t, uint32_t, uint64_t


cdef extern from "streams.h" nogil:
    enum: TMF_LANES
    enum: TMF_TILE
    enum: TMF_PART
    ctypedef struct tmf_stream:
        pass
    void tmf_open(tmf_stream *stream, const uint64_t *key, uint64_t step, uint64_t block, uint64_t purpose)
    void tmf_fill(tmf_stream *stream, uint64_t *out, int n)
    double tmf_uniform(uint64_t word)
    void tmf_below(tmf_stream *stream, const uint64_t *words, uint64_t bound, uint64_t *out, int n)


cdef extern from "observations.h" nogil:
    uint32_t tmf_load_one(const void *observations, int width, uint64_t i)
    void tmf_store_one(void *observations, int width, uint64_t i, uint32_t observation)
    void tmf_pick(void *row, int width, const uint32_t *source, int64_t n, void *scratch)
    void tmf_prefetch_one(const void *observations, int width, uint64_t i)


cdef enum Purpose:             # the last word of a stream's address
    MOVES
    ACTIVATIONS
    SELECTION
    TIES
    SINGLES
    NAMES
