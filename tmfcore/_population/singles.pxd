"""Steps at which one agent acts, or few of a population of counts, and passive agents stay where they are."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from tmfcore._population.alias cimport AliasTables, tmf_alias
from tmfcore._model.evaluator cimport Evaluator
from tmfcore._population.ledger cimport Ledger
from tmfcore._population.meetings cimport MeetingTables, tmf_met_rows
from tmfcore._population.passive cimport PassiveRewards
from tmfcore._population.shards cimport Shard, Visitors


cdef extern from "_population/events.h" nogil:
    enum:
        CHUNK "TMF_CHUNK"      # events whose random numbers are drawn at once
        AHEAD "TMF_AHEAD"      # events from the prefetch of an agent's observation to its use
        TMF_LOCAL
        TMF_COUPLED
        TMF_PRICED
        TMF_UNPAID
        TMF_ALONE
        TMF_MEETS
        TMF_MEETS_ACTS
    ctypedef struct tmf_draws:
        uint64_t agents[256]
        uint64_t partners[256]
        uint64_t words[512]
    ctypedef struct tmf_block:
        int64_t begin, end, length, chunk, first, size, n_observations
        int search_bits
        int64_t *bounds
        uint32_t left[256]
        uint32_t joined[256]
        uint32_t met[256]
        uint32_t pairs[256]
        uint32_t cells[256]
    ctypedef struct tmf_batch:
        int size, n_words, n_events
    void tmf_batch_open(tmf_batch *batch, uint64_t n, int size)
    void tmf_draw_batches(const uint64_t *key, int64_t chunk, const tmf_batch *batch, tmf_draws *draws)
    ctypedef struct tmf_event_tables:
        int kind
        tmf_alias first, second
        const tmf_met_rows *rows
        const int32_t *successor
        int64_t n_actions, n_successors
    ctypedef double (*tmf_standing_reward)(void *model, int observation, const double *mu) noexcept
    ctypedef struct tmf_events:
        const uint64_t *key
        tmf_draws draws
        tmf_block block
        tmf_batch batch
        tmf_event_tables tables
        int64_t n_agents
        void *observations
        int width, pricing
        int64_t *counts
        int64_t *decisions
        const double *extra
        const double *margin
        const double *coupling
        double *pull
        tmf_standing_reward price
        void *model
        double *mu
        double *standing
        double total, reward, whole, weight, discount
    void tmf_draw_chunk(const uint64_t *key, int64_t chunk, uint64_t n, int kind, tmf_draws *draws)
    void tmf_begin_block(
        tmf_block *block, int64_t t, int64_t n, const tmf_draws *draws, const int64_t *counts, bint meets)
    uint32_t tmf_place(tmf_block *block, uint32_t *places, int64_t i, uint64_t agent)
    void tmf_pull(tmf_events *it, int64_t o, int64_t x)
    int64_t tmf_play_events(tmf_events *it, int64_t t, int64_t n, int64_t most)


cdef enum Manner:
    FIXED                      # alias tables that are constant within a stage, rewards in O(1)
    MEETINGS                   # the same, with a row for each observation of a partner
    ROWS                       # each event evaluates one row of the game; if the game `meets`, that of a meeting
    TABLES                     # each event evaluates all tables of the game


cdef struct Population:
    int64_t n_agents
    uint64_t key[4]            # key of its random streams
    int64_t *counts            # (S,)
    double *mu                 # (S,)   counts / N, always derived
    double *row                # (max(K, K0),) scratch
    PassiveRewards passive
    uint8_t *observations      # (N,) of `width` bytes; NULL: individuals are not stored
    int width


cdef struct Event:             # the acting agent of one step
    int64_t agent
    Py_ssize_t observation
    Py_ssize_t action
    Py_ssize_t cell            # cell drawn in the row of (observation, action)
    double extra               # its reward minus that of a passive agent


# Words of the bounds of a population whose individuals are not stored.
cdef Py_ssize_t bounds_of(Evaluator at) noexcept nogil
# mean (S,) = sum_a pi(a | o) extra(o, a).
cdef void average_extra(Evaluator at, const double *extra, double *mean) noexcept nogil


# Whether batches of `size` agents are drawn one by one, if tables allow it.
cpdef bint one_by_one(int64_t size, int64_t n_agents, Py_ssize_t n_observations) noexcept


cdef struct Carry:             # the head of a block of carried.pyx, in words
    int64_t draws              # the run reads its bit generator, whose state is kept beside the block
    int64_t fresh              # `sum` and the standing rewards are those of the counts
    int64_t opened, played     # single agents: whether rewards were read; whether they made the last step
    int64_t few                # whether few agents have read rewards
    int64_t splits             # whether `stream` is in use
    int64_t mutates, number, mutant      # imitation.pxd
    int64_t until, block       # skipping.pxd
    double weight              # discount^t
    double sum                 # PassiveRewards.sum
    uint64_t key[4]
    uint64_t stream[33]        # that splits rows (RowSplitter.keep)


cdef class Singles:
    cdef AliasTables alias     # of FIXED: moves; of MEETINGS with several actions: actions; otherwise None
    cdef MeetingTables meetings     # None unless MEETINGS
    cdef Manner manner
    cdef bint averaged         # one action for the kernel: rows and `extra` are averaged over the policy
    cdef bint coupled          # the sum of r0 is kept by `events` (TMF_COUPLED)
    cdef Py_ssize_t stage      # stage of the tables in `alias`
    cdef Py_ssize_t ready      # step for which `prepare` was called last
    cdef Py_ssize_t played     # the step after those played last
    cdef Py_ssize_t chunk      # chunk of the random numbers in events.draws
    cdef Py_ssize_t size       # agents that act at a step
    cdef Py_ssize_t steps      # of a chunk
    cdef tmf_events events     # the kernel of FIXED and MEETINGS
    cdef double *memory        # of all arrays of doubles and of events.block.bounds
    cdef double *extra         # (S, A)  r - r0
    cdef double *mean_extra    # (S,)    averaged: its mean over the policy
    cdef double *level         # (S,)  TMF_LOCAL: r0(o, mu) = level[o] + slope[o] N mu(o)
    cdef double *slope         # (S,)
    cdef double *margin        # (S, 2)  level + slope, 2 slope
    cdef Event last            # the agent that acted last
    cdef bint recalled         # `extra` is that of an earlier run, not to be read again
    cdef Visitors visitors     # the agents of the chunk, if the population is that of several processes; otherwise None

    # For a run of at.horizon steps, at n_single of which one agent acts; reads whether people.observations is NULL.
    # Unless actions matter, rows may be averaged over the policy; rewards are then expectations over the actions.
    @staticmethod
    cdef Singles of(Evaluator at, const Population *people, Py_ssize_t n_single, bint actions_matter)

    # For a population of counts, of which `size` agents act at each step; None unless they are FIXED and can be drawn
    # one by one in less time than their number is split (`one_by_one`).
    @staticmethod
    cdef Singles of_batches(Evaluator at, const Population *people, int64_t size, bint actions_matter)
    cdef void gather(self, const Population *people, int64_t size) noexcept
    cdef void see(self, Evaluator at, const Population *people, int64_t *bounds) noexcept
    # Continue with the population of another key, whose individuals are `observations`, or NULL.
    cdef void turn(self, void *observations) noexcept nogil
    cdef bint draw(self, const Population *people, Py_ssize_t t) except -1 nogil
    # Play a population of several processes: events.draws numbers `visitors`, and events.observations has their copies.
    cdef int share(self, Shard shard, const Population *people) except -1
    # Store the moves of this process's own agents, after `play`, and let `last` number all agents.
    cdef void hand_back(self, Population *people) noexcept nogil
    cdef void meet(self, MeetingTables meetings) noexcept
    cdef int choose(self, Evaluator at, Py_ssize_t n_single, bint actions_matter) except -1
    # Evaluate the tables and draw the random numbers that step t needs.
    cdef int prepare(self, Evaluator at, Population *people, Py_ssize_t t) except -1 nogil
    # Read the rewards of FIXED and MEETINGS, then the alias tables and averages of the stage of step t.
    cdef int open_rewards(self, Evaluator at, Population *people, Py_ssize_t t) except -1 nogil
    cdef int open_tables(self, Evaluator at, const double *mu, Py_ssize_t t) except -1 nogil
    # How events.h keeps the sum of r0 up to date; `paid`: whether some local reward is not 0.
    cdef int pricing(self, Evaluator at, bint paid) noexcept nogil
    # Event i, of the present block.
    cdef Event event(self, Py_ssize_t i) noexcept nogil
    # What the next step needs besides counts, streams and the sum of r0; and its restoring before step t.
    # own: (S A + S,) doubles.
    cdef void carry(self, Evaluator at, Py_ssize_t t, Carry *to, double *own) noexcept nogil
    cdef int resume(
        self, Evaluator at, Population *people, Py_ssize_t t, const Carry *kept, const double *own) except -1
    # The i-th agent that acted at the last step.
    cdef Event acted(self, Py_ssize_t i) noexcept nogil
    cdef void couple(self, Evaluator at, Population *people) noexcept nogil
    # Play and record up to n_steps steps from t on; return their number, which ends with a chunk or a stage.
    cdef Py_ssize_t play(
        self, Evaluator at, Population *people, Ledger *ledger, Py_ssize_t t, Py_ssize_t n_steps) except -1 nogil
    cdef int play_tables(
        self, Evaluator at, Population *people, Ledger *ledger, Py_ssize_t t, Py_ssize_t n_steps) except -1 nogil
    cdef int play_one(
        self, Evaluator at, Population *people, Ledger *ledger, Py_ssize_t t, Py_ssize_t n_steps) except -1 nogil
