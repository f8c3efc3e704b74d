"""The mean field: forward flow and backward values, us per step, against a numpy loop that multiplies matrices."""

import numpy as np
import pytest
from scipy import sparse

import tmfcore as tmf

from . import plain

GAMES = {
    "resource selection, S=8": (
        lambda step: tmf.games.resource_selection(np.linspace(1.0, 0.3, 8), switching_cost=0.05, step=step).at(),
        lambda step: plain.resource_selection(np.linspace(1.0, 0.3, 8), np.ones(8), 0.05, step),
    ),
    "queueing, S=6": (
        lambda step: tmf.games.queueing([0.1, 0.15, 0.2, 0.25, 0.3], step=step).at(),
        lambda step: plain.queueing(np.array([0.1, 0.15, 0.2, 0.25, 0.3]), step=step),
    ),
}
STEP = 0.1
SCHEDULE = tmf.Fraction(0.1)


def dense_game(size, n_actions=4, horizon=50):
    """A dense random game with a constant kernel, where matrix products dominate."""
    rng = np.random.default_rng(7)
    transition = rng.dirichlet(np.ones(size), size=(size, n_actions))
    reward = rng.random((size, n_actions))
    game = tmf.Game(size, n_actions, horizon, 0.95, np.full(size, 1 / size), reward, transition)
    return game, lambda mu: (reward, transition, np.zeros(size), np.eye(size))


def case(name):
    if name.startswith("dense"):
        game, tables = dense_game(int(name.split("=")[1]))
    else:
        game, tables = GAMES[name][0](STEP), GAMES[name][1](STEP)
    pi = np.random.default_rng(5).dirichlet(np.ones(game.n_actions), size=game.n_observations)
    return game, tables, pi


CASES = [*GAMES, "dense, S=64"]


@pytest.mark.benchmark(group="flow")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("code", ["tmfcore", "numpy"])
def test_flow(measure, code, name):
    """ns per step of mean_field."""
    game, tables, pi = case(name)
    policy = tmf.TabularPolicy(pi)
    mine = lambda: tmf.mean_field(game, policy, SCHEDULE).mu
    theirs = lambda: plain.flow(tables, pi, game.initial, 0.1, game.horizon)
    np.testing.assert_allclose(mine(), theirs(), atol=1e-12)
    measure(mine if code == "tmfcore" else theirs, units=game.horizon, unit="step")


@pytest.mark.benchmark(group="values")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("code", ["tmfcore", "numpy"])
def test_values(measure, code, name):
    """ns per step of evaluate along a given flow."""
    game, tables, pi = case(name)
    policy, flow = tmf.TabularPolicy(pi), tmf.mean_field(game, tmf.TabularPolicy(pi), SCHEDULE)
    mine = lambda: tmf.evaluate(game, policy, SCHEDULE, flow=flow)
    theirs = lambda: plain.values(tables, pi, flow.mu, 0.1, game.discount)
    np.testing.assert_allclose(mine().values, theirs()[0], atol=1e-11)
    np.testing.assert_allclose(mine().q, theirs()[1], atol=1e-11)
    measure(mine if code == "tmfcore" else theirs, units=game.horizon, unit="step")


@pytest.mark.benchmark(group="best response")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("code", ["tmfcore", "numpy"])
def test_best_response(measure, code, name):
    """ns per step of best_response along a given flow."""
    game, tables, pi = case(name)
    flow = tmf.mean_field(game, tmf.TabularPolicy(pi), SCHEDULE)
    mine = lambda: tmf.best_response(game, flow, SCHEDULE)
    theirs = lambda: plain.values(tables, None, flow.mu, 0.1, game.discount)
    np.testing.assert_allclose(mine()[1], theirs()[0], atol=1e-11)
    measure(mine if code == "tmfcore" else theirs, units=game.horizon, unit="step")


@pytest.mark.benchmark(group="exploitability")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("code", ["tmfcore", "numpy"])
def test_exploitability(measure, code, name):
    """ns per step of exploitability: one pass forward, one backward for both values."""
    game, tables, pi = case(name)
    policy = tmf.TabularPolicy(pi)

    def theirs():
        mu = plain.flow(tables, pi, game.initial, 0.1, game.horizon)
        best, own = (plain.values(tables, way, mu, 0.1, game.discount)[0][0] for way in (None, pi))
        return game.initial @ (best - own)

    mine = lambda: tmf.exploitability(game, policy, SCHEDULE)
    np.testing.assert_allclose(mine(), theirs(), atol=1e-11)
    measure(mine if code == "tmfcore" else theirs, units=game.horizon, unit="step")


@pytest.mark.benchmark(group="sparse")
@pytest.mark.parametrize("size", [64, 4096])
@pytest.mark.parametrize("code", ["tmfcore", "scipy"])
def test_sparse_flow(measure, code, size):
    """ns per step of mean_field with three successors, against a product with the averaged kernel as a CSR matrix."""
    rng = np.random.default_rng(7)
    shape, horizon = (size, 4), 50
    successors, transition = rng.integers(size, size=(*shape, 3)), rng.dirichlet(np.ones(3), size=shape)
    pi = rng.dirichlet(np.ones(4), size=size)
    game = tmf.Game(
        *shape, horizon, 0.95, np.full(size, 1 / size), rng.random(shape), transition, successors=successors
    )
    policy, weights = tmf.TabularPolicy(pi), (pi[:, :, None] * transition).ravel()
    rows = np.repeat(np.arange(size), 12)

    def theirs():
        kernel = sparse.csr_matrix((weights, (successors.ravel(), rows)), shape=(size, size))
        mu = [game.initial]
        for _ in range(horizon):
            mu.append(kernel @ mu[-1])
        return np.array(mu)

    mine = lambda: tmf.mean_field(game, policy, tmf.Synchronous()).mu
    np.testing.assert_allclose(mine(), theirs(), atol=1e-12)
    measure(mine if code == "tmfcore" else theirs, units=horizon, unit="step")
