"""The counts engine: the exact Markov chain of the population histogram.

Source     Theory, section 5.  Notation: S observations, A actions, K successors, T steps, J record intervals.
Contract   counts stay nonnegative and sum to N after every step. Draws do not depend on what is recorded.
           Rows are split many at a time, by words of a stream whose key the replica's generator draws.
Cost       O(S A K) per step, whatever N. If passive agents stay where they are: O(S + A + K) if one agent acts, O(B) if
           few do and rows are kept in tables, or as in skipping.pyx if only counts and rewards are recorded.
"""
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from tmfcore._model.evaluator cimport Evaluator, passive_successors_of, successors_of
from tmfcore._population.flows cimport (
    Record, interval_of, note_active, note_passive_staying, note_single, note_standing, record_in)
from tmfcore._population.ledger cimport Ledger, check_run, end_early, end_step, open_ledger, tmf_tell, watched
from tmfcore._base.interrupts cimport look
from tmfcore._base.memory cimport room_for
from tmfcore._model.model cimport Model, checked_row
from tmfcore._model.policy cimport Policy
from tmfcore._random.sampling cimport (
    TMF_MOST_AGENTS, TMF_MOST_BATCHED, RowSplitter, Sampler, check_batch, scan, split_hypergeometric, start)
from tmfcore._model.activation cimport Activation, ActingShares, read_activation, single_steps
from tmfcore._population.coins cimport draw_acting
from tmfcore._population.imitation cimport singles_of, skip_mutants
from tmfcore._population.singles cimport Population, Singles
from tmfcore._population.skipping cimport skipping_of

MAX_AGENTS = TMF_MOST_AGENTS
MAX_AGENTS_BATCH = TMF_MOST_BATCHED      # if 1 < B < N

cdef extern from "_base/simd/dense.h" nogil:
    void tmf_add_rows(const double *weights, const double *table, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out)


cdef void arrive(
    const int64_t *moved, const int32_t *successor, Py_ssize_t n_cells, int64_t *next_counts, int64_t *flow
) noexcept nogil:
    """Add a row of moves (K,) to next_counts and, unless NULL, to `flow` (K,), a row of the record."""
    cdef Py_ssize_t k
    if successor == NULL:
        for k in range(n_cells):
            next_counts[k] += moved[k]
    else:
        for k in range(n_cells):
            next_counts[successor[k]] += moved[k]
    if flow != NULL:
        for k in range(n_cells):
            flow[k] += moved[k]


cdef void decide(Evaluator at, Sampler *sampler, RowSplitter splitter, Chain *chain) noexcept nogil:
    """Draw chain.actions (S, A) of the agents chain.acting (S,)."""
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions
    cdef Py_ssize_t row = 0, n_rows, j
    memset(chain.actions, 0, S * A * sizeof(int64_t))
    while row < S:
        n_rows = splitter.split_next(sampler, chain.acting, at.pi, S, A, &row)
        for j in range(n_rows):
            memcpy(chain.actions + splitter.label[j] * A, splitter.out + j * A, A * sizeof(int64_t))


cdef double act(
    Evaluator at, Sampler *sampler, RowSplitter splitter, Chain *chain, Record *record
) noexcept nogil:
    """Draw moves of the agents that take chain.actions (S, A); return the sum of their rewards."""
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions, K = at.n_successors
    cdef Py_ssize_t row, n_rows, j
    cdef int64_t n
    cdef double own, reward = 0
    for row in range(S * A):
        n = chain.actions[row]
        if n == 0:
            continue
        own = n * at.tables.reward[row]
        reward += own
        if record.decisions != NULL:
            record.decisions[row] += n
        if record.reward_sums != NULL:
            record.reward_sums[row] += own
    row = 0
    while row < S * A:
        n_rows = splitter.split_next(sampler, chain.actions, at.tables.transition, S * A, K, &row)
        for j in range(n_rows):
            arrive(splitter.out + j * K, successors_of(at, splitter.label[j]), K, chain.next_counts,
                   NULL if record.active == NULL else record.active + splitter.label[j] * K)
    return reward


