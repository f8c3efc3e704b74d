"""Steps at which one agent acts (B = 1) and passive agents stay where they are, for both engines.

Source     Theory, section 1.  Notation: N agents, S observations, A actions, K successors.
Contract   step t uses random words addressed by (key, t) alone. If individuals are stored, the drawn index i is an
           individual; otherwise it is the i-th agent in order of observation. The law of the counts is the same.
Cost       O(1) per event if neither kernel nor policy depends on mu and rewards are separable (model.pxd), plus
           O(S / 8 + 8) to find the agent if individuals are not stored. Otherwise the game evaluates one row, or all
           its tables.
"""
from libc.math cimport isfinite
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

import numpy as np

from tmfcore._population.alias cimport Layout, cells_in, layout_of, tmf_alias, tmf_draw_one, tmf_successor
from tmfcore._model.evaluator cimport successors_of
from tmfcore._population.ledger cimport end_step
from tmfcore._model.model cimport Model, checked_row, refuse_standing
from tmfcore._population.passive cimport move_agent, refresh
from tmfcore._model.policy cimport stage_end, stage_of
from tmfcore._population.observations cimport tmf_load_one, tmf_prefetch_one, tmf_store_one
from tmfcore._random.sampling cimport scan
from tmfcore._random.streams cimport SINGLES, tmf_below, tmf_fill, tmf_open, tmf_stream, tmf_uniform

cdef enum:
    AHEAD = 32                 # events from the prefetch of an agent's observation to its use
    BLOCK = 8                  # observations per entry of Singles.blocks


cdef inline Py_ssize_t locate(
    const int64_t *counts, const int64_t *blocks, Py_ssize_t n_observations, int64_t index
) noexcept nogil:
    """The observation of the index-th agent. The index is random: branches on it would be mispredicted."""
    cdef Py_ssize_t n_blocks = (n_observations + BLOCK - 1) // BLOCK
    cdef Py_ssize_t k, block = 0, first, o
    cdef int64_t running = 0, before = 0
    cdef bint beyond
    for k in range(n_blocks - 1):
        running += blocks[k]
        beyond = index >= running
        block += beyond
        before = running if beyond else before
    index -= before
    first = block * BLOCK
    o = first
    running = 0
    for k in range(first, min(first + BLOCK, n_observations) - 1):
        running += counts[k]
        o += index >= running
    return o


