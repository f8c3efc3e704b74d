"""Measure model-based learning, and write docs/measured/learning.md and its picture.

    python bench/learning.py            about five minutes on two cores
    python bench/learning.py --quick    small classes and few seeds; prints, writes nothing

Seeds are fixed: every run writes the same numbers, but for the times. Needs the extra `app` for the picture.
"""

import sys
import time
from functools import cache
from pathlib import Path

import numpy as np

import tmfcore as tmf
from pages import is_quick
from tmfcore.learn._distances import View, all_pairs, distances

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "docs" / "measured" / "learning.md"
ALL = tmf.Synchronous()
CLASSES, TRIALS, CANDIDATES = 5, 1, 200
RUNS, DELTAS = 200, (0.1, 0.001)
SEEDS, EPISODES = 20, 40
WIDTHS = (1.0, 0.3, 0.0)
SHOWN = (1, 2, 3, 5, 10, 20, 40)

PAGE = """# Model-based learning

Written by `python bench/learning.py` (fixed seeds). [Unknown games](../how-to/unknown.md) shows how, and
[Theory](../theory.md), section {section}, has the equations.

## Which of 200 games

The environment of the experiment of arXiv:2402.05724 (`games.linear_features`): 100 observations, 50 actions, 3 steps,
5 features, 200 candidates whose psi differ by up to a tenth; epsilon = 0.001, delta = 0.001, 50 rounds with one
reference; the population is the mean field. {classes} classes, and in each of them {trials} true game drawn at random.
The table has the number of trajectories after which one candidate was left, and whether it was the true one:

| class | trajectories | the true game | exploitability of the policy in it, at most |
|---|---|---|---|
{elimination}

The paper reports much less than S A = 5,000. A round here takes 2 trajectories, and 6 in the paper's algorithm.

**How often the true game is lost.** {runs} runs on 6 candidates of 8 observations and 3 actions (w = 0.2):

| delta | lost | one left | trajectories, median |
|---|---|---|---|
{survival}

**Distances.** Those of a pair of candidates of 100 observations, 50 actions and 3 steps, both ways, take {ours:.2f} ms
of processor time, of all pairs of 40 on one thread, the rows of all included. By numpy, pair by pair with rows that
are there, they take {numpy:.1f} ms, {ratio:.0f} times as long. The largest difference is {agree:.0e}.

## A policy for rows that nobody knows

`learn.optimistic` on a walk along {places} places, of which the last is worth most, and crowds are avoided, against an
unknown wind: {horizon} steps, {agents} agents seen in each episode. Regret per episode, of an optimum of
{optimum:.3f}, and its sum; mean over {seeds} seeds:

| width of the sets | {heads} | sum of {episodes} |
|---|{dashes}|---|
{regret}

![Regret per episode](learning.png)

Width 1 is that of the intervals of all rows together at 95%; 0 is certainty equivalence. With width 1, {rows:.2%} of
the true rows were in their sets, over all episodes and seeds, and all rows were in {whole:.1%} of the episodes.
Certainty equivalence is best here, since what is worth a try is tried without sets, too.
"""


@cache
def classed(number: int, n: int, size: int, n_actions: int, perturbation: float) -> list[tmf.Game]:
    """The candidates of a class."""
    return [
        tmf.games.linear_features(size, n_actions=n_actions, candidate=k, perturbation=perturbation, rng=number)
        for k in range(n)
    ]


def found_in(number: int, trial: int, n: int, size: int, n_actions: int) -> tuple[int, bool, float]:
    """Trajectories until one is left, whether it is the true one, and the bound on the exploitability."""
    games = classed(number, n, size, n_actions, 0.1)
    true = int(np.random.default_rng([number, trial]).integers(n))
    oracle = tmf.learn.Oracle(games[true], ALL, rng=[number, trial])
    found = tmf.learn.eliminate(games, oracle, ALL, rng=[number, trial])
    return found.n_trajectories, found.survivors.tolist() == [true], found.guarantee


def elimination(classes: int, trials: int, n: int, size: int, n_actions: int) -> list[str]:
    """Rows of the first table."""
    rows = []
    for number in range(1, classes + 1):
        results = [found_in(number, trial, n, size, n_actions) for trial in range(trials)]
        classed.cache_clear()
        right = sum(result[1] for result in results)
        rows.append(
            f"| {number} | {', '.join(str(result[0]) for result in results)} | in {right} of {trials} | "
            f"{max(result[2] for result in results):.1e} |"
        )
        show(rows[-1])
    return rows


def survival(runs: int) -> list[str]:
    """Rows of the second table."""
    rows = []
    look = {"n_actions": 3, "n_features": 3, "perturbation": 0.2, "rng": 3}
    games = [tmf.games.linear_features(8, candidate=k, **look) for k in range(6)]
    for delta in DELTAS:
        lost, alone, taken = 0, 0, []
        for seed in range(runs):
            oracle = tmf.learn.Oracle(games[seed % 6], ALL, rng=seed)
            found = tmf.learn.eliminate(games, oracle, ALL, delta=delta, rng=seed, threads=1)
            lost += seed % 6 not in found.survivors
            alone += len(found.survivors) == 1
            taken.append(found.n_trajectories)
        rows.append(f"| {delta:g} | {lost} of {runs} | {alone} | {np.median(taken):g} |")
        show(rows[-1])
    return rows


