"""Linear features: rows by hand, what candidates of a class share, sweeps of several steps, and the kernel on every level."""

import gc
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tmfcore as tmf
from tmfcore.games import linear_features
from tmfcore.games._linear_features import MOST_FEATURES, LinearFeatures


def rows_of(own, crowd, target, mu):
    """|phi' G(mu) psi| / sum, one row after another."""
    n, n_actions, d = own.shape
    mean = sum(mu[y] * crowd[y] for y in range(n))
    found = np.empty((n, n_actions, n))
    for o in range(n):
        for a in range(n_actions):
            for x in range(n):
                found[o, a, x] = abs(sum(own[o, a, i] * mean[i, j] * target[j, x] for i in range(d) for j in range(d)))
            found[o, a] /= found[o, a].sum()
    return found


@given(st.integers(1, 11), st.integers(1, 3), st.integers(1, 5), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_rows_and_rewards(n, n_actions, d, n_sets, seed):
    rng = np.random.default_rng(seed)
    own, crowd, target = rng.normal(size=(n_sets, n, n_actions, d)), rng.normal(size=(n_sets, n, d, d)), rng.normal(size=(n_sets, d, n))
    mu = rng.dirichlet(np.full(n, 0.3))
    step = rng.choice([0.3, 0.5, 1.0])
    sets = [min(int(t * step + 1e-9), n_sets - 1) for t in range(4)]
    model = LinearFeatures(own, crowd, target, step, 4, 0.7, 1e-3)
    for t in range(4):
        reward, rows, passive_reward, passive = model.tables(mu, t)
        np.testing.assert_allclose(rows, rows_of(own[sets[t]], crowd[sets[t]], target[sets[t]], mu), rtol=1e-9, atol=1e-13)
        np.testing.assert_allclose(passive_reward, -0.7 * np.log(mu + 1e-3), rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(reward, np.repeat(passive_reward[:, None], n_actions, axis=1))
        np.testing.assert_array_equal(passive, np.ones((n, 1)))
        for o, a in ((0, 0), (n - 1, n_actions - 1)):
            row, paid = model.row(mu, t, o, a)
            np.testing.assert_array_equal(row, rows[o, a])
            assert paid == reward[o, a]


def test_where_nothing_is_left_rows_are_uniform():
    """phi = 0: the sum is 0."""
    model = LinearFeatures(np.zeros((1, 4, 2, 3)), np.ones((1, 4, 3, 3)), np.ones((1, 3, 4)), 1.0, 1, 1.0, 1e-6)
    np.testing.assert_array_equal(model.tables(np.full(4, 0.25))[1], np.full((4, 2, 4), 0.25))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((np.ones((1, 4, 2, 3)), np.ones((1, 4, 3, 2)), np.ones((1, 3, 4)), 1.0, 1, 1.0, 1e-6), "crowd has shape"),
        ((np.ones((1, 4, 2, 3)), np.ones((1, 4, 3, 3)), np.ones((1, 3, 5)), 1.0, 1, 1.0, 1e-6), "target has shape"),
        ((np.ones((1, 1, 1, 65)), np.ones((1, 1, 65, 65)), np.ones((1, 65, 1)), 1.0, 1, 1.0, 1e-6), "own has 65 features"),
        ((np.ones((1, 4, 2, 3)), np.ones((1, 4, 3, 3)), np.ones((1, 3, 4)), 0.0, 1, 1.0, 1e-6), "step is 0"),
        ((np.ones((1, 4, 2, 3)), np.ones((1, 4, 3, 3)), np.ones((1, 3, 4)), 1.0, 1, 1.0, 0.0), "epsilon is 0"),
    ],
)
def test_the_kernel_refuses(arguments, match):
    with pytest.raises(ValueError, match=match):
        LinearFeatures(*arguments)


def test_short_steps_take_no_memory():
    """Nothing is kept for each of 2^29 steps; under Poisson clocks, which have no sweeps, features cannot change."""
    game = linear_features(5, n_actions=2, horizon=4)
    fine = game.at(step=2.0**-27).model
    mu = np.full(5, 0.2)
    for h in range(4):
        for t in (h << 27, ((h + 1) << 27) - 1):
            np.testing.assert_array_equal(fine.tables(mu, t)[1], game.at(step=1).model.tables(mu, h)[1])
    with pytest.raises(ValueError, match="tables depend on t"):
        tmf.simulate(game, np.full((5, 2), 0.5), tmf.Poisson(), 20, rng=1)


