"""The games: table by table what Theory, section 8 or their page says, in sweeps; and water-filling."""

import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
import tmfcore as tmf
from tmfcore.games import beach_bar, queueing, resource_selection, wardrop

CLOSE = {"rtol": 1e-14, "atol": 1e-15}
steps = st.sampled_from([1.0, 0.5, 0.1, 0.001])
positive = st.floats(0.01, 10.0)


def vectors(elements, min_size=1):
    return st.lists(elements, min_size=min_size, max_size=6)


def assert_same_game(game, expected, seed, rng_size=3, close=CLOSE):
    assert (game.n_observations, game.n_actions) == (expected.n_observations, expected.n_actions)
    assert game.horizon == expected.horizon
    assert game.discount == expected.discount
    np.testing.assert_array_equal(game.initial, expected.initial)
    rng = np.random.default_rng(seed)
    populations = [expected.initial, *rng.dirichlet(np.full(game.n_observations, 0.5), size=rng_size)]
    for mu in populations:
        for table, wanted in zip(game.tables(mu), expected.tables(mu, 0), strict=True):
            np.testing.assert_allclose(table, wanted, **close)


@given(
    vectors(st.floats(-5, 5)),
    st.floats(0, 2),
    st.sampled_from([1.0, 2.0, 0.5, 3.7]),
    steps,
    st.integers(0, 2**32 - 1),
)
def test_resource_selection_is_that_of_the_theory(values, cost, power, step, seed):
    congestion = np.random.default_rng(seed).uniform(0, 3, size=len(values))
    options = {"switching_cost": cost, "power": power, "step": step, "horizon": 7, "discount": 0.8}
    game = resource_selection(values, congestion=congestion, **{"step": 1} | options).at()
    assert_same_game(game, reference.resource_selection(values, congestion, **options), seed)
    assert game.model.n_successors == 1


@given(
    vectors(positive), st.floats(-2, 2), st.floats(0, 1), st.floats(0, 1), steps, st.integers(0, 2**32 - 1)
)
def test_queueing_is_that_of_the_theory(capacities, paid, waiting, jockeying, step, seed):
    options = {
        "service_reward": paid,
        "waiting_cost": waiting,
        "jockeying_cost": jockeying,
        "step": step,
        "horizon": 7,
    }
    game = queueing(capacities, **{"step": 1} | options).at()
    assert_same_game(game, reference.queueing(capacities, **options), seed)
    assert game.model.n_successors == 2


@given(
    st.integers(2, 9),
    st.data(),
    st.booleans(),
    st.floats(0, 2),
    st.sampled_from([1e-6, 1e-20, 0.5]),
    steps,
    st.integers(0, 2**32 - 1),
)
def test_beach_bar_is_that_of_its_page(size, data, wrap, crowding, epsilon, step, seed):
    rng = np.random.default_rng(seed)
    options = {
        "noise": rng.dirichlet(np.ones(3)),
        "congestion": crowding,
        "epsilon": epsilon,
        "wrap": wrap,
        "step": step,
        "horizon": 7,
        "discount": 0.8,
        **data.draw(st.fixed_dictionaries({"bar": st.none() | st.integers(0, size - 1)}) | st.just({"worth": rng.normal(size=size)})),
        "moving_cost": data.draw(st.none() | st.floats(0, 1)),
    }
    game = beach_bar(size, **{"step": 1} | options).at()
    assert_same_game(game, reference.beach_bar(size, **options), seed, close={"rtol": 1e-14, "atol": 1e-13})
    assert game.model.n_successors == 3
    mu = rng.dirichlet(np.full(size, 0.1))
    tables = game.model.tables(mu)
    for o in range(size):
        row, reward = game.model.row(mu, 0, o, -1)
        assert (row.tolist(), reward) == ([1.0], tables[2][o])
        for a in range(3):
            row, reward = game.model.row(mu, 0, o, a)
            assert reward == tables[0][o, a]
            np.testing.assert_array_equal(row, tables[1][o, a])


