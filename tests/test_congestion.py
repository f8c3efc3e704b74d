"""Route choice from day to day: the game of a user equilibrium is the equilibrium's, for shares and for N drivers."""

import pickle

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore.games import SHELF, RoadNetwork, congestion, user_equilibrium


def two_roads(**more):
    links = [("a", "b"), ("a", "b")]
    return RoadNetwork(links, [1.0, 2.0], congestion=[1.0, 0.25], trips=[("a", "b", 2.0)], **more)


def test_costs_by_hand():
    """Every path at mu: the sum over its links of c (1 + a (v / C)^b), with the vehicles of all paths on them."""
    game = SHELF["congestion"].small(step=0.5).at(step=0.5)
    road = game.model.network
    mu = np.array([0.3, 0.2, 0.1, 0.15, 0.25])
    paths = [(0,), (1,), (3, 4), (3,), (0, 2)]
    on_links = [[0, 4], [1], [4], [2, 3], [2]]
    volumes = np.array([mu[of].sum() for of in on_links])
    np.testing.assert_allclose(game.model.volumes(mu), volumes, rtol=1e-15)
    times = road.free_flow_time * (1 + road.congestion * (volumes / road.capacity) ** road.power)
    costs = np.array([times[list(path)].sum() for path in paths])
    reward, rows, passive, _ = game.tables(mu)
    legal = np.array([[True] * 3] * 3 + [[True, True, False]] * 2)  # two paths from a to c
    np.testing.assert_array_equal(game.legal, legal)
    np.testing.assert_allclose(reward, np.where(legal, -0.5 * costs[:, None], np.nan), rtol=1e-14)
    np.testing.assert_allclose(passive, -0.5 * costs, rtol=1e-14)
    chosen = np.array([[0, 1, 2]] * 3 + [[3, 4, 3]] * 2)
    np.testing.assert_array_equal(rows, np.where(legal[..., None], np.eye(5)[chosen], np.nan))
    assert game.observation_labels == ("a to b, path 1", "a to b, path 2", "a to b, path 3", "a to c, path 1", "a to c, path 2")


@pytest.mark.parametrize("horizon", [2, 5])
@pytest.mark.parametrize("tolerance", [1e-2, 1e-4])
def test_exploitability_is_the_relative_gap(horizon, tolerance):
    """(T - 1) days whose paths are chosen, each with the mean excess over the fastest paths of the whole network."""
    road = tmf.games.sioux_falls_roads()
    found = user_equilibrium(road, tolerance=tolerance)
    assert 0 < found.relative_gap <= tolerance
    game = congestion(found.network, paths=found, horizon=horizon, step=1)
    mean = found.total_time / sum(n for *_, n in road.trips)
    evaluation = tmf.evaluate(game, found.policy, tmf.Synchronous())
    assert -evaluation.mean_return == pytest.approx(horizon * mean, rel=1e-12)
    exploitability = tmf.exploitability(game, found.policy, tmf.Synchronous())
    assert exploitability == pytest.approx((horizon - 1) * found.relative_gap * mean, rel=1e-6)
    np.testing.assert_allclose(game.model.volumes(game.initial), found.volumes, rtol=1e-12)


def test_solvers_of_games_find_the_same_volumes():
    """From all on the first path, on the paths of the equilibrium, mirror descent tends to its volumes."""
    road = RoadNetwork(
        [("a", "b"), ("b", "d"), ("a", "c"), ("c", "d"), ("b", "c")], [0.1, 5.0, 5.0, 0.1, 1.0],
        congestion=[10, 0.2, 0.2, 10, 0.1], trips=[("a", "d", 2.0), ("b", "d", 1.0)],
    )  # fmt: skip
    found = user_equilibrium(road, tolerance=1e-10)
    game = congestion(road, paths=found.paths, step=1)
    solution = tmf.solve(game, tmf.Synchronous(), tolerance=1e-7)
    np.testing.assert_allclose(game.model.volumes(solution.flow.mu[1]), found.volumes, atol=1e-3)


