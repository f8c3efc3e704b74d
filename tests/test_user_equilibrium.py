"""User equilibria: closed forms, published numbers, and the conditions of Wardrop found without the kernel."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

import tmfcore as tmf
from tmfcore.games import RoadNetwork, user_equilibrium
from tmfcore.games._assignment import Assignment

# Volumes of the best known solution in the order of the links, SiouxFalls_flow.tntp of TransportationNetworks.
PUBLISHED = (
    4494.6576, 8119.0799, 4519.0799, 5967.3364, 8094.6576, 14006.3710, 10022.3196, 14030.5609, 18006.3710, 5200,
    18030.5609, 8798.2677, 15780.7821, 5991.7587, 8806.4987, 12492.9254, 12101.5291, 15794.0106, 12525.5786,
    12040.9183, 6882.6649, 8388.7131, 15796.7410, 6836.7060, 21744.0761, 21814.0761, 17726.6250, 23125.7973,
    11047.0939, 8100, 5300, 17604.2235, 8365.2857, 9776.1195, 9973.7074, 8404.9346, 12287.6053, 12378.6420,
    11121.3580, 9814.0691, 9036.3341, 8400.4368, 23192.2834, 9079.8203, 19083.2898, 18409.9350, 8406.7144,
    11073.0093, 11695.0029, 15278.3252, 8100, 11683.8383, 9953.0214, 15854.6215, 15333.4067, 18976.7961,
    19116.7243, 9941.8568, 8688.3670, 18992.4884, 8710.6369, 6302.0229, 7000, 6239.9850, 8619.5397, 10309.4108,
    18386.4728, 7000, 8607.3879, 9661.8242, 8394.9002, 9626.2102, 7902.9839, 11112.3947, 10259.5247, 7861.8332,
)  # fmt: skip


def random_roads(seed, n_nodes=9, n_links=26, n_pairs=12, load=1.0):
    """A ring, so that all nodes are connected, and random links: parallel, free and of constant time among them."""
    rng = np.random.default_rng(seed)
    ends = [(i, (i + 1) % n_nodes) for i in range(n_nodes)]
    while len(ends) < n_links:
        tail, head = rng.integers(0, n_nodes, 2)
        if tail != head:
            ends.append((int(tail), int(head)))
    pairs = rng.permutation([(o, d) for o in range(n_nodes) for d in range(n_nodes) if o != d])[:n_pairs]
    return RoadNetwork(
        ends,
        np.where(rng.random(n_links) < 0.1, 0.0, rng.uniform(0.5, 3.0, n_links)),
        rng.uniform(0.5, 2.0, n_links),
        np.where(rng.random(n_links) < 0.2, 0.0, rng.uniform(0.1, 1.0, n_links)),
        rng.choice([0.5, 1.0, 2.0, 3.7, 4.0], n_links),
        trips=[(int(o), int(d), load * rng.uniform(0.1, 1.0)) for o, d in pairs],
        no_through=[int(n) for n in rng.choice(n_nodes, rng.integers(0, 2), replace=False)] if seed % 2 else [],
    )


def simple_paths(road, origin, destination):
    """Links of every path without a node twice, and through no closed node."""
    pending = [(origin, (origin,), ())]
    while pending:
        node, seen, links = pending.pop()
        for e, (tail, head) in enumerate(road.edges):
            if tail != node or head in seen:
                continue
            if head == destination:
                yield (*links, e)
            elif head not in road.no_through:
                pending.append((head, (*seen, head), (*links, e)))


def outside_gap(road, volumes):
    """The relative gap by scipy's Dijkstra; closed nodes are split into one for arriving and one for leaving."""
    number = {node: i for i, node in enumerate(road.nodes)}
    leave = dict(number) | {node: len(number) + i for i, node in enumerate(road.no_through)}
    times = road.travel_times(volumes)
    least = {}
    for (tail, head), t in zip(road.edges, times, strict=True):
        key = leave[tail], number[head]
        least[key] = min(least.get(key, np.inf), t)
    rows, columns = np.array(list(least), np.int32).T  # scipy 1.13 takes no other
    n = len(number) + len(road.no_through)
    graph = coo_array((np.array(list(least.values())) + 1e-300, (rows, columns)), shape=(n, n)).tocsr()
    far = dijkstra(graph)
    total = volumes @ times
    return (total - sum(v * far[leave[o], number[d]] for o, d, v in road.trips)) / total


def assert_consistent(found):
    """Path flows meet the trips and add up to the volumes; paths lead where they should."""
    road = found.network
    assert (found.path_flows >= 0).all()
    demand = np.array([v for *_, v in road.trips])
    np.testing.assert_allclose(np.bincount(found.path_trips, found.path_flows, len(demand)), demand, rtol=1e-12)
    flows = np.repeat(found.path_flows, np.diff(found.path_starts))
    np.testing.assert_allclose(np.bincount(found.path_links, flows, len(road.edges)), found.volumes, atol=1e-9 * demand.sum())
    np.testing.assert_allclose(found.times, road.travel_times(found.volumes), rtol=1e-13)
    ends = dict(zip(road.links, road.edges, strict=True))
    for (origin, destination, _), paths in zip(road.trips, found.paths, strict=True):
        assert paths and len(set(paths)) == len(paths)
        for path in paths:
            nodes = [origin, *(ends[link][1] for link in path)]
            assert [ends[link][0] for link in path] == nodes[:-1] and nodes[-1] == destination
            assert len(set(nodes)) == len(nodes) and not set(nodes[1:-1]) & set(road.no_through)


