"""The agents engine: every agent keeps its own observation, and moves when it acts or drifts.

Source     theory.md section 1.  Notation: N agents, S observations, A actions, K successors, T steps, J intervals.
Contract   the draw of agent i at step t is addressed by (key, t, i): it depends neither on what is recorded nor on
           the instruction set. Integer counts are taken from the agents at every step, mu = counts / N from them.
Cost       all agents move: O(N) a step. B agents act and the others stand still: O(B) a step, plus what the game
           needs to evaluate its tables where they depend on mu.
Memory     1, 2 or 4 bytes an agent for S up to 2^8, 2^16, 2^20, and one bit for who acts.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._alias cimport AliasTables, cells_in, layout_of, tmf_draw_one, tmf_successor
from tmfcore._evaluator cimport Evaluator, successors_of
from tmfcore._model cimport Model, checked_row
from tmfcore._passive cimport move_agent, refresh
from tmfcore._policy cimport Policy, stage_end, stage_of
from tmfcore._sampling cimport scan
from tmfcore._schedule cimport Activation, read_activation
from tmfcore._tiles cimport (
    MOVES, SELECTION, SINGLES, TMF_PART, TMF_TILE, Crowd, Hands, Memory, Team, Trajectory, draw_tile, tmf_below,
    tmf_fill, tmf_load_one, tmf_open, tmf_prefetch_one, tmf_store_one, tmf_stream, tmf_uniform, write_action,
    write_standing)

MAX_AGENTS = 2**32 - 1
MAX_OBSERVATIONS = 2**20
MAX_ROWS = 2**30               # 2 S rows, times actions rounded up to a power of two


cdef enum:
    CHUNK = 256                # single events whose random numbers are drawn together
    AHEAD = 32                 # events between the prefetch of an agent and its turn


def observation_dtype(Py_ssize_t n_observations):
    """The smallest unsigned dtype that holds 0..n_observations - 1."""
    return np.dtype(np.uint8 if n_observations <= 2**8 else np.uint16 if n_observations <= 2**16 else np.uint32)


def action_dtype(Py_ssize_t n_actions):
    """The smallest signed dtype that holds -1 (passive)..n_actions - 1."""
    return np.dtype(np.int8 if n_actions <= 2**7 else np.int16 if n_actions <= 2**15 else np.int32)


# ---------------------------------------------------------------- a step at which everybody moves

cdef int draw_agents(tmf_stream *stream, Crowd *crowd, int64_t wanted, uint64_t *agents) noexcept nogil:
    """Agents drawn uniformly with replacement, as many as wanted but at most CHUNK; returns how many."""
    cdef uint64_t words[CHUNK]
    cdef int n = <int>min(wanted, <int64_t>CHUNK)
    tmf_fill(stream, words, (n + 7) // 8)
    tmf_below(stream, words, crowd.n_agents, agents, n)
    return n


cdef void select_bits(Crowd *crowd, int t, int64_t n_acting) noexcept nogil:
    """Set the bits of a uniformly drawn batch: the smaller of it and its complement is drawn by rejection."""
    cdef tmf_stream stream
    cdef Py_ssize_t n_words = (crowd.n_agents + 63) // 64
    cdef bint inverted = 2 * n_acting > crowd.n_agents
    cdef int64_t left = crowd.n_agents - n_acting if inverted else n_acting
    cdef uint64_t agents[CHUNK]
    cdef uint64_t bit, fresh
    cdef uint64_t *word
    cdef Py_ssize_t w
    cdef int i, n
    tmf_open(&stream, crowd.key, t, 0, SELECTION)
    memset(crowd.acting, 0, n_words * sizeof(uint64_t))
    while left > 0:
        n = draw_agents(&stream, crowd, left, agents)
        for i in range(n):
            word = crowd.acting + (agents[i] >> 6)
            bit = <uint64_t>1 << (agents[i] & 63)
            fresh = bit & ~word[0]
            word[0] |= bit
            left -= fresh != 0
    if inverted:
        for w in range(n_words):
            crowd.acting[w] = ~crowd.acting[w]


cdef double play_all(
    Evaluator at, Crowd *crowd, Team team, Trajectory *trajectory, int t, int64_t n_acting, double p
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
    team.move(trajectory, t, everybody, threshold)
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
    cdef uint64_t agents[CHUNK]
    cdef uint64_t size = 8, mask, slot
    cdef int64_t chosen = 0
    cdef int i, n
    while size < <uint64_t>(4 * n_acting):
        size *= 2
    mask = size - 1
    tmf_open(&stream, crowd.key, t, 0, SELECTION)
    memset(crowd.seen, 0, size * sizeof(uint64_t))
    while chosen < n_acting:
        n = draw_agents(&stream, crowd, n_acting - chosen, agents)
        for i in range(n):
            slot = (agents[i] * <uint64_t>0x9E3779B97F4A7C15) >> 20 & mask
            while crowd.seen[slot] != 0 and crowd.seen[slot] != agents[i] + 1:
                slot = (slot + 1) & mask
            if crowd.seen[slot] == 0:
                crowd.seen[slot] = agents[i] + 1
                crowd.chosen[chosen] = <uint32_t>agents[i]
                chosen += 1
                tmf_prefetch_one(crowd.observations, crowd.width, agents[i])


cdef void draw_few(
    Evaluator at, AliasTables alias, Crowd *crowd, Hands *hands, int t, int64_t n_acting
) noexcept nogil:
    """crowd.codes and crowd.targets of the chosen; their observations follow, the counts do not yet."""
    cdef tmf_stream stream
    cdef int64_t first = 0
    cdef int n, i
    while first < n_acting:
        n = <int>min(<int64_t>TMF_PART, n_acting - first)
        for i in range(n):
            hands.rows[i] = tmf_load_one(crowd.observations, crowd.width, crowd.chosen[first + i])
        if first % TMF_TILE == 0:
            tmf_open(&stream, crowd.key, t, first // TMF_TILE, MOVES)
        draw_tile(at, alias, crowd, hands, &stream, t, first, n)
        for i in range(n):
            tmf_store_one(crowd.observations, crowd.width, crowd.chosen[first + i], hands.next[i])
        memcpy(crowd.codes + first, hands.codes, n * sizeof(uint32_t))
        memcpy(crowd.targets + first, hands.next, n * sizeof(uint32_t))
        first += n


cdef struct Account:           # of the present interval and run
    double interval            # sum of mean rewards
    double total               # discounted
    double weight              # discount^t
    double discount


cdef inline void book(Account *account, double reward) noexcept nogil:
    """One step's reward, mean over the agents."""
    account.interval += reward
    account.total += account.weight * reward
    account.weight *= account.discount


