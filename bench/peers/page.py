"""docs/measured/benchmarks.md: measurements, machine, goals, cases in which other libraries are faster, and the command."""

from __future__ import annotations

import datetime
import platform
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import tmfcore as tmf
from bench.peers.goals import GOALS, Goal
from tmfcore.bench import picture
from tmfcore.bench.contest import Line, Results, title
from tmfcore.bench.pytest_json import processor
from tmfcore.bench.quantities import duration, times
from tmfcore.bench.workloads import FULL, Size, Workload

ROOT = Path(__file__).resolve().parents[2]
NOTES = Path(__file__).with_name("notes.md")
LIBRARIES = ("numpy", "numba", "jax", "open_spiel", "torch", "mfglib", "bench-mfg-suite", "rmftool", "mesa", "egttools", "gillespy2")

HEAD = """# tmfcore compared with other libraries

The same work, in one process restricted to one processor and one thread. Before timing, every answer is checked: samples
and gradients lie within 6 standard deviations of the mean field's, where agents meet of its linear noise approximation; flows,
values and exploitabilities agree to 1e-8 of their scale (to 1e-5 in float32, and to 1e-4 for mirror descent in float32); policies
of solvers are judged by their exploitability. The one exception is marked "like game": a game of the same size with other rules.
A time is processor time per unit of work, that of programs started included, the smallest of up to {rounds} rounds in which the
contestants take turns; for workloads with threads (threads, tmfpg) it is wall time, on all processors of the process. "x" is
the time divided by that of the first row, tmfcore's: above 1, tmfcore is faster. Times of tmfcore are those of a public
verb, with its checks, tables and recording; the tables of the others are made, and their code is compiled, before. Your own code
takes part by [`tmfcore bench`](../how-to/benchmarks.md).
"""

MEANING = """Goals are in brackets: at most this time, at least this many times faster. "Usual code" is code as it is usually written;
"best code" is the best that we, or the authors of a library, could write. A goal is met only if it is met against both. If
the time of the user's own functions is subtracted, the difference counts only if it exceeds the scatter of the two times (the
sum of median minus smallest time of each); otherwise the figure was not measured, and the goal is not met.
"""

RERUN = """## How to measure it again

From a clone with tmfcore and its extra `contestants` installed. MFGLib needs torch; its CPU build suffices, so install that first:

```sh
python -m pip install torch==2.13.0
python -m pip install '.[contestants]'
python -m bench.peers
```

`--quick` takes a minute or two and writes nothing; `--only NAME` runs some of the workloads; `--list` prints their names. A
library that is not installed is omitted, and the page says so.
"""


def write(results: Results, size: Size, folder: Path, whole: bool, seconds: float) -> list[Path]:
    """Write benchmarks.md, and benchmarks.png where matplotlib is installed; the paths written."""
    drawn = picture.draw(results, folder / "benchmarks.png")
    path = folder / "benchmarks.md"
    path.write_text(text(results, size, whole, seconds, pictured=drawn is not None), encoding="utf-8")
    return [path] if drawn is None else [path, drawn]


def text(results: Results, size: Size, whole: bool, seconds: float, pictured: bool) -> str:
    """The page."""
    lines = [HEAD.format(rounds=size.effort.rounds)]
    if not whole:
        lines += ["**Only some of the workloads, or small sizes: no figures to quote.**", ""]
    lines += [*machine(seconds), ""]
    lines += [f"- omitted: {what} ({reason})" for what, reason in results.skipped.items()]
    lines += [f"- WRONG, and not timed: {what}" for what in results.wrong]
    if pictured:
        lines += ["", "![How many times faster tmfcore is than each peer, by workload](benchmarks.png)"]
    lines += ["", "## Goals and results", "", *goals(results, size)]
    lines += ["", "## Where other libraries are faster", "", *losses(results), ""]
    if NOTES.exists() and size is FULL:
        lines += [NOTES.read_text(encoding="utf-8")]
    lines += [RERUN, "## All measurements", ""]
    for workload in results.lines:
        lines += [f"**{workload.name}**: {title(workload, size)}; per {workload.unit}", "", *table(results, workload), ""]
    return "\n".join(lines).rstrip() + "\n"


