"""Individuals whose actions the caller gives, one step at a time, for environments of other libraries.

Source     Theory, sections 1, 2 and 5.
Notation   n individuals, N agents of a population, S observations, A actions (-1: passive), K successors, T steps.
Contract   all draws of a step are made at the population before the step. Inputs are never changed.
"""
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from tmfcore._model.activation cimport ActingShares, batch_of
from tmfcore._model.evaluator cimport Evaluator, passive_successors_of, successors_of
from tmfcore._base.memory cimport room_for
from tmfcore._model.model cimport Model
from tmfcore._model.policy cimport Policy
from tmfcore._random.sampling cimport (
    TMF_MOST_AGENTS, Sampler, binomial, bits_of, check_batch, split_hypergeometric, split_multinomial)


cdef inline void add(
    const int64_t *drawn, const int32_t *successor, Py_ssize_t n_cells, int64_t *counts
) noexcept nogil:
    """counts[successor of k] += drawn[k]."""
    cdef Py_ssize_t k
    for k in range(n_cells):
        counts[k if successor == NULL else successor[k]] += drawn[k]


cdef struct Scratch:
    int64_t *others               # (S,)  all agents but the individual
    int64_t *acting               # (S,)
    int64_t *decided              # (A,)
    int64_t *drawn                # (max(K, K0),)
    double *tails                 # (max(A, K, K0),)
    double *mu                    # (S,)


cdef void move_others(Evaluator at, Sampler *sampler, Scratch *scratch, int64_t *arrived) noexcept nogil:
    """Move scratch.others, of which scratch.acting act by the policy; add them to arrived (S,)."""
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions
    cdef Py_ssize_t K = at.n_successors, K0 = at.n_passive_successors
    cdef Py_ssize_t o, a, row
    cdef int64_t resting
    for o in range(S):
        resting = scratch.others[o] - scratch.acting[o]
        if scratch.acting[o] > 0:
            split_multinomial(sampler, scratch.acting[o], at.pi + o * A, A, scratch.tails, scratch.decided)
            for a in range(A):
                if scratch.decided[a] > 0:
                    row = o * A + a
                    split_multinomial(sampler, scratch.decided[a], at.tables.transition + row * K, K, scratch.tails,
                                      scratch.drawn)
                    add(scratch.drawn, successors_of(at, row), K, arrived)
        if resting > 0 and at.model.passive_identity:
            arrived[o] += resting
        elif resting > 0:
            split_multinomial(sampler, resting, at.tables.passive_transition + o * K0, K0, scratch.tails,
                              scratch.drawn)
            add(scratch.drawn, passive_successors_of(at, o), K0, arrived)