def test_pigou():
    """One road of time 1, one of time v: all take the second."""
    found = user_equilibrium(RoadNetwork([("a", "b")] * 2, [1.0, 1e-9], congestion=[0, 1e9], trips=[("a", "b", 1.0)]))
    np.testing.assert_allclose(found.volumes, [0, 1], atol=1e-6)


@pytest.mark.parametrize(("shortcut", "time"), [(False, 83.0), (True, 92.0)])
def test_braess(shortcut, time):
    """Braess 1968: six vehicles; 10 v on two roads, 50 + v on two, 10 + v on the shortcut."""
    tiny = 1e-12
    links = [("a", "b", tiny, 10 / tiny), ("a", "c", 50, 1 / 50), ("b", "d", 50, 1 / 50), ("c", "d", tiny, 10 / tiny)]
    links += [("b", "c", 10, 1 / 10)] * shortcut
    tails, heads, free, slope = zip(*links, strict=True)
    found = user_equilibrium(RoadNetwork(zip(tails, heads, strict=True), free, congestion=slope, trips=[("a", "d", 6)]))
    assert found.total_time / 6 == pytest.approx(time, rel=1e-6)
    np.testing.assert_allclose(found.volumes, [4, 2, 2, 4, 2] if shortcut else [3, 3, 3, 3], atol=1e-4)


def test_parallel_links_fill_like_water():
    """Times c + k v: the closed form of `wardrop`."""
    free, slope = np.array([1.0, 1.3, 1.7, 2.9, 4.0]), np.array([0.5, 1.0, 0.2, 0.7, 0.1])
    road = RoadNetwork([("a", "b")] * 5, free, congestion=slope / free, trips=[("a", "b", 1.0)])
    found = user_equilibrium(road, tolerance=1e-13)
    np.testing.assert_allclose(found.volumes, tmf.games.wardrop(-free, congestion=slope), atol=1e-9)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.5, 4.0, 16.8])
def test_a_new_road_of_flat_time_is_not_flooded(power):
    """c (1 + a v^b) = constant on the other: a Newton step from v = 0, where the slope is 0 or infinite, overshoots."""
    road = RoadNetwork([("a", "b")] * 2, [1.0, 3.0], congestion=[4.0, 0.0], power=power, trips=[("a", "b", 50.0)])
    found = user_equilibrium(road, tolerance=1e-12)
    assert found.volumes[0] == pytest.approx(0.5 ** (1 / power), rel=1e-9)
    assert found.iterations < 20


def test_zero_time_links_and_closed_nodes():
    """Through the zone z the way is free, but closed; links of no time need no special case."""
    links = [("a", "z", 0), ("z", "b", 0), ("a", "m", 0), ("m", "n", 2), ("n", "b", 0), ("n", "m", 0)]
    tails, heads, free = zip(*links, strict=True)
    road = RoadNetwork(zip(tails, heads, strict=True), free, trips=[("a", "b", 3), ("a", "z", 1), ("z", "b", 2)], no_through=["z"])
    found = user_equilibrium(road)
    np.testing.assert_array_equal(found.volumes, [1, 2, 3, 3, 3, 0])
    assert found.total_time == 6 and found.relative_gap == 0
    nothing = user_equilibrium(RoadNetwork([("a", "b")], 0.0, trips=[("a", "b", 1)]))
    assert nothing.total_time == 0 and nothing.converged


def test_sioux_falls_as_published():
    found = user_equilibrium(tmf.games.sioux_falls_roads(), tolerance=1e-12)
    assert_consistent(found)
    assert found.objective == pytest.approx(42.31335287107440e5, rel=1e-12)
    assert found.total_time == pytest.approx(7_480_225, abs=1)
    np.testing.assert_allclose(found.volumes, PUBLISHED, atol=6e-5)
    assert outside_gap(found.network, found.volumes) < 1e-11
    loose = user_equilibrium(tmf.games.sioux_falls_roads())
    assert loose.relative_gap <= 1e-6 and loose.objective == pytest.approx(found.objective, rel=1e-6)


