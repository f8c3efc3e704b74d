"""Linear-quadratic team games: golden numbers, Riccati equations, natural gradients, errors that name what is wrong."""

import pickle
import re

import numpy as np
import pytest
from scipy.linalg import solve_discrete_are

import tmfcore as tmf
from lq_reference import random_game
from tmfcore.lq import MRNPG, LQGame
from tmfcore.lq._riccati import values_of
from tmfcore.lq._rollouts import Rollouts
from tmfcore.lq._system import DEVIATIONS
from tmfcore.lq._verdicts import system_of

ALL = tmf.Synchronous()
GOLDEN = LQGame(1.1, [0.8, 0.5], [1.0, 0.6], [1.0, 2.0], horizon=3)
SCHEDULES = [ALL, tmf.Fraction(0.5), tmf.Bernoulli([0.3, 0.9, 0.6])]


def test_golden_numbers():
    """Two teams with scalar states, by the scalar equations of the stage, iterated by hand: all eight digits."""
    found = tmf.lq.riccati(GOLDEN, ALL)
    wanted = [(0.71721059, 0.10045629), (0.67602985, 0.10916261), (0.51311953, 0.09620991)]
    np.testing.assert_allclose(np.concatenate([each[:, :, 0] for each in found.K], axis=1), wanted, rtol=0, atol=5e-9)
    np.testing.assert_allclose(found.P[:, 0, 0, 0], [1.94113437, 0.81145306], rtol=0, atol=5e-9)
    for one, other in ((found.K, found.L), (found.P, found.Pi)):
        np.testing.assert_allclose(one, other, rtol=1e-14)  # costs of the mean are those of deviations here


def test_independent_natural_gradient_contracts_to_machine_precision():
    """.49, .50 and .55 per update at t = 0, 1, 2, and all gains to 1e-15 of a unit after 60 updates."""
    learned, exact = MRNPG(learning_rate=0.15, iterations=60).solve(GOLDEN, ALL), tmf.lq.riccati(GOLDEN, ALL)
    factor = learned.gradient[:, 31:40] / learned.gradient[:, 30:39]
    np.testing.assert_allclose(factor.mean(axis=1), [0.49, 0.50, 0.55], rtol=0, atol=0.005)
    for one, other in zip(learned.K + learned.L, exact.K + exact.L, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-15)
    assert learned.costs == pytest.approx(exact.costs, rel=1e-14)


