"""Steps at which one agent acts and passive agents stay where they are, for both engines; or few, for that of counts.

Source     Theory, section 1.  Notation: N agents, S observations, A actions, K successors.
Contract   step t uses random words addressed by (key, t) alone. If individuals are stored, the drawn index i is an
           individual; otherwise it is the i-th agent in order of observation. The law of the counts is the same.
           The agents of a batch are drawn one after the other, without replacement (events.h).
Cost       O(1) per event if neither kernel nor policy depends on mu and rewards are separable (model.pxd), plus
           O(S / N^(1/3) + log S) to find the agent if individuals are not stored. Otherwise the game evaluates one
           row, or all its tables.
"""
from libc.math cimport cbrt, isfinite
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from tmfcore._base.memory cimport room_for
from tmfcore._population.alias cimport AliasTables, Layout, bits_for, cells_in, layout_of
from tmfcore._model.evaluator cimport successors_of
from tmfcore._population.ledger cimport end_step, end_steps
from tmfcore._population.meetings cimport MeetingTables, action_tables, build_actions, meeting_cells
from tmfcore._model.model cimport Model, Tables, checked_meeting, checked_row, refuse_standing
from tmfcore._population.passive cimport EXACT_EVERY, move_agent, refresh
from tmfcore._population.shards cimport Shard, Visitors
from tmfcore._model.policy cimport stage_end, stage_of
from tmfcore._population.observations cimport tmf_load_one, tmf_prefetch_one, tmf_store_one
from tmfcore._random.sampling cimport scan
from tmfcore._random.streams cimport tmf_uniform


cdef double standing_reward(void *model, int observation, const double *mu) noexcept nogil:
    return (<Model>model).standing_reward(observation, mu)


cdef Py_ssize_t bounds_of(Evaluator at) noexcept nogil:
    return 1 + (<Py_ssize_t>1 << bits_for(at.n_observations))


cdef void average_extra(Evaluator at, const double *extra, double *mean) noexcept nogil:
    cdef Py_ssize_t o, a
    for o in range(at.n_observations):
        mean[o] = 0
        for a in range(at.n_actions):
            mean[o] += at.pi[o * at.n_actions + a] * extra[o * at.n_actions + a]


cpdef bint one_by_one(int64_t size, int64_t n_agents, Py_ssize_t n_observations) noexcept:
    """Whether batches of `size` agents of a population of counts are drawn one by one, if alias tables allow it."""
    # Measured: of larger batches, more agents are so near to a bound that they must be located again.
    cdef bint small = size <= 32 and 2 * size <= n_agents
    return n_agents >> 32 == 0 and (small or (size <= min(CHUNK, 32 * n_observations) and size * size <= n_agents))


