"""Games: what is given is what is played, checked early, frozen, and the same through every way in."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
import tmfcore as tmf
from game_cases import A, S, T, arguments, message

EXACT = {"rtol": 0, "atol": 1e-15}


# --------------------------------------------------------------------------------------------------- contents


@given(strategies.games(), st.integers(0, 2**32 - 1))
def test_tables_are_those_given(spec, seed):
    game, expected = spec.build(), spec.reference()
    rng = np.random.default_rng(seed)
    for t in {0, spec.horizon - 1}:
        mu = rng.dirichlet(np.ones(spec.n_observations))
        given_tables = list(expected.tables(mu, t))
        if spec.successors is not None:
            given_tables[1] = spec.table(spec.transition, mu, t)
        if spec.passive_successors is not None and spec.passive_transition is not None:
            given_tables[3] = spec.table(spec.passive_transition, mu, t)
        for table, wanted in zip(game.tables(mu, t), given_tables, strict=True):
            np.testing.assert_allclose(table, wanted, **EXACT)


def test_defaults():
    game = tmf.Game(**arguments())
    _, _, passive_reward, passive_transition = game.tables([1, 0, 0])
    assert passive_reward.tolist() == [0, 0, 0]
    np.testing.assert_array_equal(passive_transition, np.eye(S))
    assert game.passive_transition is None
    assert game.successors is None
    assert game.passive_successors is None
    assert game.step == 1.0
    assert game.name == ""
    assert game.observation_labels == ("0", "1", "2")
    assert game.action_labels == ("0", "1")
    assert game.model.n_passive_successors == 1  # sparse inside
    assert repr(game) == "Game(S=3, A=2, T=4, discount=0.9)"


def test_one_number_is_a_passive_reward():
    game = tmf.Game(**arguments(passive_reward=-2))
    assert game.passive_reward.tolist() == [-2, -2, -2]
    assert game.tables([1, 0, 0])[2].tolist() == [-2, -2, -2]


def test_names():
    game = tmf.Game(**arguments(name="toy", observation_labels=list("xyz"), action_labels=["go", "stay"]))
    assert (game.name, game.observation_labels, game.action_labels) == (
        "toy",
        ("x", "y", "z"),
        ("go", "stay"),
    )
    assert repr(game) == "Game('toy', S=3, A=2, T=4, discount=0.9)"


def test_repeated_successors_add_up():
    game = tmf.Game(
        **arguments(
            transition=np.full((S, A, 3), [0.5, 0.25, 0.25]),
            successors=np.full((S, A, 3), [1, 1, 2]),
            passive_transition=np.full((S, 2), [0.75, 0.25]),
            passive_successors=np.full((S, 2), 2),
        )
    )
    assert game.tables([1, 0, 0])[1].shape == (S, A, 3)
    same = tmf.Game.from_model(game.model, T, 0.9, [1, 0, 0])
    _, transition, _, passive_transition = same.tables([1, 0, 0])
    np.testing.assert_array_equal(transition, np.full((S, A, S), [0, 0.75, 0.25]))
    np.testing.assert_array_equal(passive_transition, np.full((S, S), [0, 0, 1.0]))


# ----------------------------------------------------------------------------------------------------- frozen


def test_frozen_and_independent_of_the_callers_arrays():
    options = arguments(passive_transition=np.eye(S), successors=np.tile(np.arange(S), (S, A, 1)))
    before = copy.deepcopy(options)
    game = tmf.Game(**options)
    for name in ("initial", "reward", "transition", "passive_reward", "passive_transition", "successors"):
        if isinstance(options.get(name), np.ndarray):
            options[name][...] = 0
            np.testing.assert_array_equal(getattr(game, name), before[name])
        with pytest.raises(ValueError, match="read-only"):
            getattr(game, name)[...] = 0
    with pytest.raises(AttributeError):
        game.horizon = 5
    with pytest.raises(AttributeError):
        game.new = 5
    for table in game.tables([1, 0, 0]):
        with pytest.raises(ValueError, match="read-only"):
            table[...] = 7
    np.testing.assert_array_equal(game.tables([1, 0, 0])[0], before["reward"])


def module_level_reward(mu, t):
    return np.full((S, A), t + mu[0])


def test_a_deep_copy_is_the_game_itself():
    game = tmf.Game.from_model(tmf.games.queueing([0.1, 0.2], step=1).at().model, T, 0.9, [1, 0, 0])
    assert copy.deepcopy({"game": game})["game"] is game


def test_pickle_makes_an_equal_frozen_game():
    game = tmf.Game(**arguments(reward=module_level_reward, name="toy", passive_transition=np.eye(S)))
    again = pickle.loads(pickle.dumps(game))
    for ours, theirs in zip(game.tables([0.5, 0.5, 0], 2), again.tables([0.5, 0.5, 0], 2), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (again.name, again.horizon, again.discount) == ("toy", T, 0.9)
    with pytest.raises(ValueError, match="read-only"):
        again.initial[0] = 1
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(tmf.Game.from_model(game.model, T, 0.9, [1, 0, 0]))


# ----------------------------------------------------------------------------------------------------- errors

BAD = np.full((S, A, S), 1 / 3)
BAD[2, 1, 0] = 0.25
ROWS = "each row must sum to 1 within 1e-08"


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"n_observations": 0}, ValueError, "n_observations is 0; must be in [1, 2147483647]"),
        ({"n_observations": 3.5}, TypeError, "n_observations is 3.5 (float); must be an integer"),
        ({"n_actions": 2**31}, ValueError, "n_actions is 2147483648; must be in [1, 2147483647]"),
        ({"horizon": 0}, ValueError, "horizon is 0; must be in [1, 2147483647]"),
        ({"horizon": True}, TypeError, "horizon is True (bool); must be an integer"),
        ({"discount": 1.5}, ValueError, "discount is 1.5; must be in [0, 1]"),
        ({"discount": float("nan")}, ValueError, "discount is nan; must be finite"),
        ({"initial": [1, 0]}, ValueError, "initial has shape (2,); must be (S,) = (3,)"),
        ({"initial": [0.5, 0.25, 0.22]}, ValueError, "initial sums to 0.97; must sum to 1 within 1e-08"),
        (
            {"initial": [1.5, -0.5, 0]},
            ValueError,
            "initial[1] is -0.5; must be >= 0 (1 of 3 entries are bad)",
        ),
        ({"initial": lambda: 0}, TypeError, "initial is a function; must be an array"),
        ({"reward": np.zeros((A, S))}, ValueError, "reward has shape (2, 3); must be (S, A) = (3, 2)"),
        ({"reward": 0.0}, ValueError, "reward has shape (); must be (S, A) = (3, 2)"),
        ({"reward": "high"}, TypeError, "reward is 'high' (str); must be an array"),
        (
            {"reward": np.full((S, A), -np.inf)},
            ValueError,
            "reward[0, 0] is -inf; must be finite (6 of 6 entries are bad)",
        ),
        (
            {"reward": np.zeros((S, A), dtype=complex)},
            TypeError,
            "reward holds dtype complex128; must hold real numbers",
        ),
        (
            {"reward": lambda a, b, c: 0},
            TypeError,
            (
                "reward takes (a, b, c); must be a function of (mu) or (mu, t), or pass noise=, a path (T, ...), for "
                "functions of (mu, t, z)"
            ),
        ),
        (
            {"transition": BAD},
            ValueError,
            f"transition[2, 1] sums to 0.916666666667; {ROWS} (1 of 6 rows are bad)",
        ),
        (
            {"transition": np.ones((S, A, 1))},
            ValueError,
            "transition has shape (3, 2, 1); must be (S, A, S) = (3, 2, 3)",
        ),
        ({"transition": None}, TypeError, "transition is None; must be an array"),
        ({"passive_reward": [0.0, 0.0]}, ValueError, "passive_reward has shape (2,); must be (S,) = (3,)"),
        ({"passive_reward": True}, TypeError, "passive_reward is True (bool); must be a real number"),
        ({"passive_reward": np.inf}, ValueError, "passive_reward is inf; must be finite"),
        (
            {"passive_transition": np.ones((S, 1))},
            ValueError,
            "passive_transition has shape (3, 1); must be (S, S) = (3, 3)",
        ),
        (
            {"passive_successors": np.zeros((S, 1), int)},
            ValueError,
            "passive_successors is given without passive_transition; must be given together with it",
        ),
        (
            {"successors": np.zeros((S, A), int)},
            ValueError,
            "successors has shape (3, 2); must be (S, A, K) = (3, 2, any)",
        ),
        (
            {"successors": np.full((S, A, 1), 3)},
            ValueError,
            "successors[0, 0, 0] is 3; must be in [0, 2] (6 of 6 entries are bad)",
        ),
        (
            {"successors": np.full((S, A, 1), 0.5)},
            ValueError,
            f"successors[0, 0, 0] is 0.5; must be an integer ({S * A} of {S * A} entries are bad)",
        ),
        (
            {"successors": np.zeros((S, A, 1), int)},
            ValueError,
            "transition has shape (3, 2, 3); must be (S, A, K) = (3, 2, 1)",
        ),
        ({"name": 3}, TypeError, "name is 3 (int); must be a string"),
        ({"observation_labels": ["a"]}, ValueError, "observation_labels has 1 labels; must have 3"),
        (
            {"action_labels": ["a", "a"]},
            ValueError,
            "action_labels[1] is 'a'; must differ from action_labels[0]",
        ),
    ],
)
def test_bad_arguments(changes, error, text):
    with pytest.raises(error, match=message(text)):
        tmf.Game(**arguments(**changes))


@pytest.mark.parametrize(
    ("mu", "t", "error", "text"),
    [
        ([1, 0], 0, ValueError, "mu has shape (2,); must be (S,) = (3,)"),
        ([1, 1, 0], 0, ValueError, "mu sums to 2; must sum to 1 within 1e-08"),
        ([1, 0, 0], T, ValueError, "t is 4; must be in [0, 3]"),
        ([1, 0, 0], -1, ValueError, "t is -1; must be in [0, 3]"),
        ([1, 0, 0], 0.5, TypeError, "t is 0.5 (float); must be an integer"),
    ],
)
def test_bad_questions(mu, t, error, text):
    with pytest.raises(error, match=message(text)):
        tmf.Game(**arguments()).tables(mu, t)


def test_observation_shape():
    game = tmf.Game(6, 1, 2, 1.0, np.full(6, 1 / 6), np.zeros((6, 1)), np.eye(6)[:, None], observation_shape=[2, 3])
    assert game.observation_shape == pickle.loads(pickle.dumps(game)).observation_shape == (2, 3)
    assert tmf.games.queueing([0.1, 0.2], step=1).at().observation_shape == (3,)
    for wrong, kind, text in (
        ((2, 2), ValueError, "observation_shape is (2, 2), 4 points; must be 6 = n_observations"),
        ((-2, -3), ValueError, "observation_shape[0] is -2; must be in [1, 2147483647]"),
        (6, TypeError, "observation_shape is int; must be a tuple of ints"),
    ):
        with pytest.raises(kind, match=message(text)):
            tmf.Game(6, 1, 2, 1.0, np.full(6, 1 / 6), np.zeros((6, 1)), np.eye(6)[:, None], observation_shape=wrong)


def demand(mu, t, z):
    return np.repeat((z[0] - mu * z[1])[:, None], 2, axis=1)


def drifting(mu, t, z):
    row = np.array([0.5 + 0.4 * z[0], 0.5 - 0.4 * z[0]])
    return np.broadcast_to(row, (2, 2, 2))


def test_common_noise_is_the_same_for_every_verb():
    """A game given a path is the game whose callables have the path written into them."""
    paths = np.random.default_rng(3).uniform(0, 1, size=(2, 5, 2))
    first = tmf.Game(2, 2, 5, 0.9, [1, 0], demand, drifting, passive_transition=lambda mu: np.eye(2), noise=paths[0])
    uniform = tmf.TabularPolicy.uniform(first)
    for path in paths:
        game = first.replace(noise=path)
        np.testing.assert_array_equal(game.noise, path)
        written = tmf.Game(
            2, 2, 5, 0.9, [1, 0], lambda mu, t: demand(mu, t, path[t]), lambda mu, t: drifting(mu, t, path[t]))  # noqa: B023
        for schedule in (tmf.Synchronous(), tmf.Batch(10)):
            found, wanted = (tmf.mean_field(g, uniform, schedule, 30).mu for g in (game, written))
            np.testing.assert_array_equal(found, wanted)
            assert tmf.exploitability(game, uniform, schedule, 30) == tmf.exploitability(written, uniform, schedule, 30)
            np.testing.assert_array_equal(
                tmf.simulate(game, uniform, schedule, 30, rng=1).counts, tmf.simulate(written, uniform, schedule, 30, rng=1).counts)
    again = pickle.loads(pickle.dumps(tmf.Game(2, 2, 5, 0.9, [1, 0], demand, drifting, noise=paths[1])))
    np.testing.assert_array_equal(again.noise, paths[1])


@pytest.mark.parametrize(
    ("path", "kind", "text"),
    [
        (np.zeros((4, 2)), ValueError, "noise has shape (4, 2); must be (5, ...), one entry per step"),
        (np.full((5, 2), np.nan), ValueError, "noise[0, 0] is nan; must be finite (10 of 10 entries are bad)"),
        (0.5, ValueError, "noise has shape (); must be (5, ...), one entry per step"),
    ],
)
def test_paths_that_do_not_fit(path, kind, text):
    game = tmf.Game(2, 2, 5, 0.9, [1, 0], demand, drifting, noise=np.zeros((5, 2)))
    with pytest.raises(kind, match=message(text)):
        game.replace(noise=path)


def test_noise_that_is_not_there():
    with pytest.raises(TypeError, match="must be a function of"):
        tmf.Game(2, 2, 5, 0.9, [1, 0], demand, drifting)
    with pytest.raises(TypeError, match="noise is not an argument of Game"):
        tmf.games.queueing([0.1], step=1).at().replace(noise=[1.0])
