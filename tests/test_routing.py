"""Routing: tables beside the equations written out, Braess' paradox in closed form, passive vehicles, Sioux Falls.

The reference below knows places by name: ("on", link, w, destination) with w = -1 for who just entered, ("at", destination)
and ("lost",). Held against OpenSpiel in test_routing_peers.py.
"""

import math
import pickle
import re

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore.analysis import fluctuations
from tmfcore.games import Demand, RoadNetwork, braess, routing, sioux_falls
from tmfcore.games._routing import Routing

ROUNDINGS = ("linear", "down")


def label(place):
    """What the game calls a place."""
    if place[0] == "at":
        return f"arrived at {place[1]}"
    if place[0] == "lost":
        return "in a dead end"
    _, link, w, destination = place
    steps = "entering" if w < 0 else f"{w} step{'' if w == 1 else 's'} left"
    return f"{link}, {steps}, to {destination}"


class Reference:
    """The equations of games.routing, one place at a time."""

    def __init__(self, network, demand, step, horizon, rounding, late_cost=None, max_delay=None):
        self.network, self.dt, self.horizon, self.rounding = network, step, horizon, rounding
        self.demand = [Demand(*d) for d in demand]
        self.late = step if late_cost is None else late_cost
        self.max_delay = max_delay
        self.vehicles = sum(d.vehicles for d in self.demand)

    def start(self):
        shares = {}
        for d in self.demand:
            place = ("on", d.origin, int(d.departure / self.dt), d.destination)
            shares[place] = shares.get(place, 0) + d.vehicles / self.vehicles
        return shares

    def exits(self, link):
        head = link.split("->")[1]
        return [other for other in self.network.links if other.split("->")[0] == head]

    def steps(self, link, shares):
        """[(n, probability)] at the volume of the link."""
        i = self.network.links.index(link)
        volume = self.vehicles * sum(s for place, s in shares.items() if place[0] == "on" and place[1] == link)
        free = self.network.free_flow_time[i] / self.dt
        load = (volume / self.network.capacity[i]) ** self.network.power[i]
        x = max(1.0, free * (1 + self.network.congestion[i] * load))
        if self.max_delay is not None:
            x = min(x, max(1, math.floor(free)) + math.ceil(self.max_delay / self.dt))
        x = min(x, self.horizon)  # beyond, nothing differs
        n = math.floor(x)
        if self.rounding == "down" or x == n:
            return [(n, 1.0)]
        return [(n, 1 - (x - n)), (n + 1, x - n)]

    def enter(self, link, destination):
        if link == destination:
            return ("at", destination)
        return ("on", link, -1, destination) if self.exits(link) else ("lost",)

    def choose(self, place, action):
        """From the end of a link; action None is passive."""
        _, link, _, destination = place
        exits = self.exits(link)
        if action is None and len(exits) > 1:
            return ("on", link, 0, destination)
        return self.enter(exits[(action or 0) % len(exits)], destination)

    def row(self, place, action, shares, t):
        """({next place: probability}, reward)"""
        if place[0] == "at":
            return {place: 1.0}, 0.0
        row = {}
        if place[0] == "lost":
            row[place] = 1.0
        else:
            kind, link, w, destination = place
            for n, p in self.steps(link, shares) if w < 0 else [(w + 1, 1.0)]:
                after = self.choose(place, action) if n == 1 else (kind, link, n - 2, destination)
                row[after] = row.get(after, 0) + p
        stays = sum(p for after, p in row.items() if after[0] != "at")
        return row, -stays * (self.dt + (self.late if t == self.horizon - 1 else 0))


def random_network(rng, sink):
    """A ring of nodes with chords, every road with a delay of its own; one demand leaves later; maybe a dead end."""
    n = int(rng.integers(3, 5))
    edges = {(str(i), str((i + 1) % n)) for i in range(n)}
    edges |= {(str(i), str(j)) for i, j in rng.integers(n, size=(n, 2)) if i != j}
    edges = [*sorted(edges), ("in", "0"), ("1", "end"), ("0", "out")] + ([("1", "sink")] if sink else [])
    size = len(edges)
    network = RoadNetwork(
        edges, rng.uniform(0, 2, size), rng.uniform(1, 3, size), rng.uniform(0, 2, size) * rng.integers(0, 2, size),
        rng.choice([1.0, 2.0, 4.0, 0.5], size),
    )
    first, other = f"{edges[0][0]}->{edges[0][1]}", "1->end"
    return network, [("in->0", other, 2.0), ("in->0", other, 1.0, 1.3), (first, "0->out", 3.0, 0.6)]


