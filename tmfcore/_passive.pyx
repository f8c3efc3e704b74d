"""What those who stand still earn together, kept up to date as single agents move.

Contract   the sum is a float that single moves update: its rounding is wiped out every EXACT_EVERY steps by adding it
           up afresh, at steps that depend on t alone.
"""
from libc.stdint cimport int64_t

cdef enum:
    EXACT_EVERY = 1024


cdef int refresh(
    Evaluator at, PassiveRewards *passive, int t, const int64_t *counts, const double *mu, bint by_row, double *row
) except -1 nogil:
    cdef Py_ssize_t o
    cdef bint fresh = passive.fresh and at.model.local_passive_reward      # else r0 may depend on t and all of mu
    if fresh and t % EXACT_EVERY:
        return 0
    if by_row and not fresh:
        for o in range(at.n_observations):
            at.model.checked_row(t, <int>o, -1, mu, row, at.tables.passive_reward + o)
    passive.sum = 0
    for o in range(at.n_observations):
        passive.sum += counts[o] * at.tables.passive_reward[o]
    passive.fresh = True
    return 0


cdef int move_agent(
    Evaluator at, PassiveRewards *passive, int t, Py_ssize_t o, Py_ssize_t x, int64_t n_agents,
    int64_t *counts, double *mu, double *row
) except -1 nogil:
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
        at.model.checked_row(t, <int>o, -1, mu, row, rewards + o)
        at.model.checked_row(t, <int>x, -1, mu, row, rewards + x)
    passive.sum += counts[o] * rewards[o] + counts[x] * rewards[x]
    return 0
