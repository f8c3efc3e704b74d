"""Demand: rewards by hand, and the threshold of the weight on welfare, by best-response runs of n agents and in the limit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tmfcore as tmf
from tmfcore.games import demand


@given(st.integers(2, 9), st.floats(0, 1), st.floats(0, 5), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_rows_and_rewards(n, capacity, severity, weight, seed):
    game = demand(n, capacity=capacity, severity=severity, social_weight=weight, step=0.1).at()
    mu = np.random.default_rng(seed).dirichlet(np.ones(n))
    d = np.arange(n) / (n - 1)
    own = d - severity * max(mu @ d - capacity, 0.0)
    wanted = 0.1 * ((1 - weight) * own + weight * mu @ own)
    reward, rows, passive_reward, passive = game.tables(mu)
    np.testing.assert_allclose(passive_reward, wanted, atol=1e-14)
    np.testing.assert_allclose(reward, np.tile(wanted[:, None], (1, n)), atol=1e-14)
    np.testing.assert_array_equal(rows, np.tile(np.eye(n), (n, 1, 1)))
    np.testing.assert_array_equal(passive, np.eye(n))
    assert game.model.passive_identity
    for o in range(n):
        assert game.model.row(mu, 0, o, n - 1)[1] == reward[o, n - 1]


def settled(game, counts, rng):
    """The counts after agents, drawn one by one, took their best replies, until nobody gains: each in its own population."""
    n, size = int(counts.sum()), len(counts)
    still = 0
    while still < 20 * n:
        o = rng.choice(size, p=counts / n)
        one = np.eye(size)
        worth = [game.tables((counts + one[a] - one[o]) / n)[2][a] for a in range(size)]
        best = int(np.argmax(worth))
        if worth[best] > worth[o] + 1e-12:
            counts = counts + np.eye(size, dtype=int)[best] - np.eye(size, dtype=int)[o]
            still = 0
        still += 1
    return counts


@pytest.mark.parametrize(("weight", "total"), [(0.80, 20), (0.84, 20), (0.845, 10), (0.90, 10)])
def test_best_response_runs(weight, total):
    """n = 20, severity 4: the threshold is 16/19 = 0.8421. Below it all demand the most, above it they stop at the capacity."""
    game = demand(11, severity=4.0, social_weight=weight).at(step=1)
    rng = np.random.default_rng(0)
    ends = settled(game, np.bincount(rng.integers(11, size=20), minlength=11), rng)
    assert ends @ np.arange(11) / 10 == pytest.approx(total)


@pytest.mark.parametrize(("n", "severity"), [(10, 2.0), (20, 4.0), (100, 1.5), (1000, 30.0)])
def test_the_threshold(n, severity):
    """Where one of n agents gains nothing by a larger demand in overload: (n - s) / (n - 1), to rounding."""
    size = 6
    mu = np.zeros(size)
    mu[3:5] = [0.4, 0.6]
    more = mu.copy()
    more[[4, 5]] += [-1 / n, 1 / n]

    def gain(weight):
        game = demand(size, severity=severity, social_weight=weight).at(step=1)
        return game.tables(more)[2][5] - game.tables(mu)[2][4]

    threshold = (n - severity) / (n - 1)
    assert gain(threshold) == pytest.approx(0.0, abs=1e-12)
    assert gain(threshold - 1e-3) > 0 > gain(threshold + 1e-3)


@pytest.mark.parametrize("weight", [0.0, 0.9])
def test_in_the_limit_all_demand_the_most(weight):
    game = demand(social_weight=weight, horizon=5)
    found = tmf.solve(game, tmf.Synchronous(), tolerance=1e-4)
    assert found.converged
    assert found.flow.mu[-2, -1] > 0.99
    welfare = game.at(step=1).tables(np.eye(6)[5])[2][5]
    assert welfare == pytest.approx(1 - 4 * 0.5)


@pytest.mark.parametrize(("altruism", "mean"), [(0.2, 1.0), (0.3, 0.5), (1.0, 0.5)])
def test_the_threshold_of_altruism(altruism, mean):
    """1 / severity: above it everybody together stops at the capacity, a kink, where the derivative jumps."""
    game = demand(11, severity=4.0, horizon=8)
    found = tmf.solvers.FictitiousPlay(altruism=altruism, iterations=100, tolerance=None).solve(game, tmf.Synchronous())
    np.testing.assert_allclose(found.flow.mu[1:-1] @ np.arange(11) / 10, mean, atol=0.03)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"n_levels": 1}, ValueError, "n_levels is 1"),
        ({"capacity": 1.5}, ValueError, "capacity is 1.5"),
        ({"severity": -1}, ValueError, "severity is -1.0"),
        ({"social_weight": 2}, ValueError, "social_weight is 2.0"),
        ({"initial": [1.0]}, ValueError, r"initial has shape \(1,\)"),
    ],
)
def test_errors(arguments, error, text):
    with pytest.raises(error, match=text):
        demand(**arguments)