def named(game, table):
    return dict(zip(game.observation_labels, table, strict=True))


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.broad
def test_tables_are_those_of_the_equations(seed, rounding):
    rng = np.random.default_rng(seed)
    network, demand = random_network(rng, sink=seed % 2)
    options = {"step": 0.5, "horizon": 9, "late_cost": [None, 3.0][seed % 2], "max_delay": [None, 1.2][seed // 2 % 2]}
    game = routing(network, demand=demand, rounding=rounding, **options)
    expected = Reference(network, demand, rounding=rounding, **options)
    places = {label(("on", a, w, d)): ("on", a, w, d) for a in network.links for w in range(-1, 99)
              for d in ("1->end", "0->out")} | {label(("at", d)): ("at", d) for d in ("1->end", "0->out")}
    places[label(("lost",))] = ("lost",)
    assert {label(p): s for p, s in expected.start().items()} == pytest.approx(
        {o: s for o, s in named(game, game.initial).items() if s})
    n_obs = game.n_observations
    populations = [np.full(n_obs, 1 / n_obs), *rng.dirichlet(np.full(n_obs, 0.2), size=2), game.initial]
    for mu in populations:
        shares = {places[o]: s for o, s in named(game, mu).items()}
        for t in (0, options["horizon"] - 1):
            reward, transition, passive_reward, passive = game.tables(mu, t)
            for o, name in enumerate(game.observation_labels):
                for action in (None, *range(game.n_actions)):
                    row, paid = expected.row(places[name], action, shares, t)
                    ours = passive[o] if action is None else transition[o, action]
                    found = {x: p for x, p in named(game, ours).items() if p > 1e-15}
                    assert found == pytest.approx({label(p): v for p, v in row.items() if v > 1e-15}, abs=1e-12)
                    assert (passive_reward[o] if action is None else reward[o, action]) == pytest.approx(paid, abs=1e-12)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_single_rows_are_those_of_the_tables(rounding):
    network, demand = random_network(np.random.default_rng(3), sink=True)
    game = routing(network, demand=demand, step=0.5, horizon=6, rounding=rounding)
    model = game.model
    for mu in np.random.default_rng(0).dirichlet(np.full(game.n_observations, 0.3), size=3):
        for t in (2, 5):
            reward, transition, passive_reward, passive = model.tables(mu, t)
            for o in range(game.n_observations):
                for a in range(-1, game.n_actions):
                    row, paid = model.row(mu, t, o, a)
                    np.testing.assert_array_equal(row, passive[o] if a < 0 else transition[o, a])
                    assert paid == (passive_reward[o] if a < 0 else reward[o, a])


@pytest.mark.parametrize("seed", range(6))
def test_observations_are_those_a_vehicle_may_come_to(seed):
    network, demand = random_network(np.random.default_rng(seed), sink=seed % 2)
    for game in (routing(network, demand=demand, step=0.3, horizon=30), routing(network, demand=demand, step=5), braess()):
        seen = set(np.flatnonzero(game.initial).tolist())
        pending = list(seen)
        while pending:
            o = pending.pop()
            after = np.append(game.model.successors[o].ravel(), game.model.passive_successors[o])
            pending += (new := set(after.tolist()) - seen)
            seen |= new
        assert seen == set(range(game.n_observations))


def test_a_travel_time_is_split_between_whole_steps():
    """x = 1.5 (1 + V) steps at V = 0.9: 2.85 in the mean, or 2 rounded down; a short link takes one step."""
    road = RoadNetwork([("i", "a"), ("a", "b"), ("b", "j")], [0, 1.5, 0.1], congestion=[0, 1, 0])
    for rounding, rows in (("linear", [0, 0.15, 0.85]), ("down", [0, 1, 0])):
        game = routing(road, demand=[("i->a", "b->j", 1)], step=1.0, rounding=rounding)
        mu = 0.1 * game.initial + 0.9 * np.array([o == "a->b, entering, to b->j" for o in game.observation_labels])
        entering = game.observation_labels.index("a->b, entering, to b->j")
        row = game.model.row(mu, 0, entering, 0)[0]
        np.testing.assert_allclose(np.resize(row, 3), rows, atol=1e-12)
        assert game.model.volumes(mu) == pytest.approx([0.1, 0.9, 0])
        assert road.travel_times([0, 0.9, 0]) == pytest.approx([0, 2.85, 0.1])


def test_trips_of_no_length_and_beyond_the_horizon():
    """Who stands before the destination arrives in step 0; who leaves after the horizon pays for all of it."""
    road = RoadNetwork([(1, 2), (2, 3)])
    for trip, time in ((("1->2", "2->3", 1.0), 0.0), (("1->2", "2->3", 1.0, 100.0), 4 * 0.25)):
        game = routing(road, demand=[trip], horizon=3)
        found = tmf.evaluate(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous())
        assert found.mean_return == -time


# ------------------------------------------------------------------------------------------------ Braess' paradox


def equilibrium(game, shortcut):
    """The static equilibrium: half each way; with the shortcut 3/4 over B, 2/3 of them on over C."""
    table = np.full((game.n_observations, 2), 0.5)
    for o, name in enumerate(game.observation_labels):
        if shortcut and name.startswith("O->A"):
            table[o] = 0.75, 0.25
        if shortcut and name.startswith("A->B"):
            table[o] = 2 / 3, 1 / 3
    return tmf.TabularPolicy(table)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize(("shortcut", "time"), [(False, 3.5), (True, 3.75)])
@pytest.mark.parametrize("parts", [4, 8])
def test_braess(rounding, shortcut, time, parts):
    game = braess(shortcut, step=1 / parts, horizon=5 * parts, rounding=rounding)
    policy = equilibrium(game, shortcut)
    assert tmf.evaluate(game, policy, tmf.Synchronous()).mean_return == pytest.approx(-time, abs=1e-12)
    assert tmf.exploitability(game, policy, tmf.Synchronous()) == pytest.approx(0, abs=1e-12)


def test_the_shortcut_makes_everybody_slower():
    found = []
    for shortcut in (False, True):
        solution = tmf.solvers.MirrorDescent(tolerance=1e-5, iterations=5000).solve(braess(shortcut), tmf.Synchronous())
        assert solution.converged, solution.reason
        found.append(-solution.mean_return)
    np.testing.assert_allclose(found, [3.5, 3.75], rtol=3e-3)


def test_everybody_over_the_shortcut():
    """If all take it: 2 + 1/4 + 2. Who goes by C at once comes there after 2, a step before the crowd: 2 + 1."""
    game = braess()
    table = np.zeros((game.n_observations, 2))
    table[:, 0] = 1
    assert tmf.evaluate(game, tmf.TabularPolicy(table), tmf.Synchronous()).mean_return == pytest.approx(-4.25)
    assert tmf.exploitability(game, tmf.TabularPolicy(table), tmf.Synchronous()) == pytest.approx(1.25)


# ------------------------------------------------------------------------------------------------- who is passive


def test_passive_vehicles_follow_the_road_and_wait_at_crossings():
    road = RoadNetwork([("i", "a"), ("a", "b"), ("b", "c"), ("b", "d"), ("c", "d"), ("d", "j")], [0, 2, 1, 3, 1, 0])
    game = routing(road, demand=[("i->a", "d->j", 1)], step=1.0, horizon=12)
    uniform = tmf.TabularPolicy.uniform(game)
    almost_nobody = tmf.mean_field(game, uniform, tmf.Fraction(1e-12)).mu
    names = list(game.observation_labels)
    at_fork = names.index("a->b, 0 steps left, to d->j")
    # Step 0: onto a->b. Two steps there. From step 3 on at its end, where somebody must choose.
    assert almost_nobody[1, names.index("a->b, entering, to d->j")] == pytest.approx(1)
    assert almost_nobody[2:, at_fork] == pytest.approx(np.ones(11))
    assert game.tables(almost_nobody[5])[2][at_fork] == -1.0  # pays for the time
    assert game.model.volumes(np.ascontiguousarray(almost_nobody[5]))[1] == pytest.approx(1)  # and stands in the way
    # Behind the fork nobody needs to act: with everybody acting at step 2 only, all arrive.
    once = tmf.Fraction([1.0 if t == 2 else 1e-12 for t in range(12)])
    mu = tmf.mean_field(game, uniform, once).mu
    assert mu[12, names.index("arrived at d->j")] == pytest.approx(1)
    same = tmf.mean_field(game, uniform, tmf.Synchronous()).mu
    np.testing.assert_allclose(mu, same, atol=1e-10)


def test_the_limit_of_asynchronous_play():
    """Half the drivers act in a step."""
    game = braess(step=0.25, horizon=40)
    policy = equilibrium(game, shortcut=True)
    limit = tmf.evaluate(game, policy, tmf.Fraction(0.5)).mean_return
    run = tmf.simulate(game, policy, tmf.Fraction(0.5), 4000, replicas=64, rng=1)
    error = run.returns.std() / np.sqrt(64)
    assert abs(run.returns.mean() - limit) < 6 * error + 1e-2  # 1e-2: the bias at N = 4000, of order 1 / N


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Batch(7), tmf.Sequential()])
def test_no_vehicle_is_lost(engine, schedule):
    network, demand = random_network(np.random.default_rng(1), sink=True)
    game = routing(network, demand=demand, step=0.5, horizon=40)
    run = tmf.simulate(game, tmf.TabularPolicy.uniform(game), schedule, 60, replicas=3, rng=0, engine=engine)
    assert (run.counts.sum(-1) == 60).all()
    arrived = [o for o, name in enumerate(game.observation_labels) if name.startswith(("arrived", "in a dead end"))]
    assert (np.diff(run.counts[:, :, arrived], axis=1) >= 0).all()
    on_road = np.delete(run.counts, arrived, axis=-1).sum(-1)
    for t in (0, 3, 40):
        volumes = game.model.volumes(np.ascontiguousarray(run.mu[0, t]))
        assert volumes.sum() == pytest.approx(6.0 * on_road[0, t] / 60)


