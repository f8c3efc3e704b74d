"""The choice of a picture of numbers over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import ArrayLike

from tmfcore._base import validation as check
from tmfcore._base.options import GIVEN, required
from tmfcore._base.types import SharesKind
from tmfcore.plotting import _checks
from tmfcore.plotting._by_place import by_place, places_of
from tmfcore.plotting._canvas import no_style
from tmfcore.plotting._courses import SHARE, Course, checked, numbered
from tmfcore.plotting._heat import heat, snapshots
from tmfcore.plotting._lines import MOST_LINES, lines, profiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = get_args(SharesKind)

BY_LINES = ("auto", "lines", "places")  # kinds that draw replicas

MOST_NAMED, MOST_NUMBERED = 256, 4000  # most observations for which "auto" draws heat, with names and without


def over_time(
    course: Course,
    labels: Sequence[str],
    shape: Sequence[int] = (),
    *,
    kind: SharesKind = "auto",
    field: Course | None = None,
    replicas: ArrayLike | None = None,
    shares: bool = True,
    quantity: str = SHARE,
    names: tuple[str, str] | None = None,
    unit: str = "sweeps",
    label: str | None = None,
    color: str | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw numbers over time as the picture `kind`, by default one that suits the observations.

    Parameters
    ----------
    course : Course
        Times and values of S observations.
    labels : (S,) sequence of str
        Names of the observations.
    shape : sequence of int, optional
        Shape of a grid whose points, row by row, are the observations.
    kind : {"auto", "lines", "places", "heat", "profiles", "snapshots"}, optional
        "auto": snapshots on a grid of two axes, or of three without `field`; else profiles for up to two times; else
        lines for up to 10 observations; else places if there are labels "place, detail" and values are shares; else
        heat, or profiles with a `field`; for more than 256 observations with names, or 4000 with numbers, lines of the
        largest.
    field : Course, optional
        The same for the mean field, drawn together; not with "heat".
    replicas : (R, J, S) array_like, optional
        The replicas whose mean is `course`; drawn by "lines" and "places".
    shares : bool, optional
        True: values are shares of one whole; axes start at 0, and of many observations the largest and the sum of the
        rest are drawn.
    quantity, unit : str, optional
        Name of the values, and the unit of time.
    names : (str, str) or None, optional
        Names of `course` and `field` in legends; only with a `field`. None: "N agents" and "mean field".
    label, color : str, optional
        Text before the name of each line in the legend, and one colour for all lines; for lines, places and profiles.

    Raises
    ------
    ValueError
        kind is "snapshots" without a grid of two axes (or three, without field), "heat" with a field, or "places" of
        values that are not shares; label or color with heat or snapshots.
    """
    course, labels, field = checked(course, labels, field, shares, quantity, unit)
    shape = _checks.grid(shape, len(labels))
    check.as_choice(kind, "kind", SharesKind)
    required("replicas", replicas, "kind", kind, BY_LINES)
    required("names", names, "field", field, GIVEN)
    grid = min(shape[-2:], default=1) > 1 and (len(shape) == 2 or (len(shape) == 3 and field is None))
    if kind == "auto":
        kind = "snapshots" if grid else _kind(labels, len(course.times), compared=field is not None, shares=shares)
    common: dict[str, Any] = {"quantity": quantity, "unit": unit, "title": title, "ax": ax}
    if kind in ("heat", "snapshots"):
        no_style(label, color)
    if kind == "heat":
        if field is not None:
            raise ValueError("kind is 'heat'; must be 'lines', 'profiles' or 'snapshots' to draw a mean field with it")
        return heat(course, labels, shares=shares, **common)
    if kind == "profiles":
        return profiles(
            course, labels, field=field, shares=shares, names=names, label=label, color=color, **common
        )
    if kind == "snapshots":
        if not grid:
            three = "" if field is not None else " or three"
            raise ValueError(
                f"kind is 'snapshots'; observations must form a grid of two axes{three}, not {tuple(shape)}"
            )
        return snapshots(course, shape, field=field, shares=shares, names=names, **common)
    if kind == "places":
        if not shares:
            raise ValueError("kind is 'places', which adds values up; must be another kind if values are not shares")
        labels, places = places_of(labels)
        course = Course(course.times, by_place(course.values, places))
        field = None if field is None else Course(field.times, by_place(field.values, places))
        replicas = None if replicas is None else by_place(np.asarray(replicas, dtype=np.float64), places)
    return lines(
        course, labels, field=field, replicas=replicas, shares=shares, names=names, label=label, color=color, **common
    )


def _kind(labels: Sequence[str], n_times: int, *, compared: bool, shares: bool) -> SharesKind:
    n = len(labels)
    if n_times <= 2:
        return "profiles"
    if shares and n > MOST_LINES and len(places_of(labels)[0]) < n:
        return "places"
    most = MOST_NUMBERED if numbered(labels) or not shares else MOST_NAMED
    if MOST_LINES < n <= most:
        return "profiles" if compared else "heat"
    return "lines"
