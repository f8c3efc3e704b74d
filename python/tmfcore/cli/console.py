"""Output of the commands: a Report, printed as tables or as one JSON document; progress bars on standard error.

If standard output is not a terminal, tables are plain: no colours, no rules, and no line breaks unless the environment
variable COLUMNS sets a width. A table that is too wide has its cells folded, is split into parts that repeat the first
column, or is printed row by row, whichever takes fewest lines.
"""

from __future__ import annotations

import functools
import io
import json
import os
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .checkpoints import tell_how_to_go_on
from .parameters import Command

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from tmfcore.reproduce.report import TextTable

__all__ = ["Report", "live_table", "print_tables", "progress", "reports", "two_level_progress"]

#: Width in characters if neither a terminal nor COLUMNS sets one: no table is wider.
UNBOUNDED = 1_000_000
#: Rows of a live table.
LAST = 12
NUMBER = re.compile(r"([-+]?[\d.,]+(e[-+]?\d+)?%?(( to | ± )[-+]?[\d.,]+)?|-|)")


@dataclass(frozen=True)
class Report:
    """The result of a command: the document for --json; tables and closing lines otherwise.

    Numbers of the document are not rounded; they may be numpy's. With a `failure`, the command ends with this error,
    exit code 1, after the report is printed. The file `checkpoint` is deleted when a report that is whole is printed. A
    report is `silent` if another process prints it.
    """

    document: dict[str, Any]
    tables: Sequence[TextTable] = ()
    lines: Sequence[str] = ()
    interrupted: bool = False
    failure: str = ""
    checkpoint: Path | None = None
    silent: bool = False


def reports(work: Callable[..., Report]) -> Command:  # type: ignore[type-var]  # a function of the same options
    """Decorator of a command that returns a Report: adds --json, and prints the report.

    With --json only the document goes to standard output; prints of the user's own game go to standard error. An
    interrupted command prints its finished part, and exits with code 130.
    """

    @click.option(
        "--json", "as_json", is_flag=True,
        help='Print one JSON document without rounding; the documentation page "The command line" lists its keys.',
    )  # fmt: skip
    @functools.wraps(work)
    def command(*args: Any, as_json: bool, **options: Any) -> None:
        import tmfcore as tmf
        import tmfcore.reproduce.report
        from tmfcore._population.kept_on_ranks import remove

        _ = tmf.__version__  # these take 0.1 s to load, before the work and not between Ctrl-C and the end
        with redirect_stdout(sys.stderr) if as_json else nullcontext():
            report = work(*args, **options)
        if report.silent:
            return
        if as_json:
            from tmfcore.reproduce import plain

            found = plain({**report.document, "interrupted": report.interrupted})
            click.echo(json.dumps(found, allow_nan=False, ensure_ascii=False))
        else:
            print_tables(report.tables)
            for line in report.lines:
                click.echo(line)
        if report.interrupted:
            if report.checkpoint is not None:
                tell_how_to_go_on(report.checkpoint)
            raise KeyboardInterrupt
        if report.failure:
            raise click.ClickException(report.failure)
        if report.checkpoint is not None:
            remove(report.checkpoint)

    return command  # type: ignore[return-value]  # as above


# ------------------------------------------------------------------------------------------------------------- tables


def print_tables(tables: Sequence[TextTable]) -> None:
    """Print each table under its title. Columns of numbers are right-aligned; numbers are never broken."""
    from rich.console import Console

    screen = Console(highlight=False)
    if screen.is_terminal:
        for table in tables:
            _set(table, screen)
        return
    told = os.environ.get("COLUMNS", "")
    text = io.StringIO()
    page = Console(file=text, highlight=False, width=int(told) if told.isdigit() and int(told) else UNBOUNDED)
    for table in tables:
        _set(table, page)
    click.echo("".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines()), nl=False)


def _set(table: TextTable, page: Console) -> None:
    """Print a table on the page: whole, in parts, or row by row (only if later columns have text)."""
    columns = _columns(table)
    if sum(column.wide + 3 for column in columns) < page.width:
        _set_parts(table, columns, [range(len(columns))], page)
        return
    layouts = [functools.partial(_set_parts, table, columns, _parts(columns, page.width))]
    if not all(column.number for column in columns[1:]):
        layouts.append(functools.partial(_set_rows, table))
    min(layouts, key=lambda layout: _lines(layout, page.width))(page)


def _lines(layout: Callable[[Console], None], width: int) -> int:
    """The number of lines of a layout."""
    from rich.console import Console

    text = io.StringIO()
    layout(Console(file=text, width=width))
    return text.getvalue().count("\n")


@dataclass(frozen=True)
class _Column:
    """A column: width of its longest cell, width of its longest word or number, whether it has only numbers."""

    wide: int
    least: int
    number: bool


def _columns(table: TextTable) -> list[_Column]:
    """The columns of a table."""
    from rich.cells import cell_len

    found = []
    for i, head in enumerate(table.heads):
        cells = [row[i] for row in table.rows]
        number = i > 0 and all(NUMBER.fullmatch(cell) for cell in cells)
        words = [word for cell in cells for word in ([cell] if number else cell.split())]
        wide = max(map(cell_len, [head, *cells]))
        found.append(_Column(wide, max(map(cell_len, [*head.split(), *words]), default=0), number))
    return found


