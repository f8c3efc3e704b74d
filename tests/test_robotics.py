"""Robotics: rows and rewards against the rules of its source, case by case, and its equilibrium."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tmfcore as tmf
from tmfcore.games import robotics


def slow_row(o, a, g):
    """P(. | o, a) and r(o, a) with a share g at work, as the public code draws and pays them."""
    row = np.zeros(3)
    if a == 2:
        chance = max(0.1, 0.9 - 0.8 * g)
        row[2] += chance
        row[1] += 1 - chance
    else:
        row[a] += 0.9
        row[o] += 0.1
    return row, {0: 10.0, 1: 5.0, 2: 20.0}[o] * max(0.4, 1.0 - 5.0 * g) - {0: 0.0, 1: 0.0, 2: 5.0}[a]


@given(st.integers(0, 2**32 - 1))
def test_rows_and_rewards_are_those_of_its_source(seed):
    game, mu = robotics(), np.random.default_rng(seed).dirichlet(np.full(3, 0.4))
    found = game.tables(mu)
    for o, a in itertools.product(range(3), range(3)):
        row, reward = slow_row(o, a, mu[2])
        np.testing.assert_allclose(found.transition[o, a], row, rtol=0, atol=1e-15)
        assert found.reward[o, a] == pytest.approx(reward, abs=1e-12)
        cells, paid = game.model.row(mu, 0, o, a)
        own = np.zeros(3)
        np.add.at(own, game.model.successors[o, a], cells)
        np.testing.assert_array_equal(own, found.transition[o, a])
        assert paid == found.reward[o, a]
    np.testing.assert_array_equal(found.passive_transition, np.eye(3))
    np.testing.assert_array_equal(found.passive_reward, found.reward[:, 0])  # to be idle costs nothing


def test_parameters_reach_their_formulas():
    game = robotics([4.0, 2.0, 8.0], costs=[0.1, 0.2, 0.3], congestion=1.0, least_share=0.3, success=0.8, slowdown=0.5, least_success=0.6)
    for mu, share, chance in (([0.8, 0.0, 0.2], 0.8, 0.7), ([0.1, 0.0, 0.9], 0.3, 0.6)):
        found = game.tables(mu)
        np.testing.assert_allclose(found.reward, share * np.array([[4], [2], [8]]) - [0.1, 0.2, 0.3], rtol=1e-14)
        np.testing.assert_allclose(found.transition[0, 2], [0, 1 - chance, chance], rtol=1e-14)
        np.testing.assert_allclose(found.transition[2, 0], [0.8, 0, 0.2], rtol=1e-14)
    with pytest.raises(ValueError, match=r"success is 1\.5; must be in"):
        robotics(success=1.5)
    with pytest.raises(ValueError, match=r"worth has shape \(2,\)"):
        robotics([1.0, 2.0])


def test_at_the_equilibrium_robots_are_indifferent_between_work_and_rest():
    """In the middle of the horizon: both actions are played by idle robots, so that their Q are equal."""
    game = robotics()
    found = tmf.solve(game, tmf.Synchronous())
    q = tmf.evaluate(game, found.policy, tmf.Synchronous()).q[50, 0]
    assert 0.05 < found.policy.table[50, 0, 2] < 0.95
    assert abs(q[0] - q[2]) < 0.05
    assert found.flow.mu[50, 2] == pytest.approx(0.076, abs=2e-3)
