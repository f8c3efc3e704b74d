"""The result of a sweep: a row for each cell, as a table over the parameters, and as small multiples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._results import confidence as _intervals
from tmfcore._results.result import Result
from tmfcore._results.tables import Table, Variable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Sweep"]

MOST_LINES = 7  # in a panel, one for each colour
MOST_PANELS = 16


@dataclass(frozen=True, eq=False, repr=False)
class Sweep(Result[Literal["lines"]]):
    """What a function returned on the cells of a grid, C rows in the order of the grid, of each cell its replicas.

    Parameters
    ----------
    parameters : dict of str to (C,) arrays
        The parameters of each row: numbers, or strings as labels of objects.
    results : dict of str to (C,) arrays
        What the function returned, by name; "value" if it returned a number. NaN, False, 0 or "" where a cell has none.
    replica : (C,) int64
        0 to R - 1.
    seconds : (C,) float64
        What each call took.
    errors : tuple of C str
        The error that ended a call, or "".
    function : str
        Name of the function.
    confidence : float
        Level of the intervals in pictures.
    """

    SHAPES: ClassVar[dict[str, str]] = {"replica": "C", "seconds": "C", "errors": "C"}
    RANGES: ClassVar[dict[str, str]] = {">= 0": "replica seconds"}

    parameters: dict[str, npt.NDArray[Any]]
    results: dict[str, npt.NDArray[Any]]
    replica: IntArray
    seconds: FloatArray
    errors: tuple[str, ...]
    function: str = ""
    confidence: float = 0.95

    def __post_init__(self) -> None:
        super().__post_init__()
        for what, columns in (("parameters", self.parameters), ("results", self.results)):
            for name, array in columns.items():
                if array.shape != self.replica.shape:
                    wanted = f"must be {self.replica.shape}, as replica"
                    raise ValueError(f"{what}[{name!r}] has shape {array.shape}; {wanted}")
        _intervals.as_confidence(self.confidence)

    @property
    def failed(self) -> npt.NDArray[np.bool_]:
        """Whether a call ended in an error, (C,)."""
        return np.array([error != "" for error in self.errors], bool)

    def __len__(self) -> int:
        return len(self.errors)

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "function", self.function
        yield "cells", len(self)
        yield "parameters", say.short(", ".join(self.parameters))
        yield "results", say.short(", ".join(self.results))
        failed = int(self.failed.sum())
        yield "failed", str(failed) if failed else None
        yield "seconds", float(self.seconds.sum())

    def _title(self) -> str:
        return self.function

    # --------------------------------------------------------------------------------------------------------- table

    def _table(self) -> Table:
        """Over the parameters if the rows are all their combinations, else over "cell"."""
        variables = {**self.results, "seconds": self.seconds, "error": np.array(self.errors, str)}
        default = next(iter(self.results), "seconds")
        about = {"function": self.function}
        axes = dict(self.parameters)
        if (self.replica > 0).any():
            axes["replica"] = self.replica
        levels = {name: _different(values) for name, values in axes.items()}
        sizes = tuple(len(found) for found, _ in levels.values())
        if prod(sizes) == len(self):
            places = np.ravel_multi_index(tuple(codes for _, codes in levels.values()), sizes)
            if len(np.unique(places)) == len(self):
                order = np.argsort(places)
                over: dict[str, Variable] = {
                    name: (tuple(axes), values[order].reshape(sizes)) for name, values in variables.items()
                }
                return Table({name: found for name, (found, _) in levels.items()}, over, default, {}, about)
        flat: dict[str, Variable] = {name: (("cell",), values) for name, values in variables.items()}
        along = {name: ("cell", values) for name, values in axes.items()}
        return Table({"cell": np.arange(len(self))}, flat, default, along, about)

    # ------------------------------------------------------------------------------------------------------ pictures

    def plot(
        self, kind: Literal["lines"] | None = None, *, y: str | None = None, x: str | None = None,
        line: str | None = None, label: str | None = None, color: str | None = None, title: str | None = None,
        ax: Axes | None = None,
    ) -> Axes:  # fmt: skip
        """Draw a result against a parameter: means of replicas with intervals, a line for each value of another
        parameter, and a panel for each combination of the rest (small multiples).

        Parameters
        ----------
        kind, label, color, title : optional
            As for every result.
        y : str or None, optional
            The result. None: the first that is a number.
        x : str or None, optional
            The parameter along the x axis. None: the number with the most values.
        line : str or None, optional
            The parameter that distinguishes lines. None: the first of the others that has 2 to 7 values.
        ax : matplotlib Axes or None, optional
            The axes to draw on, if there is one panel. None: a new figure.

        Returns
        -------
        matplotlib Axes
            Those of the first panel; `ax.figure` has all of them.

        Raises
        ------
        ImportError
            matplotlib (extra `app`) is not installed.
        ValueError
            A name that is no parameter or number, too many lines or panels, or nothing to draw.
        """
        return self._drawn(kind, y=y, x=x, line=line, label=label, color=color, title=title, ax=ax)

    def _picture(
        self, kind: Any, *, y: str | None = None, x: str | None = None, line: str | None = None,
        title: str = "", ax: Axes | None = None, **style: Any,
    ) -> Axes:  # fmt: skip
        from tmfcore import plotting

        y = self._quantity(y)
        values = self.results[y]
        levels = {name: _different(found) for name, found in self.parameters.items()}
        x, line, others = self._roles(x, line, {name: len(found) for name, (found, _) in levels.items()})
        combinations = list(product(*(range(len(levels[name][0])) for name in others)))
        if ax is not None and len(combinations) > 1:
            n = len(combinations)
            raise ValueError(f"ax is given, but there are {n} panels, by {', '.join(others)}; must be None")
        panels = [ax] if ax is not None else _figure(len(combinations), title)
        for panel, combination in zip(panels, combinations, strict=True):
            here = np.isfinite(values) & ~self.failed
            for name, code in zip(others, combination, strict=True):
                here &= levels[name][1] == code
            lines = {}
            for code, level in enumerate(levels[line][0]) if line else [(0, None)]:
                chosen = here & (levels[line][1] == code) if line else here
                if chosen.any():
                    lines["" if line is None else f"{line} = {_word(level)}"] = self._line(x, values, chosen)
            there = zip(others, combination, strict=True)
            head = ", ".join(f"{name} = {_word(levels[name][0][k])}" for name, k in there)
            if not lines:
                at = f" at {head}" if head else ""
                raise ValueError(f"y is {y!r}, which has no numbers{at}; must have some to be drawn")
            plotting.estimates(
                lines, x_label=x, quantity=y, confidence=self.confidence, names=_names(self.parameters[x]),
                title=head or title, ax=panel, **style,
            )  # fmt: skip
        return panels[0]

    def _quantity(self, y: str | None) -> str:
        """The name of a result that is a number."""
        numbers = [name for name, found in self.results.items() if found.dtype.kind in "biuf"]
        if not numbers:
            raise ValueError("nothing to draw: the function returned no numbers")
        return numbers[0] if y is None else check.as_choice(y, "y", numbers)

    def _roles(
        self, x: str | None, line: str | None, sizes: dict[str, int]
    ) -> tuple[str, str | None, list[str]]:
        """The parameters along x, for lines and for panels."""
        names = tuple(sizes)
        if x is None:
            first = [name for name in names if name != line and self.parameters[name].dtype.kind in "iuf"] or [
                name for name in names if name != line
            ] or list(names)
            x = max(first, key=sizes.__getitem__)
        check.as_choice(x, "x", names)
        rest = [name for name in names if name != x and sizes[name] > 1]
        if line is None:
            line = next((name for name in rest if sizes[name] <= MOST_LINES), None)
        elif check.as_choice(line, "line", names) == x:
            raise ValueError(f"line is {line!r}, as x; must be another parameter")
        elif sizes[line] > MOST_LINES:
            raise ValueError(f"line is {line!r}, which has {sizes[line]} values; must have at most {MOST_LINES}")
        others = [name for name in rest if name != line]
        panels = prod(sizes[name] for name in others)
        if panels > MOST_PANELS:
            raise ValueError(
                f"x is {x!r} and line is {line!r}, which leaves {panels} panels, by {', '.join(others)}; must be at "
                f"most {MOST_PANELS}: choose x and line otherwise, or draw a part of to_pandas()"
            )
        return x, line, others

    def _line(self, x: str, values: npt.NDArray[Any], chosen: npt.NDArray[np.bool_]) -> Any:
        """Means and intervals of the chosen rows at each x."""
        from tmfcore import plotting

        along = self.parameters[x]
        found, codes = _different(along)
        places = found.astype(np.float64) if along.dtype.kind in "biuf" else np.arange(len(found), dtype=np.float64)
        points = [code for code in range(len(found)) if (chosen & (codes == code)).any() and np.isfinite(places[code])]
        points.sort(key=places.__getitem__)
        mean, low, high = np.full((3, len(points)), np.nan)
        for k, code in enumerate(points):
            sample = values[chosen & (codes == code)].astype(np.float64)
            mean[k] = sample.mean()
            if len(sample) > 1:
                se = _intervals.standard_error(sample)
                low[k], high[k] = _intervals.student(mean[k], se, len(sample) - 1, self.confidence)
        return plotting.EstimateLine(places[points], mean, low, high)


def _figure(n: int, title: str) -> list[Any]:
    """The Axes of a new figure with n panels."""
    from tmfcore import plotting

    columns = min(n, 4 if n > 6 or n == 4 else 3)
    rows = -(-n // columns)
    figure, panels = plotting.figure(
        columns, rows, width=4.8 if n == 1 else 3.6, height=3.6 if n == 1 else 2.8,
        title=title if n > 1 else "", share_y=n > 1,
    )  # fmt: skip
    for panel in panels[n:]:
        figure.delaxes(panel)
    return panels[:n]


def _different(values: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], IntArray]:
    """The different values, in the order in which they come first, and for each entry the number of its value."""
    found, first, codes = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return found[order], rank[codes.reshape(-1)]


def _names(values: npt.NDArray[Any]) -> Sequence[str]:
    """Names along the axis of a parameter; none if it is a number."""
    return [] if values.dtype.kind in "biuf" else [str(value) for value in _different(values)[0]]


def _word(value: Any) -> str:
    return say.number(value) if isinstance(value, (np.floating, np.integer)) else str(value)
