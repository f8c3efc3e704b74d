"""Majority: rows against all 2^b messages, the phase transition in its closed form, fluctuations near it, N agents by enumeration."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

import stat_tests
import tmfcore as tmf
from tmfcore.games import majority

POLL = tmf.TabularPolicy([[0.0, 1.0], [0.0, 1.0]])
SLOPES = {3: 1.5, 5: 1.875, 9: 2.4609375}  # f_b'(0)


def slow_right(b, fidelity, correlation, share):
    """The probability of a right majority, message by message."""
    p = (1 + fidelity * (2 * share - 1)) / 2
    independent = sum(math.prod(p if sent else 1 - p for sent in all_) for all_ in itertools.product((0, 1), repeat=b) if 2 * sum(all_) > b)
    return correlation * p + (1 - correlation) * independent


@given(st.sampled_from([1, 3, 5, 9]), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_rows_and_rewards(b, fidelity, correlation, share):
    game = majority(b, fidelity=fidelity, correlation=correlation, worth=1.5, polling_cost=0.3, step=0.1).at()
    mu = np.array([share, 1 - share])
    reward, rows, passive_reward, passive = game.tables(mu)
    right = slow_right(b, fidelity, correlation, share)
    np.testing.assert_allclose(rows, [[[1, 0], [right, 1 - right]], [[0, 1], [right, 1 - right]]], rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(passive, np.eye(2))
    np.testing.assert_allclose(passive_reward, [0.15, 0], rtol=1e-15)
    np.testing.assert_allclose(reward, [[0.15, 0.15 - 0.3], [0, -0.3]], rtol=1e-14)
    for o, a in itertools.product(range(2), range(2)):
        row, paid = game.model.row(mu, 0, o, a)
        np.testing.assert_array_equal(row, rows[o, a])
        assert paid == reward[o, a]
    assert game.model.constant_reward and game.model.passive_identity


def test_a_small_bias_is_amplified_without_cancellation():
    """f_b(u) -> f_b'(0) u also where 1/2 + u would lose u; and large b."""
    for b in (3, 9, 99_999):
        game = majority(b, fidelity=1e-12).at(step=1)
        right, wrong = game.tables([1.0, 0.0])[1][1, 1]
        slope = math.exp(math.log(b) + math.lgamma(b) - 2 * math.lgamma((b + 1) / 2) - (b - 1) * math.log(2))
        assert right - wrong == pytest.approx(slope * 1e-12, rel=1e-3)
    assert majority(99_999, fidelity=1.0).at(step=1).tables([0.51, 0.49])[1][0, 1, 0] == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("b", SLOPES)
