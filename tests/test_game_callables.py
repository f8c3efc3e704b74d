"""Games of Python callables: what they are given, what they may return, and what is said of what they may not."""

import ctypes
import re

import numpy as np
import pytest

import tmfcore as tmf
from game_cases import A, S, arguments
from tmfcore._base.functions import n_arguments
from tmfcore._model.compiled_model import CompiledModel
from tmfcore._model.table_model import TableModel

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
        (min, r"f has no readable signature; must be"),
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
