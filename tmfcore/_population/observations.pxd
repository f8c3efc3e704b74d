"""Cython declarations of observations.h, packed observations of individuals."""
from libc.stdint cimport int64_t, uint32_t, uint64_t


cdef extern from "_population/observations.h" nogil:
    uint32_t tmf_load_one(const void *observations, int width, uint64_t i)
    void tmf_store_one(void *observations, int width, uint64_t i, uint32_t observation)
    void tmf_pick(void *row, int width, const uint32_t *source, int64_t n, void *scratch)
    void tmf_prefetch_one(const void *observations, int width, uint64_t i)
