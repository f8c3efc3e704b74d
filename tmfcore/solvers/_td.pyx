"""TD(0) values of a policy along one run of N agents, without resets: the critic of StationaryTMFPG.

Source     Theory, section 16.  Notation: S observations, A actions, K successors, K0 of passive agents.
Contract   the run is that of counts.run with the same generator. Every step of an agent is a sample; samples of a step
           are compared with the values before it. Where there is no sample yet, the mean over all agents is the value.
Cost       O(S) per step beside that of the run if agents are drawn one by one, else O(S A K).
"""
from libc.math cimport exp, log1p
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._base.interrupts cimport look
from tmfcore._model.activation cimport ActingShares
from tmfcore._model.evaluator cimport passive_successors_of, successors_of
from tmfcore._model.model cimport Model
from tmfcore._model.policy cimport Policy
from tmfcore._population.counts cimport CountsEngine
from tmfcore._population.flows cimport Record
from tmfcore._population.ledger cimport Ledger, resume_ledger
from tmfcore._population.singles cimport Event, Population
from tmfcore._random.sampling cimport start

cdef enum:
    POWERS = 1024              # of 1 - rate that are kept


cdef struct Critic:
    double *q                  # (S, A)  values of acting
    double *w                  # (S,)    values of waiting
    int64_t *acted             # (S, A)  samples so far
    int64_t *waited            # (S,)
    const double *gains        # (S,)    subtracted from rewards
    int32_t *groups            # (S,)    a parent, for each observation: those that agents go between have one root
    const double *pi           # (S, A)
    double *means              # (S,)    of q under pi, over the actions that have samples
    double *known              # (S,)    their probability
    double *values             # (S,)    V before the step
    double *powers             # (POWERS,)  (1 - rate)^n
    double discount, rate
    Py_ssize_t S, A
    bint always, grouped


cdef inline double moved(const Critic *critic, int64_t n) noexcept nogil:
    """1 - (1 - rate)^n: the weight of n samples in a row."""
    if n < POWERS:
        return 1 - critic.powers[n]
    return 1 - exp(n * log1p(-critic.rate)) if critic.rate < 1 else 1


cdef inline void sample(const Critic *critic, double *value, int64_t *seen, int64_t n, double target) noexcept nogil:
    """n samples whose mean is `target`."""
    if seen[0] == 0:
        value[0] = target
    else:
        value[0] += moved(critic, n) * (target - value[0])
    seen[0] += n


cdef inline void average(const Critic *critic, Py_ssize_t o) noexcept nogil:
    """The mean of q(o, .) under the policy."""
    cdef Py_ssize_t a, row = o * critic.A
    cdef double total = 0, known = 0
    for a in range(critic.A):
        if critic.acted[row + a] > 0:
            total += critic.pi[row + a] * critic.q[row + a]
            known += critic.pi[row + a]
    critic.known[o] = known
    critic.means[o] = total / known if known > 0 else 0


cdef void look_ahead(const Critic *critic, const int64_t *counts, double beta, const double *shares) noexcept nogil:
    """Write the values V of all observations, at which there are `counts` agents."""
    cdef Py_ssize_t o
    cdef double total = 0, people = 0, v
    cdef bint unknown = False
    for o in range(critic.S):
        if critic.known[o] > 0:
            v = critic.means[o]
            if critic.waited[o] > 0:
                if shares != NULL:
                    beta = shares[o]
                v = beta * v + (1 - beta) * critic.w[o]
        elif critic.waited[o] > 0:
            v = critic.w[o]
        else:
            unknown = True
            continue
        critic.values[o] = v
        total += counts[o] * v
        people += counts[o]
    if unknown:
        for o in range(critic.S):
            if critic.known[o] == 0 and critic.waited[o] == 0:
                critic.values[o] = total / people if people > 0 else 0


cdef inline Py_ssize_t root(int32_t *groups, Py_ssize_t o) noexcept nogil:
    while groups[o] != o:
        groups[o] = groups[groups[o]]
        o = groups[o]
    return o


cdef inline void join(int32_t *groups, Py_ssize_t o, Py_ssize_t x) noexcept nogil:
    """The lower number becomes the root of both."""
    o, x = root(groups, o), root(groups, x)
    if o < x:
        groups[x] = <int32_t>o
    elif x < o:
        groups[o] = <int32_t>x


cdef inline double arrive(
    const Critic *critic, Py_ssize_t o, int64_t *cells, const int32_t *successor, Py_ssize_t n_cells
) noexcept nogil:
    """Sum of V over the agents that went from o to the cells of a row, which is cleared."""
    cdef Py_ssize_t k, x
    cdef double total = 0
    for k in range(n_cells):
        if cells[k] > 0:
            x = k if successor == NULL else successor[k]
            total += cells[k] * critic.values[x]
            cells[k] = 0
            if critic.grouped:
                join(critic.groups, o, x)
    return total


