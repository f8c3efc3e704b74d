"""Curves of studies: values against iterations, trials, steps, time and population sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tmfcore._base import validation as check
from tmfcore._base.options import GIVEN, required
from tmfcore._base.validation import FloatArray
from tmfcore.plotting import _checks
from tmfcore.plotting._canvas import (
    GUIDE,
    finish,
    laid_over,
    log_ticks,
    marker_of,
    named,
    need_matplotlib,
    plain_number,
    time_label,
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ErrorLine(NamedTuple):
    """One line of :func:`convergence`.

    Attributes
    ----------
    n_agents : (K,) array_like
        Population sizes N.
    error, low, high : (K,) array_like
        Mean distance to the mean field (l1 norm, 0 to 2) and its interval.
    slope, slope_half : float
        Fitted slope of log error on log N, and half the width of its interval, for the legend.
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
    goal_label: str | None = None,
    relative: bool = True,
    label: str | None = None,
    color: str | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw exploitability against solver iterations, on a log scale: one line each, ending in a marker.

    Parameters
    ----------
    lines : mapping of label to (iterations, values)
        ``iterations`` (I,) int; ``values`` (I,) exploitability / abs(mean return), a fraction: 0.005 is drawn as 0.5%.
        Values <= 0 cannot be drawn on a log scale and are omitted.
    goal : float, optional
        A fraction, drawn as a dashed line.
    goal_label : str or None
        Its name in the legend, before its value; only with a `goal`. None: "goal".
    relative : bool
        False: ``values`` and `goal` are in units of return, and drawn as they are.
    label, color : str, optional
        Text before the name of each line in the legend, and one colour for all lines.
    """
    given = {label: _curve(line, f"lines[{label!r}]") for label, line in _checks.by_label(lines).items()}
    goal = None if goal is None else _checks.number(goal, "goal")
    required("goal_label", goal_label, "goal", goal, GIVEN)
    goal_label = "goal" if goal_label is None else goal_label
    _checks.texts(goal_label=goal_label)
    _checks.flags(relative=relative)
    need_matplotlib()
    from matplotlib.ticker import MaxNLocator

    ax, first, colors = laid_over(ax, len(given), label, color)
    scale, unit = (100.0, "%") if relative else (1.0, "")
    drawn = 0
    for k, (name, (x, values)) in enumerate(given.items()):
        y = scale * values
        seen = np.isfinite(y) & (y > 0)
        drawn += int(seen.sum())
        ax.plot(
            x[seen],
            y[seen],
            color=colors[k],
            marker=marker_of(first + k),
            linewidth=1.6,
            markersize=7,
            markevery=[-1],
            label=named(label, name),
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
    if not relative:  # space above the line for a legend as wide as the picture
        low, high = ax.get_ylim()
        ax.set_ylim(low, high * (high / low) ** 0.2)
    log_ticks(ax, unit)
    ax.xaxis.set_major_locator(MaxNLocator(7, integer=True, steps=(1, 2, 5, 10)))
    ax.set_xlabel("iteration")
    ax.set_ylabel("exploitability / |mean return|" if relative else "exploitability (units of return)")
    return finish(ax, title)


def trials(
    values: ArrayLike,
    *,
    quantity: str = "",
    label: str | None = None,
    color: str | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the value of each trial of a search on a log scale, and the best so far as a line.

    Parameters
    ----------
    values : (n,) array_like
        The minimised values; infinite if a trial failed, and then not drawn.
    quantity : str, optional
        Name of the values.
    label, color : str, optional
        Text before "trial" and "best so far" in the legend, and the colour of both.
    """
    y = _checks.numbers(values, "values", None, gaps=True)
    _checks.texts(quantity=quantity)
    ax, first, (own,) = laid_over(ax, 1, label, color)
    tried = np.arange(len(y))
    seen = np.isfinite(y) & (y > 0)
    best = np.minimum.accumulate(np.where(seen, y, np.inf))
    ax.plot(tried[seen], y[seen], linestyle="none", marker=marker_of(first), markersize=5, color=own, alpha=0.6,
            label=named(label, "trial"))  # fmt: skip
    ax.plot(tried[np.isfinite(best)], best[np.isfinite(best)], drawstyle="steps-post", color=own, linewidth=1.6,
            label=named(label, "best so far"))  # fmt: skip
    ax.set_yscale("log")
    log_ticks(ax)
    ax.set_xlabel("trial (0: the settings given)")
    ax.set_ylabel(quantity)
    return finish(ax, title)