@pytest.mark.broad(1)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
@pytest.mark.parametrize("seed", [1, 2])
def test_natural_gradient_finds_what_riccati_finds(schedule, seed):
    game = random_game(np.random.default_rng(seed))
    exact = tmf.lq.riccati(game, schedule)
    learned = MRNPG(learning_rate=0.08, iterations=1500).solve(game, schedule)
    for one, other in zip(learned.K + learned.L, exact.K + exact.L, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_gradients_are_those_of_the_cost(schedule):
    """Central differences of `evaluate` in every entry of the gains of one step, divided by the moments and beta."""
    rng = np.random.default_rng(3)
    game = random_game(rng)
    gains = tmf.lq.riccati(game, schedule)
    K, L = ([each + 0.2 * rng.standard_normal(each.shape) for each in part] for part in (gains.K, gains.L))
    t, system = 1, system_of(game, (K, L), schedule, None, "measured")[0]
    moments = tmf.lq.evaluate(game, (K, L), schedule)
    mean = moments.mean_covariance[t] + np.outer(moments.mean[t], moments.mean[t])
    for part, number, moment in ((K, DEVIATIONS, moments.deviation[t]), (L, 0, mean)):
        for i in range(2):
            values, _ = values_of(system, K, L, i)
            slopes = system.slopes(t, i, values[t + 1], [each[t] for each in part], number)
            plain = game.discount**t * schedule.active_fraction(3)[t] * slopes @ moment
            for entry in np.ndindex(plain.shape):
                costs, here = [], part[i][t][entry]
                for h in (1e-4, -1e-4):
                    part[i][t][entry] = here + h
                    costs.append(tmf.lq.evaluate(game, (K, L), schedule).costs[i])
                part[i][t][entry] = here
                assert (costs[0] - costs[1]) / 2e-4 == pytest.approx(plain[entry], rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("schedule", [ALL, tmf.Bernoulli(0.4)], ids=str)
def test_sampled_gradients_are_unbiased(schedule):
    """Every entry within 5.5 standard errors of the exact natural gradient, over 40 estimates (rate of false alarms 1e-6)."""
    rng = np.random.default_rng(4)
    game = random_game(rng, horizon=2)
    K, L = ([0.1 * rng.standard_normal((2, p, 2)) for p in game.n_controls] for _ in range(2))
    system = system_of(game, (K, L), schedule, None, "measured")[0]
    for of_mean, gains in ((False, K), (True, L)):
        for i in range(2):
            values, _ = values_of(system, K, L, i)
            exact = system.slopes(0, i, values[1], [each[0] for each in gains], 0 if of_mean else DEVIATIONS)
            rollouts = Rollouts(system, 0, K, L, 500, np.random.default_rng(5))
            found = np.array([rollouts.slopes(i, of_mean, 0.3) for _ in range(40)])
            error = found.std(axis=0, ddof=1) / np.sqrt(40)
            assert (np.abs(found.mean(axis=0) - exact) < 5.5 * error).all()


def test_sampled_mrnpg_comes_near_and_depends_on_the_seed_alone():
    solver = MRNPG(learning_rate=0.05, iterations=80, gradient="sampled", samples=2000, radius=0.5)
    found = solver.solve(GOLDEN, ALL, rng=1)
    exact = tmf.lq.riccati(GOLDEN, ALL)
    for one, other in zip(found.K + found.L, exact.K + exact.L, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=0.02)
    short = MRNPG(learning_rate=0.05, iterations=4, gradient="sampled", samples=2000, radius=0.5)
    assert short.solve(GOLDEN, ALL, rng=1).equals(short.solve(GOLDEN, ALL, rng=1))
    assert not short.solve(GOLDEN, ALL, rng=1).equals(short.solve(GOLDEN, ALL, rng=2))
    assert tmf.lq.exploitability(GOLDEN, found, ALL).max() < 1e-3


def test_ctrl_c_hands_over_the_gains_so_far(monkeypatch):
    whole, slopes = MRNPG(iterations=5).solve(GOLDEN, ALL), tmf.lq._system.System.slopes

    def stopped(system, t, *rest):
        if t == 0:
            raise KeyboardInterrupt
        return slopes(system, t, *rest)

    monkeypatch.setattr(tmf.lq._system.System, "slopes", stopped)
    with pytest.raises(KeyboardInterrupt) as caught:
        MRNPG(iterations=5).solve(GOLDEN, ALL)
    found = caught.value.partial
    np.testing.assert_array_equal(found.K[0][1:], whole.K[0][1:])
    assert not found.K[0][0].any() and np.isfinite(found.costs).all()


def test_one_team_over_a_long_horizon_is_the_algebraic_riccati_equation():
    """scipy.linalg.solve_discrete_are for deviations, and for the mean with A + A_bar, B + B_bar."""
    rng = np.random.default_rng(5)
    A, B, A_bar, B_bar = rng.standard_normal((3, 3)), rng.standard_normal((3, 2)), *(0.3 * rng.standard_normal(s) for s in ((3, 3), (3, 2)))
    Q, R, Q_bar, R_bar = np.eye(3), np.diag([1.0, 2.0]), 2 * np.eye(3), np.diag([0.5, 1.0])
    game = LQGame(A, [B], [Q], [R], horizon=120, A_bar=A_bar, B_bar=[B_bar], Q_bar=[Q_bar], R_bar=[R_bar])
    found = tmf.lq.riccati(game, ALL)
    for P, K, a, b, q, r in (
        (found.P, found.K, A, B, Q, R), (found.Pi, found.L, A + A_bar, B + B_bar, Q_bar, R_bar)
    ):  # fmt: skip
        exact = solve_discrete_are(a, b, q, r)
        np.testing.assert_allclose(P[0, 0], exact, rtol=1e-9)
        np.testing.assert_allclose(K[0][0], np.linalg.solve(r + b.T @ exact @ b, b.T @ exact @ a), rtol=1e-8, atol=1e-10)


def test_discount_is_a_factor_of_the_matrices():
    """With discount g the equilibrium is that of sqrt(g) A, sqrt(g) B and costs of the same steps."""
    A, B = np.array([[1.0, 0.3], [0.0, 0.9]]), np.array([[0.0], [1.0]])
    one = LQGame(A, [B], [1.0], [1.0], horizon=5, discount=0.81)
    two = LQGame(0.9 * A, [0.9 * B], [1.0], [1.0], horizon=5)
    np.testing.assert_allclose(tmf.lq.riccati(one, ALL).K, tmf.lq.riccati(two, ALL).K, rtol=1e-13)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
@pytest.mark.parametrize("groups", [None, (1, 2)])
def test_nobody_gains_at_an_equilibrium(schedule, groups):
    game = random_game(np.random.default_rng(6), m=3, controls=(2, 1, 2), groups=groups)
    exact = tmf.lq.riccati(game, schedule)
    scale = np.abs(exact.costs).max()
    assert np.abs(tmf.lq.exploitability(game, exact, schedule)).max() < 1e-11 * scale
    assert np.abs(tmf.lq.exploitability(game, exact, schedule, mean="predicted")).max() < 1e-11 * scale
    worse = ([each * 1.3 for each in exact.K], [each * 0.7 for each in exact.L])
    assert tmf.lq.exploitability(game, worse, schedule).min() > 1e-4 * scale


def test_matrices_that_vary_with_time():
    """The later part of a game is a game of its own."""
    rng = np.random.default_rng(7)
    A, B = 0.5 * rng.standard_normal((4, 2, 2)), rng.standard_normal((4, 2, 1))
    Q = np.array([k * np.eye(2) for k in (1, 2, 3, 4)])
    game = LQGame(A, [B, B[::-1]], [Q, Q[::-1]], [1.0, np.arange(1.0, 5.0)[:, None, None]], horizon=4)
    late = LQGame(A[2:], [B[2:], B[::-1][2:]], [Q[2:], Q[::-1][2:]], [1.0, np.array([[[3.0]], [[4.0]]])], horizon=2)
    whole, part = tmf.lq.riccati(game, ALL), tmf.lq.riccati(late, ALL)
    for one, other in zip(whole.K, part.K, strict=True):
        np.testing.assert_array_equal(one[2:], other)


def test_rewards_in_another_unit_are_the_same_game():
    exact = tmf.lq.riccati(GOLDEN, ALL)
    other = tmf.lq.riccati(LQGame(1.1, [0.8, 0.5], [1024.0, 0.6 * 1024], [1024.0, 2048.0], horizon=3), ALL)
    for one, two in zip(exact.K, other.K, strict=True):
        np.testing.assert_array_equal(one, two)


# ------------------------------------------------------------------------------------------------------------ errors


def test_a_stage_without_a_unique_equilibrium_is_named():
    """R_1 + B_1 P_1 B_1 = 2, and so on: [[2, 2], [2, 2]] is singular, though each team has a best answer."""
    game = LQGame(1.0, [1.0, 1.0], [1.0, 1.0], [0.0, 0.0], horizon=2)
    with pytest.raises(ValueError, match=r"^the block matrix of the deviations at t=1 is not invertible: .* change R, or B$"):
        tmf.lq.riccati(game, ALL)


def test_a_cost_without_a_minimum_is_named():
    game = LQGame(1.0, [1.0, 1.0], [1.0, -2.0], [1.0, 1.0], horizon=2)
    with pytest.raises(ValueError, match=r"^the cost of team 1 has no minimum in its gain of the deviations at t=1: "):
        tmf.lq.riccati(game, ALL)
    tmf.lq.riccati(game.replace(R=[1.0, 40.0], R_bar=[1.0, 40.0]), ALL)


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"A": np.ones((2, 3))}, ValueError, "A has shape (2, 3); must be (m, m) = (3, 3)"),
        ({"A": "1"}, TypeError, "A is '1' (str); must be a real number"),
        ({"B": 0.5}, TypeError, "B is 0.5 (float); must be a sequence with one matrix (or number) per team"),
        ({"B": []}, ValueError, "B has 0 entries; must have at least one entry"),
        ({"Q": [1.0]}, ValueError, "Q has 1 entries; must have one entry per team, as B has: 2"),
        ({"Q": [1.0, np.ones((2, 2))]}, ValueError, "Q[1] has shape (2, 2); must be (m, m) = (1, 1)"),
        ({"R": [1.0, np.nan]}, ValueError, "R[1] is nan; must be finite"),
        ({"horizon": 0}, ValueError, "horizon is 0; must be >= 1"),
        ({"discount": 0}, ValueError, "discount is 0.0; must be in (0, 1]"),
        ({"noise": -1.0}, ValueError, "noise has the eigenvalue -1; must be positive semidefinite"),
        ({"groups": (1, 1)}, ValueError, "groups sum to 2; must sum to m = 1"),
        ({"initial_mean": [0.0, 0.0]}, ValueError, "initial_mean has shape (2,); must be (m,) = (1,)"),
    ],
)
def test_errors_of_games(changes, error, text):
    with pytest.raises(error, match=f"^{re.escape(text)}"):
        LQGame(**({"A": 1.1, "B": [0.8, 0.5], "Q": [1.0, 0.6], "R": [1.0, 2.0], "horizon": 3} | changes))