cdef class Singles:

    @staticmethod
    cdef Singles of(Evaluator at, const Population *people, Py_ssize_t n_single, bint actions_matter):
        cdef Singles self = Singles.__new__(Singles)
        cdef tmf_events *events = &self.events
        cdef Py_ssize_t S = at.n_observations, A = at.n_actions, o, y
        cdef double *coupling
        cdef const double *matrix = at.model.standing_matrix
        self.choose(at, n_single, actions_matter)
        self.memory = <double *>room_for(S * (A + 5.0) + (S * (S + 1.0) if matrix != NULL else 0.0) + bounds_of(at),
                                         sizeof(double), b"the rewards of single agents")
        self.extra = self.memory
        memset(self.extra, 0, S * (A + 5) * sizeof(double))
        self.level = self.extra + S * A
        self.slope = self.level + S
        self.margin = self.slope + S
        self.mean_extra = self.margin + 2 * S
        self.coupled = matrix != NULL
        if self.coupled:
            coupling = self.mean_extra + S
            for o in range(S):
                for y in range(S):
                    coupling[o * S + y] = (matrix[o * S + y] + matrix[y * S + o]) / people.n_agents
            events.coupling = coupling
            events.pull = coupling + S * S
        self.see(at, people, <int64_t *>(self.mean_extra + S + (S * (S + 1) if self.coupled else 0)))
        events.extra = self.mean_extra if self.averaged else self.extra
        events.margin = self.margin
        events.price = standing_reward
        events.model = <void *>at.model
        events.standing = at.tables.passive_reward
        events.tables.n_actions = 1 if self.averaged else A
        events.tables.n_successors = at.n_successors
        events.tables.successor = at.model.successor
        if self.averaged:
            events.tables.successor = NULL
        events.tables.kind = (TMF_ALONE if self.manner == FIXED else
                              TMF_MEETS if self.manner == MEETINGS and events.tables.n_actions == 1 else TMF_MEETS_ACTS)
        return self

    @staticmethod
    cdef Singles of_batches(Evaluator at, const Population *people, int64_t size, bint actions_matter):
        cdef Singles self
        if not one_by_one(size, people.n_agents, at.n_observations):
            return None
        # Splitting a batch takes as long as about S A / 8 draws from tables (measured).
        self = Singles.of(at, people, at.horizon * (size + at.n_observations * at.n_actions // 8), actions_matter)
        if self.manner != FIXED:
            return None
        self.gather(people, size)
        return self

    def __dealloc__(self):
        free(self.memory)

    cdef void gather(self, const Population *people, int64_t size) noexcept:
        """Let `size` agents act at a step."""
        cdef tmf_events *events = &self.events
        self.size = size
        tmf_batch_open(&events.batch, people.n_agents, <int>size)
        self.steps = CHUNK // events.batch.n_words * (events.batch.n_events // size)
        events.block.size = size
        events.block.chunk = self.steps * size
        events.block.length = max(size, events.block.length - events.block.length % size)

    cdef void see(self, Evaluator at, const Population *people, int64_t *bounds) noexcept:
        """Take the population as it is stored; bounds (bounds_of(at),) for one whose individuals are not."""
        cdef tmf_events *events = &self.events
        cdef Py_ssize_t o
        self.stage = self.ready = self.played = self.chunk = -1
        self.size = events.block.size = 1
        self.steps = events.block.chunk = CHUNK
        events.block.n_observations = at.n_observations
        events.block.search_bits = bits_for(at.n_observations)
        # Long blocks are begun rarely; in short ones, few agents are so near a bound that they must be located again.
        events.block.length = max(16, min(CHUNK, <Py_ssize_t>cbrt(<double>people.n_agents)))
        events.block.bounds = bounds if people.observations == NULL else NULL
        bounds[0] = -4611686018427387904
        for o in range(1, bounds_of(at)):
            bounds[o] = 4611686018427387904      # beyond all agents
        events.key = &people.key[0]
        events.n_agents = people.n_agents
        events.observations = people.observations
        events.width = people.width if people.observations != NULL else 0

    cdef void turn(self, void *observations) noexcept nogil:
        self.ready = self.played = self.chunk = -1
        self.events.observations = observations

    cdef int choose(self, Evaluator at, Py_ssize_t n_single, bint actions_matter) except -1:
        """Choose the manner. Tables must pay for themselves, in events: thresholds were measured."""
        cdef Model model = at.model
        cdef bint averaged = (not actions_matter and at.n_actions > 1
                              and at.n_observations <= <double>at.n_actions * at.n_successors)
        cdef Layout layout = layout_of(at, False, averaged)
        cdef double n_stages = min(at.policy.n_stages, at.horizon), n_cells = cells_in(&layout), pay = 4096.0 + n_single
        self.manner = ROWS if model.by_row else TABLES
        if at.policy.depends_on_mu or not (
                model.constant or model.separable_reward or (model.constant_extra and model.standing_matrix != NULL)):
            return 0
        # Building one cell of the alias tables takes as long as one draw from them saves.
        if model.constant_transition and model.local_passive_reward | (model.standing_matrix != NULL) and (
                layout.action_bits + layout.cell_bits <= 20 and n_cells <= 2**26 and n_stages * n_cells <= pay):
            self.manner = FIXED
            self.averaged = averaged
            self.alias = AliasTables.of(layout)
        elif not model.meets or not model.constant_meetings:
            return 0
        elif averaged and n_stages * meeting_cells(at, True) <= min(2.0**22, pay):
            self.manner = MEETINGS
            self.averaged = True
        # The tables of all meetings save the evaluation of a row, and are kept for later runs, in up to 32 MB.
        elif meeting_cells(at, False) <= min(2.0**22, 8 * pay) and n_stages * at.n_observations * at.n_actions <= pay:
            self.manner = MEETINGS
            self.meet(MeetingTables.of(at, False))
            if at.n_actions > 1:
                self.alias = action_tables(at)
        return 0

    cdef void meet(self, MeetingTables meetings) noexcept:
        self.meetings = meetings
        self.events.tables.second = meetings.tables.alias
        self.events.tables.rows = meetings.rows

    cdef int prepare(self, Evaluator at, Population *people, Py_ssize_t t) except -1 nogil:
        cdef tmf_events *events = &self.events
        if self.ready == t:
            return 0
        if self.manner == TABLES:
            at.tables_at(<int>t, people.mu)
        elif self.manner != ROWS and self.stage != stage_of(t, at.horizon, at.policy.n_stages):
            if self.stage < 0:
                self.open_rewards(at, people, t)
            self.open_tables(at, people.mu, t)
        if self.played != t:                       # others have moved
            events.block.end = 0
            if self.coupled:
                people.passive.fresh = False
        if refresh(at, &people.passive, <int>t, people.counts, people.mu, people.row, self.coupled) and self.coupled:
            self.couple(at, people)
        self.draw(people, t)
        self.ready = t
        return 0

    cdef bint draw(self, const Population *people, Py_ssize_t t) except -1 nogil:
        """Draw the random numbers of the chunk of step t; return whether they were not yet drawn."""
        cdef tmf_events *events = &self.events
        cdef bint drawn = self.chunk != t // self.steps
        cdef Py_ssize_t i
        if drawn:
            self.chunk = t // self.steps
            if self.size > 1:
                tmf_draw_batches(people.key, self.chunk, &events.batch, &events.draws)
                return True
            tmf_draw_chunk(people.key, self.chunk, people.n_agents, events.tables.kind, &events.draws)
            if self.visitors is not None:
                self.visitors.clear()
                self.visitors.number(events.draws.agents, CHUNK)
                if events.tables.kind != TMF_ALONE:
                    self.visitors.number(events.draws.partners, CHUNK)
            for i in range(AHEAD if people.observations != NULL else 0):
                tmf_prefetch_one(events.observations, people.width, events.draws.agents[i])
                if events.tables.kind != TMF_ALONE:
                    tmf_prefetch_one(events.observations, people.width, events.draws.partners[i])
        if self.visitors is not None and (drawn or self.played != t):      # others have moved
            self.visitors.collect(people.observations)
        return drawn

    cdef int share(self, Shard shard, const Population *people) except -1:
        self.visitors = Visitors(shard, 2 * CHUNK, people.width)
        self.events.observations = &self.visitors.copies[0]
        return 0

    cdef void hand_back(self, Population *people) noexcept nogil:
        self.visitors.hand_back(people.observations)
        self.last.agent = self.visitors.agents[self.last.agent]

    cdef void couple(self, Evaluator at, Population *people) noexcept nogil:
        """Bring events.pull to the counts."""
        cdef tmf_events *events = &self.events
        cdef Py_ssize_t S = at.n_observations, o, y
        for o in range(S):
            events.pull[o] = at.model.standing_level[o]
        for y in range(S):
            for o in range(S):
                events.pull[o] += events.coupling[y * S + o] * people.counts[y]

    cdef int open_rewards(self, Evaluator at, Population *people, Py_ssize_t t) except -1 nogil:
        """Read the rewards of FIXED and MEETINGS at step t, which are those of all steps."""
        cdef Tables wanted = at.tables
        cdef Py_ssize_t i
        if self.manner == MEETINGS and at.model.in_parts:
            wanted.transition = wanted.passive_transition = NULL
            at.model.tables_at(<int>t, people.mu, &wanted, True)
        else:
            at.tables_at(<int>t, people.mu)
        for i in range(0 if self.recalled else at.n_observations * at.n_actions):
            self.extra[i] = at.tables.reward[i] - at.tables.passive_reward[i // at.n_actions]
        for i in range(at.n_observations):
            if at.model.constant:
                self.level[i] = at.tables.passive_reward[i]
            elif at.model.standing_slope != NULL:
                self.level[i] = at.model.standing_level[i]
                self.slope[i] = at.model.standing_slope[i] / people.n_agents
            self.margin[2 * i] = self.level[i] + self.slope[i]
            self.margin[2 * i + 1] = 2 * self.slope[i]
        people.passive.fresh = False
        return 0

    cdef int open_tables(self, Evaluator at, const double *mu, Py_ssize_t t) except -1 nogil:
        """Build the alias tables for the stage of step t, and the averages over its policy."""
        cdef tmf_events *events = &self.events
        cdef Py_ssize_t S = at.n_observations, A = at.n_actions, i
        cdef bint paid = False
        self.stage = stage_of(t, at.horizon, at.policy.n_stages)
        at.policy.table_at(<int>t, at.horizon, mu, at.pi_buffer, &at.pi)
        if self.manner == FIXED:
            self.alias.build(at)
        elif self.averaged:
            with gil:
                self.meet(MeetingTables.of(at, True))
        elif A > 1:
            build_actions(self.alias, at)
        if self.alias is not None:
            events.tables.first = self.alias.alias
        if self.averaged:
            average_extra(at, self.extra, self.mean_extra)
        for i in range(S * events.tables.n_actions):
            paid = paid or events.extra[i] != 0
        for i in range(2 * S):
            paid = paid or self.margin[i] != 0
        events.pricing = self.pricing(at, paid)
        return 0

    cdef int pricing(self, Evaluator at, bint paid) noexcept nogil:
        return (TMF_COUPLED if self.coupled else
                TMF_PRICED if not at.model.constant and at.model.standing_slope == NULL else
                TMF_LOCAL if paid else TMF_UNPAID)

    cdef Py_ssize_t play(
        self, Evaluator at, Population *people, Ledger *ledger, Py_ssize_t t, Py_ssize_t n_steps
    ) except -1 nogil:
        cdef Py_ssize_t i
        self.prepare(at, people, t)
        n_steps = min(min(n_steps, self.steps - t % self.steps), EXACT_EVERY - t % EXACT_EVERY)
        if self.manner == FIXED or self.manner == MEETINGS:
            n_steps = min(n_steps, stage_end(self.stage, at.horizon, at.policy.n_stages) - t)
            self.play_tables(at, people, ledger, t, n_steps)
        else:
            for i in range(n_steps):
                self.prepare(at, people, t + i)
                self.play_one(at, people, ledger, t + i, n_steps - i)
                self.played = t + i + 1
        self.played = t + n_steps
        if self.coupled:                           # O(S^2) for all these steps
            for i in range(at.n_observations):
                at.tables.passive_reward[i] = at.model.standing_reward(<int>i, people.mu)
        return n_steps

    cdef int play_tables(
        self, Evaluator at, Population *people, Ledger *ledger, Py_ssize_t t, Py_ssize_t n_steps
    ) except -1 nogil:
        """As play, by tables."""
        cdef tmf_events *events = &self.events
        cdef Py_ssize_t S = at.n_observations, B = self.size, end = t + n_steps, n, o
        events.counts = people.counts
        events.mu = people.mu
        events.total = people.passive.sum
        events.whole = ledger.total
        events.weight = ledger.weight
        events.discount = ledger.discount
        while t < end:
            events.decisions = ledger.decisions
            events.reward = ledger.reward
            n = tmf_play_events(events, t * B, (end - t) * B, ledger.left * B) // B
            ledger.reward = events.reward
            end_steps(ledger, n, people.counts)
            t += n
        ledger.total = events.whole
        ledger.weight = events.weight
        people.passive.sum = events.total
        self.last = self.event(end * B - 1)
        if events.pricing != TMF_PRICED:
            for o in range(S):
                people.mu[o] = <double>people.counts[o] / people.n_agents
                events.standing[o] = self.level[o] + self.slope[o] * people.counts[o]
        if not isfinite(people.passive.sum):    # a sum that is not finite stays so until here
            for o in range(S):
                if not isfinite(events.standing[o]):
                    refuse_standing(at.model, <int>(end - n_steps), <int>o, people.mu)
            refuse_standing(at.model, <int>(end - n_steps), <int>self.last.observation, people.mu)
        return 0

    cdef void carry(self, Evaluator at, Py_ssize_t t, Carry *to, double *own) noexcept nogil:
        cdef Py_ssize_t S = at.n_observations
        to.opened = self.stage >= 0 and (self.manner == FIXED or self.manner == MEETINGS)
        to.played = self.played == t
        if to.opened:
            memcpy(own, self.extra, S * at.n_actions * sizeof(double))
        if self.coupled:
            memcpy(own + S * at.n_actions, self.events.pull, S * sizeof(double))

    cdef int resume(
        self, Evaluator at, Population *people, Py_ssize_t t, const Carry *kept, const double *own
    ) except -1:
        cdef Py_ssize_t S = at.n_observations
        if kept.opened and self.manner in (FIXED, MEETINGS):
            memcpy(self.extra, own, S * at.n_actions * sizeof(double))
            self.recalled = True
            self.open_rewards(at, people, t)
            self.open_tables(at, people.mu, t)
        if self.coupled:
            memcpy(self.events.pull, own + S * at.n_actions, S * sizeof(double))
        self.played = t if kept.played else -1
        return 0

    cdef Event event(self, Py_ssize_t i) noexcept nogil:
        """Event i, of the present block."""
        cdef tmf_block *block = &self.events.block
        cdef Event event
        i -= block.begin
        event.agent = self.events.draws.agents[block.first + i]
        event.observation = block.left[i]
        event.action = block.pairs[i] % self.events.tables.n_actions
        event.cell = block.cells[i]
        event.extra = self.events.extra[block.pairs[i]]
        return event

    cdef Event acted(self, Py_ssize_t i) noexcept nogil:
        return self.last if self.size == 1 else self.event((self.played - 1) * self.size + i)

    cdef int play_one(
        self, Evaluator at, Population *people, Ledger *ledger, Py_ssize_t t, Py_ssize_t n_steps
    ) except -1 nogil:
        """Play step t, the first of n_steps steps of this chunk at which one agent acts, by a row of the game."""
        cdef tmf_events *events = &self.events
        cdef tmf_block *block = &self.events.block
        cdef Py_ssize_t A = at.n_actions, K = at.n_successors
        cdef Py_ssize_t event = t % CHUNK
        cdef uint64_t agent = events.draws.agents[event], partner = events.draws.partners[event]
        cdef bint meets = self.manner == ROWS and at.model.meets
        cdef Py_ssize_t o, a, k = 0, x, y = 0
        cdef double own, standing, reward
        cdef const double *pi
        cdef const double *row = people.row
        cdef const int32_t *successor
        if t >= block.end:
            tmf_begin_block(block, t, min(n_steps, block.length), &events.draws, people.counts, meets)
        if people.observations != NULL:
            if event + AHEAD < CHUNK:
                tmf_prefetch_one(events.observations, people.width, events.draws.agents[event + AHEAD])
            o = tmf_load_one(events.observations, people.width, agent)
            y = tmf_load_one(events.observations, people.width, partner) if meets else 0
        else:
            o = tmf_place(block, block.left, t - block.begin, agent)
            y = tmf_place(block, block.met, t - block.begin, partner) if meets else 0
        at.policy.row_at(<int>t, at.horizon, o, people.mu, at.pi_buffer, &pi)
        a = scan(tmf_uniform(events.draws.words[2 * event]), pi, A)
        if meets:
            checked_meeting(at.model, <int>t, <int>o, <int>a, <int>y, people.mu, people.row, &own)
        elif self.manner == ROWS:
            checked_row(at.model, <int>t, <int>o, <int>a, people.mu, people.row, &own)
        else:
            own = at.tables.reward[o * A + a]
            row = at.tables.transition + (o * A + a) * K
        if K > 1:
            k = scan(tmf_uniform(events.draws.words[2 * event + 1]), row, K)
        successor = successors_of(at, o * A + a)
        x = k if successor == NULL else successor[k]
        standing = at.tables.passive_reward[o]
        if self.coupled:
            standing = at.model.standing_reward(<int>o, people.mu)
        self.last.agent = agent
        self.last.observation = o
        self.last.action = a
        self.last.cell = k
        self.last.extra = own - standing
        reward = people.passive.sum + self.last.extra
        if ledger.decisions != NULL:
            ledger.decisions[o * A + a] += 1
        if people.observations != NULL:
            tmf_store_one(events.observations, people.width, agent, <uint32_t>x)
        else:
            block.joined[t - block.begin] = <uint32_t>x
        events.total = people.passive.sum
        move_agent(at, &people.passive, <int>t, o, x, people.n_agents, people.counts, people.mu, people.row)
        if self.coupled:
            tmf_pull(events, o, x)
            people.passive.sum = events.total
        end_step(ledger, reward, people.counts)
        return 0