cdef int act_alone(
    Evaluator at, Sampler *sampler, RowSplitter splitter, Chain *chain, Record *record, int t, double *reward
) except -1 nogil:
    """As act, for a single acting agent; a model that is asked_by_row evaluates only the row of this agent."""
    cdef Py_ssize_t A = at.n_actions, K = at.n_successors
    cdef Py_ssize_t o = 0, a, row, k = 0
    cdef const int32_t *successor
    splitter.open(sampler)
    while chain.acting[o] == 0:
        o += 1
    a = scan(splitter.uniform(), at.pi + o * A, A)
    row = o * A + a
    if at.model.asked_by_row:
        checked_row(at.model, t, <int>o, <int>a, chain.people.mu, at.tables.transition + row * K,
                    at.tables.reward + row)
    if K > 1:
        k = scan(splitter.uniform(), at.tables.transition + row * K, K)
    successor = successors_of(at, row)
    chain.next_counts[k if successor == NULL else successor[k]] += 1
    if record.decisions != NULL:
        record.decisions[row] += 1
    if record.reward_sums != NULL:
        record.reward_sums[row] += at.tables.reward[row]
        note_active(at, record, row, k, 1)
    reward[0] = at.tables.reward[row]
    return 0


cdef double average_row(Evaluator at, Py_ssize_t o, double *out) noexcept nogil:
    """out (S,) = sum_a pi(a | o) P(. | o, a); return the expected reward."""
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions, K = at.n_successors
    cdef Py_ssize_t a, k
    cdef double share, mean = 0
    cdef const double *row = at.tables.transition + o * A * K
    cdef const int32_t *successor = successors_of(at, o * A)
    memset(out, 0, S * sizeof(double))
    if successor == NULL:
        tmf_add_rows(at.pi + o * A, row, A, K, out)
    for a in range(A):
        share = at.pi[o * A + a]
        mean += share * at.tables.reward[o * A + a]
        if successor != NULL and share > 0:
            for k in range(K):
                out[successor[a * K + k]] += share * row[a * K + k]
    return mean


cdef double act_averaged(
    Evaluator at, Sampler *sampler, RowSplitter splitter, Chain *chain
) noexcept nogil:
    """As act, with moves drawn from rows averaged over the actions; return the sum of expected rewards."""
    cdef Py_ssize_t S = at.n_observations, room = splitter.capacity // S
    cdef Py_ssize_t o = 0, n_rows, j
    cdef double reward = 0
    while o < S:
        n_rows = 0
        while o < S and n_rows < room:
            if chain.acting[o] > 0:
                splitter.n[n_rows] = chain.acting[o]
                reward += chain.acting[o] * average_row(at, o, splitter.p + n_rows * S)
                n_rows += 1
            o += 1
        splitter.split(sampler, n_rows, S)
        for j in range(n_rows):
            arrive(splitter.out + j * S, NULL, S, chain.next_counts, NULL)
    return reward


cdef double rest(
    Evaluator at, Sampler *sampler, RowSplitter splitter, Chain *chain, Record *record
) noexcept nogil:
    """Move the passive agents chain.resting (S,); return the sum of their rewards."""
    cdef Py_ssize_t S = at.n_observations, K0 = at.n_passive_successors
    cdef Py_ssize_t o, row = 0, n_rows, j
    cdef int64_t[2] pair
    cdef double own, reward = 0
    for o in range(S):
        own = chain.resting[o] * at.tables.passive_reward[o]
        reward += own
        if record.passive_reward_sums != NULL:
            record.passive_reward_sums[o] += own
    if at.model.passive_identity:
        for o in range(S):
            chain.next_counts[o] += chain.resting[o]
            if record.passive != NULL:
                note_passive_staying(at, record, o, chain.resting[o])
        return reward
    if K0 == 2:
        splitter.open(sampler)
        for o in range(S):
            if chain.resting[o] > 0 and splitter.rare(chain.resting[o], at.tables.passive_transition + 2 * o, pair):
                arrive(pair, passive_successors_of(at, o), 2, chain.next_counts,
                       NULL if record.passive == NULL else record.passive + 2 * o)
                chain.resting[o] = 0
    while row < S:
        n_rows = splitter.split_next(sampler, chain.resting, at.tables.passive_transition, S, K0, &row)
        for j in range(n_rows):
            o = splitter.label[j]
            arrive(splitter.out + j * K0, passive_successors_of(at, o), K0, chain.next_counts,
                   NULL if record.passive == NULL else record.passive + o * K0)
    return reward


