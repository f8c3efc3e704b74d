"""Pictures of one number of every observation over time: shares of the population, or values.

over_time      the picture that suits the observations
lines          a line for each of a few observations, or for the largest of many and the rest
places         lines of observations added up that differ in a detail only: vehicles by link, wherever on it
heat           observations on a line: time to the right, observations upwards, colour
profiles       the same at a few times, a line each
snapshots      observations on a grid of two axes, at a few times side by side
population     N agents (markers) over the mean field (lines)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tmfcore._base import validation as check
from tmfcore.plotting import _checks
from tmfcore.plotting._canvas import GUIDE, axes, finish, marker_of, need_matplotlib, ordered_colors, time_label
from tmfcore.plotting._places import by_place, places_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

KINDS = ("auto", "lines", "places", "heat", "profiles", "snapshots")
SHARE = "share of the population \u03bc"

MOST_LINES = 10  # observations with a line each; of more ...
LARGEST = 7  # ... so many, and the rest as one
MOST_NAMED, MOST_NUMBERED = 256, 4000  # observations of a heat map that nobody asked for, with names and without
MOST_NAMES = 25  # observations all named along an axis
MOST_COLUMNS = 400  # times of a heat map: more are not seen
FAINT = 8  # replicas drawn one by one; of more, a band
BAND = (0.05, 0.95)
MARKERS_A_LINE = 8
TILES = 4  # times of profiles and snapshots
EARLY = 0.25  # of the time: shares larger than all later ones are off the scale of colours
STEPS = (1, 2, 5, 10)  # between ticks
STILL = 1e-6  # relative difference of profiles up to which they are one
PEAKED = 10.0  # shares so many times their mean get a scale of colours on which small ones differ
CROWDING = 2.0  # the rest of many is drawn where it is at most so many times the largest


class Course(NamedTuple):
    """One number of every observation over time.

    Attributes
    ----------
    times : (J,) float64
    values : (J, S) float64
    """

    times: NDArray[np.floating[Any]]
    values: NDArray[np.floating[Any]]


def over_time(
    course: Course,
    labels: Sequence[str],
    shape: Sequence[int] = (),
    *,
    kind: str = "auto",
    field: Course | None = None,
    replicas: ArrayLike | None = None,
    shares: bool = True,
    quantity: str = SHARE,
    names: tuple[str, str] = ("N agents", "mean field"),
    unit: str = "sweeps",
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw a course by the picture that suits its observations.

    Parameters
    ----------
    course : Course
        Of S observations.
    labels : (S,) sequence of str
        Names of the observations.
    shape : sequence of int, optional
        Observations as points of a grid, row by row.
    kind : {"auto", "lines", "places", "heat", "profiles", "snapshots"}, optional
        "auto": snapshots on a grid of two axes, or of three where there is no `field`; else profiles where there are no
        more than two times; else lines for up to 10 observations; else places where observations of more than one
        detail have labels "place, detail"; else a heat map, or profiles where there is a `field` to compare with; of
        more than 256 observations with names, or 4000 with numbers, lines of the largest.
    field : Course, optional
        The same of the mean field, drawn with it; not by "heat".
    replicas : (R, J, S) array_like, optional
        What `course` is the mean of; drawn by "lines".
    shares : bool, optional
        Whether values are shares of one whole: drawn from 0, and of many observations the largest and the rest.
    quantity, unit : str, optional
        What is drawn, and the unit of time.
    names : (str, str), optional
        What `course` and `field` are, for legends.

    Raises
    ------
    ValueError
        kind is "snapshots" and the grid has not two axes, or "heat" with a field, or "places" of values that are no
        shares.
    """
    course, labels, field = _checked(course, labels, field, shares, quantity, unit)
    shape = _checks.grid(shape, len(labels))
    check.as_choice(kind, "kind", KINDS)
    grid = min(shape[-2:], default=1) > 1 and (len(shape) == 2 or (len(shape) == 3 and field is None))
    if kind == "auto":
        kind = "snapshots" if grid else _kind(labels, len(course.times), compared=field is not None, shares=shares)
    common: dict[str, Any] = {"quantity": quantity, "unit": unit, "title": title, "ax": ax}
    if kind == "heat":
        if field is not None:
            raise ValueError("kind is 'heat'; must be 'lines', 'profiles' or 'snapshots' to draw a mean field with it")
        return heat(course, labels, shares=shares, **common)
    if kind == "profiles":
        return profiles(course, labels, field=field, shares=shares, names=names, **common)
    if kind == "snapshots":
        if not grid:
            three = "" if field is not None else " or three"
            raise ValueError(
                f"kind is 'snapshots'; observations must form a grid of two axes{three}, not {tuple(shape)}"
            )
        return snapshots(course, shape, field=field, shares=shares, names=names, **common)
    if kind == "places":
        if not shares:
            raise ValueError("kind is 'places'; must be another where values are no shares, which add up")
        labels, places = places_of(labels)
        course = Course(course.times, by_place(course.values, places))
        field = None if field is None else Course(field.times, by_place(field.values, places))
        replicas = None if replicas is None else by_place(np.asarray(replicas, dtype=np.float64), places)
    return lines(course, labels, field=field, replicas=replicas, shares=shares, names=names, **common)