def _parts(columns: Sequence[_Column], width: int) -> list[list[int]]:
    """The columns of each part of a table; a part is no wider than `width`, if possible."""
    start = width - min(columns[0].wide, max(columns[0].least, width // 3)) - 4
    parts, room = [[0]], start
    for i in range(1, len(columns)):
        wide = columns[i].least + 3  # a space on both sides, and one between columns
        if wide > room and len(parts[-1]) > 1:
            parts.append([0])
            room = start
        parts[-1].append(i)
        room -= wide
    return parts


def _set_parts(table: TextTable, columns: Sequence[_Column], parts: Sequence[Sequence[int]], page: Console) -> None:
    """Print the columns of each part as a separate table, with cells folded if necessary."""
    from rich import box
    from rich.table import Table as Drawn
    from rich.text import Text

    for part in parts:
        title = table.title
        if len(parts) > 1:
            title += f" (columns {part[1]} to {part[-1]} of {len(table.heads) - 1})"
        page.print(Text(title, "bold"))
        shape: dict[str, Any] = {"box": box.SIMPLE_HEAD}
        if not page.is_terminal:
            shape = {"box": None, "padding": (0, 2, 0, 0), "pad_edge": False}
        drawn = Drawn(**shape)
        widths = _fitted([columns[i] for i in part], page.width - 3 * len(part) - 1)
        for i, width in zip(part, widths, strict=True):
            drawn.add_column(
                Text(table.heads[i]), justify="right" if columns[i].number else "left", overflow="fold", width=width
            )
        for row in table.rows:
            drawn.add_row(*(Text(row[i]) for i in part))  # Text: brackets are not markup
        page.print(drawn)
        page.print()


def _fitted(columns: Sequence[_Column], room: int) -> list[int]:
    """Widths with a sum of at most `room`: the widest columns shrink first; words are broken only as a last resort."""
    widths = [column.wide for column in columns]
    while sum(widths) > room:
        may = [i for i, column in enumerate(columns) if widths[i] > column.least]
        may = may or [i for i, column in enumerate(columns) if widths[i] > 1 and not column.number]
        if not may:
            break
        widths[max(may, key=lambda i: widths[i])] -= 1
    return widths


def _set_rows(table: TextTable, page: Console) -> None:
    """Print each row as a block: its first cell as a heading, then one line per further cell."""
    from rich.padding import Padding
    from rich.text import Text

    page.print(Text(table.title, "bold"))
    for row in table.rows:
        page.print(Text(f"{table.heads[0]} {row[0]}".strip()))
        for head, cell in zip(table.heads[1:], row[1:], strict=True):
            if cell:
                page.print(
                    Padding(Text(f"{head}: {cell}" if len(table.heads) > 2 else cell, overflow="fold"), (0, 0, 0, 2))
                )
    page.print()


# --------------------------------------------------------------------------------------------------------------- bars


@contextmanager
def progress(description: str) -> Iterator[Callable[[int, int], None]]:
    """Context manager that returns a function of (done, total) that moves one bar."""
    with _bars() as bars:
        task = bars.add_task(description, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


@contextmanager
def two_level_progress() -> Iterator[Callable[[str, int, int, int, int], None]]:
    """Context manager that returns a function of (name, finished, all, done, total): bars of the whole and the part."""
    with _bars() as bars:
        whole, current = bars.add_task("all", total=None), bars.add_task("", total=None)
        shown = ""

        def show(name: str, finished: int, pieces: int, done: int, total: int) -> None:
            nonlocal shown
            if name != shown:
                bars.reset(current, total=total, description=name)
                shown = name
            bars.update(whole, completed=finished, total=pieces)
            bars.update(current, completed=done, total=total)

        yield show


@contextmanager
def live_table(
    title: str, heads: Sequence[str]
) -> Iterator[Callable[[int, int, Sequence[str], Mapping[str, str]], None]]:
    """Context manager that returns a function of (done, total, row, further cells by name).

    On a terminal, standard error shows a bar, and the last rows in a table that gets a column for every new name.
    """
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Table as Drawn
    from rich.text import Text

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, total, row, more: None
        return
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
    task = bar.add_task(title, total=None)
    names = list(heads)
    rows: deque[dict[str, str]] = deque(maxlen=LAST)

    def drawn() -> Group:
        table = Drawn(box=None, padding=(0, 2, 0, 0))
        for name in names:
            table.add_column(Text(name), overflow="ellipsis", no_wrap=True)
        for row in list(rows):
            table.add_row(*(Text(row.get(name, "")) for name in names))
        return Group(table, bar)

    with Live(get_renderable=drawn, console=console, transient=True, refresh_per_second=8):

        def show(done: int, total: int, row: Sequence[str], more: Mapping[str, str]) -> None:
            names.extend(name for name in more if name not in names)
            rows.append(dict(zip(heads, row, strict=True)) | dict(more))
            bar.update(task, completed=done, total=total)

        yield show


def _bars() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
