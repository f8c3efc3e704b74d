"""Steps at which a small batch acts and passive agents stay where they are."""
from libc.stdint cimport int64_t, uint32_t, uint8_t

from tmfcore._population.alias cimport AliasTables
from tmfcore._model.evaluator cimport Evaluator
from tmfcore._population.ledger cimport Ledger
from tmfcore._population.shards cimport Shard
from tmfcore._population.singles cimport Population
from tmfcore._population.tiles cimport Crowd, Hands, Memory, Trajectory


# Whether visiting n_acting agents alone costs less than moving tiles of all; n_cells = S A K.
cpdef bint few_pay(int64_t n_acting, int64_t n_agents, double n_cells) noexcept nogil


cdef class Few:
    cdef bint priced           # rewards are updated in O(1) per agent, without the tables of the game
    cdef double[::1] extra     # (S, A)  r - r0
    cdef uint32_t *chosen      # (largest batch,)  agents
    cdef uint32_t *bits        # (largest batch,)  32 random bits for the move of each
    cdef uint32_t *seen        # set of the chosen agents (few.h)
    cdef Shard shard           # if the population is that of several processes; otherwise None, and the next two NULL:
    cdef uint32_t *places      # (largest batch,)  0, 1, 2..
    cdef uint8_t *copies       # (largest batch,)  observations of the chosen agents, in this order

    @staticmethod
    cdef Few of(Evaluator at, Memory memory, Crowd *crowd, int64_t largest, Shard shard)
    cdef void price(self, Evaluator at) noexcept nogil      # fill `extra` from the tables
    # Play step t with n_acting acting agents, with moves from `alias`, built for t, or from rows if not crowd.aliased.
    cdef int play(
        self, Evaluator at, AliasTables alias, Crowd *crowd, Hands *hands, Trajectory *trajectory, Ledger *ledger,
        int t, int64_t n_acting) except -1 nogil
    cdef void note(
        self, Evaluator at, Crowd *crowd, Hands *hands, Trajectory *trajectory, int64_t first, int n) noexcept nogil
