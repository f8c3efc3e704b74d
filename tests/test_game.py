"""Games: what is given is what is played, checked early, frozen, and the same through every way in."""

import copy
import ctypes
import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import LowLevelCallable

import strategies
import tmfcore as tmf
from tmfcore._base.functions import n_arguments
from tmfcore._model.model import CompiledModel, TableModel

S, A, T = 3, 2, 4
EXACT = {"rtol": 0, "atol": 1e-15}


def arguments(**changes):
    """A valid game of 3 observations and 2 actions, with some arguments changed."""
    options = {
        "n_observations": S,
        "n_actions": A,
        "horizon": T,
        "discount": 0.9,
        "initial": [0.5, 0.25, 0.25],
        "reward": np.arange(6.0).reshape(S, A),
        "transition": np.full((S, A, S), 1 / 3),
    }
    return options | changes


def message(text):
    return f"^{re.escape(text)}$"


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
        assert table.flags.writeable
        table[...] = 7
    np.testing.assert_array_equal(game.tables([1, 0, 0])[0], before["reward"])


def module_level_reward(mu, t):
    return np.full((S, A), t + mu[0])


def test_a_deep_copy_is_the_game_itself():
    game = tmf.Game.from_model(tmf.games.queueing([0.1, 0.2]).model, T, 0.9, [1, 0, 0])
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


# -------------------------------------------------------------------------------------------------- callables


class Method:
    def of_mu(self, mu):
        return 1

    def __call__(self, mu, t):
        return 2


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda mu: 0, 1),
        (lambda mu, t: 0, 2),
        (lambda x, y: 0, 2),
        (lambda mu, t=0: 0, 2),
        (lambda mu, scale=2: 0, 1),
        (lambda mu, t, scale=2: 0, 2),
        (lambda mu, *rest: 0, 1),
        (lambda mu, t, *rest, **named: 0, 2),
        (lambda mu, *, scale=2: 0, 1),
        (lambda mu=None: 0, 1),
        (lambda mu=None, t=0: 0, 2),
        (Method().of_mu, 1),
        (Method(), 2),
    ],
)
def test_signatures(function, expected):
    assert n_arguments(function, "f") == expected


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: 0, r"f takes \(\); must be a function of \(mu\) or \(mu, t\)"),
        (lambda *both: 0, r"f takes \(\*both\); must be"),
        (lambda **named: 0, r"f takes \(\*\*named\); must be"),
        (lambda mu, t, n: 0, r"f takes \(mu, t, n\); must be"),
        (lambda mu, *, scale: 0, r"f needs the keyword argument 'scale'; must be"),
        (min, r"f has no signature that can be read; must be"),
    ],
)
def test_signatures_that_are_refused(function, message):
    with pytest.raises(TypeError, match=message):
        n_arguments(function, "f")


def test_a_callable_gets_a_read_only_distribution_and_an_int():
    seen = []

    def reward(mu, t):
        seen.append((mu, t))
        return np.zeros((S, A))

    game = tmf.Game(**arguments(reward=reward))
    game.tables([0.25, 0.25, 0.5], 3)
    assert [(mu.tolist(), t) for mu, t in seen] == [([0.5, 0.25, 0.25], 0), ([0.25, 0.25, 0.5], 3)]
    assert all(type(t) is int and mu.dtype == np.float64 and not mu.flags.writeable for mu, t in seen)
    assert not np.shares_memory(seen[0][0], game.initial)


def test_what_a_callable_raises_comes_out_with_a_note():
    def broken(mu, t):
        if t == 3:
            raise LookupError("no such table")
        return np.zeros((S, A))

    game = tmf.Game(**arguments(reward=broken))
    with pytest.raises(LookupError) as caught:
        tmf.evaluate(game, np.full((S, A), 1 / A), tmf.Synchronous())
    assert str(caught.value) == "no such table"
    assert caught.value.__notes__ == ["raised by reward(mu, t) at step t = 3"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.zeros((S, A), complex), "holds dtype complex128; must hold real numbers"),
        (np.ma.zeros((S, A)), "is a masked array; must be a plain array"),
        ([[np.ma.masked] * A] * S, "holds a masked array; must hold plain numbers"),
        ("zero", "is 'zero' (str); must be an array"),
        (None, "is None; must be an array"),
        (np.zeros((S, A), "m8[s]"), "holds dtype timedelta64[s]; must hold real numbers"),
        ([["0"] * A] * S, "holds dtype <U1; must hold real numbers"),
        (np.zeros((S, A), bool), "holds dtype bool; must hold real numbers"),
    ],
)
def test_what_a_callable_returns_holds_real_numbers(value, words):
    with pytest.raises(TypeError, match=re.escape(f"reward(mu, t=0) {words}")):
        tmf.Game(**arguments(reward=lambda mu: value))
    game = tmf.Game(**arguments())
    with pytest.raises(TypeError, match=re.escape(f"policy(mu, t=0) {words}")):
        tmf.mean_field(game, lambda mu: value, tmf.Synchronous())


