"""Games ask for memory before they take it: estimates beside what is measured, and errors before anything is made."""

import time
import tracemalloc
from functools import cache

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore import games
from tmfcore._base import needs
from tmfcore.games import SHELF, gamefile

RNG = np.random.default_rng(0)
MILLION = 10**6


def rows(*shape):
    return RNG.dirichlet(np.ones(shape[-1]), shape[:-1])


def affine_in_mu(n_obs, n_act):
    """Arguments of games.affine with rewards and rows that depend on mu."""
    return RNG.random((n_obs, n_act)), {
        "reward_mu": RNG.random((n_obs, n_act, n_obs)), "transition0": np.zeros((n_obs, n_act, n_obs)),
        "transition_mu": np.moveaxis(rows(n_obs, n_act, n_obs, n_obs), 2, 3).copy(), "horizon": 5, "discount": 1.0,
        "initial": np.full(n_obs, 1 / n_obs),
    }  # fmt: skip


def parallel(n_links):
    """A network of links from a to b, and the paths over each of them."""
    network = games.RoadNetwork([("a", "b")] * n_links, 1.0, congestion=0.5, trips=[("a", "b", 1.0)])
    return network, {"paths": [[[link] for link in network.links]]}


ROAD = games.RoadNetwork([("home", 1), (1, 2), (1, 2), (2, "work")], [0.0, 1.0, 1.5, 0.0], congestion=[0, 1, 0.5, 0])
DRIVE = {"demand": [("home->1", "2->work", 5)]}

#: Calls that need 3 to 100 MB.
CALLS = {
    "garnet": (games.garnet, 400, {"n_actions": 4}),
    "linear_features": (games.linear_features, 500, {"n_actions": 200}),
    "garnet, one action": (games.garnet, 600, {"n_actions": 1, "monotone": False}),
    "garnet, coupled": (games.garnet, 80, {"n_actions": 3, "coupling": 0.5}),
    "beach_bar": (games.beach_bar, 50_000, {}),
    "crowd_motion": (games.crowd_motion, (150, 150), {}),
    "crowd_motion, drift": (games.crowd_motion, (100, 150), {"drift": True, "wrap": False}),
    "building_evacuation": (games.building_evacuation, 20, {"length": 60, "width": 40}),
    "linear_quadratic": (games.linear_quadratic, 1000, {}),
    "linear_quadratic, noise": (games.linear_quadratic, 4000, {"mean_reversion": 0.0, "volatility": 30.0}),
    "linear_quadratic, dense": (games.linear_quadratic, 20_000, {"volatility": 1e6}),
    "resource_selection": (games.resource_selection, np.linspace(1, 0.5, 1500), {"congestion": 1.0}),
    "queueing": (games.queueing, np.full(800, 0.1), {}),
    "pairwise_revision": (games.pairwise_revision, RNG.random((300, 300)), {}),
    "crowd_aversion": (games.crowd_aversion, rows(200, 4, 200), {}),
    "crowd_aversion, sparse": (games.crowd_aversion, rows(20_000, 3, 4), {"successors": RNG.integers(20_000, size=(20_000, 3, 4))}),
    "crowd_aversion, passive rates": (
        games.crowd_aversion, rows(600, 1, 2), {"successors": RNG.integers(600, size=(600, 1, 2)), "passive_rates": np.zeros((600, 600))}
    ),
    "congestion": (games.congestion, *parallel(700)),
    "routing": (games.routing, ROAD, {"step": 0.005, "horizon": 800, **DRIVE}),
    "routing, delays cut": (games.routing, ROAD, {"step": 0.0002, "horizon": 20_000, "max_delay": 0.01, **DRIVE}),
    "braess": (games.braess, True, {"step": 0.01, "horizon": 1000}),
    "sioux_falls": (games.sioux_falls, "pair", {"step": 0.25, "horizon": 400}),
    "typed": (games.typed, [games.queueing(np.full(40, 0.1))] * 60, {"shares": np.full(60, 1 / 60)}),
    "typed, many types": (games.typed, [games.queueing([0.1])] * 280, {"shares": np.full(280, 1 / 280)}),
    "typed, dense": (
        games.typed, [tmf.Game(80, 3, 5, 1.0, np.full(80, 1 / 80), np.zeros((80, 3)), rows(80, 3, 80), passive_transition=np.eye(80))] * 4,
        {"shares": np.full(4, 0.25), "rates": 0.5},
    ),
    "joint": (
        games.joint, 60,
        {"n_actions": 8, "horizon": 3, "discount": 1.0, "initial": np.full(60, 1 / 60), "reward": lambda law, mu, t: -law, "transition": rows(60, 8, 60)},
    ),
    "affine": (games.affine, *affine_in_mu(40, 3)),
    "affine, rewards": (games.affine, RNG.random((300, 4)), affine_in_mu(1, 1)[1] | {
        "reward_mu": RNG.random((300, 4, 300)), "transition0": rows(300, 4, 300), "transition_mu": None, "initial": np.full(300, 1 / 300),
    }),
    "affine, in sweeps": (games.affine, RNG.random((200, 4)), affine_in_mu(1, 1)[1] | {
        "reward_mu": RNG.random((200, 4, 200)), "transition0": rows(200, 4, 200), "transition_mu": None, "initial": np.full(200, 1 / 200),
        "passive_reward_mu": RNG.random((200, 200)), "time": "sweeps",
    }),
    "swarm": (games.swarm, 5000, {}),
    "demand": (games.demand, 700, {}),
    "cyber_security": (games.cyber_security, 0.3, {
        "contagion": RNG.random((4000, 2, 2)), "attack": RNG.random((4000, 2)), "recovery": RNG.random((4000, 2)),
        "defence_cost": np.ones(4000), "infection_cost": np.ones(4000), "names": [str(i) for i in range(4000)],
    }),
    "from_tntp": (games.RoadNetwork.from_tntp, None, {}),
    "tables": (games.crowd_motion((30, 30), step=1).tables, np.full(900, 1 / 900), {}),
}  # fmt: skip


