"""The cells of a grid: their parameters, and the key by which each is known.

    cells_of(grid) -> Cells         from a dict of lists, or a data frame
    Cells.key(i)                    16 bytes that depend on the names and values of the cell's own parameters alone
    column(values)                  values of many cells as one array
    canonical(value, name)          a value in JSON, as keys have it

A key is blake2b of the parameters in JSON, sorted by name. Equal numbers are one value, whatever their type: 1, 1.0 and
numpy.int64(1). Arrays, games, schedules, policies and solvers count by their digests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import repeat
from math import isfinite, prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.parcels import Shared
from tmfcore._base.validation import INT64_MAX
from tmfcore._model.fingerprint import digest_of
from tmfcore._model.game import Game
from tmfcore._model.schedules import Schedule
from tmfcore._results.checkpoint import digest

__all__ = ["RESERVED", "Cells", "Scalar", "canonical", "cells_of", "column", "scalar", "word"]

Scalar: TypeAlias = bool | int | float | str | None

#: Names that a table of cells has beside parameters and results.
RESERVED = ("cell", "error", "replica", "rng", "seconds")
MOST_CELLS = 10**8
KINDS = "a number, a string, None, a tuple of these, an array, a Game, a schedule, a policy or a solver"


class Level(NamedTuple):
    """A value of a parameter: itself, or Shared; in canonical JSON; and as a table shows it."""

    value: Any
    text: str
    shown: Scalar


@dataclass(frozen=True)
class Cells:
    """All cells of a grid.

    names : P parameters, in the order of the grid.
    levels : for each parameter its different values.
    codes : (P, n) int32, for each parameter the level of each cell.
    """

    names: tuple[str, ...]
    levels: tuple[list[Level], ...]
    codes: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return int(self.codes.shape[1])

    def values(self, i: int) -> tuple[Any, ...]:
        """The parameters of a cell, in the order of `names`; objects are Shared."""
        return tuple(levels[code].value for levels, code in zip(self.levels, self.codes[:, i].tolist(), strict=True))

    def shown(self, i: int) -> tuple[Scalar, ...]:
        """The same as tables show them."""
        return tuple(levels[code].shown for levels, code in zip(self.levels, self.codes[:, i].tolist(), strict=True))

    def key(self, i: int) -> bytes:
        """The key of a cell."""
        parts = [texts[code] for texts, code in zip(self._texts, self.codes[self._order, i].tolist(), strict=True)]
        return blake2b(f"{{{','.join(parts)}}}".encode(), digest_size=16).digest()

    def columns(self, chosen: npt.NDArray[np.intp]) -> dict[str, npt.NDArray[Any]]:
        """The parameters of some cells, as arrays."""
        return {
            name: column([level.shown for level in levels], missing="None")[codes[chosen]]
            for name, levels, codes in zip(self.names, self.levels, self.codes, strict=True)
        }

    @cached_property
    def _order(self) -> list[int]:
        return sorted(range(len(self.names)), key=self.names.__getitem__)

    @cached_property
    def _texts(self) -> list[list[str]]:
        """Name and value of each level in JSON, parameters sorted by name."""
        return [[f"{json.dumps(self.names[p])}:{level.text}" for level in self.levels[p]] for p in self._order]


# ---------------------------------------------------------------------------------------------------------- the grid


def cells_of(grid: Any) -> Cells:
    """The cells of the argument `grid`: all combinations of the values in a dict, or the rows of a data frame.

    Raises
    ------
    TypeError, ValueError
        No grid, or one with a bad name or value, or with a cell twice.
    """
    if isinstance(grid, Mapping):
        names = _names(grid)
        levels = tuple(list(_levels(values, f"grid[{name!r}]")) for name, values in grid.items())
        for name, found in zip(names, levels, strict=True):
            _refuse_equal(found, f"grid[{name!r}]")
        sizes = [len(found) for found in levels]
        if prod(sizes) > MOST_CELLS:
            raise ValueError(f"grid has {say.integer(prod(sizes))} cells; must have at most {MOST_CELLS}")
        codes = np.indices(sizes, np.int32).reshape(len(sizes), -1)
        return Cells(names, levels, codes)
    if not hasattr(grid, "columns") or isinstance(grid, type):
        raise TypeError(f"grid is {say.show(grid)}; must be a dict of lists, or a data frame with a row for each cell")
    names = _names(list(grid.columns))
    columns = [_distinct(list(grid[name]), f"grid[{name!r}]") for name in names]
    if not columns[0][1]:
        raise ValueError("grid has no rows; must have at least one cell")
    distinct = np.array([codes for _, codes in columns], np.int32)
    cells = Cells(names, tuple(found for found, _ in columns), distinct)
    _, first = np.unique(cells.codes, axis=1, return_index=True)
    if len(first) < len(cells):
        twice = int(np.setdiff1d(np.arange(len(cells)), first)[0])
        raise ValueError(f"grid has row {twice} twice; rows must differ (replicas= repeats all cells)")
    return cells


def _names(names: Mapping[Any, Any] | list[Any]) -> tuple[str, ...]:
    if not names:
        raise ValueError("grid is empty; must have at least one parameter")
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"grid has the name {say.show(name)}; names of parameters must be strings")
        if not name.isidentifier() or name in RESERVED:
            raise ValueError(
                f"grid has the name {say.short(repr(name))}; must be the name of a parameter, and none of "
                f"{', '.join(RESERVED)}"
            )
    given = tuple(names)
    if len(set(given)) < len(given):
        twice = next(name for name in given if given.count(name) > 1)
        raise ValueError(f"grid has the name {say.short(repr(twice))} twice; names of parameters must differ")
    return given


def _levels(values: Any, name: str) -> Iterator[Level]:
    """The values of a parameter: of a sequence, or of a dict label -> value."""
    if isinstance(values, Mapping):
        for label in values:
            check.as_string(label, f"a label of {name}")
            _writable(label, f"a label of {name}")
        labels: Any = list(values)
        given = tuple(values.values())
    else:
        if not isinstance(values, (Sequence, np.ndarray)) and not hasattr(values, "to_numpy"):
            raise TypeError(f"{name} is {say.show(values)}; must be a list of values, or a dict label -> value")
        labels, given = repeat(None), check.as_items(values, name, "a list of values, or a dict label -> value")
    if not given:
        raise ValueError(f"{name} is empty; must have at least one value")
    for i, (label, value) in enumerate(zip(labels, given)):  # labels may be endless
        yield _level(value, f"{name}[{i if label is None else repr(label)}]", label)


def _level(value: Any, name: str, label: str | None) -> Level:
    try:
        text = canonical(value, name)
    except RecursionError:
        raise ValueError(f"{name} is {say.show(value)} that contains itself; must be {KINDS}") from None
    value = _plain(value)
    plain = value is None or isinstance(value, (bool, int, float, str))
    shown = label if label is not None else value if plain else _shown(value)
    return Level(value if plain else Shared(value, name), text, shown)


def _refuse_equal(levels: list[Level], name: str) -> None:
    """Raise if two values are equal, or have one label: rows of the table could not be told apart."""
    seen: dict[str, int] = {}
    for i, level in enumerate(levels):
        if seen.setdefault(level.text, i) != i:
            first = seen[level.text]
            raise ValueError(f"{name}[{i}] equals {name}[{first}]; values must differ (replicas= repeats cells)")
    shown: dict[Any, int] = {}
    for i, entry in enumerate(column([level.shown for level in levels], missing="None").tolist()):
        entry = "NaN" if entry != entry else entry
        if shown.setdefault(entry, i) != i:
            raise ValueError(
                f"{name}[{i}] is shown as {entry!r}, as is {name}[{shown[entry]}]; must be told apart by labels: give "
                "a dict label -> value"
            )


def _distinct(values: list[Any], name: str) -> tuple[list[Level], list[int]]:
    """The different values of a column of a frame, and for each row the number of its value."""
    levels: list[Level] = []
    known: dict[str, int] = {}
    codes = []
    for i, value in enumerate(values):
        level = _level(value, f"{name}[{i}]", None)
        code = known.setdefault(level.text, len(levels))
        if code == len(levels):
            levels.append(level)
        codes.append(code)
    _refuse_equal(levels, name)
    return levels, codes


# ------------------------------------------------------------------------------------------------------------- values


def canonical(value: Any, name: str) -> str:
    """A value in canonical JSON."""
    value = _plain(value)
    if isinstance(value, str):
        _writable(value, name)
        return json.dumps(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        if abs(value) > INT64_MAX:
            raise ValueError(f"{name} is {say.integer(value)}; must be at most 2**63 - 1 in size")
        return str(value)
    if isinstance(value, float):
        whole = isfinite(value) and value.is_integer() and abs(value) <= INT64_MAX
        return str(int(value)) if whole else json.dumps(value)
    if isinstance(value, (tuple, list)):
        return f"[{','.join(canonical(entry, f'{name}[{i}]') for i, entry in enumerate(value))}]"
    if isinstance(value, Game):
        return json.dumps({"Game": digest_of(value)})
    if isinstance(value, Schedule):
        return json.dumps({type(value).__name__: [canonical(part, name) for part in value._values()]})
    if not isinstance(value, (np.generic, np.ma.MaskedArray, Mapping)):
        try:
            return json.dumps({type(value).__name__: digest(value)})
        except (TypeError, ValueError, AttributeError):  # what no file can hold
            pass
    raise TypeError(
        f"{name} is {say.show(value)}; must be {KINDS} (of other objects give names, and make them in function)"
    )


def _plain(value: Any) -> Any:
    """A number or string of numpy as one of Python; anything else as it is."""
    if isinstance(value, np.floating):
        return float(value)  # item() would leave a longdouble as it is
    if isinstance(value, (np.bool_, np.integer, np.str_)) and not isinstance(value, np.timedelta64):
        return value.item()
    return value


def _writable(text: str, name: str) -> None:
    """Refuse text that no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} is {say.short(ascii(text))}; must be valid Unicode") from None


