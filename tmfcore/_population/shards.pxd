"""The agents of a population that one of several processes, its ranks, holds, and what it exchanges with the others."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef class Shard:
    cdef readonly int64_t n_agents     # N
    cdef readonly int64_t begin        # agents begin..end - 1 of the kernels, whole tiles
    cdef readonly int64_t end
    cdef object add                    # add(memoryview, width): sums numbers of `width` bytes over all ranks, in place

    # Sum n numbers of `width` bytes over all ranks, in place.
    cdef int total(self, void *numbers, Py_ssize_t n, int width) except -1 with gil
    # copies (n,) of `width` bytes, OUT: the observations of n agents, on whatever ranks they are.
    cdef int collect(
        self, const uint8_t *observations, int width, const uint32_t *agents, Py_ssize_t n, uint8_t *copies
    ) except -1 nogil
    # Store the copies of those agents that this rank holds.
    cdef void hand_back(
        self, uint8_t *observations, int width, const uint32_t *agents, Py_ssize_t n, const uint8_t *copies
    ) noexcept nogil


cdef class Visitors:
    """Agents whose moves every rank plays, and copies of their observations, at places 0, 1, 2.. of their own."""
    cdef Shard shard
    cdef int width
    cdef readonly Py_ssize_t n
    cdef uint32_t[::1] agents          # (most,)
    cdef uint8_t[::1] copies           # (most * width,)
    cdef uint16_t[::1] slots           # hash table of place + 1

    cdef void clear(self) noexcept nogil
    # agents (n,) INOUT: an agent becomes its place, which a new one gets.
    cdef void number(self, uint64_t *agents, int n) noexcept nogil
    cdef int collect(self, const uint8_t *observations) except -1 nogil
    cdef void hand_back(self, uint8_t *observations) noexcept nogil
