"""Infection by contact: rows by hand, N agents against the enumerated chain, the limit against closed forms of SIS and SIR."""

import itertools

import numpy as np
import pytest
from scipy.optimize import brentq

import stat_tests
import tmfcore as tmf
from reference_laws import compositions
from tmfcore.games import infection_by_contact


def out(game):
    return tmf.TabularPolicy(np.tile([1.0, 0.0], (game.n_observations, 1)))


def test_rows_and_rewards_by_hand():
    i, q, w, d, h, x = 0.7, 0.4, 0.2, 0.3, 1.5, 0.25
    game = infection_by_contact(i, recovery=q, immunity_loss=w, distancing_cost=d, illness_cost=h, initial=[0.5, x, 0.25]).at(step=0.1)
    reward, rows, passive_reward, passive = game.tables(game.initial)
    np.testing.assert_allclose(rows[0], [[1 - i * x, i * x, 0], [1, 0, 0]], rtol=1e-14)
    np.testing.assert_allclose(rows[1], [[0, 1 - q, q]] * 2, rtol=1e-14)
    np.testing.assert_allclose(rows[2], [[w, 0, 1 - w]] * 2, rtol=1e-14)
    np.testing.assert_array_equal(passive, np.eye(3))
    np.testing.assert_allclose(passive_reward, [0, -0.1 * h, 0], rtol=1e-14)
    np.testing.assert_allclose(reward, [[0, -d], [-0.1 * h, -0.1 * h - d], [0, -d]], rtol=1e-14)
    plain = infection_by_contact(i, recovery=q).at(step=0.1)
    np.testing.assert_allclose(plain.tables([1 - x, x])[1], [[[1 - i * x, i * x], [1, 0]], [[q, 1 - q]] * 2], rtol=1e-14)
    assert plain.model.affine and plain.model.passive_identity and plain.model.constant_reward


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize("loss", [None, 0.0, 0.3])
@pytest.mark.broad
def test_simulated_counts_have_the_law_of_meetings(engine, loss):
    """After 15 steps of six agents, 20,000 times, against each meeting written out; a third of those at risk keep away."""
    n_agents, steps, i, q = 6, 15, 0.9, 0.35
    size = 2 if loss is None else 3
    start = (4, 2, 0)[:size]
    states = list(compositions(n_agents, size))
    matrix = np.zeros((len(states), len(states)))
    for state, (o, y) in itertools.product(states, itertools.product(range(size), repeat=2)):
        met = state[o] * state[y] / n_agents**2
        moves = {(0, 1): {1: i * 2 / 3}, (2, 0): {0: loss}, (2, 1): {0: loss}, (2, 2): {0: loss}}.get((o, y), {})
        moves = {0 if loss is None else 2: q} if o == 1 else moves
        for x, p in {**moves, o: 1 - sum(moves.values())}.items():
            after = np.array(state) - np.eye(size, dtype=int)[o] + np.eye(size, dtype=int)[x]
            if met:
                matrix[states.index(state), states.index(tuple(after.tolist()))] += met * p
    law = np.linalg.matrix_power(matrix, steps)[states.index(start)]
    game = infection_by_contact(i, recovery=q, immunity_loss=loss, horizon=steps / n_agents, initial=np.array(start) / n_agents)
    policy = tmf.TabularPolicy(np.tile([2 / 3, 1 / 3], (size, 1)))
    run = tmf.simulate(game, policy, tmf.Sequential(), n_agents, replicas=20_000, engine=engine, rng=1, record_every=steps)
    stat_tests.assert_law(run.counts[:, -1], dict(zip(states, law, strict=True)))


def test_sis_is_logistic():
    """x' = i x (1 - x) - q x from x0; two steps, extrapolated."""
    i, q, x0, horizon = 0.9, 0.3, 0.1, 6.0
    game = infection_by_contact(i, recovery=q, horizon=horizon, initial=[1 - x0, x0])
    rest, growth = 1 - q / i, i - q
    exact = rest / (1 + (rest / x0 - 1) * np.exp(-growth * horizon))
    coarse, fine = (tmf.mean_field(game, out(game), tmf.Fraction(1 / n)).mu[-1, 1] for n in (500, 1000))
    assert 2 * fine - coarse == pytest.approx(exact, abs=2e-6)


def test_the_final_size_of_sir():
    """Those never infected: s = s0 exp(-(i / q) (1 - s)), with nobody immune at first."""
    i, q, s0 = 0.8, 0.3, 0.99
    game = infection_by_contact(i, recovery=q, immunity_loss=0.0, horizon=200, initial=[s0, 1 - s0, 0.0])
    exact = brentq(lambda s: s - s0 * np.exp(-i / q * (1 - s)), 0, 0.5)
    coarse, fine = (tmf.mean_field(game, out(game), tmf.Fraction(1 / n)).mu[-1] for n in (100, 200))
    assert fine[1] < 1e-12
    assert 2 * fine[0] - coarse[0] == pytest.approx(exact, abs=2e-5)


def test_it_pays_to_keep_away_from_the_infected():
    """Nobody infected: all go out. All infected: the susceptible keep away, if illness costs more."""
    for initial, action in (([1.0, 0.0], 0), ([0.05, 0.95], 1)):
        game = infection_by_contact(initial=initial, recovery=0.05)
        best, _ = tmf.best_response(game, tmf.mean_field(game, out(game), tmf.Fraction(0.1)), tmf.Fraction(0.1))
        assert best.table[0, 0].argmax() == action


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"infection": 1.5}, ValueError, "infection is 1.5"),
        ({"recovery": -0.1}, ValueError, "recovery is -0.1"),
        ({"immunity_loss": 2}, ValueError, "immunity_loss is 2.0"),
        ({"immunity_loss": "no"}, TypeError, "immunity_loss is 'no'"),
        ({"initial": [0.5, 0.3, 0.2]}, ValueError, r"initial has shape \(3,\)"),
        ({"immunity_loss": 0.1, "initial": [0.5, 0.5]}, ValueError, r"initial has shape \(2,\)"),
    ],
)
def test_errors(arguments, error, text):
    with pytest.raises(error, match=text):
        infection_by_contact(**arguments)
