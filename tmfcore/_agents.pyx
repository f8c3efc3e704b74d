"""The agents engine: every agent keeps its own observation, and moves when it acts or drifts.

Source     theory.md section 1.  Notation: N agents, S observations, A actions, K successors, T steps, J intervals.
Contract   the draw of agent i at step t is addressed by (key, t, i): it depends neither on what is recorded nor on
           the instruction set. Integer counts are taken from the agents at every step, mu = counts / N from them.
Cost       all agents move: O(N) a step. B agents act and the others stand still: O(B + S A) a step.
Memory     1, 2 or 4 bytes an agent for S up to 2^8, 2^16, 2^20, and one bit for who acts.
"""
from libc.stdint cimport int64_t, int8_t, int16_t, int32_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._alias cimport AliasTables, columns_of, tmf_alias
from tmfcore._evaluator cimport Evaluator, passive_successors_of, successors_of
from tmfcore._model cimport Model
from tmfcore._policy cimport Policy, stage_of
from tmfcore._sampling cimport scan
from tmfcore._schedule cimport Activation, read_activation

MAX_AGENTS = 2**32 - 1
MAX_OBSERVATIONS = 2**20
MAX_ACTIONS = 2**12 - 2


cdef extern from "agents.h" nogil:
    enum: TMF_TILE
    enum: TMF_OBSERVATION_BITS
    enum: TMF_OBSERVATION_MASK
    ctypedef struct tmf_stream:
        pass
    void tmf_philox(uint64_t *counter, uint64_t key0, uint64_t key1)
    void tmf_open(tmf_stream *stream, const uint64_t *key, uint64_t step, uint64_t block, uint64_t purpose)
    void tmf_fill(tmf_stream *stream, uint64_t *out, int n)
    double tmf_uniform(uint64_t word)
    uint64_t tmf_stream_below(tmf_stream *stream, uint64_t n)
    void tmf_load(const void *observations, int width, uint32_t *rows, int n)
    void tmf_store(void *observations, int width, const uint32_t *outcomes, int n)
    uint32_t tmf_load_one(const void *observations, int width, uint64_t i)
    void tmf_store_one(void *observations, int width, uint64_t i, uint32_t observation)
    void tmf_prefetch_one(const void *observations, int width, uint64_t i)
    void tmf_mark_passive(uint32_t *rows, const uint8_t *acting, uint32_t n_observations, int n)
    void tmf_unpack_bits(const uint64_t *bits, uint8_t *acting, int n)
    void tmf_bernoulli(const uint64_t *words, uint64_t threshold, uint8_t *acting, int n)
    uint32_t tmf_draw(const uint32_t *rows, const uint32_t *random, const uint32_t *cells, const uint32_t *outcomes,
                      int column_bits, uint32_t *out, int n)
    uint32_t tmf_draw_one(const tmf_alias *alias, uint32_t row, uint32_t random, uint32_t more)
    void tmf_settle_ties(const tmf_alias *alias, const uint32_t *rows, const uint32_t *random, uint32_t *out, int n,
                         const uint64_t *key, uint64_t step, uint64_t first, uint64_t purpose)
    void tmf_codes(const uint32_t *rows, const uint32_t *outcomes, uint32_t n_actions, uint32_t n_decisions,
                   uint32_t *codes, int n)
    void tmf_count(const uint32_t *codes, const uint32_t *outcomes, uint32_t *decisions, size_t decision_stride,
                   uint32_t *arrivals, size_t arrival_stride, int n)


cdef enum Purpose:             # the last word of a stream's address
    MOVES
    ACTIVATIONS
    SELECTION
    TIES
    SINGLES

cdef enum:
    CHUNK = 256                # single events whose random numbers are drawn together
    AHEAD = 32                 # events between the prefetch of an agent and its turn