def lines(
    course: Course,
    labels: Sequence[str],
    *,
    field: Course | None = None,
    replicas: ArrayLike | None = None,
    shares: bool = True,
    quantity: str = SHARE,
    names: tuple[str, str] = ("N agents", "mean field"),
    unit: str = "sweeps",
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw a line for each observation; of more than ten, the largest over time and, of shares, the rest as one.

    Parameters are those of `over_time`. With a `field` its lines are drawn and the course is markers. Up to eight
    replicas are faint lines, more are a band that holds 90% of them at each time. A rest that would dwarf the largest
    is not drawn; the legend says how large it is.
    """
    course, labels, field = _checked(course, labels, field, shares, quantity, unit)
    names = _checks.names(names)
    runs: NDArray[np.floating[Any]] | None = None
    if replicas is not None:
        runs = _checks.numbers(replicas, "replicas", None, *course.values.shape)
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
            low, high = (round(float(end), 12) for end in (rest.min(), rest.max()))  # 0 where rounding errors are left
            others = [_nothing(f"{course.values.shape[1] - LARGEST:,} others: {low:.2g} to {high:.2g}")]
    every = max(1, -(-len(course.times) // (20 if field is not None else MARKERS_A_LINE)))
    for o, (label, color) in enumerate(zip(labels, _line_colors(len(labels), len(chosen)), strict=True)):
        if runs is not None and len(runs) <= FAINT:
            for run in runs:
                ax.plot(course.times, run[:, o], color=color, linewidth=0.7, alpha=0.35, zorder=1)
        elif runs is not None:
            low, high = np.quantile(runs[..., o], BAND, axis=0)
            ax.fill_between(course.times, low, high, color=color, alpha=0.22, linewidth=0)
        style: dict[str, Any] = {"color": color, "marker": marker_of(o), "markersize": 4.2, "label": label, "zorder": 3}
        if field is not None and limit is not None:
            ax.plot(field.times, limit[:, o], color=color, linewidth=1.5, zorder=2)
            ax.plot(course.times[::every], values[::every, o], linestyle="none", **style)
        else:  # markers of different lines at different times
            start = (o * every) // max(1, len(labels))
            ax.plot(course.times, values[:, o], linewidth=1.5, markevery=(start, every), **style)
    _time_axis(ax, course.times, unit)
    if shares:
        ax.set_ylim(bottom=0.0)
    ax.set_ylabel(quantity)
    finish(ax, title, legend=False)
    extra = others + ([] if field is None else _named_styles(names))
    if runs is not None:
        extra += [_band(f"90% of {len(runs)} runs") if len(runs) > FAINT else _faint(f"{len(runs)} runs")]
    return _outside_legend(ax, extra)


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
    """Draw observations upwards against time, the number as colour. Parameters as in `over_time`.

    Of shares the colours reach as far as after the first quarter of the time; the colour bar has a point where earlier
    ones, such as a start in one place, are larger.
    """
    course, labels, _ = _checked(course, labels, None, shares, quantity, unit)
    ax = axes(ax, width=6.0)
    keep = np.unique(np.linspace(0, len(course.times) - 1, MOST_COLUMNS).round().astype(int))
    times, values = course.times[keep], course.values[keep]
    n = values.shape[1]
    low, high, extend = _scale(times, values, shares)
    mesh = ax.pcolormesh(_edges(times), np.arange(n + 1) - 0.5, values.T, cmap="viridis", vmin=low, vmax=high,
                         rasterized=True)  # fmt: skip
    ax.figure.colorbar(mesh, ax=ax, label=quantity, extend=extend, fraction=0.05, pad=0.02)
    _time_axis(ax, times, unit, margin=0.0)
    _name_axis(ax.yaxis, labels)
    ax.set_ylabel("observation")
    finish(ax, title, legend=False)
    ax.grid(visible=False)
    return ax


def profiles(
    course: Course,
    labels: Sequence[str],
    *,
    field: Course | None = None,
    shares: bool = True,
    quantity: str = SHARE,
    names: tuple[str, str] = ("N agents", "mean field"),
    unit: str = "sweeps",
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the number against the observation at four times, a line each. Parameters as in `over_time`.

    With a `field` its lines are drawn and the course is markers.
    """
    course, labels, field = _checked(course, labels, field, shares, quantity, unit)
    names = _checks.names(names)
    ax = axes(ax, width=6.0)
    x = np.arange(course.values.shape[1])
    every = max(1, -(-len(x) // (25 if field is None else 50)))
    at = _moments(course.times)
    still = len(at) > 1 and np.ptp(course.values[at], axis=0).max() <= STILL * np.abs(course.values[at]).max()
    at = at[:1] if still else at
    between = "-" if _numbered(labels) else "none"  # a line between names would say that they are neighbours
    for k, (j, color) in enumerate(zip(at, ordered_colors(len(at)), strict=True)):
        style: dict[str, Any] = {"color": color, "marker": marker_of(k), "markersize": 4.2, "zorder": 3}
        label = "at all times" if still else f"t = {course.times[j]:g}"
        start = k * every // len(at)
        if field is not None:
            there = int(np.abs(field.times - course.times[j]).argmin())
            ax.plot(x, field.values[there], color=color, linewidth=1.5, zorder=2)
            ax.plot(x[start::every], course.values[j][start::every], linestyle="none", label=label, **style)
        else:
            ax.plot(
                x, course.values[j], linestyle=between, linewidth=1.3, markevery=(start, every), label=label, **style
            )
    if shares:
        ax.set_ylim(bottom=0.0)
    _name_axis(ax.xaxis, labels)
    ax.set_xlabel("observation")
    ax.set_ylabel(quantity)
    finish(ax, title, legend=False)
    return _outside_legend(
        ax, [] if field is None else _named_styles(names), heading=None if still else time_label(unit)
    )


def snapshots(
    course: Course,
    shape: Sequence[int],
    *,
    field: Course | None = None,
    shares: bool = True,
    quantity: str = SHARE,
    names: tuple[str, str] = ("N agents", "mean field"),
    unit: str = "sweeps",
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the grid at four times side by side, in one scale of colours; with a `field` its grids are a second row.

    Parameters are those of `over_time`. Row 0 of the grid is on top. The scale is that of `heat`, by square roots where
    shares reach more than ten times their mean. Of a grid of three axes each layer is a row, the first one at the
    bottom; it is drawn without a field. Where shares are 0 at all times the grid is grey: obstacles, say.
    """
    course, _, field = _checked(course, None, field, shares, quantity, unit, named=False)
    names = _checks.names(names)
    shape = _checks.grid(shape, course.values.shape[1])
    if not 2 <= len(shape) <= 3:
        raise ValueError(f"shape is {shape}; must be a grid of two axes or three")
    need_matplotlib()
    from matplotlib.colors import Normalize, PowerNorm

    rows, columns = shape[-2:]
    at = _moments(course.times)
    layers = course.values[at].reshape(len(at), -1, rows * columns)[:, ::-1]
    strips = list(layers.swapaxes(0, 1))
    heads = [f"layer {i}" for i in range(len(strips))][::-1] if len(shape) == 3 else []
    empty = shares & ~(course.values.any(axis=0) | (False if field is None else field.values.any(axis=0)))
    if field is not None:
        heads = list(names)
        there = [int(np.abs(field.times - time).argmin()) for time in course.times[at]]
        strips.append(field.values[there])
    gap = max(1, round(0.06 * max(rows, columns)))
    tall, wide = len(strips) * (rows + gap) - gap, len(at) * (columns + gap) - gap
    mosaic, nobody = np.full((tall, wide), np.nan), np.full((tall, wide), np.nan)
    floors = empty.reshape(-1, rows, columns)[::-1]
    for i, strip in enumerate(strips):
        for k, values in enumerate(strip):
            top, left = i * (rows + gap), k * (columns + gap)
            mosaic[top : top + rows, left : left + columns] = np.reshape(values, (rows, columns))
            nobody[top : top + rows, left : left + columns][floors[i % len(floors)]] = 1.0
    width = 9.0
    ax = axes(ax, width=width, height=min(max((width - 1.2) * tall / wide + 0.9, 2.0), 8.0))
    low, high, extend = _scale(course.times[at], np.concatenate(strips, axis=1), shares)
    peaked = shares and high > PEAKED * np.mean(strips)
    norm = PowerNorm(0.5, low, high) if peaked else Normalize(low, high)
    image = ax.imshow(mosaic, cmap="viridis", norm=norm, interpolation="nearest")
    if empty.any():
        ax.imshow(nobody, cmap="Greys", vmin=0.0, vmax=2.5, interpolation="nearest")
    bar = ax.figure.colorbar(image, cax=ax.inset_axes((1.015, 0.0, 0.015, 1.0)), extend=extend)
    bar.set_label(quantity, fontsize=9)
    centres = (columns - 1) / 2 + (columns + gap) * np.arange(len(at))
    ax.set_xticks(centres, [f"{time:g}" for time in course.times[at]])
    middles = (rows - 1) / 2 + (rows + gap) * np.arange(len(strips))
    ax.set_yticks(middles if heads else [], heads, rotation=90, va="center")
    ax.tick_params(length=0)
    ax.set_xlabel(time_label(unit) + ("; grey: nobody at any time" if empty.any() else ""))
    finish(ax, title, legend=False)
    ax.grid(visible=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    return ax


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
    found, limit = _checks.numbers(agents, "agents", None, None), _checks.numbers(field, "field", None, None)
    labels = _checks.labels(labels, found.shape[1])
    if limit.shape[1] != found.shape[1]:
        raise ValueError(f"field has {limit.shape[1]} observations; must have {found.shape[1]}, as agents")
    at, limit_at = _checks.numbers(times, "times", len(found)), _checks.numbers(field_times, "field_times", len(limit))
    if spread is not None:
        low, high = _checks.several(spread, "spread", 2, "a pair of arrays (J, S)")
        spread = _checks.numbers(low, "spread[0]", *found.shape), _checks.numbers(high, "spread[1]", *found.shape)
    marker_every = check.as_positive_int(marker_every, "marker_every")
    _checks.flags(legend=legend)
    ax = axes(ax)
    for o, (label, color) in enumerate(zip(labels, ordered_colors(len(labels)), strict=True)):
        if spread is not None:
            low, high = (np.asarray(edge, dtype=np.float64)[:, o] for edge in spread)
            ax.fill_between(at, low, high, color=color, alpha=0.22, linewidth=0)
        ax.plot(limit_at, limit[:, o], color=color, linewidth=1.5, zorder=2)
        x, y = at[::marker_every], found[::marker_every, o]
        ax.plot(x, y, color=color, marker=marker_of(o), markersize=3.8, linestyle="none", zorder=3, label=label)
    length = float(limit_at[-1] - limit_at[0])
    ax.set_xlim(float(limit_at[0]) - 0.015 * length, float(limit_at[-1]) + 0.015 * length)
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel("time (sweeps)")
    ax.set_ylabel("share of the population \u03bc")
    finish(ax, title, legend=False)
    if legend:
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8.5, handletextpad=0.2)
    return ax


# ------------------------------------------------------------------------------------------------------------- pieces


def _checked(
    course: object, labels: object, field: object, shares: object, quantity: object, unit: object, *, named: bool = True
) -> tuple[Course, tuple[str, ...], Course | None]:
    """What most pictures have in common, checked; one that is not `named` has no labels."""
    _checks.flags(shares=shares)
    _checks.texts(quantity=quantity, unit=unit)
    drawn = Course(*_checks.course(course, "course"))
    n = drawn.values.shape[1]
    called = _checks.labels(labels, n) if named else ()
    if field is None:
        return drawn, called, None
    limit = Course(*_checks.course(field, "field"))
    if limit.values.shape[1] != n:
        raise ValueError(f"field has {limit.values.shape[1]} observations; must have {n}, as course")
    return drawn, called, limit


def _kind(labels: Sequence[str], n_times: int, *, compared: bool, shares: bool) -> str:
    n = len(labels)
    if n_times <= 2:
        return "profiles"
    if shares and n > MOST_LINES and len(places_of(labels)[0]) < n:
        return "places"
    most = MOST_NUMBERED if _numbered(labels) or not shares else MOST_NAMED
    if MOST_LINES < n <= most:
        return "profiles" if compared else "heat"
    return "lines"


def _numbered(labels: Sequence[str]) -> bool:
    """Whether observations are places of a line, as far as their names tell."""
    return labels[-1] == str(len(labels) - 1)


def _scale(
    times: NDArray[np.floating[Any]], values: NDArray[np.floating[Any]], shares: bool
) -> tuple[float, float, str]:
    """Ends of the scale of colours of (J, S) values, and on which side it is open."""
    low, high = float(values.min()), float(values.max())
    late = values[times >= times[0] + EARLY * (times[-1] - times[0])]
    top = float(late.max())
    if high - low <= STILL * max(abs(low), abs(high)):  # one number, up to rounding
        return min(low, 0.0), max(high, 0.0) or 1.0, "neither"
    if shares and high > top > low:
        return low, top, "max"
    return low, high, "neither"


def _largest(
    values: NDArray[np.floating[Any]], labels: Sequence[str], shares: bool
) -> tuple[NDArray[np.intp], list[str]]:
    """The observations with a line of their own, in their order, and the names of all lines."""
    n = values.shape[1]
    if n <= MOST_LINES:
        return np.arange(n), list(labels)
    largest = np.sort(np.argsort(-values.mean(axis=0), kind="stable")[:LARGEST])
    rest = [f"the other {n - LARGEST:,} together"] if shares else []
    return largest, [labels[o] for o in largest] + rest


def _gathered(values: NDArray[np.floating[Any]], chosen: NDArray[np.intp], shares: bool) -> NDArray[np.floating[Any]]:
    """Values of the chosen observations, and, of shares, the sum of the others, (..., lines)."""
    picked = values[..., chosen]
    if not shares or len(chosen) == values.shape[-1]:
        return picked
    rest = values.sum(axis=-1, keepdims=True) - picked.sum(axis=-1, keepdims=True)
    return np.concatenate([picked, np.maximum(rest, 0.0)], axis=-1)


def _line_colors(n_lines: int, n_chosen: int) -> list[object]:
    """A colour for each line; the rest is grey."""
    return [*ordered_colors(n_chosen), *[GUIDE] * (n_lines - n_chosen)]


def _moments(times: NDArray[np.floating[Any]]) -> list[int]:
    """Indices of up to four recorded times, evenly spread from the first to the last."""
    wanted = np.linspace(times[0], times[-1], TILES)
    return sorted({int(np.abs(times - time).argmin()) for time in wanted})


def _edges(times: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Borders of cells around the times, (J+1,)."""
    if len(times) == 1:
        return np.array([times[0] - 0.5, times[0] + 0.5])
    middles = (times[1:] + times[:-1]) / 2
    return np.concatenate([[times[0]], middles, [times[-1]]])


def _time_axis(ax: Axes, times: NDArray[np.floating[Any]], unit: str, *, margin: float = 0.015) -> None:
    from matplotlib.ticker import MaxNLocator

    around = margin * float(times[-1] - times[0])
    if times[-1] > times[0]:
        ax.set_xlim(float(times[0]) - around, float(times[-1]) + around)
    ax.xaxis.set_major_locator(MaxNLocator(8, steps=STEPS, integer=unit == "steps"))
    ax.set_xlabel(time_label(unit))


def _name_axis(axis: object, labels: Sequence[str]) -> None:
    """Name every observation along an axis where they are few, else those that matplotlib marks."""
    from matplotlib.axis import XAxis
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

    n = len(labels)
    few = n <= MOST_NAMES
    places = range(n) if few else MaxNLocator(8, integer=True, steps=STEPS).tick_values(0, n - 1)
    axis.set_major_locator(FixedLocator([place for place in places if 0 <= place < n]))  # type: ignore[attr-defined]

    def name(place: float, _: object) -> str:
        return labels[round(place)]

    axis.set_major_formatter(FuncFormatter(name))  # type: ignore[attr-defined]
    crowded = isinstance(axis, XAxis) and sum(map(len, labels)) > 60 if few else False
    axis.set_tick_params(labelsize=8.5, labelrotation=60 if crowded else 0)  # type: ignore[attr-defined]


def _named_styles(names: tuple[str, str]) -> list[Line2D]:
    """Legend entries: markers are one thing, lines the other."""
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], color=GUIDE, marker="o", markersize=4.2, linestyle="none", label=names[0]),
        Line2D([], [], color=GUIDE, linewidth=1.5, label=names[1]),
    ]


def _nothing(label: str) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="none", label=label)


def _band(label: str) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=GUIDE, alpha=0.3, linewidth=7, label=label)


def _faint(label: str) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=GUIDE, alpha=0.5, linewidth=0.7, label=label)


def _outside_legend(ax: Axes, extra: list[Line2D], *, heading: str | None = None) -> Axes:
    """A legend to the right of the Axes: its lines, then what the styles mean."""
    handles, _ = ax.get_legend_handles_labels()
    ax.legend(
        handles=[*handles, *extra], title=heading, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False,
        fontsize=8.5, title_fontsize=8.5, handlelength=1.6, handletextpad=0.5, alignment="left",
    )  # fmt: skip
    return ax