@pytest.fixture
def call(request, tmp_path):
    """The function, its arguments, and the bytes that the caller has given in arrays."""
    name = request.param
    function, first, options = CALLS[name]
    if name == "from_tntp":
        first = tmp_path / "Town_net.tntp"
        zones = range(1, 121)
        links = "".join(f"\t{n}\t{n % 120 + 1}\t1000\t1\t1\t0.15\t4\t0\t0\t1\t;\n" for n in zones)
        first.write_text(f"<NUMBER OF NODES> 120\n<NUMBER OF LINKS> 120\n<END OF METADATA>\n{links}")
        trips = "".join(f"Origin {o}\n" + "".join(f"    {d} :    {10.5 + d};" for d in zones) + "\n" for o in zones)
        (tmp_path / "Town_trips.tntp").write_text(f"<NUMBER OF ZONES> 120\n<END OF METADATA>\n{trips}")
    given = sum(value.nbytes for value in (first, *options.values()) if isinstance(value, np.ndarray))
    return lambda verb: verb(function, first, **options), function.__name__, given


def peak_of(work):
    """What work() returns, and the most memory that it had."""
    tracemalloc.start()
    try:
        found = work()
        return found, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def made(function, first, **options):
    return function(first, **options)


@pytest.mark.parametrize("call", CALLS, indirect=True)
@pytest.mark.broad(9)
def test_estimates_are_what_games_take(call):
    verb, _, _ = call
    found = verb(tmf.estimate)
    _, peak = peak_of(lambda: verb(made))
    assert 2e6 < found.bytes
    assert peak / 1.4 < found.bytes < peak * 2.2, f"{found}\npeak {peak / 1e6:.4g} MB"


@pytest.mark.parametrize("call", CALLS, indirect=True)
@pytest.mark.broad(9)
def test_a_game_that_does_not_fit_is_refused_before_it_is_made(call):
    """Next to nothing is allocated, except copies of arrays that were given, to check them."""
    verb, name, given = call
    found = verb(tmf.estimate)

    def refused():
        with tmf.max_memory(found.bytes - 1), pytest.raises(MemoryError) as caught:
            verb(made)
        return str(caught.value)

    text, peak = peak_of(refused)
    assert peak < 0.1 * found.bytes + 1e6 + given
    assert text.startswith(f"{name}() needs {needs.size(found.bytes)} of memory, max_memory is ")
    assert f": {found.needs[0].name} {needs.size(found.needs[0].bytes)}" in text and "must" in text.partition("; ")[2]
    with tmf.max_memory(found.bytes):
        verb(made)


