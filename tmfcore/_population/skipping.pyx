"""Sequential play by counts of which only the events that change the counts are drawn.

Source     Theory, section 5.  Notation: N agents, S observations, A actions, K successors; y where a partner is.
Contract   the law of the counts is that of the events played one by one. Rewards are expectations given the counts,
           also over the agent that acts. A change is addressed by its number, and whether events are skipped or played
           is decided by the counts at steps that do not depend on what is recorded.
Cost       O(G + S) per event that changes the counts, with G pairs (o, y) from which an agent may leave; nothing for
           the others, but for recording. Groups are built once per stage: O(S A K), O(S^2 A K) with meetings.
"""
from libc.math cimport isfinite
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

import numpy as np

from tmfcore._model.evaluator cimport successors_of
from tmfcore._model.model cimport Model, checked_meeting, refuse_standing
from tmfcore._model.policy cimport Policy, stage_end, stage_of
from tmfcore._population.ledger cimport end_steps
from tmfcore._population.passive cimport refresh
from tmfcore._population.singles cimport FIXED, MEETINGS, average_extra, tmf_events

cdef extern from "_base/simd/elementary.h" nogil:
    double tmf_log_near(double x, double t)

cdef enum:
    FEWEST_STEPS = 256         # fewer do not pay for the groups
    PLAYED = 2048              # steps that are played before the next decision

cdef int64_t MOST_AGENTS = 2**53           # the counts of a tmf_skip are doubles
cdef double RARE = 0.25        # constant kernels are played side by side (lanes) if agents leave more often


cdef double change_cost(const tmf_skip *skip) noexcept nogil:
    """Time of a change, in units of an event that is played; fitted to measured kernels of 1 to 121 groups."""
    return 1.6 if tmf_skip_is_of_two(skip) else 4 + 0.11 * skip.n_groups


