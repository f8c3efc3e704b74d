"""A population of individuals, which moves in tiles of agents."""
from libc.stdint cimport int16_t, int32_t, int64_t, int8_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from tmfcore._population.alias cimport AliasTables, Layout
from tmfcore._model.evaluator cimport Evaluator
from tmfcore._population.observations cimport tmf_load_one
from tmfcore._population.shards cimport Shard
from tmfcore._population.singles cimport Population
from tmfcore._random.streams cimport tmf_stream


cdef extern from "_population/team.h" nogil:
    ctypedef struct tmf_team:
        pass
    void tmf_team_open(tmf_team *team)
    void tmf_team_close(tmf_team *team)
    void tmf_team_begin(tmf_team *team, int64_t n_helpers)
    int64_t tmf_team_await(tmf_team *team, int64_t last)
    void tmf_team_finished(tmf_team *team)
    void tmf_team_stop(tmf_team *team, bint stopped)
    bint tmf_team_stopped(const tmf_team *team)
    void tmf_team_join(tmf_team *team)


cdef struct Crowd:
    Population people          # observations: of agents begin..end - 1, at the addresses that they have among all
    int64_t begin, end         # agents of this process: 0 and N, or those of a Shard
    Layout layout              # of flows, also if rows are scanned
    bint aliased               # moves are drawn from alias tables, not by scanning rows
    bint fixed_tables          # the alias tables are constant within a stage
    bint moves_all             # at some steps all agents move
    uint64_t *acting           # (N,) bits, of all agents; NULL unless a batch is drawn for such a step
    uint64_t *thresholds       # (S,) probabilities to act, times 2^63; NULL unless they depend on the observation
    int64_t *decided           # (S, A)  decisions of such a step
    int64_t *arrived           # (S,)    counts after it; behind `decided`, so that both are summed over ranks at once


cdef struct Hands:             # buffers of one member of the team, for a part of a tile
    uint64_t *words            # (2 TMF_PART,)
    uint32_t *rows             # (TMF_PART,) each
    uint32_t *flows
    uint32_t *codes
    uint32_t *next
    uint16_t *packed
    uint8_t *small             # flows, if they fit in a byte
    uint8_t *active
    void *after                # next observations, of crowd.people.width bytes
    bint by_flow               # one histogram of flows replaces those of codes and arrivals
    size_t n_cells             # cells of the histogram of flows or codes
    uint32_t *decisions        # (TMF_SPREAD or 1, n_cells)  histogram of flows or codes
    uint32_t *arrivals         # (TMF_SPREAD or 1, S)
    uint32_t *pairs            # (64, 64) arrivals of two neighbouring agents; NULL: arrivals are counted one by one


cdef struct Trajectory:        # a row of each, at the addresses of all agents as in Crowd; NULL: not recorded
    uint8_t *observations      # (N,) of crowd.people.width
    uint8_t *actions           # (N,) of action_width
    int action_width
    double *rewards            # (N,)
    Py_ssize_t first, every    # the step of row 0, and the steps from one row to the next


cdef inline Trajectory rows_of(const Trajectory *recorded, const Crowd *crowd, Py_ssize_t t) noexcept nogil:
    """The row of step t of the arrays (J, end - begin) that begin at `recorded`; no pointers if it has none."""
    cdef inline Trajectory row = recorded[0]
    cdef Py_ssize_t first = (t - recorded.first) // recorded.every * (crowd.end - crowd.begin)
    if (t - recorded.first) % recorded.every:
        memset(&row, 0, sizeof(Trajectory))
        return row
    if row.observations != NULL:
        row.observations += first * crowd.people.width
    if row.actions != NULL:
        row.actions += first * row.action_width
    if row.rewards != NULL:
        row.rewards += first
    return row


cdef class Memory:
    cdef list large
    cdef void **last            # a list of blocks, each of which begins with the address of the one before
    cdef void *take(self, size_t n_bytes) except NULL


cdef class Team:
    """Threads that share the tiles of one population."""
    cdef Evaluator at
    cdef AliasTables alias
    cdef Crowd *crowd
    cdef Hands *hands                  # (n_members,)
    cdef int n_members
    cdef list threads
    cdef tmf_team team
    cdef Shard shard           # if the population is that of several processes; otherwise None
    # the present step
    cdef Trajectory *trajectory
    cdef int t
    cdef bint everybody
    cdef bint arrivals_only    # rows are averaged and all agents act: decisions need no count
    cdef uint64_t threshold

    @staticmethod
    cdef Team of(Evaluator at, AliasTables alias, Crowd *crowd, Memory memory, int n_members, Shard shard)
    cdef int share(self, int member) except -1 nogil
    cdef int move(self, Trajectory *trajectory, int t, bint everybody, uint64_t threshold) except -1 nogil


cdef void draw_tile(
    Evaluator at, AliasTables alias, Crowd *crowd, Hands *hands, tmf_stream *stream, int t, int64_t first, int n
) noexcept nogil
cdef void draw_moves(AliasTables alias, Crowd *crowd, Hands *hands, int t, int64_t first, int n) noexcept nogil


cdef inline void write_action(Trajectory *trajectory, int64_t i, Py_ssize_t a) noexcept nogil:
    if trajectory.action_width == 1:
        (<int8_t *>trajectory.actions)[i] = <int8_t>a
    elif trajectory.action_width == 2:
        (<int16_t *>trajectory.actions)[i] = <int16_t>a
    else:
        (<int32_t *>trajectory.actions)[i] = <int32_t>a


cdef inline void write_standing(Evaluator at, Crowd *crowd, Trajectory *trajectory) noexcept nogil:
    """Write observations, and actions and rewards as if all agents were passive; the caller overwrites those acting."""
    cdef const Population *people = &crowd.people
    cdef int64_t i, n = crowd.end - crowd.begin
    cdef int width = people.width
    cdef uint32_t o
    if trajectory.observations != NULL:
        memcpy(trajectory.observations + crowd.begin * width, people.observations + crowd.begin * width, n * width)
    if trajectory.actions != NULL:            # -1 in any width
        memset(trajectory.actions + crowd.begin * trajectory.action_width, 0xFF, n * trajectory.action_width)
    if trajectory.rewards != NULL:
        for i in range(crowd.begin, crowd.end):
            o = tmf_load_one(people.observations, width, i)
            trajectory.rewards[i] = at.tables.passive_reward[o]
