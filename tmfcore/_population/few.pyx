"""Steps at which a small batch acts and passive agents stay where they are.

Source     Theory, section 1, 1 < B << N, identity passive kernel.
Contract   a batch is drawn uniformly without replacement; step t uses a stream addressed by (key, t) alone.
Cost       O(B) per step if neither kernel nor policy depends on mu and rewards are separable (model.pxd). Otherwise
           the game also evaluates its tables.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memcpy

import numpy as np

from tmfcore._population.ledger cimport end_step
from tmfcore._population.passive cimport move_agent, refresh, reprice
from tmfcore._random.streams cimport SELECTION, TMF_PART, tmf_open, tmf_stream
from tmfcore._population.tiles cimport draw_moves, draw_tile, write_action, write_standing

cdef extern from "_population/few.h" nogil:
    void tmf_choose_few(tmf_stream *stream, uint64_t n_agents, int64_t n, uint32_t *chosen, uint32_t *bits,
                        uint32_t *seen, const void *observations, int width, int64_t ahead)
    uint64_t tmf_set_words(uint64_t n_agents, int64_t n)
    void tmf_load_few(const void *observations, int width, const uint32_t *chosen, uint32_t *rows, int n)
    void tmf_prefetch_few(const void *observations, int width, const uint32_t *chosen, int n)
    ctypedef struct tmf_books:
        void *observations
        int width, action_bits
        size_t n_actions
        const double *extra
        int64_t *decisions
        int64_t *counts
    double tmf_note_few(const tmf_books *books, const uint32_t *chosen, const uint32_t *rows, const uint32_t *codes,
                        const uint32_t *next, int n)


cpdef bint few_pay(int64_t n_acting, int64_t n_agents, double n_cells) noexcept nogil:
    """Whether visiting n_acting agents alone costs less than moving tiles of all; n_cells = S A K."""
    # Measured (bench/test_agents.py, few or all): an acting agent costs as much as eight in tiles of bytes, and more
    # where the population is larger than a cache; where moves need wider tables, at most eight.
    cdef int64_t times = 8
    if n_agents > 1 << 22 and 2 * n_cells <= 256:
        times = 12 if n_agents <= 1 << 24 else 16 if n_agents <= 1 << 26 else 32
    return times * n_acting <= n_agents


cdef class Few:

    @staticmethod
    cdef Few of(Evaluator at, Memory memory, Crowd *crowd, int64_t largest, Shard shard):
        cdef Few self = Few.__new__(Few)
        cdef int64_t i
        self.chosen = <uint32_t *>memory.take(largest * sizeof(uint32_t))
        self.bits = <uint32_t *>memory.take(largest * sizeof(uint32_t))
        self.seen = <uint32_t *>memory.take(tmf_set_words(crowd.people.n_agents, largest) * sizeof(uint32_t))
        self.shard = shard
        if shard is not None:
            self.copies = <uint8_t *>memory.take(largest * crowd.people.width)
            self.places = <uint32_t *>memory.take(largest * sizeof(uint32_t))
            for i in range(largest):
                self.places[i] = <uint32_t>i
        self.priced = (crowd.fixed_tables and at.model.local_passive_reward
                       and (at.model.constant or at.model.separable_reward))
        self.extra = np.zeros(at.n_observations * at.n_actions)
        if self.priced:
            at.tables_at(0, crowd.people.mu)
            self.price(at)
        return self

    cdef void price(self, Evaluator at) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(self.extra.shape[0]):
            self.extra[i] = at.tables.reward[i] - at.tables.passive_reward[i // at.n_actions]

    cdef int play(
        self, Evaluator at, AliasTables alias, Crowd *crowd, Hands *hands, Trajectory *trajectory, Ledger *ledger,
        int t, int64_t n_acting
    ) except -1 nogil:
        cdef Population *people = &crowd.people
        cdef uint8_t *observations = people.observations     # of the chosen agents, at `where`
        cdef const uint32_t *where = self.chosen
        cdef Py_ssize_t S = at.n_observations
        cdef bint one_by_one = self.priced and 4 * n_acting < S      # otherwise all of mu is updated at the end
        cdef bint tracked = trajectory.actions != NULL or trajectory.rewards != NULL
        cdef tmf_books books
        cdef tmf_stream stream
        cdef int64_t first = 0
        cdef double reward = 0
        cdef Py_ssize_t o
        cdef int i, n
        if self.priced:
            refresh(at, &people.passive, t, people.counts, people.mu, people.row, False)
            reward = people.passive.sum
        else:
            self.price(at)
            for o in range(S):
                reward += people.counts[o] * at.tables.passive_reward[o]
        write_standing(at, crowd, trajectory)
        books.width = people.width
        books.action_bits = crowd.layout.action_bits
        books.n_actions = at.n_actions
        books.extra = &self.extra[0]
        books.decisions = ledger.decisions
        books.counts = NULL if one_by_one else people.counts
        tmf_open(&stream, people.key, t, 0, SELECTION)
        tmf_choose_few(&stream, people.n_agents, n_acting, self.chosen, self.bits, self.seen,
                       people.observations, people.width, TMF_PART)
        if self.shard is not None:
            self.shard.collect(people.observations, people.width, self.chosen, n_acting, self.copies)
            observations, where = self.copies, self.places
        books.observations = observations
        while first < n_acting:
            n = <int>min(<int64_t>TMF_PART, n_acting - first)
            tmf_load_few(observations, people.width, where + first, hands.rows, n)
            tmf_prefetch_few(observations, people.width, where + first + n,
                             <int>min(<int64_t>TMF_PART, n_acting - first - n))
            if crowd.aliased:
                memcpy(hands.words, self.bits + first, n * sizeof(uint32_t))
                draw_moves(alias, crowd, hands, t, first, n)
            else:
                draw_tile(at, alias, crowd, hands, &stream, t, first, n)
            reward += tmf_note_few(&books, where + first, hands.rows, hands.codes, hands.next, n)
            for i in range(n if one_by_one else 0):
                move_agent(at, &people.passive, t, hands.rows[i], hands.next[i], people.n_agents, people.counts,
                           people.mu, people.row)
            if tracked:
                self.note(at, crowd, hands, trajectory, first, n)
            first += n
        if self.shard is not None:
            self.shard.hand_back(people.observations, people.width, self.chosen, n_acting, self.copies)
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
        for i in range(n):
            if not crowd.begin <= self.chosen[first + i] < crowd.end:
                continue
            a = hands.codes[i] & ((<uint32_t>1 << crowd.layout.action_bits) - 1)
            pair = hands.rows[i] * A + a
            if trajectory.actions != NULL:
                write_action(trajectory, self.chosen[first + i], a)
            if trajectory.rewards != NULL:
                trajectory.rewards[self.chosen[first + i]] += self.extra[pair]
