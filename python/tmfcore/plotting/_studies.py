"""Pictures of studies: numbers against iterations, population sizes, schedules and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray
from tmfcore.plotting import _checks
from tmfcore.plotting._canvas import (
    GUIDE,
    PALETTE,
    axes,
    color_of,
    finish,
    log_ticks,
    marker_of,
    need_matplotlib,
    ordered_colors,
    plain_number,
    time_label,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ErrorLine(NamedTuple):
    """One line of :func:`convergence`.

    Attributes
    ----------
    n_agents : (K,) array_like
        Population sizes N.
    error, low, high : (K,) array_like
        Mean distance to the mean field and its interval, in units of probability (l1 norm, 0 to 2).
    slope, slope_half : float
        Fitted slope of log error on log N, and half the width of its interval: the legend says slope +- half.
    """

    n_agents: ArrayLike
    error: ArrayLike
    low: ArrayLike
    high: ArrayLike
    slope: float
    slope_half: float


def exploitability(
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    goal: float | None = None,
    goal_label: str = "goal",
    relative: bool = True,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw exploitability against solver iterations, on a log scale: one line each, ending in a marker.

    Parameters
    ----------
    lines : mapping of label to (iterations, values)
        ``iterations`` (I,) int; ``values`` (I,) exploitability / abs(mean return), a fraction: 0.005 is drawn as 0.5%.
        Values of zero or below have no place on a log scale and are left out.
    goal : float, optional
        A fraction, drawn as a dashed line.
    goal_label : str
        What it is called in the legend, before its value.
    relative : bool
        False: ``values`` and `goal` are in units of return, and drawn as they are.
    """
    given = {label: _curve(line, f"lines[{label!r}]") for label, line in _checks.by_label(lines).items()}
    goal = None if goal is None else _checks.number(goal, "goal")
    _checks.texts(goal_label=goal_label)
    _checks.flags(relative=relative)
    need_matplotlib()
    from matplotlib.ticker import MaxNLocator

    ax = axes(ax)
    scale, unit = (100.0, "%") if relative else (1.0, "")
    drawn = 0
    for k, (label, (x, values)) in enumerate(given.items()):
        y = scale * values
        seen = np.isfinite(y) & (y > 0)
        drawn += int(seen.sum())
        ax.plot(
            x[seen],
            y[seen],
            color=color_of(k),
            marker=marker_of(k),
            linewidth=1.6,
            markersize=7,
            markevery=[-1],
            label=label,
        )
    ax.set_yscale("log")
    if not drawn:
        ax.text(0.5, 0.5, "no exploitability above 0", transform=ax.transAxes, ha="center", color=GUIDE)
    left, right = ax.get_xlim()
    if right - left < 1:  # a single iteration
        ax.set_xlim((left + right) / 2 - 0.5, (left + right) / 2 + 0.5)
    if goal is not None and goal > 0:
        ax.axhline(scale * goal, color=GUIDE, linestyle="--", linewidth=1.2,
                   label=f"{goal_label} {plain_number(float(f'{scale * goal:.3g}'))}{unit}")  # fmt: skip
    if not relative:  # room for a legend as wide as the picture, where the line is highest
        low, high = ax.get_ylim()
        ax.set_ylim(low, high * (high / low) ** 0.2)
    log_ticks(ax, unit)
    ax.xaxis.set_major_locator(MaxNLocator(7, integer=True, steps=(1, 2, 5, 10)))
    ax.set_xlabel("iteration")
    ax.set_ylabel("exploitability / |mean return|" if relative else "exploitability (units of return)")
    return finish(ax, title)


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
    labels = _checks.labels(labels)
    n = len(labels)
    centre, limit = _checks.numbers(mean, "mean", n), _checks.numbers(mean_field, "mean_field", n)
    ends = np.stack([_checks.numbers(low, "low", n), _checks.numbers(high, "high", n)])
    tolerance = None if tolerance is None else _checks.number(tolerance, "tolerance", low=0.0)
    _checks.flags(legend=legend)
    ax = axes(ax)
    x = np.arange(n, dtype=np.float64)
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
    return finish(ax, title, legend=legend)