def _shown(value: Any) -> str:
    """An object as tables show it."""
    if isinstance(value, (tuple, list)):
        return ", ".join(str(entry) for entry in value)
    if isinstance(value, np.ndarray):
        return ", ".join(f"{entry:g}" for entry in value.ravel()[:8].tolist()) if value.dtype.kind in "iuf" else "array"
    if isinstance(value, Game):
        return value.name or repr(value)
    if isinstance(value, Schedule):
        return value.label
    return say.short(repr(value))


def scalar(value: Any) -> Scalar:
    """A number, a string or None that a table holds; TypeError, without a name, if it is something else."""
    if isinstance(value, np.ndarray) and value.ndim == 0 and not isinstance(value, np.ma.MaskedArray):
        value = value[()]
    value = _plain(value)
    if isinstance(value, str):
        value.encode()  # else an error
        return value
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if abs(value) <= INT64_MAX else float(value)
    if hasattr(value, "__float__") and not isinstance(value, (np.ndarray, np.generic)):
        return float(value)  # a result that is one number, such as a FiniteExploitability
    raise TypeError(f"is {say.show(value)}; must be a number, a string or None")


def column(values: Sequence[Scalar], missing: str = "") -> npt.NDArray[Any]:
    """Values as one array: booleans, integers, floats (None is NaN), or strings (None is `missing`)."""
    kinds = set(map(type, values))
    if kinds == {bool}:
        return np.array(values, bool)
    if kinds == {int}:
        return np.array(values, np.int64)
    if kinds <= {bool, int, float, type(None)}:
        return np.array([np.nan if value is None else value for value in values], np.float64)
    return np.array([missing if value is None else word(value) for value in values])


def word(value: Scalar) -> str:
    """A value among strings; a whole number looks the same whatever its type."""
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)
