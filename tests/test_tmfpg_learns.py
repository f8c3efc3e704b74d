"""TMF-PG finds equilibria with every critic and schedule."""

from __future__ import annotations

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore.solvers import TMFPG
from tmfpg_cases import N, same, small


def resource_selection(step: float = 1.0) -> tmf.Game:
    return tmf.games.resource_selection(
        np.linspace(1.0, 0.55, 10), congestion=1.0, switching_cost=0.05, initial=np.eye(10)[9], step=step
    ).at()


def queueing(step: float = 1.0) -> tmf.Game:
    return tmf.games.queueing((0.06, 0.10, 0.14, 0.20, 0.30), step=step).at()


def batch(size: int) -> tmf.Schedule:
    return tmf.Synchronous() if size == N else tmf.Batch(size)


# ------------------------------------------------------------------------------------------------- it finds equilibria


@pytest.mark.parametrize("build", [resource_selection, queueing])
@pytest.mark.parametrize("size", [10, 100, N])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.broad
def test_defaults_reach_half_a_percent(build, size, seed):
    game = build(size / N)
    solution = TMFPG().solve(game, batch(size), N, rng=seed)
    gap = tmf.exploitability(game, solution.policy, batch(size), N)
    value = tmf.evaluate(game, solution.policy, batch(size), N).mean_return
    assert solution.converged
    assert gap <= 0.005 * abs(value)
    assert gap == pytest.approx(solution.exploitability, rel=1e-9)
    assert value == pytest.approx(solution.mean_return, rel=1e-9)
    assert solution.relative_exploitability == pytest.approx(gap / abs(value))


@pytest.mark.parametrize("build", [resource_selection, queueing])
@pytest.mark.parametrize(
    ("options", "bound"),
    [
        ({"critic": "empirical"}, 0.02),
        ({"critic": "returns"}, 0.06),  # Monte-Carlo returns of individuals are noisier than values
        ({"gradient": "plain"}, 0.02),
        ({"critic": "returns", "gradient": "plain"}, 0.1),
        ({"population_aware": True}, 0.02),
        ({"optimizer": "sgd", "learning_rate": 2.0, "decay_iterations": 40}, 0.06),
        ({"inner_updates": 3, "learning_rate": 0.3}, 0.02),
        ({"clock": "always"}, 0.02),
        ({"average": None}, 0.02),
        ({"critic": "empirical", "gradient": "plain", "clock": "always"}, 0.04),
    ],
    ids=str,
)
@pytest.mark.broad(4)
def test_every_variant_learns(build, options, bound):
    """From the uniform policy, at 25% or more, in 60 iterations to below a bound; one agent in ten acting a step."""
    game = build(0.1)
    solution = TMFPG(**{"iterations": 60, "tolerance": None} | options).solve(game, tmf.Batch(100), N, rng=0)
    first = solution.history["exploitability"][0] / abs(solution.history["mean_return"][0])
    assert first > 0.25
    assert solution.relative_exploitability <= bound


@pytest.mark.parametrize("critic", ["model", "empirical", "returns"])
@pytest.mark.parametrize("step", [1.0, 0.02])
@pytest.mark.parametrize("game", ["choice", "queueing", "resource_selection"])
@pytest.mark.broad
def test_one_agent_a_step_learns(game, step, critic):
    """B = 1 of 50 at the defaults, in 40 iterations: 20 decisions where a step is a sweep, 1,000 where it is a fiftieth."""
    made = {
        "choice": lambda: tmf.Game(1, 2, round(20 / step), 1.0, [1.0], [[0.0, 1.0]], np.ones((1, 2, 1))),
        "queueing": lambda: tmf.games.queueing([0.1, 0.2, 0.3], horizon=20, step=step).at(),
        "resource_selection": lambda: tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0, horizon=20, step=step).at(),
    }[game]()
    solver = TMFPG(critic=critic, iterations=40, tolerance=None, evaluate_every=40)
    solution = solver.solve(made, tmf.Sequential(), 50, rng=1)
    first, last = solution.history["exploitability"] / np.abs(solution.history["mean_return"])
    assert first > 0.2
    assert last < 0.25 * first


def test_the_mean_field_limit_converges_further():
    """Without sampling noise what is left is the policy being constant within a sweep."""
    game = queueing(0.1)
    solution = TMFPG(tolerance=1e-3).solve(game, tmf.Fraction(0.1))
    assert solution.converged
    assert solution.n_agents is None
    np.testing.assert_array_equal(solution.history["sampled_return"], solution.history["mean_return"])
    again = TMFPG(tolerance=1e-3).solve(game, tmf.Fraction(0.1), rng=5)
    assert same(solution, again)


def test_water_filling():
    """k = 0: the middle of the flow is the Wardrop equilibrium v_o - mu(o) = lambda (Theory, section 8)."""
    game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0, initial=(1.0, 0.0, 0.0, 0.0), step=1).at()
    solution = TMFPG(tolerance=1e-3, iterations=1000, learning_rate=1.0).solve(game, tmf.Synchronous())
    np.testing.assert_allclose(solution.flow.mu[10], [8 / 15, 1 / 3, 2 / 15, 0], atol=0.02)


def test_entropy_makes_the_policy_softer():
    def spread(tau, **options):
        solver = TMFPG(entropy=tau, tolerance=None, iterations=40, **options)
        table = solver.solve(small(), tmf.Synchronous(), N, rng=0).state["average"]
        return np.ptp(table[..., 0], axis=-1).mean()

    for options in ({}, {"gradient": "plain"}, {"population_aware": True}, {"critic": "empirical"}):
        assert spread(1.0, **options) < 0.7 * spread(0.0, **options)


def test_a_strong_entropy_bonus_keeps_the_uniform_policy_in_the_limit():
    """pi ~ exp(advantage / tau): logits of the order 1 / tau."""
    solver = TMFPG(entropy=1e4, tolerance=None, iterations=50, optimizer="sgd", learning_rate=1e-5, average=None)
    theta = solver.solve(small(), tmf.Synchronous()).state["theta"]
    assert np.abs(theta).max() < 1e-3
