"""numba where agents meet: kernels affine in mu, pairwise revision, an epidemic; and replicas one after the other.

An affine kernel needs no row: the acting agent draws a partner, and then from a constant row, chosen by both. (To draw first
whether a row without partner suffices takes twice the time, since this branch cannot be predicted.) Individuals are bytes; agent
and partner are drawn by the halves of one 64-bit word.
"""

from __future__ import annotations

from importlib import metadata

import numpy as np
from numba import njit

from bench.peers import tables
from bench.peers.with_numba import batch_steps, mix, sequential_agents, sequential_counts
from tmfcore.bench import Answer, Entry
from tmfcore.bench.problems import Imitation, Meeting, Replicas

LOW = np.uint64(0xFFFFFFFF)


@njit(inline="always")
def pair(word, n_agents):
    """Agent and partner from the halves of a word."""
    wide = np.uint64(n_agents)
    return ((word >> np.uint64(32)) * wide) >> np.uint64(32), ((word & LOW) * wide) >> np.uint64(32)


@njit(inline="always")
def alias_draw(table, row, bits, draw):
    """A cell of a row of a packed alias table, by 32 random bits."""
    cell = np.uint32(draw >> np.uint64(32 - bits))
    entry = table[(row << np.uint32(bits)) + cell]
    own = np.uint32(draw) & (LOW >> np.uint32(bits)) < entry >> np.uint32(bits)
    return cell if own else entry & np.uint32((1 << bits) - 1)


@njit
def meet(here, table, bits, size, steps, counter):
    """Rows (o, y), averaged over the policy."""
    for _ in range(steps):
        agent, partner = pair(mix(counter), here.size)
        row = np.uint32(here[agent]) * np.uint32(size) + np.uint32(here[partner])
        here[agent] = alias_draw(table, row, bits, mix(counter + np.uint64(1)) >> np.uint64(32))
        counter += np.uint64(2)
    return counter


@njit
def meet_counts(counts, n_agents, table, bits, steps, counter):
    """Without individuals, for few places: both are found by a scan of the counts."""
    size = np.uint32(counts.size)
    for _ in range(steps):
        agent, partner = pair(mix(counter), n_agents)
        old, met, below = np.uint32(0), np.uint32(0), np.uint64(0)
        for o in range(counts.size - 1):
            below += np.uint64(counts[o])
            old += np.uint32(agent >= below)
            met += np.uint32(partner >= below)
        new = alias_draw(table, old * size + met, bits, mix(counter + np.uint64(1)) >> np.uint64(32))
        counter += np.uint64(2)
        counts[old] -= 1
        counts[new] += 1
    return counter


@njit
def usual_meeting(here, counts, actions, constant, meeting, steps):
    """The usual code: the row of the observation and action at hand, from mu; np.random and searchsorted."""
    size = counts.size
    row = np.empty(size)
    for _ in range(steps):
        agent = np.random.randint(0, here.size)
        old = here[agent]
        a = np.searchsorted(actions[old], np.random.random(), side="right")
        total = 0.0
        for x in range(size):
            share = constant[old, a, x]
            for y in range(size):
                share += meeting[old, a, x, y] * counts[y] / here.size
            total += share
            row[x] = total
        new = min(np.searchsorted(row, np.random.random(), side="right"), size - 1)
        here[agent] = new
        counts[old] -= 1
        counts[new] += 1


@njit
def histogram(here, size):
    """Counts of bytes, in four tables, whose additions do not wait for each other."""
    four = np.zeros((4, size), dtype=np.int64)
    quarter = here.size // 4
    for i in range(quarter):
        for k in range(4):
            four[k, here[4 * i + k]] += 1
    for i in range(4 * quarter, here.size):
        four[0, here[i]] += 1
    return four.sum(axis=0)


