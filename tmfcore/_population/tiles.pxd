"""A population of individuals, and the tiles in which its members move."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from tmfcore._population.alias cimport AliasTables, Layout
from tmfcore._model.evaluator cimport Evaluator
from tmfcore._population.singles cimport Population
from tmfcore._random.streams cimport tmf_stream


cdef extern from "_population/team.h" nogil:
    enum: TMF_TEAMS
    ctypedef struct tmf_team:
        pass
    void tmf_team_open(tmf_team *team)
    void tmf_team_close(tmf_team *team)
    void tmf_team_begin(tmf_team *team, long n_helpers)
    long tmf_team_await(tmf_team *team, long last)
    void tmf_team_finished(tmf_team *team)
    void tmf_team_join(tmf_team *team)


cdef struct Crowd:
    Population people
    Layout layout              # of flows, whether tables are built or rows scanned
    bint aliased               # moves are drawn from alias tables, not by scanning rows
    bint fixed_tables          # ... which stay the same for a whole stage
    bint moves_all             # there are steps at which everybody acts or drifts
    uint64_t *acting           # bits (N,); NULL until a batch needs them
    int64_t *decided           # (S, A)  of the present step, when all move
    int64_t *arrived           # (S,)


cdef struct Hands:             # what moving a part of a tile needs
    uint64_t *words            # (2 TMF_PART,)
    uint32_t *rows             # (TMF_PART,) each
    uint32_t *flows
    uint32_t *codes
    uint32_t *next
    uint16_t *packed
    uint8_t *small             # flows of at most 256 cells
    uint8_t *active
    void *after                # observations, of their width
    bint by_flow               # one histogram of flows instead of those of codes and arrivals
    size_t n_cells             # of the histogram of flows or codes
    uint32_t *decisions        # TMF_SPREAD (or 1) x n_cells
    uint32_t *arrivals         # TMF_SPREAD (or 1) x S
    uint32_t *pairs            # (64, 64) arrivals of two neighbours; NULL where they are counted one by one


cdef struct Trajectory:        # row t of each; NULL where not asked for
    uint8_t *observations      # (N,) of crowd.width
    uint8_t *actions           # (N,) of action_width
    int action_width
    double *rewards            # (N,)


cdef class Memory:
    cdef list blocks
    cdef void *take(self, size_t n_bytes) except NULL


cdef class Team:
    """Threads that move the tiles of one population together."""
    cdef Evaluator at
    cdef AliasTables alias
    cdef Crowd *crowd
    cdef Hands *hands                  # one a member
    cdef int n_members
    cdef list threads
    cdef tmf_team team
    # the present step
    cdef Trajectory *trajectory
    cdef int t
    cdef bint everybody
    cdef bint arrivals_only    # rows are averaged and everybody acts: who decided what is known
    cdef uint64_t threshold

    @staticmethod
    cdef Team of(Evaluator at, AliasTables alias, Crowd *crowd, Memory memory, int n_members)
    cdef void share(self, int member) noexcept nogil
    cdef void move(self, Trajectory *trajectory, int t, bint everybody, uint64_t threshold) noexcept nogil


cdef void draw_tile(
    Evaluator at, AliasTables alias, Crowd *crowd, Hands *hands, tmf_stream *stream, int t, int64_t first, int n
) noexcept nogil
cdef void write_action(Trajectory *trajectory, int64_t i, Py_ssize_t a) noexcept nogil
cdef void write_standing(Evaluator at, Crowd *crowd, Trajectory *trajectory) noexcept nogil
