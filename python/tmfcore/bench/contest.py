"""Run workloads: make the problem, find the contestants, check every answer, then time the correct ones."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from . import processors
from .contestants import Supply, entries
from .measure import Entry, Timing, measure
from .problems import Disagreement
from .workloads import Size, Workload

__all__ = ["Line", "Results", "run", "title", "where"]


@dataclass(frozen=True)
class Line:
    """A contestant's time at a workload: that of an Entry, with the version of its library."""

    label: str
    timing: Timing
    note: str = ""
    ours: bool = False
    usual: bool = False
    version: str = ""


@dataclass
class Results:
    """The measurements by workload; `skipped`: the reason per library; `wrong`: a line for each wrong answer.

    If `interrupted`, the rest is what was finished.
    """

    lines: dict[Workload, list[Line]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    interrupted: bool = False

    def ratio(self, workload: Workload, line: Line) -> float:
        """The line's time over that of the first line, tmfcore's: how many times faster tmfcore is."""
        first = self.lines[workload][0].timing.least(workload.wall)
        return line.timing.least(workload.wall) / first


def run(
    wanted: Sequence[Workload], size: Size, supplies: Sequence[Supply], say: Callable[[str], None], *, own: bool = True,
    finished: Callable[[Workload, Results], None] | None = None,
) -> Results:  # fmt: skip
    """Measure the workloads `wanted`; `say` prints progress, `finished` is called after each workload.

    With `own`, tmfcore is the first of the supplies, and a workload is omitted if tmfcore has no correct answer.
    """
    results, loaded = Results(), dict[str, list[Any]]()

    def skip(library: str, reason: str) -> None:
        if library not in results.skipped:
            results.skipped[library] = reason
            say(f"skipped: {library} ({reason})")

    for workload in wanted:
        if workload.processors > len(processors.ALL):
            skip(f"{workload.name}*", f"needs {workload.processors} processors; this process has {len(processors.ALL)}")
            continue
        say(f"{workload.name}: {title(workload, size)}")
        with processors.every() if workload.wall else nullcontext():
            lines = _measured(workload, size, _contestants(supplies, loaded, skip), results, say, own)
        if lines:
            results.lines[workload] = lines
        for line in lines:
            seconds = line.timing.least(workload.wall)
            say(f"  {line.label:24} {seconds * 1e9:14,.2f} ns   x{results.ratio(workload, line):,.2f}")
        if finished is not None:
            finished(workload, results)
    return results


def _contestants(
    supplies: Sequence[Supply], loaded: dict[str, list[Any]], skip: Callable[[str, str], None]
) -> Callable[[str], list[Any]]:
    """A function of a kind of problems that returns all contestants of the supplies that know it, loaded once."""

    def of_kind(kind: str) -> list[Any]:
        found = []
        for supply in supplies:
            if supply.kinds is not None and kind not in supply.kinds:
                continue
            if supply.name not in loaded:
                try:
                    loaded[supply.name] = [made() for made in supply.load()]
                except ImportError as error:
                    skip(supply.name, str(error))
                    loaded[supply.name] = []
            found += loaded[supply.name]
        return found

    return of_kind


def _measured(
    workload: Workload, size: Size, contestants: Callable[[str], list[Any]], results: Results,
    say: Callable[[str], None], own: bool,
) -> list[Line]:  # fmt: skip
    """Lines of the contestants with correct answers, tmfcore's first."""
    problem = workload.problem(size)
    right: list[tuple[Entry, str]] = []

    def fail(label: str, reason: str) -> None:
        results.wrong.append(f"{workload.name}, {label}: {reason}")
        say(f"  WRONG {label}: {reason}")

    for contestant in contestants(problem.kind):
        try:
            made = entries(contestant, problem, workload.unit)
        except Exception as error:
            fail(contestant.name, where(error))
            continue
        for entry in made:
            try:
                answer = entry.run()
                if answer is not None:  # None: a similar problem, whose answer cannot be checked
                    problem.check(answer)
            except Disagreement as error:
                fail(entry.label, str(error))
            except Exception as error:
                fail(entry.label, where(error))
            else:
                right.append((entry, getattr(contestant, "version", "")))
    if own and not (right and right[0][0].ours):
        return []
    timings = measure([entry for entry, _ in right], size.effort)
    return [
        Line(e.label, timing, e.note, e.ours, e.usual, version)
        for (e, version), timing in zip(right, timings, strict=True)
    ]


def where(error: Exception) -> str:
    """An error with the file and line that raised it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({last.filename}, line {last.lineno})"


def title(workload: Workload, size: Size) -> str:
    """The title, with the numbers of this size."""
    powers = {"agents": size.agents, "small": size.small, "counts": size.counts, "huge": size.huge,
              "learners": size.learners}  # fmt: skip
    texts = {name: _power(n) for name, n in powers.items()}
    return workload.title.format(steps=size.steps, beach=size.beach, **texts)


def _power(n: int) -> str:
    """10^6 for 1000000; other numbers as they are."""
    digits = len(str(n)) - 1
    return f"10^{digits}" if n == 10**digits and digits > 3 else f"{n:,}"
