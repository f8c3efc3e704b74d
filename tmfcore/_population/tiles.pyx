"""Tiles of agents: their moves are drawn, stored and counted, by one thread or by a team.

Source     Theory, section 1.  Notation: N agents, S observations, A actions, K successors.
Contract   each tile has its own stream, addressed by (key, step, tile): results do not depend on the thread.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

import threading

import numpy as np

from tmfcore._population.alias cimport AliasTables, cells_in, tmf_alias, tmf_bytes, tmf_successor
from tmfcore._base.interrupts cimport look
from tmfcore._model.evaluator cimport Evaluator, passive_successors_of, successors_of
from tmfcore._random.sampling cimport scan
from tmfcore._random.streams cimport ACTIVATIONS, MOVES, TIES, TMF_PART, TMF_TILE, tmf_fill, tmf_open, tmf_uniform

cdef extern from "_population/tiles.h" nogil:
    void tmf_load(const void *observations, int width, uint32_t *rows, int n)
    void tmf_store(void *observations, int width, const uint32_t *next, int n)
    void tmf_mark_passive(uint32_t *rows, const uint8_t *acting, uint32_t n_observations, int n)
    void tmf_unpack_bits(const uint64_t *bits, uint8_t *acting, int n)
    void tmf_coins(const uint64_t *words, uint64_t threshold, const uint64_t *thresholds, const void *observations,
                   int width, uint32_t *rows, uint8_t *acting, int n)
    uint32_t tmf_draw(const uint32_t *rows, const uint64_t *random, const uint32_t *cells, int column_bits,
                      uint32_t *flows, int n)
    void tmf_settle_ties(const tmf_alias *alias, const uint32_t *rows, const uint64_t *random, uint32_t *flows, int n,
                         const uint64_t *key, uint64_t step, uint64_t first, uint64_t purpose)
    void tmf_successors(const tmf_alias *alias, const uint32_t *flows, uint32_t *next, int n)
    void tmf_codes(const uint32_t *flows, int cell_bits, uint32_t *codes, int n)
    bint tmf_moves_fused(int n)
    int tmf_move(const tmf_alias *alias, const void *observations, int width, const uint8_t *acting,
                 uint32_t n_observations, const uint64_t *random, int shift, uint16_t *keys, void *after, int n)
    void tmf_count_packed(const uint16_t *packed, uint32_t *tables, size_t n_cells, int n)
    void tmf_count(const uint32_t *at, uint16_t *packed, uint32_t *tables, size_t n_cells, int n)
    enum: TMF_SPREAD
    enum: TMF_SPREAD_CELLS

cdef extern from "_population/small_tables.h" nogil:
    ctypedef struct tmf_tie_break:
        const tmf_alias *alias
        const uint64_t *key
        uint64_t step, first, purpose
    void tmf_move_bytes(const tmf_bytes *bytes, uint8_t *observations, const uint8_t *acting, int n_observations,
                        const uint8_t *random, const tmf_tie_break *ties, uint8_t *flows, int n)
    void tmf_count_few(const uint8_t *values, int n_values, uint32_t *counts, int n)
    void tmf_count_bytes(const uint8_t *values, uint32_t *tables, size_t n_cells, int n)
    void tmf_count_pairs(const uint8_t *values, uint32_t *pairs, uint32_t *singles, int n)
    enum: TMF_FEW_VALUES


cdef enum:
    FLOWS_IN_CACHE = 1024      # up to this many flows, one histogram of flows gives decisions and arrivals
    PAIRED = 64                # up to this many observations, arrivals are counted in pairs,
    WORTH_PAIRS = 20000        # if a member has this many agents: the table of pairs is cleared and summed at each step
    MOVED = 1 << 20            # agents moved, at least, from one look for an interrupt to the next


# ---------------------------------------------------------------- moving a tile of agents

cdef void scan_tile(Evaluator at, Crowd *crowd, Hands *hands, int n) noexcept nogil:
    """Draw hands.codes and hands.next for hands.rows by scanning rows: cheaper than alias tables for few agents."""
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions, K = at.n_successors, K0 = at.n_passive_successors
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
    """Draw hands.codes, hands.next (and hands.flows) for hands.rows; `first` addresses the first draw of the tile."""
    if not crowd.aliased:
        tmf_fill(stream, hands.words, (n + 3) // 4)
        scan_tile(at, crowd, hands, n)
        return
    tmf_fill(stream, hands.words, (n + 15) // 16)
    draw_moves(alias, crowd, hands, t, first, n)


cdef void draw_moves(AliasTables alias, Crowd *crowd, Hands *hands, int t, int64_t first, int n) noexcept nogil:
    """Draw moves by alias tables, from 32 bits of hands.words each."""
    if tmf_draw(hands.rows, hands.words, alias.alias.cells, alias.alias.column_bits, hands.flows, n):
        tmf_settle_ties(&alias.alias, hands.rows, hands.words, hands.flows, n,
                        crowd.people.key, t, first, TIES)
    tmf_successors(&alias.alias, hands.flows, hands.next, n)
    tmf_codes(hands.flows, alias.alias.cell_bits, hands.codes, n)


cdef inline int spread(size_t n_cells) noexcept nogil:
    """The number of private tables of a histogram (tiles.h)."""
    return TMF_SPREAD if n_cells <= TMF_SPREAD_CELLS else 1


cdef inline int64_t counted(const uint32_t *tables, size_t n_cells, size_t cell) noexcept nogil:
    """One cell of a histogram, summed over its private tables."""
    cdef int64_t n = 0
    cdef int part
    for part in range(spread(n_cells)):
        n += tables[part * n_cells + cell]
    return n


cdef void gather_counts(
    Evaluator at, AliasTables alias, Crowd *crowd, Hands *hands, bint arrivals_only
) noexcept nogil:
    """Add the histograms of `hands` to crowd.decided and crowd.arrived, and clear them."""
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions
    cdef int action_bits = crowd.layout.action_bits
    cdef Py_ssize_t o, a, x, cell
    cdef int64_t n
    if hands.by_flow and not arrivals_only:
        for cell in range(<Py_ssize_t>hands.n_cells):
            n = counted(hands.decisions, hands.n_cells, cell)
            if n == 0:
                continue
            crowd.arrived[tmf_successor(&alias.alias, <uint32_t>cell)] += n
            o = cell >> alias.alias.column_bits
            if o < S:
                a = (cell >> alias.alias.cell_bits) & ((1 << action_bits) - 1)
                crowd.decided[o * A + a] += n
        memset(hands.decisions, 0, spread(hands.n_cells) * hands.n_cells * sizeof(uint32_t))
        return
    for o in range(S):
        crowd.arrived[o] += counted(hands.arrivals, S, o)
    memset(hands.arrivals, 0, spread(S) * S * sizeof(uint32_t))
    if hands.pairs != NULL:
        for o in range(S):
            for x in range(S):
                n = hands.pairs[x << 6 | o]
                crowd.arrived[o] += n
                crowd.arrived[x] += n
        memset(hands.pairs, 0, PAIRED * PAIRED * sizeof(uint32_t))
    if not arrivals_only:
        for o in range(S):
            for a in range(1 if crowd.layout.averaged else A):
                crowd.decided[o * A + a] += counted(hands.decisions, hands.n_cells, (o << action_bits) + a)
        memset(hands.decisions, 0, spread(hands.n_cells) * hands.n_cells * sizeof(uint32_t))


cdef inline void count_arrivals(Hands *hands, Py_ssize_t S, int width, const void *observations, int n) noexcept nogil:
    if width == 1 and S <= TMF_FEW_VALUES:
        tmf_count_few(<const uint8_t *>observations, <int>S, hands.arrivals, n)
    elif width == 1 and hands.pairs != NULL:
        tmf_count_pairs(<const uint8_t *>observations, hands.pairs, hands.arrivals, n)
    elif width == 1:
        tmf_count_bytes(<const uint8_t *>observations, hands.arrivals, S, n)
    elif width == 2:
        tmf_count_packed(<const uint16_t *>observations, hands.arrivals, S, n)
    else:
        tmf_count(<const uint32_t *>observations, hands.packed, hands.arrivals, S, n)


# ---------------------------------------------------------------- individuals

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


cdef void move_bytes(
    Evaluator at, AliasTables alias, Crowd *crowd, Hands *hands, int t, const uint8_t *acting, tmf_stream *stream,
    int64_t first, int n
) noexcept nogil:
    """Draw hands.small and move the agents, if every flow fits in a byte."""
    cdef tmf_tie_break ties
    ties.alias = &alias.alias
    ties.key = crowd.people.key
    ties.step = t
    ties.first = first
    ties.purpose = TIES
    tmf_fill(stream, hands.words, 2 * ((n + 63) // 64))
    tmf_move_bytes(alias.bytes, crowd.people.observations + first, acting, <int>at.n_observations,
                   <uint8_t *>hands.words, &ties, hands.small, n)


cdef bint move_fused(
    Evaluator at, AliasTables alias, Crowd *crowd, Hands *hands, const uint8_t *acting, bint arrivals_only,
    tmf_stream *stream, int64_t first, int n
) noexcept nogil:
    """Draw, move and write hands.packed in one pass. If a tie occurs, return False without moving anything."""
    cdef int width = crowd.people.width
    cdef uint8_t *observations = crowd.people.observations + first * width
    cdef int shift = 0 if hands.by_flow else alias.alias.cell_bits
    tmf_fill(stream, hands.words, (n + 15) // 16)
    if tmf_move(&alias.alias, observations, width, acting, <uint32_t>at.n_observations, hands.words, shift,
                NULL if arrivals_only else hands.packed, hands.after, n):
        return False
    memcpy(observations, hands.after, n * width)
    return True


cdef void move_part(
    Evaluator at, AliasTables alias, Crowd *crowd, Hands *hands, Trajectory *trajectory, int t, bint everybody,
    bint arrivals_only, tmf_stream *stream, int64_t first, int n
) noexcept nogil:
    """Move agents first..first + n - 1. Unless `everybody` acts, those with hands.active 0 are passive."""
    cdef int width = crowd.people.width, i
    cdef uint8_t *observations = crowd.people.observations + first * width
    cdef const uint8_t *acting = NULL if everybody else hands.active
    cdef bint tracked = trajectory.actions != NULL or trajectory.rewards != NULL
    cdef tmf_stream begun
    if trajectory.observations != NULL:
        memcpy(trajectory.observations + first * width, observations, n * width)
    if crowd.aliased and alias.bytes != NULL:
        if tracked:
            tmf_load(observations, width, hands.rows, n)
            if not everybody:
                tmf_mark_passive(hands.rows, hands.active, <uint32_t>at.n_observations, n)
        move_bytes(at, alias, crowd, hands, t, acting, stream, first, n)
        if tracked:
            for i in range(n):
                hands.codes[i] = hands.small[i] >> alias.alias.cell_bits
        if not arrivals_only:
            tmf_count_bytes(hands.small, hands.decisions, hands.n_cells, n)
    else:
        begun = stream[0]
        if (not tracked and crowd.aliased and hands.n_cells <= TMF_SPREAD_CELLS and tmf_moves_fused(n)
                and move_fused(at, alias, crowd, hands, acting, arrivals_only, stream, first, n)):
            if not arrivals_only:
                tmf_count_packed(hands.packed, hands.decisions, hands.n_cells, n)
        else:
            stream[0] = begun
            tmf_load(observations, width, hands.rows, n)
            if not everybody:
                tmf_mark_passive(hands.rows, hands.active, <uint32_t>at.n_observations, n)
            draw_tile(at, alias, crowd, hands, stream, t, first, n)
            tmf_store(observations, width, hands.next, n)
            if not arrivals_only:
                tmf_count(
                    hands.flows if hands.by_flow else hands.codes, hands.packed, hands.decisions, hands.n_cells, n)
    if arrivals_only or not hands.by_flow:
        count_arrivals(hands, at.n_observations, width, observations, n)
    if tracked:
        write_tile(at, crowd, hands, trajectory, first, n)


cdef void move_tiles(
    Evaluator at, AliasTables alias, Crowd *crowd, Hands *hands, Trajectory *trajectory, int t,
    bint everybody, bint arrivals_only, uint64_t threshold, int64_t first, int64_t last
) noexcept nogil:
    """Move agents first..last - 1. crowd.acting marks the acting agents; NULL: each acts as tmf_coins draws."""
    cdef tmf_stream moves, activations
    cdef int n, width = crowd.people.width
    while first < last:
        if first % TMF_TILE == 0:
            tmf_open(&moves, crowd.people.key, t, first // TMF_TILE, MOVES)
            if not everybody and crowd.acting == NULL:
                tmf_open(&activations, crowd.people.key, t, first // TMF_TILE, ACTIVATIONS)
        n = <int>min(<int64_t>TMF_PART, last - first)
        if not everybody:
            if crowd.acting == NULL:
                tmf_fill(&activations, hands.words, (n + 7) // 8)
                tmf_coins(hands.words, threshold, crowd.thresholds, crowd.people.observations + first * width, width,
                          hands.rows, hands.active, n)
            else:
                tmf_unpack_bits(crowd.acting + first // 64, hands.active, n)
        move_part(at, alias, crowd, hands, trajectory, t, everybody, arrivals_only, &moves, first, n)
        first += n


# ---------------------------------------------------------------- memory and threads

cdef class Memory:
    """Owns the buffers of a run and frees them with itself."""
    def __cinit__(self):
        self.large = []

    def __dealloc__(self):
        cdef void **block
        while self.last != NULL:
            block = self.last
            self.last = <void **>block[0]
            free(block)

    cdef void *take(self, size_t n_bytes) except NULL:
        """A zeroed block aligned to a cache line: a vector that crosses a line costs two reads."""
        cdef void **block
        cdef uint8_t[::1] large
        if n_bytes >= 1 << 22:                   # numpy asks the system for huge pages
            large = np.zeros(n_bytes + 64, np.uint8)
            self.large.append(large)
            return <void *>((<size_t>&large[0] + 63) & ~<size_t>63)
        block = <void **>calloc(1, n_bytes + 128)
        if block == NULL:
            raise MemoryError(f"the agents do not fit in memory: they take {n_bytes} bytes")
        block[0] = self.last                     # the block before this one
        self.last = block
        return <void *>((<size_t>block + 127) & ~<size_t>63)


cdef int take_hands(Hands *hands, Memory memory, Evaluator at, Crowd *crowd, int n_members) except -1:
    cdef double n_flows = cells_in(&crowd.layout)
    hands.by_flow = crowd.aliased and n_flows <= FLOWS_IN_CACHE
    hands.n_cells = <size_t>n_flows if hands.by_flow else <size_t>crowd.layout.n_rows << crowd.layout.action_bits
    hands.words = <uint64_t *>memory.take(2 * TMF_PART * sizeof(uint64_t))
    hands.rows = <uint32_t *>memory.take(TMF_PART * sizeof(uint32_t))
    hands.flows = <uint32_t *>memory.take(TMF_PART * sizeof(uint32_t))
    hands.codes = <uint32_t *>memory.take(TMF_PART * sizeof(uint32_t))
    hands.next = <uint32_t *>memory.take(TMF_PART * sizeof(uint32_t))
    hands.packed = <uint16_t *>memory.take(TMF_PART * sizeof(uint16_t))
    hands.small = <uint8_t *>memory.take(TMF_PART)
    hands.active = <uint8_t *>memory.take(TMF_PART)
    hands.after = memory.take(TMF_PART * crowd.people.width)
    if TMF_FEW_VALUES < at.n_observations <= PAIRED and crowd.end - crowd.begin >= n_members * <int64_t>WORTH_PAIRS:
        hands.pairs = <uint32_t *>memory.take(PAIRED * PAIRED * sizeof(uint32_t))
    hands.decisions = <uint32_t *>memory.take(spread(hands.n_cells) * hands.n_cells * sizeof(uint32_t))
    hands.arrivals = <uint32_t *>memory.take(spread(at.n_observations) * at.n_observations * sizeof(uint32_t))
    return 0


cdef class Team:
    """Threads that share the tiles of one population; a context manager, which joins them at exit.

    Parameters
    ----------
    n_members : int
        Threads, including the caller's.
    """

    @staticmethod
    cdef Team of(Evaluator at, AliasTables alias, Crowd *crowd, Memory memory, int n_members, Shard shard):
        cdef Team self = Team.__new__(Team)
        cdef int member
        self.at = at
        self.alias = alias
        self.crowd = crowd
        self.shard = shard
        self.n_members = n_members
        self.threads = []
        self.hands = <Hands *>memory.take(self.n_members * sizeof(Hands))
        for member in range(self.n_members):
            take_hands(&self.hands[member], memory, at, crowd, self.n_members)
        tmf_team_open(&self.team)
        return self

    def __enter__(self):
        try:
            for member in range(1, self.n_members):
                thread = threading.Thread(target=self.help, args=(member,), name=f"tmfcore-{member}", daemon=True)
                thread.start()
                self.threads.append(thread)
        except (RuntimeError, MemoryError):      # the system starts no more threads: continue with those that started
            self.n_members = 1 + <int>len(self.threads)
        except BaseException:
            tmf_team_begin(&self.team, -1)       # interrupted: the helpers return, and keep the team alive until then
            raise
        return self

    def __exit__(self, *error):
        tmf_team_begin(&self.team, -1)
        for thread in self.threads:
            thread.join()
        tmf_team_close(&self.team)

    def help(self, int member):
        """The loop of a helper's thread: its share of every step, until told to return."""
        cdef int64_t step = 0
        with nogil:
            while True:
                step = tmf_team_await(&self.team, step)
                if step < 0:
                    break
                self.share(member)
                tmf_team_finished(&self.team)

    cdef int share(self, int member) except -1 nogil:
        """Move one member's tiles of the present step. The leader, number 0, looks for interrupts for all of them."""
        cdef int64_t begin = self.crowd.begin, end = self.crowd.end
        cdef int64_t n_tiles = (end - begin + TMF_TILE - 1) // TMF_TILE
        cdef int64_t first = begin + n_tiles * member // self.n_members * TMF_TILE
        cdef int64_t last = min(begin + n_tiles * (member + 1) // self.n_members * TMF_TILE, end)
        cdef int64_t part = (MOVED + TMF_TILE - 1) // TMF_TILE * TMF_TILE
        while first < last and not tmf_team_stopped(&self.team):
            move_tiles(self.at, self.alias, self.crowd, &self.hands[member], self.trajectory, self.t, self.everybody,
                       self.arrivals_only, self.threshold, first, min(last, first + part))
            first += part
            if member == 0 and first < last:
                look(&self.at.looks)
        return 0

    cdef int move(self, Trajectory *trajectory, int t, bint everybody, uint64_t threshold) except -1 nogil:
        """Move all agents; OUT: crowd.decided and crowd.arrived. An interrupted step leaves the hands empty."""
        cdef Py_ssize_t S = self.at.n_observations, A = self.at.n_actions
        cdef Py_ssize_t o
        cdef int member
        cdef bint moved = False
        tmf_team_stop(&self.team, False)
        self.trajectory = trajectory
        self.t = t
        self.everybody = everybody
        self.arrivals_only = everybody and self.crowd.layout.averaged
        self.threshold = threshold
        if self.n_members > 1:
            tmf_team_begin(&self.team, self.n_members - 1)
        try:
            self.share(0)
            moved = True
        finally:
            tmf_team_stop(&self.team, not moved)
            if self.n_members > 1:
                tmf_team_join(&self.team)
            memset(self.crowd.decided, 0, S * A * sizeof(int64_t))
            memset(self.crowd.arrived, 0, S * sizeof(int64_t))
            for member in range(self.n_members):
                gather_counts(self.at, self.alias, self.crowd, &self.hands[member], self.arrivals_only)
        if self.shard is not None and self.arrivals_only:
            self.shard.total(self.crowd.arrived, S, sizeof(int64_t))
        elif self.shard is not None:
            self.shard.total(self.crowd.decided, S * A + S, sizeof(int64_t))
        if self.arrivals_only:
            for o in range(S):
                self.crowd.decided[o * A] = self.crowd.people.counts[o]
        return 0
