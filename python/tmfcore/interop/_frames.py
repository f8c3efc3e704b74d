"""What environments render: one population at one step, as text or as a picture.

A picture has the name of the game, the step, and what its colours mean; all pictures of an environment have one size.
Observations on a grid are drawn as a map, row 0 on top, layers side by side; others as bars. The agent of a Gymnasium
environment is marked. Drawn with matplotlib, which the extra `envs` brings.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from math import ceil, floor, log10, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tmfcore import plotting
from tmfcore._base.validation import FloatArray
from tmfcore._model.game import Game
from tmfcore.plotting._axes import name_axis
from tmfcore.plotting._canvas import need_matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Pixels = npt.NDArray[np.uint8]
Show = Callable[[FloatArray, int | None], None]

WIDTH, HEIGHT, DPI = 640, 480, 100
INCHES = (WIDTH / DPI, HEIGHT / DPI)
LISTED = 10  # observations that a line of text names; of more, the largest
ROUND = (1.0, 2.0, 5.0, 10.0)  # times a power of ten: ends of scales


class Frames:
    """Text and pictures of the populations of one environment."""

    def __init__(self, game: Game, render_mode: str | None) -> None:
        if render_mode == "rgb_array":
            need_matplotlib()
        self.game = game
        shape = game.observation_shape
        self.shape = shape if len(shape) in (2, 3) and min(shape[-2:]) > 1 else ()
        self.drawn: tuple[Figure, Show] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "drawn": None}  # a copy draws its own figure

    def text(self, mu: FloatArray, t: int, own: int | None = None) -> str:
        """The population on a line; on a grid, rows of numbers below it."""
        labels = self.game.observation_labels
        head = f"step {t} of {self.game.n_steps}"
        agent = "" if own is None else f" | agent at {labels[own]}"
        if self.shape:
            layers = mu.reshape(-1, *self.shape[-2:])
            lines = [f"{head}: share at each row and column{agent}"]
            for number, layer in enumerate(layers):
                lines += [f"layer {number}:"] if len(layers) > 1 else []
                lines += [" ".join(f"{share:.3f}" for share in row) for row in layer.tolist()]
            return "\n".join(lines)
        shown = list(range(len(mu)))
        rest = ""
        if len(mu) > LISTED:
            shown = sorted(o for o in np.argsort(-mu, kind="stable")[:LISTED].tolist() if mu[o] > 0)
            rest = f", the other {len(mu) - len(shown):,} {max(0.0, 1.0 - mu[shown].sum()):.3f}"
        return f"{head}: " + ", ".join(f"{labels[o]} {mu[o]:.3f}" for o in shown) + rest + agent

    def picture(self, mu: FloatArray, t: int, own: int | None = None) -> Pixels:
        """The population as a picture, (480, 640, 3) uint8."""
        if self.drawn is None:
            self.drawn = _map(self.shape) if self.shape else _bars(self.game.observation_labels)
        figure, show = self.drawn
        game = self.game
        in_steps = game.unit != "sweeps" or game.dt == 1
        when = "" if in_steps else f" ({t * game.dt:.4g} of {game.n_steps * game.dt:.4g} sweeps)"
        figure.suptitle(f"{game.name or 'game'}: step {t} of {game.n_steps}{when}", fontsize=11)
        show(mu, own)
        raw = io.BytesIO()
        figure.savefig(raw, format="rgba", dpi=DPI)
        figure.set_layout_engine("none")  # the first picture lays out all of them, so that nothing jumps
        return np.frombuffer(raw.getvalue(), dtype=np.uint8).reshape(HEIGHT, WIDTH, 4)[..., :3].copy()


def _top(mu: FloatArray) -> float:
    """The end of the scale: 1, 2 or 5 times a power of ten, so that it seldom changes."""
    largest = max(float(mu.max()), 1e-6)
    ten = 10.0 ** floor(log10(largest))
    return min(1.0, next(times * ten for times in ROUND if largest <= times * ten * (1 + 1e-9)))


def _bars(labels: tuple[str, ...]) -> tuple[Figure, Show]:
    """A bar for each observation."""
    from matplotlib.patches import Patch

    figure, (ax,) = plotting.figure(1, width=INCHES[0], height=INCHES[1])
    places = np.arange(len(labels))
    blue, orange = plotting.PALETTE[:2]
    bars = ax.bar(places, np.zeros(len(labels)), width=0.8 if len(labels) <= 50 else 1.0, color=blue)
    ax.set_xlim(-0.6, len(labels) - 0.4)
    name_axis(ax.xaxis, labels)
    ax.set_xlabel("observation")
    ax.set_ylabel(plotting.SHARE)
    ax.spines[["top", "right"]].set_visible(False)
    (mark,) = ax.plot([], [], linestyle="none", marker="v", color=orange, markersize=9, clip_on=False, zorder=3)

    def show(mu: FloatArray, own: int | None) -> None:
        ax.set_ylim(0.0, 1.1 * _top(mu))
        for bar, share in zip(bars, mu.tolist(), strict=True):
            bar.set_height(share)
        if own is not None:
            mark.set_data([own], [mu[own] + 0.03 * _top(mu)])
            _legend(figure, Patch(color=blue, label="all agents"), mark)

    return figure, show


def _map(shape: tuple[int, ...]) -> tuple[Figure, Show]:
    """A map of a grid, or of its layers."""
    from matplotlib.colors import PowerNorm
    from matplotlib.ticker import MaxNLocator

    layers, size = (shape[0] if len(shape) == 3 else 1), shape[-2] * shape[-1]
    columns = ceil(sqrt(1.4 * layers)) if layers > 1 else 1
    rows = -(-layers // columns)
    figure, panels = plotting.figure(columns, rows, width=INCHES[0] / columns, height=INCHES[1] / rows)
    norm = PowerNorm(0.5, 0.0, 1.0)
    images = []
    for layer, ax in enumerate(panels):
        if layer >= layers:
            ax.set_visible(False)
            continue
        images.append(ax.imshow(np.zeros(shape[-2:]), cmap="viridis", norm=norm, interpolation="nearest"))
        for axis, name in ((ax.xaxis, "column"), (ax.yaxis, "row")):
            axis.set_major_locator(MaxNLocator(6, integer=True))
            axis.set_label_text(name, fontsize=9)
            axis.set_tick_params(labelsize=8)
        if layers > 1:
            ax.set_title(f"layer {layer}", fontsize=9)
    bar = figure.colorbar(images[0], ax=panels[:layers], label=plotting.SHARE)
    marks: list[Any] = [
        ax.plot([], [], linestyle="none", marker="o", markerfacecolor="none", markeredgewidth=2, markersize=9,
                color=plotting.PALETTE[1])[0]
        for ax in panels[:layers]
    ]  # fmt: skip

    def show(mu: FloatArray, own: int | None) -> None:
        norm.vmax = _top(mu)
        ticks = [share * norm.vmax for share in (0.0, 0.1, 0.2, 0.5, 1.0)]
        bar.set_ticks(ticks, labels=[f"{share:.2g}" for share in ticks])
        for image, layer in zip(images, mu.reshape(layers, *shape[-2:]), strict=True):
            image.set_data(layer)
        if own is not None:
            where, place = divmod(own, size)
            for number, mark in enumerate(marks):
                row, column = divmod(place, shape[-1])
                mark.set_data(([column], [row]) if number == where else ([], []))
            _legend(figure, marks[where])

    return figure, show


def _legend(figure: Figure, *handles: Any) -> None:
    """What the marks are, below the picture, once."""
    if not figure.legends:
        handles[-1].set_label("the agent")
        figure.legend(handles=list(handles), loc="outside lower center", ncols=2, frameon=False, fontsize=9)
