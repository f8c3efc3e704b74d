"""`sweep`: a function on every cell of a grid, in this process or on any executor, with a store to go on from.

sweep(...) -> Sweep             public
Study                           what is to be computed, checked; `play` computes it, `so_far` is the result
evaluated(...)                  one call, in this process or another: it returns errors instead of raising them
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from os import PathLike
from typing import Any

import numpy as np

from tmfcore._base import bars, executors
from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.functions import fits_memory, takes_rng
from tmfcore._base.parcels import Shared
from tmfcore._random import seeding
from tmfcore._results import confidence as _intervals
from tmfcore._sweep import store as stores
from tmfcore._sweep.cells import RESERVED, Cells, Scalar, canonical, cells_of, column, scalar
from tmfcore._sweep.store import Row, id_of
from tmfcore._sweep.swept import Sweep

__all__ = ["Study", "sweep"]

VALUE = "value"  # name of the result of a function that returns a number
LONGEST = 500  # characters of an error that are kept


@takes_rng
@fits_memory("grid must have fewer cells, or replicas must be fewer")
def sweep(
    function: Callable[..., Any],
    grid: Any,
    *,
    replicas: int = 1,
    executor: Executor | None = None,
    store: str | PathLike[str] | None = None,
    retry: bool = False,
    confidence: float = 0.95,
    rng: seeding.RNG = None,
    progress: bars.Progress = False,
) -> Sweep:
    """Call a function on every cell of a grid of parameters, and tabulate what it returns.

    Parameters
    ----------
    function : callable
        Called as function(**parameters), and with rng=, a numpy Generator, if it has an argument of that name. Returns
        a number, or a dict name -> number, string or None, or None. An error of its own ends its cell only.
    grid : dict of str to list, or data frame
        The values of each parameter, of which every combination is a cell: numbers, strings, None, tuples of these,
        arrays, games, schedules, policies, solvers. A dict label -> value in place of a list gives objects their names
        in the table. Or a frame of pandas or polars, with a column for each parameter and a row for each cell.
    replicas : int, optional
        R, the number of calls for each cell, with different random numbers.
    executor : concurrent.futures.Executor or None, optional
        Where cells are computed: a ProcessPoolExecutor or ThreadPoolExecutor, `Client(...).get_executor()` of Dask,
        joblib's loky, MPIPoolExecutor of mpi4py. None: one after another in this process, where functions of tmfcore
        use threads. Results have the same bits whichever it is. Processes must be able to import the function; that of
        a script or notebook travels, too, if cloudpickle is installed, as it is with Dask and joblib.
    store : path or None, optional
        A folder to which each cell is added as soon as it is finished (Parquet; extra `tables`). If it has cells of
        this sweep, these are not computed again, and the grid may have grown.
    retry : bool, optional
        True computes cells of the store again that ended in an error.
    confidence : float, optional
        Level of the intervals in pictures, in (0, 1).
    rng : int, Generator, SeedSequence or None, optional
        Seed, needed with a store if the function takes rng. Each call has its own stream, addressed by the parameters
        of its cell and the number of its replica: more cells or replicas change no old one.
    progress : bool or callable, optional
        True draws a bar over calls, on a terminal or in a notebook (extra `app`); a callable receives (done, total).

    Returns
    -------
    Sweep
        A row for each call, in the order of the grid. `to_pandas`, `to_xarray`, `plot`.

    Raises
    ------
    TypeError, ValueError
        An argument is bad, or cannot be sent to another process.
    FileError
        The store is damaged, or of another function, parameters, seed or version of tmfcore.
    ImportError
        pyarrow (extra `tables`) is not installed, and a store is given.
    OSError
        The store cannot be written to, or another sweep writes to it.
    concurrent.futures.BrokenExecutor
        The executor broke, and cannot be replaced. This, KeyboardInterrupt and errors of the executor carry as
        `partial` the Sweep of what is finished, or None; with a store, the same call goes on from there.

    Notes
    -----
    A cell whose process dies is computed again: on a ProcessPoolExecutor and loky in a new pool with the same settings,
    by Dask as it is configured. If its process dies each time, the cell ends in an error. Large objects of the grid
    travel once to each process.

    The store knows the function by its name, and by the arguments that a functools.partial has bound: delete the folder
    if its meaning changes. Cost beside the calls: see page "Sweeps".

    Examples
    --------
    >>> import tmfcore as tmf
    >>> def gain(n_agents, batch, rng):
    ...     game = tmf.games.left_right(horizon=4)
    ...     policy = tmf.TabularPolicy.uniform(game)
    ...     run = tmf.simulate(game, policy, tmf.Batch(batch), n_agents, replicas=20, rng=rng)
    ...     return {"mean_return": run.returns.mean(), "spread": run.returns.std()}
    >>> study = tmf.sweep(gain, {"n_agents": [10, 100, 1000], "batch": [1, 5]}, rng=1)
    >>> study
    Sweep(function gain, 6 cells, parameters n_agents, batch, results mean_return, spread, seconds ...)
    """
    study = Study.of(
        function, grid, replicas=replicas, executor=executor, store=store, retry=retry, confidence=confidence, rng=rng
    )
    bars.check(progress)
    with bars.reporter(progress, study.calls, "cells") as report:
        try:
            with closing(study.play()) as played:
                for _ in played:
                    report(len(study.rows))
            report(len(study.rows))
        except BaseException as error:
            error.partial = study.so_far() if study.rows else None  # type: ignore[attr-defined]  # ours
            raise
    return study.so_far()


@dataclass(frozen=True)
class Study:
    """A sweep, checked.

    about : what its store belongs to beside parameters and seed, in values that JSON holds: the function, and all that
        makes it another one.
    rows : number of the call -> its Row, for those that are finished; the number is that of the cell times replicas,
        plus that of the replica.
    """

    function: Callable[..., Any]
    name: str
    cells: Cells
    replicas: int
    executor: Executor | None
    store: Any
    retry: bool
    confidence: float
    root: list[int] | None
    about: Mapping[str, Any]
    rows: dict[int, Row]

    @classmethod
    def of(
        cls, function: object, grid: object, *, replicas: object, executor: object, store: Any, retry: object,
        confidence: object, rng: seeding.RNG, name: str = "", about: Mapping[str, Any] | None = None,
    ) -> Study:  # fmt: skip
        """Check the arguments of `sweep`; name and about of the function, if they are not its own."""
        call = check.as_function(function, "function", "the parameters of a cell")
        cells = cells_of(grid)
        draws = _takes(call, cells.names)
        replicas = check.as_int(replicas, "replicas", low=1, high=2**31 - 1)
        if not draws and rng is not None:
            raise ValueError("rng is given, but function has no argument rng; must be None")
        folder = None if store is None else check.as_path(store, "store")
        if draws and rng is None and folder is not None:
            raise ValueError("rng is None; must be a seed if store is given: another call must draw the same numbers")
        return cls(
            call, name or _name(call), cells, replicas, executors.checked(executor), folder,
            check.as_bool(retry, "retry"), _intervals.as_confidence(confidence),
            seeding.root(rng) if draws else None, _about(call, cells.names) if about is None else about, {},
        )  # fmt: skip

    @property
    def calls(self) -> int:
        """The number of calls."""
        return len(self.cells) * self.replicas

    def play(self) -> Generator[tuple[int, Row], None, None]:
        """Compute what is not in the store; yield number and Row of each call as it ends, and add it to `rows`."""
        task = {**self.about, "parameters": sorted(self.cells.names), "rng": self.root}
        with nullcontext() if self.store is None else stores.opened(self.store, task, self.cells.names) as kept:
            if kept is not None:
                self._take(kept.rows)
            for number, row in self._calls():
                self.rows[number] = row
                if kept is not None:
                    i, replica = divmod(number, self.replicas)
                    kept.add(self.cells.key(i), replica, self.cells.shown(i), row)
                yield number, row

    def _take(self, found: Mapping[bytes, Row]) -> None:
        """Take what the store has of this grid."""
        for i in range(len(self.cells)) if found else ():
            key = self.cells.key(i)
            for replica in range(self.replicas):
                row = found.get(id_of(key, replica))
                if row is not None and not (self.retry and row.error):
                    self.rows[i * self.replicas + replica] = row

    def _calls(self) -> Iterator[tuple[int, Row]]:
        if self.executor is None:
            for number, (function, *rest) in self._jobs(lambda value, name: value):
                yield number, evaluated(function, *rest)
            return
        with closing(executors.over(self.executor, evaluated, self._jobs(Shared))) as outcomes:
            for number, outcome in outcomes:
                died = isinstance(outcome, executors.Died)
                yield number, Row((), (), 0.0, f"process: {outcome.why}") if died else outcome

    def _jobs(self, shared: Callable[[Any, str], Any]) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """The calls that are left."""
        function, names, local = shared(self.function, "function"), self.cells.names, self.executor is None
        for i in range(len(self.cells)):
            values: tuple[Any, ...] | None = None
            for replica in range(self.replicas):
                number = i * self.replicas + replica
                if number in self.rows:
                    continue
                if values is None:
                    values = self.cells.values(i)
                    if local:
                        values = tuple(each.value if type(each) is Shared else each for each in values)
                    key = np.frombuffer(self.cells.key(i), "<u4").tolist()
                yield number, (function, names, self.root, (*key, replica), *values)

    def so_far(self) -> Sweep:
        """The result of the calls that are finished."""
        numbers = np.array(sorted(self.rows), np.intp)
        rows = [self.rows[number] for number in numbers.tolist()]
        return Sweep(
            parameters=self.cells.columns(numbers // self.replicas),
            results=_columns(rows),
            replica=numbers % self.replicas,
            seconds=np.array([row.seconds for row in rows], np.float64),
            errors=tuple(row.error for row in rows),
            function=self.name,
            confidence=self.confidence,
        )


def _columns(rows: Sequence[Row]) -> dict[str, Any]:
    """Results by name, in the order in which they come first."""
    if len({row.names for row in rows if row.names}) == 1 and all(row.names for row in rows):
        columns = zip(*(row.values for row in rows), strict=True)
        return {name: column(values) for name, values in zip(rows[0].names, columns, strict=True)}
    names = dict.fromkeys(name for row in rows for name in row.names)
    found: dict[str, list[Scalar]] = {name: [None] * len(rows) for name in names}
    for i, row in enumerate(rows):
        for name, value in zip(row.names, row.values, strict=True):
            found[name][i] = value
    return {name: column(values) for name, values in found.items()}


def _takes(function: Callable[..., Any], names: tuple[str, ...]) -> bool:
    """Whether a function takes rng; TypeError if it does not take the parameters."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return False
    draws = "rng" in signature.parameters
    try:
        signature.bind(**dict.fromkeys(names), **({"rng": None} if draws else {}))
    except TypeError as error:
        raise TypeError(f"grid has {', '.join(names)}; must be the arguments of function{signature}: {error}") from None
    return draws