def test_fluctuations_of_the_continuous_game():
    """The predicted error of N vehicles is the measured one where travel times move smoothly with the volume."""
    game = braess(horizon=16)
    table = np.full((game.n_observations, 2), [0.6, 0.4])
    policy, schedule = tmf.TabularPolicy(table), tmf.Fraction(0.7)
    found = fluctuations(game, policy, schedule)
    run = tmf.simulate(game, policy, schedule, 20_000, replicas=400, rng=3)
    measured = np.abs(run.mu - found.mu).sum(-1).mean(0)
    predicted = found.error(20_000)
    np.testing.assert_allclose(measured[1:], predicted[1:], rtol=0.1)


def six_cars(time_step, rounding):
    """Braess' own roads without the shortcut: 10 x, then 50 + x, or the other way round."""
    edges = [("O", "A"), ("A", "B"), ("A", "C"), ("B", "D"), ("C", "D"), ("D", "E")]
    network = RoadNetwork(
        edges, [0, 1e-9, 50, 50, 1e-9, 0], capacity=[1, 1e-10, 50, 50, 1e-10, 1], congestion=[0, 1, 1, 1, 1, 0]
    )
    return routing(
        network, demand=[("O->A", "D->E", 6)], step=time_step, horizon=int(90 / time_step), rounding=rounding, max_delay=35
    )


