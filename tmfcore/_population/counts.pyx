"""The counts engine: the exact Markov chain of the population histogram.

Source     Theory, section 5.  Notation: S observations, A actions, K successors, T steps, J record intervals.
Contract   counts stay nonnegative and sum to N after every step. Draws do not depend on what is recorded.
           Rows are split many at a time, by words of a stream whose key the replica's generator draws.
Cost       O(S A K) per step, whatever N. If passive agents stay where they are: O(S + A + K) if one agent acts, O(B) if
           few do and rows are kept in tables, or as in skipping.pyx if only counts and rewards are recorded.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

import numpy as np

from tmfcore._model.evaluator cimport Evaluator
from tmfcore._population.carried cimport carried, carried_words, carry, check_block, check_state, restore
from tmfcore._population.chain cimport Chain, allocate, splitter_for, step_counts
from tmfcore._population.flows cimport Record, interval_of, note_single, note_standing, record_in
from tmfcore._population.ledger cimport Ledger, check_run, end_early, end_step, open_ledger, tmf_tell, watched
from tmfcore._base.interrupts cimport look
from tmfcore._model.model cimport Model
from tmfcore._model.policy cimport Policy
from tmfcore._random.sampling cimport (
    TMF_MOST_AGENTS, TMF_MOST_BATCHED, check_batch, split_hypergeometric, start)
from tmfcore._model.activation cimport Activation, ActingShares, read_activation, single_steps
from tmfcore._population.coins cimport draw_acting
from tmfcore._population.imitation cimport singles_of, skip_mutants
from tmfcore._population.singles cimport Carry, Population, Singles
from tmfcore._population.skipping cimport skipping_of

MAX_AGENTS = TMF_MOST_AGENTS
MAX_AGENTS_BATCH = TMF_MOST_BATCHED      # if 1 < B < N


cdef class CountsEngine:
    """Plays populations of one game, schedule and N by counts, one after another; made by `of`."""

    @staticmethod
    cdef CountsEngine of(
        Model model, Policy policy, Py_ssize_t horizon, int64_t n_agents, const int64_t[::1] batch,
        probability, bint decisions
    ):
        cdef CountsEngine self = CountsEngine.__new__(CountsEngine)
        cdef Py_ssize_t t
        cdef bint steady = True
        self.at = Evaluator(model, policy, horizon)
        self.chain.people.n_agents = n_agents
        self.batch, self.probability = batch, probability
        self.coins = probability if isinstance(probability, ActingShares) else None
        read_activation(&self.activation, batch, probability, n_agents, model.n_observations, horizon)
        if self.coins is not None and self.coins.batches:
            check_batch(n_agents, 2)
        self.decisions = decisions
        self.chain.averaged = not decisions and model.n_observations < model.n_actions * model.n_successors
        for t in range(0 if batch is None else batch.shape[0]):
            check_batch(n_agents, batch[t])
            self.n_single += model.passive_identity and batch[t] == 1
            steady = steady and batch[t] == batch[0]
        self.size = batch[0] if batch is not None and steady else 1
        if model.passive_identity and self.size > 1 or self.n_single > 0 and not self.activation.stride:
            self.n_single = horizon
        allocate(&self.chain, self.at)
        return self

    def __dealloc__(self):
        free(self.chain.people.mu)      # the block of all arrays of the chain

    cdef int follow(self, Policy policy) except -1:
        self.at.policy = policy
        if self.size > 1 and self.n_single > 0:
            self.singles = Singles.of_batches(self.at, &self.chain.people, self.size, self.decisions)
        elif self.n_single > 0:
            self.singles = singles_of(self.at, &self.chain.people, self.n_single, self.decisions)
        if self.splitter is None and (self.singles is None or self.n_single < self.at.horizon):
            self.splitter = splitter_for(self.at, self.chain.averaged)
        return 0

    cdef void place(self, const int64_t *counts) noexcept nogil:
        cdef Population *people = &self.chain.people
        cdef Py_ssize_t o
        people.passive.fresh = False
        for o in range(self.at.n_observations):
            people.counts[o] = counts[o]
            people.mu[o] = <double>counts[o] / people.n_agents

    cdef void leave(self, double weight, Py_ssize_t t, uint64_t *block) noexcept nogil:
        cdef Carry *to = <Carry *>block
        carry(&self.chain.people, self.singles, self.at, t, weight, block)
        to.draws = self.splitter is not None
        if to.draws and self.splitter.opened:
            to.splits = True
            self.splitter.keep(to.stream)
        if self.skipping is not None:
            to.until, to.block = self.skipping.until, <int64_t>self.skipping.block

    cdef dict state(self, const Ledger *ledger, Py_ssize_t t, object counts, object decisions, object rewards):
        block = np.zeros(carried_words(self.at.n_observations, self.at.n_actions, False), np.uint64)
        cdef uint64_t[::1] words = block
        self.leave(ledger.weight, t, &words[0])
        return carried(ledger, &self.chain.people, t, block, counts, decisions, rewards)

    cdef Py_ssize_t resume(
        self, dict found, Ledger *ledger, object counts, object decisions, object rewards
    ) except -1:
        cdef const int64_t[::1] now = found["now"]
        cdef const uint64_t[::1] block = found["carried"]
        cdef const Carry *kept = <const Carry *>&block[0]
        self.place(&now[0])
        if kept.splits and self.splitter is not None:
            self.splitter.recall(kept.stream)
        if self.skipping is not None:
            self.skipping.until, self.skipping.block = kept.until, <uint64_t>kept.block
        return restore(found, ledger, &self.chain.people, self.singles, self.at, counts, decisions, rewards)

    cdef int choose(self, Py_ssize_t t) except -1 nogil:
        cdef Chain *chain = &self.chain
        cdef Activation *who = &self.activation
        if who.batch != NULL:
            split_hypergeometric(&self.sampler, chain.people.counts, self.at.n_observations, chain.people.n_agents,
                                 who.batch[t * who.stride], chain.acting)
        else:
            draw_acting(&self.sampler, self.splitter, chain.people.counts, chain.people.mu, self.at.n_observations,
                        chain.people.n_agents, who, self.coins, <int>t, chain.shares, chain.acting)
        return 0

    cdef Py_ssize_t play(
        self, Ledger *ledger, const Record *flows, Py_ssize_t t, Py_ssize_t end, Py_ssize_t pause, int64_t *told
    ) except -1 nogil:
        cdef Population *people = &self.chain.people
        cdef Py_ssize_t n_steps
        cdef int64_t n_acting, i
        cdef Record record
        memset(&record, 0, sizeof(Record))
        pause = min(pause, end)
        while t < pause:
            if flows != NULL:
                record = interval_of(flows, self.at, ledger.interval)
            n_steps = 1
            n_acting = -1
            if self.activation.batch != NULL:
                n_acting = self.activation.batch[t * self.activation.stride]
            if n_acting == self.size and self.singles is not None:
                if flows != NULL:
                    self.singles.prepare(self.at, people, t)
                    record.stood = self.chain.stood
                    note_standing(self.at, &record, people.counts)
                elif self.size > 1:
                    n_steps = end - t
                else:
                    n_steps = single_steps(&self.activation, t, end)
                if self.skipping is not None:
                    n_steps = self.skipping.play(self.at, people, ledger, t, n_steps)
                else:
                    n_steps = self.singles.play(self.at, people, ledger, t, n_steps)
                for i in range(self.size if flows != NULL else 0):
                    note_single(self.at, &record, self.singles.acted(i))
            else:
                self.choose(t)
                self.move(ledger, &record, t, n_acting, False)
            t += n_steps
            tmf_tell(told, t)
            look(&self.at.looks)
        return t

    cdef int move(
        self, Ledger *ledger, Record *record, Py_ssize_t t, int64_t n_acting, bint decided
    ) except -1 nogil:
        cdef Population *people = &self.chain.people
        cdef double reward
        record.decisions = ledger.decisions
        if decided:
            self.at.tables_at(<int>t, people.mu)
        elif n_acting == 1 and self.at.model.asked_by_row:
            self.at.passive_at(<int>t, people.mu)
        else:
            self.at.at(<int>t, people.mu)
        step_counts(self.at, &self.sampler, self.splitter, &self.chain, record, <int>t, n_acting, decided, &reward)
        end_step(ledger, reward, people.counts)
        people.passive.fresh = False
        return 0


def run(Model model not None, Policy policy not None, bit_generator, const int64_t[::1] initial_counts not None,
        Py_ssize_t horizon, double discount, const int64_t[::1] batch, probability, Py_ssize_t record_every,
        int64_t[:, ::1] counts not None, int64_t[:, :, ::1] decisions,
        double[::1] rewards not None, flows=None, int64_t[::1] watch=None, const int64_t[::1] lengths=None,
        double[::1] so_far=None, pieces=None, dict state=None, uint64_t[::1] end=None,
        Py_ssize_t last=-1):
    """Simulate one replica of the counts chain.

    Parameters
    ----------
    bit_generator : numpy.random.BitGenerator
        Borrowed; its lock is held during the run.
    initial_counts : ndarray of int64, shape (S,)
        Agents at each observation; sums to N >= 1.
    batch : ndarray of int64, shape (1,) or (T,), or None
        Number of acting agents at each step.
    probability : ndarray of float64, shape (1,) or (T,), ActingShares, or None
        Probability with which each agent acts, instead of batch.
    record_every : int
        Steps per interval; J = ceil(T / record_every). Ignored if `lengths` (J,) has those of each, 0 or more.
    counts : ndarray of int64, shape (J + 1, S)
        OUT. Counts at the start, and at the end of every interval.
    decisions : ndarray of int64, shape (J, S, A), or None
        OUT. Acting agents by observation and action, summed over the interval. None: moves may be drawn from rows
        averaged over the policy's actions, and steps of single agents that change nothing skipped; rewards are then
        expectations over actions given who acts or, where steps are skipped, given the counts.
    rewards : ndarray of float64, shape (J,)
        OUT. Mean reward per agent, summed over the interval.
    flows : tuple of ndarrays or None
        OUT. (active (J, S, A, K) int64, reward_sums (J, S, A) float64, passive (J, S, K0) int64,
        passive_reward_sums (J, S) float64): agents by cell of their row, and sums of their rewards.
    watch : ndarray of int64, shape (1,), or None
        OUT. Steps made so far, for other threads.
    so_far : ndarray of float64, shape (1,), or None
        OUT. The discounted return up to the step at which an interrupt ended the run; the interval of that step is
        then recorded as it is.
    pieces : Pauses or None
        When to pause, and what takes the state then; see tmfcore._population.pauses.
    state : dict or None
        A state to go on from, of a run whose `initial_counts` were the same; it has the key that is otherwise
        drawn from the bit generator, which the caller has restored.
    end : ndarray of uint64, shape (carried.words_of(S, A, False),), or None
        OUT. The state before step `last`, from which another run goes on; zeros before.
    last : int, optional
        At most T, the default.

    Returns
    -------
    float
        Discounted return, mean over the agents.
    """
    cdef Py_ssize_t S = model.n_observations, A = model.n_actions, o, n_intervals = rewards.shape[0]
    cdef Py_ssize_t first = 0 if state is None else state["first"], t = 0, pause = horizon
    cdef CountsEngine engine
    cdef Population *people
    cdef Ledger ledger
    cdef Record record
    cdef int64_t unwatched = 0
    cdef int64_t *told = watched(watch, &unwatched)
    cdef int64_t n_agents = check_run(model, horizon - first, record_every, initial_counts, counts, decisions, rewards,
                                      TMF_MOST_AGENTS, "the most for exact binomials", lengths)
    if end is not None:
        check_block(end.shape[0], S, A, False)
    engine = CountsEngine.of(model, policy, horizon, n_agents, batch, probability,
                             decisions is not None or flows is not None)
    people = &engine.chain.people
    start(&engine.sampler, bit_generator)
    memset(&record, 0, sizeof(Record))
    if flows is not None:
        record = record_in(flows, n_intervals, engine.at)
    engine.follow(policy)
    if engine.singles is not None and engine.size == 1 and not engine.decisions:
        skip_mutants(engine.singles)
        engine.skipping = skipping_of(engine.at, people, engine.singles, engine.n_single, discount)
    engine.place(&initial_counts[0])
    open_ledger(&ledger, people.n_agents, discount, record_every, counts, decisions, rewards, horizon - first,
                S * A, people.counts, lengths)
    if state is not None:
        check_state(state, S, A, False, n_agents, first, horizon)
        t = engine.resume(state, &ledger, np.asarray(counts), decisions, np.asarray(rewards))
    else:
        with bit_generator.lock, nogil:
            for o in range(4):
                people.key[o] = engine.sampler.bits.next_uint64(engine.sampler.bits.state)
    if last < 0:
        last = horizon
    if last > horizon:
        raise ValueError(f"last is {last}; must be at most {horizon}, the horizon")
    try:
        while True:
            if end is not None and t == last:
                engine.leave(ledger.weight, t, &end[0])
            if t == horizon:
                break
            if pieces is not None:
                pause = pieces.next(t)
            with bit_generator.lock, nogil:
                t = engine.play(&ledger, NULL if flows is None else &record, t, last if t < last else horizon, pause,
                                told)
            if pieces is not None and pieces.wanted(t):
                pieces.keep(engine.state(&ledger, t, counts, decisions, rewards))
    except BaseException:
        end_early(&ledger, people.counts, so_far)
        raise
    return ledger.total / people.n_agents
