"""Steps at which one agent acts and may adopt the observation of another one, for both engines (Model.adoption).

Source     games.pairwise_revision.  Notation: S observations, N agents, M payoffs (S, S), n counts (S,).
Method     The partner is drawn from the counts or the individuals, so that no row is built. An agent at o adopts y if
           a level, drawn ahead, is below the gain intensity ((M n)[y] - (M n)[o]) / N: log(u / (1 - u)) with u uniform
           for the logistic rule, u itself for the linear one.
Skipping   At the start of a chunk of events, if all agents are at one observation, only mutation changes the counts,
           at each step with the same probability. If this is below RARE and decisions are not recorded, the wait for
           the next mutant is drawn at once (Theory, section 5).
Contract   that of imitation.h. Payoffs and rewards are kept up to date, and computed again from the counts every
           EXACT_EVERY steps, which depend on t alone.
Cost       nothing per event that is skipped; O(1) per other event, or O(log S) if S > 6 and individuals are not stored;
           O(S) if the agent changes.
"""
from libc.math cimport expm1, log
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from tmfcore._base.memory cimport room_for
from tmfcore._model.policy cimport stage_end, stage_of
from tmfcore._population.ledger cimport end_steps
from tmfcore._population.passive cimport EXACT_EVERY
from tmfcore._population.singles cimport CHUNK, Carry, TMF_MEETS_ACTS, bounds_of

cdef double RARE = 1.0 / 2048      # a wait then takes less time than the steps that it saves, on average


