"""What those who stand still earn together, kept up to date as single agents move."""
from libc.math cimport isfinite
from libc.stdint cimport int64_t

from tmfcore._model.evaluator cimport Evaluator
from tmfcore._model.model cimport Model, checked_row, refuse_standing


cdef struct PassiveRewards:
    double sum                 # sum_o counts[o] r0(o, mu), where fresh
    bint fresh                 # they follow the moves of single agents; a step at which all move ends that


# Make table and sum belong to (t, mu); the other tables at.at(t, mu) are the caller's.
cdef int refresh(
    Evaluator at,
    PassiveRewards *passive,
    int t,
    const int64_t *counts,     # IN   (S,)
    const double *mu,          # IN   (S,)
    double *row,               # SCRATCH (K0,)
) except -1 nogil


cdef inline int reprice(
    Model model, int t, Py_ssize_t o, const double *mu, double *row, double *rewards
) except -1 nogil:
    """rewards[o] = r0(o, mu), for models where it depends on mu(o) alone."""
    if model.separable_reward:
        rewards[o] = model.standing_reward(<int>o, mu)
        if not isfinite(rewards[o]):
            return refuse_standing(model, t, <int>o, mu)
    elif model.by_row:
        checked_row(model, t, <int>o, -1, mu, row, rewards + o)
    return 0                   # else it is a table that stays


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
    reprice(at.model, t, o, mu, row, rewards)
    reprice(at.model, t, x, mu, row, rewards)
    passive.sum += counts[o] * rewards[o] + counts[x] * rewards[x]
    return 0
