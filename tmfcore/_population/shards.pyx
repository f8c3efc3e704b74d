"""The agents of a population that one of several processes, its ranks, holds, and what it exchanges with the others.

Source     Theory, section 1.  Notation: N agents, S observations.
Contract   all ranks play the same steps, with the same random words, and have the same counts after each. A rank holds
           the observations of whole tiles, so that a step at which all agents move needs no words of other ranks, only
           the sum of the histograms. Where few agents act, their observations are collected, every rank plays all their
           moves, in the same order, and stores those of its own agents.
Cost       a sum of S + S A integers for a step at which all agents move; of B observations for a batch of B; of up to
           512 for 256 single agents.
"""
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

import numpy as np

from tmfcore._population.observations cimport tmf_load_one, tmf_prefetch_one, tmf_store_one
from tmfcore._random.streams cimport TMF_TILE

TILE = TMF_TILE                # agents; ranks hold whole tiles

cdef enum:
    WRITABLE = 0x200           # PyBUF_WRITE
    AHEAD = 32                 # agents from the prefetch of an observation to its use


cdef class Shard:
    """The agents of one rank.

    Parameters
    ----------
    rank, size : int
        Number of this rank, 0..size - 1, and of all ranks.
    n_agents : int
        N; may be less than the agents of `size` tiles: some ranks then hold none.
    add : callable
        add(buffer, width) sums unsigned integers of 1, 2 or 4 bytes, or signed ones of 8, over all ranks, in place.
    """

    def __init__(self, int rank, int size, int64_t n_agents, add):
        cdef int64_t n_tiles = (n_agents + TMF_TILE - 1) // TMF_TILE
        if not 0 <= rank < size:
            raise ValueError(f"rank is {rank}; must lie in 0..{size - 1}")
        self.begin = n_tiles * rank // size * TMF_TILE
        self.end = min(n_tiles * (rank + 1) // size * TMF_TILE, n_agents)
        self.n_agents, self.add = n_agents, add

    def check(self, int64_t n_agents, int64_t most, bint listed):
        """Raise ValueError unless these are the agents of a run, at most `most` where lists of 32 bits have them."""
        if n_agents != self.n_agents:
            raise ValueError(f"shard is of {self.n_agents} agents; must be of {n_agents}")
        if n_agents > most and (listed or self.end - self.begin > most):
            raise ValueError(
                f"n_agents is {n_agents}; must be <= {most} where individuals are recorded or some steps visit few "
                "agents (one, or a small batch while passive agents stay); use Bernoulli or Synchronous, or counts "
                "without comm")

    cdef int total(self, void *numbers, Py_ssize_t n, int width) except -1 with gil:
        self.add(PyMemoryView_FromMemory(<char *>numbers, n * width, WRITABLE), width)
        return 0

    cdef int collect(
        self, const uint8_t *observations, int width, const uint32_t *agents, Py_ssize_t n, uint8_t *copies
    ) except -1 nogil:
        cdef Py_ssize_t i
        if n == 0:
            return 0
        for i in range(n):
            if i + AHEAD < n and self.begin <= agents[i + AHEAD] < self.end:
                tmf_prefetch_one(observations, width, agents[i + AHEAD])
            tmf_store_one(copies, width, i,
                          tmf_load_one(observations, width, agents[i]) if self.begin <= agents[i] < self.end else 0)
        return self.total(copies, n, width)

    cdef void hand_back(
        self, uint8_t *observations, int width, const uint32_t *agents, Py_ssize_t n, const uint8_t *copies
    ) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(n):
            if self.begin <= agents[i] < self.end:
                tmf_store_one(observations, width, agents[i], tmf_load_one(copies, width, i))


cdef class Visitors:
    """Agents whose moves every rank plays, and copies of their observations.

    Parameters
    ----------
    shard : Shard
    most : int
        Most agents at a time, < 2^14.
    width : int
        Bytes of an observation.
    """

    def __init__(self, Shard shard not None, Py_ssize_t most, int width):
        cdef Py_ssize_t size = 8
        while size < 4 * most:
            size *= 2
        self.shard, self.width = shard, width
        self.agents = np.zeros(most, np.uint32)
        self.copies = np.zeros(most * width, np.uint8)
        self.slots = np.zeros(size, np.uint16)

    cdef void clear(self) noexcept nogil:
        self.n = 0
        memset(&self.slots[0], 0, self.slots.shape[0] * sizeof(uint16_t))

    cdef void number(self, uint64_t *agents, int n) noexcept nogil:
        cdef Py_ssize_t last = self.slots.shape[0] - 1
        cdef Py_ssize_t slot
        cdef int i
        for i in range(n):
            slot = <Py_ssize_t>((agents[i] * <uint64_t>0x9E3779B97F4A7C15) >> 20) & last
            while self.slots[slot] and self.agents[self.slots[slot] - 1] != agents[i]:
                slot = (slot + 1) & last
            if not self.slots[slot]:
                self.agents[self.n] = <uint32_t>agents[i]
                self.n += 1
                self.slots[slot] = <uint16_t>self.n
            agents[i] = self.slots[slot] - 1

    cdef int collect(self, const uint8_t *observations) except -1 nogil:
        return self.shard.collect(observations, self.width, &self.agents[0], self.n, &self.copies[0])

    cdef void hand_back(self, uint8_t *observations) noexcept nogil:
        self.shard.hand_back(observations, self.width, &self.agents[0], self.n, &self.copies[0])
