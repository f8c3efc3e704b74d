"""The total reward of all agents if every one is passive, kept up to date as single agents move."""
from libc.math cimport isfinite
from libc.stdint cimport int64_t

from tmfcore._model.evaluator cimport Evaluator
from tmfcore._model.model cimport Model, checked_row, refuse_standing


cdef enum:
    EXACT_EVERY = 1024         # steps from one exact sum to the next


cdef struct PassiveRewards:
    double sum                 # sum_o counts[o] r0(o, mu), if fresh
    bint fresh                 # move_agent keeps the sum up to date; a step at which all agents move clears this


# Bring at.tables.passive_reward and the sum to (t, mu); return whether they were computed afresh. A model that is not
# by_row needs at.tables_at(t, mu) first. `kept`: the sum is up to date if it is fresh, although r0 is not local.
cdef int refresh(
    Evaluator at,
    PassiveRewards *passive,
    int t,
    const int64_t *counts,     # IN   (S,)
    const double *mu,          # IN   (S,)
    double *row,               # SCRATCH (K0,)
    bint kept,
) except -1 nogil


cdef inline int reprice(
    Model model, int t, Py_ssize_t o, const double *mu, double *row, double *rewards
) except -1 nogil:
    """rewards[o] = r0(o, mu), for models whose r0(o, mu) depends on o and mu(o) only."""
    if model.separable_reward:
        rewards[o] = model.standing_reward(<int>o, mu)
        if not isfinite(rewards[o]):
            return refuse_standing(model, t, <int>o, mu)
    elif model.by_row:
        checked_row(model, t, <int>o, -1, mu, row, rewards + o)
    return 0                   # otherwise r0 is a constant table


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
    """Move one agent from o to x: update counts, mu and, if r0(o, mu) depends on mu(o) only, rewards and sum; O(1)."""
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
    reprice(at.model, t, o, mu, row, rewards)
    reprice(at.model, t, x, mu, row, rewards)
    passive.sum += counts[o] * rewards[o] + counts[x] * rewards[x]
    return 0