cdef struct Crowd:
    int64_t n_agents
    uint64_t key[4]
    int width                  # bytes an observation takes
    uint8_t *observations      # (N,) of that width
    uint64_t *acting           # bits (N,); NULL until a batch needs them
    uint32_t *chosen           # (largest batch that is played alone,)
    uint64_t *seen             # hash table of chosen agents
    Py_ssize_t seen_size       # a power of two
    int64_t *counts            # (S,)
    double *mu                 # (S,)
    int64_t *decided           # (S, A)  of the present step
    int64_t *arrived           # (S,)    of the present step
    uint32_t *tables           # 4 x (S A + 1), then 4 x S: private histograms
    double *row                # (K,) or (K0,) of a single agent
    bint aliased               # moves are drawn from alias tables, not by scanning rows
    bint fixed_tables          # ... which stay the same for a whole stage
    bint passive_rewards_fresh
    uint64_t *words            # (4 TMF_TILE,)
    uint32_t *rows             # (TMF_TILE,)
    uint32_t *outcomes         # (TMF_TILE,)
    uint32_t *codes            # (TMF_TILE,)
    uint8_t *active            # (TMF_TILE,)


cdef struct Trajectory:        # row t of each; NULL where not asked for
    uint8_t *observations      # (T, N) of crowd.width
    uint8_t *actions           # (T, N) of action_width
    int action_width
    double *rewards            # (T, N)


def observation_dtype(Py_ssize_t n_observations):
    """The smallest unsigned dtype that holds 0..n_observations - 1."""
    return np.dtype(np.uint8 if n_observations <= 2**8 else np.uint16 if n_observations <= 2**16 else np.uint32)


def action_dtype(Py_ssize_t n_actions):
    """The smallest signed dtype that holds -1 (passive)..n_actions - 1."""
    return np.dtype(np.int8 if n_actions <= 2**7 else np.int16 if n_actions <= 2**15 else np.int32)


# ---------------------------------------------------------------- moving a tile of agents

cdef void scan_tile(Evaluator at, Crowd *crowd, int n) noexcept nogil:
    """Draw outcomes for crowd.rows by scanning rows: for few agents, cheaper than building tables."""
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions
    cdef Py_ssize_t K = at.n_successors, K0 = at.n_passive_successors
    cdef Py_ssize_t o, a, k
    cdef const int32_t *successor
    cdef double u
    cdef int i
    for i in range(n):
        o = crowd.rows[i]
        u = tmf_uniform(crowd.words[2 * i + 1])
        if o >= S:
            o -= S
            a = A
            if at.model.passive_identity:
                k = o
                successor = NULL
            else:
                k = scan(u, at.tables.passive_transition + o * K0, K0)
                successor = passive_successors_of(at, o)
        else:
            a = scan(tmf_uniform(crowd.words[2 * i]), at.pi + o * A, A)
            k = scan(u, at.tables.transition + (o * A + a) * K, K)
            successor = successors_of(at, o * A + a)
        crowd.outcomes[i] = (<uint32_t>(k if successor == NULL else successor[k])
                             | <uint32_t>a << TMF_OBSERVATION_BITS)