def test_beach_bar_of_the_peers():
    """Where OpenSpiel's and MFGLib's rewards are said to be the same: their formulas, written out."""
    n, bar = 7, 2
    x = np.arange(n)
    mu = np.random.default_rng(3).dirichlet(np.ones(n))
    spiel = beach_bar(n, noise=[1 / 3] * 3, epsilon=1e-25, step=1).at().tables(mu)[0][:, 1]
    np.testing.assert_allclose(spiel, 1 - np.abs(x - n // 2) / (n // 2) - np.log(mu + 1e-25), rtol=1e-14, atol=1e-14)
    ring = np.minimum((x - bar) % n, (bar - x) % n)
    mfglib = beach_bar(n, worth=-ring, wrap=False, epsilon=1e-20, step=1).at()
    np.testing.assert_array_equal(mfglib.initial, np.full(n, 1 / n))
    reward, moves, *_ = mfglib.tables(mu)
    theirs = -ring[:, None] - np.array([1, 0, 1]) / n - np.log(mu + 1e-20)[:, None]
    np.testing.assert_allclose(reward, theirs, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(moves[0, 0], [1, 0, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(moves[6, 1], [0, 0, 0, 0, 0, 0.25, 0.75])


def test_beach_bar_whose_worth_and_cost_change():
    """A row of attraction and a cost a step: step t is that of the game with these alone."""
    rng = np.random.default_rng(0)
    worth, cost, mu = rng.normal(size=(6, 4)), rng.random(6), rng.dirichlet(np.ones(4))
    game = beach_bar(4, worth=worth, moving_cost=cost, horizon=3, step=0.5).at()
    for t in range(6):
        fixed = beach_bar(4, worth=worth[t], moving_cost=cost[t], horizon=3, step=0.5).at()
        for found, wanted in zip(game.tables(mu, t), fixed.tables(mu), strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_the_uniform_policy_on_the_beach():
    """Its exploitability as three other implementations have it, and by the reference."""
    for n, horizon, known in ((10, 10, 3.1956), (100, 20, 3.2113)):
        game = beach_bar(n, horizon=horizon, step=1).at()
        gap = tmf.exploitability(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous())
        assert gap == pytest.approx(known, abs=5e-5)


def test_logarithms_to_the_last_bits():
    """The rewards of empty, crowded and nearly full places are within a few units in the last place of math.log."""
    rng = np.random.default_rng(0)
    mu = np.concatenate([10.0 ** -rng.uniform(0, 300, 300), 1 - 10.0 ** -rng.uniform(1, 16, 300), [0.0, 1.0]])
    game = beach_bar(len(mu), worth=np.zeros(len(mu)), epsilon=1e-300, step=1).at()
    np.testing.assert_allclose(game.model.tables(mu)[2], -np.log(mu + 1e-300), rtol=4e-16, atol=0)


def test_defaults_are_those_of_the_design():
    game = resource_selection(step=1).at()
    assert_same_game(game, reference.resource_selection([1, 0.8, 0.6, 0.4], np.ones(4)), 0)
    assert (game.horizon, game.discount, game.step) == (20, 0.95, 1.0)
    assert game.initial.tolist() == [1, 0, 0, 0]
    game = queueing(step=1).at()
    assert_same_game(game, reference.queueing([0.1, 0.2, 0.3]), 0)
    assert game.initial.tolist() == [1, 0, 0, 0]


def test_names_and_labels():
    game = resource_selection([1, 2], congestion=1, step=1).at()
    assert game.name == "resource_selection"
    assert game.observation_labels == game.action_labels == ("resource 1", "resource 2")
    assert beach_bar(2, step=1).at().action_labels == ("left", "stay", "right")
    game = queueing([1, 2], step=1).at()
    assert game.name == "queueing"
    assert game.observation_labels == ("idle", "server 1", "server 2")
    assert game.action_labels == ("stay", "server 1", "server 2")


@pytest.mark.parametrize(
    "make",
    [lambda **o: resource_selection([1, 2], congestion=1, **{"step": 1} | o).at(), lambda **o: queueing([1, 2], **{"step": 1} | o).at(), lambda **o: beach_bar(4, **{"step": 1} | o).at()],
)
def test_time_is_measured_in_sweeps(make):
    game = make(horizon=20, discount=0.9, step=0.001)
    assert game.horizon == 20_000
    assert game.discount == 0.9**0.001
    assert game.step == 0.001
    assert make(horizon=0.5, step=0.1).horizon == 5
    assert make(discount=0, step=0.1).discount == 0
    assert make(discount=1, step=0.1).discount == 1


def test_a_start_of_ones_own():
    start = np.array([0.25, 0.75])
    game = resource_selection([1, 2], congestion=1, initial=start, step=1).at()
    start[0] = 0
    assert game.initial.tolist() == [0.25, 0.75]
    assert pickle.loads(pickle.dumps(game)).initial.tolist() == [0.25, 0.75]


@pytest.mark.parametrize(
    "game",
    [
        resource_selection([1, 2, 3], congestion=[1, 2, 1], switching_cost=0.5, power=2.0, horizon=8, discount=0.5, initial=[0, 1, 0], step=0.25).at(),
        queueing([1, 2], service_reward=2.0, waiting_cost=0.3, jockeying_cost=0.2, horizon=8, discount=0.5, initial=[0, 1, 0], step=0.25).at(),
        beach_bar(3, bar=0, noise=[0.1, 0.2, 0.7], congestion=2.0, epsilon=0.1, moving_cost=0.3, wrap=False, step=0.25).at(),
    ],
)
def test_pickle(game):
    again = pickle.loads(pickle.dumps(game))
    assert repr(again) == repr(game)
    for ours, theirs in zip(game.tables([0.5, 0.25, 0.25]), again.tables([0.5, 0.25, 0.25]), strict=True):
        np.testing.assert_array_equal(ours, theirs)


COMMON = [
    ({"step": 0}, ValueError, "step is 0.0; must be in (0, 1]"),
    ({"step": 1.5}, ValueError, "step is 1.5; must be in (0, 1]"),
    ({"horizon": 0}, ValueError, "horizon is 0.0; must be > 0"),
    ({"horizon": 0.3, "step": 1}, ValueError, "horizon is 0.3 sweeps of 1 steps; must last at least one step"),
    (
        {"horizon": 1e300, "step": 1e-10},
        ValueError,
        "horizon is 1e+300 sweeps of 1e+10 steps, 4.61169e+18 in all; must be at most 2147483647",
    ),
    ({"horizon": "long"}, TypeError, "horizon is 'long' (str); must be a real number"),
    ({"discount": -0.1}, ValueError, "discount is -0.1; must be in [0, 1]"),
    ({"initial": [1.0]}, ValueError, "initial has shape (1,); must be (S,) = (3,)"),
]


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        *COMMON,
        ({"worth": [1, np.nan, 2]}, ValueError, "worth[1] is nan; must be finite (1 of 3 entries are bad)"),
        ({"worth": []}, ValueError, "worth has shape (0,); must be (M,)"),
        ({"worth": 3}, ValueError, "worth has shape (); must be (M,)"),
        ({"congestion": [1, 1]}, ValueError, "congestion has shape (2,); must be (M,) = (3,)"),
        (
            {"congestion": [1, -1, 1]},
            ValueError,
            "congestion[1] is -1; must be >= 0 (1 of 3 entries are bad)",
        ),
        ({"congestion": -1}, ValueError, "congestion is -1.0; must be >= 0"),
        ({"congestion": None}, TypeError, "congestion is None; must be a real number"),
        ({"switching_cost": -1}, ValueError, "switching_cost is -1.0; must be >= 0"),
        ({"power": 0}, ValueError, "power is 0.0; must be > 0"),
    ],
)
def test_resource_selection_errors(changes, error, text):
    with pytest.raises(error, match=f"^{re.escape(text)}$"):
        resource_selection(**{"step": 1} | ({"worth": [1, 2, 3], "congestion": 1} | changes)).at()


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        *COMMON,
        ({"capacities": [1, 0]}, ValueError, "capacities[1] is 0; must be > 0 (1 of 2 entries are bad)"),
        ({"capacities": [[1]]}, ValueError, "capacities has shape (1, 1); must be (K,)"),
        ({"service_reward": np.nan}, ValueError, "service_reward is nan; must be finite"),
        ({"waiting_cost": -1}, ValueError, "waiting_cost is -1.0; must be >= 0"),
        ({"jockeying_cost": -1}, ValueError, "jockeying_cost is -1.0; must be >= 0"),
    ],
)
def test_queueing_errors(changes, error, text):
    with pytest.raises(error, match=f"^{re.escape(text)}$"):
        queueing(**{"step": 1} | ({"capacities": [1, 2]} | changes)).at()


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        *COMMON,
        ({"n_places": 1}, ValueError, "n_places is 1; must be >= 2"),
        ({"bar": 3}, ValueError, "bar is 3; must be in [0, 2]"),
        ({"worth": [1, 2]}, ValueError, "worth has shape (2,); must be (S,) = (3,) or (L, S) = (any, 3)"),
        ({"noise": [0.5, 0.5]}, ValueError, "noise has shape (2,); must be (3,)"),
        ({"epsilon": 0}, ValueError, "epsilon is 0.0; must be >= 1e-300"),
        ({"congestion": -1}, ValueError, "congestion is -1.0; must be >= 0"),
        ({"moving_cost": -1}, ValueError, "moving_cost is -1.0; must be >= 0"),
        ({"wrap": 1}, TypeError, "wrap is 1 (int); must be True or False"),
    ],
)
def test_beach_bar_errors(changes, error, text):
    with pytest.raises(error, match=f"^{re.escape(text)}$"):
        beach_bar(**{"step": 1} | ({"n_places": 3} | changes)).at()


