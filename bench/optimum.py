"""Welfare with altruism 1 on the small games of the shelf, against the best of 20 restarts of a generic optimiser.

    python -m bench.optimum [GAME ...]

The optimiser is L-BFGS-B of scipy over the logits of all steps, with the gradient of Theory, section 14. The command
fails if `solve` converges to less welfare than the best of its runs by more than 1e-4. A quarter of an hour for all.

Welfare of `demand` has a kink where the capacity is reached, and its best policies are there: `solve` says that it has
not converged, and is short by 1.6e-4.
"""

import sys
import time
import warnings

import numpy as np
from scipy.optimize import minimize

import tmfcore as tmf
from tmfcore.games import SHELF

RESTARTS, ALLOWED = 20, 1e-4
SCHEDULE = tmf.Synchronous()


def best_of(game):
    """The highest welfare that scipy finds."""
    shape = (game.n_steps, game.n_observations, game.n_actions)
    legal = np.ones(shape[1:], bool) if game.legal is None else game.legal
    weights = game.discount ** np.arange(game.n_steps)[:, None, None]

    def lost(x):
        logits = np.where(legal, x.reshape(shape), -1e300)
        table = np.exp(logits - logits.max(axis=-1, keepdims=True))
        table /= table.sum(axis=-1, keepdims=True)
        found = tmf.evaluate(game, tmf.TabularPolicy(table), SCHEDULE, altruism=1.0)
        q = np.where(legal, found.q, 0.0)
        slope = weights * found.flow.mu[:-1, :, None] * table * (q - (table * q).sum(axis=-1, keepdims=True))
        return -found.mean_return, -slope.reshape(-1)

    rng = np.random.default_rng(1)
    starts = rng.normal(size=(RESTARTS, np.prod(shape))) * 2
    return max(-minimize(lost, x, jac=True, method="L-BFGS-B", options={"maxiter": 500}).fun for x in starts)


def main(names):
    """Print a line for each game; whether none is short."""
    worst = -np.inf
    for name in names or sorted(SHELF):
        game = SHELF[name].small().at(SCHEDULE)
        begin = time.perf_counter()
        found = tmf.solve(game, SCHEDULE, altruism=1.0, tolerance=1e-6)
        solved = time.perf_counter()
        best = best_of(game)
        short = best - found.mean_return
        if found.converged:
            worst = max(worst, short)
        times = f"{solved - begin:.2f} s against {time.perf_counter() - solved:.0f} s"
        line = f"{name:22s} welfare {found.mean_return:.6f}, scipy {best:.6f}, short by {short:+.1e}; {times}"
        line += "" if found.converged else "; not converged"
        print(line, flush=True)
    print(f"largest shortfall of those converged {worst:.1e}; at most {ALLOWED:g} is allowed")
    return worst <= ALLOWED


if __name__ == "__main__":
    warnings.simplefilter("ignore", tmf.ConvergenceWarning)
    sys.exit(not main(sys.argv[1:]))
