"""States of replicas side by side, as carried.pyx has them: each may go on alone. And the ends of intervals."""
from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._model.evaluator cimport Evaluator
from tmfcore._model.model cimport refuse_standing
from tmfcore._population.carried cimport carried_words, single_part, standing_part
from tmfcore._population.lanes cimport TMF_SIDE, Side, tmf_side
from tmfcore._population.singles cimport Carry

cdef extern from "_population/lanes.h" nogil:
    int64_t tmf_side_steps(const tmf_side *it)


cdef void leave(Side side, Py_ssize_t r, uint64_t *block) noexcept nogil:
    cdef tmf_side *it = side.it
    cdef Py_ssize_t S = it.n_observations, A = side.at.n_actions, o
    cdef Py_ssize_t shared = it.extra_of[r] // (S * it.n_actions)       # equal replicas share their rewards
    cdef Carry *to = <Carry *>block
    cdef double *standing = standing_part(block)
    to.fresh = to.opened = to.played = True
    to.mutates = -1
    to.weight, to.sum = it.weight, it.total[r]
    memcpy(to.key, it.keys[r], sizeof(to.key))
    for o in range(S):
        standing[o] = side.singles.level[o] + side.singles.slope[o] * <int64_t>it.counts[o * TMF_SIDE + r]
    memcpy(single_part(block, S), side.extra + shared * S * A, S * A * sizeof(double))


cdef dict state_of(Side side, Py_ssize_t r, Py_ssize_t t, Py_ssize_t j, Py_ssize_t left, Py_ssize_t remaining):
    cdef tmf_side *it = side.it
    cdef Py_ssize_t S = it.n_observations
    block = np.zeros(carried_words(S, side.at.n_actions, False), np.uint64)
    cdef uint64_t[::1] words = block
    leave(side, r, &words[0])
    side.see(side.at, r)
    return {
        "t": t, "total": it.whole[r], "carried": block, "now": np.array(<int64_t[:S]>side.people.counts),
        "record": {
            "interval": j, "left": left, "remaining": remaining, "reward": it.reward[r],
            "counts": np.array(side.counts[r, :j + 1]), "rewards": np.array(side.rewards[r, :j]),
            "decisions": None if side.decisions is None else np.array(side.decisions[r, :j + 1]),
        },
    }


cdef Py_ssize_t restore(Side side, list states) except -1:
    cdef tmf_side *it = side.it
    cdef Py_ssize_t S = it.n_observations, size = S * side.at.n_actions, R = len(states), r
    cdef const uint64_t[::1] block
    cdef const Carry *kept
    for r in range(TMF_SIDE):
        found = states[min(r, R - 1)]
        block = found["carried"]
        kept = <const Carry *>&block[0]
        if not kept.fresh or not kept.opened:
            raise ValueError("a state is not one of replicas side by side")
        memcpy(side.extra + r * size, single_part(&block[0], S), size * sizeof(double))
        it.extra_of[r] = <uint32_t>(r * S * it.n_actions)
        it.total[r] = kept.sum
        it.weight = kept.weight
        if "record" in found:
            it.whole[r], it.reward[r] = found["total"], found["record"]["reward"]
    if side.singles.stage >= 0:
        side.average(side.at)
    return states[0]["record"]["interval"] if "record" in states[0] else 0


cdef int recall(Side side, list states) except -1:
    cdef Py_ssize_t r, j
    for r in range(side.it.n_populations):
        record = states[r].get("record")
        if record is None:
            continue
        j = record["interval"]
        np.asarray(side.counts)[r, :j + 1] = record["counts"]
        np.asarray(side.rewards)[r, :j] = record["rewards"]
        if side.decisions is not None:
            np.asarray(side.decisions)[r, :j + 1] = record["decisions"]
    return 0


cdef list states_apart(
    Side side, Py_ssize_t t, Py_ssize_t n_intervals, const Py_ssize_t *due, const Py_ssize_t *place,
    const Py_ssize_t *whole, const double[::1] returns
):
    cdef Py_ssize_t r
    kept = []
    for r in range(side.it.n_populations):
        found = state_of(side, r, t, place[r], max(due[r] - t, 0), max(whole[r] - t, 0))
        if place[r] == n_intervals:
            found["returned"] = returns[r]
        kept.append(found)
    return kept


cdef int restore_apart(
    Side side, list states, const int64_t[:, ::1] lengths, Py_ssize_t *due, Py_ssize_t *place,
    const Py_ssize_t *whole, double[::1] returns
) except -1:
    cdef Py_ssize_t J = lengths.shape[1], r, j
    restore(side, states)
    for r in range(side.it.n_populations):
        place[r] = states[r]["record"]["interval"]
        if not 0 <= place[r] <= J:
            raise ValueError(f"interval {place[r]} of a state is none of {J}")
        if place[r] == J:
            due[r] = whole[r]
            returns[r] = states[r]["returned"]
            continue
        due[r] = 0
        for j in range(place[r] + 1):
            due[r] += lengths[r, j]
        if side.decisions is not None:
            side.it.decisions[r] = &side.decisions[r, place[r], 0, 0]
    return recall(side, states)


cdef int check_totals(Side side, Evaluator at, Py_ssize_t t, Py_ssize_t end) except -1 nogil:
    """Raise if a sum of rewards is not finite after the steps t..end - 1."""
    cdef Py_ssize_t r, o, steps = tmf_side_steps(side.it)
    for r in range(side.it.n_populations):
        if isfinite(side.it.total[r]):
            continue
        side.see(at, r)
        for o in range(at.n_observations):
            if not isfinite(side.singles.level[o] + side.singles.slope[o] * side.people.counts[o]):
                refuse_standing(at.model, <int>t, <int>o, side.people.mu)
        o = side.it.pairs[((end - 1) % steps + 1) * side.it.batch.size - 1][r] // side.it.n_actions
        refuse_standing(at.model, <int>t, <int>o, side.people.mu)
    return 0


cdef Py_ssize_t pass_ends(
    Side side, Py_ssize_t *due, Py_ssize_t *place, const int64_t[:, ::1] lengths, double[::1] returns,
    uint64_t[:, ::1] ends, Py_ssize_t t
) noexcept nogil:
    """End the intervals that end at step t, and begin the next ones; return the step of the next end."""
    cdef Py_ssize_t J = lengths.shape[1], until = side.at.horizon + 1, r
    for r in range(lengths.shape[0]):
        while place[r] < J and due[r] == t:
            if place[r] >= 0:
                side.end_interval_of(r, place[r])
            side.it.reward[r] = 0
            place[r] += 1
            if place[r] == J - 1 and ends is not None:
                leave(side, r, &ends[r, 0])
            if place[r] == J:
                returns[r] = side.it.whole[r] / side.people.n_agents
                if side.decisions is not None:
                    side.it.decisions[r] = &side.idle[0]
                break
            due[r] += lengths[r, place[r]]
            if side.decisions is not None:
                side.it.decisions[r] = &side.decisions[r, place[r], 0, 0]
                memset(side.it.decisions[r], 0, side.it.n_observations * side.it.n_actions * sizeof(int64_t))
        if place[r] < J:
            until = min(until, due[r])
    return until