def test_what_a_callable_returns_may_be_of_any_width():
    wide = tmf.Game(**arguments(reward=lambda mu: np.zeros((S, A))))
    for value in (np.zeros((S, A), np.float32), np.zeros((S, A), ">f8"), np.zeros((S, A), int), [[0] * A] * S):
        game = tmf.Game(**arguments(reward=lambda mu, value=value: value))
        np.testing.assert_array_equal(game.tables([1, 0, 0])[0], wide.tables([1, 0, 0])[0])


@pytest.mark.parametrize(
    ("name", "value", "pattern"),
    [
        ("reward", np.zeros((A, S)), r"^reward.*shape \(2, 3\); must be \(3, 2\)"),
        ("reward", np.full((S, A), np.nan), r"^reward.*nan; must be finite"),
        (
            "transition",
            np.full((S, A, S), 0.3),
            r"^transition.*\[0, 0\] sums to 0\.9; each row must sum to 1 within 1e-08",
        ),
        ("transition", np.tile([1.5, -0.5, 0.0], (S, A, 1)), r"^transition.*-0\.5; must be >= 0"),
        ("passive_reward", np.zeros(2), r"^passive_reward.*shape \(2,\); must be \(3,\)"),
        ("passive_transition", np.zeros((S, S)), r"^passive_transition.*\[0\] sums to 0"),
    ],
)
def test_bad_results_are_found_at_once_and_later(name, value, pattern):
    with pytest.raises(ValueError, match=pattern):
        tmf.Game(**arguments(**{name: lambda mu: value}))
    good = tmf.Game(**arguments(passive_reward=np.ones(S), passive_transition=np.eye(S)))
    late = tmf.Game(**arguments(**{name: lambda mu, t: value if t == 2 else getattr(good, name)}))
    late.tables([1, 0, 0], 1)
    with pytest.raises(ValueError, match=pattern):
        late.tables([1, 0, 0], 2)


TABLE = np.arange(12, dtype=np.float64).reshape(6, 2)


@pytest.mark.parametrize(
    "value",
    [
        TABLE[:3],
        TABLE[:3].tolist(),
        TABLE[:3].astype(np.float32),
        TABLE[:3].astype(int),
        TABLE[:3].astype(">f8"),
        TABLE[::2] - TABLE[::2] + TABLE[:3],
        np.asfortranarray(TABLE[:3]),
        np.array([TABLE[:3]] * 2)[1],
        TABLE[:3].view(type("Labelled", (np.ndarray,), {})),
    ],
    ids=["array", "list", "float32", "int", "swapped", "fresh", "columns", "view", "subclass"],
)
def test_a_callable_may_return_whatever_converts(value):
    """Not only the contiguous float64 array that is read as it lies."""
    game = tmf.Game(**arguments(reward=lambda mu: value))
    np.testing.assert_array_equal(game.tables([1, 0, 0], 0)[0], TABLE[:3])
    strided = tmf.Game(**arguments(reward=lambda mu: TABLE[::2]))
    np.testing.assert_array_equal(strided.tables([1, 0, 0], 0)[0], TABLE[::2])
    broadcast = tmf.Game(**arguments(reward=lambda mu: np.broadcast_to(TABLE[1], (S, A))))
    np.testing.assert_array_equal(broadcast.tables([1, 0, 0], 0)[0], np.tile(TABLE[1], (S, 1)))


