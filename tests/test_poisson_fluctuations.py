"""Linear noise under Poisson clocks: closed forms, the enumerated chain, and simulations."""

import math
import re

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

import clock_cases
import tmfcore as tmf
from tmfcore.analysis import fluctuations


def moments(chain, start, t):
    """Mean and N times the covariance of mu-hat at time t, exactly."""
    law = start @ expm(chain.generator * t)
    mu = np.array(chain.states) / chain.n_agents
    mean = law @ mu
    return mean, chain.n_agents * ((mu - mean).T * law) @ (mu - mean)


def test_ehrenfest_is_exact():
    """Independent coins: Sigma = p (1 - p) at every N, with p = (1 - exp(-2 nu t)) / 2."""
    game = tmf.Game(2, 1, 3.0, 1.0, [1, 0], np.zeros((2, 1)), (1 - np.eye(2))[:, None], time="sweeps")
    found = fluctuations(game, [[1], [1]], tmf.Poisson(0.7), 30, times=0.25)
    p = (1 - np.exp(-1.4 * found.times)) / 2
    np.testing.assert_allclose(found.covariance[:, 0, 0], p * (1 - p), atol=1e-11)
    np.testing.assert_allclose(found.covariance[:, 0, 1], -p * (1 - p), atol=1e-11)
    assert found.jacobian == "exact" and np.abs(found.bias).max() < 1e-12


@pytest.mark.parametrize("start", ["rounded", "sampled"])
def test_constant_rates_are_exact_for_every_n(start):
    """Seven agents, a rounded start and rates by observation: mean and covariance are those of the enumerated chain."""
    case = clock_cases.frozen(clock_cases.random_case(31))
    n, t = 7, 0.8
    chain = clock_cases.Chain(case, n)
    found = fluctuations(clock_cases.built(case, "arrays"), case.policy, tmf.Poisson(case.rate), n, start=start, times=[0, t, 1.5])
    if start == "rounded":
        law = chain.start([4, 3, 0])
    else:
        law = np.array([math.comb(n, s[0]) * 0.5**n if s[2] == 0 else 0.0 for s in chain.states])
    mean, covariance = moments(chain, law, t)
    np.testing.assert_allclose(found.expected()[1], mean, atol=1e-9)
    np.testing.assert_allclose(found.covariance[1], covariance, atol=1e-9)


