"""Colour maps over time: observations on a line, and on a grid at a few times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tmfcore.plotting import _checks
from tmfcore.plotting._axes import name_axis, time_axis
from tmfcore.plotting._canvas import axes, finish, time_label
from tmfcore.plotting._courses import SHARE, Course, checked, moments, names_of, scale
from tmfcore.plotting._panels import mosaic, without_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_COLUMNS = 400  # most times in a heat map: more could not be seen
PEAKED = 10.0  # if the largest share exceeds the mean by this factor, the colour scale is that of square roots


def heat(
    course: Course,
    labels: Sequence[str],
    *,
    shares: bool = True,
    quantity: str = SHARE,
    unit: str = "sweeps",
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw values as colours, time on the x axis, observations on the y axis. Parameters as in `over_time`.

    For shares the colour scale covers the values after the first quarter of the time. If earlier values are larger, for
    example because all agents start at one observation, the end of the colour bar is pointed.
    """
    course, labels, _ = checked(course, labels, None, shares, quantity, unit)
    ax = axes(ax, width=6.0)
    keep = np.unique(np.linspace(0, len(course.times) - 1, MOST_COLUMNS).round().astype(int))
    times, values = course.times[keep], course.values[keep]
    n = values.shape[1]
    low, high, extend = scale(times, values, shares)
    mesh = ax.pcolormesh(_edges(times), np.arange(n + 1) - 0.5, values.T, cmap="viridis", vmin=low, vmax=high,
                         rasterized=True)  # fmt: skip
    ax.figure.colorbar(mesh, ax=ax, label=quantity, extend=extend, fraction=0.05, pad=0.02)
    time_axis(ax, times, unit, margin=0.0)
    name_axis(ax.yaxis, labels)
    ax.set_ylabel("observation")
    finish(ax, title, legend=False)
    ax.grid(visible=False)
    return ax


def snapshots(
    course: Course,
    shape: Sequence[int],
    *,
    field: Course | None = None,
    shares: bool = True,
    quantity: str = SHARE,
    names: tuple[str, str] | None = None,
    unit: str = "sweeps",
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the grid at four times side by side, with one colour scale; with a `field` its grids are a second row.

    Parameters are those of `over_time`. Row 0 of the grid is on top. The colour scale is that of `heat`; it uses square
    roots if shares reach more than ten times their mean. In a grid of three axes each layer is a row of pictures, the
    first layer at the bottom; this needs field=None. Points whose share is 0 at all times, such as obstacles, are grey.
    """
    course, _, field = checked(course, None, field, shares, quantity, unit, named=False)
    names = names_of(names, field)
    shape = _checks.grid(shape, course.values.shape[1])
    if not 2 <= len(shape) <= 3:
        raise ValueError(f"shape is {shape}; must be a grid of two axes or three")
    rows, columns = shape[-2:]
    at = moments(course.times)
    layers = course.values[at].reshape(len(at), -1, rows * columns)[:, ::-1]
    strips = list(layers.swapaxes(0, 1))
    heads = [f"layer {i}" for i in range(len(strips))][::-1] if len(shape) == 3 else []
    empty = shares & ~(course.values.any(axis=0) | (False if field is None else field.values.any(axis=0)))
    if field is not None:
        heads = list(names)
        there = [int(np.abs(field.times - time).argmin()) for time in course.times[at]]
        strips.append(field.values[there])
    low, high, extend = scale(course.times[at], np.concatenate(strips, axis=1), shares)
    peaked = bool(shares and high > PEAKED * np.mean(strips))
    floors = empty.reshape(-1, rows, columns)[::-1]
    ax = mosaic(
        ax, np.stack(strips).reshape(len(strips), len(at), rows, columns), heads,
        [f"{time:g}" for time in course.times[at]], (0.0 if peaked else low, high, extend), quantity, peaked=peaked,
        grey=[floors[i % len(floors)] for i in range(len(strips))],
    )  # fmt: skip
    ax.set_xlabel(time_label(unit) + ("; grey: no agents at any time" if empty.any() else ""))
    return without_axes(ax, title)


def _edges(times: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Edges of the cells around the times, (J+1,)."""
    if len(times) == 1:
        return np.array([times[0] - 0.5, times[0] + 0.5])
    middles = (times[1:] + times[:-1]) / 2
    return np.concatenate([[times[0]], middles, [times[-1]]])