def test_matrices_must_be_symmetric_and_groups_apart():
    with pytest.raises(ValueError, match=r"^Q\[0\]\[0, 1\] is 1; must equal Q\[0\]\[1, 0\], 0$"):
        LQGame(np.eye(2), [np.eye(2)], [[[1, 1], [0, 1]]], [1.0], horizon=1)
    with pytest.raises(ValueError, match=r"^A\[0, 1\] is 0.5; must be 0: it couples groups 0 and 1, whose agents meet in"):
        LQGame([[1, 0.5], [0, 1]], [np.eye(2)], [1.0], [1.0], horizon=1, groups=(1, 1))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: tmf.lq.riccati(GOLDEN, tmf.Batch(3)), ValueError, "schedule is Batch(3) and n_agents is None"),
        (lambda: tmf.lq.riccati(GOLDEN, tmf.Poisson(1.0)), ValueError, "schedule is Poisson(1.0); must be one of steps"),
        (lambda: tmf.lq.riccati(GOLDEN, tmf.Bernoulli([[0.5, 1.0]])), ValueError, "schedule is Bernoulli("),
        (lambda: tmf.lq.riccati(GOLDEN, 1), TypeError, "schedule is 1 (int); must be a schedule"),
        (lambda: tmf.lq.evaluate(GOLDEN, 1.0, ALL), TypeError, "gains is 1.0 (float); must be an LQSolution, or a pair (K, L)"),
        (lambda: tmf.lq.evaluate(GOLDEN, ([0.1], [0.1]), ALL), ValueError, "gains: K has 1 entries"),
        (lambda: tmf.lq.evaluate(GOLDEN, ([[[1e200]]] * 2, [[[0.0]]] * 2), ALL), ValueError, "the cost of team 0 is"),
        (lambda: tmf.lq.simulate(GOLDEN, tmf.lq.riccati(GOLDEN, ALL), ALL, [2, 3]), ValueError, "n_agents has shape (2,); must be (H,) = (1,)"),
        (lambda: MRNPG(samples=5), ValueError, "samples is 5; must be omitted if gradient is 'exact'"),
        (lambda: MRNPG(learning_rate=5.0, iterations=500).solve(GOLDEN, ALL), ValueError, "learning_rate is 5; must be smaller"),
    ],
)
def test_errors_of_verbs(call, error, text):
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(error, match=f"^{re.escape(text)}"):
        call()