cdef Singles singles_of(Evaluator at, const Population *people, Py_ssize_t n_single, bint actions_matter):
    cdef Imitators self
    cdef tmf_imitation *it
    cdef double *turned
    cdef double *both
    cdef Py_ssize_t S = at.n_observations, i
    if at.model.adoption == NULL or at.policy.depends_on_mu:
        return Singles.of(at, people, n_single, actions_matter)
    self = Imitators.__new__(Imitators)
    self.rule = at.model.adoption
    self.memory = <double *>room_for(2.0 * S * S + 4 * S + bounds_of(at), sizeof(double), b"the payoffs")
    turned = self.memory
    both = turned + S * S
    for i in range(S * S):
        turned[i] = self.rule.payoffs[i % S * S + i // S]
        both[i] = self.rule.payoffs[i] + turned[i]
    self.limits = both + S * S
    self.imitation.bounds = <int64_t *>(self.limits + 4 * S)
    self.see(at, people, self.imitation.bounds)
    self.events.tables.kind = TMF_MEETS_ACTS
    self.mutates = -1
    it = &self.imitation
    it.earned = self.limits + 2 * S
    it.shared = it.earned + S
    it.turned = turned
    it.both = both
    it.limits = self.limits
    it.scale = self.rule.intensity / people.n_agents
    it.slope = self.rule.step / people.n_agents
    return self


cdef void skip_mutants(Singles singles) noexcept:
    if isinstance(singles, Imitators):
        (<Imitators>singles).skips = singles.events.observations == NULL and singles.events.block.n_observations > 1


cdef class Imitators(Singles):

    cdef int prepare(self, Evaluator at, Population *people, Py_ssize_t t) except -1 nogil:
        cdef Py_ssize_t o
        if self.ready == t:
            return 0
        if self.stage != stage_of(t, at.horizon, at.policy.n_stages):
            self.open_stage(at, people.mu, t)
        if self.draw(people, t):
            tmf_split_chances(self.events.draws.words, self.rule.logistic, &self.imitation.chances)
        if not people.passive.fresh or t != self.played or t % EXACT_EVERY == 0:
            self.count(at, people)
        if not people.passive.fresh or t % EXACT_EVERY == 0:
            people.passive.sum = 0
            for o in range(at.n_observations):
                people.passive.sum += people.counts[o] * at.tables.passive_reward[o]
            people.passive.fresh = True
        self.ready = t
        return 0

    cdef int open_stage(self, Evaluator at, const double *mu, Py_ssize_t t) except -1 nogil:
        cdef Py_ssize_t o
        self.stage = stage_of(t, at.horizon, at.policy.n_stages)
        at.policy.table_at(<int>t, at.horizon, mu, at.pi_buffer, &at.pi)
        for o in range(at.n_observations):
            self.limits[2 * o] = at.pi[2 * o]
            self.limits[2 * o + 1] = at.pi[2 * o] + at.pi[2 * o + 1] * self.rule.mutation
        return 0

    cdef void carry(self, Evaluator at, Py_ssize_t t, Carry *to, double *own) noexcept nogil:
        cdef Py_ssize_t S = at.n_observations
        to.opened = self.stage >= 0
        to.played = self.played == t
        to.mutates, to.number, to.mutant = self.mutates, <int64_t>self.number, self.mutant
        memcpy(own, self.imitation.earned, S * sizeof(double))
        memcpy(own + S, self.imitation.shared, S * sizeof(double))

    cdef int resume(
        self, Evaluator at, Population *people, Py_ssize_t t, const Carry *kept, const double *own
    ) except -1:
        cdef Py_ssize_t S = at.n_observations
        cdef bint fresh = people.passive.fresh
        if not 0 <= kept.mutant < S:
            raise ValueError(f"a mutant is at {kept.mutant}; must lie in 0..{S - 1}")
        if kept.opened:
            self.open_stage(at, people.mu, t)
            self.count(at, people)
        memcpy(self.imitation.earned, own, S * sizeof(double))
        memcpy(self.imitation.shared, own + S, S * sizeof(double))
        self.played = t if kept.opened and kept.played else -1
        self.mutates, self.number, self.mutant = kept.mutates, <uint64_t>kept.number, kept.mutant
        people.passive.fresh = fresh
        return 0

    cdef void count(self, Evaluator at, Population *people) noexcept nogil:
        """Take the state of the kernel from the counts: other kernels have changed them, or rounding has added up."""
        cdef tmf_imitation *it = &self.imitation
        cdef Py_ssize_t o, y, S = at.n_observations
        cdef int64_t running = 0
        for o in range(S):
            it.bounds[o] = running
            running += people.counts[o]
            it.earned[o] = it.shared[o] = 0
            for y in range(S):
                it.earned[o] += self.rule.payoffs[o * S + y] * people.counts[y]
                it.shared[o] += it.both[o * S + y] * people.counts[y]
        self.note_rewards(at, people)

    cdef void note_rewards(self, Evaluator at, Population *people) noexcept nogil:
        """Bring mu and at.tables.passive_reward to the counts."""
        cdef Py_ssize_t o
        for o in range(at.n_observations):
            people.mu[o] = <double>people.counts[o] / people.n_agents
            at.tables.passive_reward[o] = self.imitation.slope * self.imitation.earned[o]

    cdef Py_ssize_t play(
        self, Evaluator at, Population *people, Ledger *ledger, Py_ssize_t t, Py_ssize_t n_steps
    ) except -1 nogil:
        cdef tmf_imitation *it = &self.imitation
        cdef Py_ssize_t played = 0, n
        if self.skips and (self.mutates >= t or t % CHUNK == 0):
            n = self.alike(at, people)
            if n >= 0:
                n = self.wait(at, people, ledger, n, t, n_steps)
                if n > 0:
                    return n
        self.prepare(at, people, t)
        n_steps = min(n_steps, CHUNK - t % CHUNK)
        n_steps = min(n_steps, stage_end(self.stage, at.horizon, at.policy.n_stages) - t)
        it.counts = people.counts
        it.total = people.passive.sum
        it.whole = ledger.total
        it.weight = ledger.weight
        it.discount = ledger.discount
        while played < n_steps:
            n = min(n_steps - played, ledger.left)
            it.decisions = ledger.decisions
            it.reward = ledger.reward
            tmf_imitate(it, &self.events, t + played, n)
            ledger.reward = it.reward
            end_steps(ledger, n, people.counts)
            played += n
        ledger.total = it.whole
        ledger.weight = it.weight
        people.passive.sum = it.total
        self.played = t + n_steps
        self.last.agent = <int64_t>self.events.draws.agents[(self.played - 1) % CHUNK]
        self.last.observation = it.left
        self.last.action = it.action
        self.last.cell = it.joined
        self.last.extra = 0
        self.note_rewards(at, people)
        return n_steps

    cdef Py_ssize_t alike(self, Evaluator at, const Population *people) noexcept nogil:
        cdef Py_ssize_t o
        for o in range(at.n_observations):
            if people.counts[o] > 0:
                return o if people.counts[o] == people.n_agents else -1
        return -1

    cdef Py_ssize_t wait(
        self, Evaluator at, Population *people, Ledger *ledger, Py_ssize_t o, Py_ssize_t t, Py_ssize_t n_steps
    ) except -1 nogil:
        cdef Py_ssize_t S = at.n_observations, stage = stage_of(t, at.horizon, at.policy.n_stages), n, left
        cdef double chance, waiting, loss
        if self.stage != stage:
            self.mutates = -1
            self.prepare(at, people, t)
        if self.mutates < t:
            chance = at.pi[2 * o + 1] * self.rule.mutation * (S - 1) / S
            if chance > RARE:
                return 0
            waiting = tmf_next_mutant(people.key, self.number, chance, S, o, &self.mutant)
            self.number += 1
            self.mutates = t + <Py_ssize_t>min(waiting, 4e18)
            self.count(at, people)
            people.passive.sum = people.counts[o] * at.tables.passive_reward[o]
            people.passive.fresh = True
        n_steps = min(n_steps, stage_end(stage, at.horizon, at.policy.n_stages) - t, self.mutates + 1 - t)
        loss = expm1(n_steps * log(ledger.discount)) if 0 < ledger.discount < 1 else -1.0
        ledger.total += ledger.weight * people.passive.sum * (
            n_steps if ledger.discount == 1 else loss / (ledger.discount - 1))
        if ledger.discount != 1:
            ledger.weight += ledger.weight * loss
        left = n_steps
        while left > 0:
            n = min(left, ledger.left)
            ledger.reward += n * people.passive.sum
            left -= n
            if left == 0 and t + n_steps > self.mutates:
                people.counts[o] -= 1
                people.counts[self.mutant] += 1
            end_steps(ledger, n, people.counts)
        if t + n_steps > self.mutates:
            self.mutates = -1
            self.count(at, people)
            people.passive.sum = 0
            for o in range(S):
                people.passive.sum += people.counts[o] * at.tables.passive_reward[o]
        self.played = t + n_steps
        return n_steps
