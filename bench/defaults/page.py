"""docs/measured/defaults.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.defaults.measure import Row
from bench.peers.page import machine
from tmfcore.bench.quantities import duration

HEAD = """# Default solvers on all games and sizes

Every built-in game over its sizes, horizons and random parameters, under every kind of schedule with steps from 0.001
to 1, and two typical first games of users, written with callables. `tmf.solve` and `MirrorDescent` with default
settings: to an exploitability of 1e-4 of the mean return, from the uniform policy. "Best fixed" is `MirrorDescent` at
the best of 15 rates, 2^-3 to 2^11 divided by the largest difference of two Q, with up to 3,000 iterations each. Times
are processor time; each solver has its own game and has made one update on it, so that one-time loading and set-up are
not timed.
"""

FIXED = """Goal: at most twice the updates of the best fixed rate, which is not known in advance. An instance misses it
if it needs more than twice these updates plus ten: with a fixed rate of 2,000 divided by the spread of Q, one update
reaches a pure equilibrium; the default starts lower, grows fourfold, and needs a few.
"""

RERUN = """## How to measure it again

```sh
python -m bench.defaults
```

`--only FAMILY` runs one family of games and writes nothing.
"""


def text(rows: list[Row], whole: bool, seconds: float) -> str:
    lines = [HEAD, *machine(seconds), ""]
    if not whole:
        lines += ["**Only some of the instances: no figures to quote.**", ""]
    solved = sum(row.converged for row in rows)
    slowest = [row.seconds / row.fastest for row in rows if row.fastest is not None]
    share = f"{np.median(slowest or [1]):.2f} times as long in the median, {max(slowest, default=1):.1f} times at most."
    lines += [
        f"`tmf.solve` converged on **{solved} of {len(rows)}** instances.",
        f"If one of its three solvers alone was faster, `tmf.solve` took {share}",
        "",
        *table(rows),
        "",
        FIXED,
        *beside_fixed(rows),
        "",
    ]
    missed = [row for row in rows if not row.converged]
    if missed:
        lines += ["Not converged:", ""]
        lines += [f"- {row.instance.family}({row.instance.label}): {row.gap:.1e}, {row.chosen}" for row in missed]
        lines += [""]
    return "\n".join([*lines, RERUN])


def table(rows: list[Row]) -> Iterator[str]:
    yield "| game | instances | tmf.solve | MirrorDescent | updates, median | most | chosen otherwise | median | most |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for family in dict.fromkeys(row.instance.family for row in rows):
        mine = [row for row in rows if row.instance.family == family]
        updates = [row.iterations for row in mine if row.iterations is not None]
        others = [row.chosen for row in mine if row.converged and row.chosen != "MirrorDescent"]
        chosen = ", ".join(f"{name} {others.count(name)}" for name in dict.fromkeys(others))
        times = [row.seconds for row in mine]
        yield (
            f"| {family} | {len(mine)} | {sum(row.converged for row in mine)} | {len(updates)} | "
            f"{np.median(updates) if updates else 0:.0f} | {max(updates, default=0)} | {chosen} | "
            f"{duration(float(np.median(times)))} | {duration(max(times))} |"
        )


def beside_fixed(rows: list[Row]) -> Iterator[str]:
    both = [row for row in rows if row.iterations is not None and row.fixed is not None]
    ratios = [(row.iterations + 1) / (row.fixed + 1) for row in both]
    only = sum(row.iterations is not None and row.fixed is None for row in rows)
    other = sum(row.iterations is None and row.fixed is not None for row in rows)
    cut = sum(row.cut for row in rows)
    missed = [row for row in both if row.iterations > 2 * row.fixed + 10]
    mean, high = np.exp(np.mean(np.log(ratios))), np.quantile(ratios, 0.95)
    yield f"Both converge on {len(both)} instances; the default needs {mean:.2f} times the updates in geometric mean,"
    yield f"{high:.2f} at the 95th percentile. On {only} only the default converges, on {other} only a fixed rate"
    yield f"(on {cut} instances the 20 s ended before all rates were tried)."
    yield f"More than twice the updates plus ten: **{len(missed)} of {len(both)}**."
    yield ""
    for row in missed:
        where = f"{row.instance.family}({row.instance.label}), {row.instance.schedule.label}"
        yield f"- {where}: {row.iterations}, fixed {row.fixed}"


def write(path: Path, *parts) -> None:
    path.write_text(text(*parts), encoding="utf-8")
