"""Axes of time and of observations, and legends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tmfcore.plotting._canvas import GUIDE, time_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

MOST_NAMES = 25  # up to this number all observations are named along an axis
STEPS = (1, 2, 5, 10)  # distances between ticks


def time_axis(ax: Axes, times: NDArray[np.floating[Any]], unit: str, *, margin: float = 0.015) -> None:
    from matplotlib.ticker import MaxNLocator

    around = margin * float(times[-1] - times[0])
    if times[-1] > times[0]:
        ax.set_xlim(float(times[0]) - around, float(times[-1]) + around)
    ax.xaxis.set_major_locator(MaxNLocator(8, steps=STEPS, integer=unit == "steps"))
    ax.set_xlabel(time_label(unit))


def name_axis(axis: object, labels: Sequence[str]) -> None:
    """Name all observations along an axis if they are few, else those at matplotlib's ticks."""
    from matplotlib.axis import XAxis
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

    n = len(labels)
    marked = range(n) if n <= MOST_NAMES else MaxNLocator(8, integer=True, steps=STEPS).tick_values(0, n - 1)
    places = [float(place) for place in marked if 0 <= place < n]
    axis.set_major_locator(FixedLocator(places))  # type: ignore[attr-defined]

    def name(place: float, _: object) -> str:
        return labels[round(place)]

    axis.set_major_formatter(FuncFormatter(name))  # type: ignore[attr-defined]
    crowded = isinstance(axis, XAxis) and sum(len(labels[round(place)]) for place in places) > 60
    axis.set_tick_params(labelsize=8.5, labelrotation=60 if crowded else 0)  # type: ignore[attr-defined]


def named_styles(names: tuple[str, str]) -> list[Line2D]:
    """Legend entries for the meaning of markers and of lines."""
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], color=GUIDE, marker="o", markersize=4.2, linestyle="none", label=names[0]),
        Line2D([], [], color=GUIDE, linewidth=1.5, label=names[1]),
    ]


def nothing(label: str) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="none", label=label)


def band(label: str) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=GUIDE, alpha=0.3, linewidth=7, label=label)


def faint(label: str) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=GUIDE, alpha=0.5, linewidth=0.7, label=label)


def outside_legend(ax: Axes, extra: list[Line2D], *, heading: str | None = None) -> Axes:
    """A legend to the right of the Axes: its lines, then the entries `extra`."""
    handles, _ = ax.get_legend_handles_labels()
    ax.legend(
        handles=[*handles, *extra], title=heading, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False,
        fontsize=8.5, title_fontsize=8.5, handlelength=1.6, handletextpad=0.5, alignment="left",
    )  # fmt: skip
    return ax