@pytest.mark.parametrize("n_cells", [1, 2, 3, 4, 5, 8, 9, 17, 40])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_bad_cell_is_found_wherever_it_is(n_cells, compiled):
    """NaN, infinite, negative and wrong cells, at every place of a row of every length; tiny rounding is no error."""
    good = np.random.default_rng(1).dirichlet(np.ones(n_cells), size=(n_cells, 2))
    table = good.copy()

    def row(t, o, a, mu, probabilities, reward, user):
        for k in range(n_cells):
            probabilities[k] = table[o, a, k] if a >= 0 else float(k == o)
        reward[0] = 0.0
        return 0

    pointer = ctypes.POINTER(ctypes.c_double)
    signature = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int, pointer, pointer, pointer, ctypes.c_void_p
    )(row)
    if compiled:
        model = CompiledModel(n_cells, 2, ctypes.cast(signature, ctypes.c_void_p).value, owner=signature)
    else:
        still = np.zeros(n_cells), np.eye(n_cells)
        model = TableModel(n_cells, 2, np.zeros((n_cells, 2)), lambda mu, t: table, *still)
    mu = np.full(n_cells, 1 / n_cells)
    np.testing.assert_array_equal(model.tables(mu, 0)[1], good)
    table[-1, 1, -1] += 9e-9
    model.tables(mu, 0)
    for k in range(n_cells):
        for wrong in (np.nan, np.inf, -np.inf, -0.5, good[-1, 1, k] + 1.1e-8):
            table[...] = good
            table[-1, 1, k] = wrong
            with pytest.raises(ValueError, match=r"transition.*(finite|nan|inf|>= 0|sum to 1 within 1e-08)"):
                model.tables(mu, 0)


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
                "reward takes (a, b, c); must be a function of (mu) or (mu, t), or give noise=, a path (T, ...), for "
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
            "passive_successors is given without passive_transition; must come with it",
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


# ---------------------------------------------------------------------------------------------- compiled code

ROW = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    *[ctypes.POINTER(ctypes.c_double)] * 3,
    ctypes.c_void_p,
)


@ROW
def crowd(t, observation, action, mu, probabilities, reward, user):
    """Two observations: action a leads to observation a with probability 3/4; a crowd costs."""
    if t == 3:
        return 17
    for x in range(2):
        stays = action < 0
        probabilities[x] = float(x == observation) if stays else (0.75 if x == action else 0.25)
    reward[0] = -mu[observation] + 10 * (action + 1)
    return 0


def address(function):
    return ctypes.cast(function, ctypes.c_void_p).value


@pytest.mark.parametrize("function", [address(crowd), LowLevelCallable(crowd)], ids=["address", "LowLevelCallable"])
def test_a_compiled_row_function_is_a_game(function):
    game = tmf.Game.compiled(function, 2, 2, 5, 0.5, [0.5, 0.5], owner=crowd, name="crowd", step=0.5)
    reward, transition, passive_reward, passive_transition = game.tables([0.75, 0.25], 1)
    np.testing.assert_array_equal(reward, [[9.25, 19.25], [9.75, 19.75]])
    np.testing.assert_array_equal(transition, np.tile([[0.75, 0.25], [0.25, 0.75]], (2, 1, 1)))
    np.testing.assert_array_equal(passive_reward, [-0.75, -0.25])
    np.testing.assert_array_equal(passive_transition, np.eye(2))
    assert game.reward is None
    assert repr(game) == "Game('crowd', S=2, A=2, T=5, discount=0.5, step=0.5)"
    with pytest.raises(ValueError, match=r"returned 17 .*t=3"):
        game.tables([0.75, 0.25], 3)


@pytest.mark.parametrize("to", [[[0], [1]], [[0, 0], [1, 1]], [[1], [0]], [[0, 1], [1, 0]]])
def test_compiled_passive_rows_that_lead_nowhere_else_stay(to):
    """Such a game is an identity to the kernels, which then leave passive agents alone."""

    @ROW
    def row(t, observation, action, mu, probabilities, reward, user):
        cells = len(to[0]) if action < 0 else 2
        for k in range(cells):
            probabilities[k] = 1 / cells
        reward[0] = 1.0
        return 0

    game = tmf.Game.compiled(address(row), 2, 2, 6, 1.0, [0.5, 0.5], passive_successors=to, owner=row)
    assert game.model.passive_identity is all(set(cells) == {o} for o, cells in enumerate(to))
    rows = np.zeros((2, 2))
    np.add.at(rows, (np.arange(2)[:, None], to), 1 / len(to[0]))
    dense = tmf.Game(2, 2, 6, 1.0, [0.5, 0.5], np.ones((2, 2)), np.full((2, 2, 2), 0.5), passive_reward=1.0, passive_transition=rows)
    for schedule in (tmf.Sequential(), tmf.Fraction(0.5), tmf.Synchronous()):
        mu = [tmf.mean_field(g, tmf.TabularPolicy(np.full((2, 2), 0.5)), schedule, n_agents=10).mu for g in (game, dense)]
        np.testing.assert_allclose(*mu, rtol=1e-12)


