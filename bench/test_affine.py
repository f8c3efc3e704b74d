"""Affine games, whose tables depend on mu: compiled, against the same game as numpy functions."""

import numpy as np
import pytest

import tmfcore as tmf

HORIZON = 50
SIZES = {"S=8, K=8": (8, 4, 8), "S=64, K=4": (64, 4, 4), "S=64, K=64": (64, 4, 64)}


def arrays(n_observations, n_actions, n_cells):
    """(reward, reward_mu, transition, transition_mu, successors): half the mass of each row depends on mu."""
    rng = np.random.default_rng(3)
    shape = (n_observations, n_actions, n_cells)
    reward_mu = np.repeat(-np.eye(n_observations)[:, None], n_actions, axis=1)
    transition = 0.5 * rng.dirichlet(np.ones(n_cells), size=shape[:2])
    transition_mu = 0.5 * np.moveaxis(rng.dirichlet(np.ones(n_cells), size=(*shape[:2], n_observations)), -1, 2)
    successors = np.stack([rng.permutation(n_observations)[:n_cells] for _ in range(n_observations * n_actions)])
    return rng.random(shape[:2]), reward_mu, transition, np.ascontiguousarray(transition_mu), successors.reshape(shape)


def games(name):
    """The compiled game, and the same game as functions of mu."""
    reward, reward_mu, transition, transition_mu, successors = arrays(*SIZES[name])
    size = len(reward)
    start = np.full(size, 1 / size)
    crowding = -np.eye(size)
    compiled = tmf.games.affine(
        reward, reward_mu=reward_mu, transition0=transition, transition_mu=transition_mu, passive_reward_mu=crowding,
        horizon=HORIZON, discount=0.95,
        initial=start, successors=successors,
    )  # fmt: skip
    plain = tmf.Game(
        size, reward.shape[1], HORIZON, 0.95, start, lambda mu: reward + reward_mu @ mu,
        lambda mu: transition + transition_mu @ mu, passive_reward=lambda mu: -mu, successors=successors,
    )  # fmt: skip
    return {"affine": compiled, "numpy": plain}


@pytest.mark.benchmark(group="affine games: flow and values")
@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("code", ["affine", "numpy"])
def test_evaluate(measure, code, name):
    """ns per step, forward and backward: both directions read the slopes of the rows, S^2 A K numbers."""
    both = games(name)
    policy = tmf.TabularPolicy.uniform(both[code])
    found = [tmf.evaluate(game, policy, tmf.Fraction(0.5)).values for game in both.values()]
    np.testing.assert_allclose(*found, atol=1e-11)
    measure(lambda: tmf.evaluate(both[code], policy, tmf.Fraction(0.5)), units=HORIZON, unit="step")


@pytest.mark.benchmark(group="affine games: single agents")
@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("code", ["affine", "numpy"])
def test_sequential(measure, code, name):
    """ns per step of one acting agent: a row of K cells and the rewards of two observations."""
    both = games(name)
    policy = tmf.TabularPolicy.uniform(both[code])
    play = lambda: tmf.simulate(both[code], policy, tmf.Sequential(), 1000, rng=1, decisions=False)
    assert (play().counts.sum(axis=-1) == 1000).all()
    measure(play, units=HORIZON, unit="step")


@pytest.mark.benchmark(group="affine games: fluctuations")
@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("jacobian", ["exact", "differences"])
def test_fluctuations(measure, jacobian, name):
    """ns per step: exact derivatives from the game, against 2 S evaluations of it."""
    game = games(name)["affine"]
    policy = tmf.TabularPolicy.uniform(game)
    run = lambda how: tmf.analysis.fluctuations(game, policy, tmf.Fraction(0.5), start="sampled", jacobian=how)
    np.testing.assert_allclose(run("exact").covariance, run("differences").covariance, atol=1e-6)
    measure(lambda: run(jacobian), units=HORIZON, unit="step", rounds=5)
