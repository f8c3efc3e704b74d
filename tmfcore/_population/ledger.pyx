"""Checks of the arguments that the runs of both engines share, and the early end of a run."""


cdef int64_t check_run(
    Model model, Py_ssize_t horizon, Py_ssize_t record_every, const int64_t[::1] initial_counts,
    int64_t[:, ::1] counts, int64_t[:, :, ::1] decisions, double[::1] rewards, int64_t most, str why,
    const int64_t[::1] lengths=None
) except -1:
    cdef Py_ssize_t S = model.n_observations, A = model.n_actions
    cdef Py_ssize_t o, n_intervals
    cdef int64_t n_agents = 0, n_steps = 0
    if record_every < 1:
        raise ValueError(f"record_every is {record_every}; must be >= 1")
    n_intervals = (horizon + record_every - 1) // record_every
    if lengths is not None:
        n_intervals = lengths.shape[0]
        for o in range(n_intervals):
            if not 0 <= lengths[o] <= horizon - n_steps:
                raise ValueError(f"lengths[{o}] is {lengths[o]}; must lie in 0..{horizon - n_steps}")
            n_steps += lengths[o]
        if n_steps != horizon:
            raise ValueError(f"lengths sum to {n_steps}; must sum to {horizon}, the horizon")
    if initial_counts.shape[0] != S:
        raise ValueError(f"initial_counts has {initial_counts.shape[0]} entries; must have {S}")
    if counts.shape[0] != n_intervals + 1 or counts.shape[1] != S:
        raise ValueError(f"counts has shape ({counts.shape[0]}, {counts.shape[1]}); must be ({n_intervals + 1}, {S})")
    if rewards.shape[0] != n_intervals:
        raise ValueError(f"rewards has {rewards.shape[0]} entries; must have {n_intervals}")
    if decisions is not None and (
            decisions.shape[0] != n_intervals or decisions.shape[1] != S or decisions.shape[2] != A):
        raise ValueError(f"decisions has shape ({decisions.shape[0]}, {decisions.shape[1]}, {decisions.shape[2]}); "
                         f"must be ({n_intervals}, {S}, {A})")
    for o in range(S):
        if initial_counts[o] < 0:
            raise ValueError(f"initial_counts[{o}] is {initial_counts[o]}; must be >= 0")
        if n_agents > most - initial_counts[o]:
            raise ValueError(f"initial_counts sum to more than {most}, {why}")
        n_agents += initial_counts[o]
    if n_agents < 1:
        raise ValueError("initial_counts sum to 0; must sum to at least 1")
    return n_agents


cdef int end_early(const Ledger *ledger, const int64_t *counts, double[::1] so_far) except -1:
    if ledger.interval < ledger.n_intervals:
        ledger.rewards[0] = ledger.reward / ledger.n_agents
        memcpy(ledger.counts, counts, ledger.n_observations * sizeof(int64_t))
    if so_far is not None:
        so_far[0] = ledger.total / ledger.n_agents
    return 0


cdef int64_t *watched(int64_t[::1] watch, int64_t *unwatched) except NULL:
    if watch is None:
        return unwatched
    if watch.shape[0] != 1:
        raise ValueError(f"watch has {watch.shape[0]} words; must have 1")
    return &watch[0]


cdef int check_key(const uint64_t[::1] key) except -1:
    if key.shape[0] != 4:
        raise ValueError(f"key has {key.shape[0]} words; must have 4")
    return 0


cdef int check_trajectory(str name, array, Py_ssize_t horizon, int64_t n_agents, dtype) except -1:
    if array.shape != (horizon, n_agents) or array.dtype != dtype or not array.flags.c_contiguous:
        raise ValueError(f"{name} is {array.dtype} of shape {array.shape}; must be C-contiguous {dtype} "
                         f"of shape {(horizon, n_agents)}")
    return 0
