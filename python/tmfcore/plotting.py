"""Pictures of solved games: one function per picture, each draws on one Axes and returns it.

Nothing here computes or shows. matplotlib (extra ``app``) is imported when a picture is drawn, and only its object
interface is used: no pyplot, no global list of figures, no choice of a screen: it works on a server as in a notebook.
Give ``ax=`` to draw into a figure of your own; without it a new one is made (``ax.figure``).

Colours are Okabe and Ito's set, which readers with the common colour-vision deficiencies tell apart, and every line
also has a marker of its own, so the pictures survive a black-and-white printer.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tmfcore import _files

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "ErrorLine",
    "bound",
    "convergence",
    "exploitability",
    "figure",
    "fluctuations",
    "population",
    "returns",
    "save",
]

#: Okabe and Ito (2008), without the yellow that vanishes on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GUIDE = "#666666"
DPI = 150


class ErrorLine(NamedTuple):
    """One line of :func:`convergence`.

    Attributes
    ----------
    n_agents : (K,) array_like
        Population sizes N.
    error, low, high : (K,) array_like
        Mean distance to the mean field and its 95% interval, in units of probability (l1 norm, 0 to 2).
    slope, slope_se : float
        Fitted slope of log error on log N, and its standard error.
    """

    n_agents: ArrayLike
    error: ArrayLike
    low: ArrayLike
    high: ArrayLike
    slope: float
    slope_se: float


def figure(
    columns: int,
    rows: int = 1,
    *,
    width: float = 4.8,
    height: float = 3.6,
    title: str = "",
    share_y: bool = False,
) -> tuple[Figure, list[Axes]]:
    """Return a new figure and its ``rows * columns`` Axes, row by row; `width` and `height` in inches for one panel."""
    from matplotlib.figure import Figure

    new = Figure(figsize=(width * columns, height * rows), layout="constrained")
    if title:
        new.suptitle(title, fontsize=12)
    panels = new.subplots(rows, columns, squeeze=False, sharey="row" if share_y else False)
    return new, list(panels.ravel())


def save(picture: Figure, path: str | os.PathLike[str], *, dpi: int = DPI) -> None:
    """Write a figure to `path` as PNG, all of it or nothing.

    Raises
    ------
    OSError
        The folder is missing or cannot be written to.
    """
    with _files.replacing(path) as file:
        picture.savefig(file, dpi=dpi, format="png")


def exploitability(
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    goal: float | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw relative exploitability against solver iterations, on a log scale: one line each, ending in a marker.

    Parameters
    ----------
    lines : mapping of label to (iterations, values)
        ``iterations`` (I,) int; ``values`` (I,) exploitability / abs(mean return), a fraction: 0.005 is drawn as 0.5%.
        Values of zero or below have no place on a log scale and are left out.
    goal : float, optional
        A fraction, drawn as a dashed line.
    """
    ax = _axes(ax)
    for k, (label, (iterations, values)) in enumerate(lines.items()):
        x, y = np.asarray(iterations, dtype=np.float64), 100.0 * np.asarray(values, dtype=np.float64)
        seen = np.isfinite(y) & (y > 0)
        ax.plot(
            x[seen],
            y[seen],
            color=_color(k),
            marker=_marker(k),
            linewidth=1.6,
            markersize=7,
            markevery=[-1],
            label=label,
        )
    ax.set_yscale("log")
    if goal is not None:
        ax.axhline(100.0 * goal, color=GUIDE, linestyle="--", linewidth=1.2, label=f"goal {100 * goal:g}%")
    _log_ticks(ax, "%")
    ax.set_xlabel("iteration")
    ax.set_ylabel("exploitability / |mean return|")
    return _finish(ax, title)


