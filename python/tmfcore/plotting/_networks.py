"""Maps of road networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import ArrayLike

from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.validation import FloatArray
from tmfcore.plotting import _checks
from tmfcore.plotting._canvas import PALETTE, axes, finish, need_matplotlib, plain_number, text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NUMBERED = 10  # number of links whose volumes are written beside them
WIDEST, THINNEST = 9.0, 0.6  # line widths in points
ASIDE = 0.09  # distance of a link from the middle of its road, as a share of the shortest road
ALONG = 0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8  # places of a number beside its link; the first one that covers nothing
DIGIT, TALL, NODE = 4.6, 8.0, 9.0  # points: width of a digit, height of a number, radius of a node


class Network(Protocol):
    """The parts of a tmfcore.games.RoadNetwork that are drawn."""

    @property
    def edges(self) -> Sequence[tuple[str, str]]: ...
    @property
    def positions(self) -> Mapping[str, tuple[float, float]] | None: ...


def roads(
    network: Network, volumes: ArrayLike, *, quantity: str = "vehicles", title: str = "", ax: Axes | None = None
) -> Axes:
    """Draw a road network; the width of a link is its volume. The links with the largest volumes have numbers.

    Of two links between the same nodes, each is on the right side of the road.

    Parameters
    ----------
    network : RoadNetwork
        With positions. Links between nodes at the same position are not drawn.
    volumes : (E,) array_like
        >= 0, for each link. ``game.model.volumes(mu)`` of a routing game returns the vehicles on each link.
    quantity : str, optional
        Name of the volumes.

    Raises
    ------
    ValueError
        The network has no positions, or volumes are not one number >= 0 for each link.
    """
    if not all(hasattr(network, part) for part in ("edges", "positions", "links")):  # plotting must not import games
        raise TypeError(f"network is {say.show(network)}; must be a RoadNetwork")
    _checks.texts(quantity=quantity)
    need_matplotlib()
    from matplotlib.patches import FancyArrowPatch

    if network.positions is None:
        raise ValueError("network has no positions; must have them for all nodes (positions=)")
    given = check.as_float_array(volumes, "volumes", shape=(len(network.edges),), letters="E", low=0.0)
    volume = _checks.numbers(given, "volumes", None)
    places = [[network.positions[node] for node in edge] for edge in network.edges]
    ends = _checks.numbers(places, "positions of network", None, 2, 2)
    along = ends[:, 1] - ends[:, 0]
    length = np.hypot(*along.T)
    drawn = np.flatnonzero(length)
    unit = along[drawn] / length[drawn, np.newaxis]
    right = np.stack([unit[:, 1], -unit[:, 0]], axis=1)
    gap = 2 * ASIDE * length[drawn].min(initial=np.inf)  # between a link and its nodes
    both = {tuple(edge) for edge in network.edges}
    aside = np.array([gap / 2 if tuple(network.edges[link])[::-1] in both else 0.0 for link in drawn.tolist()])
    wide, tall = np.ptp(ends, axis=(0, 1))
    ax = axes(ax, width=6.4, height=6.4 * float(np.clip(tall / max(wide, 1e-9), 0.5, 1.4)))
    top = volume[drawn].max(initial=0.0) or 1.0
    numbered = set(drawn[np.argsort(-volume[drawn], kind="stable")[:NUMBERED]].tolist())
    room = np.asarray(ax.get_window_extent().size) * 72 / ax.figure.dpi  # in points
    points = float((room / np.maximum([1.16 * wide, 1.16 * tall], 1e-9)).min())  # per unit of the positions
    lines = np.stack([ends[drawn, 0] + aside[:, np.newaxis] * right, along[drawn]], axis=1)  # begin, and way to the end
    for link, forward, shift, off in zip(drawn.tolist(), unit, right, aside.tolist(), strict=True):
        share = volume[link] / top
        start, end = ends[link, 0] + off * shift + gap * forward, ends[link, 1] + off * shift - gap * forward
        ax.add_patch(FancyArrowPatch(
            tuple(start), tuple(end), arrowstyle="-|>", mutation_scale=5 + 9 * share, shrinkA=0, shrinkB=0,
            linewidth=max(WIDEST * share, THINNEST), color=PALETTE[0] if share > 1e-3 else "#CCCCCC", zorder=1 + share,
        ))  # fmt: skip
        if link in numbered and share > 1e-3:
            away = (WIDEST * share / 2 + 3.0) * shift  # points: the number stands beside the line, however wide it is
            number, side = plain_number(float(f"{volume[link]:.3g}")), np.round(shift).astype(int)
            size = np.array([DIGIT * len(number), TALL])
            places = start + np.array(ALONG)[:, np.newaxis] * (end - start)
            free = [_free(place + (away + side * size / 2) / points, size, points, ends, lines[drawn != link])
                    for place in places]  # fmt: skip
            best = next((j for j, clear in enumerate(free) if clear > 0), int(np.argmax(free)))
            ax.annotate(
                number, tuple(places[best]), tuple(away),
                textcoords="offset points", fontsize=8, color=PALETTE[1], zorder=4,
                ha=("right", "center", "left")[1 + side[0]], va=("top", "center", "bottom")[1 + side[1]],
            )  # fmt: skip
    for node, (x, y) in network.positions.items():
        if any(node in network.edges[int(link)] for link in drawn):
            ax.text(x, y, text(str(node), "a node of network"), fontsize=8, ha="center", va="center", zorder=3,
                    bbox={"boxstyle": "circle,pad=0.25", "facecolor": "white", "edgecolor": "#666666"})  # fmt: skip
    ax.set_aspect("equal")
    ax.update_datalim(list(network.positions.values()))
    ax.margins(0.08)
    ax.autoscale_view()
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlabel(f"width: {quantity}, up to {plain_number(float(f'{top:.3g}'))}; numbers at the largest")
    finish(ax, title, legend=False)
    ax.grid(visible=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    return ax


def _free(centre: FloatArray, size: FloatArray, points: float, ends: FloatArray, lines: FloatArray) -> float:
    """Distance in points of a box from the nearest node or line, which has 40 marks; negative if it is covered."""
    steps = (np.arange(40) / 39)[:, np.newaxis, np.newaxis]
    marks = np.concatenate([ends.reshape(-1, 2), (lines[:, 0] + steps * lines[:, 1]).reshape(-1, 2)])
    inside = np.where(np.arange(len(marks)) < 2 * len(ends), NODE, 1.0)
    gaps = np.maximum(np.abs(marks - centre) * points - size / 2, 0.0)
    return float((np.hypot(*gaps.T) - inside).min(initial=np.inf))