cdef class Singles:

    @staticmethod
    cdef Singles of(Evaluator at, Py_ssize_t n_single):
        cdef Singles self = Singles.__new__(Singles)
        cdef Model model = at.model
        cdef Layout layout = layout_of(at, False, False)
        cdef double n_cells = cells_in(&layout)
        cdef Py_ssize_t A = at.n_actions, n_stages = min(at.policy.n_stages, at.horizon)
        self.stage = self.ready = self.chunk = -1
        self.block_counts = np.zeros((at.n_observations + BLOCK - 1) // BLOCK, np.int64)
        self.blocks = &self.block_counts[0]
        self.doubles = np.zeros(at.n_observations * (A + 2))
        self.extra = &self.doubles[0]
        self.level = self.extra + at.n_observations * A
        self.slope = self.level + at.n_observations
        self.manner = ROWS if model.by_row else TABLES
        # Building one cell of the alias tables takes as long as one draw from them saves (measured).
        if (model.constant_transition and model.local_passive_reward and (model.constant or model.separable_reward)
                and not at.policy.depends_on_mu and layout.action_bits + layout.cell_bits <= 20
                and n_cells <= 2**26 and n_stages * n_cells <= 4096 + <double>n_single):
            self.manner = FIXED
            self.affine = model.constant or model.standing_slope != NULL
            self.alias = AliasTables.of(layout)
        return self

    cdef int prepare(self, Evaluator at, Population *people, Py_ssize_t t) except -1 nogil:
        cdef Py_ssize_t o, i
        cdef tmf_stream stream
        if self.ready == t:
            return 0
        if self.manner == TABLES:
            at.at(<int>t, people.mu)
        elif self.manner == FIXED and self.stage != stage_of(t, at.horizon, at.policy.n_stages):
            if self.stage < 0:
                at.tables_at(<int>t, people.mu)
                for i in range(at.n_observations * at.n_actions):
                    self.extra[i] = at.tables.reward[i] - at.tables.passive_reward[i // at.n_actions]
                for o in range(at.n_observations):
                    if at.model.constant:
                        self.level[o] = at.tables.passive_reward[o]
                    elif self.affine:
                        self.level[o] = at.model.standing_level[o]
                        self.slope[o] = at.model.standing_slope[o] / people.n_agents
                people.passive.fresh = False
            self.stage = stage_of(t, at.horizon, at.policy.n_stages)
            at.policy.table_at(<int>t, at.horizon, people.mu, at.pi_buffer, &at.pi)
            self.alias.build(at)
        if not people.passive.fresh and people.observations == NULL:
            memset(self.blocks, 0, self.block_counts.shape[0] * sizeof(int64_t))
            for o in range(at.n_observations):
                self.blocks[o // BLOCK] += people.counts[o]
        refresh(at, &people.passive, <int>t, people.counts, people.mu, people.row)
        if self.chunk != t // CHUNK:
            self.chunk = t // CHUNK
            tmf_open(&stream, people.key, self.chunk, 0, SINGLES)
            tmf_fill(&stream, self.words, CHUNK // 8)
            tmf_below(&stream, self.words, people.n_agents, self.agents, CHUNK)
            tmf_fill(&stream, self.words, 2 * CHUNK // 8)
            if people.observations != NULL:
                for i in range(AHEAD):
                    tmf_prefetch_one(people.observations, people.width, self.agents[i])
        self.ready = t
        return 0

    cdef Py_ssize_t play(
        self, Evaluator at, Population *people, Ledger *ledger, Py_ssize_t t, Py_ssize_t n_steps
    ) except -1 nogil:
        cdef Py_ssize_t i
        self.prepare(at, people, t)
        n_steps = min(n_steps, CHUNK - t % CHUNK)
        if self.manner == FIXED:
            n_steps = min(n_steps, stage_end(self.stage, at.horizon, at.policy.n_stages) - t)
            self.play_fixed(at, at.model, people, ledger, t, n_steps)
            if not isfinite(people.passive.sum):    # a sum that is not finite stays so until here
                for i in range(at.n_observations):
                    if not isfinite(at.tables.passive_reward[i]):
                        refuse_standing(at.model, <int>t, <int>i, people.mu)
                refuse_standing(at.model, <int>t, <int>(self.last.observation), people.mu)
        else:
            for i in range(t, t + n_steps):
                self.prepare(at, people, i)
                self.play_one(at, people, ledger, i)
        return n_steps

    cdef void play_fixed(
        self, Evaluator at, Model model, Population *people, Ledger *ledger, Py_ssize_t t, Py_ssize_t n_steps
    ) noexcept nogil:
        # Copies in locals: otherwise the compiler must reload the fields after every store.
        cdef Ledger book = ledger[0]
        cdef tmf_alias alias = self.alias.alias
        cdef uint8_t *observations = people.observations
        cdef const uint64_t *agents = self.agents
        cdef const uint64_t *words = self.words
        cdef const double *extra = self.extra
        cdef double *standing = at.tables.passive_reward
        cdef int64_t *counts = people.counts
        cdef int64_t *blocks = self.blocks
        cdef double *mu = people.mu
        cdef double total = people.passive.sum, n_agents = <double>people.n_agents
        cdef Py_ssize_t S = at.n_observations, A = at.n_actions
        cdef Py_ssize_t event, first = t % CHUNK
        cdef uint32_t action_mask = (<uint32_t>1 << self.alias.layout.action_bits) - 1
        cdef const double *level = self.level
        cdef const double *slope = self.slope
        cdef bint affine = self.affine
        cdef int width = people.width
        cdef uint32_t flow = 0, o = 0, x
        cdef Py_ssize_t pair = 0
        cdef uint64_t agent = 0, word
        cdef double reward, before = 0
        cdef Py_ssize_t i
        for event in range(first, first + n_steps):
            agent = agents[event]
            if observations != NULL:
                if event + AHEAD < CHUNK:
                    tmf_prefetch_one(observations, width, agents[event + AHEAD])
                o = tmf_load_one(observations, width, agent)
            else:
                o = <uint32_t>locate(counts, blocks, S, <int64_t>agent)
            word = words[2 * event]
            flow = tmf_draw_one(&alias, o, <uint32_t>(word >> 32), <uint32_t>word)
            pair = o * A + ((flow >> alias.cell_bits) & action_mask)
            x = tmf_successor(&alias, flow)
            before = standing[o]                    # r0 at this step's mu if n_steps is 1; needed only then
            reward = total + extra[pair]
            if book.decisions != NULL:
                book.decisions[pair] += 1
            if observations != NULL:
                tmf_store_one(observations, width, agent, x)
            else:
                blocks[o // BLOCK] -= 1
                blocks[x // BLOCK] += 1
            # Also correct for x = o, up to rounding; a branch on x == o would be mispredicted.
            if affine:                              # differences of c (level + slope c), for c agents
                total += ((level[x] + slope[x] * (2 * counts[x] + 1))
                          - (level[o] + slope[o] * (2 * counts[o] - 1 + 2 * (o == x))))
            else:
                total -= counts[o] * standing[o] + counts[x] * standing[x]
            counts[o] -= 1
            counts[x] += 1
            if not affine:
                mu[o] = counts[o] / n_agents
                mu[x] = counts[x] / n_agents
                standing[o] = model.standing_reward(<int>o, mu)
                standing[x] = model.standing_reward(<int>x, mu)
                total += counts[o] * standing[o] + counts[x] * standing[x]
            end_step(&book, reward, counts)
        people.passive.sum = total
        ledger[0] = book
        if affine:
            for i in range(S):
                mu[i] = counts[i] / n_agents
                standing[i] = level[i] + slope[i] * counts[i]
        self.last.agent = agent
        self.last.observation = pair // A
        self.last.action = pair % A
        self.last.cell = flow & (((<uint32_t>1) << alias.cell_bits) - 1)
        self.last.standing = before
        self.last.extra = extra[pair]

    cdef int play_one(self, Evaluator at, Population *people, Ledger *ledger, Py_ssize_t t) except -1 nogil:
        cdef Py_ssize_t A = at.n_actions, K = at.n_successors
        cdef Py_ssize_t event = t % CHUNK
        cdef uint64_t agent = self.agents[event]
        cdef Py_ssize_t o, a, k = 0, x
        cdef double own, reward
        cdef const double *pi
        cdef const double *row
        cdef const int32_t *successor
        if people.observations != NULL:
            if event + AHEAD < CHUNK:
                tmf_prefetch_one(people.observations, people.width, self.agents[event + AHEAD])
            o = tmf_load_one(people.observations, people.width, agent)
        else:
            o = locate(people.counts, self.blocks, at.n_observations, <int64_t>agent)
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
        elif x != o:
            self.blocks[o // BLOCK] -= 1
            self.blocks[x // BLOCK] += 1
        move_agent(at, &people.passive, <int>t, o, x, people.n_agents, people.counts, people.mu, people.row)
        end_step(ledger, reward, people.counts)
        return 0