# ---------------------------------------------------------------------------------------------- water-filling


@given(
    st.lists(st.tuples(st.floats(-100, 100), st.floats(1e-3, 1e3)), min_size=1, max_size=20),
    st.sampled_from([1.0, 2.0, 0.5, 0.1, 7.0]),
)
def test_wardrop_satisfies_its_conditions(resources, power):
    """v - c mu^p is equal on the support and no larger off it, to rounding."""
    values, congestion = map(np.array, zip(*resources, strict=True))
    mu = wardrop(values, congestion=congestion, power=power)
    assert (mu >= 0).all()
    assert abs(mu.sum() - 1) < 1e-14
    pay = values - congestion * mu**power
    level = pay[mu > 0].max()
    scale = 1e-12 * (1 + np.abs(values).max() + congestion.max()) * max(1.0, power)
    assert (pay[mu > 0] > level - scale).all()
    assert (pay <= level + scale).all()


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0.1, 3)), min_size=1, max_size=8))
def test_wardrop_in_closed_form_and_by_bisection_agree(resources):
    values, congestion = map(np.array, zip(*resources, strict=True))
    expected, _ = reference.water_filling(values, congestion)
    np.testing.assert_allclose(wardrop(values, congestion=congestion), expected, atol=1e-13)
    nearly = wardrop(values, congestion=congestion, power=1 + 1e-15)  # not the closed form
    np.testing.assert_allclose(nearly, wardrop(values, congestion=congestion), atol=1e-12)


