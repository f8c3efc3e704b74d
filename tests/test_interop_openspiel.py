"""Games and policies of OpenSpiel, in and out, held against its own algorithms."""

import importlib
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

import tmfcore as tmf
from legal_cases import lawful
from peers import need
from spiel_cases import SYNCHRONOUS, ByHash

pyspiel = need("pyspiel")

from open_spiel.python import policy as spiel_policy
from open_spiel.python.mfg.algorithms import distribution, nash_conv
from open_spiel.python.mfg.games import normal_form_game  # noqa: F401  registers it

from peers.openspiel_states import Keyed
from tmfcore.interop import _states as states
from tmfcore.interop import openspiel

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
ROAD = {"max_num_time_step": 14, "time_step_length": 0.5}
#: name, parameters, whether rewards there depend on the last action, whether transitions depend on mu
GAMES = [
    ("mfg_crowd_modelling", {"size": 6, "horizon": 5}, True, False),
    ("python_mfg_crowd_modelling", {"size": 5, "horizon": 3}, True, False),
    ("mfg_crowd_modelling_2d", {"size": 3, "horizon": 3}, True, False),
    ("mfg_crowd_modelling_2d", {"size": 4, "horizon": 4, "forbidden_states": "[0|0;1|2]", "only_distribution_reward": True,
                                "initial_distribution": "[3|0;0|3]", "initial_distribution_value": "[0.3;0.7]"}, False, False),
    ("mfg_crowd_modelling_2d", {"size": 3, "horizon": 4, "with_congestion": True, "noise_intensity": 0.4}, True, False),
    ("mean_field_lin_quad", {"size": 5, "horizon": 3, "n_actions_per_side": 1}, True, False),
    ("mean_field_lin_quad", {"size": 5, "horizon": 3, "n_actions_per_side": 1, "mean_revert": 0.6}, True, True),
    ("mfg_dynamic_routing", ROAD | {"players": -1}, False, True),
    ("python_mfg_dynamic_routing", ROAD, False, True),
    ("mfg_garnet", {"size": 5, "horizon": 4, "seed": 3, "sparsity_factor": 0.7}, True, False),
    ("mean_field_nfg", {"num_actions": 3, "reward_function": "coop"}, False, False),
    ("mean_field_nfg", {"num_actions": 3, "reward_function": "biased_indirect_rps"}, False, False),
    ("python_mfg_periodic_aversion", {"size": 5, "horizon": 3, "n_actions_per_side": 1}, True, False),
]  # fmt: skip
NAMES = [f"{name}-{i}" for i, (name, *_) in enumerate(GAMES)]


class Inside(spiel_policy.Policy):
    """A policy of a game, for the same one with the last action in its strings."""

    def __init__(self, keyed, policy):
        super().__init__(keyed, [0])
        self.policy = policy

    def action_probabilities(self, state, player_id=None):
        return self.policy.action_probabilities(state.now.state)


def their_gap(game, policy, carries):
    """NashConv on right keys."""
    if not carries:
        return nash_conv.NashConv(game, policy).nash_conv()
    keyed = Keyed(game)
    return nash_conv.NashConv(keyed, Inside(keyed, policy)).nash_conv()


@pytest.mark.parametrize(("name", "parameters", "carries", "moves"), GAMES, ids=NAMES)
def test_exploitability_of_their_policies(name, parameters, carries, moves):
    """Random policies of theirs: the same flow to any of their strings, the same exploitability, and back again."""
    game = openspiel.from_game(name, parameters)
    spiel = pyspiel.load_game(name, parameters)
    assert any(" after " in label for label in game.observation_labels) == carries
    assert isinstance(game.transition, np.ndarray) != moves
    for seed in range(2):
        theirs = ByHash(spiel, seed)
        ours = openspiel.from_policy(theirs, game)
        gap = tmf.exploitability(game, ours, SYNCHRONOUS)
        assert gap == pytest.approx(their_gap(spiel, theirs, carries), rel=1e-8, abs=1e-8)
        again = openspiel.to_policy(ours, game)
        assert their_gap(spiel, again, carries) == pytest.approx(gap, rel=1e-8, abs=1e-8)
        flow = distribution.DistributionPolicy(spiel, theirs)
        back = distribution.DistributionPolicy(spiel, again).distribution
        assert back == pytest.approx(flow.distribution, abs=1e-12)
    assert gap > 1e-3