cdef class Individuals:
    """Moves individuals of one game. It has buffers, and is used by one thread at a time.

    Parameters
    ----------
    model : Model
    policy : Policy or None
        Policy of the others, for `move_among`.
    horizon : int
        T.
    acting : ActingShares or None
        The probability with which each of the others acts, if it depends on the observation or on mu; or the share of
        the N agents that a batch is, if that depends on mu.
    """
    cdef Evaluator at

    def __init__(self, Model model not None, Policy policy, horizon, ActingShares acting=None):
        self.at = Evaluator(model, policy, horizon)
        if acting is not None:
            self.at.activate(acting)

    def move(self, bit_generator, int t, const double[::1] mu not None, const int64_t[::1] observations not None,
             const int64_t[::1] actions not None, int64_t[::1] arrived not None, double[::1] rewards not None):
        """Move individuals that face one population.

        Parameters
        ----------
        bit_generator : numpy.random.BitGenerator
            Borrowed; its lock is held during the call.
        t : int
            Step.
        mu : ndarray of float64, shape (S,)
            The population before the step.
        observations, actions : ndarray of int64, shape (n,)
            Observation and action of each individual; -1: passive.
        arrived : ndarray of int64, shape (n,)
            OUT. The next observation of each individual.
        rewards : ndarray of float64, shape (n,)
            OUT. The reward of each individual.

        Notes
        -----
        O(K) per individual, plus O(S A K) for the tables of the game unless they are constant.
        """
        cdef Evaluator at = self.at
        cdef Py_ssize_t n = observations.shape[0], i
        cdef Sampler sampler
        self.check_individuals(t, observations, actions, arrived, rewards)
        at.model.check_mu(mu)
        memset(&sampler, 0, sizeof(Sampler))
        sampler.bits = bits_of(bit_generator)
        with bit_generator.lock, nogil:
            at.tables_at(t, &mu[0])
            for i in range(n):
                arrived[i] = moved(at, &sampler, observations[i], actions[i], &rewards[i])

    def move_among(self, bit_generator, int t, int64_t batch, double probability,
                   const int64_t[:, ::1] counts not None, const int64_t[::1] observations not None,
                   const int64_t[::1] actions not None, int64_t[:, ::1] next_counts not None,
                   int64_t[::1] arrived not None, double[::1] rewards not None):
        """Move individuals, each in its own population of N agents, together with the other agents of it.

        Parameters
        ----------
        bit_generator, t, observations, actions, arrived, rewards
            As for `move`.
        batch : int
            Agents of the N that act, including the individual if its action is not -1. -1: each of the others acts
            with `probability`, or as `acting` says, if Individuals was made with it.
        counts : ndarray of int64, shape (n, S)
            Agents at each observation, including the individual; rows sum to N.
        next_counts : ndarray of int64, shape (n, S)
            OUT. The same after the step.

        Notes
        -----
        The others move as counts (Theory, section 5): O(S A K) per individual, whatever N.
        """
        cdef Evaluator at = self.at
        cdef Py_ssize_t n = observations.shape[0], S = at.n_observations, i, o
        cdef int64_t n_others, others_acting
        cdef void *memory
        cdef Scratch scratch
        cdef Sampler sampler
        self.check_individuals(t, observations, actions, arrived, rewards)
        if at.policy is None:
            raise ValueError("policy is None; move_among needs the policy of the others")
        check_populations(counts, next_counts, observations, actions, batch, probability, S)
        memory = allocate(&scratch, at)
        memset(&sampler, 0, sizeof(Sampler))
        sampler.bits = bits_of(bit_generator)
        try:
            with bit_generator.lock, nogil:
                for i in range(n):
                    n_others = -1
                    for o in range(S):
                        n_others += counts[i, o]
                    for o in range(S):
                        scratch.mu[o] = counts[i, o] / <double>(n_others + 1)
                    memcpy(scratch.others, &counts[i, 0], S * sizeof(int64_t))
                    scratch.others[observations[i]] -= 1
                    if batch >= 0:
                        split_hypergeometric(&sampler, scratch.others, S, n_others, batch - (actions[i] >= 0),
                                             scratch.acting)
                    elif at.acting is not None:
                        at.shares_at(t, scratch.mu)
                        if at.acting.batches:
                            others_acting = batch_of(at.shares[0], n_others + 1) - (actions[i] >= 0)
                            if not 0 <= others_acting <= n_others:
                                refuse_batch(t, i, others_acting, n_others)
                            split_hypergeometric(&sampler, scratch.others, S, n_others, others_acting, scratch.acting)
                        for o in range(0 if at.acting.batches else S):
                            scratch.acting[o] = binomial(&sampler, scratch.others[o], at.shares[o])
                    else:
                        for o in range(S):
                            scratch.acting[o] = binomial(&sampler, scratch.others[o], probability)
                    at.at(t, scratch.mu)
                    memset(&next_counts[i, 0], 0, S * sizeof(int64_t))
                    move_others(at, &sampler, &scratch, &next_counts[i, 0])
                    arrived[i] = moved(at, &sampler, observations[i], actions[i], &rewards[i])
                    next_counts[i, arrived[i]] += 1
        finally:
            free(memory)

    cdef int check_individuals(self, int t, const int64_t[::1] observations, const int64_t[::1] actions,
                               const int64_t[::1] arrived, const double[::1] rewards) except -1:
        cdef Py_ssize_t n = observations.shape[0], S = self.at.n_observations, A = self.at.n_actions, i
        if actions.shape[0] != n or arrived.shape[0] != n or rewards.shape[0] != n:
            raise ValueError(f"observations, actions, arrived and rewards have {n}, {actions.shape[0]}, "
                             f"{arrived.shape[0]} and {rewards.shape[0]} entries; the four numbers must be equal")
        if not 0 <= t < self.at.horizon:
            raise ValueError(f"t is {t}; must lie in 0..{self.at.horizon - 1}")
        for i in range(n):
            if not 0 <= observations[i] < S:
                raise ValueError(f"observations[{i}] is {observations[i]}; must lie in 0..{S - 1}")
            if not -1 <= actions[i] < A:
                raise ValueError(f"actions[{i}] is {actions[i]}; must lie in -1..{A - 1}")
        return 0


