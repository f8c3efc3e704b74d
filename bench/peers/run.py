"""Run the workloads: make the problem, find the contestants, check every answer, then time the correct ones."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field

from bench.peers import PROCESSORS, every_processor
from bench.peers.measure import Entry, Timing, measure
from bench.peers.problems import Disagreement
from bench.peers.workloads import Size, Workload, contestants


@dataclass(frozen=True)
class Line:
    """One contestant of a workload. `ratio` is its time over tmfcore's (first entry): how many times faster we are."""

    entry: Entry
    timing: Timing
    ratio: float


@dataclass
class Results:
    """The measurements; `skipped`: the reason per library; `wrong`: a line for each wrong answer."""

    lines: dict[Workload, list[Line]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def run(wanted: list[Workload], size: Size, families: list[str], say: Callable[[str], None]) -> Results:
    """Measure the workloads `wanted`; `say` prints progress."""
    results = Results()

    def skip(library: str, reason: str) -> None:
        if library not in results.skipped:
            results.skipped[library] = reason
            say(f"skipped: {library} ({reason})")

    for workload in wanted:
        if workload.processors > len(PROCESSORS):
            skip(f"{workload.name}*", f"needs {workload.processors} processors; this process has {len(PROCESSORS)}")
            continue
        say(f"{workload.name}: {title(workload, size)}")
        with every_processor() if workload.wall else nullcontext():
            lines = _measured(workload, size, families, skip, results, say)
        if lines:
            results.lines[workload] = lines
        for line in lines:
            seconds = line.timing.least(workload.wall)
            say(f"  {line.entry.label:24} {seconds * 1e9:14,.2f} ns   x{line.ratio:,.2f}")
    return results


def _measured(
    workload: Workload, size: Size, families: list[str], skip: Callable[[str, str], None], results: Results,
    say: Callable[[str], None],
) -> list[Line]:
    """Lines of the contestants with correct answers, ours first; none if ours is missing or wrong."""
    problem, right = workload.problem(size), []
    entries = contestants(problem, families, skip)
    if not (entries and entries[0].ours):  # no entry of tmfcore for this problem
        return []
    for entry in entries:
        try:
            answer = entry.run()
            if answer is not None:  # None: a similar game, whose answer cannot be checked
                problem.check(answer)
        except Disagreement as error:
            results.wrong.append(f"{workload.name}, {entry.label}: {error}")
            say(f"  WRONG {entry.label}: {error}")
        else:
            right.append(entry)
    if not right or not right[0].ours:
        return []
    timings = measure(right, size.effort)
    base = timings[0].least(workload.wall)
    return [Line(e, t, t.least(workload.wall) / base) for e, t in zip(right, timings, strict=True)]


def title(workload: Workload, size: Size) -> str:
    """The title, with the numbers of this size."""
    powers = {"agents": size.agents, "small": size.small, "counts": size.counts, "huge": size.huge,
              "learners": size.learners}
    texts = {name: _power(n) for name, n in powers.items()}
    return workload.title.format(steps=size.steps, beach=size.beach, **texts)


def _power(n: int) -> str:
    """10^6 for 1000000; other numbers as they are."""
    digits = len(str(n)) - 1
    return f"10^{digits}" if n == 10**digits and digits > 3 else f"{n:,}"
