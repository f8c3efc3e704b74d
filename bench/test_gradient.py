"""The gradient statistics of TMF-PG: ns per step, against numpy matrix products for the same direction."""

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore._population import counts as counts_kernel
from tmfcore.solvers import _gradient, _observed

from . import plain

N = 1000


def setup(steps):
    """Counts and decisions of a run of queueing, with every step recorded."""
    step = 0.1
    game = tmf.games.queueing([0.1, 0.15, 0.2, 0.25], horizon=steps * step, step=step).at()
    tables = plain.queueing(np.array([0.1, 0.15, 0.2, 0.25]), step=step)
    pi = np.random.default_rng(5).dirichlet(np.ones(5), size=5)
    run = tmf.simulate(game, tmf.TabularPolicy(pi), tmf.Batch(N // 10), N, rng=1)
    return game, tables, pi, run.mu[0], np.ascontiguousarray(run.decisions[0])


def observed_arrays(intervals):
    """direction, visits, tables, sums, level, surplus of one stage and S = A = 5."""
    tables = np.zeros((intervals, 5, 5)), np.zeros((intervals, 5))
    sums = np.empty((2, intervals, 5, 5)), np.empty((2, intervals, 5))
    return np.empty((1, 5, 5, 1)), np.empty((1, 5, 5)), tables, sums, np.empty((1, 5, 5, 1)), np.empty((1, 5))


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


@pytest.mark.benchmark(group="gradient, empirical critic")
def test_empirical_direction(measure):
    """ns per step of the plain gradient from observed frequencies: every cell of every row is read."""
    steps = 2_000
    game, _, pi, _, _ = setup(steps)
    policy, model = tmf.TabularPolicy(pi).kernel, game.model
    counts, decisions = np.zeros((steps + 1, 5), np.int64), np.zeros((steps, 5, 5), np.int64)
    flows = (
        np.zeros((steps, 5, 5, model.n_successors), np.int64), np.zeros((steps, 5, 5)),
        np.zeros((steps, 5, model.n_passive_successors), np.int64), np.zeros((steps, 5)),
    )
    counts_kernel.run(
        model, policy, np.random.PCG64(1), np.full(5, N // 5), steps, game.discount, np.array([N // 10]), None, 1,
        counts, decisions, np.zeros(steps), flows,
    )
    direction, visits, tables, sums, level, surplus = observed_arrays(steps)
    mine = lambda: _observed.empirical_direction(
        policy, counts / N, flows, model.successors, model.passive_successors, steps, 1, np.array([0.1]), game.discount,
        False, tables, sums, False, direction, visits, level, surplus,
    )
    mine()
    np.testing.assert_array_equal(visits[0], decisions.sum(0))
    # Directions of a softmax sum to zero over the actions.
    np.testing.assert_allclose(direction[0, :, :, 0].sum(1), 0, atol=1e-9 * np.abs(direction).max())
    measure(mine, units=steps, unit="step")


@pytest.mark.benchmark(group="gradient, returns critic")
def test_returns_direction(measure):
    """ns per agent-step of the plain gradient from the returns of individuals: one backward pass over trajectories."""
    steps = 200
    game, _, pi, _, _ = setup(steps)
    policy = tmf.TabularPolicy(pi)
    run = tmf.simulate(game, policy, tmf.Batch(N // 10), N, rng=1, trajectories=True)
    observations = np.ascontiguousarray(run.trajectories.observations.T)
    actions = np.ascontiguousarray(run.trajectories.actions.T)
    direction, visits, tables, sums, level, surplus = observed_arrays(steps // 10)
    mine = lambda: _observed.returns_direction(
        game.model, policy.kernel, run.mu[0], observations, actions, np.array([0.1]), game.discount, 10, tables, sums,
        False, direction, visits, level, surplus,
    )
    assert mine() == pytest.approx(run.returns[0], rel=1e-9)
    np.testing.assert_array_equal(visits[0], run.decisions[0].sum(0))
    measure(mine, units=steps * N, unit="agent-step")


@pytest.mark.benchmark(group="gradient, TMF-PG iteration")
@pytest.mark.parametrize("critic", ["model", "empirical", "returns"])
@pytest.mark.parametrize("batch", [1, 10, N])
def test_iteration(measure, critic, batch):
    """ns per step of a whole TMF-PG iteration: roll-out, statistics, update; 20 sweeps of a thousand agents."""
    step = batch / N
    game = tmf.games.queueing([0.1, 0.15, 0.2, 0.25], horizon=20, step=step).at()
    if critic == "returns" and batch == 1:
        game = tmf.games.queueing([0.1, 0.15, 0.2, 0.25], horizon=2, step=step).at()  # trajectories take T * N
    solver = tmf.solvers.TMFPG(critic=critic, replicas=1, iterations=5, tolerance=None)
    solution = measure(
        lambda: solver.solve(game, tmf.Batch(batch), N, rng=1), units=5 * game.horizon, unit="step", rounds=3
    )
    assert np.isfinite(solution.history["mean_return"]).all()
