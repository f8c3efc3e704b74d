"""Tables as colour maps, side by side: policies, rewards and transition rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tmfcore._base import validation as check
from tmfcore._base.types import PolicyKind
from tmfcore._base.validation import FloatArray
from tmfcore.plotting import _checks
from tmfcore.plotting._axes import name_axis
from tmfcore.plotting._canvas import axes, finish, no_style, time_label
from tmfcore.plotting._courses import TILES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

MOST_TICKS = 24  # most columns named along an axis


def policy(
    probabilities: ArrayLike,
    observation_labels: Sequence[str] = (),
    action_labels: Sequence[str] = (),
    shape: Sequence[int] = (),
    *,
    kind: PolicyKind = "auto",
    length: float | None = None,
    unit: str = "steps",
    label: str | None = None,
    color: str | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the probability of each action at each observation.

    Parameters
    ----------
    probabilities : (L, S, A) array_like
        For L stages of equal length.
    observation_labels, action_labels : (S,), (A,) sequences of str, optional
        Default: numbers.
    shape : sequence of int, optional
        Shape of a grid whose points, row by row, are the observations.
    kind : {"auto", "table", "time", "grid"}, optional
        "table": rows are observations, columns are actions; the mean of the stages. "time": one panel per action, time
        on the x axis, observations on the y axis. "grid": the grid at up to four stages, one row of pictures per
        action; for a single stage the actions side by side. "auto": grid if there is a grid of two axes; else time if
        there are several stages; else table.
    length, unit : float, str, optional
        Length of the game, and its unit. None: L stages.
    label, color : None
        As for other pictures, but must be None, since the picture is a colour map.

    Raises
    ------
    ValueError
        kind is "grid" and the observations do not form a grid of two axes; a label or a color.
    """
    table = _checks.numbers(probabilities, "probabilities", None, None, None)
    n_stages, n_obs, n_act = table.shape
    places = _checks.labels_or_numbers(observation_labels, n_obs, "observation_labels")
    acts = _checks.labels_or_numbers(action_labels, n_act, "action_labels")
    _checks.texts(unit=unit)
    sizes = _checks.grid(shape, n_obs)
    check.as_choice(kind, "kind", PolicyKind)
    no_style(label, color)
    grid = len(sizes) == 2 and min(sizes) > 1
    if kind == "grid" and not grid:
        raise ValueError(f"kind is 'grid'; observations must form a grid of two axes, not {sizes}")
    end = float(n_stages) if length is None else _checks.number(length, "length", low=0.0)
    unit = "stages" if length is None else unit
    if kind == "auto":
        kind = "grid" if grid else "time" if n_stages > 1 else "table"
    common: dict[str, Any] = {"y_labels": places, "ends": (0.0, 1.0), "title": title, "ax": ax}
    if kind == "table":
        what = "probability" + (", mean of the stages" if n_stages > 1 else "")
        return panels(table.mean(axis=0)[np.newaxis], x_labels=acts, x_label="action", quantity=what, **common)
    numbers = all(act.removeprefix("-").isdigit() for act in acts)
    heads = [f"action {act}" if numbers else act for act in acts]
    if kind == "time":
        tables = table.transpose(2, 1, 0)
        return panels(tables, heads, x_label=time_label(unit), x_end=end, quantity="probability", **common)
    at = sorted({round(k) for k in np.linspace(0, n_stages - 1, TILES)})
    tiles = table[at].transpose(2, 0, 1).reshape(n_act, len(at), *sizes)
    beside, below, what = heads, [f"{end * stage / n_stages:g}" for stage in at], time_label(unit)
    if n_stages == 1:  # actions side by side
        tiles, beside, below, what = tiles.swapaxes(0, 1), [], heads, "action"
    ax = mosaic(ax, tiles, beside, below, (0.0, 1.0, "neither"), "probability of the action")
    ax.set_xlabel(what)
    return without_axes(ax, title)