@pytest.mark.parametrize("kind", ["affine", "functions"])
@pytest.mark.broad(1)
def test_deviations_from_the_enumerated_chain_vanish_with_n(kind):
    """N Cov and N (mean - mu) of N agents tend to Sigma and m: errors at N = 10, 20, 40 fall as 1 / N."""
    case, t = clock_cases.random_case(32, n_obs=2), 1.0
    who = tmf.Poisson(case.rate)
    found = fluctuations(clock_cases.built(case, kind), case.policy, who, times=[0, t, 1.5])
    assert found.jacobian == ("exact" if kind == "affine" else "differences")
    offs = []
    for n in (20, 40, 80):
        chain = clock_cases.Chain(case, n)
        mean, covariance = moments(chain, chain.start([n // 2, n // 2]), t)
        offs.append([covariance[0, 0] - found.covariance[1, 0, 0], n * (mean - found.mu[1])[0] - found.bias[1, 0]])
    offs = np.array(offs)
    np.testing.assert_allclose(2 * offs[2] - offs[1], 0, atol=0.03 * np.abs(offs[0]).max())
    assert (np.abs(offs[2]) < 0.3 * np.abs(offs[0]) + 1e-9).all() and np.abs(found.bias[1]).max() > 1e-3


def test_sis_by_its_own_equation():
    """x' = i x (1 - x) - q x, v' = 2 (i (1 - 2 x) - q) v + i x (1 - x) + q x, m' = (i (1 - 2 x) - q) m - i v."""
    i, q = 0.8, 0.2
    game = tmf.games.infection_by_contact(i, recovery=q, horizon=12, initial=[0.9, 0.1])
    found = fluctuations(game, [[1, 0], [1, 0]], tmf.Poisson(), times=1)

    def slopes(t, y):
        x, v, m = y
        slope = i * (1 - 2 * x) - q
        return [i * x * (1 - x) - q * x, 2 * slope * v + i * x * (1 - x) + q * x, slope * m - i * v]

    exact = solve_ivp(slopes, (0, 12), [0.1, 0, 0], method="Radau", rtol=1e-11, atol=1e-13, t_eval=found.times).y
    np.testing.assert_allclose(found.mu[:, 1], exact[0], atol=1e-9)
    np.testing.assert_allclose(found.covariance[:, 1, 1], exact[1], atol=1e-8)
    np.testing.assert_allclose(found.bias[:, 1], exact[2], atol=1e-8)


def test_differences_agree_with_exact_derivatives():
    case = clock_cases.random_case(33)
    game, who = clock_cases.built(case), tmf.Poisson(case.rate)
    stages = np.stack([case.policy, case.policy[::-1]])
    exact, near = (fluctuations(game, stages, who, 50, jacobian=jacobian, times=0.5) for jacobian in ("exact", "differences"))
    np.testing.assert_allclose(near.covariance, exact.covariance, atol=1e-9)
    np.testing.assert_allclose(near.bias, exact.bias, atol=1e-8)


def test_a_curved_policy():
    """A policy quadratic in mu: its second derivative enters the bias; against differences of the enumerated means."""
    case, t = clock_cases.random_case(34, n_obs=2), 1.0

    def policy(mu):
        p = 0.1 + 0.8 * mu**2
        return np.stack([p, 1 - p], axis=1)

    found = fluctuations(clock_cases.built(case), policy, tmf.Poisson(case.rate), times=[0, t, 1.5])
    offs = []
    for n in (40, 80):
        chain = clock_cases.Chain(case, n, policy)
        mean, covariance = moments(chain, chain.start([n // 2, n // 2]), t)
        offs.append([covariance[0, 0] - found.covariance[1, 0, 0], n * (mean - found.mu[1])[0] - found.bias[1, 0]])
    np.testing.assert_allclose(2 * np.array(offs[1]) - offs[0], 0, atol=1e-4)
    assert np.abs(offs[0]).max() > 1e-3


def test_simulations_are_compared(tmp_path):
    game = tmf.games.infection_by_contact(0.8, recovery=0.2, horizon=8, initial=[0.7, 0.3])
    pi, who = [[1, 0], [1, 0]], tmf.Poisson()
    found = fluctuations(game, pi, who, 500, times=2)
    run = tmf.simulate(game, pi, who, 500, replicas=2000, rng=1, times=1, decisions=False)
    measured = found.compare(run)
    assert measured.times.tolist() == [0, 2, 4, 6, 8] and measured.error_ratio == pytest.approx(1, abs=0.05)
    z = (measured.variance - measured.variance_measured)[1:] / measured.variance_se[1:]
    assert np.abs(z).max() < 6
    measured.save(tmp_path / "comparison.npz")
    assert tmf.load(tmp_path / "comparison.npz").times.tolist() == measured.times.tolist()
    for match, call in {
        "record_every is 2": lambda: fluctuations(game, pi, who, record_every=2),
        "the rates are not affine in mu": lambda: fluctuations(game, lambda mu: pi, who, jacobian="exact"),
        "must be omitted unless": lambda: fluctuations(game, pi, tmf.Fraction(0.1), times=1),
        "schedule differs": lambda: found.compare(tmf.simulate(game, pi, tmf.Poisson(2), 500, replicas=2, rng=1)),
    }.items():
        with pytest.raises(ValueError, match=re.escape(match)):
            call()
    pytest.importorskip("matplotlib")
    found.plot(simulation=run)
    measured.plot()