def machine(seconds: float) -> list[str]:
    """Processor, versions and date."""
    info = tmf.build_info()
    own = info["tmfcore"]
    if own == "not installed":  # run from the source tree
        own = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    versions = [f"CPython {platform.python_version()}", f"tmfcore {own} ({info['compiler']}, {info['instruction_set']})"]
    for library in LIBRARIES:
        try:
            versions.append(f"{library} {metadata.version(library)}")
        except metadata.PackageNotFoundError:
            continue
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return [f"{processor()}; {', '.join(versions)}. {today}, {seconds / 60:.0f} minutes."]


def goals(results: Results, size: Size) -> Iterator[str]:
    """One row per workload: tmfcore's time with its goal, and the ratios with their goals."""
    if size is not FULL:
        yield "The goals are for full size; at this size they are for orientation."
        yield ""
    yield MEANING
    yield "| workload | tmfcore | (goal) | met | against the best code (goal) | met | against usual code (goal) | met |"
    yield "|---|---|---|---|---|---|---|---|"
    for workload, found in results.lines.items():
        goal = GOALS.get(workload.name, Goal())
        (own, noise), most = own_time(workload, goal, found), most_of(goal)
        lost = own <= noise  # within the scatter of the two times
        cells = [workload.name, f"within the noise of {duration(noise)}" if lost else duration(own)]
        cells.append("" if most is None else f"(<= {duration(most)})")
        cells.append("" if most is None else "not measured" if lost else yes(own <= most))
        for usual in (False, True):
            asked = [
                (line.label, results.ratio(workload, line), goal.least[line.label])
                for line in found
                if line.label in goal.least and line.usual is usual
            ]
            cells.append("; ".join(f"{label} {times(ratio)} ({least:g})" for label, ratio, least in asked))
            cells.append(yes(all(ratio >= least for _, ratio, least in asked)) if asked else "")
        yield f"| {' | '.join(cells)} |"


def own_time(workload: Workload, goal: Goal, found: list[Line]) -> tuple[float, float]:
    """tmfcore's seconds per unit without the user's own functions, and the scatter of this difference.

    The scatter is 0 if nothing is subtracted: the time was then measured directly.
    """
    timings = {line.label: line.timing for line in found}
    own, less = found[0].timing, timings.get(goal.less)
    if less is None:
        return own.least(workload.wall), 0.0
    scatter = own.scatter(workload.wall) + less.scatter(workload.wall)
    return own.least(workload.wall) - less.least(workload.wall), scatter


def most_of(goal: Goal) -> float | None:
    """The bound for this machine's instruction set."""
    narrow = goal.most_avx2 is not None and not tmf.build_info()["instruction_set"].startswith("AVX-512")
    return goal.most_avx2 if narrow else goal.most


def losses(results: Results) -> list[str]:
    """A line for each peer that is faster."""
    found = [
        f"- {workload.name}: {line.label} is {1 / results.ratio(workload, line):.2f} times faster "
        f"({duration(line.timing.least(workload.wall))} against {duration(lines[0].timing.least(workload.wall))} "
        f"per {workload.unit})"
        for workload, lines in results.lines.items()
        for line in lines[1:]
        if not line.ours and results.ratio(workload, line) < 1.0
    ]
    return found or ["In none of these workloads."]


def table(results: Results, workload: Workload) -> Iterator[str]:
    yield "| who | processor time | median | wall | median | x | rounds | |"
    yield "|---|---|---|---|---|---|---|---|"
    for line in results.lines[workload]:
        t = line.timing
        moments = " | ".join(duration(take(wall)) for wall in (False, True) for take in (t.least, t.typical))
        ratio = times(results.ratio(workload, line))
        yield f"| {line.label} | {moments} | {ratio} | {len(t.cpu)} | {line.note} |"


def yes(met: bool) -> str:
    return "yes" if met else "**no**"
