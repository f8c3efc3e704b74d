"""The state of a run between two steps, from which it goes on with the same bits."""
from libc.stdint cimport int64_t, uint64_t

from tmfcore._model.evaluator cimport Evaluator
from tmfcore._population.ledger cimport Ledger
from tmfcore._population.singles cimport Carry, Population, Singles


# Words of a block: a Carry, then standing rewards (S,), what single agents carry (S A + S,) and, for the agents engine,
# what few agents carry (S A,).
cdef Py_ssize_t carried_words(Py_ssize_t n_obs, Py_ssize_t n_act, bint agents) noexcept nogil
cdef double *standing_part(const uint64_t *block) noexcept nogil
cdef double *single_part(const uint64_t *block, Py_ssize_t n_obs) noexcept nogil
cdef double *few_part(const uint64_t *block, Py_ssize_t n_obs, Py_ssize_t n_act) noexcept nogil

# Write the block of the state after step t - 1, which must hold zeros.
cdef void carry(
    const Population *people, Singles singles, Evaluator at, Py_ssize_t t, double weight, uint64_t *block
) noexcept nogil

# The state after step t - 1 as a dict: its block, the counts, and what is recorded.
cdef dict carried(
    const Ledger *ledger, const Population *people, Py_ssize_t t, object block, object counts, object decisions,
    object rewards)

# Restore it; return t. The ledger has been opened, and the population placed.
cdef Py_ssize_t restore(
    dict found, Ledger *ledger, Population *people, Singles singles, Evaluator at,
    object counts, object decisions, object rewards) except -1

# Raise ValueError unless a state is one of such a run, at a step first..horizon - 1; or a block has room for its end.
cdef int check_state(
    dict found, Py_ssize_t n_obs, Py_ssize_t n_act, bint agents, int64_t n_agents, Py_ssize_t first,
    Py_ssize_t horizon) except -1
cdef int check_block(Py_ssize_t n_words, Py_ssize_t n_obs, Py_ssize_t n_act, bint agents) except -1
