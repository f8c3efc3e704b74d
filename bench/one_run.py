"""Measure what StationaryTMFPG learns from one run without resets, and write docs/measured/one-run.md.

    python bench/one_run.py            half a minute on one core
    python bench/one_run.py --quick    two seeds; prints, writes nothing

Seeds are fixed: every run writes the same table.
"""

from itertools import product
from pathlib import Path

import numpy as np

import tmfcore as tmf
from pages import is_quick, shown

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "docs" / "measured" / "one-run.md"
SEEDS, SWEEPS, EVERY, N = 10, 2000, 50, 1000
ENOUGH = 0.02
GAMES = {
    "resource selection": lambda discount: tmf.games.resource_selection(
        (1.0, 0.8, 0.6, 0.4), congestion=1.0, discount=discount
    ),
    "beach bar": lambda discount: tmf.games.beach_bar(10, discount=discount),
    "cyber security": lambda discount: tmf.games.cyber_security(discount=discount),
    "queueing": lambda discount: tmf.games.queueing((0.1, 0.2, 0.3), discount=discount),
}
SCHEDULES = (tmf.Synchronous(), tmf.Batch(200))

PAGE = """# One run without resets

Written by `python bench/one_run.py` (fixed seeds). `StationaryTMFPG` learns a stationary policy from one population of
{n:,} agents that is never reset, in {sweeps:,} sweeps, with its defaults. The figure is relative exploitability: what
an agent gains by its best response at the stationary distribution of the policy, divided by |mean return|, both as
`Stationary` computes them from the model. Discount 0.9 is per sweep; "average" is discount 1, the mean reward in the
long run. The table has the uniform policy, from which all start; `Stationary` itself, which ends at 0.01% or less; and
of the learner the sweeps until {enough:.0%}, and the exploitability at the end: median, and worst of {seeds} seeds.
The end is the last policy, not the best one on the way.

| game | criterion | acting | uniform | `Stationary` | sweeps to {enough:.0%} | worst | at the end | worst |
|---|---|---|---|---|---|---|---|---|
{rows}

Evaluations are {every} sweeps apart. A sweep in which all act is one step; with 200 of {n:,}, it is five.

Nobody else's code can be put beside it: the mean-field learners of OpenSpiel and of MFGLib play games of finite horizon
from their start, again and again, or know the model, and have neither stationary equilibria nor average rewards. So it
is compared with the exact solver only.
"""


def share(found: tmf.Solution, index: int) -> float:
    """Relative exploitability at an evaluation."""
    return float(found.history["exploitability"][index] / abs(found.history["mean_return"][index]))


def row(name: str, discount: float, schedule: tmf.Schedule, seeds: int) -> str:
    """A row of the table."""
    game = GAMES[name](discount)
    exact = tmf.solvers.Stationary().solve(game, schedule, N)
    solver = tmf.solvers.StationaryTMFPG(iterations=SWEEPS, tolerance=None, evaluate_every=EVERY)
    ends, needed = [], []
    for seed in range(seeds):
        found = solver.solve(game, schedule, N, rng=seed)
        shares = [share(found, index) for index in range(len(found.history["iteration"]))]
        ends.append(shares[-1])
        needed.append(next((EVERY * index for index, each in enumerate(shares) if each <= ENOUGH), np.inf))
    criterion = "average" if discount == 1 else f"discount {discount:g}"
    sweeps = [f"{value:,.0f}" if np.isfinite(value) else "-" for value in (np.median(needed), max(needed))]
    return (
        f"| {name} | {criterion} | {schedule} | {shares[0]:.1%} | {exact.relative_exploitability:.3%} | "
        f"{sweeps[0]} | {sweeps[1]} | {np.median(ends):.2%} | {max(ends):.2%} |"
    )


def main() -> None:
    quick = is_quick(__doc__, "two seeds")
    cases = product(GAMES, (0.9, 1.0), SCHEDULES)
    rows = shown(row(*case, 2 if quick else SEEDS) for case in cases)
    if not quick:
        text = PAGE.format(n=N, sweeps=SWEEPS, enough=ENOUGH, seeds=SEEDS, every=EVERY, rows="\n".join(rows))
        OUTPUT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