def by_step(
    lines: Mapping[str, ArrayLike],
    level: float,
    *,
    level_label: str,
    quantity: str,
    x_label: str = "step t",
    label: str | None = None,
    color: str | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw values against the steps of a game, or rounds, one line for each label, and a level to compare them with.

    Parameters
    ----------
    lines : mapping of label to (T,) array_like
        NaN for steps without a value.
    level, level_label : float, str
        Drawn as a dashed line.
    quantity : str
        Name of the values.
    x_label : str, optional
        What is counted along the axis, from 0.
    label, color : str, optional
        Text before the name of each line in the legend, and one colour for all lines.
    """
    given = {
        label: _checks.numbers(line, f"lines[{label!r}]", None, gaps=True)
        for label, line in _checks.by_label(lines).items()
    }
    level = _checks.number(level, "level")
    _checks.texts(level_label=level_label, quantity=quantity, x_label=x_label)
    need_matplotlib()
    from matplotlib.ticker import MaxNLocator

    ax, first, colors = laid_over(ax, len(given), label, color)
    for k, (name, y) in enumerate(given.items()):
        every = max(1, len(y) // 10)
        ax.plot(np.arange(len(y)), y, color=colors[k], marker=marker_of(first + k), markevery=every, linewidth=1.6,
                markersize=5, label=named(label, name))  # fmt: skip
    ax.axhline(level, color=GUIDE, linestyle="--", linewidth=1.2, label=level_label if first == 0 else None)
    ax.xaxis.set_major_locator(MaxNLocator(7, integer=True, steps=(1, 2, 5, 10)))
    ax.set_xlabel(x_label)
    ax.set_ylabel(quantity)
    return finish(ax, title)


def bound(
    times: ArrayLike,
    lines: Mapping[str, ArrayLike],
    *,
    unit: str = "sweeps",
    label: str | None = None,
    color: str | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw errors against time on a log scale, one line each, markers at about ten times.

    Parameters
    ----------
    times : (J,) array_like
    lines : mapping of label to (J,) array_like
        E || mu-hat - mu ||_1; values <= 0 cannot be drawn on a log scale and are omitted.
    unit : {"sweeps", "steps"}
        Unit of the times.
    label, color : str, optional
        Text before the name of each line in the legend, and one colour for all lines.
    """
    at = _checks.numbers(times, "times", None)
    given = {
        label: _checks.numbers(line, f"lines[{label!r}]", len(at), gaps=True)
        for label, line in _checks.by_label(lines).items()
    }
    _checks.texts(unit=unit)
    ax, first, colors = laid_over(ax, len(given), label, color)
    for k, (name, y) in enumerate(given.items()):
        seen = np.isfinite(y) & (y > 0)
        every = max(1, int(seen.sum()) // 10)
        ax.plot(
            at[seen],
            y[seen],
            color=colors[k],
            marker=marker_of(first + k),
            linewidth=1.6,
            markersize=5,
            markevery=every,
            label=named(label, name),
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
    label: str | None = None,
    color: str | None = None,
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
        The times over which the error is taken, for the y axis.
    label, color : str, optional
        Text before the name of each line in the legend, and one colour for all lines.
    """
    given = {label: _error_line(line, f"lines[{label!r}]") for label, line in _checks.by_label(lines).items()}
    _checks.flags(guide=guide)
    _checks.texts(when=when)
    ax, first, colors = laid_over(ax, len(given), label, color)
    ax.set_xscale("log")
    ax.set_yscale("log")
    for k, (name, line) in enumerate(given.items()):
        n, error = np.asarray(line.n_agents), np.asarray(line.error)
        bars = np.abs(np.stack([np.asarray(line.low), np.asarray(line.high)]) - error)
        slope = f":  slope {line.slope:.3f} \u00b1 {line.slope_half:.3f}" if np.isfinite(line.slope) else ""
        ax.errorbar(
            n,
            error,
            yerr=bars,
            color=colors[k],
            marker=marker_of(first + k),
            markersize=max(9.0 - 1.8 * k, 3.0),  # of different sizes, so that lines on top of each other are visible
            markerfacecolor="none",
            markeredgewidth=1.5,
            linewidth=1.2,
            capsize=3,
            label=named(label, name) + slope.replace("-", "\u2212"),
        )
    if guide and not first:
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
    if handles:  # matplotlib puts lines before error bars: move the guide to the end
        ahead = sum(text.startswith("guide") for text in labels)
        ax.legend(handles[ahead:] + handles[:ahead], labels[ahead:] + labels[:ahead], frameon=False, fontsize=9)
    return ax


def _curve(line: object, name: str) -> tuple[FloatArray, FloatArray]:
    """Iterations and values of a line; values that are NaN or infinite are allowed, and not drawn."""
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
