"""The table of paper.md, from the page that `tmfcore bench` measured: docs/measured/benchmarks.md."""

from __future__ import annotations

import re
from pathlib import Path

from bench.release.numbers import Unready

BEGIN, END = "<!-- begin: python -m bench.release paper -->\n", "<!-- end -->"

#: Workloads of the page, in the words of the paper.
ROWS = {
    "agents-8": "$N$ agents that all act, 8 observations",
    "agents-512": "the same, 512 observations",
    "sequential-agents-8": "one agent acts at a step, 8 observations",
    "counts-mu-64": "any $N$ by counts, a step, 64 observations",
    "epidemic": "an epidemic, by event",
    "clocks": "Poisson clocks, by event",
    "flow-64": "the mean field, a step, 64 observations",
    "values-64": "values of a policy, a step, 64 observations",
    "mirror-descent": "mirror descent, an iteration",
}


def table(page: str) -> str:
    """A row per workload: the time of tmfcore, and how many times longer the best code of others takes."""
    rows = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in row] for row in rows]
    found = {row[0]: row for row in cells}
    lines = ["| workload | tmfcore | how many times faster than |", "|---|---|---|"]
    for name, words in ROWS.items():
        if name not in found or len(found[name]) < 5:
            raise Unready(f"docs/measured/benchmarks.md has no row {name}, which paper.md quotes")
        others = re.sub(r" \([\d.,]+\)", "", found[name][4])
        lines.append(f"| {words} | {found[name][1]} | {others} |")
    return "\n".join([*lines, ""])


def written(paper: str, page: str) -> str:
    """The paper with the table of the page."""
    head, begin, rest = paper.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise Unready(f"paper.md lacks the lines {BEGIN.strip()} and {END}")
    return f"{head}{begin}\n{table(page)}\n{end}{tail}"


def texts(root: Path) -> tuple[str, str]:
    """The paper and the page."""
    page = root / "docs" / "measured" / "benchmarks.md"
    return (root / "paper.md").read_text(encoding="utf-8"), page.read_text(encoding="utf-8")


def check(root: Path) -> None:
    """Unready if the figures of the paper are not those of the page."""
    paper, page = texts(root)
    if written(paper, page) != paper:
        raise Unready("paper.md has other figures than docs/measured/benchmarks.md: python -m bench.release paper")
