"""The exact solvers: one iteration, including exploitability, against the same iteration as a numpy loop."""

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore.solvers import _registry as registry
from tmfcore.solvers._exact import ExactSolver

SIZE, HORIZON = 100, 20
ITERATIONS = 50
SOLVERS = [entry.name for entry in registry.SOLVERS.values() if issubclass(entry.solver, ExactSolver)]


def plain_mirror_descent(game, rate, iterations):
    """Online mirror descent on the beach bar, with all agents acting: the exploitability of each iterate."""
    x = np.arange(SIZE)
    successors = (x[:, None, None] + np.arange(-1, 2)[:, None] + np.arange(-1, 2)) % SIZE
    wind = np.array((0.25, 0.5, 0.25))
    fixed = (1 - np.abs(x - SIZE // 2) / (SIZE // 2))[:, None] - np.abs(np.arange(-1, 2)) / SIZE
    logits, gaps = np.zeros((HORIZON, SIZE, 3)), []
    for _ in range(iterations + 1):
        pi = np.exp(logits - logits.max(axis=-1, keepdims=True))
        pi /= pi.sum(axis=-1, keepdims=True)
        flow = [game.initial]
        for t in range(HORIZON):
            moved = (flow[t][:, None] * pi[t])[:, :, None] * wind
            flow.append(np.bincount(successors.ravel(), weights=moved.ravel(), minlength=SIZE))
        own, best, q = np.zeros(SIZE), np.zeros(SIZE), np.empty_like(logits)
        for t in reversed(range(HORIZON)):
            reward = fixed - np.log(flow[t] + 1e-6)[:, None]
            q[t] = reward + own[successors] @ wind
            best = (reward + best[successors] @ wind).max(axis=-1)
            own = (pi[t] * q[t]).sum(axis=-1)
        gaps.append(game.initial @ (best - own))
        logits += rate * q
    return gaps


@pytest.mark.benchmark(group="mirror descent")
@pytest.mark.parametrize("code", ["tmfcore", "numpy"])
def test_mirror_descent(measure, code):
    """ns per iteration on the beach bar, S = 100, T = 20, three successors, including the call of `solve`."""
    game = tmf.games.beach_bar(SIZE, horizon=HORIZON, step=1).at()
    solver = tmf.solvers.MirrorDescent(iterations=ITERATIONS, tolerance=None, learning_rate=0.1)
    mine = lambda: solver.solve(game, tmf.Synchronous()).history["exploitability"]
    theirs = lambda: plain_mirror_descent(game, 0.1, ITERATIONS)
    np.testing.assert_allclose(mine(), theirs(), rtol=1e-9)
    measure(mine if code == "tmfcore" else theirs, units=ITERATIONS + 1, unit="iteration")


@pytest.mark.benchmark(group="solvers")
@pytest.mark.parametrize("solver", SOLVERS)
def test_to_one_ten_thousandth(measure, solver):
    """Time of a solve of queueing, K = 3, to a relative exploitability of 1e-4."""
    game = tmf.games.queueing((0.1, 0.2, 0.3), step=1).at()
    run = lambda: getattr(tmf.solvers, solver)().solve(game, tmf.Synchronous())
    assert run().converged
    measure(run, units=1, unit="solve")
