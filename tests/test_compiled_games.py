"""Games on compiled functions and models."""

import ctypes

import numpy as np
import pytest
from scipy import LowLevelCallable

import tmfcore as tmf
from game_cases import message
from tmfcore._model.table_model import TableModel

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
    game = tmf.Game.compiled(function, 2, 2, 5, 0.5, [0.5, 0.5], owner=crowd, name="crowd")
    reward, transition, passive_reward, passive_transition = game.tables([0.75, 0.25], 1)
    np.testing.assert_array_equal(reward, [[9.25, 19.25], [9.75, 19.75]])
    np.testing.assert_array_equal(transition, np.tile([[0.75, 0.25], [0.25, 0.75]], (2, 1, 1)))
    np.testing.assert_array_equal(passive_reward, [-0.75, -0.25])
    np.testing.assert_array_equal(passive_transition, np.eye(2))
    assert game.reward is None
    assert repr(game) == "Game('crowd', S=2, A=2, T=5, discount=0.5)"
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
        tmf.Game.compiled(address(crowd), 2, 2, 5, 0.5, [1, 0], time="sweeps", step=2)
    with pytest.raises(ValueError, match=message("step is 0.5 (float) with time='steps'; must be omitted, or pass time='sweeps'")):
        tmf.Game.compiled(address(crowd), 2, 2, 5, 0.5, [1, 0], step=0.5)


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
