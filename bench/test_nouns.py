"""Games and policies: the cost of making them, and of evaluating their tables at (t, mu)."""

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore._model import policy as policy_kernel

SIZE = 64
RNG = np.random.default_rng(7)
TRANSITION = RNG.dirichlet(np.ones(SIZE), size=(SIZE, 4))
REWARD = RNG.random((SIZE, 4))
MU = RNG.dirichlet(np.ones(SIZE))
THETA = RNG.normal(size=(1, SIZE, 4, 1 + SIZE))


def dense_game():
    return tmf.Game(SIZE, 4, 50, 0.95, MU, REWARD, TRANSITION)


@pytest.mark.benchmark(group="making a game of arrays")
@pytest.mark.parametrize("sparse", [False, True])
def test_new_game_of_arrays(measure, sparse):
    """ns per cell of making a Game, each row checked: S = 64 with A = 4 dense, or S = 4096 with three successors."""
    if sparse:
        shape = (4096, 4, 3)
        transition, successors = RNG.dirichlet(np.ones(3), size=shape[:2]), RNG.integers(4096, size=shape)
        initial, reward = np.full(4096, 1 / 4096), RNG.random(shape[:2])
        make = lambda: tmf.Game(4096, 4, 50, 0.95, initial, reward, transition, successors=successors)
    else:
        make, transition = dense_game, TRANSITION
    np.testing.assert_array_equal(make().tables(make().initial)[1], transition)
    measure(make, units=transition.size, unit="cell")


@pytest.mark.benchmark(group="making a built-in game")
def test_new_queueing(measure):
    """us of making the compiled queueing game of 16 servers."""
    capacities = np.linspace(0.1, 0.4, 16)
    make = lambda: tmf.games.queueing(capacities, step=0.1).at()
    assert make().n_observations == 17
    measure(make, units=1, unit="call")


@pytest.mark.benchmark(group="making a policy")
@pytest.mark.parametrize("kind", ["tabular", "softmax"])
def test_new_policy(measure, kind):
    """ns per entry of making a policy of 50 stages, S = 64, A = 4."""
    theta = RNG.normal(size=(50, SIZE, 4))
    tabular = np.exp(theta) / np.exp(theta).sum(-1, keepdims=True)
    make = (lambda: tmf.SoftmaxPolicy(theta)) if kind == "softmax" else (lambda: tmf.TabularPolicy(tabular))
    np.testing.assert_allclose(make().probabilities(MU, 0, 50), tabular[0], rtol=1e-12)
    measure(make, units=theta.size, unit="entry")


@pytest.mark.benchmark(group="tables of a game")
@pytest.mark.parametrize("kind", ["arrays", "resource selection"])
def test_tables_of_a_game(measure, kind):
    """ns per cell of Game.tables at one mu; S = 64."""
    values = np.linspace(1.0, 0.3, SIZE)
    game = dense_game() if kind == "arrays" else tmf.games.resource_selection(values, congestion=1.0, step=1).at()
    reward, transition, passive_reward, _ = game.tables(MU)
    if kind == "arrays":
        np.testing.assert_array_equal(reward, REWARD)
    else:
        np.testing.assert_allclose(passive_reward, values - MU, rtol=1e-12)
    measure(lambda: game.tables(MU), units=transition.size, unit="cell")


@pytest.mark.benchmark(group="a row of a game")
def test_row_of_a_game(measure):
    """ns of one checked row of a compiled model, evaluated from Python; S = 64."""
    model = tmf.games.resource_selection(np.linspace(1.0, 0.3, SIZE), congestion=1.0, step=1).at().model
    row, reward = model.row(MU, 0, 3, 5)
    assert row.sum() == 1 and reward == pytest.approx(model.tables(MU)[0][3, 5], rel=1e-12)
    measure(lambda: model.row(MU, 0, 3, 5), units=1, unit="call")


@pytest.mark.benchmark(group="policy of mu")
@pytest.mark.parametrize("code", ["tmfcore", "numpy"])
def test_policy_of_mu(measure, code):
    """ns per weight of a softmax policy whose logits are affine in mu, S = 64, A = 4, against einsum and exp."""
    policy = tmf.SoftmaxPolicy(THETA)

    def theirs():
        logits = THETA[0, :, :, 0] + THETA[0, :, :, 1:] @ MU
        logits = np.exp(logits - logits.max(axis=1, keepdims=True))
        return logits / logits.sum(axis=1, keepdims=True)

    mine = lambda: policy.probabilities(MU)
    np.testing.assert_allclose(mine(), theirs(), rtol=1e-12)
    measure(mine if code == "tmfcore" else theirs, units=THETA.size, unit="weight")


@pytest.mark.benchmark(group="softmax")
@pytest.mark.parametrize("code", ["tmfcore", "numpy"])
def test_softmax(measure, code):
    """ns per entry of the softmax kernel over rows of four."""
    theta = RNG.normal(size=(50, SIZE, 4))

    def theirs():
        weights = np.exp(theta - theta.max(axis=-1, keepdims=True))
        return weights / weights.sum(axis=-1, keepdims=True)

    mine = lambda: policy_kernel.softmax(theta)
    np.testing.assert_allclose(mine(), theirs(), rtol=1e-12)
    measure(mine if code == "tmfcore" else theirs, units=theta.size, unit="entry")


@pytest.mark.benchmark(group="a policy as text")
@pytest.mark.parametrize("way", ["to_json", "from_json"])
def test_policy_as_text(measure, way):
    """ns per entry of a policy written as JSON and read again; S = 64, A = 4."""
    policy = tmf.TabularPolicy(RNG.dirichlet(np.ones(4), size=SIZE))
    text = policy.to_json()
    assert tmf.TabularPolicy.from_json(text) == policy
    run = policy.to_json if way == "to_json" else (lambda: tmf.TabularPolicy.from_json(text))
    measure(run, units=4 * SIZE, unit="entry")