@pytest.mark.parametrize(("time_step", "down", "linear"), [(1.4, 81.2, 80.796), (0.7, 81.9, 79.755), (0.35, 82.6, 79.020)])
def test_travel_times_as_the_steps_become_short(time_step, down, linear):
    """Three cars each way need 83. Rounded down, each of three links is too fast by less than a step. What "linear" gives
    is what its page says: it divides cars that leave together, and does not converge."""
    found = {}
    for rounding in ("down", "linear"):
        game = six_cars(time_step, rounding)
        found[rounding] = -tmf.evaluate(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous()).mean_return
    assert 83 - 3 * time_step <= found["down"] <= 83
    assert found["down"] == pytest.approx(down, abs=1e-9)
    assert found["linear"] == pytest.approx(linear, abs=1e-3)


def test_a_remark_says_that_linear_rounding_divides():
    for rounding, codes in (("linear", ["steps"]), ("down", [])):
        report = tmf.testing.check_game(six_cars(10.0, rounding), trials=2, rng=1, play=False)
        assert [finding.code for finding in report.remarks if finding.code == "steps"] == codes


# ------------------------------------------------------------------------------------------------ words and errors


def test_names_labels_and_pickle():
    game = sioux_falls([(1, 2, 3.0), (3, 2, 1.0, 4.0)], step=2.0, horizon=7, rounding="down", max_delay=4.0)
    assert "start 3->3, 2 steps left, to 2->end 2" in game.observation_labels
    assert "start 3->3, 1 step left, to 2->end 2" in game.observation_labels
    assert game.action_labels[0] == "exit 1"
    network, demand = random_network(np.random.default_rng(0), sink=False)
    for one in (game, braess(False, late_cost=2.0), routing(network, demand=demand, max_delay=3.0)):
        again = pickle.loads(pickle.dumps(one))
        assert repr(again) == repr(one) and again.observation_labels == one.observation_labels
        for ours, theirs in zip(one.tables(one.initial, 6), again.tables(one.initial, 6), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_road_network():
    road = RoadNetwork([(1, 2), ("2", 3)], positions={1: (0, 0), 2: (1, 0), 3: (2, 1)})
    assert road.links == ("1->2", "2->3") and road.nodes == ("1", "2", "3")
    assert road.positions["3"] == (2.0, 1.0)
    again = pickle.loads(pickle.dumps(road))
    assert again.edges == road.edges and dict(again.positions) == dict(road.positions)
    with pytest.raises(ValueError, match="read-only"):
        road.capacity[0] = 2


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"edges": "1->2"}, TypeError, "edges is '1->2' (str); must be a sequence of pairs (tail, head)"),
        ({"edges": []}, ValueError, "edges is empty; must have at least one link"),
        ({"edges": [(1, 2, 3)]}, ValueError, "edges[0] has 3 entries; must be a pair (tail, head)"),
        ({"trips": [(1, 2)]}, ValueError, "trips[0] has 2 entries; must be (origin, destination, vehicles)"),
        ({"trips": [(1, 9, 1.0)]}, ValueError, "trips[0][1] is '9'; must be a node of the edges"),
        ({"trips": [(1, 1, 1.0)]}, ValueError, "trips[0] goes from '1' to itself; must have two nodes"),
        ({"trips": [(1, 2, 0.0)]}, ValueError, "trips[0][2] is 0.0; must be > 0"),
        ({"trips": [(1, 2, 1.0), (1, 2, 2.0)]}, ValueError, "trips[1] goes from '1' to '2', like another; must be given once"),
        ({"edges": [(1, 2), (1, 2), (1, "2 (2)")]}, ValueError, "edges has two links '1->2 (2)'; must have other names of nodes"),
        ({"no_through": [True]}, TypeError, "no_through[0] is True (bool); must be a node, a string or an integer"),
        ({"no_through": {1: 2}}, TypeError, "no_through is a dict; must be a sequence of nodes"),
        ({"no_through": ["x"]}, ValueError, "no_through[0] is 'x'; must be a node of the edges"),
        ({"edges": [(1, 2.5)]}, TypeError, "edges[0] names node 2.5 (float); must be a string or an integer"),
        ({"edges": [("a->b", 2)]}, ValueError, "edges[0] names node 'a->b'; must be a nonempty name without '->'"),
        ({"capacity": 0}, ValueError, "capacity is 0.0; must be > 0"),
        ({"free_flow_time": [1, -1]}, ValueError, "free_flow_time[1] is -1; must be >= 0 (1 of 2 entries are bad)"),
        ({"congestion": [1]}, ValueError, "congestion has shape (1,); must be (E,) = (2,)"),
        ({"power": np.nan}, ValueError, "power is nan; must be finite"),
        ({"positions": {1: (0, 0), 2: (1, 1)}}, ValueError, "positions lacks node '3'; must have every node of the edges"),
    ],
)
def test_network_errors(changes, error, text):
    with pytest.raises(error, match=f"^{re.escape(text)}$"):
        RoadNetwork(**({"edges": [(1, 2), (2, 3)]} | changes))


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"network": None}, TypeError, "network is None; must be a RoadNetwork"),
        ({"demand": None}, TypeError, "demand is None; must be a sequence of (origin, destination, vehicles)"),
        ({"demand": []}, ValueError, "demand is empty; must have at least one (origin, destination, vehicles)"),
        ({"demand": ["1->2"]}, TypeError, "demand[0] is '1->2' (str); must be (origin, destination, vehicles[, departure])"),
        ({"demand": [("1->2", "9->9", 1)]}, ValueError, "demand[0].destination is '9->9'; must be a link of the network"),
        ({"demand": [("1->2", "1->2", 1)]}, ValueError, "demand[0].destination is '1->2'; must differ from its origin"),
        ({"demand": [("2->3", "1->2", 1)]}, ValueError, "demand[0].origin is '2->3'; must be a link that is followed by another link"),
        ({"demand": [("1->2", "2->3", 0)]}, ValueError, "demand[0].vehicles is 0.0; must be > 0"),
        ({"demand": [("1->2", "2->3", 1, -1)]}, ValueError, "demand[0].departure is -1.0; must be >= 0"),
        (
            {"demand": [("1->2", "2->3", 1), ("1->2", "4->1", 1)]},
            ValueError,
            "demand[1].destination is '4->1'; must be a link that can be reached from '1->2'",
        ),
        ({"step": 0}, ValueError, "step is 0.0; must be >= 1e-100"),
        ({"horizon": 0}, ValueError, "horizon is 0; must be in [1, 2147483646]"),
        ({"max_delay": -1}, ValueError, "max_delay is -1.0; must be >= 0"),
        ({"late_cost": -1}, ValueError, "late_cost is -1.0; must be >= 0"),
        ({"discount": 2}, ValueError, "discount is 2.0; must be in [0, 1]"),
    ],
)
def test_routing_errors(changes, error, text):
    with pytest.raises(error) as caught:
        routing(**({"network": RoadNetwork([(1, 2), (2, 3), (4, 1)]), "demand": [("1->2", "2->3", 1)]} | changes))
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "place", [[1, 0, 2], [0, 2, 1], [0, 1, 3], [2, 1, 0]], ids=["order", "off the road first", "no such link", "reversed"]
)
def test_the_model_takes_observations_in_order_of_the_links(place):
    """Two links of one observation each, and one off the road: every other order is refused."""
    rows = np.arange(3, dtype=np.int32)[:, None, None]
    links = np.array([[0, -1], [1, -1], [-1, -1]])

    def model(place):
        zeros = np.zeros(3, np.uint8)
        return Routing(rows, rows[:, 0], place, zeros[:, None], zeros, zeros, np.ones((2, 4)), np.ones((2, 2)), 1.0, 1.0,
                       0.0, 3, False)  # fmt: skip

    assert model(links).n_links == 2
    bad = np.vstack([links, [[2, -1]]])[place]
    with pytest.raises(ValueError, match="place must list the observations sorted by link"):
        model(bad)


def test_other_errors():
    with pytest.raises(ValueError, match="rounding is 'up'; must be"):
        braess(rounding="up")
    with pytest.raises(ValueError, match=r"demand\[0\]\[1\] is 25; must be in \[1, 24\]"):
        sioux_falls([(1, 25, 1.0)])
    with pytest.raises(ValueError, match="delay is 'x'"):
        sioux_falls(delay="x")
    with pytest.raises(ValueError, match="source is 'x'"):
        sioux_falls(source="x")
    with pytest.raises(TypeError, match="shortcut is 1"):
        braess(1)
