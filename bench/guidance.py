"""Measure what guidance does for TMF-PG in teams of N agents, and write docs/measured/guidance.md and its picture.

    python bench/guidance.py            half a minute on one core
    python bench/guidance.py --quick    one seed and up to 100 agents; prints, writes nothing

Seeds are fixed: every run writes the same table. Needs the extra `app` for the picture.
"""

from functools import cache
from pathlib import Path

import numpy as np

import tmfcore as tmf
from pages import is_quick, shown
from tmfcore.games import wardrop

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "docs" / "measured" / "guidance.md"
SIZES = (5, 15, 50, 150, 500, 1500)
SEEDS = 5
MOST = 3000  # iterations
WORTH = np.array([1.0, 0.8, 0.6, 0.4])
BEST = wardrop(WORTH, congestion=2.0)  # of the team: its prices have twice the slope
TOP = float(BEST @ (WORTH - BEST))
SETTINGS = {
    "critic": "returns", "gradient": "plain", "optimizer": "adam", "learning_rate": 0.03,
    "learning_rate_decay": "constant", "average": None, "iterations": MOST, "tolerance": None,
}  # fmt: skip

PAGE = """# Guidance in teams

Written by `python bench/guidance.py` (fixed seeds). N agents, each with a policy of its own, choose one of four
resources, once and all at the same time. All earn the same: the mean over agents of v_j - mu(j), v = (1, 0.8, 0.6,
0.4). The team's best shares are (0.4, 0.3, 0.2, 0.1), where it earns {top:g} per agent; at first every resource is
equally likely, and it earns 0.45. The table has the iterations of `TMFPG(critic="returns")` until the expected shares
earn 99% of the best: median, and the range over {seeds} seeds. An iteration plays four populations, which are {first}
agents if N = {least}. The settings are the same everywhere (Adam, plain gradient, constant rate 0.03); `guidance` is
the best shares, with `guidance_weight=0.5`.

| N | without guidance | with guidance |
|---|---|---|
{rows}

![Iterations against N](guidance.png)

The return of the team tells one agent little about its own choice: its noise grows with N, and so do the iterations,
about as sqrt(N) with Adam. The guidance of an agent has noise that does not grow ([Theory](../theory.md), section 7):
the largest median with guidance is {spread:.2f} times the smallest, and {flat:.2f} times without the smallest team,
whose iterations have the fewest decisions. Descent-guided policy gradient is that of arXiv:2602.20078; this system is
ours, not one of the paper's.
"""


def team(n: int) -> tmf.Game:
    """A team of n agents, each at an observation of its own, and the four resources after them; one choice matters."""
    size = n + len(WORTH)
    successors = np.broadcast_to(n + np.arange(len(WORTH))[:, np.newaxis], (size, len(WORTH), 1))

    def shared(mu):
        return np.full((size, len(WORTH)), mu[n:] @ (WORTH - mu[n:]))

    start = np.append(np.full(n, 1 / n), np.zeros(len(WORTH)))
    return tmf.Game(size, len(WORTH), 2, 1.0, start, shared, np.ones((size, len(WORTH), 1)), successors=successors)


@cache
def needed(n: int, guided: bool, seed: int) -> int:
    """Iterations until the team earns 99% of the best, in expected shares."""
    guidance = {"guidance": np.append(np.zeros(n), BEST), "guidance_weight": 0.5} if guided else {}
    found = tmf.solvers.TMFPG(**SETTINGS, **guidance).solve(
        team(n), tmf.Synchronous(), n, rng=seed, callback=lambda now: bool(now.mean_return >= 0.99 * TOP)
    )
    return int(found.history["iteration"][-1])


def row(n: int, seeds: int) -> str:
    """A row of the table."""
    cells = []
    for guided in (False, True):
        counts = sorted(needed(n, guided, seed) for seed in range(seeds))
        cells.append(f"{np.median(counts):g} ({counts[0]} to {counts[-1]})")
    return f"| {n:,} | {' | '.join(cells)} |"


def median(n: int, guided: bool, seeds: int = SEEDS) -> float:
    """The median over seeds."""
    return float(np.median([needed(n, guided, seed) for seed in range(seeds)]))


def draw(path: Path) -> None:
    """Medians against N, both axes logarithmic."""
    from tmfcore import plotting
    from tmfcore.plotting._canvas import finish

    _, (ax,) = plotting.figure(1, width=5.4, height=3.6)
    for guided, label in ((False, "without guidance"), (True, "with guidance")):
        ax.plot(SIZES, [median(n, guided) for n in SIZES], marker="o", label=label)
    ax.set(xscale="log", yscale="log", xlabel="agents N", ylabel="iterations")
    ax.minorticks_off()
    for axis, ticks in ((ax.xaxis, SIZES), (ax.yaxis, (20, 50, 100, 200, 500))):
        axis.set_ticks(ticks, [str(tick) for tick in ticks])
    plotting.save(finish(ax, "Iterations to 99% of the team's best return"), path)


def main() -> None:
    quick = is_quick(__doc__, "one seed and up to 100 agents")
    rows = shown(row(n, 1 if quick else SEEDS) for n in (SIZES[:3] if quick else SIZES))
    if quick:
        return
    with_guidance = [median(n, True) for n in SIZES]
    text = PAGE.format(
        top=TOP, seeds=SEEDS, first=4 * SIZES[0], least=SIZES[0], rows="\n".join(rows),
        spread=max(with_guidance) / min(with_guidance), flat=max(with_guidance[1:]) / min(with_guidance[1:]),
    )  # fmt: skip
    OUTPUT.write_text(text, encoding="utf-8")
    draw(OUTPUT.with_suffix(".png"))


if __name__ == "__main__":
    main()