def fluctuations(
    times: ArrayLike,
    mean: ArrayLike,
    deviation: ArrayLike,
    labels: Sequence[str],
    *,
    measured: tuple[ArrayLike, ArrayLike, ArrayLike | None] | None = None,
    marker_every: int = 1,
    unit: str = "sweeps",
    legend: bool = True,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw what is predicted of mu-hat, mean and a band of two standard deviations, over what was measured.

    Parameters
    ----------
    times, mean, deviation : (J,), (J, S), (J, S) array_like
        Times, predicted mean and standard deviation of mu-hat.
    labels : (S,) sequence of str
        Names of the observations.
    measured : (times (K,), mean (K, S), deviation (K, S) or None), optional
        Drawn as markers, with bars of two standard deviations.
    marker_every : int
        Draw a marker at every so manyth measured time.
    unit : {"sweeps", "steps"}
        Of the times.
    """
    centre = _checks.numbers(mean, "mean", None, None)
    spread, at = _checks.numbers(deviation, "deviation", *centre.shape), _checks.numbers(times, "times", len(centre))
    labels = _checks.labels(labels, centre.shape[1])
    marker_every = check.as_positive_int(marker_every, "marker_every")
    if measured is not None:
        when, seen, bars = _checks.several(measured, "measured", 3, "(times, mean, deviation or None)")
        values = _checks.numbers(seen, "measured[1]", None, centre.shape[1])
        ends = None if bars is None else _checks.numbers(bars, "measured[2]", *values.shape, gaps=True)
        measured = _checks.numbers(when, "measured[0]", len(values)), values, ends
    _checks.texts(unit=unit)
    _checks.flags(legend=legend)
    ax = axes(ax)
    for o, (label, color) in enumerate(zip(labels, ordered_colors(len(labels)), strict=True)):
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
            marker=marker_of(o),
            markersize=3.8,
            linestyle="none",
            linewidth=1.0,
            capsize=2,
            zorder=3,
            label=label,
        )
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel(time_label(unit))
    ax.set_ylabel("share of the population \u03bc\u0302")
    finish(ax, title, legend=False)
    if legend:
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8.5, handletextpad=0.2)
    return ax


def by_step(
    lines: Mapping[str, ArrayLike],
    level: float,
    *,
    level_label: str,
    quantity: str,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw numbers that belong to the steps of a game, one line each, and a level they are held against.

    Parameters
    ----------
    lines : mapping of label to (T,) array_like
        NaN where a step has no number.
    level, level_label : float, str
        Drawn as a dashed line.
    quantity : str
        What the numbers are.
    """
    given = {
        label: _checks.numbers(line, f"lines[{label!r}]", None, gaps=True)
        for label, line in _checks.by_label(lines).items()
    }
    level = _checks.number(level, "level")
    _checks.texts(level_label=level_label, quantity=quantity)
    need_matplotlib()
    from matplotlib.ticker import MaxNLocator

    ax = axes(ax)
    for k, (label, y) in enumerate(given.items()):
        every = max(1, len(y) // 10)
        ax.plot(np.arange(len(y)), y, color=color_of(k), marker=marker_of(k), markevery=every, linewidth=1.6,
                markersize=5, label=label)  # fmt: skip
    ax.axhline(level, color=GUIDE, linestyle="--", linewidth=1.2, label=level_label)
    ax.xaxis.set_major_locator(MaxNLocator(7, integer=True, steps=(1, 2, 5, 10)))
    ax.set_xlabel("step t")
    ax.set_ylabel(quantity)
    return finish(ax, title)


def bound(
    times: ArrayLike,
    lines: Mapping[str, ArrayLike],
    *,
    unit: str = "sweeps",
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw errors against time on a log scale, one line each, markers at about ten times.

    Parameters
    ----------
    times : (J,) array_like
    lines : mapping of label to (J,) array_like
        E || mu-hat - mu ||_1; values of zero or below have no place on a log scale and are left out.
    unit : {"sweeps", "steps"}
        Of the times.
    """
    at = _checks.numbers(times, "times", None)
    given = {
        label: _checks.numbers(line, f"lines[{label!r}]", len(at), gaps=True)
        for label, line in _checks.by_label(lines).items()
    }
    _checks.texts(unit=unit)
    ax = axes(ax)
    for k, (label, y) in enumerate(given.items()):
        seen = np.isfinite(y) & (y > 0)
        every = max(1, int(seen.sum()) // 10)
        ax.plot(
            at[seen],
            y[seen],
            color=color_of(k),
            marker=marker_of(k),
            linewidth=1.6,
            markersize=5,
            markevery=every,
            label=label,
        )
    ax.set_yscale("log")
    log_ticks(ax)
    ax.set_xlabel(time_label(unit))
    ax.set_ylabel("E \u2016\u03bc\u0302 \u2212 \u03bc\u2016\u2081")
    return finish(ax, title)


def convergence(
    lines: Mapping[str, ErrorLine],
    *,
    guide: bool = True,
    when: str = "mean over time",
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the distance between N agents and their mean field against N, log-log, with the fitted slopes in the legend.

    Parameters
    ----------
    lines : mapping of label to ErrorLine
    guide : bool
        Draw the line proportional to 1/sqrt(N) above the data.
    when : str
        The times the error is of.
    """
    given = {label: _error_line(line, f"lines[{label!r}]") for label, line in _checks.by_label(lines).items()}
    _checks.flags(guide=guide)
    _checks.texts(when=when)
    ax = axes(ax)
    ax.set_xscale("log")
    ax.set_yscale("log")
    for k, (label, line) in enumerate(given.items()):
        n, error = np.asarray(line.n_agents), np.asarray(line.error)
        bars = np.abs(np.stack([np.asarray(line.low), np.asarray(line.high)]) - error)
        slope = f":  slope {line.slope:.3f} \u00b1 {line.slope_half:.3f}" if np.isfinite(line.slope) else ""
        ax.errorbar(
            n,
            error,
            yerr=bars,
            color=color_of(k),
            marker=marker_of(k),
            markersize=max(9.0 - 1.8 * k, 3.0),  # nested, so that lines on top of each other are all seen
            markerfacecolor="none",
            markeredgewidth=1.5,
            linewidth=1.2,
            capsize=3,
            label=label + slope.replace("-", "\u2212"),
        )
    if guide:
        sizes = np.concatenate([np.asarray(line.n_agents) for line in given.values()])
        height = max(float(np.max(np.asarray(e.error) * np.sqrt(np.asarray(e.n_agents)))) for e in given.values())
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
    log_ticks(ax)
    ax.set_xlabel("number of agents N")
    ax.set_ylabel(f"E \u2016\u03bc\u0302 \u2212 \u03bc\u2016\u2081, {when}")
    finish(ax, title, legend=False)
    handles, labels = ax.get_legend_handles_labels()
    if handles:  # lines come before error bars there: the guide goes last
        first = len(handles) > len(given)
        ax.legend(handles[first:] + handles[:first], labels[first:] + labels[:first], frameon=False, fontsize=9)
    return ax


def _curve(line: object, name: str) -> tuple[FloatArray, FloatArray]:
    """Iterations and values of a line; values may be NaN or infinite, and are then not drawn."""
    x, y = _checks.several(line, name, 2, "a pair (iterations, values)")
    iterations = _checks.numbers(x, f"{name}[0]", None)
    return iterations, _checks.numbers(y, f"{name}[1]", len(iterations), gaps=True)


def _error_line(line: object, name: str) -> ErrorLine:
    """An ErrorLine of float64 arrays; its slope may be NaN."""
    fields = _checks.several(line, name, len(ErrorLine._fields), "an ErrorLine")
    n_agents = check.as_float_array(
        fields[0], f"{name}.n_agents", shape=(None,), low=0.0, low_open=True, high=_checks.LARGEST
    )
    error, low, high = (
        _checks.numbers(value, f"{name}.{field}", len(n_agents))
        for field, value in zip(("error", "low", "high"), fields[1:4], strict=True)
    )
    slope, half = (
        float(_checks.numbers(value, f"{name}.{field}", gaps=True))
        for field, value in zip(ErrorLine._fields[4:], fields[4:], strict=True)
    )
    return ErrorLine(n_agents, error, low, high, slope, half)