def panels(
    tables: ArrayLike,
    heads: Sequence[str] = (),
    *,
    x_labels: Sequence[str] = (),
    y_labels: Sequence[str] = (),
    x_label: str = "",
    y_label: str = "observation",
    x_end: float | None = None,
    quantity: str = "",
    ends: tuple[float, float] | None = None,
    label: str | None = None,
    color: str | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw tables side by side with one colour scale; rows are observations, the first one on top.

    Parameters
    ----------
    tables : (P, S, X) array_like
        NaN is left blank.
    heads : (P,) sequence of str, optional
        Titles of the tables.
    x_labels, y_labels : (X,), (S,) sequences of str, optional
        Names of columns and rows; default: numbers.
    x_label, y_label : str, optional
        Labels of the axes.
    x_end : float, optional
        Columns divide the interval from 0 to x_end, whose ends are marked.
    quantity : str, optional
        Label of the colour bar.
    ends : (float, float), optional
        Ends of the colour scale.
    label, color : None
        As for other pictures, but must be None, since the picture is a colour map.
    """
    given = _checks.numbers(tables, "tables", None, None, None, gaps=True)
    n, rows, columns = given.shape
    named = not isinstance(heads, (tuple, list)) or len(heads) > 0
    above = _checks.labels(heads, n, "heads") if named else ()
    down = _checks.labels_or_numbers(y_labels, rows, "y_labels")
    across = _checks.labels_or_numbers(x_labels, columns, "x_labels")
    _checks.texts(quantity=quantity, x_label=x_label, y_label=y_label)
    no_style(label, color)
    x_end = None if x_end is None else _checks.number(x_end, "x_end")
    if ends is None:
        known = given[np.isfinite(given)]
        ends = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    low, high = (_checks.number(end, f"ends[{i}]") for i, end in enumerate(_checks.several(ends, "ends", 2, "a pair")))
    ax = axes(ax, width=max(4.8, min(2.4 * n + 1.2, 9.0)), height=max(2.4, min(0.3 * rows + 1.4, 4.8)))
    gap, letters = 0.08, min(8.5, 900 / (n * max(map(len, above), default=1)))  # points: heads fit above their tables
    for k, table in enumerate(given):
        left = k * (1 + gap)
        image = ax.imshow(
            table, cmap="viridis", vmin=low, vmax=high if high > low else low + 1.0, interpolation="nearest",
            aspect="auto", extent=(left, left + 1, rows - 0.5, -0.5),
        )  # fmt: skip
        if above:
            ax.text(left + 0.5, -0.58, above[k], ha="center", va="bottom", fontsize=letters)
    ax.set_xlim(0, n * (1 + gap) - gap)
    _bar(ax, image, quantity)
    name_axis(ax.yaxis, down)
    starts = np.arange(n)[:, np.newaxis] * (1 + gap)
    if x_end is not None:
        ticks, names = (starts + np.arange(2)).ravel(), ["0", f"{x_end:g}"] * n
    else:
        some = np.arange(0, columns, max(1, -(-columns * n // MOST_TICKS)))
        ticks, names = (starts + (some + 0.5) / columns).ravel(), [across[i] for i in some] * n
    crowded = x_end is None and sum(map(len, names)) > 60
    ticked = ax.set_xticks(ticks, names, fontsize=8.5, rotation=60 if crowded else 0)
    if x_end is not None:  # keep the end of one table and the start of the next apart
        for i, tick in enumerate(ticked):
            tick.label1.set_horizontalalignment("right" if i % 2 else "left")
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    return without_axes(ax, title, pad=18.0 if above else 6.0)


def mosaic(
    ax: Axes | None, tiles: FloatArray, heads: Sequence[str], times: Sequence[str], ends: tuple[float, float, str],
    quantity: str, *, peaked: bool = False, grey: Sequence[NDArray[np.bool_]] = (),
) -> Axes:  # fmt: skip
    """Draw grids (strips, times, rows, columns) in one image, heads on the left, times below; `grey` cells by strip."""
    n, k, rows, columns = tiles.shape
    gap = max(1, round(0.06 * max(rows, columns)))
    tall, wide = n * (rows + gap) - gap, k * (columns + gap) - gap
    ax = axes(ax, width=9.0, height=min(max(7.8 * tall / wide + 0.9, 2.0), 8.0))
    from matplotlib.colors import Normalize, PowerNorm

    whole, nobody = np.full((tall, wide), np.nan), np.full((tall, wide), np.nan)
    for i, j in np.ndindex(n, k):
        top, left = i * (rows + gap), j * (columns + gap)
        whole[top : top + rows, left : left + columns] = tiles[i, j]
        if len(grey):
            nobody[top : top + rows, left : left + columns][grey[i]] = 1.0
    low, high, extend = ends
    norm = PowerNorm(0.5, low, high) if peaked else Normalize(low, high)
    image = ax.imshow(whole, cmap="viridis", norm=norm, interpolation="nearest")
    if np.isfinite(nobody).any():
        ax.imshow(nobody, cmap="Greys", vmin=0.0, vmax=2.5, interpolation="nearest")
    _bar(ax, image, quantity, extend)
    ax.set_xticks((columns - 1) / 2 + (columns + gap) * np.arange(k), times)
    middles = (rows - 1) / 2 + (rows + gap) * np.arange(n)
    ax.set_yticks(middles if len(heads) else [], heads, rotation=90, va="center")
    return ax


def without_axes(ax: Axes, title: str, *, pad: float = 6.0) -> Axes:
    """Finish a picture of colour maps: a title, and neither grid nor spines."""
    ax.tick_params(length=0)
    finish(ax, title, legend=False)
    if title:
        ax.set_title(title, fontsize=10.5, loc="left", pad=pad)
    ax.grid(visible=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    return ax


def _bar(ax: Axes, image: AxesImage, quantity: str, extend: str = "neither") -> None:
    """A colour bar as high as the picture."""
    bar = ax.figure.colorbar(image, cax=ax.inset_axes((1.015, 0.0, 0.015, 1.0)), extend=extend)
    bar.set_label(quantity, fontsize=9)
