"""The state of a run between two steps, from which it goes on with the same bits.

Contract   a run pauses only between two calls of the kernels that it makes anyway, so that pauses change no bit. What
           follows from counts and streams is made again; sums that were added up in floating point are kept, because
           their rounding depends on the order of the additions.
Form       one block of words per replica, written without Python: every run leaves one at its end. What is recorded so
           far, and the individuals, are beside it where they are needed.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

import numpy as np


cdef Py_ssize_t carried_words(Py_ssize_t n_obs, Py_ssize_t n_act, bint agents) noexcept nogil:
    return <Py_ssize_t>(sizeof(Carry) // sizeof(uint64_t)) + n_obs * (2 + n_act) + (n_obs * n_act if agents else 0)


def words_of(Py_ssize_t n_observations, Py_ssize_t n_actions, bint agents):
    """The words of a block, of the agents engine or of counts."""
    return carried_words(n_observations, n_actions, agents)


cdef double *standing_part(const uint64_t *block) noexcept nogil:
    return <double *>(block + sizeof(Carry) // sizeof(uint64_t))


cdef double *single_part(const uint64_t *block, Py_ssize_t n_obs) noexcept nogil:
    return standing_part(block) + n_obs


cdef double *few_part(const uint64_t *block, Py_ssize_t n_obs, Py_ssize_t n_act) noexcept nogil:
    return single_part(block, n_obs) + n_obs * (n_act + 1)


cdef void carry(
    const Population *people, Singles singles, Evaluator at, Py_ssize_t t, double weight, uint64_t *block
) noexcept nogil:
    cdef Carry *to = <Carry *>block
    to.weight = weight
    to.mutates = -1
    memcpy(to.key, people.key, 4 * sizeof(uint64_t))
    to.fresh = people.passive.fresh
    if to.fresh:
        to.sum = people.passive.sum
        memcpy(standing_part(block), at.tables.passive_reward, at.n_observations * sizeof(double))
    if singles is not None:
        singles.carry(at, t, to, single_part(block, at.n_observations))


cdef dict carried(
    const Ledger *ledger, const Population *people, Py_ssize_t t, object block, object counts, object decisions,
    object rewards
):
    cdef Py_ssize_t S = ledger.n_observations, j = ledger.interval
    # The last entry has the intervals that have ended, and what the present one has so far.
    return {
        "t": t, "total": ledger.total, "carried": block, "now": np.array(<int64_t[:S]>people.counts),
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
    cdef Py_ssize_t S = at.n_observations, t = found["t"], j, ahead
    cdef const uint64_t[::1] block = found["carried"]
    cdef const Carry *kept = <const Carry *>&block[0]
    memcpy(people.key, kept.key, 4 * sizeof(uint64_t))
    record = found.get("record")
    if record is not None:
        j = record["interval"]
        ahead = j - ledger.interval            # intervals without steps at the begin are passed already
        counts[:j + 1] = record["counts"]
        rewards[:j] = record["rewards"]
        if decisions is not None:
            np.asarray(decisions)[:j + 1] = record["decisions"]
            ledger.decisions += ahead * ledger.n_pairs
        ledger.counts += ahead * S
        ledger.rewards += ahead
        ledger.interval, ledger.left, ledger.remaining = j, record["left"], record["remaining"]
        ledger.reward, ledger.total = record["reward"], found["total"]
    ledger.weight = kept.weight
    if singles is not None:
        singles.resume(at, people, t, kept, single_part(&block[0], S))
    people.passive.sum, people.passive.fresh = kept.sum, kept.fresh != 0
    if people.passive.fresh:
        memcpy(at.tables.passive_reward, standing_part(&block[0]), S * sizeof(double))
    return t


cdef int check_state(
    dict found, Py_ssize_t n_obs, Py_ssize_t n_act, bint agents, int64_t n_agents, Py_ssize_t first,
    Py_ssize_t horizon
) except -1:
    now, block = found["now"], found["carried"]
    if now.shape != (n_obs,) or now.min() < 0 or now.sum() != n_agents:
        raise ValueError(f"now are no counts of {n_agents} agents at {n_obs} observations")
    if block.shape != (carried_words(n_obs, n_act, agents),) or block.dtype != np.uint64:
        raise ValueError(f"carried is {block.dtype} of shape {block.shape}; must be uint64 of shape "
                         f"({carried_words(n_obs, n_act, agents)},)")
    if not first <= found["t"] < horizon:
        raise ValueError(f"t is {found['t']}; must lie in {first}..{horizon - 1}")
    return 0


cdef int check_block(Py_ssize_t n_words, Py_ssize_t n_obs, Py_ssize_t n_act, bint agents) except -1:
    if n_words != carried_words(n_obs, n_act, agents):
        raise ValueError(f"end has {n_words} words; must have {carried_words(n_obs, n_act, agents)}")
    return 0
