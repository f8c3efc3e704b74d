"""The gradient statistics of TMF-PG: ns per step, against numpy matrix products that give the same direction."""

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore import _gradient

from . import plain

N = 1000


def setup(steps):
    """Counts and decisions of a run of queueing, every step kept."""
    step = 0.1
    game = tmf.games.queueing([0.1, 0.15, 0.2, 0.25], horizon=steps * step, step=step)
    tables = plain.queueing(np.array([0.1, 0.15, 0.2, 0.25]), step=step)
    pi = np.random.default_rng(5).dirichlet(np.ones(5), size=5)
    run = tmf.simulate(game, tmf.TabularPolicy(pi), tmf.Batch(N // 10), N, rng=1)
    return game, tables, pi, run.mu[0], np.ascontiguousarray(run.decisions[0])


@pytest.mark.benchmark(group="gradient, model critic")
@pytest.mark.parametrize("code", ["tmfcore", "numpy"])
def test_model_direction(measure, code):
    """ns per step of the plain gradient with the model critic."""
    steps = 2_000
    game, tables, pi, mu, decisions = setup(steps)
    policy = tmf.TabularPolicy(pi).kernel
    active = np.array([0.1])
    direction, visits = np.empty((1, 5, 5, 1)), np.empty((1, 5, 5))

    def mine():
        return _gradient.model_direction(
            game.model, policy, mu, decisions, active, game.discount, False, False, direction, visits
        )

    def theirs():
        return plain.model_direction(tables, pi, mu, decisions, 0.1, game.discount)

    mean_return = mine()
    expected, expected_visits, expected_return = theirs()
    np.testing.assert_allclose(direction[0, :, :, 0], expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(visits[0], expected_visits)
    assert mean_return == pytest.approx(expected_return, rel=1e-12)
    measure(mine if code == "tmfcore" else theirs, units=steps, unit="step")


@pytest.mark.benchmark(group="gradient, TMF-PG iteration")
@pytest.mark.parametrize("critic", ["model", "empirical", "returns"])
@pytest.mark.parametrize("batch", [1, 10, N])
def test_iteration(measure, critic, batch):
    """ns per step of a whole TMF-PG iteration: roll-out, statistics, update; 20 sweeps of a thousand agents."""
    step = batch / N
    game = tmf.games.queueing([0.1, 0.15, 0.2, 0.25], horizon=20, step=step)
    if critic == "returns" and batch == 1:
        game = tmf.games.queueing([0.1, 0.15, 0.2, 0.25], horizon=2, step=step)  # trajectories take T * N
    solver = tmf.solvers.TMFPG(critic=critic, replicas=1, iterations=5, tolerance=None)
    solution = measure(
        lambda: solver.solve(game, tmf.Batch(batch), N, rng=1), units=5 * game.horizon, unit="step", rounds=3
    )
    assert np.isfinite(solution.history["mean_return"]).all()
