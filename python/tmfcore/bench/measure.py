"""Timing: contestants take turns, round by round, so that a busy moment of the machine affects all of them.

The figure is the processor time of the process and of the programs that it started and waited for, smallest of the
rounds, which other processes hardly affect. Wall time is also recorded, and is the figure for workloads with threads.
"""

from __future__ import annotations

import gc
import math
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Effort", "Entry", "Timing", "measure"]


@dataclass(frozen=True)
class Entry:
    """One way of a contestant to solve one problem.

    Parameters
    ----------
    label : str
        Library and, if needed, method: "numpy alias".
    run : callable
        Does the work once and returns the answer, which the problem can check; None if it solves a similar problem,
        whose answer cannot be checked.
    units : float
        Units of work (agent-steps, events, steps, evaluations) per call.
    note : str
        A remark for readers of the results.
    ours : bool
        tmfcore; the others are compared with the first such entry.
    usual : bool
        Code as it is usually written; another entry of the same library is the best its author could write.
    """

    label: str
    run: Callable[[], Any]
    units: float
    note: str = ""
    ours: bool = False
    usual: bool = False


@dataclass(frozen=True)
class Timing:
    """Seconds per unit of work, processor and wall, one of each per round; `calls` in a round."""

    cpu: tuple[float, ...]
    wall: tuple[float, ...]
    calls: int = 1

    def seconds(self, wall: bool) -> tuple[float, ...]:
        """All rounds, in wall or processor time."""
        return self.wall if wall else self.cpu

    def least(self, wall: bool) -> float:
        """The figure: smallest wall or processor time."""
        return min(self.seconds(wall))

    def typical(self, wall: bool) -> float:
        """The median of that time."""
        return statistics.median(self.seconds(wall))

    def scatter(self, wall: bool) -> float:
        """Median minus smallest: what a difference must exceed to count."""
        return self.typical(wall) - self.least(wall)


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Parameters
    ----------
    rounds : int
        Samples per contestant.
    sample : float
        Smallest duration of a sample, s; short calls are repeated within it.
    budget : float
        Total seconds per contestant; slow ones get fewer rounds, at least one.
    """

    rounds: int
    sample: float
    budget: float


def processor_seconds() -> float:
    """Processor time of this process, and of the finished processes that it waited for, s."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def seconds_of(run: Callable[[], Any], calls: int) -> tuple[float, float]:
    """Processor and wall seconds of one call, averaged over `calls`."""
    wall, cpu = time.perf_counter(), processor_seconds()
    for _ in range(calls):
        run()
    cpu, wall = processor_seconds() - cpu, time.perf_counter() - wall
    return cpu / calls, wall / calls


def measure(entries: Sequence[Entry], effort: Effort) -> list[Timing]:
    """Time contestants that have run once and been checked. If a call takes half the budget or more, it runs once."""
    calls, rounds = [], []
    samples: list[list[tuple[float, float]]] = [[] for _ in entries]
    for entry, found in zip(entries, samples, strict=True):
        sample = seconds_of(entry.run, 1)
        first = max(sample[1], 1e-7)
        calls.append(max(1, math.ceil(effort.sample / first)))
        rounds.append(max(1, min(effort.rounds, int(effort.budget / (first * calls[-1])))))
        if calls[-1] == rounds[-1] == 1:
            found.append(sample)
            rounds[-1] = 0
    collecting = gc.isenabled()
    gc.disable()
    try:
        for turn in range(max(rounds, default=0)):
            for entry, repeats, wanted, found in zip(entries, calls, rounds, samples, strict=True):
                if turn < wanted:
                    found.append(seconds_of(entry.run, repeats))
    finally:
        if collecting:
            gc.enable()
    timings = []
    for entry, repeats, found in zip(entries, calls, samples, strict=True):
        cpu, walls = (tuple(s / entry.units for s in column) for column in zip(*found, strict=True))
        timings.append(Timing(cpu, walls, repeats))
    return timings
