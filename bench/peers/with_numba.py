"""numba: the usual loop with np.random, and the best code that we could write.

The best code draws 64 random bits at a time from a counter (SplitMix64, which LLVM vectorises), stores the population in
bytes, draws by alias tables packed in 4 bytes, works in blocks that stay in the first-level cache, and counts in four
histograms. numba has no prefetch, and no other choice of instruction set at run time than its own.
"""

from __future__ import annotations

from functools import partial
from importlib import metadata

import numpy as np
from numba import njit

from bench.peers import tables
from tmfcore.bench import Entry
from tmfcore.bench.problems import Answer, BeachBar, DenseGame, Playing

BLOCK = 2048
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@njit(inline="always")
def mix(counter):
    """SplitMix64's output function of a counter (Steele, Lea, Flood 2014)."""
    z = counter * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


# ------------------------------------------------------------------------------------------------ all agents act


def block_step(size: int, bits: int, n_actions: int):
    """Compile one step of all agents for rows of 2**bits cells a * S + x; n_actions is 1 for averaged rows."""
    mask, per_row, square = np.uint32((1 << bits) - 1), np.uint32(1 << bits), n_actions > 1
    shift = np.uint32(32 - bits)
    states, width = np.uint32(size), size * n_actions

    @njit
    def step(here, table, counter, noise, codes, histogram):
        half, words = noise.view(np.uint64), here.size
        histogram[:] = 0
        for low in range(0, words, BLOCK):
            n = min(BLOCK, words - low)
            part = here[low : low + n]
            for i in range(BLOCK // 2):
                half[i] = mix(counter + np.uint64(i))
            counter += np.uint64(BLOCK // 2)
            for i in range(n):
                bits32 = noise[i]
                row = np.uint32(part[i])
                cell = bits32 >> shift
                entry = table[row * per_row + cell]
                other = entry & mask
                # the fraction is the low bits of the draw, the threshold the high bits of the entry: 32 - bits each
                code = cell if (bits32 & (np.uint32(0xFFFFFFFF) >> np.uint32(bits))) < (entry >> np.uint32(bits)) else other
                action = code // states
                codes[i] = row * np.uint32(n_actions) + action if square else code
                part[i] = code - action * states
            quarter = n // 4
            for i in range(quarter):
                histogram[0, codes[4 * i]] += 1
                histogram[1, codes[4 * i + 1]] += 1
                histogram[2, codes[4 * i + 2]] += 1
                histogram[3, codes[4 * i + 3]] += 1
            for i in range(4 * quarter, n):
                histogram[0, codes[i]] += 1
        return counter

    return step, width


def agents(decisions: bool, problem: Playing) -> list[Entry]:
    """Best: packed alias in blocks. Every step recorded."""
    size, n_actions = problem.size, problem.n_actions if decisions else 1
    table, bits = tables.packed_alias(tables.rows_of(problem, decisions))
    step, width = block_step(size, bits, n_actions)
    start = problem.population(np.uint8 if size <= 256 else np.uint16)
    noise, codes = np.empty(BLOCK, dtype=np.uint32), np.empty(BLOCK, dtype=np.uint32)
    histogram = np.empty((4, width), dtype=np.int64)
    flat = table.ravel()
    stream = [np.uint64(1)]

    def run() -> Answer:
        here, made = start.copy(), np.empty((problem.steps, width), dtype=np.int64)
        for t in range(problem.steps):
            stream[0] = np.uint64(step(here, flat, stream[0], noise, codes, histogram))
            made[t] = histogram.sum(axis=0)
        counts = np.bincount(here, minlength=size)
        return Answer(counts, problem.steps, made[-1].reshape(size, n_actions) if decisions else None)

    note = f"packed in 4 bytes: thresholds of {32 - bits} bits, no rewards"
    return [Entry("numba alias", run, problem.steps * problem.n_agents, note), usual_agents(decisions, problem)]


@njit
def usual_step(here, actions, moves, made):
    """np.random and a search of the cumulative row, agent by agent."""
    for i in range(here.size):
        o = here[i]
        a = np.searchsorted(actions[o], np.random.random(), side="right")
        made[o, a] += 1
        here[i] = np.searchsorted(moves[o, a], np.random.random(), side="right")


def usual_agents(decisions: bool, problem: Playing) -> Entry:
    actions, moves = problem.pi.cumsum(axis=1), problem.transition.cumsum(axis=2)
    if not decisions:
        actions, moves = np.ones((problem.size, 1)), problem.averaged.cumsum(axis=1)[:, None]
    actions[:, -1], moves[:, :, -1] = 1.0, 1.0
    start, steps = problem.population(np.int64), max(1, problem.steps // 10)

    def run() -> Answer:
        here, made = start.copy(), None
        for _ in range(steps):
            made = np.zeros(actions.shape, dtype=np.int64)
            usual_step(here, actions, moves, made)
        return Answer(np.bincount(here, minlength=problem.size), steps, made if decisions else None)

    return Entry("numba usual", run, steps * problem.n_agents, "np.random and searchsorted in a loop", usual=True)


# ------------------------------------------------------------------------------------------------ one agent acts


@njit
def sequential_agents(here, counts, table, bits, values, switching, steps, counter, made):
    """Best: 40 bits of a draw give the agent, whose observation is a byte; another draw for the alias row; O(1) reward."""
    n_agents, reward, earned = here.size, 0.0, 0.0
    for o in range(values.size):
        earned += counts[o] * (values[o] - counts[o] / n_agents)
    low = np.uint64(32 - bits)
    for _ in range(steps):
        first, second = mix(counter), mix(counter + np.uint64(1))
        counter += np.uint64(2)
        agent = ((first >> np.uint64(24)) * np.uint64(n_agents)) >> np.uint64(40)
        draw = second >> np.uint64(32)
        old = np.uint32(here[agent])
        cell = np.uint32(draw >> low)
        entry = table[(old << np.uint32(bits)) + cell]
        own = np.uint32(draw) & (np.uint32(0xFFFFFFFF) >> np.uint32(bits)) < entry >> np.uint32(bits)
        new = cell if own else entry & np.uint32((1 << bits) - 1)
        reward += earned
        made[old, new] += 1
        if new != old:
            reward -= switching
            here[agent] = new
            earned += values[new] - values[old] + (2 * (counts[old] - counts[new]) - 2) / n_agents
            counts[old] -= 1
            counts[new] += 1
    return reward, counter


@njit
def usual_sequential(here, counts, rows, values, switching, steps, made):
    """np.random and a search of the cumulative row; O(S) reward."""
    n_agents, reward = here.size, 0.0
    for _ in range(steps):
        for o in range(values.size):
            reward += counts[o] * (values[o] - counts[o] / n_agents)
        agent = np.random.randint(0, n_agents)
        old = here[agent]
        new = np.searchsorted(rows[old], np.random.random(), side="right")
        made[old, new] += 1
        reward -= switching * (new != old)
        here[agent] = new
        counts[old] -= 1
        counts[new] += 1
    return reward


@njit
def sequential_counts(counts, n_agents, table, bits, values, switching, steps, counter, made):
    """Without individuals: a scan of the counts finds the place of the acting agent."""
    reward, earned = 0.0, 0.0
    for o in range(values.size):
        earned += counts[o] * (values[o] - counts[o] / n_agents)
    low = np.uint64(32 - bits)
    for _ in range(steps):
        first, second = mix(counter), mix(counter + np.uint64(1))
        counter += np.uint64(2)
        rank = np.int64(((first >> np.uint64(24)) * np.uint64(n_agents)) >> np.uint64(40))
        old = 0
        while rank >= counts[old]:
            rank -= counts[old]
            old += 1
        draw = second >> np.uint64(32)
        cell = np.uint32(draw >> low)
        entry = table[(old << bits) + cell]
        own = np.uint32(draw) & (np.uint32(0xFFFFFFFF) >> np.uint32(bits)) < entry >> np.uint32(bits)
        new = cell if own else entry & np.uint32((1 << bits) - 1)
        reward += earned
        made[old, new] += 1
        if new != old:
            reward -= switching
            earned += values[new] - values[old] + (2 * (counts[old] - counts[new]) - 2) / n_agents
            counts[old] -= 1
            counts[new] += 1
    return reward, counter


def sequential(counted: bool, problem: Playing) -> list[Entry]:
    """The best loop on agents (on counts for the counts row), and the usual one."""
    table, bits = tables.packed_alias(problem.pi)
    flat, size, n_agents = table.ravel(), problem.size, problem.n_agents
    rows = problem.pi.cumsum(axis=1)
    rows[:, -1] = 1.0
    start, plain_start = problem.population(np.uint8), problem.population(np.int64)
    stream = [np.uint64(1)]
    tail = (flat, bits, problem.values, problem.switching, problem.steps)

    def best() -> Answer:
        counts, made = problem.initial.copy(), np.zeros((size, size), dtype=np.int64)
        if counted:
            reward, counter = sequential_counts(counts, n_agents, *tail, stream[0], made)
        else:
            reward, counter = sequential_agents(start.copy(), counts, *tail, stream[0], made)
        stream[0] = np.uint64(counter)
        return Answer(counts, problem.steps, reward=reward * problem.step / n_agents)

    def usual() -> Answer:
        counts, made = problem.initial.copy(), np.zeros((size, size), dtype=np.int64)
        more = (problem.values, problem.switching, problem.steps, made)
        reward = usual_sequential(plain_start.copy(), counts, rows, *more)
        return Answer(counts, problem.steps, reward=reward * problem.step / n_agents)

    how = "numba counts" if counted else "numba alias"
    return [
        Entry(how, best, problem.steps, "SplitMix64, packed alias, O(1) reward"),
        Entry("numba usual", usual, problem.steps, "np.random, searchsorted, O(S) reward", usual=True),
    ]


# ------------------------------------------------------------------------------------------------ a batch


@njit
def batch_steps(here, counts, table, bits, values, switching, steps, batch, counter, marked, chosen, made):
    """Agents by rejection on a byte map, then alias draws; O(S) reward per step."""
    n_agents, reward = here.size, 0.0
    low = np.uint64(32 - bits)
    for _ in range(steps):
        for o in range(values.size):
            reward += counts[o] * (values[o] - counts[o] / n_agents)
        have = 0
        while have < batch:
            agent = ((mix(counter) >> np.uint64(24)) * np.uint64(n_agents)) >> np.uint64(40)
            counter += np.uint64(1)
            chosen[have] = agent
            have += 1 - marked[agent]
            marked[agent] = 1
        for i in range(batch):
            agent = chosen[i]
            marked[agent] = 0
            draw = mix(counter) >> np.uint64(32)
            counter += np.uint64(1)
            old = np.uint32(here[agent])
            cell = np.uint32(draw >> low)
            entry = table[(old << np.uint32(bits)) + cell]
            own = np.uint32(draw) & (np.uint32(0xFFFFFFFF) >> np.uint32(bits)) < entry >> np.uint32(bits)
            new = cell if own else entry & np.uint32((1 << bits) - 1)
            here[agent] = new
            made[old, new] += 1
            reward -= switching * (new != old)
            counts[old] -= 1
            counts[new] += 1
    return reward, counter


def batches(problem: Playing) -> list[Entry]:
    table, bits = tables.packed_alias(problem.pi)
    flat, size, n_agents = table.ravel(), problem.size, problem.n_agents
    start = problem.population(np.uint8)
    marked, chosen = np.zeros(n_agents, dtype=np.uint8), np.zeros(problem.batch + 1, dtype=np.int64)
    stream = [np.uint64(1)]

    def run() -> Answer:
        counts, made = problem.initial.copy(), np.zeros((size, size), dtype=np.int64)
        reward, counter = batch_steps(
            start.copy(), counts, flat, bits, problem.values, problem.switching, problem.steps, problem.batch, stream[0],
            marked, chosen, made,
        )
        stream[0] = np.uint64(counter)
        return Answer(counts, problem.steps, reward=reward * problem.step / n_agents)

    return [Entry("numba alias", run, problem.steps * problem.batch, "rejection on a byte map")]


# ------------------------------------------------------------------------------------------------ the limit


@njit
def flow_loop(initial, kernel, steps):
    mu = np.zeros((steps + 1, initial.size))
    mu[0] = initial
    for t in range(steps):
        for o in range(initial.size):
            weight = mu[t, o]
            for x in range(initial.size):
                mu[t + 1, x] += weight * kernel[o, x]
    return mu


@njit(fastmath=True)
def values_loop(pi, transition, reward, discount, steps):
    size, n_actions = pi.shape
    value, q = np.zeros((steps + 1, size)), np.empty((steps, size, n_actions))
    for t in range(steps - 1, -1, -1):
        for o in range(size):
            total = 0.0
            for a in range(n_actions):
                ahead = 0.0
                for x in range(size):
                    ahead += transition[o, a, x] * value[t + 1, x]
                q[t, o, a] = reward[o, a] + discount * ahead
                total += pi[o, a] * q[t, o, a]
            value[t, o] = total
    return value


@njit(fastmath=True)
def beach_loop(initial, pi, successors, wind, fixed, epsilon, steps):
    """Flow forward, both values backward."""
    size, n_actions, n_shifts = successors.shape
    mu = np.zeros((steps, size))
    mu[0] = initial
    for t in range(steps - 1):
        for o in range(size):
            for a in range(n_actions):
                for k in range(n_shifts):
                    mu[t + 1, successors[o, a, k]] += mu[t, o] * pi[o, a] * wind[k]
    best, own, best_next, own_next = np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size)
    for t in range(steps - 1, -1, -1):
        best, best_next, own, own_next = best_next, best, own_next, own
        for o in range(size):
            crowd = np.log(mu[t, o] + epsilon)
            top, mean = -np.inf, 0.0
            for a in range(n_actions):
                ahead, mine = 0.0, 0.0
                for k in range(n_shifts):
                    ahead += wind[k] * best_next[successors[o, a, k]]
                    mine += wind[k] * own_next[successors[o, a, k]]
                top = max(top, fixed[o, a] - crowd + ahead)
                mean += pi[o, a] * (fixed[o, a] - crowd + mine)
            best[o], own[o] = top, mean
    return (initial * (best - own)).sum()


@njit
def push_loop(initial, pi, successors, wind, steps):
    size, n_actions, n_shifts = successors.shape
    mu, following = initial.copy(), np.zeros(initial.size)
    for _ in range(steps):
        following[:] = 0.0
        for o in range(size):
            for a in range(n_actions):
                weight = mu[o] * pi[o, a]
                for k in range(n_shifts):
                    following[successors[o, a, k]] += weight * wind[k]
        mu, following = following, mu
    return mu


def flow(problem: DenseGame) -> list[Entry]:
    def run():
        kernel = np.einsum("oa,oax->ox", problem.pi, problem.transition)
        return flow_loop(problem.initial, kernel, problem.steps)

    return [Entry("numba", run, problem.steps, "kernel averaged over the policy once a run")]


def values(problem: DenseGame) -> list[Entry]:
    run = lambda: values_loop(problem.pi, problem.transition, problem.reward, problem.discount, problem.steps)
    return [Entry("numba", run, problem.steps)]


def beach_bar(problem: BeachBar) -> list[Entry]:
    wind, successors = np.array(problem.WIND), problem.successors.astype(np.int32)
    run = lambda: beach_loop(
        problem.initial, problem.pi, successors, wind, problem.fixed_reward, problem.EPSILON, problem.steps
    )
    return [Entry("numba", run, 1.0, "a loop written for this game alone, reward compiled in")]


def push_forward(problem: BeachBar) -> list[Entry]:
    wind, successors = np.array(problem.WIND), problem.successors.astype(np.int32)
    run = lambda: push_loop(problem.initial, problem.pi, successors, wind, problem.steps)
    return [Entry("numba", run, problem.steps)]


class Numba:
    name, version = "numba", metadata.version("numba")

    agents_mu = staticmethod(partial(agents, False))
    agents = staticmethod(partial(agents, True))
    sequential_agents = staticmethod(partial(sequential, False))
    sequential_counts = staticmethod(partial(sequential, True))
    sequential_small = staticmethod(partial(sequential, False))
    batch = staticmethod(batches)
    flow = staticmethod(flow)
    values = staticmethod(values)
    exploitability = staticmethod(beach_bar)
    push_forward = staticmethod(push_forward)
