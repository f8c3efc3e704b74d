"""What a step on P ranks costs: a formula, and a simulation of its events (simpy) with stragglers and failures.

A step of N agents on P ranks takes

    t(N, P) = W(P) max over ranks of m(N / P) + a(P, S)

where m(n) is the time in which a rank moves n agents, measured while as many processes run as there are cores; W(P),
the ranks that share a core; and a, the sum of S integers over P ranks. On more ranks than were measured, a sum takes
ceil(log2 P) exchanges of one pair of ranks after another.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2, sqrt

import numpy as np
import simpy


@dataclass(frozen=True)
class Machine:
    """cores; moves: seconds in which one rank moved its agents, measured step by step; total: seconds of a sum."""

    cores: int
    moves: np.ndarray
    total: float


def waves(n_ranks: int, cores: int) -> int:
    """W: ranks that share a core."""
    return ceil(n_ranks / cores)


def formula(machine: Machine, n_ranks: int) -> float:
    """Seconds of a step without stragglers."""
    return waves(n_ranks, machine.cores) * float(np.median(machine.moves)) + machine.total


def of_many(pair: float, n_ranks: int) -> float:
    """Seconds of a sum over many ranks, if one pair takes `pair`."""
    return pair * ceil(log2(n_ranks)) if n_ranks > 1 else 0.0


def events(machine: Machine, n_ranks: int, n_steps: int, rng: np.random.Generator, slow: float = 0.0,
           factor: float = 1.0) -> float:  # fmt: skip
    """Mean seconds of a step: every rank takes a core, moves its agents, and waits for the sum of all.

    The time of a move is one of those measured, at random; with probability `slow`, times `factor`.
    """
    env = simpy.Environment()
    cores = simpy.Resource(env, machine.cores)
    state = {"left": n_ranks, "summed": env.event()}

    def rank():
        for _ in range(n_steps):
            with cores.request() as core:
                yield core
                yield env.timeout(float(rng.choice(machine.moves)) * (factor if rng.random() < slow else 1.0))
            summed = state["summed"]
            state["left"] -= 1
            if state["left"] == 0:
                state["left"], state["summed"] = n_ranks, env.event()
                yield env.timeout(machine.total)
                summed.succeed()
            else:
                yield summed

    for _ in range(n_ranks):
        env.process(rank())
    env.run()
    return env.now / n_steps


def interval(write: float, between_failures: float) -> float:
    """Seconds between two checkpoints that lose least: Young, Comm. ACM 17, 1974."""
    return sqrt(2 * write * between_failures)


def with_failures(work: float, every: float, write: float, restart: float, between_failures: float,
                  rng: np.random.Generator) -> float:  # fmt: skip
    """Seconds until `work` seconds are done, with a checkpoint after every `every` of them; a failure ends all ranks.

    Failures come at exponential times, while work is done, written or begun again.
    """
    env = simpy.Environment()

    def run():
        done = 0.0
        while done < work:
            piece = min(every, work - done)
            try:
                yield env.timeout(piece + write)
                done += piece
            except simpy.Interrupt:
                while True:
                    try:
                        yield env.timeout(restart)
                        break
                    except simpy.Interrupt:
                        continue

    def failures(process):
        while process.is_alive:
            yield env.timeout(rng.exponential(between_failures))
            if process.is_alive:
                process.interrupt()

    process = env.process(run())
    env.process(failures(process))
    env.run(until=process)
    return env.now


def expected_with_failures(work: float, every: float, write: float, restart: float, between_failures: float) -> float:
    """The mean of `with_failures`: Daly, Future Gener. Comput. Syst. 22, 2006, exact for exponential times."""
    mean = between_failures
    return mean * np.exp(restart / mean) * np.expm1((every + write) / mean) * work / every
