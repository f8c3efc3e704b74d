"""Steps at which a small batch acts and passive agents stay where they are.

Source     Theory, section 1, 1 < B << N, identity passive kernel.
Contract   a batch is drawn uniformly without replacement; step t uses a stream addressed by (key, t) alone.
Cost       O(B) per step if neither kernel nor policy depends on mu and rewards are separable (model.pxd). Otherwise
           the game also evaluates its tables.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

import numpy as np

from tmfcore._population.ledger cimport end_step
from tmfcore._population.passive cimport move_agent, refresh, reprice
from tmfcore._population.observations cimport tmf_load_one, tmf_prefetch_one, tmf_store_one
from tmfcore._random.streams cimport SELECTION, TMF_PART, tmf_below, tmf_fill, tmf_open, tmf_stream
from tmfcore._population.tiles cimport draw_tile, write_action, write_standing

cdef enum:
    DRAWN = 256                # agents drawn at once


cdef void select_few(
    uint32_t *chosen, uint32_t *seen, Population *people, tmf_stream *stream, int64_t n_acting
) noexcept nogil:
    """Draw a uniform batch into `chosen`, in the order drawn; `seen`, a hash table of agent + 1, rejects repeats."""
    cdef uint64_t words[DRAWN]
    cdef uint64_t agents[DRAWN]
    cdef uint64_t size = 8, mask, slot
    cdef uint32_t mark
    cdef int64_t found = 0
    cdef int i, n
    while size < <uint64_t>(4 * n_acting):
        size *= 2
    mask = size - 1
    memset(seen, 0, size * sizeof(uint32_t))
    while found < n_acting:
        n = <int>min(n_acting - found, <int64_t>DRAWN)
        tmf_fill(stream, words, (n + 7) // 8)
        tmf_below(stream, words, people.n_agents, agents, n)
        for i in range(n):
            mark = <uint32_t>agents[i] + 1
            slot = (agents[i] * <uint64_t>0x9E3779B97F4A7C15) >> 20 & mask
            while seen[slot] != 0 and seen[slot] != mark:
                slot = (slot + 1) & mask
            if seen[slot] == 0:
                seen[slot] = mark
                chosen[found] = <uint32_t>agents[i]
                found += 1
                if found <= TMF_PART:
                    tmf_prefetch_one(people.observations, people.width, agents[i])


cdef class Few:

    @staticmethod
    cdef Few of(Evaluator at, Memory memory, Crowd *crowd, int64_t largest):
        cdef Few self = Few.__new__(Few)
        cdef Py_ssize_t i, size = 8
        while size < 4 * largest:
            size *= 2
        self.chosen = <uint32_t *>memory.take(largest * sizeof(uint32_t))
        self.seen = <uint32_t *>memory.take(size * sizeof(uint32_t))
        self.priced = (crowd.fixed_tables and at.model.local_passive_reward
                       and (at.model.constant or at.model.separable_reward))
        if self.priced:
            self.extra = np.zeros(at.n_observations * at.n_actions)
            at.tables_at(0, crowd.people.mu)
            for i in range(self.extra.shape[0]):
                self.extra[i] = at.tables.reward[i] - at.tables.passive_reward[i // at.n_actions]
        return self

    cdef int play(
        self, Evaluator at, AliasTables alias, Crowd *crowd, Hands *hands, Trajectory *trajectory, Ledger *ledger,
        int t, int64_t n_acting
    ) except -1 nogil:
        cdef Population *people = &crowd.people
        cdef Py_ssize_t S = at.n_observations, A = at.n_actions
        cdef uint32_t mask = (<uint32_t>1 << crowd.layout.action_bits) - 1
        cdef bint one_by_one = self.priced and 4 * n_acting < S      # otherwise all of mu is updated at the end
        cdef tmf_stream stream
        cdef int64_t first = 0
        cdef double reward = 0
        cdef Py_ssize_t o, a
        cdef int i, n
        if self.priced:
            refresh(at, &people.passive, t, people.counts, people.mu, people.row)
            reward = people.passive.sum
        else:
            for o in range(S):
                reward += people.counts[o] * at.tables.passive_reward[o]
        write_standing(at, crowd, trajectory)
        tmf_open(&stream, people.key, t, 0, SELECTION)
        select_few(self.chosen, self.seen, people, &stream, n_acting)
        while first < n_acting:
            n = <int>min(<int64_t>TMF_PART, n_acting - first)
            for i in range(n):
                hands.rows[i] = tmf_load_one(people.observations, people.width, self.chosen[first + i])
            for i in range(<int>min(<int64_t>TMF_PART, n_acting - first - n)):
                tmf_prefetch_one(people.observations, people.width, self.chosen[first + n + i])
            draw_tile(at, alias, crowd, hands, &stream, t, first, n)
            for i in range(n):
                tmf_store_one(people.observations, people.width, self.chosen[first + i], hands.next[i])
                o = hands.rows[i]
                a = hands.codes[i] & mask
                if self.priced:
                    reward += self.extra[o * A + a]
                else:
                    reward += at.tables.reward[o * A + a] - at.tables.passive_reward[o]
                if ledger.decisions != NULL:
                    ledger.decisions[o * A + a] += 1
                if one_by_one:
                    move_agent(at, &people.passive, t, o, hands.next[i], people.n_agents, people.counts, people.mu,
                               people.row)
                else:
                    people.counts[o] -= 1
                    people.counts[hands.next[i]] += 1
            self.note(at, crowd, hands, trajectory, first, n)
            first += n
        if not one_by_one:
            people.passive.fresh = self.priced
            people.passive.sum = 0
            for o in range(S):
                people.mu[o] = <double>people.counts[o] / people.n_agents
                if self.priced:
                    reprice(at.model, t, o, people.mu, people.row, at.tables.passive_reward)
                    people.passive.sum += people.counts[o] * at.tables.passive_reward[o]
        end_step(ledger, reward, people.counts)
        return 0

    cdef void note(
        self, Evaluator at, Crowd *crowd, Hands *hands, Trajectory *trajectory, int64_t first, int n
    ) noexcept nogil:
        """Write actions and rewards of agents first..first + n - 1 of the batch over those of write_standing."""
        cdef Py_ssize_t A = at.n_actions, pair, a
        cdef int i
        if trajectory.actions == NULL and trajectory.rewards == NULL:
            return
        for i in range(n):
            a = hands.codes[i] & ((<uint32_t>1 << crowd.layout.action_bits) - 1)
            pair = hands.rows[i] * A + a
            if trajectory.actions != NULL:
                write_action(trajectory, self.chosen[first + i], a)
            if trajectory.rewards != NULL and self.priced:
                trajectory.rewards[self.chosen[first + i]] += self.extra[pair]
            elif trajectory.rewards != NULL:
                trajectory.rewards[self.chosen[first + i]] = at.tables.reward[pair]
