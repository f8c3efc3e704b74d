"""Progress of long calls: none, a bar on a terminal or in a notebook (rich, of the extra `app`), or a function."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeAlias

from tmfcore._base import wording as say
from tmfcore._base.functions import noted

Progress: TypeAlias = bool | Callable[[int, int], object]

__all__ = ["Progress", "check", "reporter"]

PERIOD = 0.1  # seconds between two drawings of a bar
SILENT: AbstractContextManager[Callable[[int], None]] = nullcontext(lambda done: None)


def check(progress: object) -> None:
    """Raise now, before any work, if `progress` is neither a bool nor callable, or True without rich installed."""
    if progress is True:
        try:
            import rich.progress  # noqa: F401  # only whether it is installed
        except ImportError as error:
            raise ImportError(
                "progress=True draws its bar with rich, which is not installed; "
                "pip install 'tmfcore[app]', or pass progress=a function of (done, total)"
            ) from error
    elif progress is not False and (not callable(progress) or isinstance(progress, type)):
        raise TypeError(f"progress is {say.show(progress)}; must be True, False or a function of (done, total)")


def reporter(progress: Progress, total: int, description: str) -> AbstractContextManager[Callable[[int], None]]:
    """Context manager that yields a function, to be called with the amount done so far (out of `total`).

    progress=True draws a bar, on standard error if that is a terminal, or as an output of a notebook's cell; a callable
    receives (done, total).
    """
    check(progress)
    if progress is True:
        return _bar(total, description)
    if progress is False:
        return SILENT
    call = noted(progress, "progress", "(done, total)")
    return nullcontext(lambda done: call(done, total))


@contextmanager
def _bar(total: int, description: str) -> Iterator[Callable[[int], None]]:
    """A bar of rich, drawn at most once in PERIOD; a terminal's is removed in the end, a notebook's stays.

    rich itself needs ipywidgets for a notebook; here the bar is an output of the cell like any other, renewed in place.
    """
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    amount = TextColumn("{task.completed:,.0f} of {task.total:,.0f}")
    clock = TimeElapsedColumn() if console.is_jupyter else TimeRemainingColumn()
    bar = Bar(
        TextColumn("{task.description}"), BarColumn(30), amount, clock, console=console, transient=True,
        disable=not (console.is_terminal or console.is_jupyter),
    )  # fmt: skip
    task = bar.add_task(description, total=total)
    shown = None
    if console.is_jupyter:
        from IPython.display import display

        shown = display(bar, display_id=True)
    made, due = 0, 0.0

    def report(done: int) -> None:
        nonlocal made, due
        made, now = done, time.monotonic()
        if now >= due:
            due = now + PERIOD
            bar.update(task, completed=done)
            if shown is not None:
                shown.update(bar)

    with bar if shown is None else nullcontext():
        yield report
    if shown is not None:
        bar.update(task, completed=made, total=made)  # iterations may end before the last
        shown.update(bar)