@pytest.mark.parametrize(("name", "parameters", "carries", "moves"), GAMES, ids=NAMES)
def test_exploitability_of_our_policies(name, parameters, carries, moves):
    """Random tables, which look at the last action where it is carried: theirs is a mixture that does as well."""
    game = openspiel.from_game(name, parameters)
    spiel = pyspiel.load_game(name, parameters)
    rng = np.random.default_rng(1)
    for _ in range(1 if "quad" in name else 2):  # theirs is slow
        table = rng.dirichlet(np.full(game.n_actions, 0.7), size=(game.horizon, game.n_observations))
        ours = tmf.TabularPolicy(lawful(table, game))
        gap = tmf.exploitability(game, ours, SYNCHRONOUS)
        assert their_gap(spiel, openspiel.to_policy(ours, game), carries) == pytest.approx(gap, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize(("name", "parameters", "carries", "moves"), GAMES, ids=NAMES)
def test_verified_along_a_flow(name, parameters, carries, moves):
    """What was found out by trying holds along a flow; what was declared and does not hold is named."""
    game = openspiel.from_game(name, parameters)
    rng = np.random.default_rng(3)
    table = rng.dirichlet(np.full(game.n_actions, 0.5), size=(game.horizon, game.n_observations))
    policy = tmf.TabularPolicy(lawful(table, game))
    openspiel.verify(game, tmf.mean_field(game, policy, SYNCHRONOUS))
    if moves and "quad" in name:
        wrong = openspiel.from_game(name, parameters, constant=True)
        with pytest.raises(ValueError, match=r"transition\[.*\] of .* at step \d is .*; its states have .*constant=False"):
            openspiel.verify(wrong, tmf.mean_field(wrong, policy, SYNCHRONOUS))
    with pytest.raises(ValueError, match="flow has shape"):
        openspiel.verify(game, np.ones((2, 1)))


def test_reading_makes_few_states(monkeypatch):
    """States made to read a game: about S A and two walks a step, where every way to every string took 50 walks."""
    made = 0
    segment = states.Reader._spread

    def counted(self, *arguments):
        nonlocal made
        made += 1
        return segment(self, *arguments)

    monkeypatch.setattr(states.Reader, "_spread", counted)
    game = openspiel.from_game("mean_field_lin_quad", {"size": 10, "horizon": 10, "n_actions_per_side": 3})
    assert (game.n_observations, game.n_actions, game.horizon) == (80, 7, 10)
    assert made < 10 * (3 * 10 * 7 + 3 * 10 * 7 + 200)


@pytest.fixture
def reading(monkeypatch):
    root = Path(__file__).resolve().parents[1]
    if not (root / "bench" / "reading.py").is_file():
        pytest.skip("not in a source tree")
    monkeypatch.syspath_prepend(str(root / "bench"))
    return importlib.import_module("reading")


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("mean_field_lin_quad", {"size": 6, "horizon": 4}),
        ("python_mfg_periodic_aversion", {"size": 7, "horizon": 3, "n_actions_per_side": 3}),
        ("mfg_crowd_modelling_2d", {"size": 5, "horizon": 5}),
        ("python_mfg_predator_prey", {"size": 3, "horizon": 3, "init_distrib": ""}),
    ],
)
def test_reading_makes_less_than_twice_the_states_of_nash_conv(reading, name, parameters):
    spiel = pyspiel.load_game(name, parameters)
    theirs = reading.states(lambda: nash_conv.NashConv(spiel, spiel_policy.UniformRandomPolicy(spiel)))
    assert 0 < reading.states(lambda: openspiel.from_game(name, parameters)) < 2 * theirs


def test_reading_is_measured(reading, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["reading.py", "mean_field_nfg"])
    reading.main()
    row = capsys.readouterr().out.splitlines()[-1]
    assert row.startswith("| mean_field_nfg | 4, 3, 2 | ")
    assert set(reading.names()) >= {name for name, *_ in GAMES}


@pytest.mark.parametrize("constant", [None, False])
def test_followed_state_by_state(constant):
    """Tables kept as arrays and tables walked at every population are the same."""
    name, parameters = "mfg_crowd_modelling", {"size": 4, "horizon": 3}
    kept = openspiel.from_game(name, parameters)
    game = openspiel.from_game(name, parameters, constant=constant)
    rng = np.random.default_rng(2)
    for _ in range(3):
        policy = tmf.TabularPolicy(rng.dirichlet(np.ones(3), size=(3, game.n_observations)))
        np.testing.assert_allclose(tmf.mean_field(game, policy, SYNCHRONOUS).mu, tmf.mean_field(kept, policy, SYNCHRONOUS).mu, atol=1e-14)
        one, two = (tmf.exploitability(g, policy, SYNCHRONOUS) for g in (game, kept))
        assert one == pytest.approx(two, abs=1e-12)


