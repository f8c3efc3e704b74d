"""Steps at which one agent acts and may adopt the observation of another one, for both engines (Model.adoption).

Source     games.pairwise_revision.  Notation: S observations, N agents, M payoffs (S, S), n counts (S,).
Method     The partner is drawn from the counts or the individuals, so that no row is built. An agent at o adopts y if
           a level, drawn ahead, is below the gain intensity ((M n)[y] - (M n)[o]) / N: log(u / (1 - u)) with u uniform
           for the logistic rule, u itself for the linear one.
Contract   that of imitation.h. Payoffs and rewards are kept up to date, and computed again from the counts every
           EXACT_EVERY steps, which depend on t alone.
Cost       O(1) per event, or O(log S) if S > 6 and individuals are not stored; O(S) if the agent changes.
"""
from libc.stdint cimport int64_t

from tmfcore._base.memory cimport room_for
from tmfcore._model.policy cimport stage_end, stage_of
from tmfcore._population.alias cimport bits_for
from tmfcore._population.ledger cimport end_steps
from tmfcore._population.observations cimport tmf_prefetch_one
from tmfcore._population.passive cimport EXACT_EVERY


cdef Singles singles_of(Evaluator at, const Population *people, Py_ssize_t n_single, bint actions_matter):
    cdef Meetings self
    cdef tmf_imitation *events
    cdef double *turned
    cdef double *both
    cdef Py_ssize_t S = at.n_observations, i
    if at.model.adoption == NULL or at.policy.depends_on_mu:
        return Singles.of(at, people, n_single, actions_matter)
    self = Meetings.__new__(Meetings)
    self.rule = at.model.adoption
    self.stage = self.ready = self.chunk = self.following = -1
    self.memory = <double *>room_for(2.0 * S * S + 4 * S + (1 << bits_for(S)), sizeof(double), b"the payoffs")
    turned = self.memory
    both = turned + S * S
    for i in range(S * S):
        turned[i] = self.rule.payoffs[i % S * S + i // S]
        both[i] = self.rule.payoffs[i] + turned[i]
    self.limits = both + S * S
    events = &self.events
    events.drawn = &self.drawn
    events.n_observations = S
    events.search_bits = bits_for(S)
    events.width = people.width if people.observations != NULL else 0
    events.observations = people.observations
    events.bounds = <int64_t *>(self.limits + 4 * S)
    for i in range(1 << bits_for(S)):
        events.bounds[i] = 4611686018427387904
    events.earned = self.limits + 2 * S
    events.shared = events.earned + S
    events.turned = turned
    events.both = both
    events.limits = self.limits
    events.scale = self.rule.intensity / people.n_agents
    events.slope = self.rule.step / people.n_agents
    return self


cdef class Meetings(Singles):

    cdef int prepare(self, Evaluator at, Population *people, Py_ssize_t t) except -1 nogil:
        cdef Py_ssize_t o, i
        if self.ready == t:
            return 0
        if self.stage != stage_of(t, at.horizon, at.policy.n_stages):
            self.stage = stage_of(t, at.horizon, at.policy.n_stages)
            at.policy.table_at(<int>t, at.horizon, people.mu, at.pi_buffer, &at.pi)
            for o in range(at.n_observations):
                self.limits[2 * o] = at.pi[2 * o]
                self.limits[2 * o + 1] = at.pi[2 * o] + at.pi[2 * o + 1] * self.rule.mutation
        if self.chunk != t // TMF_MEETINGS:
            self.chunk = t // TMF_MEETINGS
            tmf_draw_meetings(
                people.key, self.chunk, people.n_agents, self.rule.logistic, self.words, &self.drawn)
            for i in range(TMF_SOON if people.observations != NULL else 0):
                tmf_prefetch_one(people.observations, people.width, self.drawn.agents[i])
                tmf_prefetch_one(people.observations, people.width, self.drawn.partners[i])
        if not people.passive.fresh or t != self.following or t % EXACT_EVERY == 0:
            self.count(at, people)
        if not people.passive.fresh or t % EXACT_EVERY == 0:
            people.passive.sum = 0
            for o in range(at.n_observations):
                people.passive.sum += people.counts[o] * at.tables.passive_reward[o]
            people.passive.fresh = True
        self.ready = t
        return 0

    cdef void count(self, Evaluator at, Population *people) noexcept nogil:
        """Take the state of the kernel from the counts: other kernels have changed them, or rounding has added up."""
        cdef tmf_imitation *events = &self.events
        cdef Py_ssize_t o, y, S = at.n_observations
        cdef int64_t running = 0
        for o in range(S):
            events.bounds[o] = running
            running += people.counts[o]
            events.earned[o] = events.shared[o] = 0
            for y in range(S):
                events.earned[o] += self.rule.payoffs[o * S + y] * people.counts[y]
                events.shared[o] += events.both[o * S + y] * people.counts[y]
        self.note_rewards(at, people)

    cdef void note_rewards(self, Evaluator at, Population *people) noexcept nogil:
        """Bring mu and at.tables.passive_reward to the counts."""
        cdef Py_ssize_t o
        for o in range(at.n_observations):
            people.mu[o] = <double>people.counts[o] / people.n_agents
            at.tables.passive_reward[o] = self.events.slope * self.events.earned[o]

    cdef Py_ssize_t play(
        self, Evaluator at, Population *people, Ledger *ledger, Py_ssize_t t, Py_ssize_t n_steps
    ) except -1 nogil:
        cdef tmf_imitation *events = &self.events
        cdef Py_ssize_t played = 0, n
        self.prepare(at, people, t)
        n_steps = min(n_steps, TMF_MEETINGS - t % TMF_MEETINGS)
        n_steps = min(n_steps, stage_end(self.stage, at.horizon, at.policy.n_stages) - t)
        events.counts = people.counts
        events.total = people.passive.sum
        events.whole = ledger.total
        events.weight = ledger.weight
        events.discount = ledger.discount
        while played < n_steps:
            n = min(n_steps - played, ledger.left)
            events.decisions = ledger.decisions
            events.reward = ledger.reward
            tmf_imitate(events, t % TMF_MEETINGS + played, n)
            ledger.reward = events.reward
            end_steps(ledger, n, people.counts)
            played += n
        ledger.total = events.whole
        ledger.weight = events.weight
        people.passive.sum = events.total
        self.last.agent = <int64_t>self.drawn.agents[(t + n_steps - 1) % TMF_MEETINGS]
        self.last.observation = events.left
        self.last.action = events.action
        self.last.cell = events.joined
        self.last.standing = at.tables.passive_reward[events.left]      # of this step if n_steps is 1; needed only then
        self.last.extra = 0
        self.note_rewards(at, people)
        self.following = t + n_steps
        return n_steps
