"""Records of the counts engine for critics: agents by cell of their row, and sums of their rewards."""
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from tmfcore._model.evaluator cimport Evaluator, passive_successors_of
from tmfcore._population.singles cimport Event


cdef struct Record:            # sums over the present interval; NULL: not recorded
    int64_t *decisions             # (S, A)
    int64_t *active                # (S, A, K)
    double *reward_sums            # (S, A)
    int64_t *passive               # (S, K0)
    double *passive_reward_sums    # (S,)
    double *stood                  # (S,) scratch: r0 at the present step


cdef inline void note_active(
    Evaluator at, Record *record, Py_ssize_t row, Py_ssize_t cell, int64_t n
) noexcept nogil:
    if record.active != NULL:
        record.active[row * at.n_successors + cell] += n


cdef inline void note_passive_staying(Evaluator at, Record *record, Py_ssize_t o, int64_t n) noexcept nogil:
    cdef const int32_t *successor = passive_successors_of(at, o)
    cdef Py_ssize_t cell = 0
    if successor == NULL:
        cell = o
    else:
        while successor[cell] != o:
            cell += 1
    record.passive[o * at.n_passive_successors + cell] += n


cdef inline void note_standing(Evaluator at, Record *record, const int64_t *counts) noexcept nogil:
    """Record all agents as passive; note_single corrects this for each that acts."""
    cdef Py_ssize_t o
    for o in range(at.n_observations):
        record.stood[o] = at.tables.passive_reward[o]
        note_passive_staying(at, record, o, counts[o])
        record.passive_reward_sums[o] += counts[o] * record.stood[o]


cdef inline void note_single(Evaluator at, Record *record, Event event) noexcept nogil:
    cdef Py_ssize_t row = event.observation * at.n_actions + event.action
    note_active(at, record, row, event.cell, 1)
    record.reward_sums[row] += record.stood[event.observation] + event.extra
    note_passive_staying(at, record, event.observation, -1)
    record.passive_reward_sums[event.observation] -= record.stood[event.observation]


cdef inline Record interval_of(const Record *flows, Evaluator at, Py_ssize_t j) noexcept nogil:
    """The record of interval j, given that of interval 0."""
    cdef Record record
    cdef Py_ssize_t S = at.n_observations, rows = S * at.n_actions
    memset(&record, 0, sizeof(Record))
    record.active = flows.active + j * rows * at.n_successors
    record.reward_sums = flows.reward_sums + j * rows
    record.passive = flows.passive + j * S * at.n_passive_successors
    record.passive_reward_sums = flows.passive_reward_sums + j * S
    return record


cdef inline Record record_in(object flows, Py_ssize_t n_intervals, Evaluator at) except *:
    """The record of interval 0 in the arrays `flows` of counts.run, which are cleared. Raise ValueError."""
    cdef int64_t[:, :, :, ::1] active
    cdef int64_t[:, :, ::1] passive
    cdef double[:, :, ::1] reward_sums
    cdef double[:, ::1] passive_reward_sums
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions
    cdef Record record
    active, reward_sums, passive, passive_reward_sums = flows
    for array in flows:
        if array.shape[0] != n_intervals:
            raise ValueError(f"flows must have {n_intervals} intervals; got {array.shape[0]}")
        array[...] = 0
    if (active.shape[1] != S or active.shape[2] != A or active.shape[3] != at.n_successors
            or reward_sums.shape[1] != S or reward_sums.shape[2] != A or passive.shape[1] != S
            or passive.shape[2] != at.n_passive_successors or passive_reward_sums.shape[1] != S):
        raise ValueError("flows must have shapes (J, S, A, K), (J, S, A), (J, S, K0), (J, S)")
    memset(&record, 0, sizeof(Record))
    record.active = &active[0, 0, 0, 0]
    record.reward_sums = &reward_sums[0, 0, 0]
    record.passive = &passive[0, 0, 0]
    record.passive_reward_sums = &passive_reward_sums[0, 0]
    return record
