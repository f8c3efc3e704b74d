"""Lines: values over time, values against the observation, and observations of single agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray
from tmfcore.plotting import _checks
from tmfcore.plotting._axes import band, faint, name_axis, named_styles, nothing, outside_legend, time_axis
from tmfcore.plotting._canvas import (
    GUIDE,
    axes,
    drawn_already,
    finish,
    laid_over,
    marker_of,
    named,
    ordered_colors,
    style_of,
    time_label,
)  # fmt: skip
from tmfcore.plotting._courses import SHARE, STILL, Course, checked, moments, names_of, numbered

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LINES = 10  # up to this number all observations have a line; else ...
LARGEST = 7  # ... this number of the largest, and the sum of the rest
FAINT = 8  # up to this number replicas are drawn one by one; else as a band
BAND = (0.05, 0.95)
MARKERS_A_LINE = 8
MARKERS_BESIDE_A_FIELD = 21  # of a course, evenly spread from its first time to its last
CROWDING = 2.0  # the rest is drawn if it is at most this factor times the largest
INDIVIDUALS = 5  # number of individuals drawn
MOST_NAMED = 1000  # observations that have a tick each


def lines(
    course: Course,
    labels: Sequence[str],
    *,
    field: Course | None = None,
    replicas: ArrayLike | None = None,
    spread: tuple[ArrayLike, ArrayLike] | None = None,
    shares: bool = True,
    quantity: str = SHARE,
    names: tuple[str, str] | None = None,
    unit: str = "sweeps",
    label: str | None = None,
    color: str | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw a line per observation; for more than ten, those of the largest and, for shares, the sum of the rest.

    Parameters are those of `over_time`. With a `field` its values are lines and those of the course are markers. Up to
    eight replicas are faint lines, more are a band that contains 90% of them at each time. If the rest is more than
    twice the largest it is not drawn, and the legend has its range. `spread`: edges (J, S) of a band for no replicas.

    Raises
    ------
    ValueError
        Both replicas and a spread.
    """
    course, labels, field = checked(course, labels, field, shares, quantity, unit)
    names = names_of(names, field)
    style_of(label, color)
    runs: NDArray[np.floating[Any]] | None = None
    if replicas is not None:
        runs = _checks.numbers(replicas, "replicas", None, *course.values.shape)
    edges: list[FloatArray] = []
    if spread is not None:
        if runs is not None:
            raise ValueError("spread is given with replicas; must be None, since replicas are drawn as a band")
        low, high = _checks.several(spread, "spread", 2, "a pair of arrays (J, S)")
        edges = [_checks.numbers(e, f"spread[{k}]", *course.values.shape) for k, e in enumerate((low, high))]
    ax = axes(ax, width=6.0)
    if runs is not None and len(runs) < 2:
        runs = None
    chosen, labels = _largest(course.values, labels, shares)
    values = _gathered(course.values, chosen, shares)
    limit = None if field is None else _gathered(field.values, chosen, shares)
    runs = None if runs is None else _gathered(runs, chosen, shares)
    others = []
    if shares and len(chosen) < course.values.shape[1]:
        rest = values[:, -1]
        if rest.max() > CROWDING * values[:, :-1].max():
            labels = labels[:-1]
            low, high = (round(float(end), 12) for end in (rest.min(), rest.max()))  # rounding errors become 0
            others = [nothing(f"{course.values.shape[1] - LARGEST:,} others: {low:.2g} to {high:.2g}")]
    first = 0 if color is not None else drawn_already(ax)  # lines of one colour differ by their markers
    colors = [*ordered_colors(len(chosen), color, first), *[GUIDE] * (len(labels) - len(chosen))]
    labels = [named(label, name) for name in labels]
    every = max(1, -(-len(course.times) // MARKERS_A_LINE))
    marked = np.unique(np.linspace(0, len(course.times) - 1, MARKERS_BESIDE_A_FIELD).round().astype(int))
    for o, (name, own) in enumerate(zip(labels, colors, strict=True)):
        if runs is not None and len(runs) <= FAINT:
            for run in runs:
                ax.plot(course.times, run[:, o], color=own, linewidth=0.7, alpha=0.35, zorder=1)
        elif runs is not None or (edges and o < len(chosen)):  # the rest has no edges
            pair = [edge[:, chosen[o]] for edge in edges] if runs is None else np.quantile(runs[..., o], BAND, axis=0)
            ax.fill_between(course.times, *pair, color=own, alpha=0.22, linewidth=0)
        mark = marker_of(first + o)
        style: dict[str, Any] = {"color": own, "marker": mark, "markersize": 4.2, "label": name, "zorder": 3}
        if field is not None and limit is not None:
            ax.plot(field.times, limit[:, o], color=own, linewidth=1.5, zorder=2)
            ax.plot(course.times[marked], values[marked, o], linestyle="none", **style)
        else:  # lines have their markers at different times
            start = (o * every) // max(1, len(labels))
            ax.plot(course.times, values[:, o], linewidth=1.5, markevery=(start, every), **style)
    time_axis(ax, course.times, unit)
    if shares:
        ax.set_ylim(bottom=0.0)
    ax.set_ylabel(quantity)
    finish(ax, title, legend=False)
    extra = others + ([] if field is None else named_styles(names))
    if runs is not None:
        extra += [band(f"90% of {len(runs)} runs") if len(runs) > FAINT else faint(f"{len(runs)} runs")]
    return outside_legend(ax, extra)


def profiles(
    course: Course,
    labels: Sequence[str],
    *,
    field: Course | None = None,
    shares: bool = True,
    quantity: str = SHARE,
    names: tuple[str, str] | None = None,
    unit: str = "sweeps",
    label: str | None = None,
    color: str | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw values against the observation at four times, one line each. Parameters as in `over_time`.

    With a `field` its values are lines and those of the course are markers.
    """
    course, labels, field = checked(course, labels, field, shares, quantity, unit)
    names = names_of(names, field)
    style_of(label, color)
    ax = axes(ax, width=6.0)
    x = np.arange(course.values.shape[1])
    every = max(1, -(-len(x) // (25 if field is None else 50)))
    at = moments(course.times)
    still = len(at) > 1 and np.ptp(course.values[at], axis=0).max() <= STILL * np.abs(course.values[at]).max()
    at = at[:1] if still else at
    between = "-" if numbered(labels) else "none"  # a line between names would suggest that they are neighbours
    first = 0 if color is not None else drawn_already(ax)
    for k, (j, own) in enumerate(zip(at, ordered_colors(len(at), color, first), strict=True)):
        style: dict[str, Any] = {"color": own, "marker": marker_of(first + k), "markersize": 4.2, "zorder": 3}
        name = named(label, "at all times" if still else f"t = {course.times[j]:g}")
        start = k * every // len(at)
        if field is not None:
            there = int(np.abs(field.times - course.times[j]).argmin())
            ax.plot(x, field.values[there], color=own, linewidth=1.5, zorder=2)
            ax.plot(x[start::every], course.values[j][start::every], linestyle="none", label=name, **style)
        else:
            ax.plot(
                x, course.values[j], linestyle=between, linewidth=1.3, markevery=(start, every), label=name, **style
            )
    if shares:
        ax.set_ylim(bottom=0.0)
    name_axis(ax.xaxis, labels)
    ax.set_xlabel("observation")
    ax.set_ylabel(quantity)
    finish(ax, title, legend=False)
    return outside_legend(
        ax, [] if field is None else named_styles(names), heading=None if still else time_label(unit)
    )


def individuals(
    observations: ArrayLike,
    actions: ArrayLike,
    *,
    every: int = 1,
    label: str | None = None,
    color: str | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the observations of the first five agents over time, one line each, with markers when they act.

    Parameters
    ----------
    observations : (N, J) array_like of int
    actions : (N, J) array_like of int
        -1 if the agent does not act.
    every : int, optional
        Steps from one column to the next.
    """
    places = _checks.numbers(observations, "observations", None, None)
    taken = _checks.numbers(actions, "actions", *places.shape)
    shown = min(len(places), INDIVIDUALS)
    ax, first, colors = laid_over(ax, shown, label, color, width=6.0)
    steps = check.as_positive_int(every, "every") * np.arange(places.shape[1], dtype=np.float64)
    for i, own in enumerate(colors):
        aside = 0.12 * (i - (shown - 1) / 2)  # lines of agents at one observation are side by side
        acts = taken[i] >= 0
        ax.plot(steps, places[i] + aside, drawstyle="steps-post", color=own, linewidth=1.0, alpha=0.6)
        ax.plot(steps[acts], places[i, acts] + aside, linestyle="none", color=own, marker=marker_of(first + i),
                markersize=4.2, label=named(label, f"agent {i}"))  # fmt: skip
    time_axis(ax, steps, "steps")
    if places.max() < MOST_NAMED:
        name_axis(ax.yaxis, [str(o) for o in range(int(places.max()) + 1)])
    ax.set_ylabel("observation (marker: acts)")
    finish(ax, title, legend=False)
    return outside_legend(ax, [])


def _largest(
    values: NDArray[np.floating[Any]], labels: Sequence[str], shares: bool
) -> tuple[NDArray[np.intp], list[str]]:
    """The observations that have their own line, in order, and the names of all lines."""
    n = values.shape[1]
    if n <= MOST_LINES:
        return np.arange(n), list(labels)
    largest = np.sort(np.argsort(-values.mean(axis=0), kind="stable")[:LARGEST])
    rest = [f"the other {n - LARGEST:,} together"] if shares else []
    return largest, [labels[o] for o in largest] + rest


def _gathered(values: NDArray[np.floating[Any]], chosen: NDArray[np.intp], shares: bool) -> NDArray[np.floating[Any]]:
    """Values of the chosen observations and, for shares, the sum of the others, (..., lines)."""
    picked = values[..., chosen]
    if not shares or len(chosen) == values.shape[-1]:
        return picked
    rest = values.sum(axis=-1, keepdims=True) - picked.sum(axis=-1, keepdims=True)
    return np.concatenate([picked, np.maximum(rest, 0.0)], axis=-1)
