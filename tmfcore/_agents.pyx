"""The agents engine: every agent keeps its own observation, and moves when it acts or drifts.

Source     theory.md section 1.  Notation: N agents, S observations, A actions, K successors, T steps, J intervals.
Contract   the draw of agent i at step t is addressed by (key, t, i): it depends neither on what is recorded nor on
           the instruction set. Integer counts are taken from the agents at every step, mu = counts / N from them.
Cost       all agents move: O(N) a step. B agents act and the others stand still: O(B) a step, plus what the game
           needs to evaluate its tables where they depend on mu.
Memory     1, 2 or 4 bytes an agent for S up to 2^8, 2^16, 2^20, and one bit for who acts.
"""
from libc.stdint cimport int16_t, int32_t, int64_t, int8_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._alias cimport AliasTables, Layout, cells_in, layout_of, tmf_alias, tmf_draw_one, tmf_successor
from tmfcore._evaluator cimport Evaluator, passive_successors_of, successors_of
from tmfcore._model cimport Model
from tmfcore._passive cimport PassiveRewards, move_agent, refresh
from tmfcore._policy cimport Policy, stage_of
from tmfcore._sampling cimport scan
from tmfcore._schedule cimport Activation, read_activation

MAX_AGENTS = 2**32 - 1
MAX_OBSERVATIONS = 2**20
MAX_ROWS = 2**30               # 2 S rows, times actions rounded up to a power of two


cdef extern from "agents.h" nogil:
    enum: TMF_TILE
    ctypedef struct tmf_stream:
        pass
    void tmf_open(tmf_stream *stream, const uint64_t *key, uint64_t step, uint64_t block, uint64_t purpose)
    void tmf_fill(tmf_stream *stream, uint64_t *out, int n)
    double tmf_uniform(uint64_t word)
    uint64_t tmf_stream_below(tmf_stream *stream, uint64_t n)
    void tmf_load(const void *observations, int width, uint32_t *rows, int n)
    void tmf_store(void *observations, int width, const uint32_t *next, int n)
    uint32_t tmf_load_one(const void *observations, int width, uint64_t i)
    void tmf_store_one(void *observations, int width, uint64_t i, uint32_t observation)
    void tmf_prefetch_one(const void *observations, int width, uint64_t i)
    void tmf_mark_passive(uint32_t *rows, const uint8_t *acting, uint32_t n_observations, int n)
    void tmf_unpack_bits(const uint64_t *bits, uint8_t *acting, int n)
    void tmf_bernoulli(const uint64_t *words, uint64_t threshold, uint8_t *acting, int n)
    uint32_t tmf_draw(const uint32_t *rows, const uint32_t *random, const uint32_t *cells, int column_bits,
                      uint32_t *flows, int n)
    void tmf_settle_ties(const tmf_alias *alias, const uint32_t *rows, const uint32_t *random, uint32_t *flows, int n,
                         const uint64_t *key, uint64_t step, uint64_t first, uint64_t purpose)
    void tmf_successors(const tmf_alias *alias, const uint32_t *flows, uint32_t *next, int n)
    void tmf_codes(const uint32_t *flows, int cell_bits, uint32_t *codes, int n)
    void tmf_count(const uint32_t *at, uint32_t *tables, size_t stride, int spread, int n)


cdef enum Purpose:             # the last word of a stream's address
    MOVES
    ACTIVATIONS
    SELECTION
    TIES
    SINGLES

cdef enum:
    CHUNK = 256                # single events whose random numbers are drawn together
    AHEAD = 32                 # events between the prefetch of an agent and its turn
    FLOWS_IN_CACHE = 1024      # up to so many flows one histogram of them serves decisions and arrivals
    SPREAD_UP_TO = 65536       # histograms with more cells are not made four times


cdef struct Crowd:
    int64_t n_agents
    uint64_t key[4]
    Layout layout              # of flows, whether tables are built or rows scanned
    bint aliased               # moves are drawn from alias tables, not by scanning rows
    bint fixed_tables          # ... which stay the same for a whole stage
    bint rows_only             # ... so that a small batch needs single rows of the game only
    int width                  # bytes an observation takes
    uint8_t *observations      # (N,) of that width
    uint64_t *acting           # bits (N,); NULL until a batch needs them
    uint32_t *chosen           # (largest small batch,)  agents, ...
    uint32_t *codes            # ... their row << action bits | action, ...
    uint32_t *targets          # ... and where they go
    uint64_t *seen             # hash table of chosen agents
    Py_ssize_t seen_size       # a power of two
    int64_t *counts            # (S,)
    double *mu                 # (S,)
    PassiveRewards passive
    int64_t *decided           # (S, A)  of the present step, when all move
    int64_t *arrived           # (S,)
    double *row                # (max(K, K0),) of a single agent
    int64_t *decisions         # (S, A) of the present interval; NULL: not asked for