def run(Model model not None, Policy policy not None, bit_generator, int64_t[::1] counts not None, Py_ssize_t n_steps,
        const int64_t[::1] batch, probability, active not None, double discount, bint always, double rate,
        double[:, ::1] q not None, double[::1] w not None, int64_t[:, ::1] acted not None,
        int64_t[::1] waited not None, const double[::1] gains not None, int32_t[::1] groups not None,
        int64_t[:, ::1] decisions not None, double[::1] earned not None, double[::1] people not None):
    """Play n_steps more steps, and update the values after each.

    Parameters
    ----------
    policy : Policy
        Of one stage, independent of mu.
    bit_generator : numpy.random.BitGenerator
        Borrowed; its lock is held during the run.
    counts : ndarray of int64, shape (S,)
        IN and OUT. Agents at each observation; sums to N >= 1. Not written if an error ends the run.
    batch, probability
        As for tmfcore._population.counts.run, the same at every step.
    active : ndarray of float64, shape (1,), or ActingShares
        beta, or beta(o, mu).
    discount : float
        gamma. 1: observations that agents go between are joined in `groups`.
    always : bool
        Clock "always": values of waiting are neither learnt nor used.
    rate : float
        In [0, 1], the step length of one sample. n samples of a step at (o, a) weigh 1 - (1 - rate)^n together, as
        they would one after another; the first of all weighs 1.
    q, w : ndarrays of float64, shapes (S, A) and (S,)
        IN and OUT. Values of acting and of waiting.
    acted, waited : ndarrays of int64, shapes (S, A) and (S,)
        IN and OUT. Numbers of samples so far; a value without a sample is not read.
    gains : ndarray of float64, shape (S,)
        Subtracted from every reward, by the observation of the agent.
    groups : ndarray of int32, shape (S,)
        IN and OUT. A number <= its own for each observation, leading to the smallest of those that are joined.
    decisions : ndarray of int64, shape (S, A)
        OUT. Agents that acted, summed over the steps.
    earned, people : ndarrays of float64, shape (S,)
        OUT. Rewards of the agents at each observation, and their number, summed over the steps.

    Returns
    -------
    float
        Mean reward per agent and step.
    """
    cdef Py_ssize_t S = model.n_observations, A = model.n_actions, K = model.n_successors
    cdef Py_ssize_t K0 = model.n_passive_successors, t, o, a, row, x, i
    cdef int64_t n, n_acting, n_agents = np.sum(counts)
    cdef CountsEngine engine
    cdef Population *population
    cdef Ledger ledger
    cdef Record record
    cdef Event event
    cdef Critic critic
    cdef bint sparse
    cdef ActingShares acting = active if isinstance(active, ActingShares) else None
    cdef const double[::1] fractions = np.ones(1) if acting is not None else active
    cdef const double *shares = NULL
    cdef const int32_t *successor
    cdef double total = 0, reward = 0, target
    cdef double[:, ::1] room = np.zeros((5, S))
    cdef double[::1] powers = np.cumprod(np.concatenate([[1.0], np.full(POWERS - 1, 1 - rate)]))
    cdef double[:, ::1] table = np.zeros((2, S * A))                 # pi, and rewards of one step
    cdef int64_t[:, ::1] present = np.zeros((3, S), np.int64)        # before and after a step, and those that wait
    cdef int64_t[:, ::1] chosen = np.zeros((S, A), np.int64)         # decisions of one step
    cdef int64_t[::1] went, stayed
    cdef int64_t *before = &present[0, 0]
    cdef int64_t *resting = &present[2, 0]
    cdef double *stood = &room[3, 0]
    for name, array, shape in (
            ("counts", counts, (S,)), ("q", q, (S, A)), ("w", w, (S,)), ("acted", acted, (S, A)),
            ("waited", waited, (S,)), ("gains", gains, (S,)), ("groups", groups, (S,)),
            ("decisions", decisions, (S, A)), ("earned", earned, (S,)), ("people", people, (S,))):
        if np.shape(array) != shape:
            raise ValueError(f"{name} has shape {np.shape(array)}; must be {shape}")
    if fractions.shape[0] != 1 or (batch is not None and batch.shape[0] != 1):
        raise ValueError("active and batch must be the same at every step")
    if not 0 <= rate <= 1:
        raise ValueError(f"rate is {rate}; must lie in 0..1")
    engine = CountsEngine.of(model, policy, n_steps, n_agents, batch, probability, True)
    if acting is not None:
        acting.check(S, n_steps)
    start(&engine.sampler, bit_generator)
    engine.follow(policy)
    engine.place(&counts[0])
    population = &engine.chain.people
    sparse = engine.singles is not None and batch is not None and batch[0] == engine.size
    memset(&record, 0, sizeof(Record))
    if not sparse:
        went = np.zeros(S * A * K, np.int64)
        stayed = np.zeros(S * K0, np.int64)
        record.active, record.passive = &went[0], NULL if model.passive_identity else &stayed[0]
        record.reward_sums, record.passive_reward_sums = &table[1, 0], stood
    critic.q, critic.w, critic.acted, critic.waited = &q[0, 0], &w[0], &acted[0, 0], &waited[0]
    critic.gains, critic.groups, critic.pi = &gains[0], &groups[0], &table[0, 0]
    critic.means, critic.known, critic.values, critic.powers = &room[0, 0], &room[1, 0], &room[2, 0], &powers[0]
    critic.discount, critic.rate, critic.S, critic.A = discount, rate, S, A
    critic.always, critic.grouped = always, discount == 1
    memset(&decisions[0, 0], 0, S * A * sizeof(int64_t))
    memset(&earned[0], 0, S * sizeof(double))
    memset(&people[0], 0, S * sizeof(double))
    with bit_generator.lock, nogil:
        for i in range(4):
            population.key[i] = engine.sampler.bits.next_uint64(engine.sampler.bits.state)
        policy.table_at(0, <int>n_steps, population.mu, &table[0, 0], &critic.pi)
        for o in range(S):
            average(&critic, o)
        for t in range(n_steps):
            look(&engine.at.looks)
            if acting is not None:
                acting.at(<int>t, population.mu, S, &room[4, 0], &shares)
            memcpy(before, population.counts, S * sizeof(int64_t))
            look_ahead(&critic, before, fractions[0], shares)
            resume_ledger(&ledger, n_agents, S, S * A, 1, &present[1, 0], NULL if sparse else &chosen[0, 0], &reward, 0,
                          1, discount)
            if sparse:
                engine.singles.prepare(engine.at, population, t)
                memcpy(stood, engine.at.tables.passive_reward, S * sizeof(double))
                memcpy(resting, before, S * sizeof(int64_t))
                engine.singles.play(engine.at, population, &ledger, t, 1)
                for i in range(engine.size):
                    event = engine.singles.acted(i)
                    o = event.observation
                    row = o * A + event.action
                    successor = successors_of(engine.at, row)
                    x = event.cell if successor == NULL else successor[event.cell]
                    chosen[o, event.action] += 1
                    table[1, row] += stood[o] + event.extra + discount * critic.values[x]
                    resting[o] -= 1
                    decisions[o, event.action] += 1
                    earned[o] += stood[o] + event.extra
                    if critic.grouped:
                        join(critic.groups, o, x)
                for i in range(engine.size):
                    event = engine.singles.acted(i)
                    o = event.observation
                    row = o * A + event.action
                    n = chosen[o, event.action]
                    if n > 0:
                        sample(&critic, critic.q + row, critic.acted + row, n, table[1, row] / n - gains[o])
                        average(&critic, o)
                        chosen[o, event.action] = 0
                        table[1, row] = 0
            else:
                n_acting = -1 if batch is None else batch[0]
                engine.choose(t)
                engine.move(&ledger, &record, t, n_acting, False)
                for o in range(S):
                    resting[o] = before[o]
                    for a in range(A):
                        row = o * A + a
                        n = chosen[o, a]
                        if n == 0:
                            continue
                        target = table[1, row] + discount * arrive(
                            &critic, o, &went[row * K], successors_of(engine.at, row), K)
                        sample(&critic, critic.q + row, critic.acted + row, n, target / n - gains[o])
                        resting[o] -= n
                        decisions[o, a] += n
                        earned[o] += table[1, row]
                        table[1, row] = 0
                    if resting[o] < before[o]:
                        average(&critic, o)
                    if resting[o] > 0:
                        stood[o] /= resting[o]
            for o in range(S):
                people[o] += before[o]
                if resting[o] > 0:
                    earned[o] += resting[o] * stood[o]
                    target = critic.values[o]
                    if not sparse and not model.passive_identity:
                        target = arrive(&critic, o, &stayed[o * K0], passive_successors_of(engine.at, o), K0)
                        target /= resting[o]
                    if not always:
                        sample(&critic, critic.w + o, critic.waited + o, resting[o],
                               stood[o] - gains[o] + discount * target)
                stood[o] = 0
            total += reward
        memcpy(&counts[0], population.counts, S * sizeof(int64_t))
    return total / n_steps
