"""A sequential run in a Python loop: with numpy calls, as it is usually written, and with lists, which is much faster."""

from __future__ import annotations

import platform
import random
from bisect import bisect
from itertools import accumulate

import numpy as np

from tmfcore.bench import Entry
from tmfcore.bench.problems import Answer, Playing


def with_numpy(problem: Playing) -> Entry:
    """A numpy call for each draw and each reward."""
    rng, n_agents = np.random.default_rng(2), problem.n_agents
    steps = max(100, problem.steps // 100)
    cumulative, last = problem.pi.cumsum(axis=1), problem.size - 1
    values, switching = problem.values, problem.switching
    start = problem.population(np.int64)

    def run() -> Answer:
        here, counts, reward = start.copy(), problem.initial.copy(), 0.0
        for _ in range(steps):
            rate = values - counts / n_agents
            agent = rng.integers(n_agents)
            old = here[agent]
            action = min(int(np.searchsorted(cumulative[old], rng.random(), side="right")), last)
            reward += counts @ rate - switching * (action != old)
            here[agent] = action
            counts[old] -= 1
            counts[action] += 1
        return Answer(counts, steps, reward=reward * problem.step / n_agents)

    return Entry("Python with numpy", run, steps, "a numpy call for each draw", usual=True)


def with_lists(problem: Playing) -> Entry:
    """Lists, bisection, and O(1) updates of the population's reward."""
    n_agents, size = problem.n_agents, problem.size
    steps = max(100, problem.steps // 10)
    rows = [[*accumulate(row)][:-1] for row in problem.pi.tolist()]
    values, switching = problem.values.tolist(), problem.switching
    start, draw = problem.population(np.uint8).tobytes(), random.Random(2).random
    initial = problem.initial.tolist()

    def run() -> Answer:
        here, counts, reward = bytearray(start), initial.copy(), 0.0
        earned = sum(c * (v - c / n_agents) for c, v in zip(counts, values, strict=True))
        for _ in range(steps):
            agent = int(draw() * n_agents)
            old = here[agent]
            new = bisect(rows[old], draw())
            reward += earned
            if new != old:
                reward -= switching
                here[agent] = new
                earned += values[new] - values[old] + (2 * (counts[old] - counts[new]) - 2) / n_agents
                counts[old] -= 1
                counts[new] += 1
        return Answer(np.array(counts[:size]), steps, reward=reward * problem.step / n_agents)

    return Entry("Python loop", run, steps, "lists and bisection, no numpy in the loop")


def sequential(problem: Playing) -> list[Entry]:
    return [with_lists(problem), with_numpy(problem)]


class PlainPython:
    name, version = "Python", platform.python_version()

    sequential_agents = staticmethod(sequential)
    sequential_counts = staticmethod(sequential)
    sequential_small = staticmethod(sequential)
