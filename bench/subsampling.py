"""Measure agents who see kappa of a thousand robots, and write docs/measured/subsampling.md and its picture.

    python bench/subsampling.py            some five minutes on two cores
    python bench/subsampling.py --quick    kappa up to 5, fewer replicas; prints, writes nothing

Seeds are fixed: every run writes the same table. Needs the extra `app` for the picture.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from scipy import stats

import tmfcore as tmf
from pages import is_quick

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "docs" / "measured" / "subsampling.md"
SIZES = (1, 3, 5, 10, 15, 20, 25, 30, 60, 100)
N, ROWS, COLUMNS, RADIUS = 1000, 25, 40, 0.3  # the paper's
DRAWN, EXACT = 100, 5000  # replicas: 5 seeds of 20 in the paper
LEVEL = 0.05 / len(SIZES)  # of each interval, so that all hold at once with probability 0.95
GAME, SCHEDULE = tmf.games.robotics(), tmf.Synchronous()

PAGE = """# Samples of neighbours

Written by `python bench/subsampling.py` (fixed seeds). A thousand robots play
[`games.robotics`](../gallery/robotics.md) for 100 steps, the game and the sizes of graphon mean-field subsampling
(arXiv:2602.16196). They see kappa others, drawn with replacement, and play what `solvers.Subsampled(kappa)` finds; the
public code trains otherwise ([Systems of related papers](../related.md)), so these are not the paper's returns.

* The limit: `tmf.evaluate` of the policy, the sum over all histograms.
* The exact average: `simulate` on counts, where robots play pi_kappa at mu-hat; {exact:,} replicas.
* Robots that draw: `simulate(graph=)` with all robots in every row, where each draws kappa robots itself; {drawn}
  replicas. The law is the same, the code is not. The interval is Student's for the difference of the two means, at
  {level:.1%} outside, so that all ten hold 0 at once with probability 0.95.
* 0.3: the same on positions. Robots on a grid of 25 by 40 on the unit square draw from those within 0.3 of them, 202 on
  average, and are slowed down by these.

| kappa | histograms | limit | exact average | robots that draw | difference, interval | fits | 0.3 | exploitability |
|---|---|---|---|---|---|---|---|---|
{rows}

![Mean return and exploitability against kappa](subsampling.png)

{verdict} The limit is off by {bias:.2f} at most, which is of order 1/N; neighbourhoods of 202 are smaller populations,
with an error to match. Who sees all of mu earns {top:.1f} in the equilibrium; what is missing from it, and the
exploitability in the mean field, fall with kappa: the share at work that a robot believes in is off by about
1/sqrt(kappa) ([Theory](../theory.md), section 15).
"""


@dataclass(frozen=True)
class Point:
    """What one kappa gives."""

    kappa: int
    n_histograms: int
    limit: float
    exact: float
    drawn: float
    half: float  # half the interval of drawn - exact
    near: float
    near_half: float
    gap: float

    @property
    def fits(self) -> bool:
        """Whether the interval of the difference holds 0."""
        return abs(self.drawn - self.exact) <= self.half

    def row(self) -> str:
        """A row of the table."""
        low, high = self.drawn - self.exact - self.half, self.drawn - self.exact + self.half
        return (
            f"| {self.kappa} | {self.n_histograms:,} | {self.limit:.2f} | {self.exact:.2f} | {self.drawn:.2f} | "
            f"{self.drawn - self.exact:+.2f} ({low:+.2f} to {high:+.2f}) | {'yes' if self.fits else 'NO'} | "
            f"{self.near:.2f} | {self.gap:.3f} |"
        )


def everybody() -> tuple[np.ndarray, np.ndarray]:
    """All robots in every row."""
    return np.arange(N + 1) * N, np.tile(np.arange(N), N)


def neighbours() -> sp.csr_array:
    """Those within the radius, without the robot itself."""
    x, y = np.meshgrid(np.linspace(0, 1, ROWS), np.linspace(0, 1, COLUMNS), indexing="ij")
    place = np.column_stack([x.ravel(), y.ravel()])
    near = np.linalg.norm(place[:, None] - place, axis=-1) <= RADIUS
    np.fill_diagonal(near, False)
    return sp.csr_array(near.astype(float))


def half_of(*samples: np.ndarray) -> float:
    """Half of Welch's interval for a mean, or for the difference of two."""
    parts = [np.var(one, ddof=1) / len(one) for one in samples]
    freedom = sum(parts) ** 2 / sum(part**2 / (len(one) - 1) for part, one in zip(parts, samples, strict=True))
    return float(stats.t.isf(LEVEL / 2, freedom) * math.sqrt(sum(parts)))