@given(st.integers(0, 2**32 - 1))
def test_wardrop_on_random_networks(seed):
    """Against all simple paths: used ones are as fast as any, up to the gap that scipy finds."""
    road = random_roads(seed, load=1.0 + seed % 3)
    if any(not any(simple_paths(road, origin, destination)) for origin, destination, _ in road.trips):
        with pytest.raises(ValueError, match=r"trips\[\d+\] has no path from"):
            user_equilibrium(road)
        return
    found = user_equilibrium(road, tolerance=1e-8, iterations=5000)
    assert found.converged
    assert_consistent(found)
    assert outside_gap(road, found.volumes) == pytest.approx(found.relative_gap, abs=1e-12)
    excess = 0.0
    for i, (origin, destination, _) in enumerate(road.trips):
        costs = {path: found.times[list(path)].sum() for path in simple_paths(road, origin, destination)}
        least = min(costs.values())
        for path in np.flatnonzero(found.path_trips == i):
            links = tuple(found.path_links[found.path_starts[path] : found.path_starts[path + 1]].tolist())
            excess += found.path_flows[path] * (costs[links] - least)
    assert excess / found.total_time == pytest.approx(found.relative_gap, abs=1e-12)


def test_searches_find_what_scipy_finds():
    """On empty roads, constant times: the total is that of scipy's Dijkstra, on 400 nodes."""
    rng = np.random.default_rng(5)
    n, e = 400, 1600
    tail, head = rng.integers(0, n, (2, e))
    time = rng.exponential(size=e)
    least = {}
    for i, j, t in zip(tail.tolist(), head.tolist(), time.tolist(), strict=True):
        least[i, j] = min(least.get((i, j), np.inf), t)
    rows, columns = np.array(list(least), np.int32).T  # scipy 1.13 takes no other
    far = dijkstra(coo_array((list(least.values()), (rows, columns)), shape=(n, n)).tocsr())
    origin, destination = np.nonzero(np.isfinite(far) & ~np.eye(n, dtype=bool))
    kept = np.sort(rng.choice(len(origin), 5000, replace=False))
    origin, destination, demand = origin[kept], destination[kept], rng.uniform(size=5000)
    delay = np.stack([time, np.zeros(e), np.ones(e), np.ones(e)], axis=1)
    flows = Assignment(tail, head, np.zeros(n, bool), delay, origin, destination, demand)
    assert flows.load() == -1
    total, best = flows.generate()
    assert best == pytest.approx(demand @ far[origin, destination], rel=1e-13) and total == pytest.approx(best, rel=1e-13)


def test_room_of_dropped_paths_is_used_again():
    """A long, crowded solve drops far more paths than it keeps; the stored ones stay a few times the pairs."""
    road = tmf.games.sioux_falls_roads()
    nodes = {node: i for i, node in enumerate(road.nodes)}
    ends = np.array([(nodes[t], nodes[h]) for t, h in road.edges])
    trips = sorted((nodes[o], nodes[d], 6 * v) for o, d, v in road.trips)
    origin, destination, demand = map(np.array, zip(*trips, strict=True))
    delay = np.stack([road.free_flow_time, road.congestion, road.capacity, road.power], axis=1)
    flows = Assignment(ends[:, 0], ends[:, 1], np.zeros(24, bool), delay, origin, destination, demand)
    assert flows.load() == -1
    cleared, before = 0, 0
    for _ in range(200):
        total, least = flows.generate()
        cleared += flows.n_paths < before
        before = flows.n_paths
        flows.equilibrate(3, 0.0)
        if len(flows.paths()[0]) < flows.n_paths - 500:
            flows.clear()
            assert len(flows.paths()[0]) == flows.n_paths
    assert (total - least) / total < 1e-9
    pair, _, _, flow = flows.paths()
    np.testing.assert_allclose(np.bincount(pair, flow), demand, rtol=1e-12)


def test_what_is_asked_of_it():
    road = RoadNetwork([("a", "b"), ("b", "c"), ("a", "c")], [1, 1, 1], congestion=[1, 1, 2], trips=[("a", "c", 3.0)])
    with pytest.warns(tmf.ConvergenceWarning, match="user_equilibrium has not converged: relative gap .* after 1 iter"):
        found = user_equilibrium(road, iterations=1)
    assert not found.converged and found.iterations == 1
    with pytest.raises(ValueError, match=r"network.trips\[0\] has no path from 'c' to 'a'; must have one"):
        user_equilibrium(RoadNetwork(road.edges, trips=[("c", "a", 1)]))
    with pytest.raises(ValueError, match="network has no trips; must have at least one"):
        user_equilibrium(RoadNetwork(road.edges))
    with pytest.raises(ValueError, match=r"network lets link 'b->c' take inf with all 3 vehicles on it; must take a finite time"):
        user_equilibrium(RoadNetwork(road.edges, capacity=[1, 1e-30, 1], congestion=1, power=17, trips=road.trips))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = user_equilibrium(road), user_equilibrium(road)
    np.testing.assert_array_equal(first.path_flows, second.path_flows)
    np.testing.assert_array_equal(first.gaps, second.gaps)


def test_a_time_limit_ends_it():
    road = tmf.games.sioux_falls_roads()
    with pytest.warns(tmf.ConvergenceWarning):
        found = user_equilibrium(road, time_limit=1e-9)
    assert found.iterations == 1 and found.relative_gap > 1e-6
