"""rmftool: the same population in continuous time, every agent acting at rate 1, one jump at a time.

One unit of time is one sweep, N decisions on average. Decisions that change nothing are not jumps, but count as done. The
mean at time t is the mean field of N t sequential decisions up to O(1 / N).
"""

from __future__ import annotations

import random
from functools import partial
from importlib import metadata

import numpy as np
import rmftool

from tmfcore.bench import Entry
from tmfcore.bench.problems import Answer, Playing


def rate(o: int, probability: float, x) -> float:
    return x[o] * probability


def sequential(problem: Playing) -> list[Entry]:
    process = rmftool.DDPP()
    for o in range(problem.size):
        for a in range(problem.size):
            if a != o:
                change = np.zeros(problem.size)
                change[o], change[a] = -1.0, 1.0
                process.add_transition(change, partial(rate, o, float(problem.pi[o, a])))
    process.set_initial_state(problem.initial / problem.n_agents)
    random.seed(2)
    steps = max(100, problem.steps // 10)

    def run() -> Answer:
        _, path = process.simulate(problem.n_agents, steps / problem.n_agents)
        return Answer(np.rint(path[-1] * problem.n_agents).astype(np.int64), steps)

    return [Entry("rmftool", run, steps, "continuous time, no rewards")]


class Rmftool:
    name, version = "rmftool", metadata.version("rmftool")

    sequential_small = staticmethod(sequential)