cdef struct Singles:           # random numbers of CHUNK single events
    Py_ssize_t chunk
    uint64_t agents[CHUNK]
    uint64_t words[2 * CHUNK]


cdef void draw_chunk(Crowd *crowd, Singles *singles, Py_ssize_t chunk) noexcept nogil:
    cdef tmf_stream stream
    cdef Py_ssize_t i
    singles.chunk = chunk
    tmf_open(&stream, crowd.key, chunk, 0, SINGLES)
    draw_agents(&stream, crowd, CHUNK, singles.agents)
    tmf_fill(&stream, singles.words, 2 * CHUNK // 8)
    for i in range(AHEAD):
        tmf_prefetch_one(crowd.observations, crowd.width, singles.agents[i])


cdef int play_singles(
    Evaluator at, AliasTables alias, Crowd *crowd, Singles *singles, int t, Py_ssize_t n_events, Account *account
) except -1 nogil:
    """n_events single agents act in turn, all of one chunk and one stage, on tables that stay: rows only."""
    cdef Py_ssize_t A = at.n_actions, first = t % CHUNK, event
    cdef int action_bits = crowd.layout.action_bits
    cdef uint64_t agent, word
    cdef uint32_t flow, o, a, x
    cdef double own
    for event in range(first, first + n_events):
        if event + AHEAD < CHUNK:
            tmf_prefetch_one(crowd.observations, crowd.width, singles.agents[event + AHEAD])
        agent = singles.agents[event]
        word = singles.words[2 * event]
        o = tmf_load_one(crowd.observations, crowd.width, agent)
        flow = tmf_draw_one(&alias.alias, o, <uint32_t>(word >> 32), <uint32_t>word)
        a = (flow >> alias.alias.cell_bits) & ((<uint32_t>1 << action_bits) - 1)
        x = tmf_successor(&alias.alias, flow)
        checked_row(at.model, t, <int>o, <int>a, crowd.mu, crowd.row, &own)
        book(account, (crowd.passive.sum + own - at.tables.passive_reward[o]) / crowd.n_agents)
        if crowd.decisions != NULL:
            crowd.decisions[o * A + a] += 1
        tmf_store_one(crowd.observations, crowd.width, agent, x)
        move_agent(at, &crowd.passive, t, o, x, crowd.n_agents, crowd.counts, crowd.mu, crowd.row)
        t += 1
    return 0


cdef void draw_single(Evaluator at, AliasTables alias, Crowd *crowd, uint64_t u, uint64_t v) noexcept nogil:
    """crowd.codes and crowd.targets of the one agent crowd.chosen[0], from the words u and v."""
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
            checked_row(at.model, t, <int>o, <int>a, crowd.mu, crowd.row, &own)
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
        observations=None, actions=None, double[:, ::1] individual_rewards=None, int threads=1):
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
    threads : int, optional
        Threads that share the tiles of a step at which all agents move; the result does not depend on it.

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
    cdef Py_ssize_t t = 0, i, n_steps, left = 0, j = 0, stage = -1
    cdef int64_t n_acting
    cdef double reward, p
    cdef bint tracked = observations is not None or actions is not None or individual_rewards is not None
    cdef bint few
    cdef Crowd crowd
    cdef Team team
    cdef Trajectory trajectory
    cdef Activation activation
    cdef Singles singles
    cdef Account account
    cdef uint8_t[:, ::1] observation_bytes, action_bytes

    memset(&crowd, 0, sizeof(Crowd))
    memset(&trajectory, 0, sizeof(Trajectory))
    memset(&account, 0, sizeof(Account))
    account.weight = 1
    account.discount = discount
    singles.chunk = -1
    crowd.n_agents = check_arguments(model, key, initial_counts, horizon, record_every, counts, decisions, rewards)
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
    place(&crowd, initial_counts)
    team = Team.of(at, alias, &crowd, memory, threads)
    with team, nogil:
        memcpy(&counts[0, 0], crowd.counts, S * sizeof(int64_t))
        at.at(0, crowd.mu)
        while t < horizon:
            if left == 0:
                left = min(record_every, horizon - t)
                account.interval = 0
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
            n_steps = 1
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
            if not few:
                reward = play_all(at, &crowd, team, &trajectory, <int>t, n_acting, p)
                book(&account, reward / crowd.n_agents)
            else:
                refresh(at, &crowd.passive, <int>t, crowd.counts, crowd.mu, crowd.rows_only, crowd.row)
                if n_acting == 1 and singles.chunk != t // CHUNK:
                    draw_chunk(&crowd, &singles, t // CHUNK)
                if n_acting == 1 and crowd.rows_only and model.local_passive_reward and not tracked:
                    if activation.stride == 0:
                        n_steps = min(left, CHUNK - t % CHUNK, stage_end(stage, horizon, policy.n_stages) - t)
                    play_singles(at, alias, &crowd, &singles, <int>t, n_steps, &account)
                else:
                    if tracked:
                        write_standing(at, &crowd, &trajectory)
                    if n_acting == 1:
                        i = t % CHUNK
                        crowd.chosen[0] = <uint32_t>singles.agents[i]
                        draw_single(at, alias, &crowd, singles.words[2 * i], singles.words[2 * i + 1])
                    elif n_acting > 0:
                        select_few(&crowd, <int>t, n_acting)
                        draw_few(at, alias, &crowd, &team.hands[0], <int>t, n_acting)
                    settle_few(at, &crowd, &trajectory, <int>t, n_acting, &reward)
                    book(&account, reward / crowd.n_agents)
            t += n_steps
            left -= n_steps
            if left == 0:
                rewards[j] = account.interval
                j += 1
                memcpy(&counts[j, 0], crowd.counts, S * sizeof(int64_t))
    return account.total


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
