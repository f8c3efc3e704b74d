"""`tmfcore bench`: check and time contestants, and tmfcore, at the standard workloads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import own_games
from . import parameters as words
from .console import Report, progress, reports

if TYPE_CHECKING:
    from tmfcore.bench.contest import Results
    from tmfcore.bench.pytest_json import Change
    from tmfcore.bench.workloads import Workload
    from tmfcore.reproduce.report import TextTable

__all__ = ["bench"]

_FILE = click.Path(dir_okay=False, path_type=Path)
_GIVEN = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(short_help="Compare tmfcore with your code at standard workloads.")
@click.option(
    "--with", "files", type=_GIVEN, multiple=True, metavar="FILE.py",
    help="Python file with contestants: classes with a name, and a method for each kind of problem; repeatable.",
)  # fmt: skip
@click.option("--only", multiple=True, metavar="NAME", help="Workloads whose name starts with NAME; repeatable.")
@click.option(
    "--size", **words.one_of(("full", "quick", "tiny")), default="quick", show_default=True,
    help="Of problems and of repeats; tiny only checks answers.",
)  # fmt: skip
@click.option("--list", "listed", is_flag=True, help="List the workloads and their methods, and measure nothing.")
@click.option("--picture", type=_FILE, callback=words.new_file, metavar="FILE", help="Picture (.png, .svg, .pdf).")
@click.option(
    "--save", type=_FILE, callback=words.new_file, metavar="FILE.json",
    help="Store the results, in the format of pytest-benchmark.",
)  # fmt: skip
@click.option("--compare", "baseline", type=_GIVEN, metavar="FILE.json", help="Stored results to compare with.")
@click.option(
    "--fail-above", type=click.FloatRange(min=0, min_open=True), metavar="RATIO",
    help="With --compare: exit code 1 if a time is more than RATIO times the stored one, beyond the noise.",
)  # fmt: skip
@reports
def bench(
    files: tuple[Path, ...], only: tuple[str, ...], size: str, listed: bool, picture: Path | None, save: Path | None,
    baseline: Path | None, fail_above: float | None,
) -> Report:  # fmt: skip
    """Compare tmfcore with your own code at standard workloads.

    Every answer is checked before it is timed: a wrong one is reported with what was expected, not timed, and the exit
    code is 1. Contestants take turns on one processor, with one thread. Ctrl-C ends the work; what was finished is
    shown, and stored.
    """
    from tmfcore.bench import picture as pictures
    from tmfcore.bench import pytest_json
    from tmfcore.bench.contestants import is_alone
    from tmfcore.bench.processes import compete
    from tmfcore.bench.workloads import WORKLOADS

    wanted = [workload for workload in WORKLOADS if not only or workload.name.startswith(only)]
    for name in only:
        if not any(workload.name.startswith(name) for workload in WORKLOADS):
            problem = f"no workload's name starts with {name!r}; --list shows them"
            raise click.BadParameter(problem, param_hint="'--only'")
    if fail_above is not None and baseline is None:
        raise click.UsageError("--fail-above needs --compare")
    if listed:
        return _listed(wanted, size)
    if picture is not None:
        words.need_matplotlib("--picture needs")
        if picture.suffix not in (".png", ".svg", ".pdf"):
            raise click.BadParameter(f"{str(picture)!r} must end in .png, .svg or .pdf", param_hint="'--picture'")
    for path in files:
        with own_games.naming_the_line(str(path)):
            is_alone(path)
    with words.usage_errors("--compare"):
        stored = None if baseline is None else pytest_json.read(baseline)
    try:
        with words.usage_errors("--with"), progress("workloads") as bar:
            results = compete(wanted, size, files, bar)
    except RuntimeError as error:
        raise click.ClickException(str(error)) from None
    document = pytest_json.document(results, size)
    tables, failures = [_table(results)], [f"{len(results.wrong)} wrong answers"] if results.wrong else []
    lines = [f"WRONG, and not timed: {text}" for text in results.wrong]
    lines += [f"omitted: {what} ({reason})" for what, reason in results.skipped.items()]
    if stored is not None:
        changes, apart = pytest_json.changes(stored, document)
        tables.append(_changed(changes))
        lines += [f"in one of the two only: {name}" for name in apart]
        slower = [c for c in changes if fail_above is not None and c.beyond_noise and c.ratio > fail_above]
        failures += [f"{c.workload}, {c.label}: {c.ratio:.2f} times the stored time" for c in slower]
    if save is not None:
        from tmfcore._base.files import replacing

        with replacing(save) as file:
            file.write(json.dumps(document, indent=1).encode())
        lines.append(f"wrote {save}")
    if picture is not None:
        drawn = pictures.draw(results, picture)
        lines.append("no picture: only tmfcore took part" if drawn is None else f"wrote {drawn}")
    return Report(document, tables, lines, results.interrupted, "; ".join(failures))


def _listed(wanted: list[Workload], size: str) -> Report:
    """The workloads."""
    from tmfcore.bench.contest import title
    from tmfcore.bench.workloads import SIZES
    from tmfcore.reproduce.report import TextTable

    found = [(w.name, w.problem(SIZES["tiny"]).kind, w.unit, title(w, SIZES[size])) for w in wanted]
    heads = ("name", "method", "unit", "work")
    document = {"workloads": [dict(zip(heads, row, strict=True)) for row in found]}
    return Report(document, [TextTable("Workloads", heads, tuple(found))])


def _table(results: Results) -> TextTable:
    """Times per unit of work, and ratios."""
    from tmfcore.bench.quantities import duration, times
    from tmfcore.reproduce.report import TextTable

    rows = []
    for workload, lines in results.lines.items():
        for i, line in enumerate(lines):
            least, median = (duration(take(workload.wall)) for take in (line.timing.least, line.timing.typical))
            name = workload.name if i == 0 else ""
            rows.append((name, line.label, f"{least} per {workload.unit}", median, times(results.ratio(workload, line)),
                         line.note))  # fmt: skip
    return TextTable("Times", ("workload", "contestant", "time", "median", "x tmfcore", "note"), tuple(rows))


def _changed(changes: list[Change]) -> TextTable:
    """Times now against stored ones."""
    from tmfcore.bench.quantities import duration, times
    from tmfcore.reproduce.report import TextTable

    rows = tuple(
        (c.workload, c.label, duration(c.then), duration(c.now), times(c.ratio), "yes" if c.beyond_noise else "no")
        for c in changes
    )
    heads = ("workload", "contestant", "stored", "now", "ratio", "beyond the noise")
    return TextTable("Changes", heads, rows)