cdef int refuse_batch(int t, Py_ssize_t i, int64_t others_acting, int64_t n_others) except -1 with gil:
    if others_acting < 0:
        raise ValueError(f"the batch of the population of individual {i} is empty at step {t}, but the individual "
                         "acts; batches must be >= 1")
    raise ValueError(f"the batch of the population of individual {i} is all {n_others + 1} agents at step {t}, but the "
                     "individual is passive")


cdef int check_populations(
    const int64_t[:, ::1] counts, const int64_t[:, ::1] next_counts, const int64_t[::1] observations,
    const int64_t[::1] actions, int64_t batch, double probability, Py_ssize_t S
) except -1:
    cdef Py_ssize_t n = observations.shape[0], i, o
    cdef int64_t total
    if counts.shape[0] != n or counts.shape[1] != S or next_counts.shape[0] != n or next_counts.shape[1] != S:
        raise ValueError(f"counts and next_counts have shapes ({counts.shape[0]}, {counts.shape[1]}) and "
                         f"({next_counts.shape[0]}, {next_counts.shape[1]}); must be ({n}, {S})")
    if batch < -1 or (batch < 0 and not 0 <= probability <= 1):
        raise ValueError(f"batch is {batch} and probability is {probability}; batch must be >= 0, or -1 with a "
                         "probability in [0, 1]")
    for i in range(n):
        total = 0
        for o in range(S):
            if counts[i, o] < 0:
                raise ValueError(f"counts[{i}, {o}] is {counts[i, o]}; must be >= 0")
            if total > TMF_MOST_AGENTS - counts[i, o]:
                raise ValueError(f"counts[{i}] sum to more than {TMF_MOST_AGENTS}, the most for exact binomials")
            total += counts[i, o]
        if counts[i, observations[i]] < 1:
            raise ValueError(f"counts[{i}, {observations[i]}] is 0; must be >= 1, since the individual is counted")
        if batch >= 0 and not 0 <= batch - (actions[i] >= 0) <= total - 1:
            raise ValueError(f"batch is {batch}; impossible with individual {i} "
                             f"{'acting' if actions[i] >= 0 else 'passive'} and {total - 1} others")
        check_batch(total, batch)
    return 0


cdef void *allocate(Scratch *scratch, Evaluator at) except NULL:
    """Allocate all of *scratch as one block, which is returned; the caller frees it."""
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions
    cdef Py_ssize_t widest = max(at.n_successors, at.n_passive_successors)
    cdef int64_t *memory = <int64_t *>room_for(
        3.0 * S + 2.0 * A + 2.0 * widest, sizeof(int64_t), b"the counts of a population")
    scratch.others = memory
    scratch.acting = scratch.others + S
    scratch.decided = scratch.acting + S
    scratch.drawn = scratch.decided + A
    scratch.mu = <double *>(scratch.drawn + widest)
    scratch.tails = scratch.mu + S      # A + widest cells are left, of which max(A, widest) are used
    return memory


def encode(const int64_t[::1] observations not None, const double[:, ::1] mu not None, double time,
           float[:, ::1] out not None):
    """The input of a learner: its observation, the population and the time, as one row of numbers in [0, 1].

    Parameters
    ----------
    observations : ndarray of int64, shape (n,)
    mu : ndarray of float64, shape (1, S) or (n, S)
        One population for all individuals, or one for each.
    time : float
        t / T.
    out : ndarray of float32, shape (n, 2 S + 1)
        OUT. The observation as a one-hot vector (S), mu (S), time.
    """
    cdef Py_ssize_t n = observations.shape[0], S = mu.shape[1], i, o
    cdef bint shared = mu.shape[0] == 1
    cdef float *row
    if out.shape[0] != n or out.shape[1] != 2 * S + 1 or not (shared or mu.shape[0] == n):
        raise ValueError(f"mu has shape ({mu.shape[0]}, {S}) and out ({out.shape[0]}, {out.shape[1]}); must be "
                         f"(1 or {n}, {S}) and ({n}, {2 * S + 1})")
    for i in range(n):
        if not 0 <= observations[i] < S:
            raise ValueError(f"observations[{i}] is {observations[i]}; must lie in 0..{S - 1}")
    if n == 0:
        return
    with nogil:
        for i in range(n):
            row = &out[i, 0]
            memset(row, 0, S * sizeof(float))
            row[observations[i]] = 1
            if shared and i > 0:
                memcpy(row + S, &out[0, S], (S + 1) * sizeof(float))
                continue
            for o in range(S):
                row[S + o] = <float>mu[i, o]
            row[2 * S] = <float>time