def affine(problem: Meeting) -> list[Entry]:
    size, start = problem.size, problem.population(np.uint8)
    packed, bits = tables.packed_alias(problem.corners.reshape(-1, size))
    table, stream = packed.ravel(), [np.uint64(1)]
    actions = problem.pi.cumsum(axis=1)
    actions[:, -1] = 1.0
    fewer = problem.steps // (10 if size > 8 else 1)

    def pairs() -> Answer:
        here = start.copy()
        stream[0] = np.uint64(meet(here, table, bits, size, problem.steps, stream[0]))
        return Answer(histogram(here, size), problem.steps)

    def counted() -> Answer:
        counts = problem.initial.copy()
        stream[0] = np.uint64(meet_counts(counts, problem.n_agents, table, bits, problem.steps, stream[0]))
        return Answer(counts, problem.steps)

    def usual() -> Answer:
        here, counts = problem.population(np.int64), problem.initial.copy()
        usual_meeting(here, counts, actions, problem.constant, problem.meeting, fewer)
        return Answer(counts, fewer)

    found = [
        Entry("numba", pairs, problem.steps, "meets a partner; packed alias rows of both observations, no decisions"),
        Entry("numba usual", usual, fewer, "the row at hand from mu, np.random, searchsorted", usual=True),
    ]
    if size <= 8:
        found.insert(1, Entry("numba counts", counted, problem.steps, "counts instead of individuals"))
    return found


@njit
def imitate(here, counts, payoffs, selection, mutation, steps, counter):
    """Payoffs are kept up to date; the exponential is computed only if the strategies differ."""
    n_agents, size = here.size, counts.size
    u = np.zeros(size)
    for s in range(size):
        for y in range(size):
            u[s] += payoffs[s, y] * counts[y] / n_agents
    unit = 2.0**-53
    for _ in range(steps):
        agent, partner = pair(mix(counter), n_agents)
        draw = (mix(counter + np.uint64(1)) >> np.uint64(11)) * unit
        counter += np.uint64(2)
        old, new = np.int64(here[agent]), np.int64(here[partner])
        if draw < mutation:
            new = np.int64(draw / mutation * size)
        elif new != old:
            again = (draw - mutation) / (1.0 - mutation)
            if again * (1.0 + np.exp(selection * (u[old] - u[new]))) >= 1.0:
                new = old
        if new != old:
            here[agent] = new
            counts[old] -= 1
            counts[new] += 1
            for s in range(size):
                u[s] += (payoffs[s, new] - payoffs[s, old]) / n_agents
    return counter


@njit
def usual_imitation(here, counts, payoffs, selection, mutation, steps):
    """The usual code: payoffs from mu at every update, np.random."""
    n_agents, size = here.size, counts.size
    for _ in range(steps):
        agent = np.random.randint(0, n_agents)
        old = here[agent]
        if np.random.random() < mutation:
            new = np.random.randint(0, size)
        else:
            new = here[np.random.randint(0, n_agents)]
            mu = counts / n_agents
            gain = (payoffs[new] * mu).sum() - (payoffs[old] * mu).sum()
            if np.random.random() >= 1.0 / (1.0 + np.exp(-selection * gain)):
                new = old
        here[agent] = new
        counts[old] -= 1
        counts[new] += 1


def pairwise(problem: Imitation) -> list[Entry]:
    start, plain, stream = problem.population(np.uint8), problem.population(np.int64), [np.uint64(1)]
    given = (problem.payoffs, problem.selection, problem.mutation)

    def best() -> Answer:
        counts = problem.initial.copy()
        stream[0] = np.uint64(imitate(start.copy(), counts, *given, problem.steps, stream[0]))
        return Answer(counts, problem.steps)

    def usual() -> Answer:
        counts = problem.initial.copy()
        usual_imitation(plain.copy(), counts, *given, problem.steps)
        return Answer(counts, problem.steps)

    return [
        Entry("numba", best, problem.steps, "payoffs kept up to date, SplitMix64"),
        Entry("numba usual", usual, problem.steps, "payoffs from mu at every update, np.random", usual=True),
    ]


@njit
def direct_method(counts, infection, recovery, sweeps, counter):
    """Gillespie's direct method: one word for the waiting time, one for the reaction, one division."""
    n_agents, unit = counts.sum(), 2.0**-53
    ill, t, scale = counts[1], 0.0, infection / counts.sum()
    while ill > 0:
        infecting = scale * (n_agents - ill)
        rate = infecting + recovery  # per infected agent
        t -= np.log(((mix(counter) >> np.uint64(11)) + 1.0) * unit) / (rate * ill)
        if t >= sweeps:
            break
        ill += 1 if (mix(counter + np.uint64(1)) >> np.uint64(11)) * unit * rate < infecting else -1
        counter += np.uint64(2)
    counts[0], counts[1] = n_agents - ill, ill
    return counter