def returns(
    labels: Sequence[str],
    mean: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    mean_field: ArrayLike,
    *,
    tolerance: float | None = None,
    legend: bool = True,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the mean return of N agents with intervals beside the mean-field return of the same policy.

    Parameters
    ----------
    labels : (K,) sequence of str
        One schedule each.
    mean, low, high : (K,) array_like
        N-agent discounted return per agent, and its interval.
    mean_field : (K,) array_like
        Return of the limit.
    tolerance : float, optional
        A fraction: a band of +- tolerance around each mean-field return.
    """
    ax = _axes(ax)
    x = np.arange(len(labels), dtype=np.float64)
    centre, limit = np.asarray(mean, dtype=np.float64), np.asarray(mean_field, dtype=np.float64)
    ends = np.stack([np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)])
    seen = [*ends, limit]
    if tolerance is not None:
        seen += [limit * (1 - tolerance), limit * (1 + tolerance)]
        ax.bar(
            x,
            2 * tolerance * np.abs(limit),
            bottom=limit - tolerance * np.abs(limit),
            width=0.5,
            color="#DDDDDD",
            label=f"mean field \u00b1 {100 * tolerance:g}%",
        )
    ax.hlines(limit, x - 0.25, x + 0.25, color=PALETTE[1], linewidth=2, label="mean field")
    ax.errorbar(
        x,
        centre,
        yerr=np.abs(ends - centre),
        color=PALETTE[0],
        marker="o",
        markersize=5,
        linestyle="none",
        capsize=5,
        linewidth=1.6,
        label="N agents, 95% interval",
    )
    ax.set_xticks(x, labels)
    ax.set_xlim(-0.6, len(labels) - 0.4)
    bottom, top = float(np.min(seen)), float(np.max(seen))
    ax.set_ylim(bottom - 0.06 * (top - bottom), top + 0.06 * (top - bottom))
    ax.set_xlabel("agents acting at each step")
    ax.set_ylabel("discounted return per agent")
    ax.grid(axis="x", visible=False)
    return _finish(ax, title, legend=legend)


def population(
    times: ArrayLike,
    agents: ArrayLike,
    field_times: ArrayLike,
    field: ArrayLike,
    labels: Sequence[str],
    *,
    spread: tuple[ArrayLike, ArrayLike] | None = None,
    marker_every: int = 1,
    legend: bool = True,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw mu over time: N agents (markers) over the mean field (lines), one colour for each observation.

    Parameters
    ----------
    times, agents : (J,), (J, S) array_like
        Times in sweeps, and the population distribution of N agents.
    field_times, field : (I,), (I, S) array_like
        The same of the mean-field limit; may be finer.
    labels : (S,) sequence of str
        Names of the observations.
    spread : pair of (J, S) array_like, optional
        Lower and upper edge of a band over replicas.
    marker_every : int
        Draw a marker at every so manyth time.
    """
    ax = _axes(ax)
    at, found = np.asarray(times, dtype=np.float64), np.asarray(agents, dtype=np.float64)
    limit_at, limit = np.asarray(field_times, dtype=np.float64), np.asarray(field, dtype=np.float64)
    for o, (label, color) in enumerate(zip(labels, _ordered_colors(len(labels)), strict=True)):
        if spread is not None:
            low, high = (np.asarray(edge, dtype=np.float64)[:, o] for edge in spread)
            ax.fill_between(at, low, high, color=color, alpha=0.22, linewidth=0)
        ax.plot(limit_at, limit[:, o], color=color, linewidth=1.5, zorder=2)
        x, y = at[::marker_every], found[::marker_every, o]
        ax.plot(x, y, color=color, marker=_marker(o), markersize=3.8, linestyle="none", zorder=3, label=label)
    length = float(limit_at[-1] - limit_at[0])
    ax.set_xlim(float(limit_at[0]) - 0.015 * length, float(limit_at[-1]) + 0.015 * length)
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel("time (sweeps)")
    ax.set_ylabel("share of the population \u03bc")
    _finish(ax, title, legend=False)
    if legend:
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8.5, handletextpad=0.2)
    return ax


