"""The record of a run, for both engines: counts, decisions and rewards by interval, and the discounted return.

Contract   sums of integer outputs do not depend on the intervals; sums of rewards do so only by rounding.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memset

from tmfcore._model.model cimport Model

cdef extern from "_population/watch.h" nogil:
    void tmf_tell(int64_t *watch, int64_t done)


cdef struct Ledger:
    double n_agents
    Py_ssize_t n_observations
    Py_ssize_t n_pairs         # S A
    Py_ssize_t every           # steps per interval
    const int64_t *lengths     # (J,) the same of each interval, 0 or more; NULL: `every`
    Py_ssize_t n_intervals     # J
    Py_ssize_t remaining       # steps left in the run
    Py_ssize_t left            # steps left in the present interval
    Py_ssize_t interval        # index of the present interval
    int64_t *counts            # (S,)    OUT at its end
    int64_t *decisions         # (S, A)  OUT, sums over it; NULL: not recorded
    double *rewards            # (1,)    OUT, sum over it of mean rewards
    double reward              # sum of the rewards of all agents in it so far
    double total               # discounted sum of the rewards of all agents in the run so far
    double weight              # discount^t
    double discount


# Check the arguments of a run; return the number of agents, which must lie in 1..most. `why` explains the bound `most`.
# lengths: None, or the steps of each interval, instead of record_every.
cdef int64_t check_run(
    Model model, Py_ssize_t horizon, Py_ssize_t record_every, const int64_t[::1] initial_counts,
    int64_t[:, ::1] counts, int64_t[:, :, ::1] decisions, double[::1] rewards, int64_t most, str why,
    const int64_t[::1] lengths=*
) except -1


# Raise ValueError unless `key` has four words; unless individuals have this shape and dtype.
cdef int check_key(const uint64_t[::1] key) except -1
cdef int check_trajectory(str name, array, Py_ssize_t horizon, int64_t n_agents, dtype) except -1


# End a run early, after a whole step: the present interval is recorded as it is, so_far[0] is the return up to now.
cdef int end_early(const Ledger *ledger, const int64_t *counts, double[::1] so_far) except -1


# A pointer to the word of `watch`, or to `unwatched` if watch is None.
cdef int64_t *watched(int64_t[::1] watch, int64_t *unwatched) except NULL


cdef inline void begin_interval(Ledger *ledger) noexcept nogil:
    ledger.reward = 0
    if ledger.interval == ledger.n_intervals:
        ledger.left = 0
        return
    ledger.left = min(ledger.every, ledger.remaining) if ledger.lengths == NULL else ledger.lengths[ledger.interval]
    if ledger.decisions != NULL:
        memset(ledger.decisions, 0, ledger.n_pairs * sizeof(int64_t))


cdef inline void open_ledger(
    Ledger *ledger, int64_t n_agents, double discount, Py_ssize_t record_every, int64_t[:, ::1] counts,
    int64_t[:, :, ::1] decisions, double[::1] rewards, Py_ssize_t horizon, Py_ssize_t n_pairs, const int64_t *initial,
    const int64_t[::1] lengths=None
) noexcept nogil:
    """Write row 0 of counts (J + 1, S), the start; end_step writes the rest of the outputs."""
    memset(ledger, 0, sizeof(Ledger))
    ledger.n_agents = <double>n_agents
    ledger.n_observations = counts.shape[1]
    ledger.n_pairs = n_pairs
    ledger.every = record_every
    if lengths is not None:
        ledger.lengths = &lengths[0]
    ledger.n_intervals = rewards.shape[0]
    ledger.remaining = horizon
    ledger.counts = &counts[0, 0]
    ledger.rewards = &rewards[0]
    ledger.decisions = NULL if decisions is None else &decisions[0, 0, 0]
    ledger.weight = 1
    ledger.discount = discount
    memcpy(ledger.counts, initial, ledger.n_observations * sizeof(int64_t))
    ledger.counts += ledger.n_observations
    begin_interval(ledger)
    end_steps(ledger, 0, initial)  # intervals without steps


cdef inline void resume_ledger(
    Ledger *ledger, int64_t n_agents, Py_ssize_t n_observations, Py_ssize_t n_pairs, Py_ssize_t n_steps,
    int64_t *counts, int64_t *decisions, double *rewards, double total, double weight, double discount
) noexcept nogil:
    """For n_steps more steps, as one interval, of a population whose earlier steps gave total and weight."""
    memset(ledger, 0, sizeof(Ledger))
    ledger.n_agents = <double>n_agents
    ledger.n_observations = n_observations
    ledger.n_pairs = n_pairs
    ledger.n_intervals = 1
    ledger.every = ledger.remaining = n_steps
    ledger.counts = counts
    ledger.decisions = decisions
    ledger.rewards = rewards
    ledger.total = total
    ledger.weight = weight
    ledger.discount = discount
    begin_interval(ledger)


cdef inline void end_step(Ledger *ledger, double reward, const int64_t *counts) noexcept nogil:
    """Record one step: the sum of the rewards of all agents, and the counts after it."""
    ledger.reward += reward
    ledger.total += ledger.weight * reward
    ledger.weight *= ledger.discount
    end_steps(ledger, 1, counts)


cdef inline void end_steps(Ledger *ledger, Py_ssize_t n_steps, const int64_t *counts) noexcept nogil:
    """Pass n_steps <= ledger.left steps, whose rewards and decisions the ledger has already."""
    ledger.remaining -= n_steps
    ledger.left -= n_steps
    while ledger.left == 0 and ledger.interval < ledger.n_intervals:
        ledger.rewards[0] = ledger.reward / ledger.n_agents
        memcpy(ledger.counts, counts, ledger.n_observations * sizeof(int64_t))
        ledger.rewards += 1
        ledger.counts += ledger.n_observations
        if ledger.decisions != NULL:
            ledger.decisions += ledger.n_pairs
        ledger.interval += 1
        begin_interval(ledger)
