"""Welfare with altruism 1 on the small games of the shelf, against the best of 20 restarts of a generic optimiser.

    python -m bench.optimum [GAME ...]

Writes docs/measured/optimum.md; with names, those rows only. The command fails if `solve` finds less welfare than the
best of the optimiser's runs by more than 1e-4, or if altruism costs more than MOST. A few minutes for all.
"""

import re
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

import tmfcore as tmf
from bench.test_altruism import GAMES, MOST, ROUNDS, cost
from tmfcore.games import SHELF

OUTPUT = Path(__file__).resolve().parents[1] / "docs" / "measured" / "optimum.md"
RESTARTS, ALLOWED = 20, 1e-4
OPTIONS = {"maxiter": 500, "ftol": 1e-14, "gtol": 1e-9}  # by default it stops where a softmax is flat
SCHEDULE = tmf.Synchronous()
HEAD = (
    "| game | `solve` | best start | best of scipy | difference | exploitability | seconds |\n"
    "|---|---|---|---|---|---|---|\n"
)
ROW = re.compile(r"^\| `(\w+)` \|.*\|$", re.MULTILINE)

PAGE = """# Welfare against a generic optimiser

Written by `python -m bench.optimum` (fixed seeds). The small instance of every game of the shelf, under
`Synchronous()`: the welfare that `tmf.solve(..., altruism=1, tolerance=1e-6)` finds, from the uniform policy and as the
best of that and of {restarts} random policies (`initial=`); and the best of scipy's L-BFGS-B from the same {restarts}
policies, over the logits of all steps, with the gradient of [Theory](../theory.md), section 14, and at most 500
iterations each. The difference is the best start of `solve` minus scipy. Goal: never below -{allowed:g}.

{table}
The least difference is {least:+.1e}: {verdict}.

Exploitability is that of the game with altruism 1, from the uniform policy; above the tolerance, `solve` says that it
has not converged.

* Where welfare has a kink at the best policies, the price jumps there, and the exploitability does not fall to 0,
  however good the policy is. In `demand` the kink is the capacity, which the best policies fill exactly: a little more
  demand costs all others something, a little less costs nobody. Differences of mu are taken over 1/65536, and the
  policy found is that near to the kink.
* Neither proves a global optimum. Welfare may have several maxima, as in `graphon`: from the uniform policy `solve`
  ends at a lower one. It takes milliseconds, so try several starts.

## What altruism costs

Of affine games, whose derivatives are known: an iteration of mirror descent, and the one with altruism as a multiple of
it, the fastest of {rounds} rounds each, in turns. Goal: at most {most:g}.

| game | us | with altruism |
|---|---|---|
{costs}"""


def random_logits(game):
    """Of the starts, one in each row."""
    return np.random.default_rng(1).normal(size=(RESTARTS, game.n_steps * game.n_observations * game.n_actions)) * 2


def policy_of(game, x):
    """The policy (T, S, A) of logits."""
    shape = (game.n_steps, game.n_observations, game.n_actions)
    logits = x.reshape(shape) if game.legal is None else np.where(game.legal, x.reshape(shape), -1e300)
    table = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return table / table.sum(axis=-1, keepdims=True)


def best_of(game):
    """The highest welfare that scipy finds."""
    shape = (game.n_steps, game.n_observations, game.n_actions)
    legal = np.ones(shape[1:], bool) if game.legal is None else game.legal
    weights = game.discount ** np.arange(game.n_steps)[:, None, None]

    def lost(x):
        table = policy_of(game, x)
        found = tmf.evaluate(game, tmf.TabularPolicy(table), SCHEDULE, altruism=1.0)
        q = np.where(legal, found.q, 0.0)
        slope = weights * found.flow.mu[:-1, :, None] * table * (q - (table * q).sum(axis=-1, keepdims=True))
        return -found.mean_return, -slope.reshape(-1)

    runs = (minimize(lost, x, jac=True, method="L-BFGS-B", options=OPTIONS) for x in random_logits(game))
    return max(-run.fun for run in runs)


def measured(name):
    """The row of a game."""
    game = SHELF[name].small().at(SCHEDULE)
    options = {"altruism": 1.0, "tolerance": 1e-6}
    begin = time.perf_counter()
    found = tmf.solve(game, SCHEDULE, **options)
    ours = [tmf.solve(game, SCHEDULE, initial=policy_of(game, x), **options).mean_return for x in random_logits(game)]
    highest = max(found.mean_return, *ours)
    solved = time.perf_counter()
    best = best_of(game)
    took = f"{solved - begin:.2f} against {time.perf_counter() - solved:.1f}"
    gap = f"{found.exploitability:.1e}" + ("" if found.converged else ", not converged")
    return (
        f"| `{name}` | {found.mean_return:.6f} | {highest:.6f} | {best:.6f} | {highest - best:+.1e} | {gap} | {took} |"
    )


def main(names):
    """Measure, print and write; whether none is short."""
    unknown = set(names) - set(SHELF)
    if unknown:
        sys.exit(f"no game of the shelf: {', '.join(sorted(unknown))}")
    known = {found[1]: found[0] for found in ROW.finditer(OUTPUT.read_text())} if names and OUTPUT.exists() else {}
    for name in names or sorted(SHELF):
        known[name] = measured(name)
        print(known[name], flush=True)
    rows = {name: row for name, row in sorted(known.items()) if name in SHELF}
    least = min(float(row.split("|")[5]) for row in rows.values())
    fine = least >= -ALLOWED
    table = HEAD + "".join(f"{row}\n" for row in rows.values())
    verdict = "the goal is met" if fine else "the goal is not met"
    ratios = {game: cost(game) for game in GAMES}
    costs = "".join(f"| {game} | {1e6 * alone:.1f} | {ratio:.2f} |\n" for game, (alone, ratio) in ratios.items())
    OUTPUT.write_text(
        PAGE.format(
            restarts=RESTARTS, allowed=ALLOWED, table=table, least=least, verdict=verdict, rounds=ROUNDS, most=MOST,
            costs=costs,
        )
    )  # fmt: skip
    return fine and all(ratio <= MOST for _, ratio in ratios.values())


if __name__ == "__main__":
    warnings.simplefilter("ignore", tmf.ConvergenceWarning)
    sys.exit(not main(sys.argv[1:]))
