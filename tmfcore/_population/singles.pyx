"""Steps at which one agent acts (B = 1) and passive agents stay where they are, for both engines.

Source     Theory, section 1.  Notation: N agents, S observations, A actions, K successors.
Contract   step t uses random words addressed by (key, t) alone. If individuals are stored, the drawn index i is an
           individual; otherwise it is the i-th agent in order of observation. The law of the counts is the same.
Cost       O(1) per event if neither kernel nor policy depends on mu and rewards are separable (model.pxd), plus
           O(S / N^(1/3) + log S) to find the agent if individuals are not stored. Otherwise the game evaluates one
           row, or all its tables.
"""
from libc.math cimport cbrt, isfinite
from libc.stdint cimport int32_t, uint32_t, uint64_t

import numpy as np

from tmfcore._population.alias cimport Layout, bits_for, cells_in, layout_of
from tmfcore._model.evaluator cimport successors_of
from tmfcore._population.ledger cimport end_step, end_steps
from tmfcore._model.model cimport Model, checked_row, refuse_standing
from tmfcore._population.passive cimport move_agent, refresh
from tmfcore._model.policy cimport stage_end, stage_of
from tmfcore._population.observations cimport tmf_load_one, tmf_prefetch_one, tmf_store_one
from tmfcore._random.sampling cimport scan
from tmfcore._random.streams cimport SINGLES, tmf_below, tmf_fill, tmf_open, tmf_stream, tmf_uniform


cdef double standing_reward(void *model, int observation, const double *mu) noexcept nogil:
    return (<Model>model).standing_reward(observation, mu)


