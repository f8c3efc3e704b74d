"""Routing beside OpenSpiel's python_mfg_dynamic_routing: the same flow, values and exploitability for any policy.

Its values are keyed by link, steps left, destination, step and kind of node, and paid at the end only, by the arrival
time that the key of an arrived vehicle names: sound, so that its own NashConv is what ours is held to.
"""

import numpy as np
import pytest

import tmfcore as tmf
from peers import need
from tmfcore.games import Demand, RoadNetwork, braess, routing, sioux_falls
from tmfcore.games.braess import roads
from tmfcore.games.sioux_falls import _on_links, _trips

need("pyspiel")

from peers.openspiel_routing import (  # noqa: E402
    Choices,
    best_response_value,
    distribution,
    dynamic_routing,
    dynamic_routing_data,
    exits_of,
    nash_conv,
    ours,
    places,
    policy_value,
    spiel_game,
    spiel_network,
    spiel_value,
    theirs,
)

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]


def random_policy(game, exits, rng):
    """Some nearly deterministic, some not; equal at the end of a link and where one may just have got there."""
    on_road, _ = places(game)
    concentration = rng.choice([0.1, 1.0, 10.0])
    choices = {}
    table = np.full((game.horizon, game.n_observations, game.n_actions), 1 / game.n_actions)
    for o, link, _, destination in on_road:
        n = len(exits[link])
        if (link, destination) not in choices:
            rows = np.zeros((game.horizon, game.n_actions))
            rows[:, :n] = rng.dirichlet(np.full(n, concentration), size=game.horizon)
            choices[link, destination] = rows
        table[:, o] = choices[link, destination]
    return choices, tmf.TabularPolicy(table)


def compare(game, spiel, network, time_step, seed, n_policies=10):
    rng = np.random.default_rng(seed)
    exits = exits_of(network)
    on_road, arrived = places(game)
    for _ in range(n_policies):
        choices, policy = random_policy(game, exits, rng)
        played = Choices(spiel, choices, exits)
        shares = distribution.DistributionPolicy(spiel, played)
        found = tmf.evaluate(game, policy, tmf.Synchronous())
        _, best = tmf.best_response(game, found.flow, tmf.Synchronous())
        values = policy_value.PolicyValue(spiel, shares, played, spiel_value.TabularValueFunction(spiel))
        best_values = best_response_value.BestResponse(spiel, shares, spiel_value.TabularValueFunction(spiel))
        seen = 0
        for t in range(1, game.horizon):
            for o, link, w, destination in on_road:
                key = f"Location={theirs(link)}, waiting_time={w}, t={t}_mean_field, destination='{theirs(destination)}'"
                assert shares.value_str(key, 0.0) == pytest.approx(found.flow.mu[t, o], abs=1e-8)
                for table, expected in ((values, found.values), (best_values, best)):
                    if table._state_value.has(key):
                        seen += 1
                        assert table._state_value(key) == pytest.approx(expected[t, o] - t * time_step, abs=1e-8)
            for destination, o in arrived.items():
                keys = [f"Arrived at {theirs(destination)}, with arrival time {s}, t={t}_mean_field" for s in range(1, t)]
                assert sum(shares.value_str(k, 0.0) for k in keys) == pytest.approx(found.flow.mu[t, o], abs=1e-8)
        assert seen > game.horizon
        assert values(spiel.new_initial_state()) == pytest.approx(found.mean_return, abs=1e-8)
        gap = tmf.exploitability(game, policy, tmf.Synchronous())
        assert nash_conv.NashConv(spiel, played).nash_conv() == pytest.approx(gap, abs=1e-8)


@pytest.mark.parametrize("horizon", [10, 14])
def test_braess_by_default(horizon):
    """OpenSpiel's own network, steps of 1/2."""
    game = braess(step=0.5, horizon=horizon, rounding="down")
    network = roads(True)[0]
    spiel = dynamic_routing.MeanFieldRoutingGame({"max_num_time_step": horizon, "time_step_length": 0.5, "players": -1})
    compare(game, spiel, network, 0.5, seed=horizon)


def test_braess_in_smaller_steps():
    game = braess(step=0.2, horizon=24, rounding="down")
    network, demand = roads(True)
    compare(game, spiel_game(spiel_network(network), demand, 0.2, 24), network, 0.2, seed=1)


def test_several_demands_departures_and_dead_ends():
    edges = [("i", "a"), ("k", "b"), ("a", "b"), ("a", "c"), ("b", "c"), ("c", "a"), ("c", "b"), ("b", "x"), ("c", "y"), ("a", "z")]
    rng = np.random.default_rng(0)
    network = RoadNetwork(
        edges, rng.uniform(0, 2, 10), rng.uniform(1, 3, 10), rng.uniform(0, 2, 10), rng.choice([1.0, 2.0, 4.0], 10)
    )
    demand = [Demand("i->a", "c->y", 2.0), Demand("k->b", "c->y", 1.0, 1.1), Demand("i->a", "b->x", 1.5, 0.7),
              Demand("a->b", "a->z", 0.5), Demand("i->a", "c->y", 1.0, 1.6)]  # fmt: skip
    game = routing(network, demand=demand, step=0.5, horizon=15, rounding="down")
    assert "in a dead end" in game.observation_labels
    compare(game, spiel_game(spiel_network(network), demand, 0.5, 15), network, 0.5, seed=2)


@pytest.mark.parametrize(("demand", "trips"), [("pair", "SIOUX_FALLS_DUMMY_OD_DEMAND"), ("table", "SIOUX_FALLS_OD_DEMAND")])
def test_data_of_sioux_falls(demand, trips):
    network, on_links = _on_links(_trips(demand, True), True, True)
    expected = dynamic_routing_data.SIOUX_FALLS_NETWORK
    for link, time, congestion in zip(network.links, network.free_flow_time, network.congestion, strict=True):
        assert time == expected._free_flow_travel_time[theirs(link)]
        assert congestion == pytest.approx(expected._a[theirs(link)], rel=1e-14)
    counts = {(ours(d.origin), ours(d.destination)): d.counts for d in getattr(dynamic_routing_data, trips)}
    assert {(d.origin, d.destination): d.vehicles for d in on_links} == counts


def test_sioux_falls():
    """7000 vehicles each way between 1 and 19 on OpenSpiel's own network, in steps of three units."""
    horizon, time_step = 14, 3.0
    game = sioux_falls(source="openspiel", step=time_step, horizon=horizon, rounding="down", max_delay=None)
    spiel = dynamic_routing.MeanFieldRoutingGame(
        {"max_num_time_step": horizon, "time_step_length": time_step, "players": -1},
        dynamic_routing_data.SIOUX_FALLS_NETWORK,
        dynamic_routing_data.SIOUX_FALLS_DUMMY_OD_DEMAND,
    )
    network = _on_links(_trips("pair"), True, True)[0]
    compare(game, spiel, network, time_step, seed=5, n_policies=4)