def test_the_greatest_number_of_features():
    """The mean over the population stays on the stack."""
    game = linear_features(5, n_actions=2, n_features=MOST_FEATURES).at(step=1)
    np.testing.assert_allclose(game.tables(game.initial).transition.sum(axis=-1), 1.0)
    with pytest.raises(ValueError, match="n_features is 65"):
        linear_features(5, n_features=MOST_FEATURES + 1)


def test_candidates_of_a_class():
    """They share start, phi and G; psi is that of candidate 0 within the perturbation."""
    one, other, same = (linear_features(9, n_actions=3, candidate=k, rng=4).at(step=1) for k in (0, 3, 3))
    far = linear_features(9, n_actions=3, candidate=3, rng=4, perturbation=1.0).at(step=1)
    np.testing.assert_array_equal(one.initial, other.initial)
    rows = [game.tables(one.initial).transition for game in (one, other, same, far)]
    np.testing.assert_array_equal(rows[1], rows[2])
    near, away = (np.abs(row - rows[0]).sum(axis=-1).mean() for row in (rows[1], rows[3]))
    assert 0 < near < 0.2 < away
    still = linear_features(9, n_actions=3, candidate=3, rng=4, perturbation=0.0).at(step=1)
    np.testing.assert_array_equal(still.tables(one.initial).transition, rows[0])
    assert not np.array_equal(linear_features(9, n_actions=3, rng=5).initial, one.initial)


def test_the_start_is_drawn_as_in_the_paper():
    """Whole numbers below S, divided by their sum."""
    start = linear_features(30, n_actions=1, rng=2).initial
    numbers = start / start[start > 0].min()
    assert start.sum() == pytest.approx(1)
    unit = next(k for k in range(1, 30) if np.allclose(numbers * k, np.round(numbers * k), atol=1e-9))
    assert (np.round(numbers * unit) < 30).all()
    assert linear_features(1, n_actions=1).initial.tolist() == [1.0]


def test_every_sweep_has_features_of_its_own():
    """Steps within a sweep have the rows of the sweep; a last part of one counts as one."""
    whole, halves = linear_features(6, n_actions=2).at(step=1), linear_features(6, n_actions=2).at(step=0.5)
    assert (whole.n_steps, halves.n_steps) == (3, 6)
    for t in range(6):
        np.testing.assert_array_equal(halves.tables(whole.initial, t).transition, whole.tables(whole.initial, t // 2).transition)
        np.testing.assert_allclose(2 * halves.tables(whole.initial, t).reward, whole.tables(whole.initial, t // 2).reward)
    part = linear_features(6, n_actions=2, horizon=2.5).at(step=0.5)
    assert part.n_steps == 5


def test_features_are_shared_while_they_are_in_use():
    from tmfcore.games.linear_features import _Features

    one, other = linear_features(6, rng=91), linear_features(6, rng=91, candidate=7)
    key = (91, 3, 6, 50, 5)
    assert key in _Features.KNOWN
    del one
    gc.collect()
    assert key in _Features.KNOWN
    again = pickle.loads(pickle.dumps(other)).at(step=1)
    np.testing.assert_array_equal(again.tables(other.initial).transition, other.at(step=1).tables(other.initial).transition)
    del other, again
    gc.collect()
    assert key not in _Features.KNOWN


def test_it_is_played_and_solved():
    """Seen as a table, the game has the same flow and exploitability; and its welfare the same derivatives."""
    game = linear_features(8, n_actions=3, n_features=2, rng=3).at(step=1)
    table = tmf.Game(
        8, 3, 3, 1.0, game.initial, lambda mu, t: game.tables(mu, t).reward, lambda mu, t: game.tables(mu, t).transition,
        passive_reward=lambda mu, t: game.tables(mu, t).passive_reward,
    )
    policy = np.random.default_rng(1).dirichlet(np.ones(3), size=(3, 8))
    for schedule in (tmf.Synchronous(), tmf.Fraction(0.5)):
        np.testing.assert_allclose(*(tmf.mean_field(each, policy, schedule).mu for each in (game, table)), atol=1e-14)
        for altruism in (0.0, 1.0):
            gaps = [tmf.exploitability(each, policy, schedule, altruism=altruism) for each in (game, table)]
            assert gaps[0] == pytest.approx(gaps[1], rel=1e-4)
    assert tmf.solve(game, tmf.Synchronous()).converged