cdef void move_tile(
    Evaluator at, AliasTables alias, Crowd *crowd, tmf_stream *stream, int t, int64_t first, int n
) noexcept nogil:
    """Draw outcomes for the n agents of crowd.rows and count them; `first` addresses the tile's first draw."""
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions
    if crowd.aliased:
        tmf_fill(stream, crowd.words, (n + 15) // 16)
        if tmf_draw(crowd.rows, <uint32_t *>crowd.words, alias.alias.cells, alias.alias.outcomes,
                    alias.alias.column_bits, crowd.outcomes, n):
            tmf_settle_ties(&alias.alias, crowd.rows, <uint32_t *>crowd.words, crowd.outcomes, n, crowd.key, t,
                            first, TIES)
    else:
        tmf_fill(stream, crowd.words, (n + 3) // 4)
        scan_tile(at, crowd, n)
    tmf_codes(crowd.rows, crowd.outcomes, <uint32_t>A, <uint32_t>(S * A), crowd.codes, n)
    tmf_count(crowd.codes, crowd.outcomes, crowd.tables, S * A + 1, crowd.tables + 4 * (S * A + 1), S, n)


cdef void gather_counts(Evaluator at, Crowd *crowd) noexcept nogil:
    """The private histograms -> crowd.decided and crowd.arrived; clears them."""
    cdef Py_ssize_t S = at.n_observations, n_decisions = at.n_observations * at.n_actions
    cdef Py_ssize_t stride = n_decisions + 1, i
    cdef uint32_t *arrived = crowd.tables + 4 * stride
    for i in range(n_decisions):
        crowd.decided[i] = (<int64_t>crowd.tables[i] + crowd.tables[stride + i] + crowd.tables[2 * stride + i]
                            + crowd.tables[3 * stride + i])
    for i in range(S):
        crowd.arrived[i] = <int64_t>arrived[i] + arrived[S + i] + arrived[2 * S + i] + arrived[3 * S + i]
    memset(crowd.tables, 0, 4 * (stride + S) * sizeof(uint32_t))


cdef void write_trajectory(
    Evaluator at, Crowd *crowd, Trajectory *trajectory, int64_t first, int n
) noexcept nogil:
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions
    cdef Py_ssize_t row, a
    cdef int i
    for i in range(n):
        a = crowd.outcomes[i] >> TMF_OBSERVATION_BITS
        row = crowd.rows[i]
        if trajectory.rewards != NULL:
            trajectory.rewards[first + i] = (
                at.tables.passive_reward[row - S] if row >= S else at.tables.reward[row * A + a])
        if trajectory.actions != NULL:
            if row >= S:
                a = -1
            if trajectory.action_width == 1:
                (<int8_t *>trajectory.actions)[first + i] = <int8_t>a
            elif trajectory.action_width == 2:
                (<int16_t *>trajectory.actions)[first + i] = <int16_t>a
            else:
                (<int32_t *>trajectory.actions)[first + i] = <int32_t>a


# ---------------------------------------------------------------- one step

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


cdef void select_few(Crowd *crowd, int t, int64_t n_acting) noexcept nogil:
    """crowd.chosen: a uniformly drawn batch, in the order drawn; repeats are rejected through a hash table."""
    cdef tmf_stream stream
    cdef uint64_t mask = crowd.seen_size - 1
    cdef uint64_t i, slot
    cdef int64_t n = 0
    tmf_open(&stream, crowd.key, t, 0, SELECTION)
    memset(crowd.seen, 0, crowd.seen_size * sizeof(uint64_t))
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


cdef void play_all(
    Evaluator at, AliasTables alias, Crowd *crowd, Trajectory *trajectory, int t, int64_t n_acting, double p
) noexcept nogil:
    """Every agent acts or drifts; n_acting < 0: each acts with probability p."""
    cdef tmf_stream stream
    cdef int64_t N = crowd.n_agents, first = 0
    cdef bint everybody = n_acting == N or (n_acting < 0 and p >= 1)
    cdef uint64_t threshold = 0
    cdef int n
    if n_acting < 0 and p < 1:
        threshold = <uint64_t>(p * 18446744073709551616.0)
    elif not everybody:
        select_bits(crowd, t, n_acting)
    while first < N:
        n = <int>min(<int64_t>TMF_TILE, N - first)
        tmf_load(crowd.observations + first * crowd.width, crowd.width, crowd.rows, n)
        if trajectory.observations != NULL:
            memcpy(trajectory.observations + first * crowd.width, crowd.observations + first * crowd.width,
                   n * crowd.width)
        if not everybody:
            if n_acting < 0:
                tmf_open(&stream, crowd.key, t, first // TMF_TILE, ACTIVATIONS)
                tmf_fill(&stream, crowd.words, (n + 7) // 8)
                tmf_bernoulli(crowd.words, threshold, crowd.active, n)
            else:
                tmf_unpack_bits(crowd.acting + first // 64, crowd.active, n)
            tmf_mark_passive(crowd.rows, crowd.active, <uint32_t>at.n_observations, n)
        tmf_open(&stream, crowd.key, t, first // TMF_TILE, MOVES)
        move_tile(at, alias, crowd, &stream, t, first, n)
        tmf_store(crowd.observations + first * crowd.width, crowd.width, crowd.outcomes, n)
        if trajectory.actions != NULL or trajectory.rewards != NULL:
            write_trajectory(at, crowd, trajectory, first, n)
        first += n


cdef void play_few(Evaluator at, AliasTables alias, Crowd *crowd, int t, int64_t n_acting) noexcept nogil:
    """A small batch acts, the others stand still."""
    cdef tmf_stream stream
    cdef int64_t first = 0
    cdef int n, i
    if n_acting > 0:           # no memory was set aside when nobody ever acts
        select_few(crowd, t, n_acting)
    while first < n_acting:
        n = <int>min(<int64_t>TMF_TILE, n_acting - first)
        for i in range(n):
            crowd.rows[i] = tmf_load_one(crowd.observations, crowd.width, crowd.chosen[first + i])
        tmf_open(&stream, crowd.key, t, first // TMF_TILE, MOVES)
        move_tile(at, alias, crowd, &stream, t, first, n)
        for i in range(n):
            tmf_store_one(crowd.observations, crowd.width, crowd.chosen[first + i],
                          crowd.outcomes[i] & TMF_OBSERVATION_MASK)
        first += n


cdef double settle_step(Evaluator at, Crowd *crowd, bint everybody_moved) noexcept nogil:
    """Counts and mu after a step, from crowd.decided and crowd.arrived; returns the reward of all agents together."""
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions
    cdef Py_ssize_t o, a
    cdef int64_t acted
    cdef double reward = 0
    for o in range(S):
        acted = 0
        for a in range(A):
            acted += crowd.decided[o * A + a]
            reward += crowd.decided[o * A + a] * at.tables.reward[o * A + a]
        reward += (crowd.counts[o] - acted) * at.tables.passive_reward[o]
        if everybody_moved:
            crowd.counts[o] = crowd.arrived[o]
        else:
            crowd.counts[o] += crowd.arrived[o] - acted
    for o in range(S):
        crowd.mu[o] = <double>crowd.counts[o] / crowd.n_agents
    crowd.passive_rewards_fresh = False
    return reward


cdef int play_one(
    Evaluator at, AliasTables alias, Crowd *crowd, int t, uint64_t agent, uint64_t u, uint64_t v, double *reward
) except -1 nogil:
    """One agent acts, the others stand still: only its row is evaluated."""
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions, K = at.n_successors
    cdef Py_ssize_t o, a, k, x
    cdef uint32_t outcome
    cdef double own, others = 0
    cdef const double *pi
    cdef const double *row
    cdef const int32_t *successor
    o = tmf_load_one(crowd.observations, crowd.width, agent)
    if not at.model.by_row:
        at.at(t, crowd.mu)
    elif not crowd.passive_rewards_fresh:
        for x in range(S):
            at.model.checked_row(t, <int>x, -1, crowd.mu, crowd.row, at.tables.passive_reward + x)
    if crowd.fixed_tables:
        outcome = tmf_draw_one(&alias.alias, <uint32_t>o, <uint32_t>(u >> 32), <uint32_t>u)
        a = outcome >> TMF_OBSERVATION_BITS
        x = outcome & TMF_OBSERVATION_MASK
        if at.model.by_row:
            at.model.checked_row(t, <int>o, <int>a, crowd.mu, crowd.row, &own)
    else:
        pi = at.pi + o * A
        if at.model.by_row:
            at.policy.row_at(t, at.horizon, o, crowd.mu, at.pi_buffer, &pi)
        a = scan(tmf_uniform(u), pi, A)
        row = at.tables.transition + (o * A + a) * K
        if at.model.by_row:
            at.model.checked_row(t, <int>o, <int>a, crowd.mu, crowd.row, &own)
            row = crowd.row
        k = scan(tmf_uniform(v), row, K)
        successor = successors_of(at, o * A + a)
        x = k if successor == NULL else successor[k]
    if not at.model.by_row:
        own = at.tables.reward[o * A + a]
    for k in range(S):
        others += crowd.mu[k] * at.tables.passive_reward[k]
    reward[0] = others * crowd.n_agents + own - at.tables.passive_reward[o]
    crowd.decided[o * A + a] += 1
    crowd.passive_rewards_fresh = at.model.local_passive_reward
    if x != o:
        tmf_store_one(crowd.observations, crowd.width, agent, <uint32_t>x)
        crowd.counts[o] -= 1
        crowd.counts[x] += 1
        crowd.mu[o] = <double>crowd.counts[o] / crowd.n_agents
        crowd.mu[x] = <double>crowd.counts[x] / crowd.n_agents
        if at.model.by_row and at.model.local_passive_reward:
            at.model.checked_row(t, <int>o, -1, crowd.mu, crowd.row, at.tables.passive_reward + o)
            at.model.checked_row(t, <int>x, -1, crowd.mu, crowd.row, at.tables.passive_reward + x)
    return 0


# ---------------------------------------------------------------- a run

cdef int allocate(Crowd *crowd, Evaluator at, int64_t largest_few, bint needs_bits) except -1:
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions
    cdef Py_ssize_t widest = max(at.n_successors, at.n_passive_successors)
    crowd.seen_size = 8
    while crowd.seen_size < 4 * largest_few:
        crowd.seen_size *= 2
    crowd.observations = <uint8_t *>malloc(crowd.n_agents * crowd.width)
    crowd.counts = <int64_t *>calloc(S, sizeof(int64_t))
    crowd.mu = <double *>calloc(S, sizeof(double))
    crowd.decided = <int64_t *>calloc(S * A, sizeof(int64_t))
    crowd.arrived = <int64_t *>calloc(S, sizeof(int64_t))
    crowd.tables = <uint32_t *>calloc(4 * (S * A + 1 + S), sizeof(uint32_t))
    crowd.row = <double *>malloc(widest * sizeof(double))
    crowd.words = <uint64_t *>malloc(4 * TMF_TILE * sizeof(uint64_t))
    crowd.rows = <uint32_t *>malloc(TMF_TILE * sizeof(uint32_t))
    crowd.outcomes = <uint32_t *>malloc(TMF_TILE * sizeof(uint32_t))
    crowd.codes = <uint32_t *>malloc(TMF_TILE * sizeof(uint32_t))
    crowd.active = <uint8_t *>malloc(TMF_TILE)
    if needs_bits:
        crowd.acting = <uint64_t *>malloc((crowd.n_agents + 63) // 64 * sizeof(uint64_t))
    if largest_few > 0:
        crowd.chosen = <uint32_t *>malloc(largest_few * sizeof(uint32_t))
        crowd.seen = <uint64_t *>malloc(crowd.seen_size * sizeof(uint64_t))
    if not (crowd.observations and crowd.counts and crowd.mu and crowd.decided and crowd.arrived and crowd.tables
            and crowd.row and crowd.words and crowd.rows and crowd.outcomes and crowd.codes and crowd.active
            and (crowd.acting or not needs_bits) and ((crowd.chosen and crowd.seen) or largest_few == 0)):
        raise MemoryError(f"no memory for {crowd.n_agents} agents")
    return 0


cdef void release(Crowd *crowd) noexcept:
    free(crowd.observations)
    free(crowd.counts)
    free(crowd.mu)
    free(crowd.decided)
    free(crowd.arrived)
    free(crowd.tables)
    free(crowd.row)
    free(crowd.words)
    free(crowd.rows)
    free(crowd.outcomes)
    free(crowd.codes)
    free(crowd.active)
    free(crowd.acting)
    free(crowd.chosen)
    free(crowd.seen)


cdef bint plays_few(Evaluator at, int64_t n_acting, int64_t n_agents, bint tracked) noexcept nogil:
    """Whether a batch is small enough to be picked out; measured: eight times fewer than all."""
    return at.model.passive_identity and not tracked and 0 <= n_acting and 8 * n_acting <= n_agents


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
    cdef AliasTables alias = None
    cdef Py_ssize_t S = model.n_observations, A = model.n_actions
    cdef Py_ssize_t t, i, left, j = 0
    cdef Py_ssize_t n_intervals, n_columns, stage = -1
    cdef int64_t n_acting, largest = 0, largest_few = 0
    cdef double reward, p, weight = 1, total = 0
    cdef bint tracked = observations is not None or actions is not None or individual_rewards is not None
    cdef bint passive_rows = False, needs_bits = False, fixed_tables, few
    cdef Crowd crowd
    cdef Trajectory trajectory
    cdef Activation activation
    cdef tmf_stream stream
    cdef uint64_t agents[CHUNK]
    cdef uint64_t draws[2 * CHUNK]
    cdef Py_ssize_t chunk = -1, event
    cdef uint8_t[:, ::1] observation_bytes, action_bytes
    cdef int64_t *decided

    if key.shape[0] != 4:
        raise ValueError(f"key has {key.shape[0]} words; must have 4")
    if S > MAX_OBSERVATIONS or A > MAX_ACTIONS:
        raise ValueError(f"the agents engine takes up to {MAX_OBSERVATIONS} observations and {MAX_ACTIONS} actions; "
                         f"the game has {S} and {A}: use engine='counts'")
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
    memset(&crowd, 0, sizeof(Crowd))
    memset(&trajectory, 0, sizeof(Trajectory))
    for i in range(S):
        if initial_counts[i] < 0 or initial_counts[i] > <int64_t>MAX_AGENTS:
            raise ValueError(f"initial_counts[{i}] is {initial_counts[i]}; must lie in 0..{MAX_AGENTS}")
        crowd.n_agents += initial_counts[i]
    if not 1 <= crowd.n_agents <= <int64_t>MAX_AGENTS:
        raise ValueError(f"initial_counts sum to {crowd.n_agents}; the agents engine takes 1..{MAX_AGENTS}")
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
    if activation.batch == NULL:
        largest = crowd.n_agents
        passive_rows = True
    else:
        for i in range(batch.shape[0]):
            largest = max(largest, batch[i])
            passive_rows = passive_rows or batch[i] < crowd.n_agents
            if plays_few(at, batch[i], crowd.n_agents, tracked):
                largest_few = max(largest_few, batch[i])
            else:
                needs_bits = needs_bits or batch[i] < crowd.n_agents
    # Tables that never change within a stage are worth building for any number of agents; others only when the
    # agents that move outnumber what scanning rows costs (both measured).
    fixed_tables = model.constant_transition and not policy.depends_on_mu
    n_columns = columns_of(at, passive_rows)
    crowd.aliased = n_columns <= 2**20 and S * n_columns <= 2**25 and (
        fixed_tables or 8 * S * n_columns < largest * (8 + A + at.n_successors))
    crowd.fixed_tables = crowd.aliased and fixed_tables
    if crowd.aliased:
        alias = AliasTables(2 * S if passive_rows else S, n_columns)
    allocate(&crowd, at, largest_few, needs_bits)
    try:
        place(&crowd, initial_counts)
        with nogil:
            memcpy(&counts[0, 0], crowd.counts, S * sizeof(int64_t))
            at.at(0, crowd.mu)
            left = 0
            for t in range(horizon):
                if left == 0:
                    left = min(record_every, horizon - t)
                    rewards[j] = 0
                    if decisions is not None:
                        memset(&decisions[j, 0, 0], 0, S * A * sizeof(int64_t))
                n_acting = activation.batch[t * activation.stride] if activation.batch != NULL else -1
                p = activation.probability[t * activation.stride] if activation.probability != NULL else 0
                few = plays_few(at, n_acting, crowd.n_agents, tracked)
                if crowd.fixed_tables:
                    if stage != stage_of(t, horizon, policy.n_stages):
                        stage = stage_of(t, horizon, policy.n_stages)
                        at.at(<int>t, crowd.mu)
                        alias.build_active(at)
                        if passive_rows:
                            alias.build_passive(at)
                if few and n_acting == 1:
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
                    play_one(at, alias, &crowd, <int>t, agents[event], draws[2 * event], draws[2 * event + 1], &reward)
                else:
                    at.at(<int>t, crowd.mu)
                    if crowd.aliased and not crowd.fixed_tables:
                        alias.build_active(at)
                        if passive_rows:
                            alias.build_passive(at)
                    if few:
                        play_few(at, alias, &crowd, <int>t, n_acting)
                    else:
                        if tracked:
                            trajectory.observations = &observation_bytes[t, 0] if observations is not None else NULL
                            trajectory.actions = &action_bytes[t, 0] if actions is not None else NULL
                            trajectory.rewards = &individual_rewards[t, 0] if individual_rewards is not None else NULL
                        play_all(at, alias, &crowd, &trajectory, <int>t, n_acting, p)
                    gather_counts(at, &crowd)
                    reward = settle_step(at, &crowd, not few)
                if decisions is not None:
                    decided = &decisions[j, 0, 0]
                    for i in range(S * A):
                        decided[i] += crowd.decided[i]
                memset(crowd.decided, 0, S * A * sizeof(int64_t))
                reward /= crowd.n_agents
                rewards[j] += reward
                total += weight * reward
                weight *= discount
                left -= 1
                if left == 0:
                    j += 1
                    memcpy(&counts[j, 0], crowd.counts, S * sizeof(int64_t))
    finally:
        release(&crowd)
    return total


cdef int check_trajectory(str name, array, Py_ssize_t horizon, int64_t n_agents, dtype) except -1:
    if array.shape != (horizon, n_agents) or array.dtype != dtype or not array.flags.c_contiguous:
        raise ValueError(f"{name} is {array.dtype} of shape {array.shape}; must be C-contiguous {dtype} "
                         f"of shape {(horizon, n_agents)}")
    return 0
