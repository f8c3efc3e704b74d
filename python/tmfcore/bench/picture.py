"""A picture of the results: a bar per contestant and workload, whose length is the ratio of its time to tmfcore's."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import Any

from .contest import Results

__all__ = ["draw"]

#: Okabe and Ito's colours, which most readers tell apart, and more, in the order in which libraries appear.
COLOURS = (
    "#0072B2", "#E69F00", "#D55E00", "#009E73", "#F0E442", "#CC79A7", "#56B4E9", "#444444", "#882255", "#999933",
    "#AAAAAA", "#332288", "#117733", "#EE8866",
)  # fmt: skip
BAR, GAP, WIDTH = 0.22, 0.16, 4.4  # inches: on a page 800 pixels wide the letters of two columns are 10 pixels high


Groups = list[tuple[str, list[tuple[str, float]]]]


def draw(results: Results, path: Path) -> Path | None:
    """Draw to `path`, whose ending decides the format, and return it.

    None if matplotlib is missing, or nobody but tmfcore took part.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.patches import Patch
    except ImportError:
        return None
    groups: Groups = [
        (workload.name, [(line.label, results.ratio(workload, line)) for line in lines if not line.ours])
        for workload, lines in results.lines.items()
    ]
    groups = [(name, bars) for name, bars in groups if bars]
    if not groups:
        return None
    families = dict.fromkeys(_family(label) for _, bars in groups for label, _ in bars)
    colours = dict(zip(families, cycle(COLOURS), strict=False))
    columns = _columns(groups)
    height = max(sum(len(bars) * BAR + GAP for _, bars in column) for column in columns)
    figure = Figure(figsize=(WIDTH * len(columns), height + 1.6), layout="constrained", dpi=120)
    ratios = [ratio for _, bars in groups for _, ratio in bars]
    for axes, column in zip(figure.subplots(1, len(columns), squeeze=False)[0], columns, strict=True):
        _bars(axes, column, colours)
        low, high = min(0.5, 0.6 * min(ratios)), max(2.0, *ratios)
        axes.set_xlim(low, high * (high / low) ** 1.2)  # more than half is room for the names of contestants
        axes.set_ylim(-height, GAP)
    figure.legend(
        handles=[Patch(color=colour, label=name) for name, colour in colours.items()], loc="outside lower center",
        ncols=min(len(colours), 5 if len(columns) > 1 else 3), frameon=False,
    )  # fmt: skip
    wide = len(columns) > 1
    title = ("Time over that of tmfcore, same work:", "right of the line tmfcore is faster")
    figure.suptitle((" " if wide else "\n").join(title), fontsize=11)
    figure.savefig(path)
    return path


def _columns(groups: Groups) -> list[Groups]:
    """Two columns of about equal height if there are many bars."""
    bars = [len(lines) + GAP / BAR for _, lines in groups]
    if sum(bars) < 24:
        return [groups]
    split = min(range(1, len(groups)), key=lambda i: abs(sum(bars[:i]) - sum(bars[i:])))
    return [groups[:split], groups[split:]]


def _bars(axes: Any, groups: Groups, colours: dict[str, str]) -> None:
    top, ticks, names = 0.0, [], []
    for name, bars in groups:
        for i, (label, ratio) in enumerate(bars):
            y = top - (i + 0.5) * BAR
            axes.barh(y, ratio - 1.0, left=1.0, height=0.8 * BAR, color=colours[_family(label)])
            short = f"{ratio:,.0f}" if ratio >= 9.95 else f"{ratio:.2g}"
            axes.text(max(ratio, 1.0) * 1.12, y, f"{short}  {label}", va="center", fontsize=8)
        ticks.append(top - len(bars) * BAR / 2)
        names.append(name)
        top -= len(bars) * BAR + GAP
        axes.axhline(top + GAP / 2, color="#dddddd", linewidth=0.6)
    axes.axvline(1.0, color="black", linewidth=1.0)
    axes.set_xscale("log")
    axes.set_yticks(ticks, names)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#eeeeee", zorder=0)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel("times the time of tmfcore")


def _family(label: str) -> str:
    """The library: the first word of a label, without a comma."""
    return label.split()[0].rstrip(",")
