"""Estimates with intervals against a parameter: one panel of small multiples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray
from tmfcore.plotting import _checks
from tmfcore.plotting._axes import name_axis
from tmfcore.plotting._canvas import finish, laid_over, log_ticks, marker_of, named

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDE = 50.0  # a positive axis whose ends have this ratio is logarithmic


class EstimateLine(NamedTuple):
    """One line of :func:`estimates`.

    Attributes
    ----------
    x : (K,) array_like
    estimate : (K,) array_like
    low, high : (K,) array_like
        Ends of the intervals; NaN where there is none.
    """

    x: ArrayLike
    estimate: ArrayLike
    low: ArrayLike
    high: ArrayLike


def estimates(
    lines: Mapping[str, EstimateLine],
    *,
    x_label: str = "",
    quantity: str = "",
    confidence: float = 0.95,
    names: Sequence[str] = (),
    label: str | None = None,
    color: str | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw estimates against a parameter, a line with intervals for each value of another one.

    An axis of positive numbers, the largest of which is 50 times the smallest or more, is logarithmic.

    Parameters
    ----------
    lines : mapping of label to EstimateLine
        A line whose label is "" has none.
    x_label, quantity : str, optional
        Labels of the axes.
    confidence : float, optional
        Level of the intervals, for the label of the y axis.
    names : (n,) sequence of str, optional
        Names of the places 0, 1, ..., n-1 along the x axis, if it has no numbers.
    label, color : str, optional
        Text before the name of each line in the legend, and one colour for all lines.
    """
    given = {name: _estimate_line(line, f"lines[{name!r}]") for name, line in _checks.by_label(lines).items()}
    _checks.texts(x_label=x_label, quantity=quantity)
    confidence = check.as_float(confidence, "confidence", low=0.0, high=1.0, low_open=True, high_open=True)
    places = _checks.labels(names, None, "names") if not isinstance(names, (tuple, list)) or len(names) else ()
    ax, first, colors = laid_over(ax, len(given), label, color)
    barred = False
    for k, (name, (x, estimate, low, high)) in enumerate(given.items()):
        bars = np.stack([estimate - low, high - estimate])
        known = np.isfinite(bars).all(axis=0)
        barred = barred or bool(known.any())
        ax.errorbar(
            x, estimate, yerr=np.where(known, np.maximum(bars, 0.0), 0.0), color=colors[k], marker=marker_of(first + k),
            markersize=4.5, linewidth=1.4, linestyle="none" if places else "-", capsize=2.5 if known.any() else 0.0,
            label=named(label, name) if name else label or f"_{k}",
        )  # fmt: skip
    if places:
        name_axis(ax.xaxis, places)
        ax.set_xlim(-0.5, len(places) - 0.5)
    elif _wide([x for x, *_ in given.values()]):
        ax.set_xscale("log")
    if _wide([end for _, *ends in given.values() for end in ends]):
        ax.set_yscale("log")
        log_ticks(ax)
    ax.set_xlabel(x_label)
    level = f", {confidence:.0%} intervals" if barred else ""
    ax.set_ylabel(f"{quantity}{level}" if quantity else level.removeprefix(", "))
    return finish(ax, title, legend=bool(label) or any(given))


def _estimate_line(line: object, name: str) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    x, estimate, low, high = _checks.several(line, name, 4, "an EstimateLine")
    along = _checks.numbers(x, f"{name}.x", None)
    mean = _checks.numbers(estimate, f"{name}.estimate", len(along))
    bottom = _checks.numbers(low, f"{name}.low", len(along), gaps=True)
    return along, mean, bottom, _checks.numbers(high, f"{name}.high", len(along), gaps=True)


def _wide(columns: Sequence[FloatArray]) -> bool:
    """Whether numbers are all positive, and far apart."""
    values = np.concatenate(columns)
    values = values[np.isfinite(values)]
    return bool(values.size and values.min() > 0 and values.max() >= WIDE * values.min())
