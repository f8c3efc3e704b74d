"""States of replicas side by side, as carried.pyx has them: each may go on alone."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

import numpy as np

from tmfcore._population.lanes cimport TMF_SIDE, Side, tmf_side
from tmfcore._population.singles cimport Singles


cdef dict state_of(Side side, Py_ssize_t r, Py_ssize_t t, Py_ssize_t j, Py_ssize_t left):
    cdef tmf_side *it = side.it
    cdef Py_ssize_t S = it.n_observations, size = S * side.at.n_actions
    cdef Singles singles = side.singles
    side.see(side.at, r)
    now = np.array(<int64_t[:S]>side.people.counts)
    extra = np.array(<double[:size]>(side.extra + r * size))
    return {
        "t": t, "weight": it.weight, "total": it.whole[r], "key": np.array(<uint64_t[:4]>it.keys[r]), "now": now,
        "sum": it.total[r], "fresh": True,
        "standing": np.asarray(<double[:S]>singles.level) + np.asarray(<double[:S]>singles.slope) * now,
        "singles": (np.concatenate([extra, np.zeros(S)]), np.array([1, 1])), "words": None, "skipping": None,
        "record": {
            "interval": j, "left": left, "remaining": side.at.horizon - t, "reward": it.reward[r],
            "counts": np.array(side.counts[r, :j + 1]), "rewards": np.array(side.rewards[r, :j]),
            "decisions": None if side.decisions is None else np.array(side.decisions[r, :j + 1]),
        },
    }


cdef Py_ssize_t restore(Side side, list states) except -1:
    cdef tmf_side *it = side.it
    cdef Py_ssize_t S = it.n_observations, size = S * side.at.n_actions, R = len(states), r
    cdef const double[::1] extra
    for r in range(TMF_SIDE):
        found = states[min(r, R - 1)]
        extra = found["singles"][0]
        if extra.shape[0] != size + S or not found["fresh"] or not found["singles"][1][0]:
            raise ValueError("a state is not one of replicas side by side")
        memcpy(side.extra + r * size, &extra[0], size * sizeof(double))
        it.extra_of[r] = <uint32_t>(r * S * it.n_actions)
        it.total[r] = found["sum"]
        it.weight = found["weight"]
        if "record" in found:
            it.whole[r], it.reward[r] = found["total"], found["record"]["reward"]
    if side.singles.stage >= 0:
        side.average(side.at)
    return states[0]["record"]["interval"] if "record" in states[0] else 0


cdef int recall(Side side, list states, Py_ssize_t j) except -1:
    for r in range(side.it.n_populations):
        record = states[r].get("record")
        if record is None:
            continue
        np.asarray(side.counts)[r, :j + 1] = record["counts"]
        np.asarray(side.rewards)[r, :j] = record["rewards"]
        if side.decisions is not None:
            np.asarray(side.decisions)[r, :j + 1] = record["decisions"]
    return 0