def test_n_drivers_choose_by_the_policy():
    """1,000 drivers, each with probability x on the first of two roads: binomial counts, and the predicted variance."""
    found = user_equilibrium(two_roads(), tolerance=1e-12)
    share = found.volumes[0] / 2.0
    assert found.times[0] == pytest.approx(found.times[1], rel=1e-9)
    game, n, replicas = congestion(found.network, paths=found), 1000, 4000
    run = tmf.simulate(game, found.policy, tmf.Synchronous(), n, replicas=replicas, rng=3)
    first = int(np.flatnonzero(found.path_links == 0)[0])
    counts = run.counts[:, 1, first]
    spread = np.sqrt(share * (1 - share) / n)
    assert abs(counts.mean() / n - share) < 5 * spread / np.sqrt(replicas)  # false alarms 6e-7
    predicted = tmf.analysis.fluctuations(game, found.policy, tmf.Synchronous(), n)
    assert predicted.covariance[1][first, first] == pytest.approx(share * (1 - share), rel=1e-9)
    ratio = counts.var() / n / (share * (1 - share))
    assert abs(ratio - 1) < 5 * np.sqrt(2 / replicas)


def test_pickled_and_saved(tmp_path):
    found = user_equilibrium(two_roads(positions={"a": (0, 0), "b": (1, 0)}, no_through=["b"]))
    found.save(tmp_path / "found.npz")
    again = tmf.load(tmp_path / "found.npz")
    assert again.equals(found) and again.network.equals(found.network) and again.network.trips == found.network.trips
    made = congestion(found.network, paths=found, horizon=3)
    game = pickle.loads(pickle.dumps(made))
    assert game.horizon == 3 and game.observation_labels == made.observation_labels


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"paths": []}, "paths has 0 entries; must have 1, one for each pair of trips"),
        ({"paths": [[]]}, "paths[0] is empty; must have at least one path from 'a' to 'b'"),
        ({"paths": [[["a->c"]]]}, "paths[0][0][0] is 'a->c'; must be a link of the network"),
        ({"paths": [[["a->b", "a->b (2)"]]]}, "paths[0][0][1] is 'a->b (2)'; must begin at 'b'"),
        ({"paths": [[["a->b"], []]]}, "paths[0][1] leads from 'a' to 'a'; must lead to 'b'"),
        ({"network": RoadNetwork([("a", "b")], trips=[("a", "b", 1)])}, "paths is the equilibrium of another network; must be one of `network`"),
        ({"network": RoadNetwork([("a", "b")])}, "network has no trips; must have at least one (origin, destination, vehicles)"),
        ({"initial": [0.5, 0.25, 0.25]}, "initial has shape (3,); must be (S,) = (2,)"),
    ],
)  # fmt: skip
def test_mistakes(changes, text):
    road = two_roads()
    with pytest.raises(ValueError) as caught:
        congestion(**{"network": road, "paths": user_equilibrium(road)} | changes)
    assert str(caught.value) == text


def test_an_initial_that_moves_drivers_to_another_pair():
    road = RoadNetwork([("a", "b"), ("b", "a")], trips=[("a", "b", 3), ("b", "a", 1)])
    paths = [[["a->b"]], [["b->a"]]]
    np.testing.assert_array_equal(congestion(road, paths=paths).initial, [0.75, 0.25])
    with pytest.raises(ValueError, match=r"initial puts 0.5 on the paths of trips\[0\]; must put its share .* 0.75 \(2 of 2"):
        congestion(road, paths=paths, initial=[0.5, 0.5])


def test_pictures():
    pytest.importorskip("matplotlib")
    found = user_equilibrium(two_roads(positions={"a": (0, 0), "b": (1, 0)}), tolerance=1e-9)
    ax = found.plot()
    np.testing.assert_array_equal(ax.get_lines()[0].get_ydata(), found.gaps[found.gaps > 0])
    assert ax.get_ylabel() == "relative gap"
    assert len(found.plot("roads").patches) == 2
    with pytest.raises(ValueError, match=r"label is 'x' \(str\); must be None, since the picture is a map"):
        found.plot("roads", label="x")
    with pytest.raises(ValueError, match="network has no positions"):
        user_equilibrium(two_roads()).plot("roads")