def nothing(mu, t):
    raise AssertionError("functions of a game are not called")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: games.garnet(MILLION),
            r"^garnet\(\) needs 165 TB of memory, .*: effects of the crowd on rewards 125 TB, crowds 40 TB, .*; n_observations, n_act",
        ),
        (lambda: games.resource_selection(np.ones(MILLION), congestion=1.0), r"^resource_selection\(\) needs 8 TB .*: successors 8 TB; worth must be shorter$"),
        (lambda: games.queueing(np.full(MILLION, 0.1)), r"^queueing\(\) needs 40 TB of memory, .*: successors 40 TB; capacities must be shorter$"),
        (
            lambda: games.pairwise_revision(np.broadcast_to(1.0, (MILLION, MILLION))),
            r"^pairwise_revision\(\) needs 8 TB of memory, .*: a copy of payoffs 8 TB; payoffs must be of fewer strategies$",
        ),
        (
            lambda: games.crowd_aversion(np.broadcast_to(1e-6, (MILLION, 2, MILLION))),
            r"^crowd_aversion\(\) needs 16 TB of memory, .*: a copy of transition 16 TB; transition must have fewer",
        ),
        (
            lambda: games.affine(
                np.zeros((MILLION, 2)), reward_mu=None, transition0=np.broadcast_to(1e-6, (MILLION, 2, MILLION)), transition_mu=None,
                horizon=5, discount=1.0, initial=np.full(MILLION, 1e-6),
            ),
            r"^affine\(\) needs 108 TB of memory, .*: rewards and rows 80 TB, passive rewards 28 TB, .*; the tables must have fewer",
        ),
        (
            lambda: games.joint(
                MILLION, n_actions=2, horizon=5, discount=1.0, initial=np.full(MILLION, 1e-6), reward=nothing, transition=nothing
            ),
            r"^joint\(\) needs 264 TB of memory, .*: successors and rows 264 TB, .*; n_observations or n_actions must be smaller, or succ",
        ),
        (lambda: games.building_evacuation(MILLION, length=50, width=40), r"^building_evacuation\(\) needs 888 GB .*; n_floors, length or width must"),
        (lambda: games.crowd_motion((30_000, 30_000)), r"^crowd_motion\(\) needs 1.1 TB .*: successors and rows 990 GB, labels 108 GB; shape must be smaller$"),
        (lambda: games.beach_bar(2**31 - 1), r"^beach_bar\(\) needs 850 GB .*; n_places must be smaller$"),
        (lambda: games.routing(ROAD, step=1e-6, horizon=2**30, **DRIVE), r"^routing\(\) needs .* TB .*: successors .* TB, .*; step must be longer, or horizon or"),
        (lambda: games.braess(step=1e-7, horizon=2**30), r"^braess\(\) needs .* TB of memory, .*; step must be longer, or horizon shorter$"),
        (lambda: games.sioux_falls("table", step=1e-4, horizon=2**30), r"^sioux_falls\(\) needs .* TB of memory, .*; step must be longer, or"),
        (
            lambda: tmf.Game(MILLION, 2, 5, 1.0, np.full(MILLION, 1e-6), nothing, nothing),
            r"^Game\(\) needs 16 TB of memory, .*: tables of a step 16 TB; n_observations or n_actions must be smaller, or successors given$",
        ),
        (
            lambda: tmf.Game(2, 2**31 - 1, 5, 1.0, [1, 0], nothing, nothing, time="sweeps"),
            r"^Game\(\) needs 215 GB of memory, .*: labels and vectors 215 GB; n_observations or n_actions must be smaller",
        ),
        (
            lambda: tmf.Game.compiled(1, MILLION, 2, 5, 1.0, np.full(MILLION, 1e-6)),
            r"^compiled\(\) needs 24 TB of memory, .*: tables of a step 24 TB; n_observations or n_actions must be smaller, or successors given$",
        ),
        (lambda: dense_positions().tables(np.full(MILLION, 1e-6)), r"^tables\(\) needs 16 TB of memory, .*: transition 8 TB, passive_transition 8 TB; game must"),
        (
            lambda: tmf.mean_field(dense_positions(), tmf.TabularPolicy.uniform(dense_positions()), tmf.Synchronous()),
            r"^mean_field\(\) needs .* TB of memory, .*: tables of a step .* TB, .*; record_every must be larger, or game must have fewer",
        ),
    ],
)  # fmt: skip
@pytest.mark.broad(6)
def test_a_million_observations_are_refused_at_once(make, words):
    """Not by numpy, and not by the system when it has run out of memory."""
    begun = time.process_time()
    with pytest.raises(MemoryError, match=words):
        make()
    assert time.process_time() - begun < 5.0


