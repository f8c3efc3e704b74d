"""Run the workloads: make the problem, ask who takes part, check every answer, then time those that were right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

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
    """What was measured; `skipped` has the reason by library, `wrong` a line for each answer that was not right."""

    lines: dict[Workload, list[Line]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def run(wanted: list[Workload], size: Size, families: list[str], say: Callable[[str], None]) -> Results:
    """Measure `wanted`; `say` gets a line for whatever happens."""
    results = Results()

    def skip(library: str, reason: str) -> None:
        if library not in results.skipped:
            results.skipped[library] = reason
            say(f"skipped: {library} ({reason})")

    for workload in wanted:
        problem = workload.problem(size)
        say(f"{workload.name}: {title(workload, size)}")
        right = []
        for entry in contestants(problem, families, skip):
            try:
                answer = entry.run()
                if answer is not None:  # a like game has no answer of its own
                    problem.check(answer)
            except Disagreement as error:
                results.wrong.append(f"{workload.name}, {entry.label}: {error}")
                say(f"  WRONG {entry.label}: {error}")
            else:
                right.append(entry)
        if not right or not right[0].ours:
            continue
        timings = measure(right, size.effort)
        base = timings[0].cpu_min
        lines = [Line(e, t, t.cpu_min / base) for e, t in zip(right, timings, strict=True)]
        results.lines[workload] = lines
        for line in lines:
            say(f"  {line.entry.label:24} {line.timing.cpu_min * 1e9:14,.2f} ns   x{line.ratio:,.2f}")
    return results


def title(workload: Workload, size: Size) -> str:
    """The title with the numbers of this size."""
    powers = {"agents": size.agents, "small": size.small, "counts": size.counts, "huge": size.huge}
    texts = {name: _power(n) for name, n in powers.items()}
    return workload.title.format(steps=size.steps, beach=size.beach, **texts)


def _power(n: int) -> str:
    """10^6 for 1000000; other numbers as they are."""
    digits = len(str(n)) - 1
    return f"10^{digits}" if n == 10**digits and digits > 3 else f"{n:,}"