@pytest.mark.parametrize("correlation", [0.0, 0.4])
def test_the_threshold(b, correlation):
    """alpha = g (c + (1 - c) f_b'(0)) is the slope of the bias at 0: below 1 it dies, above 1 it stays."""
    assert SLOPES[b] == b * math.comb(b - 1, (b - 1) // 2) / 2 ** (b - 1)
    scale = correlation + (1 - correlation) * SLOPES[b]
    for alpha in (0.99, 1.01):
        game = majority(b, fidelity=alpha / scale, correlation=correlation, horizon=3000, initial=[0.9, 0.1])
        slope, _ = game.at(step=1).model.slopes(np.array([0.5, 0.5]), 0, 0, 1, np.eye(2))
        assert slope[0, 0] - slope[0, 1] == pytest.approx(alpha, rel=1e-14)
        right, wrong = tmf.mean_field(game, POLL, tmf.Synchronous()).mu[-1]
        if alpha < 1:
            assert 0 <= right - wrong < 1e-12
        else:
            stays = brentq(lambda m: 2 * slow_right(b, alpha / scale, correlation, (1 + m) / 2) - 1 - m, 0.05, 1)  # noqa: B023
            assert right - wrong == pytest.approx(stays, abs=1e-9)


@pytest.mark.parametrize(("b", "bias"), [(3, 0.256), (5, 0.227), (9, 0.211)])
def test_the_bias_just_above_the_threshold(b, bias):
    """Derived for this project, by iteration; the schedule does not change where the bias ends, only when."""
    game = majority(b, fidelity=1.01 / SLOPES[b], horizon=3000)
    for schedule in (tmf.Synchronous(), tmf.Fraction(0.5), tmf.Bernoulli(0.25)):
        right, wrong = tmf.mean_field(game, POLL, schedule, record_every=3000).mu[-1]
        assert right - wrong == pytest.approx(bias, abs=5e-4)


@pytest.mark.parametrize("correlation", [0.0, 0.3, 1.0])
def test_slopes_and_bends(correlation):
    """Along differences of populations, against central differences; those of other rows are 0."""
    model = majority(5, fidelity=0.9, correlation=correlation).at(step=1).model
    mu, f, sigma = np.array([0.7, 0.3]), np.array([1e-4, -1e-4]), 1e-8 * np.array([[1.0, -1.0], [-1.0, 1.0]])
    for o in range(2):
        slope, bend = model.slopes(mu, 0, o, 1, sigma)
        ahead, here, behind = (model.row(mu + h * f, 0, o, 1)[0] for h in (1, 0, -1))
        np.testing.assert_allclose(slope @ f, (ahead - behind) / 2, rtol=1e-6)
        np.testing.assert_allclose(bend, ahead + behind - 2 * here, rtol=1e-5, atol=1e-15)
        for a in (-1, 0):
            slope, bend = model.slopes(mu, 0, o, a, sigma)
            assert not slope.any() and not bend.any()


@pytest.mark.parametrize(("alpha", "errors"), [(1.3, [0.96, 0.96, 0.96]), (0.5, [0.106, 0.036, 0.011])])
def test_strong_coupling_keeps_n_agents_from_the_limit(alpha, errors):
    """Theory, section 6: above the threshold N agents leave an even split, however many they are; below they stay near it."""
    game = majority(3, fidelity=alpha / 1.5, horizon=40, initial=[0.5, 0.5])
    np.testing.assert_allclose(tmf.mean_field(game, POLL, tmf.Fraction(0.1)).mu[-1], 0.5, atol=1e-12)
    for n_agents, expected in zip((100, 1000, 10_000), errors, strict=True):
        run = tmf.simulate(game, POLL, tmf.Fraction(0.1), n_agents, replicas=400, rng=1, decisions=False, record_every=400)
        off = abs(run.mu[:, -1] - 0.5).sum(axis=1)
        assert abs(off.mean() - expected) < 5 * off.std() / 20 + 0.001, (n_agents, off.mean())


@pytest.mark.parametrize("alpha", [0.5, 0.9])
@pytest.mark.parametrize("beta", [1.0, 0.4])
def test_critical_slowing(alpha, beta):
    """N Var mu(0) -> (2 - beta) / (4 e (2 - beta e)), e = 1 - alpha, around no bias; 1 / (4 (1 - alpha^2)) if all act."""
    game = majority(3, fidelity=alpha / 1.5, horizon=150, initial=[0.5, 0.5])
    schedule = tmf.Synchronous() if beta == 1 else tmf.Bernoulli(beta)
    predicted = tmf.analysis.fluctuations(game, POLL, schedule, 1000, start="rounded")
    slack = 1 - alpha
    exact = (2 - beta) / (4 * slack * (2 - beta * slack))
    assert predicted.covariance[-1, 0, 0] == pytest.approx(exact, rel=1e-9)
    if beta == 1:
        assert exact == pytest.approx(1 / (4 * (1 - alpha**2)))


def test_critical_slowing_under_clocks():
    """In continuous time 1 / (4 (1 - alpha))."""
    game = majority(3, fidelity=0.6 / 1.5, horizon=18, initial=[0.5, 0.5])
    predicted = tmf.analysis.fluctuations(game, POLL, tmf.Poisson(), 1000)
    assert predicted.covariance[-1, 0, 0] == pytest.approx(1 / (4 * 0.4), rel=1e-5)


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize(
    ("schedule", "step"), [(tmf.Synchronous(), 1), (tmf.Sequential(), 1 / 7), (tmf.Batch(3), 3 / 7), (tmf.Bernoulli(0.5), 0.5)], ids=repr
)
@pytest.mark.broad
def test_simulated_counts_have_the_law_of_the_chain(schedule, step, engine):
    """Seven agents after five steps, a third of whose decisions keep the answer; rate of false alarms 1e-6."""
    n, steps, polling = 7, 5, 2 / 3
    game = majority(3, fidelity=0.9, correlation=0.2, horizon=steps * step, initial=[5 / 7, 2 / 7])

    def binomial(m, p, k):
        return math.comb(m, k) * p**k * (1 - p) ** (m - k)

    def acting(c):  # the law of the numbers of right and of wrong agents that act
        for i, j in itertools.product(range(c + 1), range(n - c + 1)):
            if isinstance(schedule, tmf.Bernoulli):
                yield i, j, binomial(c, 0.5, i) * binomial(n - c, 0.5, j)
            elif i + j == round(n * step):
                yield i, j, math.comb(c, i) * math.comb(n - c, j) / math.comb(n, i + j)

    matrix = np.zeros((n + 1, n + 1))
    for c in range(n + 1):
        right = slow_right(3, 0.9, 0.2, c / n)
        for i, j, p in acting(c):
            for lost, won in itertools.product(range(i + 1), range(j + 1)):
                odds = binomial(i, polling * (1 - right), lost) * binomial(j, polling * right, won)
                matrix[c, c - lost + won] += p * odds
    law = np.linalg.matrix_power(matrix, steps)[5]
    policy = tmf.TabularPolicy([[1 - polling, polling]] * 2)
    run = tmf.simulate(game, policy, schedule, n, replicas=10_000, engine=engine, rng=1, record_every=steps)
    stat_tests.assert_law(run.counts[:, -1, 0], dict(enumerate(law)))


def test_the_wrong_poll_while_it_pays():
    """Nobody gives up a right answer; a wrong one is kept where one more step of a right one is worth less than the poll."""
    game = majority(3, fidelity=0.8, polling_cost=0.2, horizon=8)
    found = tmf.solve(game, tmf.Synchronous(), tolerance=1e-9, absolute_tolerance=1e-9)
    assert found.converged and found.exploitability <= 1e-8
    np.testing.assert_allclose(found.policy.table[:-1, 1], [[0, 1]] * 7, atol=1e-3)
    np.testing.assert_allclose(found.policy.table[:-1, 0], [[1, 0]] * 7, atol=1e-3)
    np.testing.assert_allclose(found.policy.table[-1], [[1, 0]] * 2, atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"n_polled": 4}, ValueError, "n_polled is 4; must be odd"),
        ({"n_polled": -1}, ValueError, "n_polled is -1"),
        ({"n_polled": 3.5}, TypeError, "n_polled is 3.5"),
        ({"fidelity": 1.1}, ValueError, "fidelity is 1.1"),
        ({"correlation": -0.1}, ValueError, "correlation is -0.1"),
        ({"initial": [0.5, 0.3, 0.2]}, ValueError, r"initial has shape \(3,\)"),
    ],
)
def test_errors(arguments, error, text):
    with pytest.raises(error, match=text):
        majority(**arguments)