@pytest.mark.parametrize("power", [0.01, 0.1, 1.0, 3.0])
def test_wardrop_sums_to_one_to_the_last_bit(power):
    """Where shares are steep in the level, the last bit of the level moves their sum by more."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        mu = wardrop(rng.uniform(0, 1, 30), congestion=rng.uniform(0.1, 2, 30), power=power)
        assert abs(mu.sum() - 1) <= 1e-15


def test_wardrop_by_hand():
    np.testing.assert_allclose(wardrop([1, 0.8, 0.6, 0.4], congestion=1), [8 / 15, 1 / 3, 2 / 15, 0], atol=1e-15)
    np.testing.assert_allclose(wardrop([1, 0.8, 0.6], congestion=1, power=2), [0.6, 0.4, 0], atol=1e-15)
    np.testing.assert_allclose(wardrop([5.0], congestion=2.0), [1.0])
    np.testing.assert_allclose(wardrop([1, 1, 1], congestion=[1, 2, 4]), [4 / 7, 2 / 7, 1 / 7])
    assert wardrop([1e9, 0], congestion=1).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (([1, 2], 0), "congestion is 0.0; must be >= 1e-100"),
        (([1, 2], [1, 0]), "congestion[1] is 0; must be >= 1e-100 (1 of 2 entries are bad)"),
        (([1, 2], 1, 0), "power is 0.0; must be > 0"),
        (([1, np.inf], 1), "worth[1] is inf; must be finite (1 of 2 entries are bad)"),
    ],
)
def test_wardrop_errors(arguments, text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        wardrop(arguments[0], **dict(zip(("congestion", "power"), arguments[1:])))


def test_the_field_settles_at_the_water_level():
    """At the equilibrium nobody gains by holding another resource; the mid-flow figure of section 8."""
    mu = wardrop([1, 0.8, 0.6, 0.4], congestion=1)
    held = tmf.games.resource_selection([1, 0.8, 0.6, 0.4], congestion=1, step=1).at().tables(mu)[2]
    np.testing.assert_allclose(held, [7 / 15, 7 / 15, 7 / 15, 0.4], atol=1e-15)


@pytest.mark.parametrize(("horizon", "step", "n_steps"), [(1, 1, 1), (0.25, 0.25, 1), (2, 0.5, 4), (3, 1, 3)])
def test_a_horizon_of_sweeps_is_so_many_steps(horizon, step, n_steps):
    assert queueing([0.5, 0.3], horizon=horizon, step=step).at().horizon == n_steps