def _name(function: Any) -> str:
    """What a function is known by."""
    inner = getattr(function, "func", function)  # of a functools.partial
    name = getattr(inner, "__qualname__", type(inner).__name__)
    return str(name).rpartition("<locals>.")[2]


def _about(function: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """What a store knows a function of these parameters by."""
    found = {"function": _name(function)}
    bound = {**dict(enumerate(getattr(function, "args", ()))), **getattr(function, "keywords", {})}
    for name, value in bound.items() if isinstance(function, partial) else ():
        if name in names:  # the grid overrides it
            continue
        try:
            text = canonical(value, str(name))
        except (TypeError, ValueError):
            text = type(value).__name__
        found[f"argument {name}"] = text
    return found


def evaluated(
    function: Callable[..., Any], names: tuple[str, ...], root: list[int] | None, address: tuple[int, ...], *values: Any
) -> Row:
    """The Row of one call, whatever the function raises that is an Exception."""
    parameters = dict(zip(names, values, strict=True))
    if root is not None:
        parameters["rng"] = seeding.addressed(root, address)
    began = time.perf_counter()
    try:
        found = _results(function(**parameters), names)
    except Exception as error:
        text = f"{type(error).__name__}: {' '.join(_said(error).split())}"
        text = text.encode("utf-8", "replace").decode()
        return Row((), (), time.perf_counter() - began, text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}...")
    return Row(tuple(found), tuple(found.values()), time.perf_counter() - began, "")


def _said(error: Exception) -> str:
    try:
        return str(error)
    except Exception:  # of a user's class
        return ""


def _results(value: Any, parameters: tuple[str, ...]) -> dict[str, Scalar]:
    """What a function returned, by name."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        wanted = "a number, a dict of numbers, strings and None, or None"
        return {VALUE: _checked(value, "what function returned", wanted)}
    for name in value:
        if not isinstance(name, str) or not name:
            raise TypeError(f"function returned a dict with the key {say.show(name)}; keys must be strings")
        if name in parameters or name in RESERVED:
            names = ", ".join(RESERVED)
            raise ValueError(f"function returned {name!r}; must be no parameter, and none of {names}")
        try:
            name.encode()
        except UnicodeEncodeError:
            raise ValueError(f"function returned a dict with the key {name!a}; must be valid Unicode") from None
    return {name: _checked(entry, f"[{name!r}] of what function returned") for name, entry in value.items()}


def _checked(value: Any, name: str, wanted: str = "a number, a string or None") -> Scalar:
    try:
        return scalar(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{name} is {say.show(value)}; must be {wanted}") from None
