"""Predicted fluctuations beside simulated ones: both engines, bias, and what `compare` measures."""

import math

import numpy as np
import pytest
from scipy import stats

import reference_fluctuations as slow
import stat_tests
import strategies
import tmfcore as tmf
from fluctuation_cases import population
from tmfcore.analysis import fluctuations

pytestmark = pytest.mark.law

# ------------------------------------------------------------------------------------------------- exact chains


@pytest.mark.parametrize(
    "kind",
    ["synchronous", "sequential", "half", "bernoulli"],
)
@pytest.mark.broad(1)
def test_exact_chain_of_two_observations(kind):
    """N Var and N (E - mu) of the enumerated chain, extrapolated to N = infinity, are Sigma and m."""
    case, spec = population(5, 2, scale=3.0, horizon=4, initial=[0.25, 0.75])
    game, policy = case.build(), spec.build(case.horizon)
    sizes = (12, 24) if kind == "bernoulli" else (32, 64)
    schedule = {
        "synchronous": tmf.Synchronous(), "sequential": tmf.Batch(2), "half": tmf.Fraction(0.5), "bernoulli": tmf.Bernoulli(0.4),
    }[kind]  # fmt: skip
    gaps = []
    for n in sizes:
        amount = {"synchronous": n, "sequential": 2, "half": n // 2, "bernoulli": 0.4}[kind]
        moves = [("coin" if kind == "bernoulli" else "batch", amount)] * case.horizon
        mean, variance = slow.exact_two(case.reference(), spec.reference(case.horizon), moves, n, (n // 4, 3 * n // 4))
        found = fluctuations(game, policy, schedule, n)
        gaps.append((n * variance - found.covariance[:, 0, 0], n * (mean - found.mu[:, 0]) - found.bias[:, 0], found))
    found = gaps[1][2]
    for gap, size in ((0, np.abs(found.covariance[:, 0, 0]).max()), (1, np.abs(found.bias[:, 0]).max())):
        small, large = gaps[0][gap], gaps[1][gap]
        assert size > (0.03 if kind != "sequential" else 0.003)
        assert np.abs(large).max() < 0.1 * size
        # What is left falls like 1 / N: twice the second less the first vanishes to the next order.
        assert np.abs(2 * large - small).max() < 0.02 * size


# --------------------------------------------------------------------------------------------------- simulation


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize("kind", ["B=1", "B=sqrt N", "B=N", "Bernoulli"])
@pytest.mark.broad
def test_simulation(engine, kind):
    """Covariance, bias and error at T of both engines: |z| < 6 with a slack of 2 / sqrt(N) of the scale."""
    n = 900
    case, spec = population(2, 3, scale=2.0, horizon=90 if kind == "B=1" else 8)
    game, policy = case.build(), spec.build(case.horizon)
    schedule = {"B=1": tmf.Sequential(), "B=sqrt N": tmf.Batch(30), "B=N": tmf.Synchronous(), "Bernoulli": tmf.Bernoulli(0.3)}[kind]
    found = fluctuations(game, policy, schedule, n, record_every=case.horizon, start="sampled")
    run = tmf.simulate(game, policy, schedule, n, replicas=600, engine=engine, rng=11, record_every=case.horizon,
                       start="sampled", decisions=False)  # fmt: skip
    seen = found.compare(run)
    scale = np.sqrt(np.outer(seen.variance[1], seen.variance[1]))
    off = run.mu[:, 1] - found.mu[1]
    centred = off - off.mean(axis=0)
    products = n * centred[:, :, None] * centred[:, None, :]
    stat_tests.assert_mean(products, found.covariance[1], slack=2 / math.sqrt(n) * scale)
    stat_tests.assert_mean(n * off, found.bias[1], slack=2 / math.sqrt(n))
    stat_tests.assert_mean(np.abs(off).sum(axis=1), found.error()[1], slack=2 / math.sqrt(n) * found.error()[1])


def test_what_compare_measures():
    """Of few replicas, by hand: unbiased variances, R / (R - 1), and standard errors of means of R."""
    game = tmf.games.queueing((0.1, 0.2), horizon=4, step=1).at()
    uniform = tmf.TabularPolicy.uniform(game)
    found = fluctuations(game, uniform, tmf.Synchronous(), 30)
    for replicas in (2, 5):
        run = tmf.simulate(game, uniform, tmf.Synchronous(), 30, replicas=replicas, rng=replicas, decisions=False)
        seen = found.compare(run)
        off = run.mu - found.mu
        errors = np.abs(off).sum(axis=-1)
        averages = errors[:, 1:].mean(axis=1)
        squares = 30 * (run.mu - run.mu.mean(axis=0)) ** 2 * replicas / (replicas - 1)
        for value, wanted in (
            (seen.variance_measured, 30 * run.mu.var(axis=0, ddof=1)),
            (seen.variance_se, stats.sem(squares)),
            (seen.error_measured, errors.mean(axis=0)),
            (seen.error_se, stats.sem(errors)),
            (seen.mean_error_measured, averages.mean()),
            (seen.mean_error_se, stats.sem(averages)),
            (seen.bias_measured, 30 * off.mean(axis=0)),
            (seen.bias_se, stats.sem(30 * off)),
            (seen.error_ratio_se, seen.mean_error * stats.sem(averages) / averages.mean() ** 2),
        ):
            np.testing.assert_allclose(value, wanted, atol=1e-12)
        assert seen.variance_measured[1:].min() > 0


@pytest.mark.rest
def test_bias_of_simulation():
    """The bias of a logistic response, 1/2 sigma'' b^2 mu(1 - mu), is 20 standard errors large; within 6 of them and 3%."""
    game = tmf.Game(2, 2, 2, 1.0, [0.5, 0.5], np.zeros((2, 2)), np.eye(2)[None].repeat(2, axis=0))
    theta = np.zeros((1, 2, 2, 3))
    theta[0, :, 0, 0], theta[0, :, 0, 1] = -1.3 - 4.0, 8.0
    policy, n = tmf.SoftmaxPolicy(theta), 400
    found = fluctuations(game, policy, tmf.Synchronous(), n, start="sampled")
    run = tmf.simulate(game, policy, tmf.Synchronous(), n, replicas=200_000, rng=3, start="sampled", decisions=False)
    seen = found.compare(run)
    p = 1 / (1 + math.exp(1.3))
    assert found.bias[1, 0] == pytest.approx(0.5 * p * (1 - p) * (1 - 2 * p) * 64 * 0.25, rel=1e-12)
    assert abs(seen.bias_measured[1, 0]) > 20 * seen.bias_se[1, 0]
    assert abs(seen.bias_measured[1, 0] - found.bias[1, 0]) < 6 * seen.bias_se[1, 0] + 0.03 * found.bias[1, 0]
    assert abs(seen.bias_ratio - 1) < 0.03 + 6 * seen.bias_ratio_se
    assert np.nanmax(np.abs(seen.bias_seen - 1)) < 0.2


def test_population_aware_policies_damp_fluctuations():
    """Crowd-averse logits make J contract: ignoring d pi / d mu would miss a factor, which simulation shows."""
    game = tmf.Game(2, 2, 6, 1.0, [0.5, 0.5], np.zeros((2, 2)), np.eye(2)[None].repeat(2, axis=0))
    theta = np.zeros((1, 2, 2, 3))
    theta[0, :, 0, 1] = -6.0  # the fuller 0, the fewer choose 0
    theta[0, :, 0, 0] = 3.0
    aware, blind = tmf.SoftmaxPolicy(theta), tmf.TabularPolicy.uniform(game)
    n = 2500
    seen = [
        fluctuations(game, p, tmf.Fraction(0.2), n).compare(
            tmf.simulate(game, p, tmf.Fraction(0.2), n, replicas=4000, rng=5, decisions=False))
        for p in (aware, blind)
    ]  # fmt: skip
    assert seen[0].variance[-1, 0] < 0.65 * seen[1].variance[-1, 0]
    for found in seen:
        assert abs(found.error_ratio - 1) < 0.01 + 6 * found.error_ratio_se
        np.testing.assert_array_less(np.abs(found.variance - found.variance_measured)[1:], 6 * found.variance_se[1:] + 0.01)


# ------------------------------------------------------------------------------------------------- the interface


def test_long_sequential_play():
    """T = 20 N: thinned records equal the full run, and the time rescaled limit is reached."""
    case = tmf.games.queueing((0.1, 0.2, 0.3), horizon=20, step=1 / 500).at()
    policy = tmf.TabularPolicy.uniform(case)
    thin = fluctuations(case, policy, tmf.Sequential(), 500, record_every=3000)
    full = fluctuations(case, policy, tmf.Sequential(), 500)
    assert thin.steps.tolist() == [0, 3000, 6000, 9000, 10000]
    assert (thin.mu == full.mu[thin.steps]).all() and (thin.covariance == full.covariance[thin.steps]).all()
    assert (thin.bias == full.bias[thin.steps]).all()
    finer = fluctuations(
        tmf.games.queueing((0.1, 0.2, 0.3), horizon=20, step=1 / 1000).at(), policy, tmf.Sequential(), 1000, record_every=20000
    )
    np.testing.assert_allclose(finer.covariance[-1], thin.covariance[-1], atol=1e-3)


def test_any_n_from_one_prediction():
    case, spec = population()
    game, policy = case.build(), spec.build(case.horizon)
    limit = fluctuations(game, policy, tmf.Fraction(0.5))
    assert limit.n_agents is None
    np.testing.assert_allclose(limit.error(10**8), limit.constant / 10**4, rtol=1e-3, atol=1e-12)
    near = fluctuations(game, policy, tmf.Fraction(0.5), 10**6)
    np.testing.assert_allclose(near.covariance, limit.covariance, atol=1e-5)
    np.testing.assert_allclose(limit.deviation(100), np.sqrt(np.maximum(0, np.diagonal(limit.covariance, axis1=1, axis2=2)) / 100))
    with pytest.raises(ValueError, match="n_agents is None; the prediction is for any N"):
        limit.error()
    with pytest.raises(ValueError, match="n_agents is 5; the prediction was made for N = 1000000"):
        near.error(5)


def test_errors_of_compare():
    case, spec = population()
    game, policy = case.build(), spec.build(case.horizon)
    found = fluctuations(game, policy, tmf.Synchronous(), 10, record_every=2)
    with pytest.raises(ValueError, match="simulation has 1 replica"):
        found.compare(tmf.simulate(game, policy, tmf.Synchronous(), 10))
    with pytest.raises(ValueError, match=r"simulation.n_agents is 11; the prediction was made for N = 10"):
        found.compare(tmf.simulate(game, policy, tmf.Synchronous(), 11, replicas=2))
    with pytest.raises(TypeError, match="simulation is 1"):
        found.compare(1)
    other = strategies.random_game(0, horizon=3).build()
    with pytest.raises(ValueError, match=r"simulation.horizon is 3; must be 5"):
        found.compare(tmf.simulate(other, tmf.TabularPolicy.uniform(other), tmf.Synchronous(), 10, replicas=2))
    partly = found.compare(tmf.simulate(game, policy, tmf.Synchronous(), 10, replicas=2, record_every=4))
    assert partly.steps.tolist() == [0, 4, 5]
