"""Games on positions: neighbourhoods by hand, blocks, and the n agents of which each has a position of its own."""

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore.games import by_type, graphon, robotics, typed


def by_hand(weights):
    """Rows without their own entry, divided by their sums; empty rows are uniform over the others."""
    rows = np.array(weights, float)
    np.fill_diagonal(rows, 0)
    for i in range(len(rows)):
        if rows[i].sum() == 0:
            rows[i] = 1.0
            rows[i, i] = 0.0
        rows[i] /= rows[i].sum()
    return rows


def seen(game, mu):
    """The share at work that each block meets, read from the rewards of robots at rest: 10 (1 - g)."""
    return 1 - game.tables(mu).passive_reward[::3] / 10


ROBOTS = robotics(congestion=1.0, least_share=-9.0, horizon=4)


def test_each_position_meets_its_neighbours():
    rng = np.random.default_rng(1)
    weights = rng.random((7, 7)) * (rng.random((7, 7)) < 0.6)
    weights[3] = 0
    weights[3, 3] = 5.0  # alone but for itself: it meets all others alike
    game = graphon(ROBOTS, positions=rng.random((7, 2)), weights=weights)
    assert game.name == "graphon" and game.n_observations == 21 and len(by_type(game, game.initial)) == 7
    own = rng.dirichlet(np.ones(3), 7)
    np.testing.assert_allclose(seen(game, own.ravel() / 7), by_hand(weights) @ own[:, 2], rtol=0, atol=1e-14)


def test_blocks_meet_the_mean_over_their_positions():
    rng = np.random.default_rng(2)
    weights, block = rng.random((9, 9)), np.array([2, 0, 0, 1, 2, 2, 0, 1, 0])
    game = graphon(ROBOTS, positions=rng.random(9), weights=weights, blocks=block)
    own = rng.dirichlet(np.ones(3), 3)
    shares = np.bincount(block) / 9
    np.testing.assert_allclose(by_type(game, game.initial)["block 2"].sum(), shares[2])
    wanted = [(by_hand(weights) @ own[block, 2])[block == i].mean() for i in range(3)]
    np.testing.assert_allclose(seen(game, (shares[:, None] * own).ravel()), wanted, rtol=0, atol=1e-14)


def test_blocks_start_as_they_are_told():
    begun = [[0.5, 0.5, 0.0], [0.1, 0.2, 0.7]]
    game = graphon(ROBOTS, positions=[0.0, 0.1, 0.9], weights=np.ones((3, 3)), blocks=[0, 0, 1], initial=begun)
    np.testing.assert_allclose(game.initial, np.ravel(begun * np.array([[2 / 3], [1 / 3]])))
    with pytest.raises(ValueError, match=r"initial has shape \(2, 2\); must be \(M, S'\) = \(2, 3\)"):
        graphon(ROBOTS, positions=[0.0, 0.9], weights=np.ones((2, 2)), initial=np.eye(2))


def test_functions_and_cells():
    """Positions in one and in two coordinates; a number of blocks cuts each coordinate, and empty cells are left out."""
    line = np.array([0.0, 0.2, 0.45, 0.9, 1.0])
    near = lambda x, y: np.abs(x - y) < 0.3  # noqa: E731
    found = graphon(ROBOTS, positions=line, weights=near, blocks=3)
    right = graphon(ROBOTS, positions=line, weights=np.abs(line[:, None] - line) < 0.3, blocks=[0, 0, 1, 2, 2])
    np.testing.assert_array_equal(found.model.weights, right.model.weights)
    square = np.array([[0.1, 0.1], [0.2, 0.3], [0.9, 0.8], [0.4, 0.9]])
    found = graphon(ROBOTS, positions=square, weights=lambda x, y: np.exp(-np.linalg.norm(x - y, axis=-1)), blocks=2)
    right = graphon(ROBOTS, positions=square, weights=np.exp(-np.linalg.norm(square[:, None] - square, axis=-1)), blocks=[0, 0, 2, 1])
    np.testing.assert_array_equal(found.model.weights, right.model.weights)


def test_equal_weights_are_a_typed_game_where_one_sees_all_others():
    """W = 1 on M blocks of n/M positions: a block sees itself a little less, by the position that does not see itself."""
    game = graphon(ROBOTS, positions=np.arange(8) / 8, weights=np.ones((8, 8)), blocks=2)
    coupling = np.array([[3 / 7, 4 / 7], [4 / 7, 3 / 7]]) * 2
    right = typed([ROBOTS] * 2, shares=[0.5, 0.5], coupling=coupling)
    np.testing.assert_allclose(game.model.weights, right.model.weights, rtol=1e-14)


def test_agents_alone_at_their_positions_play_the_finite_system():
    """N = n = 4, one step with a policy that looks at its neighbour: rewards of each are those of what its neighbour is."""
    ring = np.roll(np.eye(4), 1, axis=1)  # i sees i + 1
    game = graphon(ROBOTS, positions=np.arange(4) / 4, weights=ring)
    places = [2, 0, 2, 1]
    start = np.eye(3, dtype=int)[places].ravel()
    table = np.eye(3)[[2, 1, 0]][:, None, :].repeat(3, axis=1)  # kappa = 1: wish to be where the neighbour seen is
    run = tmf.simulate(game, tmf.SampledPolicy(table, 1), tmf.Synchronous(), 4, start=start, rng=1)
    decided = run.decisions[0, 0].reshape(4, 3, 3)
    for i, o in enumerate(places):
        neighbour = places[(i + 1) % 4]
        assert decided[i].sum() == 1 and decided[i, o, neighbour] == 1
    worth, cost = np.array([10, 5, 20]), np.array([0, 0, 5])
    paid = [worth[o] * (1 - (places[(i + 1) % 4] == 2)) - cost[places[(i + 1) % 4]] for i, o in enumerate(places)]
    assert run.rewards[0, 0] == pytest.approx(np.mean(paid))


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match="positions has 1 entries; must have at least 2"):
        graphon(ROBOTS, positions=[0.5], weights=[[1.0]])
    with pytest.raises(ValueError, match="blocks has no entry 1; must have every number up to the largest, 2"):
        graphon(ROBOTS, positions=[0.1, 0.5, 0.7], weights=np.ones((3, 3)), blocks=[0, 2, 2])
    with pytest.raises(ValueError, match=r"weights\(x, y\) has shape \(2, 1\)"):
        graphon(ROBOTS, positions=[0.1, 0.5], weights=lambda x, y: x)
    with pytest.raises(ValueError, match=r"weights\[0, 1\] is -1; must be >= 0"):
        graphon(ROBOTS, positions=[0.1, 0.5], weights=[[0, -1], [1, 0]])
    with pytest.raises(ValueError, match=r"positions\[1\] is 1.5; must be in"):
        graphon(ROBOTS, positions=[0.1, 1.5], weights=np.ones((2, 2)))