def test_games_pickle_save_and_change(tmp_path):
    game = random_game(np.random.default_rng(8), m=2, groups=(1, 1), controls=(1, 1))
    assert pickle.loads(pickle.dumps(game)).equals(game)
    game.save(tmp_path / "game.npz")
    assert tmf.load(tmp_path / "game.npz").equals(game)
    longer = game.replace(horizon=9)
    assert longer.horizon == 9 and longer.A.shape == (9, 2, 2)
    np.testing.assert_array_equal(longer.Q_end, game.Q_end)
    with pytest.raises(TypeError, match=r"^replace\(\) has no argument 'C'; must be one of A, B"):
        game.replace(C=1)
    with pytest.raises(ValueError, match="read-only"):
        game.A[0, 0, 0] = 1.0


def test_pictures_and_tables():
    pytest.importorskip("matplotlib")
    found = MRNPG(iterations=5).solve(GOLDEN, ALL)
    run = tmf.lq.simulate(GOLDEN, found, ALL, 5, replicas=2, rng=1, trajectories=True)
    for result, kinds in ((found, ("gains", "gradient")), (tmf.lq.evaluate(GOLDEN, found, ALL), ("mean", "deviation")),
                          (run, ("mean", "deviation", "agents"))):  # fmt: skip
        for kind in kinds:
            assert result.plot(kind).lines
    with pytest.raises(ValueError, match="must be 'gains'"):
        tmf.lq.riccati(GOLDEN, ALL).plot("gradient")
