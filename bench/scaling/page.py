"""docs/measured/scaling.md and its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import fill

from bench.peers.page import machine
from bench.scaling.studies import Study, table
from tmfcore import plotting
from tmfcore.bench.quantities import duration

HEAD = """# How cost grows

Processor time of the public verbs, including set-up and recording; the smallest of a few repeats. Every answer is
checked before it is timed. A line ends after the point at which one call takes longer than some seconds.
"""

RERUN = """## How to measure it again

From a clone with tmfcore and its extra `app` installed:

```sh
python -m bench.scaling
```

`--quick` takes some seconds and writes nothing; `--only NAME` runs one study.
"""


def write(studies: list[Study], folder: Path, whole: bool, seconds: float) -> list[Path]:
    """Write scaling.md and a picture for each study; the paths written."""
    pictures = [path for study in studies if (path := draw(study, folder)) is not None]
    path = folder / "scaling.md"
    path.write_text(text(studies, whole, seconds), encoding="utf-8")
    return [path, *pictures]


def text(studies: list[Study], whole: bool, seconds: float) -> str:
    """The page."""
    lines = [HEAD, *machine(seconds), ""]
    if not whole:
        lines += ["**Only some of the studies, or small ranges: no figures to quote.**", ""]
    for study in studies:
        lines += [f"## {study.title}", "", fill(study.text, 120), ""]
        if study.panels:
            lines += [f"![{study.title}]({picture_name(study)})", ""]
        for title, found in study.panels.items():
            lines += [*rows(study, title, found), ""]
        lines += [*study.notes, ""] if study.notes else []
    return "\n".join([*lines, RERUN]).rstrip() + "\n"


def rows(study: Study, title: str, found) -> Iterator[str]:
    per = f", per {study.unit}" if study.unit else ""
    labels = [f"{title}, {line.label}" if title else line.label for line in found]
    yield f"| {study.x_label}{per} | {' | '.join(labels)} |"
    yield "|---" * (1 + len(found)) + "|"
    show = (lambda y: f"{y:.2f}x") if study.unit is None else duration
    for x, ys in table(found):
        yield f"| {x:,} | " + " | ".join("" if y is None else show(y) for y in ys) + " |"


def picture_name(study: Study) -> str:
    return f"scaling-{study.name}.png"


def draw(study: Study, folder: Path) -> Path | None:
    """A panel for each title, with logarithmic axes except for ratios; None if nothing was measured."""
    if not study.panels:
        return None
    from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

    figure, panels = plotting.figure(len(study.panels), height=4.2, title=study.title, share_y=True)
    for first, (axes, (title, lines)) in enumerate(zip(panels, study.panels.items(), strict=True)):
        for line, color, marker in zip(lines, plotting.PALETTE, plotting.MARKERS, strict=False):
            axes.plot(line.x, line.y, color=color, marker=marker, markersize=5, linewidth=1.5, label=line.label)
        axes.set_xscale("log", base=2 if study.name == "observations" else 10)
        if study.name == "observations":
            axes.xaxis.set_major_locator(LogLocator(base=4.0, numticks=10))
            axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
        else:
            axes.xaxis.set_major_locator(LogLocator(base=10.0, numticks=12))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel(study.x_label)
        if study.unit is None:
            axes.set_ylim(0, None)
            axes.axhline(1.0, color=plotting.GUIDE, linewidth=1.0, linestyle="--")
        else:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(base=10.0, numticks=12))
            axes.yaxis.set_major_formatter(EngFormatter(unit="s"))
        if first == 0:
            axes.set_ylabel("time, 1 thread / time, 2 threads" if study.unit is None else f"time per {study.unit}")
        axes.grid(visible=True, which="major", color="#E3E3E3", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        if title:
            axes.set_title(title, fontsize=10.5, loc="left")
        axes.legend(frameon=False, fontsize=9)
    path = folder / picture_name(study)
    plotting.save(figure, path, dpi=110)
    return path
