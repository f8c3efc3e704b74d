"""The total reward of all agents if every one is passive, kept up to date as single agents move.

Contract   moves of single agents update the sum in floating point. It is summed again from scratch every EXACT_EVERY
           steps, to remove the rounding; these steps depend on t alone.
"""
from libc.stdint cimport int64_t

from tmfcore._model.model cimport Tables, checked_row

cdef int refresh(
    Evaluator at, PassiveRewards *passive, int t, const int64_t *counts, const double *mu, double *row,
    bint kept
) except -1 nogil:
    cdef Py_ssize_t o
    cdef Tables wanted
    cdef bint fresh = passive.fresh and at.model.local_passive_reward      # otherwise r0 may depend on t and all of mu
    if passive.fresh and (fresh or kept) and t % EXACT_EVERY:
        return 0
    if at.model.by_row and at.model.in_parts and not fresh:        # one product with mu for all rows instead of S
        wanted.reward = wanted.transition = wanted.passive_transition = NULL
        wanted.passive_reward = at.tables.passive_reward
        at.model.tables_at(t, mu, &wanted, True)
    elif at.model.by_row and not fresh:
        for o in range(at.n_observations):
            checked_row(at.model, t, <int>o, -1, mu, row, at.tables.passive_reward + o)
    passive.sum = 0
    for o in range(at.n_observations):
        passive.sum += counts[o] * at.tables.passive_reward[o]
    passive.fresh = True
    return 1
