"""docs/measured/benchmarks.png: a bar per peer and workload, whose length is the ratio of its time to tmfcore's."""

from __future__ import annotations

from pathlib import Path

from bench.peers.run import Line, Results

#: Okabe and Ito's colours, which most readers tell apart, by family of peers.
COLOURS = {
    "numpy": "#0072B2",
    "Python": "#E69F00",
    "numba": "#D55E00",
    "JAX": "#009E73",
    "torch": "#F0E442",
    "MFGLib": "#CC79A7",
    "OpenSpiel": "#56B4E9",
    "Bench-MFG": "#444444",
    "rmftool": "#882255",
    "mesa": "#999933",
}
BAR, GAP, WIDTH = 0.22, 0.16, 4.4  # inches: on a page 800 pixels wide the letters of two columns are 10 pixels high


def draw(results: Results, path: Path) -> Path | None:
    """Draw to `path` and return it; None if matplotlib is missing or there is nothing to draw."""
    try:
        from matplotlib.figure import Figure
        from matplotlib.patches import Patch
    except ImportError:
        return None
    groups = [(workload.name, [line for line in lines if not line.entry.ours]) for workload, lines in results.lines.items()]
    groups = [(name, lines) for name, lines in groups if lines]
    if not groups:
        return None
    columns = _columns(groups)
    height = max(sum(len(lines) * BAR + GAP for _, lines in column) for column in columns)
    figure = Figure(figsize=(WIDTH * len(columns), height + 1.6), layout="constrained", dpi=120)
    ratios = [line.ratio for _, lines in groups for line in lines]
    for axes, column in zip(figure.subplots(1, len(columns), squeeze=False)[0], columns, strict=True):
        _bars(axes, column)
        axes.set_xlim(min(0.5, 0.6 * min(ratios)), 30_000 * max(ratios))  # room for the names of peers
        axes.set_ylim(-height, GAP)
    used = [name for name in COLOURS if any(_family(line) == name for _, lines in groups for line in lines)]
    figure.legend(
        handles=[Patch(color=COLOURS[name], label=name) for name in used], loc="outside lower center", ncols=5,
        frameon=False,
    )
    figure.suptitle("Processor time of peers over that of tmfcore, same work: right of the line tmfcore is faster", fontsize=11)
    figure.savefig(path)
    return path


def _columns(groups: list[tuple[str, list[Line]]]) -> list[list[tuple[str, list[Line]]]]:
    """Two columns of about equal height if there are many bars."""
    bars = [len(lines) + GAP / BAR for _, lines in groups]
    if sum(bars) < 24:
        return [groups]
    split = min(range(1, len(groups)), key=lambda i: abs(sum(bars[:i]) - sum(bars[i:])))
    return [groups[:split], groups[split:]]


def _bars(axes, groups: list[tuple[str, list[Line]]]) -> None:
    top, ticks, names = 0.0, [], []
    for name, lines in groups:
        for i, line in enumerate(lines):
            y = top - (i + 0.5) * BAR
            axes.barh(y, line.ratio - 1.0, left=1.0, height=0.8 * BAR, color=COLOURS[_family(line)])
            short = f"{line.ratio:,.0f}" if line.ratio >= 9.95 else f"{line.ratio:.2g}"
            axes.text(max(line.ratio, 1.0) * 1.12, y, f"{short}  {line.entry.label}", va="center", fontsize=8)
        ticks.append(top - len(lines) * BAR / 2)
        names.append(name)
        top -= len(lines) * BAR + GAP
        axes.axhline(top + GAP / 2, color="#dddddd", linewidth=0.6)
    axes.axvline(1.0, color="black", linewidth=1.0)
    axes.set_xscale("log")
    axes.set_yticks(ticks, names)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#eeeeee", zorder=0)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel("times the processor time of tmfcore")


def _family(line: Line) -> str:
    """The first name of COLOURS with which the label begins."""
    return next(name for name in COLOURS if line.entry.label.startswith(name))