cdef class Singles:

    @staticmethod
    cdef Singles of(Evaluator at, const Population *people, Py_ssize_t n_single):
        cdef Singles self = Singles.__new__(Singles)
        cdef Model model = at.model
        cdef Layout layout = layout_of(at, False, False)
        cdef double n_cells = cells_in(&layout)
        cdef Py_ssize_t S = at.n_observations, A = at.n_actions, n_stages = min(at.policy.n_stages, at.horizon)
        self.stage = self.ready = self.chunk = -1
        self.block.n_observations = S
        self.block.search_bits = bits_for(S)
        # Long blocks are begun rarely; in short ones, few agents are so near a bound that they must be located again.
        self.block.length = max(1, min(CHUNK, <Py_ssize_t>cbrt(<double>people.n_agents)))
        if people.observations == NULL:
            self.bounds = np.full(1 + (1 << self.block.search_bits), 2**62, np.int64)      # beyond all agents
            self.bounds[0] = -4611686018427387904
            self.block.bounds = &self.bounds[0]
        self.manner = ROWS if model.by_row else TABLES
        # Building one cell of the alias tables takes as long as one draw from them saves (measured).
        if (model.constant_transition and model.local_passive_reward and (model.constant or model.separable_reward)
                and not at.policy.depends_on_mu and layout.action_bits + layout.cell_bits <= 20
                and n_cells <= 2**26 and n_stages * n_cells <= 4096 + <double>n_single):
            self.manner = FIXED
            self.doubles = np.zeros(S * (A + 4))
            self.extra = &self.doubles[0]
            self.level = self.extra + S * A
            self.slope = self.level + S
            self.margin = self.slope + S
            self.alias = AliasTables.of(layout)
        return self

    cdef int prepare(self, Evaluator at, Population *people, Py_ssize_t t) except -1 nogil:
        cdef tmf_stream stream
        cdef Py_ssize_t i
        if self.ready == t:
            return 0
        if self.manner == TABLES:
            at.at(<int>t, people.mu)
        elif self.manner == FIXED and self.stage != stage_of(t, at.horizon, at.policy.n_stages):
            if self.stage < 0:
                self.open_rewards(at, people, t)
            self.open_tables(at, people.mu, t)
        if not people.passive.fresh:               # the counts have changed
            self.block.end = 0
        refresh(at, &people.passive, <int>t, people.counts, people.mu, people.row)
        if self.chunk != t // CHUNK:
            self.chunk = t // CHUNK
            self.block.end = 0
            if self.manner == FIXED:
                tmf_draw_chunk(people.key, self.chunk, people.n_agents, self.words, &self.draws)
            else:
                tmf_open(&stream, people.key, self.chunk, 0, SINGLES)
                tmf_fill(&stream, self.words, CHUNK // 8)
                tmf_below(&stream, self.words, people.n_agents, self.draws.agents, CHUNK)
                tmf_fill(&stream, self.words, 2 * CHUNK // 8)
            if people.observations != NULL:
                for i in range(AHEAD):
                    tmf_prefetch_one(people.observations, people.width, self.draws.agents[i])
        self.ready = t
        return 0

    cdef int open_rewards(self, Evaluator at, Population *people, Py_ssize_t t) except -1 nogil:
        """Read the rewards of FIXED at step t, which are those of all steps."""
        cdef tmf_events *events = &self.events
        cdef Py_ssize_t i
        at.tables_at(<int>t, people.mu)
        for i in range(at.n_observations * at.n_actions):
            self.extra[i] = at.tables.reward[i] - at.tables.passive_reward[i // at.n_actions]
        for i in range(at.n_observations):
            if at.model.constant:
                self.level[i] = at.tables.passive_reward[i]
            elif at.model.standing_slope != NULL:
                self.level[i] = at.model.standing_level[i]
                self.slope[i] = at.model.standing_slope[i] / people.n_agents
            self.margin[2 * i] = self.level[i] + self.slope[i]
            self.margin[2 * i + 1] = 2 * self.slope[i]
        events.key = people.key
        events.draws = &self.draws
        events.block = &self.block
        events.n_actions = at.n_actions
        events.n_agents = people.n_agents
        events.observations = people.observations
        events.width = people.width if people.observations != NULL else 0
        events.extra = self.extra
        events.margin = self.margin if at.model.constant or at.model.standing_slope != NULL else NULL
        events.price = standing_reward
        events.model = <void *>at.model
        events.standing = at.tables.passive_reward
        people.passive.fresh = False
        return 0

    cdef int open_tables(self, Evaluator at, const double *mu, Py_ssize_t t) except -1 nogil:
        """Build the alias tables of FIXED for the stage of step t."""
        self.stage = stage_of(t, at.horizon, at.policy.n_stages)
        at.policy.table_at(<int>t, at.horizon, mu, at.pi_buffer, &at.pi)
        self.alias.build(at)
        self.events.alias = self.alias.alias
        return 0

    cdef Py_ssize_t play(
        self, Evaluator at, Population *people, Ledger *ledger, Py_ssize_t t, Py_ssize_t n_steps
    ) except -1 nogil:
        cdef Py_ssize_t i
        self.prepare(at, people, t)
        n_steps = min(n_steps, CHUNK - t % CHUNK)
        if self.manner == FIXED:
            n_steps = min(n_steps, stage_end(self.stage, at.horizon, at.policy.n_stages) - t)
            self.play_fixed(at, people, ledger, t, n_steps)
        else:
            for i in range(t, t + n_steps):
                self.prepare(at, people, i)
                self.play_one(at, people, ledger, i)
        return n_steps

    cdef int play_fixed(
        self, Evaluator at, Population *people, Ledger *ledger, Py_ssize_t t, Py_ssize_t n_steps
    ) except -1 nogil:
        cdef tmf_events *events = &self.events
        cdef Py_ssize_t S = at.n_observations, A = at.n_actions
        cdef Py_ssize_t end = t + n_steps, n, o, i
        cdef uint32_t column
        events.counts = people.counts
        events.mu = people.mu
        events.total = people.passive.sum
        events.whole = ledger.total
        events.weight = ledger.weight
        events.discount = ledger.discount
        while t < end:
            events.decisions = ledger.decisions
            events.reward = ledger.reward
            n = tmf_play_events(events, t, end - t, ledger.left)
            ledger.reward = events.reward
            end_steps(ledger, n, people.counts)
            t += n
        ledger.total = events.whole
        ledger.weight = events.weight
        people.passive.sum = events.total
        if events.margin != NULL:
            for o in range(S):
                people.mu[o] = <double>people.counts[o] / people.n_agents
                events.standing[o] = self.level[o] + self.slope[o] * people.counts[o]
        i = end - 1 - self.block.begin
        o = self.block.left[i]
        column = self.block.flows[i] & ((<uint32_t>1 << events.alias.column_bits) - 1)
        self.last.agent = self.draws.agents[(end - 1) % CHUNK]
        self.last.observation = o
        self.last.action = column >> events.alias.cell_bits
        self.last.cell = column & ((<uint32_t>1 << events.alias.cell_bits) - 1)
        self.last.standing = events.before
        if events.margin != NULL:
            self.last.standing = self.level[o] + self.slope[o] * (people.counts[o] + (self.block.joined[i] != o))
        self.last.extra = self.extra[o * A + self.last.action]
        if not isfinite(people.passive.sum):    # a sum that is not finite stays so until here
            for o in range(S):
                if not isfinite(events.standing[o]):
                    refuse_standing(at.model, <int>(end - n_steps), <int>o, people.mu)
            refuse_standing(at.model, <int>(end - n_steps), <int>self.last.observation, people.mu)
        return 0

    cdef int play_one(self, Evaluator at, Population *people, Ledger *ledger, Py_ssize_t t) except -1 nogil:
        cdef Py_ssize_t A = at.n_actions, K = at.n_successors
        cdef Py_ssize_t event = t % CHUNK
        cdef uint64_t agent = self.draws.agents[event]
        cdef Py_ssize_t o, a, k = 0, x
        cdef double own, reward
        cdef const double *pi
        cdef const double *row
        cdef const int32_t *successor
        if people.observations != NULL:
            if event + AHEAD < CHUNK:
                tmf_prefetch_one(people.observations, people.width, self.draws.agents[event + AHEAD])
            o = tmf_load_one(people.observations, people.width, agent)
        else:
            if t >= self.block.end:
                tmf_begin_block(&self.block, t, self.block.length, &self.draws, people.counts)
            o = tmf_place(&self.block, t - self.block.begin, agent)
        if self.manner == ROWS:
            at.policy.row_at(<int>t, at.horizon, o, people.mu, at.pi_buffer, &pi)
            a = scan(tmf_uniform(self.words[2 * event]), pi, A)
            checked_row(at.model, <int>t, <int>o, <int>a, people.mu, people.row, &own)
            row = people.row
        else:
            a = scan(tmf_uniform(self.words[2 * event]), at.pi + o * A, A)
            own = at.tables.reward[o * A + a]
            row = at.tables.transition + (o * A + a) * K
        if K > 1:
            k = scan(tmf_uniform(self.words[2 * event + 1]), row, K)
        successor = successors_of(at, o * A + a)
        x = k if successor == NULL else successor[k]
        self.last.agent = agent
        self.last.observation = o
        self.last.action = a
        self.last.cell = k
        self.last.standing = at.tables.passive_reward[o]
        self.last.extra = own - self.last.standing
        reward = people.passive.sum + self.last.extra
        if ledger.decisions != NULL:
            ledger.decisions[o * A + a] += 1
        if people.observations != NULL:
            tmf_store_one(people.observations, people.width, agent, <uint32_t>x)
        else:
            self.block.joined[t - self.block.begin] = <uint32_t>x
        move_agent(at, &people.passive, <int>t, o, x, people.n_agents, people.counts, people.mu, people.row)
        end_step(ledger, reward, people.counts)
        return 0
