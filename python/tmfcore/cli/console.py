"""What the commands show: tables on standard output, progress bars on standard error (silent unless a terminal)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console
    from rich.progress import Progress

    import tmfcore as tmf
    from tmfcore.reproduce.report import Table

__all__ = ["LONGEST", "mu_table", "print_tables", "progress", "two_level_progress"]

#: Columns of a table where neither a terminal nor COLUMNS says how wide it is.
PLAIN_WIDTH = 160
#: Observations shown in a table.
LONGEST = 20
#: The least share of a table that leaves some out: smaller ones would be shown as 0.
SMALLEST = 0.00005


def print_tables(tables: list[Table], *, words: bool = False) -> None:
    """Print each table under its title, one too wide for the terminal in parts that repeat the first column.

    Words, unlike numbers, are not pushed to the right, and may be broken into lines.
    """
    from rich import box, table, text

    out = _stdout()
    for one in tables:
        parts = [list(range(len(one.heads)))] if words else _parts(one, out.width)
        for columns in parts:
            title = one.title
            if len(parts) > 1:
                title += f" (columns {columns[1]} to {columns[-1]} of {len(one.heads) - 1})"
            tight = not words and sum(_longest(one, i) + 3 for i in columns) >= out.width
            drawn = table.Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
            for i in columns:
                width = (_least(one, i) if i else _label(one, out.width)) if tight else None
                if len(one.heads) == 2 and i:
                    width = None  # the rest of the line: a sentence is broken there
                justify: Literal["left", "right"] = "right" if i and not words else "left"
                drawn.add_column(one.heads[i], justify=justify, overflow="fold", width=width)
            for row in one.rows:
                drawn.add_row(*(text.Text(row[i]) for i in columns))  # as it is: brackets are no markup
            out.print(drawn)


def _parts(one: Table, width: int) -> list[list[int]]:
    """The columns of each part of a table that is not wider than `width`, whose first column takes a third at most."""
    start = width - _label(one, width) - 4
    parts, room = [[0]], start
    for i in range(1, len(one.heads)):
        wide = _least(one, i) + 3  # a space on both sides, and one between columns
        if wide > room and len(parts[-1]) > 1:
            parts.append([0])
            room = start
        parts[-1].append(i)
        room -= wide
    return parts


def _label(one: Table, width: int) -> int:
    """Characters of the first column: a third of the line at most, or half of it beside a single one."""
    return min(_longest(one, 0), width // (2 if len(one.heads) == 2 else 3))


def _longest(one: Table, column: int) -> int:
    return max(len(row[column]) for row in [one.heads, *one.rows])


def _least(one: Table, column: int) -> int:
    """Characters of the longest number, or word of the head, of a column."""
    return max(len(word) for word in [*one.heads[column].split(), *(row[column] for row in one.rows)])


def mu_table(title: str, game: tmf.Game, steps: np.ndarray, flows: dict[str, np.ndarray]) -> Table:
    """Return mu at three times, or of one flow at five, of each flow (J+1, S): of many observations the largest.

    Of many observations with labels "place, detail" those of a place are added up.
    """
    import numpy as np

    from tmfcore.plotting._places import by_place, places_of
    from tmfcore.reproduce.report import Table

    labels, what = game.observation_labels, "observation"
    if len(labels) > LONGEST:
        names, places = places_of(labels)
        if len(names) < len(labels):
            labels, what = names, "place"
            flows = {name: by_place(flow, places) for name, flow in flows.items()}
    quarters = (0, 1, 2, 3, 4) if len(flows) == 1 else (0, 2, 4)
    times = {f"t = {steps[j]}": j for j in sorted({(len(steps) - 1) * q // 4 for q in quarters})}
    heads = tuple(f"{when}: {name}" for when in times for name in flows)
    weight = np.max([flow[j] for flow in flows.values() for j in times.values()], axis=0)
    shown = set((-weight).argsort(kind="stable")[:LONGEST].tolist())
    if len(labels) > LONGEST:
        shown = {o for o in shown if weight[o] >= SMALLEST}
    rows = tuple(
        (label, *(f"{flow[j][o]:.4f}" for j in times.values() for flow in flows.values()))
        for o, label in enumerate(labels)
        if o in shown
    )
    if len(shown) < len(labels):
        title += f" (the {len(shown)} largest of {len(labels):,})"
    return Table(title, (what, *heads), rows)


@contextmanager
def progress(description: str) -> Iterator[Callable[[int, int], None]]:
    """Context giving a function of (done, total) that moves one bar."""
    with _bars() as bars:
        task = bars.add_task(description, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


@contextmanager
def two_level_progress() -> Iterator[Callable[[str, int, int, int, int], None]]:
    """Context giving a function of (name, finished, all, done, total): two bars, the whole and the piece under way."""
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


def _bars() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)


def _stdout() -> Console:
    from rich.console import Console

    console = Console(highlight=False)
    told = console.is_terminal or os.environ.get("COLUMNS", "").isdigit()
    return console if told else Console(highlight=False, width=PLAIN_WIDTH)
