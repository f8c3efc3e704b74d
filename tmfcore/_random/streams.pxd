"""Cython declarations of streams.h, addressed random streams."""
from libc.stdint cimport uint32_t, uint64_t


cdef extern from "_random/streams.h" nogil:
    enum: TMF_LANES
    enum: TMF_TILE
    enum: TMF_PART
    ctypedef struct tmf_stream:
        pass
    void tmf_open(tmf_stream *stream, const uint64_t *key, uint64_t step, uint64_t block, uint64_t purpose)
    void tmf_fill(tmf_stream *stream, uint64_t *out, int n)
    double tmf_uniform(uint64_t word)
    void tmf_below(tmf_stream *stream, const uint64_t *words, uint64_t bound, uint64_t *out, int n)


cdef enum Purpose:             # last part of a stream's address
    MOVES
    ACTIVATIONS
    SELECTION
    TIES
    SINGLES
    NAMES