def pair_by_pair(own: list[np.ndarray], others: list[np.ndarray], start: np.ndarray) -> tuple[float, float]:
    """Both distances of a pair by numpy, from the rows (S, A, S) of each step."""
    values = np.zeros((2, len(start)))
    for p, q in zip(reversed(own), reversed(others), strict=True):
        apart = np.abs(p - q).sum(axis=-1)
        values = np.array([(apart + rows @ ahead).max(axis=-1) for rows, ahead in zip((p, q), values, strict=True)])
    return float(start @ values[0]), float(start @ values[1])


def speed(n: int, size: int, n_actions: int) -> dict[str, float]:
    """Milliseconds of a pair, ours and by numpy, of processor time."""
    games = classed(1, n, size, n_actions, 0.1)
    policy = tmf.TabularPolicy.uniform(games[0])
    views = [View(game.at(step=1), tmf.mean_field(game, policy, ALL).mu, np.ones(1)) for game in games]
    pairs = all_pairs(n)
    taken = []
    for _ in range(3):
        start = time.process_time()
        found = distances(views, pairs, 1)
        taken.append((time.process_time() - start) / len(pairs))
    some = range(0, len(pairs), max(1, len(pairs) // 20))
    rows = [[view.game.model.tables(view.mu[t], t)[1] for t in range(view.game.n_steps)] for view in views]
    start = time.process_time()
    wanted = np.array([pair_by_pair(rows[pairs[i, 0]], rows[pairs[i, 1]], games[0].initial) for i in some])
    plain = (time.process_time() - start) / len(some)
    agree = float(np.abs(wanted - found[list(some)]).max())
    return {"ours": 1e3 * min(taken), "numpy": 1e3 * plain, "ratio": plain / min(taken), "agree": agree}


def walk(n: int = 5, horizon: int = 6) -> tmf.Game:
    """A walk on a line: a step succeeds with a probability of its own; the last place is worth most."""
    rng = np.random.default_rng(0)
    rows = np.zeros((n, 2, n))
    for o in range(n):
        for a, step in enumerate((-1, 1)):
            p = rng.uniform(0.6, 0.9)
            rows[o, a, min(max(o + step, 0), n - 1)] += p
            rows[o, a, o] += 1 - p
    return tmf.games.crowd_aversion(
        rows, worth=np.linspace(0, 2, n), congestion=0.1, epsilon=0.01, horizon=horizon, initial=np.eye(n)[0], step=1
    )


def regret(episodes: int, seeds: int, agents: int) -> tuple[list[str], dict[float, np.ndarray], dict[str, float]]:
    """Rows of the last table, mean regret per episode by width, and the optimum and shares of rows in their sets."""
    rows, curves, facts = [], {}, {}
    for width in WIDTHS:
        options = {"episodes": episodes, "trajectories": agents, "width": width}
        runs = [tmf.learn.optimistic(walk(), ALL, **options, rng=seed) for seed in range(seeds)]
        curves[width] = np.mean([run.regret for run in runs], axis=0)
        if width == 1:
            inside = np.array([run.inside for run in runs])
            facts = {"optimum": runs[0].optimum, "rows": inside.mean(), "whole": (inside == 1).mean()}
        cells = [f"{max(curves[width][k - 1], 0):.2f}" for k in SHOWN if k <= episodes]
        rows.append(f"| {width:g} | {' | '.join(cells)} | {curves[width].sum():.2f} |")
        show(rows[-1])
    return rows, curves, facts


def draw(path: Path, curves: dict[float, np.ndarray]) -> None:
    from tmfcore import plotting

    names = {width: f"width {width:g}" if width else "certainty equivalence" for width in WIDTHS}
    ax = plotting.by_step(
        {names[width]: curve for width, curve in curves.items()}, 0.0, level_label="optimum", x_label="episode",
        quantity="regret (units of return)", title="Regret per episode, mean over seeds",
    )
    plotting.save(ax, path)


def show(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    quick = is_quick(__doc__, "small classes and few seeds")
    agents = 5
    first = elimination(2, 2, 12, 20, 5) if quick else elimination(CLASSES, TRIALS, CANDIDATES, 100, 50)
    second = survival(12 if quick else RUNS)
    times = speed(6, 20, 5) if quick else speed(40, 100, 50)
    show(str(times))
    third, curves, facts = regret(4 if quick else EPISODES, 2 if quick else SEEDS, agents)
    show(str(facts))
    if quick:
        return
    draw(OUTPUT.with_suffix(".png"), curves)
    heads = (ROOT / "docs" / "theory.md").read_text(encoding="utf-8").splitlines()
    section = next(line.split(".")[0][3:] for line in heads if line.startswith("## ") and "Unknown games" in line)
    text = PAGE.format(
        section=section, classes=CLASSES, trials=TRIALS, elimination="\n".join(first), runs=RUNS,
        survival="\n".join(second), places=5, horizon=6, agents=agents, seeds=SEEDS, episodes=EPISODES,
        heads=" | ".join(f"episode {k}" for k in SHOWN), dashes="|".join(["---"] * len(SHOWN)),
        regret="\n".join(third), **times, **facts,
    )  # fmt: skip
    OUTPUT.write_text(text, encoding="utf-8")
    show(f"wrote {OUTPUT}")


if __name__ == "__main__":
    main()
