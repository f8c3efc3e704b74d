"""What those who stand still earn together, kept up to date as single agents move."""
from libc.stdint cimport int64_t

from tmfcore._evaluator cimport Evaluator
from tmfcore._model cimport checked_row


cdef struct PassiveRewards:
    double sum                 # sum_o counts[o] r0(o, mu), where fresh
    bint fresh                 # they follow the moves of single agents; a step at which all move ends that


# Make table and sum belong to (t, mu). With `by_row` every r0 is evaluated alone, else the tables already are.
cdef int refresh(
    Evaluator at,
    PassiveRewards *passive,
    int t,
    const int64_t *counts,     # IN   (S,)
    const double *mu,          # IN   (S,)
    bint by_row,
    double *row,               # SCRATCH (K0,)
) except -1 nogil


cdef inline int move_agent(
    Evaluator at,
    PassiveRewards *passive,
    int t,
    Py_ssize_t o,
    Py_ssize_t x,
    int64_t n_agents,
    int64_t *counts,           # INOUT (S,)
    double *mu,                # INOUT (S,)
    double *row,               # SCRATCH (K0,)
) except -1 nogil:
    """One agent goes from o to x: counts, mu and, where r0(o, mu) depends on mu(o) alone, rewards follow in O(1)."""
    cdef double *rewards = at.tables.passive_reward
    if x == o:
        return 0
    passive.sum -= counts[o] * rewards[o] + counts[x] * rewards[x]
    counts[o] -= 1
    counts[x] += 1
    mu[o] = <double>counts[o] / n_agents
    mu[x] = <double>counts[x] / n_agents
    if not at.model.local_passive_reward:
        return 0
    if at.model.by_row:
        checked_row(at.model, t, <int>o, -1, mu, row, rewards + o)
        checked_row(at.model, t, <int>x, -1, mu, row, rewards + x)
    passive.sum += counts[o] * rewards[o] + counts[x] * rewards[x]
    return 0