def test_the_uniform_policy_of_the_crowd():
    """Exactly 2.7867; OpenSpiel's own NashConv says 2.8135, since its keys leave the last action out."""
    game = openspiel.from_game("mfg_crowd_modelling(size=10,horizon=10)")
    uniform = tmf.TabularPolicy.uniform(game)
    assert tmf.exploitability(game, uniform, SYNCHRONOUS) == pytest.approx(2.7867, abs=1e-4)
    spiel = pyspiel.load_game("mfg_crowd_modelling(size=10,horizon=10)")
    said = nash_conv.NashConv(spiel, openspiel.to_policy(uniform, game)).nash_conv()
    assert said == pytest.approx(2.8135, abs=1e-4)


def test_simulated_with_many_agents():
    """Mean returns of N agents are near the limit's, and their distribution near its flow, 1/sqrt(N)."""
    game = openspiel.from_game("mfg_crowd_modelling", {"size": 6, "horizon": 5})
    policy = openspiel.from_policy(ByHash(openspiel._READ[game].reader.game, 4), game)
    limit = tmf.evaluate(game, policy, SYNCHRONOUS)
    run = tmf.simulate(game, policy, SYNCHRONOUS, n_agents=20_000, replicas=40, rng=1)
    assert np.abs(run.mu.mean(axis=0) - limit.flow.mu).max() < 1e-3
    error = 5.5 * run.returns.std(ddof=1) / np.sqrt(40) + 10 / 20_000  # false alarm 1e-6 or so, bias of order 1/N
    assert abs(run.returns.mean() - limit.mean_return) < error


def test_pickled_by_name():
    game = openspiel.from_game("mfg_garnet", {"size": 4, "horizon": 3})
    copy = pickle.loads(pickle.dumps(game))
    mu = np.random.default_rng(0).dirichlet(np.ones(game.n_observations))
    for one, two in zip(game.tables(mu, 1), copy.tables(mu, 1), strict=True):
        np.testing.assert_array_equal(one, two)
    assert openspiel.to_policy(tmf.TabularPolicy.uniform(copy), copy) is not None


# Out: our games there.


OURS = {
    "beach": lambda: tmf.games.beach_bar(5, horizon=4, step=1).at(),
    "infected": lambda: tmf.games.susceptible_infected(horizon=5),
    "queueing": lambda: tmf.games.queueing([0.1, 0.25], horizon=4, step=1).at(),
}


@pytest.mark.parametrize("schedule", [None, tmf.Fraction(0.3)], ids=["everybody", "some"])
@pytest.mark.parametrize("name", OURS)
def test_our_games_there(name, schedule):
    game = OURS[name]()
    spiel = openspiel.to_game(game, schedule)
    who = schedule or SYNCHRONOUS
    rng = np.random.default_rng(3)
    for _ in range(2):
        policy = tmf.TabularPolicy(rng.dirichlet(np.ones(game.n_actions), size=(game.horizon, game.n_observations)))
        theirs = openspiel.to_policy(policy, spiel)
        gap = tmf.exploitability(game, policy, who)
        assert nash_conv.NashConv(spiel, theirs).nash_conv() == pytest.approx(gap, rel=1e-8, abs=1e-8)
        back = openspiel.from_policy(theirs, spiel)
        assert tmf.exploitability(game, back, who) == pytest.approx(gap, abs=1e-12)
        reached = tmf.mean_field(game, policy, who).mu[:-1] > 0
        np.testing.assert_array_equal(back.table[reached], policy.table[reached])


@pytest.mark.parametrize("name", OURS)
def test_there_and_back(name):
    """Our game taken over from what was made of it: the same exploitability at every step of the way."""
    game = OURS[name]()
    spiel = openspiel.to_game(game)
    again = openspiel.from_game(spiel)
    theirs = ByHash(spiel, 5)
    gap = tmf.exploitability(again, openspiel.from_policy(theirs, again), SYNCHRONOUS)
    own = tmf.exploitability(game, openspiel.from_policy(theirs, spiel), SYNCHRONOUS)
    assert gap == pytest.approx(own, rel=1e-8, abs=1e-8)


# What is refused.


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("kuhn_poker", r"is not a mean-field game; its dynamics are"),
    ],
)
def test_refused(name, reason):
    with pytest.raises(ValueError, match=reason):
        openspiel.from_game(name)


def test_last_action_refused():
    with pytest.raises(ValueError, match="depend on the last action, which its state strings omit"):
        openspiel.from_game("mfg_crowd_modelling", last_action="refuse")
    assert openspiel.from_game("mfg_dynamic_routing", ROAD, last_action="refuse").n_actions == 2


# Several populations.

