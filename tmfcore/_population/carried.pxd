"""The state of a run between two steps, from which it goes on with the same bits."""
from libc.stdint cimport int64_t

from tmfcore._model.evaluator cimport Evaluator
from tmfcore._population.ledger cimport Ledger
from tmfcore._population.singles cimport Population, Singles


# The state after step t - 1, as a dict of arrays and numbers.
cdef dict carried(
    const Ledger *ledger, const Population *people, Singles singles, Evaluator at, Py_ssize_t t,
    object counts, object decisions, object rewards)

# Restore it, except for the singles; return t. The ledger has been opened, and the population placed.
cdef Py_ssize_t restore(
    dict found, Ledger *ledger, Population *people, Singles singles, Evaluator at,
    object counts, object decisions, object rewards) except -1

# Raise ValueError unless a state is one of such a run, at a step first..horizon - 1.
cdef int check_state(dict found, Py_ssize_t n_obs, int64_t n_agents, Py_ssize_t first, Py_ssize_t horizon) except -1
