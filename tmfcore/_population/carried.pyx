"""The state of a run between two steps, from which it goes on with the same bits.

Contract   a run pauses only between two calls of the kernels that it makes anyway, so that pauses change no bit. What
           follows from counts and streams is made again; sums that were added up in floating point are kept, because
           their rounding depends on the order of the additions.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

import numpy as np


cdef dict carried(
    const Ledger *ledger, const Population *people, Singles singles, Evaluator at, Py_ssize_t t,
    object counts, object decisions, object rewards
):
    cdef Py_ssize_t S = at.n_observations, j = ledger.interval
    # The last entry has the intervals that have ended, and what the present one has so far.
    return {
        "t": t, "weight": ledger.weight, "total": ledger.total, "key": np.array(<uint64_t[:4]><uint64_t *>people.key),
        "now": np.array(<int64_t[:S]>people.counts), "sum": people.passive.sum, "fresh": bool(people.passive.fresh),
        "standing": np.array(<double[:S]>at.tables.passive_reward),
        "singles": None if singles is None else singles.carried(at, t),
        "record": {
            "interval": j, "left": ledger.left, "remaining": ledger.remaining, "reward": ledger.reward,
            "counts": np.array(counts[:j + 1]), "rewards": np.array(rewards[:j]),
            "decisions": None if decisions is None else np.array(decisions[:j + 1]),
        },
    }


cdef Py_ssize_t restore(
    dict found, Ledger *ledger, Population *people, Singles singles, Evaluator at,
    object counts, object decisions, object rewards
) except -1:
    cdef Py_ssize_t S = at.n_observations, t = found["t"], j
    cdef const double[::1] standing = found["standing"]
    cdef const uint64_t[::1] key = found["key"]
    memcpy(people.key, &key[0], 4 * sizeof(uint64_t))
    record = found.get("record")
    if record is not None:
        j = record["interval"]
        counts[:j + 1] = record["counts"]
        rewards[:j] = record["rewards"]
        if decisions is not None:
            np.asarray(decisions)[:j + 1] = record["decisions"]
            ledger.decisions += j * ledger.n_pairs
        ledger.counts += j * S
        ledger.rewards += j
        ledger.interval, ledger.left, ledger.remaining = j, record["left"], record["remaining"]
        ledger.reward, ledger.total = record["reward"], found["total"]
    ledger.weight = found["weight"]
    if found["singles"] is not None and singles is not None:
        singles.resume(at, people, t, found["singles"])
    people.passive.sum, people.passive.fresh = found["sum"], found["fresh"]
    if people.passive.fresh:
        memcpy(at.tables.passive_reward, &standing[0], S * sizeof(double))
    return t


cdef int check_state(dict found, Py_ssize_t n_obs, int64_t n_agents, Py_ssize_t first, Py_ssize_t horizon) except -1:
    now, key, standing = found["now"], found["key"], found["standing"]
    if now.shape != (n_obs,) or now.min() < 0 or now.sum() != n_agents:
        raise ValueError(f"now are no counts of {n_agents} agents at {n_obs} observations")
    if key.shape != (4,) or standing.shape != (n_obs,):
        raise ValueError(f"key and standing have shapes {key.shape} and {standing.shape}; must be (4,) and ({n_obs},)")
    if not first <= found["t"] < horizon:
        raise ValueError(f"t is {found['t']}; must lie in {first}..{horizon - 1}")
    return 0
