"""Progress of long calls: none, a bar on a terminal (rich, from the extra `app`), or the caller's own function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from tmfcore._base import wording as say
from tmfcore._base.functions import noted

Progress: TypeAlias = bool | Callable[[int, int], object]

__all__ = ["Progress", "check", "reporter"]


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


@contextmanager
def reporter(progress: Progress, total: int, description: str) -> Iterator[Callable[[int], None]]:
    """Context manager that yields a function, to be called with the amount done so far (out of `total`).

    progress=True draws a bar on standard error if that is a terminal; a callable receives (done, total).
    """
    check(progress)
    if progress is False:
        yield lambda done: None
    elif progress is True:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Bar(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
            task = bar.add_task(description, total=total)
            yield lambda done: bar.update(task, completed=done)
    else:
        call = noted(progress, "progress", "(done, total)")
        yield lambda done: call(done, total)