def fluctuations(
    times: ArrayLike,
    mean: ArrayLike,
    deviation: ArrayLike,
    labels: Sequence[str],
    *,
    measured: tuple[ArrayLike, ArrayLike, ArrayLike | None] | None = None,
    marker_every: int = 1,
    legend: bool = True,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw what is predicted of mu-hat, mean and a band of two standard deviations, over what was measured.

    Parameters
    ----------
    times, mean, deviation : (J,), (J, S), (J, S) array_like
        Times in sweeps, predicted mean and standard deviation of mu-hat.
    labels : (S,) sequence of str
        Names of the observations.
    measured : (times (K,), mean (K, S), deviation (K, S) or None), optional
        Drawn as markers, with bars of two standard deviations.
    marker_every : int
        Draw a marker at every so manyth measured time.
    """
    ax = _axes(ax)
    at = np.asarray(times, dtype=np.float64)
    centre, spread = np.asarray(mean, dtype=np.float64), np.asarray(deviation, dtype=np.float64)
    for o, (label, color) in enumerate(zip(labels, _ordered_colors(len(labels)), strict=True)):
        low, high = centre[:, o] - 2 * spread[:, o], centre[:, o] + 2 * spread[:, o]
        ax.fill_between(at, low, high, color=color, alpha=0.22, linewidth=0)
        ax.plot(at, centre[:, o], color=color, linewidth=1.5, zorder=2, label=label if measured is None else None)
        if measured is None:
            continue
        bars = None if measured[2] is None else 2 * np.asarray(measured[2], dtype=np.float64)[::marker_every, o]
        ax.errorbar(
            np.asarray(measured[0], dtype=np.float64)[::marker_every],
            np.asarray(measured[1], dtype=np.float64)[::marker_every, o],
            yerr=bars,
            color=color,
            marker=_marker(o),
            markersize=3.8,
            linestyle="none",
            linewidth=1.0,
            capsize=2,
            zorder=3,
            label=label,
        )
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel("time (sweeps)")
    ax.set_ylabel("share of the population \u03bc\u0302")
    _finish(ax, title, legend=False)
    if legend:
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8.5, handletextpad=0.2)
    return ax


def bound(times: ArrayLike, lines: Mapping[str, ArrayLike], *, title: str = "", ax: Axes | None = None) -> Axes:
    """Draw errors against time on a log scale, one line each, markers at about ten times.

    Parameters
    ----------
    times : (J,) array_like
        In sweeps.
    lines : mapping of label to (J,) array_like
        E || mu-hat - mu ||_1; values of zero or below have no place on a log scale and are left out.
    """
    ax = _axes(ax)
    at = np.asarray(times, dtype=np.float64)
    for k, (label, values) in enumerate(lines.items()):
        y = np.asarray(values, dtype=np.float64)
        seen = np.isfinite(y) & (y > 0)
        every = max(1, int(seen.sum()) // 10)
        ax.plot(
            at[seen],
            y[seen],
            color=_color(k),
            marker=_marker(k),
            linewidth=1.6,
            markersize=5,
            markevery=every,
            label=label,
        )
    ax.set_yscale("log")
    _log_ticks(ax)
    ax.set_xlabel("time (sweeps)")
    ax.set_ylabel("E \u2016\u03bc\u0302 \u2212 \u03bc\u2016\u2081")
    return _finish(ax, title)


def convergence(lines: Mapping[str, ErrorLine], *, guide: bool = True, title: str = "", ax: Axes | None = None) -> Axes:
    """Draw the distance between N agents and their mean field against N, log-log, with the fitted slopes in the legend.

    Parameters
    ----------
    lines : mapping of label to ErrorLine
    guide : bool
        Draw the line proportional to 1/sqrt(N) above the data.
    """
    ax = _axes(ax)
    ax.set_xscale("log")
    ax.set_yscale("log")
    for k, (label, line) in enumerate(lines.items()):
        n, error = np.asarray(line.n_agents, dtype=np.float64), np.asarray(line.error, dtype=np.float64)
        bars = np.abs(np.stack([np.asarray(line.low), np.asarray(line.high)]) - error)
        slope = f":  slope {line.slope:.3f} \u00b1 {line.slope_se:.3f}" if np.isfinite(line.slope) else ""
        ax.errorbar(
            n,
            error,
            yerr=bars,
            color=_color(k),
            marker=_marker(k),
            markersize=max(9.0 - 1.8 * k, 3.0),  # nested, so that lines on top of each other are all seen
            markerfacecolor="none",
            markeredgewidth=1.5,
            linewidth=1.2,
            capsize=3,
            label=label + slope.replace("-", "\u2212"),
        )
    if guide and lines:
        sizes = np.concatenate([np.asarray(line.n_agents, dtype=np.float64) for line in lines.values()])
        height = max(float(np.max(np.asarray(e.error) * np.sqrt(np.asarray(e.n_agents)))) for e in lines.values())
        ends = np.array([sizes.min(), sizes.max()])
        ax.plot(
            ends,
            1.35 * height / np.sqrt(ends),
            color=GUIDE,
            linestyle="--",
            linewidth=1.2,
            label="guide:  1/\u221aN",
            zorder=1,
        )
    _log_ticks(ax)
    ax.set_xlabel("number of agents N")
    ax.set_ylabel("E \u2016\u03bc\u0302 \u2212 \u03bc\u2016\u2081, mean over time")
    _finish(ax, title, legend=False)
    handles, labels = ax.get_legend_handles_labels()
    if handles:  # lines come before error bars there: the guide goes last
        first = len(handles) > len(lines)
        ax.legend(handles[first:] + handles[:first], labels[first:] + labels[:first], frameon=False, fontsize=9)
    return ax


def _axes(ax: Axes | None) -> Axes:
    return figure(1)[1][0] if ax is None else ax


def _color(k: int) -> str:
    return PALETTE[k % len(PALETTE)]


def _marker(k: int) -> str:
    return MARKERS[k % len(MARKERS)]


def _ordered_colors(n: int) -> list[NDArray[np.float64]] | list[str]:
    """Return n colours: the palette while it lasts, then viridis without its palest end."""
    if n <= len(PALETTE):
        return list(PALETTE[:n])
    from matplotlib import colormaps

    return [np.asarray(rgba) for rgba in colormaps["viridis"](np.linspace(0.0, 0.92, n))]


def _log_ticks(ax: Axes, unit: str = "") -> None:
    """Label a logarithmic y axis at 1, 2 and 5 of each decade, in plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    ax.yaxis.set_major_locator(LogLocator(base=10.0, subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}{unit}"))
    ax.yaxis.set_minor_locator(NullLocator())


def _finish(ax: Axes, title: str, *, legend: bool = True) -> Axes:
    ax.grid(visible=True, which="major", axis="y", color="#E3E3E3", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    if title:
        ax.set_title(title, fontsize=10.5, loc="left")
    if legend:
        ax.legend(frameon=False, fontsize=9)
    return ax
