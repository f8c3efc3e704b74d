"""What is measured, and what the model says of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.distributed import model
from tmfcore._base.threads import available_processors


@dataclass(frozen=True)
class Size:
    agents: tuple[int, ...]
    rounds: int
    numbers: tuple[int, ...]
    many: tuple[int, int]  # ranks of the machine that is only modelled, and simulated steps
    seconds: float  # of one run, roughly


FULL = Size((10_000, 100_000, 1_000_000, 10_000_000, 100_000_000), 3, (8, 64, 1024, 16_384), (10_000, 60), 0.6)
QUICK = Size((10_000, 200_000), 1, (8, 1024), (100, 20), 0.05)

AGENTS_OF_MANY = 10**12
RANKS = (1, 2, 4)
NANOSECONDS = 0.2  # of an agent and step, for the lengths of runs
CALM, BLINK, LEAST = 1.1, 2e-5, 10  # a step is calm if moves take so many times their processor time, and so much more
BUSY = 0.05  # share of the processors that other programs took during a run, above which it was disturbed
NETWORK = 2e-6  # seconds of an exchange between two machines: assumed
YEARS = 5 * 365 * 86400.0  # seconds between two failures of a node: assumed
CORES_OF_NODE = 64  # assumed


@dataclass
class Step:
    """One population on a number of ranks; seconds. None: the machine was too busy to tell."""

    n_agents: int
    n_ranks: int
    work: float  # processor time of the moves of the slower rank
    wall: float | None  # of a step
    beyond: float | None  # of it, after the slower rank has moved its agents
    apart: np.ndarray  # processor times of moves without any exchange, while as many processes run
    formula: float
    events: float


@dataclass
class Found:
    steps: dict[tuple[int, int], Step]
    sums: dict[tuple[int, int], float]  # (integers, ranks) -> median seconds
    write: float  # seconds of a checkpoint of the largest population on 2 ranks
    many: dict[str, float]
    failures: dict[str, float]
    bits: dict[int, list[str]]  # ranks -> digests of the results of some schedules
    size: Size
    cores: int


def measured(size: Size, ranks: Callable[[int, str, int, int], list[dict]]) -> Found:
    cores, rng = available_processors(), np.random.default_rng(0)
    sums = {(n, p): float(np.median(ranks(p, "sums", n, 2000)[0]["sums"])) for n in size.numbers for p in RANKS[1:]}
    steps: dict[tuple[int, int], Step] = {}
    for n_agents in size.agents:
        horizon = int(np.clip(size.seconds / (n_agents * NANOSECONDS * 1e-9), 20, 3000))
        rounds: dict[int, list[list[dict]]] = {p: [] for p in RANKS}
        apart: dict[int, list[dict]] = {p: [] for p in RANKS}
        for _ in range(size.rounds):  # in turns, since the load of the machine changes
            for p in RANKS:
                print(f"N = {n_agents:,}, {p} ranks", file=sys.stderr, flush=True)
                rounds[p].append(ranks(p, "steps", n_agents, horizon))
                together = min(p, cores)
                apart[p] += ranks(together, "apart", n_agents // p * together, horizon)
        for p in RANKS:
            work, wall, beyond = calm(rounds[p], cores)
            moves = np.concatenate([one["work"] for one in apart[p]])
            machine = model.Machine(cores, moves, 0.0 if p == 1 else sums[size.numbers[0], p])
            steps[n_agents, p] = Step(
                n_agents, p, work, wall, beyond, moves, model.formula(machine, p), model.events(machine, p, 400, rng)
            )
    largest = size.agents[-1]
    bits = {p: ranks(p, "bits", 10_000, 50)[0]["digests"] for p in RANKS}
    write = float(np.median(ranks(2, "writes", largest, 5)[0]["writes"]))
    return Found(steps, sums, write, *many(size, steps[largest, 2], largest, write, rng), bits, size, cores)


def calm(rounds: list[list[dict]], cores: int) -> tuple[float, float | None, float | None]:
    """Processor time of moves, wall time of a step, and what it takes beyond moves: medians over calm steps.

    A step is calm if no rank waited for a processor; on more ranks than cores there are none. Where there are too few,
    all steps of the round count in which other programs took the least, unless they took more than BUSY.
    """
    moves, work, sums = (np.concatenate([[one[name] for one in found] for found in rounds], axis=1)
                         for name in ("moves", "work", "sums"))  # fmt: skip
    slower = float(np.median(work.max(axis=0)))
    still = (moves <= CALM * work + BLINK).all(axis=0)
    if len(moves) > cores or still.sum() < LEAST:
        best = min(rounds, key=lambda found: found[0]["others"])
        if best[0]["others"] > BUSY:
            return slower, None, None
        moves, sums = (np.array([one[name] for one in best]) for name in ("moves", "sums"))
        if len(moves) > cores:  # ranks take turns, within a step and across steps: the mean is what a run takes
            return slower, float(np.mean(moves[0] + sums[0])), None
        still = np.full(moves.shape[1], True)
    step = (moves[0] + sums[0])[still]
    return slower, float(np.median(step)), float(np.median(step - moves.max(axis=0)[still]))


def many(
    size: Size, two: Step, largest: int, write: float, rng: np.random.Generator
) -> tuple[dict[str, float], dict[str, float]]:
    """A population that no machine here holds: the step, and a run of a day with failures."""
    n_ranks, n_steps = size.many
    scale = AGENTS_OF_MANY / n_ranks / (largest / 2)
    machine = model.Machine(n_ranks, two.apart * scale, model.of_many(NETWORK, n_ranks))
    step = {
        "moves": float(np.median(machine.moves)),
        "sum": machine.total,
        "formula": model.formula(machine, n_ranks),
        "events": model.events(machine, n_ranks, n_steps, rng),
        "stragglers": model.events(machine, n_ranks, n_steps, rng, slow=1e-4, factor=2.0),
    }
    work, restart = 86400.0, 60.0
    cost = write * scale  # each rank writes its own file
    between = YEARS / (n_ranks / CORES_OF_NODE)
    every = model.interval(cost, between)
    return step, {
        "write": cost, "between": between, "every": every, "work": work, "restart": restart,
        "expected": model.expected_with_failures(work, every, cost, restart, between),
        "events": float(np.mean([model.with_failures(work, every, cost, restart, between, rng) for _ in range(400)])),
    }  # fmt: skip
