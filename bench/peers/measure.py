"""Timing: contestants take turns, round by round, so that a busy moment of the machine affects all of them.

The figure is the processor time of the process, smallest of the rounds, which other processes hardly affect. Wall time is
also recorded, and is the figure for workloads with threads.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One contestant on one problem.

    Parameters
    ----------
    label : str
        Library and, if needed, method: "numpy alias".
    run : callable
        Does the work once and returns the answer, which the problem can check.
    units : float
        Units of work (agent-steps, events, steps, evaluations) per call.
    note : str
        A remark for readers of the page.
    ours : bool
        tmfcore; the others are compared with the first such entry.
    usual : bool
        Code as it is usually written; another entry of the same library is the best we could write.
    """

    label: str
    run: Callable[[], Any]
    units: float
    note: str = ""
    ours: bool = False
    usual: bool = False


@dataclass(frozen=True)
class Timing:
    """Seconds per unit of work."""

    cpu_min: float
    cpu_median: float
    wall_min: float
    wall_median: float
    rounds: int

    def least(self, wall: bool) -> float:
        """The figure: smallest wall or processor time."""
        return self.wall_min if wall else self.cpu_min

    def typical(self, wall: bool) -> float:
        """The median of that time."""
        return self.wall_median if wall else self.cpu_median


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


def seconds_of(run: Callable[[], Any], calls: int) -> tuple[float, float]:
    """Processor and wall seconds of one call, averaged over `calls`."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(calls):
        run()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
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
    return [_summary(entry, found) for entry, found in zip(entries, samples, strict=True)]


def _summary(entry: Entry, samples: list[tuple[float, float]]) -> Timing:
    cpu, wall = ([s / entry.units for s in column] for column in zip(*samples, strict=True))
    return Timing(min(cpu), statistics.median(cpu), min(wall), statistics.median(wall), len(samples))
