"""Measure rates that need no modulus (AdaOGD) on noisy resource selection, and write docs/measured/adaptive.md.

    python bench/adaptive.py            some minutes on one core
    python bench/adaptive.py --quick    up to 1,000 steps and two seeds; prints, writes nothing

Seeds are fixed: every run writes the same table. Needs the extra `app` for the picture.
"""

from functools import cache
from pathlib import Path

import numpy as np

import tmfcore as tmf
from pages import is_quick, shown
from tmfcore.games import wardrop

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "docs" / "measured" / "adaptive.md"
WORTH, CONGESTION = np.array([3.0, 2.5, 2.0, 1.0]), np.array([2.0, 1.0, 1.5, 1.0])
BEST = wardrop(WORTH, congestion=CONGESTION)
NOISE, MODULUS = 0.5, 1.0  # the least congestion
STEPS = (1_000, 10_000, 100_000)
SEEDS = 12
#: Label -> learning_rate, learning_rate_decay, and the factor of all rewards.
RULES = {
    "adaptive, alpha = 1": (1.0, "adaptive", 1.0),
    "adaptive, alpha by the first values": (None, "adaptive", 1.0),
    "1 / (mu k), mu known": (1 / MODULUS, "harmonic", 1.0),
    "1 / (mu k), mu 10 times too large": (0.1 / MODULUS, "harmonic", 1.0),
    "adaptive, alpha = 1, rewards times 10": (1.0, "adaptive", 10.0),
    "adaptive, alpha by the first values, rewards times 10": (None, "adaptive", 10.0),
}

PAGE = """# Rates without a modulus

Written by `python bench/adaptive.py` (fixed seeds). All agents choose one of four resources once, and earn
v_j - c_j mu(j), v = (3, 2.5, 2, 1), c = (2, 1, 1.5, 1); the equilibrium is x* = (0.5, 0.5, 0, 0). `ProjectedGradient`
sees these values with normal noise of deviation 0.5 in every step. The game is strongly monotone with the modulus
mu = 1, the least c. The table has |x - x*|^2 of the last policy after T steps, the mean over {seeds} seeds, and its
slope in T, of logarithms.

| rates | {heads} | slope |
|---|{rules}---|
{rows}

![Distance from the equilibrium against the number of steps](adaptive.png)

The first row is AdaOGD of Jordan, Lin and Zhou (arXiv:2310.14085) as we reconstruct it: sqrt(1 + max M) / (k + 1), M
geometric. The paper's printed step was not at hand; its rate, O(log^3 T / T) without knowledge of mu, is what is found
here. Rates 1 / (mu k) are better by logarithms if mu is known, and stay slow if it is taken too large.

**Rewards in another unit.** With `learning_rate=None` rates are in units of the first values: rewards and noise times
10 give the same policies, but for rounding (row 6 is row 2). With `learning_rate=1.0` the modulus and the noise are ten
times as large, and so are steps in units of 1 / mu; what does not change is the rate.
"""


def choice(factor: float = 1.0) -> tmf.Game:
    """One choice among the resources, from observation 0, and the earning."""
    n = len(WORTH)
    successors = np.zeros((n + 1, n, 1), dtype=np.int32)
    successors[0, :, 0] = 1 + np.arange(n)
    successors[1:, :, 0] = 1 + np.arange(n)[:, np.newaxis]

    reward, slopes = np.zeros((n + 1, n)), np.zeros((n + 1, n, n + 1))
    reward[1:] = factor * WORTH[:, np.newaxis]
    for j in range(n):
        slopes[1 + j, :, 1 + j] = -factor * CONGESTION[j]
    return tmf.games.affine(
        reward, reward_mu=slopes, transition0=np.ones(successors.shape), transition_mu=None, successors=successors,
        horizon=2, discount=1.0, initial=np.eye(n + 1)[0],
    )  # fmt: skip


@cache
def distances(rule: str, seed: int, steps: tuple[int, ...]) -> tuple[float, ...]:
    """|x - x*|^2 of the policies after each number of steps of one solve."""
    rate, decay, factor = RULES[rule]
    game, found, solution, made = choice(factor), [], None, 0
    for step in steps:  # a Solution goes on bit for bit
        solver = tmf.solvers.ProjectedGradient(
            learning_rate=rate, learning_rate_decay=decay, noise=NOISE * factor, iterations=step - made, tolerance=None
        )
        solution, made = solver.solve(game, tmf.Synchronous(), rng=seed, initial=solution), step
        found.append(float(((solution.state["policy"][0, 0] - BEST) ** 2).sum()))
    return tuple(found)


def means(rule: str, seeds: int, steps: tuple[int, ...]) -> np.ndarray:
    return np.mean([distances(rule, seed, steps) for seed in range(seeds)], axis=0)


def slope(found: np.ndarray, steps: tuple[int, ...]) -> float:
    """Of the line through the logarithms, by least squares."""
    return float(np.polyfit(np.log(steps), np.log(found), 1)[0])


def draw(path: Path) -> None:
    """Distances of the first four rules, both axes logarithmic."""
    from tmfcore import plotting
    from tmfcore.plotting._canvas import finish

    _, (ax,) = plotting.figure(1, width=5.4, height=3.6)
    for rule in list(RULES)[:4]:
        ax.plot(STEPS, means(rule, SEEDS, STEPS), marker="o", label=rule)
    ax.set(xscale="log", yscale="log", xlabel="steps T", ylabel="$|x - x^*|^2$")
    plotting.save(finish(ax, "Squared distance from the equilibrium"), path)


def row(rule: str, seeds: int, steps: tuple[int, ...]) -> str:
    found = means(rule, seeds, steps)
    return f"| {rule} | {' | '.join(f'{value:.1e}' for value in found)} | {slope(found, steps):.2f} |"


def main() -> None:
    quick = is_quick(__doc__, "up to 1,000 steps and two seeds")
    steps, seeds = ((100, 1000), 2) if quick else (STEPS, SEEDS)
    rows = shown(row(rule, seeds, steps) for rule in RULES)
    if quick:
        return
    heads = " | ".join(f"T = {step:,}" for step in STEPS)
    text = PAGE.format(seeds=SEEDS, heads=heads, rules="---|" * len(STEPS), rows="\n".join(rows))
    OUTPUT.write_text(text, encoding="utf-8")
    draw(OUTPUT.with_suffix(".png"))


if __name__ == "__main__":
    main()