cdef struct Hands:             # what moving a tile needs
    uint64_t *words            # (4 TMF_TILE,)
    uint32_t *rows             # (TMF_TILE,) each
    uint32_t *flows
    uint32_t *codes
    uint32_t *next
    uint8_t *active
    bint by_flow               # one histogram of flows instead of those of codes and arrivals
    size_t stride              # cells of the histogram of flows or codes
    int spread
    uint32_t *tables           # spread x stride
    uint32_t *arrivals         # 4 x S; unused by_flow


cdef struct Trajectory:        # row t of each; NULL where not asked for
    uint8_t *observations      # (N,) of crowd.width
    uint8_t *actions           # (N,) of action_width
    int action_width
    double *rewards            # (N,)


def observation_dtype(Py_ssize_t n_observations):
    """The smallest unsigned dtype that holds 0..n_observations - 1."""
    return np.dtype(np.uint8 if n_observations <= 2**8 else np.uint16 if n_observations <= 2**16 else np.uint32)


def action_dtype(Py_ssize_t n_actions):
    """The smallest signed dtype that holds -1 (passive)..n_actions - 1."""
    return np.dtype(np.int8 if n_actions <= 2**7 else np.int16 if n_actions <= 2**15 else np.int32)


# ---------------------------------------------------------------- moving a tile of agents

cdef void scan_tile(Evaluator at, Crowd *crowd, Hands *hands, int n) noexcept nogil:
    """Draw hands.codes and hands.next for hands.rows by scanning rows: for few agents, cheaper than tables."""
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions
    cdef Py_ssize_t K = at.n_successors, K0 = at.n_passive_successors
    cdef Py_ssize_t o, a, k
    cdef const int32_t *successor
    cdef double u
    cdef int i
    for i in range(n):
        o = hands.rows[i]
        a = 0
        u = tmf_uniform(hands.words[2 * i + 1])
        if o < S:
            a = scan(tmf_uniform(hands.words[2 * i]), at.pi + o * A, A)
            k = scan(u, at.tables.transition + (o * A + a) * K, K)
            successor = successors_of(at, o * A + a)
        elif at.model.passive_identity:
            k = o - S
            successor = NULL
        else:
            k = scan(u, at.tables.passive_transition + (o - S) * K0, K0)
            successor = passive_successors_of(at, o - S)
        hands.next[i] = <uint32_t>(k if successor == NULL else successor[k])
        hands.codes[i] = hands.rows[i] << crowd.layout.action_bits | <uint32_t>a