PREY = {"size": 3, "horizon": 3, "init_distrib": ""}
POPULATIONS = [
    ("python_mfg_predator_prey", PREY, 3),
    ("python_mfg_predator_prey", PREY | {"players": 4, "reward_matrix": "0 1 0 -1 -1 0 1 0 0 -1 0 1 1 0 -1 0", "geometry": 1}, 4),
    ("python_mfg_crowd_avoidance", {"horizon": 2, "coef_congestion": 20.0}, 2),
]  # fmt: skip


@pytest.mark.parametrize(("name", "parameters", "n_populations"), POPULATIONS)
def test_several_populations(name, parameters, n_populations):
    """Each population's values of a policy and of its best response are those of OpenSpiel's NashConv; and back again."""
    game, spiel = openspiel.from_game(name, parameters), pyspiel.load_game(name, parameters)
    assert list(tmf.games.by_type(game, game.initial)) == [f"population {i}" for i in range(n_populations)]
    for seed in range(2 if n_populations == 3 else 1):
        theirs = ByHash(spiel, seed)
        ours = openspiel.from_policy(theirs, game)
        said = nash_conv.NashConv(spiel, theirs)
        flow = tmf.mean_field(game, ours, SYNCHRONOUS)
        best = tmf.best_response(game, flow, SYNCHRONOUS)[1][0]
        own = tmf.evaluate(game, ours, SYNCHRONOUS).values[0]
        for value, wanted in ((best, said.br_values()), (own, [said._pi_value.eval_state(s) for s in said._root_states])):
            parts = tmf.games.by_type(game, game.initial * value).values()
            assert [n_populations * part.sum() for part in parts] == pytest.approx(wanted, rel=1e-8, abs=1e-8)
        gap = n_populations * tmf.exploitability(game, ours, SYNCHRONOUS)
        assert gap == pytest.approx(said.nash_conv(), rel=1e-8, abs=1e-8)
        assert gap > 1e-2
        again = openspiel.to_policy(ours, game)
        back = distribution.DistributionPolicy(spiel, again).distribution
        assert back == pytest.approx(said.distribution.distribution, abs=1e-12)
        openspiel.verify(game, flow)


def test_populations_among_agents():
    """Agents stay in their population, about N / M each, near the limit's flow."""
    game = openspiel.from_game("python_mfg_predator_prey", PREY)
    policy = tmf.TabularPolicy.uniform(game)
    limit = tmf.evaluate(game, policy, SYNCHRONOUS)
    run = tmf.simulate(game, policy, SYNCHRONOUS, n_agents=3000, replicas=20, rng=2)
    for mu in tmf.games.by_type(game, run).values():
        np.testing.assert_allclose(mu.sum(axis=-1), mu[0, 0].sum(), atol=1e-12)
        assert mu[0, 0].sum() == pytest.approx(1 / 3, abs=9 / 3000)
    assert np.abs(run.mu.mean(axis=0) - limit.flow.mu).max() < 5.5 * 0.5 / np.sqrt(3000 * 20)  # per entry; false alarm 1e-6
    copy = pickle.loads(pickle.dumps(game))
    np.testing.assert_array_equal(copy.tables(game.initial, 1)[0], game.tables(game.initial, 1)[0])
    solution = tmf.solve(copy, SYNCHRONOUS, tolerance=1e-3)
    assert solution.converged
    openspiel.verify(copy, solution.flow)


def test_a_library_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspiel", None)
    monkeypatch.delitem(sys.modules, "tmfcore.interop.openspiel")
    with pytest.raises(ModuleNotFoundError, match=r"interop\.openspiel needs .*'tmfcore\[peers\]'"):
        importlib.import_module("tmfcore.interop.openspiel")


def test_bad_arguments():
    game = openspiel.from_game("mfg_crowd_modelling", {"size": 4, "horizon": 2})
    with pytest.raises(ValueError, match=r"must be made by interop\.openspiel\.from_game"):
        openspiel.to_policy(None, tmf.games.queueing([0.1], step=1).at())
    with pytest.raises(TypeError, match=r"policy is int; must have action_probabilities"):
        openspiel.from_policy(3, game)
    with pytest.raises(TypeError, match="parameters are given with a game object"):
        openspiel.from_game(pyspiel.load_game("mfg_garnet"), {"size": 3})
    with pytest.raises(ValueError, match="last_action"):
        openspiel.from_game("mfg_garnet", last_action="drop")
    theirs = openspiel.to_policy(tmf.TabularPolicy.uniform(game), game)
    far = pyspiel.load_game("mfg_crowd_modelling", {"size": 9, "horizon": 2}).new_initial_state().child(8)
    with pytest.raises(ValueError, match=r"must be one of the \d+ decision states"):
        theirs.action_probabilities(far)