def test_compiled_with_successors_stays_sparse():
    @ROW
    def row(t, observation, action, mu, probabilities, reward, user):
        probabilities[0] = 1.0
        reward[0] = 0.0
        return 0

    game = tmf.Game.compiled(
        address(row),
        2,
        2,
        5,
        0.5,
        [1, 0],
        successors=[[[0], [1]], [[0], [1]]],
        passive_successors=[[0], [1]],
        owner=row,
    )
    assert [table.shape for table in game.tables([1, 0])] == [(2, 2), (2, 2, 1), (2,), (2, 1)]


def test_compiled_code_is_probed_at_construction():
    @ROW
    def half(t, observation, action, mu, probabilities, reward, user):
        probabilities[0] = probabilities[1] = 0.25
        reward[0] = 0.0
        return 0

    with pytest.raises(
        ValueError, match=r"t=0, observation 0, action 0 sums to 0\.5; must sum to 1 within 1e-08"
    ):
        tmf.Game.compiled(address(half), 2, 2, 5, 0.5, [1, 0])
    with pytest.raises(TypeError, match="function"):
        tmf.Game.compiled("row", 2, 2, 5, 0.5, [1, 0])
    with pytest.raises(ValueError, match="null"):
        tmf.Game.compiled(0, 2, 2, 5, 0.5, [1, 0])
    with pytest.raises(ValueError, match=message("step is 2.0; must be in (0, 1]")):
        tmf.Game.compiled(address(crowd), 2, 2, 5, 0.5, [1, 0], step=2)


def test_from_model():
    model = TableModel(2, 1, np.zeros((2, 1)), np.full((2, 1, 2), 0.5), np.zeros(2), np.eye(2))
    game = tmf.Game.from_model(
        model, 7, 0.5, [1, 0], name="made", observation_labels=["a", "b"], action_labels=["c"]
    )
    assert game.model is model
    assert (game.horizon, game.name, game.observation_labels, game.action_labels) == (
        7,
        "made",
        ("a", "b"),
        ("c",),
    )
    with pytest.raises(TypeError, match="model is an ndarray; must be a Model"):
        tmf.Game.from_model(np.zeros(2), 7, 0.5, [1, 0])


def test_observation_shape():
    game = tmf.Game(6, 1, 2, 1.0, np.full(6, 1 / 6), np.zeros((6, 1)), np.eye(6)[:, None], observation_shape=[2, 3])
    assert game.observation_shape == pickle.loads(pickle.dumps(game)).observation_shape == (2, 3)
    assert tmf.games.queueing([0.1, 0.2]).observation_shape == (3,)
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
        game = first.given(path)
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
        (np.zeros((4, 2)), ValueError, "noise has shape (4, 2); must be (5, ...), one entry a step"),
        (np.zeros((5, 3)), ValueError, "noise has shape (5, 3); must be (5, 2)"),
        (np.full((5, 2), np.nan), ValueError, "noise[0, 0] is nan; must be finite (10 of 10 entries are bad)"),
        (0.5, ValueError, "noise has shape (); must be (5, ...), one entry a step"),
    ],
)
def test_paths_that_do_not_fit(path, kind, text):
    game = tmf.Game(2, 2, 5, 0.9, [1, 0], demand, drifting, noise=np.zeros((5, 2)))
    with pytest.raises(kind, match=message(text)):
        game.given(path)


def test_noise_that_is_not_there():
    with pytest.raises(TypeError, match="must be a function of"):
        tmf.Game(2, 2, 5, 0.9, [1, 0], demand, drifting)
    with pytest.raises(TypeError, match="has no noise"):
        tmf.games.queueing([0.1]).given([1.0])
