"""One number per observation over time, and the common parts of its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tmfcore._base.options import GIVEN, required
from tmfcore.plotting import _checks

SHARE = "share of the population \u03bc"

TILES = 4  # number of times in profiles and snapshots
EARLY = 0.25  # the colour scale ignores larger shares in this first part of the time
STILL = 1e-6  # profiles with a smaller relative difference are drawn as one


class Course(NamedTuple):
    """One number per observation over time.

    Attributes
    ----------
    times : (J,) float64
    values : (J, S) float64
    """

    times: NDArray[np.floating[Any]]
    values: NDArray[np.floating[Any]]


def checked(
    course: object, labels: object, field: object, shares: object, quantity: object, unit: object, *, named: bool = True
) -> tuple[Course, tuple[str, ...], Course | None]:
    """The common arguments of most pictures, checked; without labels if not `named`."""
    _checks.flags(shares=shares)
    _checks.texts(quantity=quantity, unit=unit)
    drawn = Course(*_checks.course(course, "course"))
    n = drawn.values.shape[1]
    called = _checks.labels(labels, n) if named else ()
    if field is None:
        return drawn, called, None
    limit = Course(*_checks.course(field, "field"))
    if limit.values.shape[1] != n:
        raise ValueError(f"field has {limit.values.shape[1]} observations; must have {n}, like course")
    return drawn, called, limit


def numbered(labels: Sequence[str]) -> bool:
    """Whether labels are numbers, so that observations are taken for points on a line."""
    return labels[-1] == str(len(labels) - 1)


def scale(
    times: NDArray[np.floating[Any]], values: NDArray[np.floating[Any]], shares: bool
) -> tuple[float, float, str]:
    """Ends of the colour scale of (J, S) values, and the side on which values exceed it."""
    low, high = float(values.min()), float(values.max())
    late = values[times >= times[0] + EARLY * (times[-1] - times[0])]
    top = float(late.max())
    if high - low <= STILL * max(abs(low), abs(high)):  # all values equal, up to rounding
        return min(low, 0.0), max(high, 0.0) or 1.0, "neither"
    if shares and high > top > low:
        return low, top, "max"
    return low, high, "neither"


def moments(times: NDArray[np.floating[Any]]) -> list[int]:
    """Indices of up to four recorded times, evenly spread from the first to the last."""
    wanted = np.linspace(times[0], times[-1], TILES)
    return sorted({int(np.abs(times - time).argmin()) for time in wanted})


def names_of(names: tuple[str, str] | None, field: object) -> tuple[str, str]:
    """Names of a course and its field; `names` is an error without a field."""
    required("names", names, "field", field, GIVEN)
    return ("N agents", "mean field") if names is None else _checks.names(names)