cdef void draw_tile(
    Evaluator at, AliasTables alias, Crowd *crowd, Hands *hands, tmf_stream *stream, int t, int64_t first, int n
) noexcept nogil:
    """hands.rows -> hands.codes, hands.next (and hands.flows); `first` addresses the tile's first draw."""
    if not crowd.aliased:
        tmf_fill(stream, hands.words, (n + 3) // 4)
        scan_tile(at, crowd, hands, n)
        return
    tmf_fill(stream, hands.words, (n + 15) // 16)
    if tmf_draw(hands.rows, <uint32_t *>hands.words, alias.alias.cells, alias.alias.column_bits, hands.flows, n):
        tmf_settle_ties(&alias.alias, hands.rows, <uint32_t *>hands.words, hands.flows, n, crowd.key, t, first, TIES)
    tmf_successors(&alias.alias, hands.flows, hands.next, n)
    tmf_codes(hands.flows, alias.alias.cell_bits, hands.codes, n)


cdef void gather_counts(Evaluator at, AliasTables alias, Crowd *crowd, Hands *hands) noexcept nogil:
    """The private histograms -> added to crowd.decided and crowd.arrived; clears them."""
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions
    cdef int action_bits = crowd.layout.action_bits
    cdef Py_ssize_t o, a, cell
    cdef int64_t n
    cdef int part
    if hands.by_flow:
        for cell in range(<Py_ssize_t>hands.stride):
            n = 0
            for part in range(hands.spread):
                n += hands.tables[part * hands.stride + cell]
            if n == 0:
                continue
            crowd.arrived[tmf_successor(&alias.alias, <uint32_t>cell)] += n
            o = cell >> alias.alias.column_bits
            if o < S:
                a = (cell >> alias.alias.cell_bits) & ((1 << action_bits) - 1)
                crowd.decided[o * A + a] += n
    else:
        for o in range(S):
            for a in range(1 if crowd.layout.averaged else A):
                for part in range(hands.spread):
                    crowd.decided[o * A + a] += hands.tables[part * hands.stride + (o << action_bits) + a]
        for part in range(4):
            for o in range(S):
                crowd.arrived[o] += hands.arrivals[part * S + o]
        memset(hands.arrivals, 0, 4 * S * sizeof(uint32_t))
    memset(hands.tables, 0, hands.spread * hands.stride * sizeof(uint32_t))


# ---------------------------------------------------------------- individuals

cdef inline void write_action(Trajectory *trajectory, int64_t i, Py_ssize_t a) noexcept nogil:
    if trajectory.action_width == 1:
        (<int8_t *>trajectory.actions)[i] = <int8_t>a
    elif trajectory.action_width == 2:
        (<int16_t *>trajectory.actions)[i] = <int16_t>a
    else:
        (<int32_t *>trajectory.actions)[i] = <int32_t>a


cdef void write_tile(
    Evaluator at, Crowd *crowd, Hands *hands, Trajectory *trajectory, int64_t first, int n
) noexcept nogil:
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions
    cdef Py_ssize_t row, a
    cdef int i
    for i in range(n):
        row = hands.rows[i]
        a = hands.codes[i] & ((1 << crowd.layout.action_bits) - 1)
        if trajectory.rewards != NULL:
            if row >= S:
                trajectory.rewards[first + i] = at.tables.passive_reward[row - S]
            else:
                trajectory.rewards[first + i] = at.tables.reward[row * A + a]
        if trajectory.actions != NULL:
            write_action(trajectory, first + i, -1 if row >= S else a)


cdef void write_standing(Evaluator at, Crowd *crowd, Trajectory *trajectory) noexcept nogil:
    """Everybody as if passive; those who act are written over."""
    cdef int64_t i
    if trajectory.observations != NULL:
        memcpy(trajectory.observations, crowd.observations, crowd.n_agents * crowd.width)
    if trajectory.actions != NULL:
        memset(trajectory.actions, 0xFF, crowd.n_agents * trajectory.action_width)      # -1 in any width
    if trajectory.rewards != NULL:
        for i in range(crowd.n_agents):
            trajectory.rewards[i] = at.tables.passive_reward[tmf_load_one(crowd.observations, crowd.width, i)]


# ---------------------------------------------------------------- a step at which everybody moves

cdef void select_bits(Crowd *crowd, int t, int64_t n_acting) noexcept nogil:
    """Set the bits of a uniformly drawn batch: the smaller of it and its complement is drawn by rejection."""
    cdef tmf_stream stream
    cdef Py_ssize_t n_words = (crowd.n_agents + 63) // 64
    cdef bint inverted = 2 * n_acting > crowd.n_agents
    cdef int64_t left = crowd.n_agents - n_acting if inverted else n_acting
    cdef Py_ssize_t w
    cdef uint64_t i
    tmf_open(&stream, crowd.key, t, 0, SELECTION)
    memset(crowd.acting, 0, n_words * sizeof(uint64_t))
    while left > 0:
        i = tmf_stream_below(&stream, crowd.n_agents)
        if not (crowd.acting[i >> 6] >> (i & 63)) & 1:
            crowd.acting[i >> 6] |= <uint64_t>1 << (i & 63)
            left -= 1
    if inverted:
        for w in range(n_words):
            crowd.acting[w] = ~crowd.acting[w]


cdef void move_tiles(
    Evaluator at, AliasTables alias, Crowd *crowd, Hands *hands, Trajectory *trajectory, int t,
    bint everybody, uint64_t threshold, int64_t first, int64_t last
) noexcept nogil:
    """Agents first..last - 1 act or drift; crowd.acting says who acts, or, where it is NULL, the threshold p 2^64."""
    cdef tmf_stream stream
    cdef int n
    while first < last:
        n = <int>min(<int64_t>TMF_TILE, last - first)
        tmf_load(crowd.observations + first * crowd.width, crowd.width, hands.rows, n)
        if trajectory.observations != NULL:
            memcpy(trajectory.observations + first * crowd.width, crowd.observations + first * crowd.width,
                   n * crowd.width)
        if not everybody:
            if crowd.acting == NULL:
                tmf_open(&stream, crowd.key, t, first // TMF_TILE, ACTIVATIONS)
                tmf_fill(&stream, hands.words, (n + 7) // 8)
                tmf_bernoulli(hands.words, threshold, hands.active, n)
            else:
                tmf_unpack_bits(crowd.acting + first // 64, hands.active, n)
            tmf_mark_passive(hands.rows, hands.active, <uint32_t>at.n_observations, n)
        tmf_open(&stream, crowd.key, t, first // TMF_TILE, MOVES)
        draw_tile(at, alias, crowd, hands, &stream, t, first, n)
        tmf_store(crowd.observations + first * crowd.width, crowd.width, hands.next, n)
        if hands.by_flow:
            tmf_count(hands.flows, hands.tables, hands.stride, hands.spread, n)
        else:
            tmf_count(hands.codes, hands.tables, hands.stride, hands.spread, n)
            tmf_count(hands.next, hands.arrivals, at.n_observations, 4, n)
        if trajectory.actions != NULL or trajectory.rewards != NULL:
            write_tile(at, crowd, hands, trajectory, first, n)
        first += n


cdef double play_all(
    Evaluator at, AliasTables alias, Crowd *crowd, Hands *hands, Trajectory *trajectory, int t,
    int64_t n_acting, double p
) noexcept nogil:
    """n_acting agents act (n_acting < 0: each with probability p), the others drift; returns everybody's reward."""
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions
    cdef Py_ssize_t o, a
    cdef int64_t acted
    cdef double reward = 0
    cdef uint64_t threshold = 0
    cdef bint everybody = n_acting == crowd.n_agents or (n_acting < 0 and p >= 1)
    if n_acting < 0 and p < 1:
        threshold = <uint64_t>(p * 18446744073709551616.0)
    elif not everybody:
        select_bits(crowd, t, n_acting)
    memset(crowd.decided, 0, S * A * sizeof(int64_t))
    memset(crowd.arrived, 0, S * sizeof(int64_t))
    move_tiles(at, alias, crowd, hands, trajectory, t, everybody, threshold, 0, crowd.n_agents)
    gather_counts(at, alias, crowd, hands)
    for o in range(S):
        acted = 0
        for a in range(A):
            acted += crowd.decided[o * A + a]
            if crowd.layout.averaged:         # decided[o, 0] agents acted: their mean reward
                reward += crowd.decided[o * A] * at.pi[o * A + a] * at.tables.reward[o * A + a]
            else:
                reward += crowd.decided[o * A + a] * at.tables.reward[o * A + a]
        reward += (crowd.counts[o] - acted) * at.tables.passive_reward[o]
    for o in range(S):
        crowd.counts[o] = crowd.arrived[o]
        crowd.mu[o] = <double>crowd.counts[o] / crowd.n_agents
    if crowd.decisions != NULL:
        for o in range(S * A):
            crowd.decisions[o] += crowd.decided[o]
    crowd.passive.fresh = False
    return reward


# ---------------------------------------------------------------- a step at which few act and the others stand still

cdef void select_few(Crowd *crowd, int t, int64_t n_acting) noexcept nogil:
    """crowd.chosen: a uniformly drawn batch, in the order drawn; repeats are rejected through a hash table."""
    cdef tmf_stream stream
    cdef uint64_t size = 8, mask, i, slot
    cdef int64_t n = 0
    while size < <uint64_t>(4 * n_acting):
        size *= 2
    mask = size - 1
    tmf_open(&stream, crowd.key, t, 0, SELECTION)
    memset(crowd.seen, 0, size * sizeof(uint64_t))
    while n < n_acting:
        i = tmf_stream_below(&stream, crowd.n_agents)
        slot = (i * <uint64_t>0x9E3779B97F4A7C15) >> 20 & mask
        while crowd.seen[slot] != 0 and crowd.seen[slot] != i + 1:
            slot = (slot + 1) & mask
        if crowd.seen[slot] == 0:
            crowd.seen[slot] = i + 1
            crowd.chosen[n] = <uint32_t>i
            n += 1
            tmf_prefetch_one(crowd.observations, crowd.width, i)


cdef void draw_few(
    Evaluator at, AliasTables alias, Crowd *crowd, Hands *hands, int t, int64_t n_acting
) noexcept nogil:
    """crowd.codes and crowd.targets of the chosen; their observations follow, the counts do not yet."""
    cdef tmf_stream stream
    cdef int64_t first = 0
    cdef int n, i
    while first < n_acting:
        n = <int>min(<int64_t>TMF_TILE, n_acting - first)
        for i in range(n):
            hands.rows[i] = tmf_load_one(crowd.observations, crowd.width, crowd.chosen[first + i])
        tmf_open(&stream, crowd.key, t, first // TMF_TILE, MOVES)
        draw_tile(at, alias, crowd, hands, &stream, t, first, n)
        for i in range(n):
            tmf_store_one(crowd.observations, crowd.width, crowd.chosen[first + i], hands.next[i])
        memcpy(crowd.codes + first, hands.codes, n * sizeof(uint32_t))
        memcpy(crowd.targets + first, hands.next, n * sizeof(uint32_t))
        first += n


cdef void draw_single(Evaluator at, AliasTables alias, Crowd *crowd, uint64_t u, uint64_t v) noexcept nogil:
    """The same for the one agent crowd.chosen[0], from the words u and v."""
    cdef Py_ssize_t A = at.n_actions, K = at.n_successors
    cdef uint32_t o = tmf_load_one(crowd.observations, crowd.width, crowd.chosen[0])
    cdef uint32_t flow
    cdef Py_ssize_t a, k
    cdef const int32_t *successor
    if crowd.aliased:
        flow = tmf_draw_one(&alias.alias, o, <uint32_t>(u >> 32), <uint32_t>u)
        crowd.codes[0] = flow >> alias.alias.cell_bits
        crowd.targets[0] = tmf_successor(&alias.alias, flow)
    else:
        a = scan(tmf_uniform(u), at.pi + o * A, A)
        k = scan(tmf_uniform(v), at.tables.transition + (o * A + a) * K, K)
        successor = successors_of(at, o * A + a)
        crowd.codes[0] = o << crowd.layout.action_bits | <uint32_t>a
        crowd.targets[0] = <uint32_t>(k if successor == NULL else successor[k])
    tmf_store_one(crowd.observations, crowd.width, crowd.chosen[0], crowd.targets[0])


cdef int settle_few(
    Evaluator at, Crowd *crowd, Trajectory *trajectory, int t, int64_t n_acting, double *reward
) except -1 nogil:
    """Rewards of a step at its mu, then the moves of the chosen; adds up everybody's reward."""
    cdef Py_ssize_t A = at.n_actions
    cdef uint32_t mask = (<uint32_t>1 << crowd.layout.action_bits) - 1
    cdef Py_ssize_t o, a
    cdef int64_t i
    cdef double own
    reward[0] = crowd.passive.sum
    for i in range(n_acting):
        o = crowd.codes[i] >> crowd.layout.action_bits
        a = crowd.codes[i] & mask
        if crowd.rows_only:
            at.model.checked_row(t, <int>o, <int>a, crowd.mu, crowd.row, &own)
        else:
            own = at.tables.reward[o * A + a]
        reward[0] += own - at.tables.passive_reward[o]
        if crowd.decisions != NULL:
            crowd.decisions[o * A + a] += 1
        if trajectory.actions != NULL:
            write_action(trajectory, crowd.chosen[i], a)
        if trajectory.rewards != NULL:
            trajectory.rewards[crowd.chosen[i]] = own
    for i in range(n_acting):
        move_agent(at, &crowd.passive, t, crowd.codes[i] >> crowd.layout.action_bits, crowd.targets[i],
                   crowd.n_agents, crowd.counts, crowd.mu, crowd.row)
    return 0


# ---------------------------------------------------------------- a run

cdef class Memory:
    """Owns the buffers of a run; they go when it does."""
    cdef list blocks

    def __cinit__(self):
        self.blocks = []

    cdef void *take(self, size_t n_bytes) except NULL:
        """A zeroed block, never empty."""
        block = np.zeros(n_bytes + 1, np.uint8)
        self.blocks.append(block)
        return <void *><size_t>block.ctypes.data


cdef bint plays_few(Evaluator at, int64_t n_acting, int64_t n_agents) noexcept nogil:
    """Whether a batch is small enough to be picked out; measured: eight times fewer than all."""
    return at.model.passive_identity and 0 <= n_acting and 8 * n_acting <= n_agents


cdef int place(Crowd *crowd, const int64_t[::1] initial_counts) except -1:
    """Agent i starts where the running sum of the counts first exceeds i."""
    cdef Py_ssize_t o
    cdef int64_t i = 0, end = 0
    for o in range(initial_counts.shape[0]):
        crowd.counts[o] = initial_counts[o]
        crowd.mu[o] = <double>initial_counts[o] / crowd.n_agents
        end += initial_counts[o]
        if crowd.width == 1:
            memset(crowd.observations + i, <int>o, end - i)
            i = end
        while i < end:
            tmf_store_one(crowd.observations, crowd.width, i, <uint32_t>o)
            i += 1
    return 0


cdef int take_hands(Hands *hands, Memory memory, Evaluator at, Crowd *crowd) except -1:
    cdef double n_flows = cells_in(&crowd.layout)
    hands.by_flow = crowd.aliased and n_flows <= FLOWS_IN_CACHE
    hands.stride = <size_t>n_flows if hands.by_flow else <size_t>crowd.layout.n_rows << crowd.layout.action_bits
    hands.spread = 4 if hands.stride <= SPREAD_UP_TO else 1
    hands.words = <uint64_t *>memory.take(4 * TMF_TILE * sizeof(uint64_t))
    hands.rows = <uint32_t *>memory.take(TMF_TILE * sizeof(uint32_t))
    hands.flows = <uint32_t *>memory.take(TMF_TILE * sizeof(uint32_t))
    hands.codes = <uint32_t *>memory.take(TMF_TILE * sizeof(uint32_t))
    hands.next = <uint32_t *>memory.take(TMF_TILE * sizeof(uint32_t))
    hands.active = <uint8_t *>memory.take(TMF_TILE)
    hands.tables = <uint32_t *>memory.take(hands.spread * hands.stride * sizeof(uint32_t))
    hands.arrivals = <uint32_t *>memory.take(4 * at.n_observations * sizeof(uint32_t))
    return 0


cdef AliasTables set_up(
    Crowd *crowd, Memory memory, Evaluator at, Activation *activation, Py_ssize_t n_batches, bint actions_matter
):
    """Choose how moves are drawn, and take the memory for it."""
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions
    cdef int64_t largest = 0, largest_few = 0
    cdef bint passive_rows = False, needs_bits = False, fixed
    cdef double n_cells
    cdef Py_ssize_t i
    if activation.batch == NULL:
        largest = crowd.n_agents
        passive_rows = True
    for i in range(n_batches):
        largest = max(largest, activation.batch[i])
        if plays_few(at, activation.batch[i], crowd.n_agents):
            largest_few = max(largest_few, activation.batch[i])
        elif activation.batch[i] < crowd.n_agents:
            passive_rows = needs_bits = True
    # Rows averaged over the policy are narrower, but do not tell what was done.
    crowd.layout = layout_of(at, passive_rows, (
        not actions_matter and largest_few == 0 and A > 1 and S <= A * at.n_successors))
    if <double>crowd.layout.n_rows * (1 << crowd.layout.action_bits) > MAX_ROWS:
        raise ValueError(f"the agents engine takes up to {MAX_ROWS} rows of observation and action; the game has "
                         f"{S} observations and {A} actions: use engine='counts'")
    # Tables that never change within a stage are worth building for any number of agents; others only when the
    # agents that move outnumber what scanning rows costs (both measured).
    fixed = at.model.constant_transition and not at.policy.depends_on_mu
    n_cells = cells_in(&crowd.layout)
    crowd.aliased = n_cells <= 2**26 and crowd.layout.action_bits + crowd.layout.cell_bits <= 20 and (
        fixed or 8 * n_cells < <double>largest * (8 + A + at.n_successors))
    if not crowd.aliased and crowd.layout.averaged:
        crowd.layout = layout_of(at, passive_rows, False)     # scanning needs the actions
    crowd.fixed_tables = crowd.aliased and fixed
    crowd.rows_only = crowd.fixed_tables and at.model.by_row
    crowd.observations = <uint8_t *>memory.take(crowd.n_agents * crowd.width)
    crowd.counts = <int64_t *>memory.take(S * sizeof(int64_t))
    crowd.mu = <double *>memory.take(S * sizeof(double))
    crowd.decided = <int64_t *>memory.take(S * A * sizeof(int64_t))
    crowd.arrived = <int64_t *>memory.take(S * sizeof(int64_t))
    crowd.row = <double *>memory.take(max(at.n_successors, at.n_passive_successors) * sizeof(double))
    if needs_bits:
        crowd.acting = <uint64_t *>memory.take((crowd.n_agents + 63) // 64 * sizeof(uint64_t))
    if largest_few > 0:
        crowd.chosen = <uint32_t *>memory.take(largest_few * sizeof(uint32_t))
        crowd.codes = <uint32_t *>memory.take(largest_few * sizeof(uint32_t))
        crowd.targets = <uint32_t *>memory.take(largest_few * sizeof(uint32_t))
        crowd.seen = <uint64_t *>memory.take(max(8, 8 * largest_few) * sizeof(uint64_t))
    return AliasTables.of(crowd.layout) if crowd.aliased else None


def run(Model model not None, Policy policy not None, const uint64_t[::1] key not None,
        const int64_t[::1] initial_counts not None, Py_ssize_t horizon, double discount,
        const int64_t[::1] batch, const double[::1] probability, Py_ssize_t record_every,
        int64_t[:, ::1] counts not None, int64_t[:, :, ::1] decisions, double[::1] rewards not None,
        observations=None, actions=None, double[:, ::1] individual_rewards=None):
    """Simulate one population, agent by agent.

    Parameters
    ----------
    key : ndarray of uint64, shape (4,)
        The key of all random numbers.
    initial_counts : ndarray of int64, shape (S,)
        Agents at each observation; agent i starts where their running sum first exceeds i.
    batch, probability, record_every, counts, decisions, rewards
        As for tmfcore._counts.run.
    observations : ndarray of observation_dtype(S), shape (T, N), optional
        OUT. Where every agent stands before each step.
    actions : ndarray of action_dtype(A), shape (T, N), optional
        OUT. What it does, -1 when passive.
    individual_rewards : ndarray of float64, shape (T, N), optional
        OUT. What it earns.

    Returns
    -------
    float
        Discounted return, mean over the agents.

    Notes
    -----
    theory.md section 1. Memory 1, 2 or 4 bytes an agent, plus one bit when a batch is drawn.
    """
    cdef Evaluator at = Evaluator(model, policy, horizon)
    cdef AliasTables alias
    cdef Memory memory = Memory()
    cdef Py_ssize_t S = model.n_observations, A = model.n_actions
    cdef Py_ssize_t t, i, event, left = 0, j = 0, stage = -1, chunk = -1
    cdef Py_ssize_t n_intervals
    cdef int64_t n_acting
    cdef double reward, p, weight = 1, total = 0
    cdef bint tracked = observations is not None or actions is not None or individual_rewards is not None
    cdef bint few
    cdef Crowd crowd
    cdef Hands hands
    cdef Trajectory trajectory
    cdef Activation activation
    cdef tmf_stream stream
    cdef uint64_t agents[CHUNK]
    cdef uint64_t draws[2 * CHUNK]
    cdef uint8_t[:, ::1] observation_bytes, action_bytes

    memset(&crowd, 0, sizeof(Crowd))
    memset(&trajectory, 0, sizeof(Trajectory))
    crowd.n_agents = check_arguments(model, key, initial_counts, horizon, record_every, counts, decisions, rewards)
    n_intervals = (horizon + record_every - 1) // record_every
    read_activation(&activation, batch, probability, crowd.n_agents, horizon)
    crowd.width = observation_dtype(S).itemsize
    for i in range(4):
        crowd.key[i] = key[i]
    if observations is not None:
        check_trajectory("observations", observations, horizon, crowd.n_agents, observation_dtype(S))
        observation_bytes = observations.view(np.uint8)
    if actions is not None:
        check_trajectory("actions", actions, horizon, crowd.n_agents, action_dtype(A))
        action_bytes = actions.view(np.uint8)
        trajectory.action_width = actions.dtype.itemsize
    if individual_rewards is not None and (
            individual_rewards.shape[0] != horizon or individual_rewards.shape[1] != crowd.n_agents):
        raise ValueError(f"individual_rewards must have shape ({horizon}, {crowd.n_agents})")
    alias = set_up(&crowd, memory, at, &activation, 0 if batch is None else batch.shape[0],
                   decisions is not None or tracked)
    take_hands(&hands, memory, at, &crowd)
    place(&crowd, initial_counts)
    with nogil:
        memcpy(&counts[0, 0], crowd.counts, S * sizeof(int64_t))
        at.at(0, crowd.mu)
        for t in range(horizon):
            if left == 0:
                left = min(record_every, horizon - t)
                rewards[j] = 0
                if decisions is not None:
                    crowd.decisions = &decisions[j, 0, 0]
                    memset(crowd.decisions, 0, S * A * sizeof(int64_t))
            if tracked:
                if observations is not None:
                    trajectory.observations = &observation_bytes[t, 0]
                if actions is not None:
                    trajectory.actions = &action_bytes[t, 0]
                if individual_rewards is not None:
                    trajectory.rewards = &individual_rewards[t, 0]
            n_acting = activation.batch[t * activation.stride] if activation.batch != NULL else -1
            p = activation.probability[t * activation.stride] if activation.probability != NULL else 0
            few = plays_few(at, n_acting, crowd.n_agents)
            if not (few and crowd.rows_only):
                at.at(<int>t, crowd.mu)
            if crowd.aliased and (not crowd.fixed_tables or stage != stage_of(t, horizon, policy.n_stages)):
                if crowd.rows_only:
                    policy.table_at(<int>t, at.horizon, crowd.mu, at.pi_buffer, &at.pi)
                stage = stage_of(t, horizon, policy.n_stages)
                alias.build(at)
            if few:
                refresh(at, &crowd.passive, <int>t, crowd.counts, crowd.mu, crowd.rows_only, crowd.row)
                if tracked:
                    write_standing(at, &crowd, &trajectory)
                if n_acting == 1:
                    if chunk != t // CHUNK:
                        chunk = t // CHUNK
                        tmf_open(&stream, crowd.key, chunk, 0, SINGLES)
                        for i in range(CHUNK):
                            agents[i] = tmf_stream_below(&stream, crowd.n_agents)
                        tmf_fill(&stream, draws, 2 * CHUNK // 8)
                        for i in range(AHEAD):
                            tmf_prefetch_one(crowd.observations, crowd.width, agents[i])
                    event = t % CHUNK
                    if event + AHEAD < CHUNK:
                        tmf_prefetch_one(crowd.observations, crowd.width, agents[event + AHEAD])
                    crowd.chosen[0] = <uint32_t>agents[event]
                    draw_single(at, alias, &crowd, draws[2 * event], draws[2 * event + 1])
                elif n_acting > 0:
                    select_few(&crowd, <int>t, n_acting)
                    draw_few(at, alias, &crowd, &hands, <int>t, n_acting)
                settle_few(at, &crowd, &trajectory, <int>t, n_acting, &reward)
            else:
                reward = play_all(at, alias, &crowd, &hands, &trajectory, <int>t, n_acting, p)
            reward /= crowd.n_agents
            rewards[j] += reward
            total += weight * reward
            weight *= discount
            left -= 1
            if left == 0:
                j += 1
                memcpy(&counts[j, 0], crowd.counts, S * sizeof(int64_t))
    return total


cdef int64_t check_arguments(
    Model model, const uint64_t[::1] key, const int64_t[::1] initial_counts, Py_ssize_t horizon,
    Py_ssize_t record_every, int64_t[:, ::1] counts, int64_t[:, :, ::1] decisions, double[::1] rewards
) except -1:
    """The number of agents."""
    cdef Py_ssize_t S = model.n_observations, A = model.n_actions
    cdef Py_ssize_t o, n_intervals
    cdef int64_t n_agents = 0
    if key.shape[0] != 4:
        raise ValueError(f"key has {key.shape[0]} words; must have 4")
    if S > MAX_OBSERVATIONS:
        raise ValueError(f"the agents engine takes up to {MAX_OBSERVATIONS} observations; the game has {S}: "
                         "use engine='counts'")
    if record_every < 1:
        raise ValueError(f"record_every is {record_every}; must be >= 1")
    n_intervals = (horizon + record_every - 1) // record_every
    if initial_counts.shape[0] != S:
        raise ValueError(f"initial_counts has {initial_counts.shape[0]} entries; must have {S}")
    if counts.shape[0] != n_intervals + 1 or counts.shape[1] != S or rewards.shape[0] != n_intervals:
        raise ValueError(f"counts must have shape ({n_intervals + 1}, {S}) and rewards ({n_intervals},)")
    if decisions is not None and (
            decisions.shape[0] != n_intervals or decisions.shape[1] != S or decisions.shape[2] != A):
        raise ValueError(f"decisions must have shape ({n_intervals}, {S}, {A})")
    for o in range(S):
        if initial_counts[o] < 0 or initial_counts[o] > <int64_t>MAX_AGENTS:
            raise ValueError(f"initial_counts[{o}] is {initial_counts[o]}; must lie in 0..{MAX_AGENTS}")
        n_agents += initial_counts[o]
    if not 1 <= n_agents <= <int64_t>MAX_AGENTS:
        raise ValueError(f"initial_counts sum to {n_agents}; the agents engine takes 1..{MAX_AGENTS}")
    return n_agents


cdef int check_trajectory(str name, array, Py_ssize_t horizon, int64_t n_agents, dtype) except -1:
    if array.shape != (horizon, n_agents) or array.dtype != dtype or not array.flags.c_contiguous:
        raise ValueError(f"{name} is {array.dtype} of shape {array.shape}; must be C-contiguous {dtype} "
                         f"of shape {(horizon, n_agents)}")
    return 0
