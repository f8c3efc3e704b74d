"""docs/measured/sweeps.md."""

from __future__ import annotations

from bench.peers.page import machine, yes
from bench.sweeps.measure import MOST, NAMES, WORK, Found
from tmfcore.bench.quantities import duration

LEAST, IDLE = 1.8, 1.1  # the goal for two processes; wall time of cells over their work, above which the machine was busy
MILLION = 10**6

HEAD = """# Sweeps

What [`tmf.sweep`](../how-to/sweeps.md) takes beside the function that it calls, on one machine of 2 cores, and what a store of many cells is like.
"""

RERUN = """## How to measure it again

From a clone with tmfcore and its extras `app` and `dask`:

```sh
python -m bench.sweeps
```

`--quick` takes half a minute and writes nothing.
"""


def text(found: Found, seconds: float, whole: bool) -> str:
    lines = [HEAD, *machine(seconds), ""]
    if not whole:
        lines += ["**Small sizes: no figures to quote.**", ""]
    lines += [*overheads(found), *gains(found), *stores(found), *million(found), RERUN]
    return "\n".join(lines).rstrip() + "\n"


def overheads(found: Found) -> list[str]:
    lines = [
        "## A cell that does nothing", "",
        f"Time of a sweep over its number of cells, all of which are stored: the least of {found.size.rounds} rounds.", "",
        "| where | cells | a cell | goal | met |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for kind, cost in found.overhead.items():
        goal = MOST[kind]
        lines.append(f"| {NAMES[kind]} | {found.size.cells[kind]:,} | {duration(cost)} | <= {1e3 * goal:g} ms | {yes(cost <= goal)} |")
    return [*lines, ""]


def gains(found: Found) -> list[str]:
    one = found.busy["here"]
    n = found.size.busy
    lines = [
        f"## Cells of {WORK:g} s", "",
        f"{n} cells that compute for {WORK:g} s of a processor: the quickest of {found.size.rounds} rounds. *Model*: n c / P, or n times the cost of a cell",
        "above, if that is more.", "",
        "| where | sweep | faster than one process | goal | met | model | model / sweep |", "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for kind, each in found.busy.items():
        gain = one.seconds / each.seconds
        goal, met = (f">= {LEAST:g}x", yes(gain >= LEAST)) if kind == "processes" else ("", "")
        lines.append(
            f"| {NAMES[kind]} | {each.seconds:.2f} s | {gain:.2f}x | {goal} | {met} | {each.model:.2f} s | {each.model / each.seconds:.2f} |"
        )
    slowed = {NAMES[kind]: each.work / (n * WORK) for kind, each in found.busy.items()}
    waited = [f"{name} {ratio:.2f}" for name, ratio in slowed.items() if ratio > IDLE]
    if waited:
        lines += ["", f"The machine did other work: cells took more than {IDLE:g} of their processor time ({', '.join(waited)})."]
    return [*lines, ""]


def stores(found: Found) -> list[str]:
    lines = [
        "## Stores", "",
        "A cell has one parameter and three results. *Write*: the sweep, in this process, with its calls; *again*: the same call, which takes all",
        "cells from the store; *memory*: of the process that does so; *pandas*: `pandas.read_parquet` of the folder.", "",
        "| cells | write | a cell | again | pandas | files | size | memory |", "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for one in found.large:
        frame = "not installed" if one.frame is None else duration(one.frame)
        lines.append(
            f"| {one.cells:,} | {one.write:.1f} s | {duration(one.write / one.cells)} | {one.read:.1f} s | {frame} | {one.files:,} | "
            f"{one.size / 1e6:.1f} MB | {one.memory / 1e6:,.0f} MB |"
        )
    return [
        *lines, "",
        "While a sweep runs, the last rows, up to 10,000, are in a journal of text; each 10,000 become a file of Parquet. Files smaller than that are left",
        "by sweeps that end or are stopped, and merged when there are 16.", "",
    ]  # fmt: skip


def million(found: Found) -> list[str]:
    """Where the bottleneck of a million cells is, by the measured costs."""
    lines = [
        "## A million cells on many workers, by the model", "",
        "The caller takes the cost of a cell above for each of them, whatever the number of workers: with more workers than *enough*, it is the bottleneck.", "",
        "| where | by the caller alone | enough workers, cells of 0.1 s | of 1 s | of 10 s |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for kind, cost in found.overhead.items():
        if kind in ("processes", "dask"):
            enough = " | ".join(f"{max(1, round(seconds / cost)):,}" for seconds in (0.1, 1.0, 10.0))
            kind_name = NAMES[kind].partition(",")[0].removeprefix("2 ")
            lines.append(f"| {kind_name} | {MILLION * cost / 60:.0f} minutes | {enough} |")
    return [
        *lines, "",
        "Beyond that, let a cell do more: replicas within one call of `simulate`, or a few values of a parameter in one function.", "",
    ]  # fmt: skip
