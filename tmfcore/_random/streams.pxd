"""Cython declarations of streams.h, addressed random streams."""
from libc.stdint cimport uint32_t, uint64_t


cdef extern from "_random/streams.h" nogil:
    enum: TMF_LANES
    enum: TMF_TILE
    enum: TMF_PART
    enum:                      # purposes
        MOVES "TMF_MOVES"
        ACTIVATIONS "TMF_ACTIVATIONS"
        SELECTION "TMF_SELECTION"
        TIES "TMF_TIES"
        SINGLES "TMF_SINGLES"
        NAMES "TMF_NAMES"
        SINGLES_AGAIN "TMF_SINGLES_AGAIN"
        NOISE "TMF_NOISE"
        TIMES "TMF_TIMES"
    ctypedef struct tmf_stream:
        pass
    void tmf_philox(uint64_t *counter, uint64_t key0, uint64_t key1)
    void tmf_open(tmf_stream *stream, const uint64_t *key, uint64_t step, uint64_t block, uint64_t purpose)
    void tmf_fill(tmf_stream *stream, uint64_t *out, int n)
    double tmf_uniform(uint64_t word)
    void tmf_below(tmf_stream *stream, const uint64_t *words, uint64_t bound, uint64_t *out, int n)