@cache
def dense_positions():
    """A game of a million observations that takes little itself: its rows are dense."""
    return games.linear_quadratic(MILLION, actions=[0.0], volatility=1e7, step=1)


FIXED = {"left_right", "rock_paper_scissors", "susceptible_infected", "infection_by_contact", "majority", "robotics"}  # always as small


def test_every_game_of_the_shelf_asks():
    assert {name for name, entry in SHELF.items() if not getattr(entry.make, "asks_for_memory", False)} == FIXED


def test_games_ask_again_when_they_are_made_in_other_steps():
    worth = RNG.random((2, 500))
    game = games.beach_bar(500, worth=worth, horizon=20)
    uniform = tmf.TabularPolicy.uniform(game)
    with tmf.max_memory("1 MB"):
        game.at(tmf.Fraction(0.5))
        with pytest.raises(MemoryError, match=r"^at\(\) needs 9.6 MB of memory, .*: what changes over time 9.6 MB; game must have fewer"):
            game.at(step=0.025)
        with pytest.raises(MemoryError, match=r"^mean_field\(\) needs 9.6 MB of memory"):
            tmf.mean_field(game, uniform, tmf.Fraction(0.025))
    with tmf.max_memory("10 kB"), pytest.raises(MemoryError, match=r"^at\(\) needs 198 kB of memory, .*: successors and rows"):
        game.at(step=0.1)


def test_an_estimate_is_of_the_call_and_not_of_a_game_that_it_makes_again():
    game = games.queueing([0.1, 0.2], horizon=10)
    found = tmf.estimate(tmf.solvers.MirrorDescent().solve, game, tmf.Poisson(), step=0.1)
    assert any("tables of the solver" in need.name for need in found.needs)
    with tmf.max_memory(10), pytest.raises(MemoryError, match=r"^queueing\(\) needs 360 B of memory"):
        game.replace(horizon=5)


def test_files_are_asked_for_before_they_are_read(tmp_path):
    path, saved = tmp_path / "game.toml", tmp_path / "policy.npz"
    path.write_text('[game]\nkind = "queueing"\n')
    tmf.TabularPolicy(np.full((5000, 2), 0.5)).save(saved)
    with tmf.max_memory(90):
        with pytest.raises(MemoryError, match=r"game.toml' needs 100 B of memory, max_memory is 90 B: text 100 B; path must name a smaller"):
            gamefile.read(path)
        for load in (tmf.load, tmf.TabularPolicy.load):
            with pytest.raises(MemoryError, match=r"policy.npz' needs 8.* kB of memory, max_memory is 90 B: arrays 8.* kB; path must"):
                load(saved)
    assert gamefile.read(path).n_observations == 4 and tmf.load(saved).table.shape == (1, 5000, 2)


def test_copies_of_large_arguments_are_asked_for():
    rows_ = np.full((2**10, 1, 2**10), 2.0**-10)
    rows_ = np.concatenate([rows_, rows_], axis=1)
    with tmf.max_memory("9 MB"), pytest.raises(MemoryError, match=r"^Game\(\) needs 16.8 MB .*: a copy of transition 16.8 MB; n_obs"):
        tmf.Game(2**10, 2, 5, 1.0, np.full(2**10, 2.0**-10), np.zeros((2**10, 2)), rows_)


def test_a_run_asks_for_the_tables_of_its_game():
    """Each thread has its own; a game of arrays has them, too."""
    game = tmf.Game(400, 2, 5, 1.0, np.full(400, 1 / 400), np.zeros((400, 2)), rows(400, 2, 400))
    arguments = (tmf.simulate, game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), 10)
    bytes_ = [tmf.estimate(*arguments, replicas=r, threads=2).needs[0] for r in (1, 8)]
    assert [(need.name, need.bytes) for need in bytes_] == [("tables of a step", 8 * 400 * 801), ("tables of a step", 16 * 400 * 801)]
