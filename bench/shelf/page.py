"""docs/measured/shelf.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.peers.page import machine
from bench.shelf import TARGETS
from bench.shelf.ours import Row, fastest
from bench.shelf.pairs import Pair
from tmfcore.bench.quantities import duration

HEAD = """# All built-in games, solved

Every game of `tmf.games.BY_NAME` with its default arguments, under a synchronous schedule; then the games that
OpenSpiel or MFGLib has, too, with their solvers. Processor time on one processor and one thread, the smallest of a few
solves, from the uniform policy until the exploitability is at most 1e-4 of the mean return (of the exploitability of
the uniform policy if the mean return is 0), including the exploitability of every iterate.
"""

WANTED = """Goal for each game with a monotone reward: 1e-4 in at most 10 s. "Best" is the fastest of the single solvers
MirrorDescent, Homotopy and FictitiousPlay with default settings; `tmf.solve` chooses its solver.
"""

BESIDE = """Goal: at least 100 times faster than either library, to the same exploitability. "Theirs" is the fastest of
their solvers over several settings (listed below); "ours" is `tmf.solve` with its defaults. ">=" means that none of
theirs reached the target in its time limit; the number is that limit divided by our time. Our kernels compute the
exploitability of their last policies; tests/peers checks that both agree. The time of computing exploitabilities is
included for MFGLib, whose solvers do it, and for us; not for OpenSpiel, whose solvers do not. Most games of OpenSpiel
store the cost of an action under a key that does not contain the action, so that its solvers tend to another
equilibrium; therefore they also solve the same game made from our tables ("tables"), and the best of all counts. When
one of their solvers has reached a target, the time limit of the next is the time of that one.
"""

NOT_COMPARED = """## What is not compared

- Schedules under which not all agents act: the other libraries do not have them. tests/peers compares them on
  equivalent tables.
- resource_selection and queueing: neither library has them. OpenSpiel's garnet is `crowd_aversion` on its tables, not
  `garnet`.
- routing with times that are split between two whole numbers of steps: OpenSpiel rounds down, so that rows jump with
  the population, an equilibrium need not exist, and no solver may reach 1e-4. Braess and Sioux Falls are compared
  rounded down, with twenty and with fourteen steps.
- Whether the reward of sioux_falls is monotone: the search takes too long at its size.
"""

RERUN = """## How to measure it again

From a clone with tmfcore and its extra `contestants` installed (docs/measured/benchmarks.md says how):

```sh
python -m bench.shelf
```

`--quick` solves small games for a minute or two and writes nothing; `--only NAME` runs some of the games. Libraries
that are not installed are omitted.
"""


def text(rows: list[Row], pairs: list[Pair], skipped: dict[str, str], whole: bool, seconds: float) -> str:
    lines = [HEAD, *machine(seconds), ""]
    if not whole:
        lines += ["**Only some of the games, or short limits: no figures to quote.**", ""]
    if rows:
        lines += ["## Every game", "", WANTED, *games(rows), ""]
    lines += [f"- omitted: {library} ({reason})" for library, reason in skipped.items()]
    if pairs:
        lines += ["## Other libraries' games", "", BESIDE, *beside(pairs), ""]
        lines += ["### Every solver of theirs", "", *each(pairs), ""]
        lines += [NOT_COMPARED]
    return "\n".join([*lines, RERUN]).rstrip() + "\n"


def write(path: Path, *parts) -> None:
    path.write_text(text(*parts), encoding="utf-8")


def games(rows: list[Row]) -> Iterator[str]:
    yield "| game | size | reward | chosen | exploitability, relative | iterations | tmf.solve | best | met |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in rows:
        game, first, last = row.game, row.runs[0], len(TARGETS) - 1
        best = fastest(row.runs[1:], last)
        named = "none" if best is None else f"{best.who}, {duration(best.seconds[last])}"
        asked = not row.verdict.startswith("not monotone")
        quick = [s for s in (first.seconds[last], best and best.seconds[last]) if s is not None and s <= 10]
        met = "" if not asked else "yes" if quick else "**no**"
        cells = (
            row.name, f"S={game.n_observations}, A={game.n_actions}, T={game.horizon}", row.verdict, row.chosen,
            relative(row), first.iterations, reached(first, last), named, met,
        )  # fmt: skip
        yield f"| {' | '.join(map(str, cells))} |"


def relative(row: Row) -> str:
    if abs(row.mean_return) > 1e-9:
        return f"{row.gap / abs(row.mean_return):.1e}"
    return f"{row.gap:.1e} (mean return 0)"


def reached(run, target: int) -> str:
    seconds = run.seconds[target]
    return f"not in {duration(run.spent)}" if seconds is None else duration(seconds)


def beside(pairs: list[Pair]) -> Iterator[str]:
    yield "| game | library | size | to 1e-2: ours | theirs | x | to 1e-4: ours | theirs | x | met |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for pair in pairs:
        cells = []
        for k in range(len(TARGETS)):
            best, ratio = pair.best(k), pair.ratio(k)
            theirs = f"{duration(best.seconds[k])}, {best.who.split(' ', 1)[1]}" if best else "not reached"
            times = "" if ratio is None else f"{'>= ' if ratio[1] else ''}{_figures(ratio[0])}"
            cells += [reached(pair.ours, k), theirs, times]
        last = pair.ratio(len(TARGETS) - 1)
        met = "yes" if last is not None and last[0] >= 100 else "**no**"
        yield f"| {pair.name} | {pair.library} | {pair.size} | {' | '.join(cells)} | {met} |"


def each(pairs: list[Pair]) -> Iterator[str]:
    yield "| game | size | solver | to 1e-2 | to 1e-4 | least exploitability | iterations | in |"
    yield "|---|---|---|---|---|---|---|---|"
    for pair in pairs:
        for run in (pair.ours, *pair.theirs):
            yield (
                f"| {pair.name} | {pair.size} | {run.who} | {reached(run, 0)} | {reached(run, 1)} | {run.best:.2e} "
                f"| {run.iterations} | {duration(run.spent)} |"
            )


def _figures(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"