cdef Skipping skipping_of(
    Evaluator at, const Population *people, Singles singles, Py_ssize_t n_single, double discount
):
    cdef Skipping self
    cdef Py_ssize_t S = at.n_observations, L = at.policy.n_stages, stage
    cdef double least = 1, most = 0
    cdef double[::1] mu
    if (at.model.adoption != NULL or singles.manner not in (FIXED, MEETINGS) or n_single < FEWEST_STEPS
            or not 1 < S <= TMF_SKIP_GROUPS or people.n_agents > MOST_AGENTS):
        return None
    self = Skipping.__new__(Skipping)
    self.played = singles
    self.stage = self.waged = -1
    self.skip.discount = discount
    self.skip.decay = tmf_log_near(discount, discount - 1)
    self.allocate(at, people.n_agents)
    mu = np.full(S, 1.0 / S)               # on which these rows do not depend
    for stage in range(L - 1, -1, -1):
        if not self.build(at, &mu[0], (stage * at.horizon + L - 1) // L, &least, &most):
            return None
    if singles.manner == FIXED and least > 0 and most > RARE:
        return None
    return self


def applies(Model model not None, Policy policy not None, Py_ssize_t horizon, int64_t n_agents):
    """Whether counts.run skips events in runs of single agents (Sequential) without decisions."""
    cdef Evaluator at = Evaluator(model, policy, horizon)
    cdef Population people
    cdef Singles singles
    memset(&people, 0, sizeof(Population))
    people.n_agents = n_agents
    singles = Singles.of(at, &people, horizon, False)
    return model.passive_identity and skipping_of(at, &people, singles, horizon, 1) is not None


cdef class Skipping:

    cdef int allocate(self, Evaluator at, int64_t n_agents) except -1:
        cdef tmf_skip *skip = &self.skip
        cdef Py_ssize_t S = at.n_observations
        cdef Py_ssize_t most = S if self.played.manner == FIXED else min(S * S, TMF_SKIP_GROUPS)
        self.integers = np.empty(3 * most + most * S, np.int32)
        self.doubles = np.empty(most + most * S + 2 * S + 1 + S * S + at.n_successors)
        skip.from_ = &self.integers[0]
        skip.met = skip.from_ + most
        skip.first = skip.met + most
        skip.target = skip.first + most
        skip.rate = &self.doubles[0]
        skip.below = skip.rate + most
        skip.ahead = <double *>skip.below + most * S
        self.wage = skip.ahead + S + 1
        self.rows = self.wage + S
        skip.wage = self.wage
        skip.ahead[S] = <double>n_agents
        skip.scale = 1.0 / <double>n_agents / <double>n_agents
        return 0

    cdef double met_row(
        self, Evaluator at, const double *mu, Py_ssize_t o, Py_ssize_t y, double *out
    ) except -1 nogil:
        """out (S,): the row of an agent at o that met one at y, averaged over the policy; return its sum."""
        cdef Py_ssize_t A = at.n_actions, K = at.n_successors, a, k
        cdef double *cells = self.rows + at.n_observations * at.n_observations
        cdef const double *row
        cdef double share, reward, mass = 0
        cdef const int32_t *successor
        memset(out, 0, at.n_observations * sizeof(double))
        for a in range(A):
            share = at.pi[o * A + a]
            if share > 0:
                row = at.tables.transition + (o * A + a) * K
                if self.played.manner == MEETINGS:
                    checked_meeting(at.model, 0, <int>o, <int>a, <int>y, mu, cells, &reward)
                    row = cells
                successor = successors_of(at, o * A + a)
                for k in range(K):
                    out[k if successor == NULL else successor[k]] += share * row[k]
                    mass += share * row[k]
        return mass

    cdef int build(self, Evaluator at, const double *mu, Py_ssize_t t, double *least, double *most) except -1 nogil:
        """Build the groups of the stage of step t; return False if there are too many.

        least, most: INOUT, bounds of the probabilities with which agents leave.
        """
        cdef tmf_skip *skip = &self.skip
        cdef Py_ssize_t S = at.n_observations, o, x, y, n_partners
        cdef bint meets = self.played.manner == MEETINGS, same
        cdef double mass, leaving
        cdef double *row
        cdef int64_t G = 0
        cdef int32_t n_targets = 0
        self.stage = stage_of(t, at.horizon, at.policy.n_stages)
        if meets:
            at.policy.table_at(<int>t, at.horizon, mu, at.pi_buffer, &at.pi)
        else:
            at.transitions_at(<int>t, mu)
        skip.several = False
        for o in range(S):
            same = True
            n_partners = S if meets else 1
            for y in range(n_partners):
                row = self.rows + y * S
                mass = self.met_row(at, mu, o, y, row)
                for x in range(S):
                    row[x] /= mass
                    same = same and row[x] == self.rows[x]
            if same:
                n_partners = 1
            for y in range(n_partners):
                row = self.rows + y * S
                leaving = 0
                for x in range(S):
                    if x != o:
                        leaving += row[x]
                least[0] = min(least[0], leaving)
                most[0] = max(most[0], leaving)
                if not leaving > 0:
                    continue
                if G == TMF_SKIP_GROUPS:
                    return False
                (<int32_t *>skip.from_)[G] = <int32_t>o
                (<int32_t *>skip.met)[G] = <int32_t>(S if same else y)
                (<int32_t *>skip.first)[G] = n_targets
                leaving = 0
                for x in range(S):
                    if x != o and row[x] > 0:
                        leaving += row[x]
                        (<int32_t *>skip.target)[n_targets] = <int32_t>x
                        (<double *>skip.below)[n_targets] = leaving
                        n_targets += 1
                (<double *>skip.rate)[G] = leaving
                skip.several = skip.several or n_targets - skip.first[G] > 1
                G += 1
        skip.n_groups = G
        return True

    cdef int open_stage(self, Evaluator at, Population *people, Py_ssize_t t) except -1 nogil:
        """Groups and wages of the stage of step t."""
        cdef Py_ssize_t S = at.n_observations, stage = stage_of(t, at.horizon, at.policy.n_stages), o
        cdef double least = 0, most = 0
        cdef bint paid = False
        if self.waged == stage:
            return 0
        if self.stage != stage:
            self.build(at, people.mu, t, &least, &most)
        if self.played.stage < 0:
            self.played.open_rewards(at, people, t)
        average_extra(at, self.played.extra, self.wage)
        for o in range(S):
            self.wage[o] /= people.n_agents
            paid = paid or self.wage[o] != 0 or self.played.level[o] != 0 or self.played.slope[o] != 0
        self.skip.pricing = self.played.pricing(at, paid)
        self.waged = stage
        return 0

    cdef int price(self, Evaluator at, Population *people, Py_ssize_t t) except -1 nogil:
        """Compute mu, r0 and the sum of all rewards from the counts."""
        cdef tmf_events *events = &self.played.events
        cdef Py_ssize_t o
        self.skip.paid = 0
        for o in range(at.n_observations):
            people.mu[o] = <double>people.counts[o] / people.n_agents
            self.skip.paid += people.counts[o] * self.wage[o]
        people.passive.fresh = False
        refresh(at, &people.passive, <int>t, people.counts, people.mu, people.row, self.played.coupled)
        people.passive.fresh = False       # this kernel does not keep it up to date for others
        if at.model.separable_reward and not isfinite(people.passive.sum):
            for o in range(at.n_observations):
                if not isfinite(at.tables.passive_reward[o]):
                    refuse_standing(at.model, <int>t, <int>o, people.mu)
        if self.played.coupled:
            self.played.couple(at, people)
        events.counts = people.counts
        events.mu = people.mu
        events.total = people.passive.sum
        return 0

    cdef Py_ssize_t play(
        self, Evaluator at, Population *people, Ledger *ledger, Py_ssize_t t, Py_ssize_t n_steps
    ) except -1 nogil:
        cdef tmf_skip *skip = &self.skip
        cdef tmf_events *events = &self.played.events
        cdef Py_ssize_t o, n, left
        cdef double chance, wanted
        n = stage_of(t, at.horizon, at.policy.n_stages)
        left = n_steps = min(n_steps, stage_end(n, at.horizon, at.policy.n_stages) - t)
        if t < self.until:
            return self.played.play(at, people, ledger, t, n_steps)
        self.open_stage(at, people, t)
        for o in range(at.n_observations):
            skip.ahead[o] = <double>people.counts[o]
        chance = tmf_skip_chance(skip)
        if chance * change_cost(skip) > 1:
            self.until = t + PLAYED
            return self.played.play(at, people, ledger, t, n_steps)
        wanted = min(<double>TMF_SKIP_BLOCK, 8 + 1.25 * chance * n_steps)
        tmf_skip_open(skip, people.key, self.block, <int64_t>wanted // 8 * 8)
        self.block += 1
        self.price(at, people, t)
        events.whole = ledger.total
        events.weight = ledger.weight
        events.discount = ledger.discount
        while left > 0 and skip.n_played < skip.n_words:
            events.reward = ledger.reward
            n = tmf_skip_play(skip, events, min(left, ledger.left))
            ledger.reward = events.reward
            end_steps(ledger, n, people.counts)
            left -= n
        tmf_skip_settle(skip, events, events.total + skip.paid)    # what is drawn for later stages is not used
        ledger.total = events.whole
        ledger.weight = events.weight
        for o in range(at.n_observations):
            people.mu[o] = <double>people.counts[o] / people.n_agents
        if not isfinite(events.total):
            self.price(at, people, t)      # raises the precise error
        return n_steps - left
