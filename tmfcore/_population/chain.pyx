"""One step of the Markov chain of the counts: who acts is given, actions and moves are drawn by rows.

Source     Theory, section 5.  Notation: S observations, A actions, K successors.
Contract   counts stay nonnegative and sum to N. Draws do not depend on what is recorded.
Cost       O(S A K), whatever N.
"""
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy, memset

from tmfcore._base.memory cimport room_for
from tmfcore._model.evaluator cimport Evaluator, passive_successors_of, successors_of
from tmfcore._model.model cimport checked_row
from tmfcore._population.flows cimport Record, note_active, note_passive_staying
from tmfcore._random.sampling cimport RowSplitter, Sampler, scan

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
