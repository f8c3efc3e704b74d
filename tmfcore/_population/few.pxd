"""Small batches: a few agents act, the others stand still."""
from libc.stdint cimport int64_t, uint32_t

from tmfcore._population.alias cimport AliasTables
from tmfcore._model.evaluator cimport Evaluator
from tmfcore._population.ledger cimport Ledger
from tmfcore._population.singles cimport Population
from tmfcore._population.tiles cimport Crowd, Hands, Memory, Trajectory


cdef class Few:
    cdef bint priced           # rewards follow mu in O(1) an agent: no tables of the game are needed
    cdef double[::1] extra     # (S, A)  r - r0, where priced
    cdef uint32_t *chosen      # (largest batch,)
    cdef uint32_t *seen        # hash table of them

    @staticmethod
    cdef Few of(Evaluator at, Memory memory, Crowd *crowd, int64_t largest)
    # n_acting agents act at step t, from alias tables that stand for it or, where crowd.aliased is false, from rows.
    cdef int play(
        self, Evaluator at, AliasTables alias, Crowd *crowd, Hands *hands, Trajectory *trajectory, Ledger *ledger,
        int t, int64_t n_acting) except -1 nogil
    cdef void note(
        self, Evaluator at, Crowd *crowd, Hands *hands, Trajectory *trajectory, int64_t first, int n) noexcept nogil