def point(kappa: int, drawn: int, exact: int) -> Point:
    """Solve and play for one kappa."""
    found = tmf.solvers.Subsampled(kappa).solve(GAME, SCHEDULE, rng=kappa)
    play = {"game": GAME, "policy": found, "schedule": SCHEDULE, "n_agents": N, "start": "sampled", "decisions": False}
    averaged = tmf.simulate(**play, replicas=exact, engine="counts", rng=1).returns
    own = tmf.simulate(**play, replicas=drawn, graph=everybody(), rng=2).returns
    near = tmf.simulate(**play, replicas=drawn, graph=neighbours(), rng=3).returns
    return Point(
        kappa, found.policy.table.shape[1], tmf.evaluate(GAME, found, SCHEDULE).mean_return, float(averaged.mean()),
        float(own.mean()), half_of(own, averaged), float(near.mean()), half_of(near),
        tmf.exploitability(GAME, found, SCHEDULE),
    )  # fmt: skip


def draw(points: list[Point], top: float, path: Path) -> None:
    """Returns and exploitability against kappa."""
    from tmfcore import plotting
    from tmfcore.plotting._canvas import finish

    figure, (left, right) = plotting.figure(2, width=4.2, height=3.4)
    kappa = [one.kappa for one in points]
    left.axhline(top, color=plotting.GUIDE, linewidth=1, label="equilibrium, seeing mu")
    left.plot(kappa, [one.limit for one in points], label="limit")
    left.errorbar(kappa, [one.drawn for one in points], [one.half for one in points], fmt="o", label="1,000 robots")
    left.errorbar(
        kappa, [one.near for one in points], [one.near_half for one in points], fmt="s", markersize=4,
        label="who see within 0.3",
    )  # fmt: skip
    left.set(xscale="log", xlabel="kappa", ylabel="mean return")
    right.plot(kappa, [one.gap for one in points], marker="o")
    right.set(xscale="log", yscale="log", xlabel="kappa", ylabel="exploitability in the mean field")
    for ax in (left, right):
        ax.minorticks_off()
        finish(ax, "", legend=ax is left)
        ax.xaxis.set_ticks((1, 3, 10, 30, 100), ["1", "3", "10", "30", "100"])
    plotting.save(figure, path)


def main() -> None:
    quick = is_quick(__doc__, "kappa up to 5 and fewer replicas")
    points = []
    for kappa in SIZES[:3] if quick else SIZES:
        points.append(point(kappa, *((10, 100) if quick else (DRAWN, EXACT))))
        print(points[-1].row(), flush=True)
    if quick:
        return
    fitting = sum(one.fits for one in points)
    verdict = (
        "All ten intervals hold 0." if fitting == len(points) else f"{fitting} of {len(points)} intervals hold 0."
    )
    top = tmf.solve(GAME, SCHEDULE).mean_return
    OUTPUT.write_text(PAGE.format(
        exact=EXACT, drawn=DRAWN, level=LEVEL, rows="\n".join(one.row() for one in points), verdict=verdict, top=top,
        bias=max(abs(one.limit - one.exact) for one in points),
    ), encoding="utf-8")  # fmt: skip
    draw(points, top, OUTPUT.with_suffix(".png"))


if __name__ == "__main__":
    main()
