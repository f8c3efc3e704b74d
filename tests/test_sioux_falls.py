"""Sioux Falls: its network, travel times, delays, and the published equilibrium."""


import numpy as np
import pytest

import tmfcore as tmf
from tmfcore.games import sioux_falls

# ----------------------------------------------------------------------------------------------------- Sioux Falls


def test_the_network_of_sioux_falls():
    from tmfcore.games.sioux_falls import GRID, ROADS, _trips

    assert len({(u, v) for u, v, _, _ in ROADS}) == 38 and all(u < v for u, v, _, _ in ROADS)
    assert {n for u, v, _, _ in ROADS for n in (u, v)} == set(range(1, 25)) == set(range(1, len(set(GRID)) + 1))
    trips = _trips("table")
    assert len(trips) == 528 and sum(n for _, _, n in trips) == 360_600
    assert all(o != d for o, d, _ in trips)
    game = sioux_falls()
    assert (game.name, game.horizon, game.n_actions) == ("sioux_falls", 100, 5)
    assert game.model.n_links == 76 + 2 + 2


def test_free_flow_times_of_sioux_falls():
    """One vehicle alone needs the length of the shortest path: 1-3-4-5-9-10-15-19 by 4 + 4 + 2 + 5 + 3 + 6 + 3, unless
    another is shorter."""
    from scipy.sparse.csgraph import dijkstra

    from tmfcore.games.sioux_falls import ROADS

    lengths = np.zeros((24, 24))
    for u, v, time, _ in ROADS:
        lengths[u - 1, v - 1] = lengths[v - 1, u - 1] = time
    wanted = dijkstra(lengths, indices=0)[18]
    assert wanted <= 27
    game = sioux_falls([(1, 19, 1e-9)], horizon=60)
    flow = tmf.mean_field(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous())
    _, values = tmf.best_response(game, flow, tmf.Synchronous())
    assert game.initial @ values[0] == pytest.approx(-wanted)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, 5 * (1 + 0.15 * (9000 / 4958.180928) ** 4)),
        ({"delay": "relative"}, 5 * (1 + 0.75 * (9000 / 4958.180928) ** 4)),
        ({"source": "openspiel"}, 5 * (1 + 1240e-18 * 9000.0**4)),
        ({"source": "openspiel", "delay": "absolute"}, 5 + 1240e-18 * 9000.0**4),
    ],
)
def test_delays_of_sioux_falls(options, wanted):
    """On the road from 2 to 6, B = 1241e-18 as published, 1240e-18 in OpenSpiel."""
    game = sioux_falls([(2, 6, 9000.0)], max_delay=None, **options)
    entering = game.observation_labels.index("2->6, entering, to 6->end 6")
    mu = np.zeros(game.n_observations)
    mu[entering] = 1
    row = game.model.row(mu, 0, entering, 0)[0]
    assert row @ (5 + np.arange(len(row))) == pytest.approx(wanted, rel=1e-12)


# The static equilibrium of the table, by link in the order of the network. Link flows of an equilibrium are unique; the
# published ones (SiouxFalls_flow.tntp) begin with 4494.657646 and 8119.079948, at costs of 6.000816237 and 4.00869075.
EQUILIBRIUM = np.array([
    4494.6576, 8119.0799, 4519.0799, 5967.3364, 8094.6576, 14006.3710, 10022.3196, 14030.5609, 18006.3710, 5200.0000, 18030.5609, 8798.2677,
    15780.7821, 5991.7587, 8806.4987, 12492.9254, 12101.5291, 15794.0106, 12525.5786, 12040.9183, 6882.6649, 8388.7131, 15796.7410, 6836.7060,
    21744.0761, 21814.0761, 17726.6250, 23125.7973, 11047.0939, 8100.0000, 5300.0000, 17604.2235, 8365.2857, 9776.1195, 9973.7074, 8404.9346,
    12287.6053, 12378.6420, 11121.3580, 9814.0691, 9036.3341, 8400.4368, 23192.2834, 9079.8203, 19083.2898, 18409.9350, 8406.7144, 11073.0093,
    11695.0029, 15278.3252, 8100.0000, 11683.8383, 9953.0214, 15854.6215, 15333.4067, 18976.7961, 19116.7243, 9941.8568, 8688.3670, 18992.4884,
    8710.6369, 6302.0229, 7000.0000, 6239.9850, 8619.5397, 10309.4108, 18386.4728, 7000.0000, 8607.3879, 9661.8242, 8394.9002, 9626.2102, 7902.9839,
    11112.3947, 10259.5247, 7861.8332,
])  # fmt: skip


def test_the_published_equilibrium_of_sioux_falls():
    """At the published flows all links together take 7,480,225; they carry the table, and nobody finds a faster way."""
    from scipy.sparse.csgraph import dijkstra

    from tmfcore.games.sioux_falls import _on_links, _trips

    trips = _trips("table")
    assert {(o, d): n for o, d, n in trips}[4, 11] == 1400.0
    assert {(o, d): n for o, d, n in _trips("table", True)}[4, 11] == 1500.0
    network, _ = _on_links(trips, False, False)
    volumes = np.zeros(len(network.edges))
    volumes[:76] = EQUILIBRIUM
    np.testing.assert_allclose(volumes[:2], [4494.657646, 8119.079948], atol=1e-4)
    times = network.travel_times(volumes)
    np.testing.assert_allclose(times[:2], [6.000816237, 4.00869075], rtol=1e-9)
    assert times @ volumes == pytest.approx(7_480_225.34, abs=0.01)
    edges = [(int(u) - 1, int(v) - 1) for u, v in network.edges[:76]]
    leaving, cost = np.zeros(24), np.zeros((24, 24))
    for (u, v), flow, time in zip(edges, EQUILIBRIUM, times, strict=False):
        leaving[u] += flow
        leaving[v] -= flow
        cost[u, v] = time
    shortest = dijkstra(cost)
    for o, d, n in trips:
        leaving[o - 1] -= n
        leaving[d - 1] += n
    assert np.abs(leaving).max() < 1e-3  # the transposed table is off by 100 at ten nodes
    assert sum(n * shortest[o - 1, d - 1] for o, d, n in trips) == pytest.approx(times @ volumes, rel=1e-9)


def test_sioux_falls_is_solved():
    """To 1e-3 in 11 iterations at rate 0.4, half a second; rounded down, this rate is too large."""
    solver = tmf.solvers.MirrorDescent(tolerance=1e-3, iterations=20, learning_rate=0.4)
    game = sioux_falls()
    solution = solver.solve(game, tmf.Synchronous())
    assert solution.converged, solution.reason
    arrived = [name.startswith("arrived") for name in game.observation_labels]
    assert solution.flow.mu[-1] @ arrived > 0.999
    with pytest.warns(tmf.ConvergenceWarning):
        assert not solver.solve(sioux_falls(rounding="down"), tmf.Synchronous()).converged
