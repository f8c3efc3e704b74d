"""Estimates with their intervals, compared with references or predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tmfcore._base import validation as check
from tmfcore._base.options import GIVEN, required
from tmfcore.plotting import _checks
from tmfcore.plotting._axes import named_styles, outside_legend
from tmfcore.plotting._canvas import (
    PALETTE,
    axes,
    drawn_already,
    finish,
    marker_of,
    named,
    ordered_colors,
    style_of,
    time_label,
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.axes import Axes

def intervals(
    labels: Sequence[str],
    low: ArrayLike,
    high: ArrayLike,
    *,
    estimate: ArrayLike | None = None,
    reference: ArrayLike | None = None,
    reference_label: str = "mean field",
    confidence: float = 0.95,
    what: str = "",
    tolerance: float | None = None,
    quantity: str = "",
    entries: str = "",
    legend: bool = True,
    label: str | None = None,
    color: str | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw intervals side by side, with estimates and references.

    Parameters
    ----------
    labels : (K,) sequence of str
        Names of the intervals.
    low, high : (K,) array_like
        Their ends; NaN for an interval that does not exist.
    estimate : (K,) array_like, optional
        Estimates, drawn as markers.
    reference : (K,) array_like or number, optional
        References, drawn as lines: for example the mean-field return.
    reference_label : str, optional
        Name of the references in the legend.
    confidence : float, optional
        Level of the intervals, for the legend.
    what : str, optional
        Name of the estimates in the legend.
    tolerance : float, optional
        A fraction; draws a band of +- tolerance around each reference.
    quantity, entries : str, optional
        Labels of the y and x axes.
    label, color : str, optional
        Text before the intervals' name in the legend, and their colour.
    """
    names = _checks.labels(labels)
    n = len(names)
    ends = np.stack([_checks.numbers(low, "low", n, gaps=True), _checks.numbers(high, "high", n, gaps=True)])
    centre = ends.mean(axis=0) if estimate is None else _checks.numbers(estimate, "estimate", n)
    tolerance = None if tolerance is None else _checks.number(tolerance, "tolerance", low=0.0)
    limit = None
    if reference is not None:
        if not check.is_array(reference):
            reference = np.full(n, _checks.number(reference, "reference"))
        limit = _checks.numbers(reference, "reference", n)
    confidence = check.as_float(confidence, "confidence", low=0.0, high=1.0)
    _checks.texts(reference_label=reference_label, what=what, quantity=quantity, entries=entries)
    _checks.flags(legend=legend)
    style_of(label, color)
    ax = axes(ax)
    first = drawn_already(ax)
    x = np.arange(n, dtype=np.float64)
    seen = [*ends, centre]
    if limit is not None:
        seen.append(limit)
        if tolerance is not None:
            half = tolerance * np.abs(limit)
            seen += [limit - half, limit + half]
            ax.bar(x, 2 * half, bottom=limit - half, width=0.5, color="#DDDDDD",
                   label=f"{reference_label} \u00b1 {100 * tolerance:g}%")  # fmt: skip
        ax.hlines(limit, x - 0.25, x + 0.25, color=PALETTE[1], linewidth=2, label=reference_label)
    ax.errorbar(
        x, centre, yerr=np.abs(ends - centre), color=ordered_colors(1, color, first)[0],
        marker="none" if estimate is None else "o", markersize=5, linestyle="none", capsize=5, linewidth=1.6,
        label=named(label, f"{what}, {100 * confidence:g}% interval" if what else f"{100 * confidence:g}% interval"),
    )  # fmt: skip
    ax.set_xticks(x, names, rotation=60 if sum(map(len, names)) > 40 else 0)
    ax.set_xlim(-0.6, n - 0.4)
    finite = [float(value) for row in seen for value in row if np.isfinite(value)]
    if finite:
        bottom, top = min(finite), max(finite)
        around = 0.06 * (top - bottom) or 0.06 * abs(top) or 1.0
        ax.set_ylim(bottom - around, top + around)
    ax.set_xlabel(entries)
    ax.set_ylabel(quantity)
    ax.grid(axis="x", visible=False)
    finish(ax, title, legend=False)
    return outside_legend(ax, []) if legend else ax


def fluctuations(
    times: ArrayLike,
    mean: ArrayLike,
    deviation: ArrayLike,
    labels: Sequence[str],
    *,
    measured: tuple[ArrayLike, ArrayLike, ArrayLike | None] | None = None,
    marker_every: int | None = None,
    unit: str = "sweeps",
    quantity: str = "share of the population \u03bc\u0302",
    legend: bool = True,
    label: str | None = None,
    color: str | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the predicted mean of mu-hat with a band of two standard deviations, and measured values.

    Parameters
    ----------
    times, mean, deviation : (J,), (J, S), (J, S) array_like
        Times, predicted mean and standard deviation of mu-hat.
    labels : (S,) sequence of str
        Names of the observations.
    measured : (times (K,), mean (K, S), deviation (K, S) or None), optional
        Drawn as markers, with bars of two standard deviations.
    marker_every : int or None
        Draw a marker at every marker_every-th measured time; only with `measured`. None: at each.
    unit : {"sweeps", "steps"}
        Unit of the times.
    quantity : str, optional
        Label of the y axis.
    label, color : str, optional
        Text before the name of each line in the legend, and one colour for all lines.
    """
    centre = _checks.numbers(mean, "mean", None, None)
    spread, at = _checks.numbers(deviation, "deviation", *centre.shape), _checks.numbers(times, "times", len(centre))
    labels = _checks.labels(labels, centre.shape[1])
    required("marker_every", marker_every, "measured", measured, GIVEN)
    marker_every = 1 if marker_every is None else check.as_positive_int(marker_every, "marker_every")
    if measured is not None:
        when, seen, bars = _checks.several(measured, "measured", 3, "(times, mean, deviation or None)")
        values = _checks.numbers(seen, "measured[1]", None, centre.shape[1])
        ends = None if bars is None else _checks.numbers(bars, "measured[2]", *values.shape, gaps=True)
        measured = _checks.numbers(when, "measured[0]", len(values)), values, ends
    _checks.texts(unit=unit, quantity=quantity)
    style_of(label, color)
    _checks.flags(legend=legend)
    ax = axes(ax)
    first = 0 if color is not None else drawn_already(ax)
    for o, (text, own) in enumerate(zip(labels, ordered_colors(len(labels), color, first), strict=True)):
        name = named(label, text)
        low, high = centre[:, o] - 2 * spread[:, o], centre[:, o] + 2 * spread[:, o]
        if spread.any():
            ax.fill_between(at, low, high, color=own, alpha=0.22, linewidth=0)
        ax.plot(at, centre[:, o], color=own, linewidth=1.5, zorder=2, label=name if measured is None else None)
        if measured is None:
            continue
        bars = None if measured[2] is None else 2 * np.asarray(measured[2], dtype=np.float64)[::marker_every, o]
        ax.errorbar(
            np.asarray(measured[0], dtype=np.float64)[::marker_every],
            np.asarray(measured[1], dtype=np.float64)[::marker_every, o],
            yerr=bars,
            color=own,
            marker=marker_of(first + o),
            markersize=3.8,
            linestyle="none",
            linewidth=1.0,
            capsize=2,
            zorder=3,
            label=name,
        )
    if centre.min() >= 0:
        ax.set_ylim(bottom=0.0)
    ax.set_xlabel(time_label(unit))
    ax.set_ylabel(quantity)
    finish(ax, title, legend=False)
    return outside_legend(ax, [] if measured is None else named_styles(("measured", "predicted"))) if legend else ax