def epidemic(problem: Meeting) -> list[Entry]:
    infection, recovery = problem.meeting[0, 0, 1, 1], problem.constant[1, 0, 0]
    packed, bits = tables.packed_alias(problem.corners.reshape(-1, 2))
    table, stream = packed.ravel(), [np.uint64(1)]

    def direct() -> Answer:
        counts = problem.initial.copy()
        stream[0] = np.uint64(direct_method(counts, infection, recovery, problem.steps / problem.n_agents, stream[0]))
        return Answer(counts, problem.steps)

    def meetings() -> Answer:
        counts = problem.initial.copy()
        stream[0] = np.uint64(meet_counts(counts, problem.n_agents, table, bits, problem.steps, stream[0]))
        return Answer(counts, problem.steps)

    return [
        Entry("numba SSA", direct, problem.changes, "Gillespie's direct method, in continuous time"),
        Entry("numba counts", meetings, problem.changes, "meetings, one by one, also those that change nothing"),
    ]


@njit
def one_after_the_other(counts, here, start, n_agents, table, bits, values, switching, steps, counter, made):
    """By individuals if there are any in `here`, else by counts alone."""
    reward = 0.0
    for r in range(len(counts)):
        if here.size:
            here[:] = start
            found = sequential_agents(here, counts[r], table, bits, values, switching, steps, counter, made)
        else:
            found = sequential_counts(counts[r], n_agents, table, bits, values, switching, steps, counter, made)
        reward += found[0]
        counter = np.uint64(found[1])
    return reward, counter


@njit
def batches_after_another(counts, here, start, table, bits, values, switching, steps, batch, counter, made):
    """Populations of individuals that all begin as `start`."""
    reward, marked, chosen = 0.0, np.zeros(start.size, np.uint8), np.zeros(batch + 1, np.int64)
    for r in range(len(counts)):
        here[:] = start
        found = batch_steps(here, counts[r], table, bits, values, switching, steps, batch, counter, marked, chosen, made)
        reward += found[0]
        counter = np.uint64(found[1])
    return reward, counter


def replicas(problem: Replicas) -> list[Entry]:
    if problem.batch > 1:
        return replicas_of_batches(problem)
    table, bits = tables.packed_alias(problem.pi)
    flat, start, stream = table.ravel(), problem.population(np.uint8), [np.uint64(1)]
    tail = (start, problem.n_agents, flat, bits, problem.values, problem.switching, problem.steps)

    def run(here) -> Answer:
        counts, made = np.tile(problem.initial, (problem.replicas, 1)), np.zeros((problem.size, problem.size), dtype=np.int64)
        _, counter = one_after_the_other(counts, here, *tail, stream[0], made)
        stream[0] = np.uint64(counter)
        return Answer(counts, problem.steps)

    individuals, nobody = start.copy(), start[:0].copy()
    units = problem.steps * problem.replicas
    return [
        Entry("numba", lambda: run(individuals), units, "one after the other, individuals, O(1) reward"),
        Entry("numba counts", lambda: run(nobody), units, "one after the other, counts, O(1) reward"),
    ]


def replicas_of_batches(problem: Replicas) -> list[Entry]:
    table, bits = tables.packed_alias(problem.pi)
    start, stream = problem.population(np.uint8), [np.uint64(1)]
    here, flat = start.copy(), table.ravel()

    def run() -> Answer:
        counts, made = np.tile(problem.initial, (problem.replicas, 1)), np.zeros((problem.size, problem.size), dtype=np.int64)
        _, counter = batches_after_another(
            counts, here, start, flat, bits, problem.values, problem.switching, problem.steps, problem.batch, stream[0], made
        )
        stream[0] = np.uint64(counter)
        return Answer(counts, problem.steps)

    return [Entry("numba", run, problem.steps * problem.batch * problem.replicas, "one after the other, individuals")]


class NumbaMeetings:
    name, version = "numba", metadata.version("numba")

    sequential_affine = staticmethod(affine)
    sequential_pairwise = staticmethod(pairwise)
    epidemic = staticmethod(epidemic)
    clocks = staticmethod(lambda problem: epidemic(problem)[0])
    replicas = staticmethod(replicas)
