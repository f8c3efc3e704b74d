"""`tmfcore sweep`: a study of a TOML file, cell by cell, with a live table."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import parameters as words
from .console import Report, live_table, reports
from .parameters import count, usage_errors

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from tmfcore._sweep.cells import Scalar
    from tmfcore._sweep.sweep import Study
    from tmfcore._sweep.swept import Sweep
    from tmfcore.reproduce.report import TextTable

__all__ = ["sweep"]

#: Most rows of the table that is printed in the end, and of errors below it.
MOST_ROWS, MOST_ERRORS = 200, 5


@click.command(short_help="Compute a study: a game on a grid of parameters.")
@click.argument("study", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="STUDY.toml")
@click.option("--dask", metavar="ADDRESS", help="Scheduler of Dask, such as tcp://host:8786, or `local`.")
@click.option("--processes", type=count, metavar="K", help="Number of processes on this machine.  [default: this one]")
@click.option("--store", type=click.Path(path_type=Path), metavar="FOLDER",
              help="Folder that keeps the cells, as Parquet.  [default: STUDY.sweep]")  # fmt: skip
@click.option("--resume", is_flag=True, help="Fail if there is no such folder to go on from.")
@click.option("--retry", is_flag=True, help="Compute cells again that ended in an error.")
@click.option("--out", type=click.Path(path_type=Path), callback=words.new_file, help="File for the result (.npz).")
@words.pictures_option
@reports
def sweep(
    study: Path, dask: str | None, processes: int | None, store: Path | None, resume: bool, retry: bool,
    out: Path | None, pictures: Path | None,
) -> Report:  # fmt: skip
    """Compute a study: a game of a TOML file, on every cell of a grid of parameters.

    Each cell is stored as soon as it is finished: after Ctrl-C, a crash or kill -9 the same command goes on. The
    documentation page "The command line" has an example. --pictures writes sweep.png.
    """
    from tmfcore._sweep.store import ABOUT
    from tmfcore._sweep.sweep import Study

    from . import studies

    if dask is not None and processes is not None:
        raise click.UsageError("--dask and --processes are both given; must be one of them")
    with usage_errors():
        try:
            found = studies.read(study)
        except OSError as error:
            raise click.UsageError(f"{study}: {error.strerror}") from None
    folder = study.with_suffix(".sweep") if store is None else store
    if resume and not (folder / ABOUT).is_file():
        what = "is no store" if folder.exists() else "does not exist"
        raise click.UsageError(f"--resume: {str(folder)!r} {what}; leave --resume out to begin anew")
    if pictures is not None:
        words.make_folder(pictures, "'--pictures'")
    if dask is not None or processes is not None:
        found = found.on_processes()
    with _executor(dask, processes) as executor:
        with usage_errors():
            made = Study.of(
                found.cell, found.grid, replicas=found.replicas, executor=executor, store=folder, retry=retry,
                confidence=0.95, rng=found.seed, name=found.title, about=found.about,
            )  # fmt: skip
        on = f"; the same command goes on from {folder}"
        try:
            with usage_errors():
                interrupted = _computed(made, found.title)
        except OSError as error:
            if error.filename is None:  # of Dask, which has lost its scheduler
                raise click.ClickException(f"{type(error).__name__}: {error}{on}") from None
            raise click.UsageError(f"--store: {error.filename}: {error.strerror}") from None
        except ImportError as error:
            raise click.UsageError(str(error)) from None
        except (BrokenExecutor, CancelledError) as error:
            raise click.ClickException(f"{str(error) or type(error).__name__}{on}") from None
    result = made.so_far()
    lines = [f"{len(made.rows):,} of {made.calls:,} cells in {folder}"]
    written = [folder]
    for path, write in ((out, result.save), (pictures and pictures / "sweep.png", lambda path: _draw(result, path))):
        if path is not None and len(result):
            place = words.unfinished(path) if interrupted else path
            write(place)
            written.append(place)
            lines.append(f"wrote {place}")
    numbers = sorted(made.rows)  # of the rows
    failed = [(number, error) for number, error in zip(numbers, result.errors, strict=True) if error]
    lines += [f"failed: {_named(made, number)}: {error}" for number, error in failed[:MOST_ERRORS]]
    if len(failed) > MOST_ERRORS:
        lines.append(f"and {len(failed) - MOST_ERRORS:,} more; --retry computes them again")
    failure = "every cell failed" if failed and len(failed) == len(result) == made.calls else ""
    return Report(_document(made, result, written), [_table(made, result)], lines, interrupted, failure)


@contextmanager
def _executor(dask: str | None, processes: int | None) -> Iterator[Executor | None]:
    """The executor of the user's options, and the end of what it has started."""
    if processes is not None:
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        from tmfcore._base import executors

        spawning = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(processes, spawning, executors.begun)
        try:
            yield pool
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():  # after Ctrl-C they are at work
                process.terminate()
                process.join()
    elif dask is not None:
        import logging

        try:
            from distributed import Client
        except ImportError:
            raise click.UsageError("--dask needs distributed: pip install 'tmfcore[dask]'") from None
        # one line of ours says it if a connection is lost
        for name in ("distributed", "distributed.client", "tornado.application"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            options = {"threads_per_worker": 1, "dashboard_address": None} if dask == "local" else {"address": dask}
            client = Client(**options, timeout=10)
        except (OSError, ValueError) as error:
            raise click.UsageError(f"--dask {dask}: {' '.join(str(error).split())}") from None
        with client:
            yield client.get_executor()
    else:
        yield None


def _computed(study: Study, title: str) -> bool:
    """Compute what is left, with a table that grows; whether Ctrl-C ended it."""
    with live_table(title, (*study.cells.names, "replica", "seconds")) as show:
        try:
            with closing(study.play()) as played:
                for number, row in played:
                    i, replica = divmod(number, study.replicas)
                    cells = (*map(_parameter, study.cells.shown(i)), str(replica), f"{row.seconds:.2f}")
                    results = {"error": row.error} if row.error else dict(zip(row.names, row.values, strict=True))
                    more = {name: _text(value) for name, value in results.items()}
                    show(len(study.rows), study.calls, cells, more)
        except KeyboardInterrupt:
            return True
    return False


def _table(study: Study, result: Sweep) -> TextTable:
    """A row for each cell, with means over replicas."""
    import numpy as np

    from tmfcore.reproduce.report import TextTable

    cells: dict[int, list[int]] = {}
    for i, number in enumerate(sorted(study.rows)):
        cells.setdefault(number // study.replicas, []).append(i)
    replicas = int(result.replica.max(initial=0)) + 1
    found = []
    for cell, where in list(cells.items())[:MOST_ROWS]:
        good = [i for i in where if not result.errors[i]]
        values = []
        for column in result.results.values():
            if not good:
                values.append("-")
            elif column.dtype.kind in "iuf":
                values.append(_text(float(np.mean(column[good]))))
            elif column.dtype.kind == "b":
                values.append(f"{np.mean(column[good]):.0%}" if replicas > 1 else "yes" if column[good[0]] else "no")
            else:
                values.append(", ".join(dict.fromkeys(column[good].tolist())))
        found.append((*map(_parameter, study.cells.shown(cell)), *values, str(len(where) - len(good))))
    heads = (*result.parameters, *result.results, "failed")
    over = f", mean of {replicas:,} replicas" if replicas > 1 else ""
    less = f" (the first {MOST_ROWS:,} of {len(cells):,} cells)" if len(cells) > MOST_ROWS else ""
    return TextTable(f"{study.name}{over}{less}", heads, tuple(found))


def _document(study: Study, result: Sweep, written: list[Path]) -> dict[str, Any]:
    return {
        "function": result.function,
        "parameters": result.parameters,
        "replica": result.replica,
        "results": result.results,
        "seconds": result.seconds,
        "errors": result.errors,
        "cells": len(study.cells),
        "calls": study.calls,
        "written": [os.fspath(path) for path in written],
    }


def _draw(result: Sweep, path: Path) -> None:
    from tmfcore import plotting

    plotting.save(result.plot(), path)


def _named(study: Study, number: int) -> str:
    """The parameters of a finished call."""
    cell = study.cells.shown(number // study.replicas)
    return ", ".join(f"{name} = {_parameter(value)}" for name, value in zip(study.cells.names, cell, strict=True))


def _parameter(value: Scalar) -> str:
    """A parameter in a table, as the file has it."""
    return f"{value:.12g}" if isinstance(value, float) else _text(value)


def _text(value: Scalar) -> str:
    """A result in a table."""
    from .result_tables import number

    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value) if abs(value) < 1e6 else f"{value:.3e}"
    return "none" if value is None else str(value)
