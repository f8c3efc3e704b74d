"""The agents engine: it stores the observation of every agent and moves the agents one by one.

Source     Theory, section 1.  Notation: N agents, S observations, A actions, K successors, T steps, J intervals.
Contract   the draw of agent i at step t is addressed by (key, t, i): it depends neither on what is recorded nor on
           the instruction set. Integer counts are made from the agents at every step; mu = counts / N.
Cost       O(N) per step if all agents move. O(B) if B agents act and passive agents stay where they are. In addition,
           the game evaluates its tables if they depend on mu.
Memory     per agent 1, 2 or 4 bytes for S up to 2^8, 2^16, 2^20, and one bit that says whether it acts.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._population.alias cimport AliasTables, cells_in, layout_of
from tmfcore._model.evaluator cimport Evaluator
from tmfcore._population.carried cimport (
    carried, carried_words, carry, check_block, check_state, few_part, restore)
from tmfcore._population.coins cimport number_acting
from tmfcore._population.few cimport Few, few_pay
from tmfcore._population.ledger cimport (
    Ledger, check_key, check_run, check_trajectory, end_early, end_step, open_ledger, tmf_tell, watched)
from tmfcore._base.interrupts cimport look, tmf_looks
from tmfcore._model.model cimport Model
from tmfcore._model.policy cimport Policy, stage_of
from tmfcore._model.activation cimport Activation, ActingShares, read_activation, single_steps
from tmfcore._population.imitation cimport singles_of
from tmfcore._population.singles cimport Carry, Population, Singles
from tmfcore._population.observations cimport tmf_store_one
from tmfcore._population.shards cimport Shard
from tmfcore._population.selection cimport select_bits
from tmfcore._random.streams cimport TMF_TILE
from tmfcore._population.tiles cimport Crowd, Memory, Team, Trajectory, rows_of, write_action, write_standing

MAX_AGENTS = 2**32 - 1         # of one process
MAX_OBSERVATIONS = 2**20
MAX_ROWS = 2**30               # 2 S rows, times actions rounded up to a power of two


cdef enum:
    PLACED = 1 << 20           # agents placed from one look for an interrupt to the next


def observation_dtype(Py_ssize_t n_observations):
    """The smallest unsigned dtype that holds 0..n_observations - 1."""
    return np.dtype(np.uint8 if n_observations <= 2**8 else np.uint16 if n_observations <= 2**16 else np.uint32)


def action_dtype(Py_ssize_t n_actions):
    """The smallest signed dtype that holds -1 (passive)..n_actions - 1."""
    return np.dtype(np.int8 if n_actions <= 2**7 else np.int16 if n_actions <= 2**15 else np.int32)


# ---------------------------------------------------------------- a step at which all agents move

cdef int play_all(
    Evaluator at, Crowd *crowd, Team team, Trajectory *trajectory, Ledger *ledger, int t, int64_t n_acting, double p
) except -1 nogil:
    """A step at which n_acting agents act; n_acting < 0: each with probability p, or by crowd.thresholds."""
    cdef Population *people = &crowd.people
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions, o, a
    cdef int64_t acted
    cdef double reward = 0
    cdef uint64_t threshold = 0
    cdef bint everybody = n_acting == people.n_agents or (n_acting < 0 and p >= 1)
    if n_acting < 0 and p < 1:
        threshold = <uint64_t>(p * 18446744073709551616.0)
    elif not everybody:
        select_bits(people.n_agents, people.key, crowd.acting, t, n_acting)
    team.move(trajectory, t, everybody, threshold)
    for o in range(S):
        acted = 0
        for a in range(A):
            acted += crowd.decided[o * A + a]
            if crowd.layout.averaged:         # decided[o, 0] agents acted: take their expected reward
                reward += crowd.decided[o * A] * at.pi[o * A + a] * at.tables.reward[o * A + a]
            else:
                reward += crowd.decided[o * A + a] * at.tables.reward[o * A + a]
        reward += (people.counts[o] - acted) * at.tables.passive_reward[o]
    for o in range(S):
        people.counts[o] = crowd.arrived[o]
        people.mu[o] = <double>people.counts[o] / people.n_agents
    people.passive.fresh = False
    if ledger.decisions != NULL:
        for o in range(S * A):
            ledger.decisions[o] += crowd.decided[o]
    end_step(ledger, reward, people.counts)
    return 0


# ---------------------------------------------------------------- a run

cdef bint plays_few(Evaluator at, int64_t n_acting, int64_t n_agents) noexcept nogil:
    """Whether only the acting agents are visited: passive agents stay, and B = 1, or B is small."""
    return at.model.passive_identity and 0 <= n_acting and (n_acting == 1 or few_pay(
        n_acting, n_agents, <double>at.n_observations * at.n_actions * at.n_successors))


cdef int place(Crowd *crowd, const int64_t[::1] initial_counts, tmf_looks *looks) except -1:
    """Agent i starts where the running sum of the counts first exceeds i."""
    cdef Population *people = &crowd.people
    cdef Py_ssize_t o
    cdef int64_t i = crowd.begin, end, running = 0, part
    for o in range(initial_counts.shape[0]):
        people.counts[o] = initial_counts[o]
        people.mu[o] = <double>initial_counts[o] / people.n_agents
        running += initial_counts[o]
        end = min(running, crowd.end)
        while i < end:
            part = min(end, i + PLACED)
            if people.width == 1:
                memset(people.observations + i, <int>o, part - i)
                i = part
            while i < part:
                tmf_store_one(people.observations, people.width, i, <uint32_t>o)
                i += 1
            look(looks)
    return 0


cdef int64_t set_up(
    Crowd *crowd, Memory memory, Evaluator at, Activation *activation, Py_ssize_t n_batches, bint actions_matter,
    bint needs_bits
) except -2:
    """Choose how moves are drawn and allocate for it; return the largest batch for Few, or -1 if there is none."""
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions, i
    cdef int64_t largest = -1, largest_few = -1      # batches of steps at which all agents move; of steps of Few
    cdef bint passive_rows = False, fixed
    cdef double n_cells
    if activation.batch == NULL:
        largest = crowd.people.n_agents
        passive_rows = True
    for i in range(n_batches):
        if not plays_few(at, activation.batch[i], crowd.people.n_agents):
            largest = max(largest, activation.batch[i])
            passive_rows |= activation.batch[i] < crowd.people.n_agents
            needs_bits |= activation.batch[i] < crowd.people.n_agents
        elif activation.batch[i] != 1:
            largest_few = max(largest_few, activation.batch[i])
    # Rows averaged over the policy are narrower, but they do not give the actions.
    crowd.layout = layout_of(at, passive_rows, (
        not actions_matter and largest_few < 0 and A > 1 and S <= <double>A * at.n_successors))
    # Alias tables that are constant within a stage pay for any number of agents. Other tables are built at every step:
    # this pays if so many agents move that scanning their rows costs more (both measured).
    fixed = at.model.constant_transition and not at.policy.depends_on_mu
    n_cells = cells_in(&crowd.layout)
    crowd.aliased = n_cells <= 2**26 and crowd.layout.action_bits + crowd.layout.cell_bits <= 20 and (
        fixed or 8 * n_cells < <double>max(largest, largest_few) * (8 + A + at.n_successors))
    if not crowd.aliased and crowd.layout.averaged:
        crowd.layout = layout_of(at, passive_rows, False)     # rows that are scanned are not averaged
    if <double>crowd.layout.n_rows * (<int64_t>1 << crowd.layout.action_bits) > MAX_ROWS:
        raise ValueError(f"the agents engine takes up to {MAX_ROWS} rows of observation and action; the game has "
                         f"too many, with {S} observations and {A} actions: use engine='counts'")
    crowd.fixed_tables = crowd.aliased and fixed
    crowd.people.counts = <int64_t *>memory.take(S * sizeof(int64_t))
    crowd.people.mu = <double *>memory.take(S * sizeof(double))
    crowd.people.row = <double *>memory.take(max(at.n_successors, at.n_passive_successors) * sizeof(double))
    crowd.decided = <int64_t *>memory.take((S * A + S) * sizeof(int64_t))
    crowd.arrived = crowd.decided + S * A
    crowd.moves_all = largest >= 0
    if needs_bits:
        crowd.acting = <uint64_t *>memory.take((crowd.people.n_agents + TMF_TILE - 1) // TMF_TILE * (TMF_TILE // 8))
    return largest_few


cdef class AgentsEngine:
    """Plays populations of one game, policy, schedule and N agent by agent, one after another; made by `of`."""

    @staticmethod
    cdef AgentsEngine of(
        Model model, Policy policy, Py_ssize_t horizon, int64_t n_agents, const int64_t[::1] batch,
        probability, bint actions_matter, Shard shard=None
    ):
        cdef AgentsEngine self = AgentsEngine.__new__(AgentsEngine)
        cdef Py_ssize_t i, n_batches = 0 if batch is None else batch.shape[0]
        self.at, self.memory = Evaluator(model, policy, horizon), Memory()
        self.batch, self.probability = batch, probability
        self.actions_matter, self.stage = actions_matter, -1
        self.shard = shard
        self.crowd.people.n_agents = n_agents
        self.crowd.end = n_agents
        if shard is not None:
            self.crowd.begin, self.crowd.end = shard.begin, shard.end
        self.crowd.people.width = observation_dtype(model.n_observations).itemsize
        self.coins = probability if isinstance(probability, ActingShares) else None
        read_activation(&self.activation, batch, probability, n_agents, model.n_observations, horizon)
        if self.coins is not None:
            self.shares = <double *>self.memory.take(2 * model.n_observations * sizeof(double))
            self.crowd.thresholds = NULL if self.coins.batches else <uint64_t *>(self.shares + model.n_observations)
        self.largest_few = set_up(&self.crowd, self.memory, self.at, &self.activation, n_batches, actions_matter,
                                  self.coins is not None and self.coins.batches)
        for i in range(n_batches):
            self.n_single += batch[i] == 1 and plays_few(self.at, 1, n_agents)
        if self.n_single > 0 and not self.activation.stride:
            self.n_single = horizon
        return self

    cdef int begin(self, int threads) except -1:
        cdef Crowd *crowd = &self.crowd
        if self.n_single > 0:
            self.singles = singles_of(self.at, &crowd.people, self.n_single, self.actions_matter)
            if self.shard is not None:
                self.singles.share(self.shard, &crowd.people)
        if self.largest_few >= 0:
            self.few = Few.of(self.at, self.memory, crowd, self.largest_few, self.shard)
        if crowd.aliased and (crowd.moves_all or self.few is not None):
            self.alias = AliasTables.of(crowd.layout)
            if crowd.moves_all:
                self.alias.as_bytes()
        self.team = Team.of(self.at, self.alias, crowd, self.memory, threads if crowd.moves_all else 1,
                            self.shard)
        return 0

    cdef object own_bytes(self):
        cdef Population *people = &self.crowd.people
        cdef int64_t n = (self.crowd.end - self.crowd.begin) * people.width
        if n == 0:
            return np.empty(0, np.uint8)
        return np.asarray(<uint8_t[:n]>(people.observations + self.crowd.begin * people.width))

    cdef void leave(self, double weight, Py_ssize_t t, uint64_t *block) noexcept nogil:
        cdef Py_ssize_t S = self.at.n_observations, A = self.at.n_actions
        carry(&self.crowd.people, self.singles, self.at, t, weight, block)
        if self.few is not None and self.few.priced:
            (<Carry *>block).few = True
            memcpy(few_part(block, S, A), &self.few.extra[0], S * A * sizeof(double))

    cdef dict state(
        self, const Ledger *ledger, Py_ssize_t t, object counts, object decisions, object rewards, tuple individuals
    ):
        cdef Population *people = &self.crowd.people
        cdef Py_ssize_t n_rows = ledger.interval + 1
        block = np.zeros(carried_words(self.at.n_observations, self.at.n_actions, True), np.uint64)
        cdef uint64_t[::1] words = block
        self.leave(ledger.weight, t, &words[0])
        found = carried(ledger, people, t, block, counts, decisions, rewards)
        found["observations"] = self.own_bytes().copy()
        found["record"]["individuals"] = [None if one is None else np.array(one[:n_rows]) for one in individuals]
        return found

    cdef Py_ssize_t resume(
        self, dict found, Ledger *ledger, object counts, object decisions, object rewards, tuple individuals
    ) except -1:
        cdef Population *people = &self.crowd.people
        cdef Py_ssize_t S = self.at.n_observations, A = self.at.n_actions
        cdef const uint64_t[::1] block = found["carried"]
        self.own_bytes()[:] = found["observations"]
        if self.few is not None and self.few.priced and (<const Carry *>&block[0]).few:
            memcpy(&self.few.extra[0], few_part(&block[0], S, A), S * A * sizeof(double))
        if found.get("record") is not None:
            for one, kept in zip(individuals, found["record"]["individuals"]):
                if one is not None:
                    one[:len(kept)] = kept
        return restore(found, ledger, people, self.singles, self.at, counts, decisions, rewards)

    cdef Py_ssize_t play(
        self, Ledger *ledger, const Trajectory *recorded, Py_ssize_t t, Py_ssize_t end, Py_ssize_t pause, int64_t *told
    ) except -1 nogil:
        cdef Crowd *crowd = &self.crowd
        cdef Population *people = &crowd.people
        cdef Trajectory trajectory
        cdef Activation *who = &self.activation
        cdef Py_ssize_t n_steps
        cdef int64_t n_acting, few
        cdef double p
        memset(&trajectory, 0, sizeof(Trajectory))
        pause = min(pause, end)
        while t < pause:
            if recorded != NULL:
                trajectory = rows_of(recorded, crowd, t)
            n_steps = 1
            n_acting = who.batch[t * who.stride] if who.batch != NULL else -1
            p = who.probability[t * who.stride] if who.probability != NULL else 0
            few = plays_few(self.at, n_acting, people.n_agents)
            if n_acting == 1 and self.singles is not None:
                if trajectory.every:
                    self.singles.prepare(self.at, people, t)
                    write_standing(self.at, crowd, &trajectory)
                else:
                    n_steps = single_steps(who, t, end)
                    if recorded != NULL:
                        n_steps = min(n_steps, recorded.every - (t - recorded.first) % recorded.every)
                n_steps = self.singles.play(self.at, people, ledger, t, n_steps)
                if self.shard is not None:
                    self.singles.hand_back(people)
                if trajectory.every and crowd.begin <= self.singles.last.agent < crowd.end:
                    write_single(self.at, self.singles, &trajectory)
            else:
                if self.few is None or not self.few.priced or not few:
                    self.at.at(<int>t, people.mu)
                self.read_tables(t)
                if few:
                    self.few.play(self.at, self.alias, crowd, &self.team.hands[0], &trajectory, ledger, <int>t,
                                  n_acting)
                else:
                    n_acting = number_acting(self.coins, <int>t, people.mu, self.at.n_observations, people.n_agents,
                                             self.shares, crowd.thresholds, n_acting)
                    play_all(self.at, crowd, self.team, &trajectory, ledger, <int>t, n_acting, p)
            t += n_steps
            tmf_tell(told, t)
            look(&self.at.looks)
        return t

    cdef int read_tables(self, Py_ssize_t t) except -1 nogil:
        """Build the alias tables of step t, or of its stage."""
        cdef Py_ssize_t stage = stage_of(t, self.at.horizon, self.at.policy.n_stages)
        if self.alias is not None and (not self.crowd.fixed_tables or self.stage != stage):
            self.stage = stage
            self.at.policy.table_at(<int>t, self.at.horizon, self.crowd.people.mu, self.at.pi_buffer, &self.at.pi)
            self.alias.build(self.at)
        return 0


def check_observations(observations, now, dtype, Shard shard=None):
    """Raise ValueError unless bytes are those of agents whose numbers by observation are `now` (S,), or of a shard."""
    cdef int64_t n_agents = int(now.sum()) if shard is None else shard.end - shard.begin
    cdef int64_t[::1] found
    if observations.shape != (n_agents * dtype.itemsize,) or observations.dtype != np.uint8:
        raise ValueError(f"observations have shape {observations.shape}; must be the bytes of {n_agents} agents")
    found = np.bincount(observations.view(dtype), minlength=len(now)).astype(np.int64)
    if found.shape[0] == now.shape[0] and shard is not None:
        shard.total(&found[0], found.shape[0], sizeof(int64_t))
    if not np.array_equal(found, now):
        raise ValueError("observations do not add up to the counts")


def run(Model model not None, Policy policy not None, const uint64_t[::1] key not None,
        const int64_t[::1] initial_counts not None, Py_ssize_t horizon, double discount,
        const int64_t[::1] batch, probability, Py_ssize_t record_every,
        int64_t[:, ::1] counts not None, int64_t[:, :, ::1] decisions, double[::1] rewards not None,
        observations=None, actions=None, double[:, ::1] individual_rewards=None, int threads=1,
        int64_t[::1] watch=None, double[::1] so_far=None, pieces=None, dict state=None, Shard shard=None,
        uint64_t[::1] end=None, uint8_t[::1] end_observations=None):
    """Simulate one population, agent by agent.

    Parameters
    ----------
    key : ndarray of uint64, shape (4,)
        Key of all random streams of the run.
    initial_counts : ndarray of int64, shape (S,)
        Agents at each observation. Agent i starts where the running sum first exceeds i; names.rename renumbers later.
    batch, probability, record_every, counts, decisions, rewards, watch, so_far, pieces, state
        As for tmfcore._population.counts.run.
    observations : ndarray of observation_dtype(S), shape (J, N), optional
        OUT. The observation of each agent before the first step of each interval.
    actions : ndarray of action_dtype(A), shape (J, N), optional
        OUT. The action of each agent at that step, -1 if passive.
    individual_rewards : ndarray of float64, shape (J, N), optional
        OUT. The reward of each agent at that step.
    threads : int, optional
        Threads that share the tiles of a step at which all agents move; the result does not depend on their number.
    shard : Shard, optional
        The agents that this process holds of a population that several processes play. Outputs of individuals have a
        column for each of these; all others are the same on every process, and have the bits of one process.
    end : ndarray of uint64, shape (carried.words_of(S, A, True),), or None
        OUT. The state at the end, from which another run goes on, with ...
    end_observations : ndarray of uint8, or None
        OUT. ... the bytes of the observations of all agents, in `observation_dtype(S)`. The agents are moved in it; it
        should begin at a cache line, since a vector that crosses a line costs two reads.

    Returns
    -------
    float
        Discounted return, mean over the agents.
    """
    cdef Py_ssize_t S = model.n_observations, A = model.n_actions
    cdef int64_t n_agents, begin = 0, n_own, unwatched = 0      # its own agents are begin..begin + n_own - 1
    cdef int width
    cdef Py_ssize_t first = 0 if state is None else state["first"], t = first, pause = horizon
    cdef bint tracked = observations is not None or actions is not None or individual_rewards is not None
    cdef AgentsEngine engine
    cdef Population *people
    cdef Trajectory trajectory
    cdef Ledger ledger
    cdef uint8_t[:, ::1] observation_bytes, action_bytes
    cdef int64_t *told = watched(watch, &unwatched)
    memset(&trajectory, 0, sizeof(Trajectory))
    trajectory.first, trajectory.every = first, record_every
    check_key(key)
    if S > MAX_OBSERVATIONS:
        raise ValueError(f"the agents engine takes up to {MAX_OBSERVATIONS} observations; the game has {S}: "
                         "use engine='counts'")
    n_agents = check_run(model, horizon - first, record_every, initial_counts, counts, decisions, rewards,
                         MAX_AGENTS if shard is None else 2**53, "the limit of the agents engine: use engine='counts'")
    n_own = n_agents
    if shard is not None:
        begin, n_own = shard.begin, shard.end - shard.begin
    if observations is not None:
        check_trajectory("observations", observations, rewards.shape[0], n_own, observation_dtype(S))
        width = observations.dtype.itemsize
        observation_bytes = observations.view(np.uint8)
        if n_own:
            trajectory.observations = &observation_bytes[0, 0] - begin * width
    if actions is not None:
        check_trajectory("actions", actions, rewards.shape[0], n_own, action_dtype(A))
        action_bytes = actions.view(np.uint8)
        trajectory.action_width = actions.dtype.itemsize
        if n_own:
            trajectory.actions = &action_bytes[0, 0] - begin * trajectory.action_width
    if individual_rewards is not None:
        if individual_rewards.shape[0] != rewards.shape[0] or individual_rewards.shape[1] != n_own:
            raise ValueError(f"individual_rewards must have shape ({rewards.shape[0]}, {n_own})")
        if n_own:
            trajectory.rewards = &individual_rewards[0, 0] - begin
    if end is not None:
        check_block(end.shape[0], S, A, True)
        if end_observations is None or end_observations.shape[0] != n_own * observation_dtype(S).itemsize:
            raise ValueError(f"end_observations must have the bytes of {n_own} agents")
    engine = AgentsEngine.of(model, policy, horizon, n_agents, batch, probability, decisions is not None or tracked,
                             shard)
    if shard is not None:
        shard.check(n_agents, MAX_AGENTS, tracked or engine.largest_few >= 0 or engine.n_single > 0)
    people = &engine.crowd.people
    memcpy(people.key, &key[0], 4 * sizeof(uint64_t))
    people.observations = (<uint8_t *>engine.memory.take(n_own * people.width) if end is None or n_own == 0
                           else &end_observations[0]) - begin * people.width
    individuals = observations, actions, individual_rewards
    if state is not None:
        check_state(state, S, A, True, n_agents, first, horizon)
        check_observations(state["observations"], state["now"], observation_dtype(S), shard)
    place(&engine.crowd, initial_counts if state is None else state["now"], &engine.at.looks)
    engine.begin(threads)
    open_ledger(&ledger, n_agents, discount, record_every, counts, decisions, rewards, horizon - first, S * A,
                &initial_counts[0])
    if state is not None:
        t = engine.resume(state, &ledger, np.asarray(counts), decisions, np.asarray(rewards), individuals)
    try:
        while True:
            if pieces is not None:
                pause = pieces.next(t)
            with engine.team, nogil:
                t = engine.play(&ledger, &trajectory if tracked else NULL, t, horizon, pause, told)
            if pieces is not None and pieces.wanted(t):
                pieces.keep(engine.state(&ledger, t, counts, decisions, rewards, individuals))
            if t == horizon:
                break
    except BaseException:
        end_early(&ledger, people.counts, so_far)
        raise
    if end is not None:
        engine.leave(ledger.weight, t, &end[0])
    return ledger.total / n_agents


cdef void write_single(Evaluator at, Singles singles, Trajectory *trajectory) noexcept nogil:
    """Write the action and reward of the last single agent over those that write_standing wrote for it."""
    if trajectory.actions != NULL:
        write_action(trajectory, singles.last.agent, singles.last.action)
    if trajectory.rewards != NULL:
        trajectory.rewards[singles.last.agent] += singles.last.extra
