"""Plain numpy: the usual idioms, and the fastest code that we know, in blocks that stay in the cache."""

from __future__ import annotations

from functools import partial
from importlib import metadata
from itertools import pairwise

import numpy as np

from bench.peers import tables
from tmfcore.bench import Entry
from tmfcore.bench.problems import Answer, BeachBar, DenseGame, Playing

BLOCK = 1 << 14


def alias_agents(decisions: bool, problem: Playing) -> list[Entry]:
    """One alias draw per agent and step, in blocks; every array is allocated once."""
    rows = tables.rows_of(problem, decisions)
    n_cells, size, n_actions = rows.shape[1], problem.size, problem.n_actions
    share, other = (table.ravel() for table in tables.alias(rows))
    row = np.repeat(np.arange(size), n_cells)
    cell = np.stack([np.tile(np.arange(n_cells), size), other], axis=1)  # own, other: chosen by 2 k + (u >= share)
    following = np.ascontiguousarray((cell % size).ravel())
    pair = np.ascontiguousarray((row[:, None] * n_actions + cell // size).ravel())
    rng = np.random.Generator(np.random.SFC64(2))
    start = problem.population(np.intp)
    block = min(BLOCK, problem.n_agents)
    u, threshold = np.empty(block), np.empty(block)
    k, offset = np.empty(block, dtype=np.intp), np.empty(block, dtype=np.intp)
    second = np.empty(block, dtype=bool)

    def run() -> Answer:
        here = start.copy()
        counts = np.empty((problem.steps + 1, size), dtype=np.int64)
        made = np.zeros((problem.steps, size * n_actions), dtype=np.int64)
        counts[0] = problem.initial
        for t in range(problem.steps):
            counts[t + 1] = 0
            for low in range(0, len(here), block):
                part = here[low : low + block]
                n = len(part)
                uu, kk, ff = u[:n], k[:n], offset[:n]
                rng.random(out=uu)
                np.multiply(uu, n_cells, out=uu)
                np.copyto(kk, uu, casting="unsafe")
                np.subtract(uu, kk, out=uu)
                np.multiply(part, n_cells, out=ff)
                np.add(kk, ff, out=kk)
                np.take(share, kk, out=threshold[:n], mode="clip")
                np.greater_equal(uu, threshold[:n], out=second[:n])
                np.add(kk, kk, out=kk)
                np.add(kk, second[:n], out=kk)
                np.take(following, kk, out=part, mode="clip")
                if decisions:
                    made[t] += np.bincount(np.take(pair, kk, out=ff, mode="clip"), minlength=size * n_actions)
                counts[t + 1] += np.bincount(part, minlength=size)
        last = made[-1].reshape(size, n_actions) if decisions else None
        return Answer(counts[-1], problem.steps, last)

    return [Entry("numpy alias", run, problem.steps * problem.n_agents, "in blocks that fit the cache, no rewards")]


def searched_agents(decisions: bool, problem: Playing) -> list[Entry]:
    """The usual idiom: actions and successors of all agents by searchsorted in increasing cumulative rows."""
    size, n_actions = problem.size, problem.n_actions
    actions = tables.cumulative(problem.pi)
    moves = tables.cumulative(problem.transition.reshape(-1, size) if decisions else problem.averaged)
    rng = np.random.default_rng(2)
    steps = max(1, problem.steps // 10)

    def run() -> Answer:
        here = problem.population(np.intp)
        pairs = None
        for _ in range(steps):
            row = here
            if decisions:
                row = np.searchsorted(actions, rng.random(len(here)) + here, side="right")
                pairs = np.bincount(row, minlength=size * n_actions)
            here = np.searchsorted(moves, rng.random(len(here)) + row, side="right") - row * size
            counts = np.bincount(here, minlength=size)
        return Answer(counts, steps, None if pairs is None else pairs.reshape(size, n_actions))

    return [Entry("numpy searchsorted", run, steps * problem.n_agents, "no rewards", usual=True)]


def agents(decisions: bool, problem: Playing) -> list[Entry]:
    return alias_agents(decisions, problem) + searched_agents(decisions, problem)


def counts(decisions: bool, problem: Playing) -> list[Entry]:
    """Generator.multinomial over all rows at once."""
    rng = np.random.default_rng(2)
    steps = problem.steps

    def run() -> Answer:
        here, chosen = problem.initial, None
        for _ in range(steps):
            if decisions:
                chosen = rng.multinomial(here, problem.pi)
                here = rng.multinomial(chosen, problem.transition).sum(axis=(0, 1))
            else:
                here = rng.multinomial(here, problem.averaged).sum(axis=0)
        return Answer(here, steps, chosen)

    return [Entry("numpy multinomial", run, steps)]


def bernoulli(problem: Playing) -> list[Entry]:
    """Binomials for the acting agents, multinomials for their moves: numpy draws both with 64-bit counts."""
    rng = np.random.default_rng(2)

    def run() -> Answer:
        here = problem.initial
        for _ in range(problem.steps):
            acting = rng.binomial(here, problem.probability)
            chosen = rng.multinomial(acting, problem.pi)
            here = here - acting + rng.multinomial(chosen, problem.transition).sum(axis=(0, 1))
        return Answer(here, problem.steps)

    return [Entry("numpy multinomial", run, 1.0)]


def batches(problem: Playing) -> list[Entry]:
    """Batches of B of N agents, resource selection: by Generator.choice, and by drawing many batches at once."""
    size, n_agents, batch = problem.size, problem.n_agents, problem.batch
    rows = tables.cumulative(problem.pi)
    prices, switching = problem.values, problem.switching
    rng = np.random.default_rng(2)
    start = problem.population(np.intp)
    steps = max(10, problem.steps // 20)

    def choose(rows_wanted: int):
        """Uniform subsets: uniform rows, of which those with a repeated index are rejected."""
        found = rng.integers(n_agents, size=(rows_wanted, batch))
        while True:
            ordered = np.sort(found, axis=1)
            bad = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
            if not bad.any():
                return found
            found[bad] = rng.integers(n_agents, size=(int(bad.sum()), batch))

    def run(ahead: bool) -> Answer:
        here, counts, reward = start.copy(), problem.initial.copy(), 0.0
        decided = np.zeros(size * size, dtype=np.int64)
        for t in range(steps):
            if ahead:
                if t % 64 == 0:
                    who, shift = choose(64), rng.random((64, batch))
                chosen, u = who[t % 64], shift[t % 64]
            else:
                chosen, u = rng.choice(n_agents, batch, replace=False, shuffle=False), rng.random(batch)
            old = here[chosen]
            cell = np.searchsorted(rows, u + old, side="right")
            pairs = np.bincount(cell, minlength=size * size)
            new = cell - size * old
            here[chosen] = new
            decided += pairs
            moved = pairs.reshape(size, size)
            switches = batch - moved.trace()
            reward += counts @ (prices - counts / n_agents) - switching * switches
            counts = counts + moved.sum(axis=0) - moved.sum(axis=1)
        return Answer(counts, steps, reward=reward * problem.step / n_agents)

    units = steps * batch
    found = [Entry("numpy choice", partial(run, False), units, usual=True)]
    if batch * batch <= 2 * n_agents:  # otherwise hardly any row is without a repetition
        found.append(Entry("numpy, batches ahead", partial(run, True), units, "indices of 64 steps are drawn at once"))
    return found


def flow(problem: DenseGame) -> list[Entry]:
    """Products with the kernel by action, and with the kernel averaged over the policy beforehand."""
    flat = problem.transition.reshape(-1, problem.size)

    def by_action():
        mu = np.empty((problem.steps + 1, problem.size))
        mu[0] = problem.initial
        for t in range(problem.steps):
            mu[t + 1] = (mu[t][:, None] * problem.pi).ravel() @ flat
        return mu

    def averaged():
        mu = np.empty((problem.steps + 1, problem.size))
        mu[0] = problem.initial
        kernel = np.einsum("oa,oax->ox", problem.pi, problem.transition)
        for here, following in pairwise(mu):
            np.dot(here, kernel, out=following)
        return mu

    return [
        Entry("numpy", by_action, problem.steps),
        Entry("numpy, averaged kernel", averaged, problem.steps, "kernel averaged over the policy once a run"),
    ]


def values(problem: DenseGame) -> list[Entry]:
    flat = problem.transition.reshape(-1, problem.size)
    scaled = problem.discount * flat
    reward = problem.reward.ravel()

    def run():
        value = np.zeros((problem.steps + 1, problem.size))
        q = np.empty((problem.steps, problem.size, problem.n_actions))
        for t in range(problem.steps - 1, -1, -1):
            row = q[t].reshape(-1)
            np.dot(scaled, value[t + 1], out=row)
            row += reward
            np.einsum("oa,oa->o", problem.pi, q[t], out=value[t])
        return value

    return [Entry("numpy", run, problem.steps)]


def beach_bar(problem: BeachBar) -> list[Entry]:
    """Flow by bincount, both values in one pass backward."""
    wind, successors = np.array(problem.WIND), problem.successors

    def run() -> float:
        mu = [problem.initial]
        for _ in range(problem.steps - 1):
            mu.append(problem.push(mu[-1]))
        reward = problem.fixed_reward - np.log(np.array(mu) + problem.EPSILON)[:, :, None]
        value = np.zeros((problem.size, 2))  # best response, own
        following = np.empty_like(value)
        for now in reward[::-1]:
            q = np.tensordot(value[successors], wind, axes=(2, 0)) + now[:, :, None]
            np.max(q[:, :, 0], axis=1, out=following[:, 0])
            np.einsum("oa,oa->o", problem.pi, q[:, :, 1], out=following[:, 1])
            value, following = following, value
        best, own = problem.initial @ value
        return float(best - own)

    return [Entry("numpy", run, 1.0)]


def push_forward(problem: BeachBar) -> list[Entry]:
    """One weighted bincount per step."""
    flat = problem.successors.ravel()
    weight = (problem.pi[:, :, None] * np.array(problem.WIND)).reshape(problem.size, -1)

    def run():
        mu = problem.initial
        for _ in range(problem.steps):
            mu = np.bincount(flat, weights=(mu[:, None] * weight).ravel(), minlength=problem.size)
        return mu

    return [Entry("numpy", run, problem.steps)]


class Numpy:
    name, version = "numpy", metadata.version("numpy")

    agents_mu = staticmethod(partial(agents, False))
    agents = staticmethod(partial(agents, True))
    counts_mu = staticmethod(partial(counts, False))
    counts = staticmethod(partial(counts, True))
    bernoulli = staticmethod(bernoulli)
    batch = staticmethod(batches)
    flow = staticmethod(flow)
    values = staticmethod(values)
    exploitability = staticmethod(beach_bar)
    push_forward = staticmethod(push_forward)