cdef int step_counts(
    Evaluator at, Sampler *sampler, RowSplitter splitter, Chain *chain, Record *record, int t, int64_t n_acting,
    bint decided, double *reward
) except -1 nogil:
    """One step: the agents chain.acting (S,) act, the others are passive; n_acting is their number, or negative.

    decided: chain.actions has their actions; otherwise the policy draws them.
    reward: OUT, the sum over all agents.
    """
    cdef Py_ssize_t S = at.n_observations, o
    memset(chain.next_counts, 0, S * sizeof(int64_t))
    if n_acting == 1 and not decided:
        act_alone(at, sampler, splitter, chain, record, t, reward)
    elif chain.averaged and not decided:
        reward[0] = act_averaged(at, sampler, splitter, chain)
    else:
        if not decided:
            decide(at, sampler, splitter, chain)
        reward[0] = act(at, sampler, splitter, chain, record)
    for o in range(S):
        chain.resting[o] = chain.people.counts[o] - chain.acting[o]
    reward[0] += rest(at, sampler, splitter, chain, record)
    chain.people.counts, chain.next_counts = chain.next_counts, chain.people.counts
    for o in range(S):
        chain.people.mu[o] = <double>chain.people.counts[o] / chain.people.n_agents
    return 0


cdef int allocate(Chain *chain, Evaluator at) except -1:
    """Allocate all arrays of the chain as one block, which begins at people.mu; the caller frees that pointer."""
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions
    cdef Py_ssize_t n_doubles = 3 * S + max(at.n_successors, at.n_passive_successors)
    cdef double *memory = <double *>room_for(
        n_doubles + 4.0 * S + <double>S * A, sizeof(double), b"the counts of a population")
    chain.people.mu = memory
    chain.stood = chain.people.mu + S
    chain.shares = chain.stood + S
    chain.people.row = chain.shares + S
    chain.people.counts = <int64_t *>(memory + n_doubles)
    chain.next_counts = chain.people.counts + S
    chain.acting = chain.next_counts + S
    chain.resting = chain.acting + S
    chain.actions = chain.resting + S
    return 0


cdef RowSplitter splitter_for(Evaluator at, bint averaged):
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions, K = at.n_successors, K0 = at.n_passive_successors
    cdef Py_ssize_t widest = max(2, A, K, K0)
    cdef Py_ssize_t most = S * max(2, A, K0)
    if averaged:
        widest = max(widest, S)
        most = max(most, S * S)
    else:
        most = max(most, S * A * K)
    return RowSplitter((most + widest - 1) // widest, widest)


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
        self, Ledger *ledger, const Record *flows, Py_ssize_t t, Py_ssize_t end, int64_t *told
    ) except -1 nogil:
        cdef Population *people = &self.chain.people
        cdef Py_ssize_t n_steps
        cdef int64_t n_acting, i
        cdef Record record
        memset(&record, 0, sizeof(Record))
        while t < end:
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
        double[::1] so_far=None):
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

    Returns
    -------
    float
        Discounted return, mean over the agents.
    """
    cdef Py_ssize_t S = model.n_observations, A = model.n_actions, o, n_intervals = rewards.shape[0]
    cdef CountsEngine engine
    cdef Population *people
    cdef Ledger ledger
    cdef Record record
    cdef int64_t unwatched = 0
    cdef int64_t *told = watched(watch, &unwatched)
    cdef int64_t n_agents = check_run(model, horizon, record_every, initial_counts, counts, decisions, rewards,
                                      TMF_MOST_AGENTS, "the most for exact binomials", lengths)
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
    open_ledger(&ledger, people.n_agents, discount, record_every, counts, decisions, rewards, horizon, S * A,
                people.counts, lengths)
    try:
        with bit_generator.lock, nogil:
            for o in range(4):
                people.key[o] = engine.sampler.bits.next_uint64(engine.sampler.bits.state)
            engine.play(&ledger, NULL if flows is None else &record, 0, horizon, told)
    except BaseException:
        end_early(&ledger, people.counts, so_far)
        raise
    return ledger.total / people.n_agents
