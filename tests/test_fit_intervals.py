"""Intervals of learnt games: how often they cover, and their closed forms."""


import numpy as np
import pytest
from scipy import stats

import tmfcore as tmf
from fit_cases import ONE, A, S, logs, true_game, two_steps

pytestmark = pytest.mark.law


@pytest.mark.parametrize("visits", [5, 12, 40])
def test_intervals_of_frequencies_cover(visits):
    """Every number of hits, weighted by its probability: within 2 points of 95% on average over p, 87% at the worst."""
    ends = []
    for hits in range(visits + 1):
        found = tmf.learn.fit(two_steps([0] * visits, [1] * hits + [0] * (visits - hits)), **ONE).interval(0.95)
        low, high = found.transition
        ends.append((low[0, 0, 1], high[0, 0, 1]))
    low, high = np.transpose(ends)
    p = (np.arange(400)[:, None] + 0.5) / 400
    inside = (stats.binom.pmf(np.arange(visits + 1), visits, p) * ((low <= p) & (p <= high))).sum(axis=1)
    assert 0.93 < inside.mean() < 0.97
    assert inside.min() > 0.87


def affine_logs(rng, n_agents, steps, reward_noise=0.0):
    """Two observations, one action, whoever is anywhere goes to 1 with probability mu . c and earns mu . r plus noise."""
    c, r = np.array([0.15, 0.7]), np.array([-1.0, 2.0])
    data, flows = [], []
    for weight in rng.beta(0.5, 0.5, size=steps):
        mu = np.array([1 - weight, weight])
        rewards = mu @ r + reward_noise * rng.standard_normal((n_agents, 2))
        data.append(two_steps(np.zeros(n_agents, int), (rng.random(n_agents) < mu @ c).astype(int), rewards))
        flows.append(np.stack([mu, mu]))
    return data, flows, c, r


@pytest.mark.parametrize(("n_agents", "steps"), [(1, 15), (3, 8)])
@pytest.mark.broad(1)
def test_intervals_of_affine_games_cover(n_agents, steps):
    """150 data sets at the default prior: 95% intervals of both corners in 95%, within 5 standard errors."""
    rng = np.random.default_rng(n_agents)
    shares, rewards = [], []
    for _ in range(150):
        data, flows, c, r = affine_logs(rng, n_agents, steps, 0.5)
        found = tmf.learn.fit(data, kind="affine", mu=flows, **ONE).interval(0.95)
        known = found.transition.identified[0, 0, 1]
        shares += list(((found.transition.low[0, 0, 1] <= c) & (c <= found.transition.high[0, 0, 1]))[known])
        rewards += list((found.reward.low[0, 0] <= r) & (r <= found.reward.high[0, 0]))
    assert len(shares) > 120 and abs(np.mean(shares) - 0.95) < 5 * np.sqrt(0.95 * 0.05 / len(shares))
    assert len(rewards) == 300 and abs(np.mean(rewards) - 0.95) < 5 * np.sqrt(0.95 * 0.05 / 300)


def test_score_intervals_are_wilsons_at_the_corners():
    """Populations at e_0 and e_1 tell each coefficient by itself: the interval of scipy's binomtest."""
    sizes, hits = (8, 20), (0, 13)
    data = [two_steps([0] * n, [1] * k + [0] * (n - k)) for n, k in zip(sizes, hits, strict=True)]
    found = tmf.learn.fit(data, kind="affine", mu=[np.tile(e, (2, 1)) for e in np.eye(2)], **ONE).interval(0.9)
    for y, (n, k) in enumerate(zip(sizes, hits, strict=True)):
        wilson = stats.binomtest(k, n).proportion_ci(0.9, method="wilson")
        ends = found.transition.low[0, 0, 1, y], found.transition.high[0, 0, 1, y]
        np.testing.assert_allclose(ends, (wilson.low, wilson.high), atol=1e-10)


def test_what_populations_are_worth_decides_what_is_identified():
    """Visits far from a corner tell little of it: 1 / (G^-1)_yy of them, here by numpy; 5 are wanted."""
    n, off = 24, 0.15
    mus = np.array([[0.5 + off, 0.5 - off], [0.5 - off, 0.5 + off]])
    for agents, known in ((n, False), (3 * n, True)):
        worth = 1 / np.linalg.inv(agents * mus.T @ mus)[0, 0]
        assert (worth >= 5) == known
        data = [two_steps([0] * agents, [0, 1] * (agents // 2))] * 2
        found = tmf.learn.fit(data, kind="affine", mu=[np.tile(mu, (2, 1)) for mu in mus], **ONE)
        assert found.interval().transition.identified[0, 0].all() == known
        assert np.isnan(found.interval().transition.low[0, 0]).any() != known
    same = tmf.learn.fit(data, kind="affine", mu=[np.tile(mus[0], (2, 1))] * 2, **ONE)  # one population tells no corner
    assert not same.interval().transition.identified.any() and not same.interval().reward.identified.any()
    assert np.isinf(same.transition_se[0, 0]).all()


def test_the_prior_is_in_the_estimate_and_its_error_but_not_in_the_interval():
    log = two_steps([0] * 10, [1] * 9 + [0], np.repeat(np.arange(10.0)[:, None], 2, axis=1))
    data, pulled = (tmf.learn.fit(log, prior=prior, **ONE) for prior in (0.0, 10.0))
    assert pulled.transition[0, 0, 1] == pytest.approx(0.7)
    np.testing.assert_allclose(pulled.transition_se[0, 0, 1], np.hypot(np.sqrt(0.9 * 0.1 / 10), 0.2))
    for name in ("reward", "transition"):
        one, other = getattr(data.interval(), name), getattr(pulled.interval(), name)
        np.testing.assert_array_equal(one.low, other.low)
        np.testing.assert_array_equal(one.high, other.high)


def test_intervals_of_rewards():
    """Student's, less skewness; two values are a proportion; agreement is certainty only where nothing at all varies."""

    def reward(*by_cell, **options):
        rewards = np.concatenate(by_cell)
        first = np.repeat(np.arange(len(by_cell)), [len(x) for x in by_cell])
        found = tmf.learn.fit((first[:, None], np.zeros((len(first), 1), int), rewards[:, None]), prior=0.0, **ONE | options)
        assert (found.reward_se[:, 0] > 0).all() or len(np.unique(rewards)) <= len(by_cell)
        low, high = found.interval(0.9).reward
        return np.column_stack([low[:, 0], high[:, 0]])

    even = np.array([1.0, 2.0, 2.5, 3.0, 4.0])
    np.testing.assert_allclose(reward(even)[0], stats.t.interval(0.9, 4, even.mean(), stats.sem(even)))
    sample = np.array([1.0, 2.0, 2.5, 4.0, 7.0])
    a = stats.kstat(sample, 3) / stats.kstat(sample, 2) ** 1.5 / np.sqrt(5)
    for end, quantile in zip(reward(sample)[0], (0.95, 0.05), strict=True):
        x = (sample.mean() - end) / stats.sem(sample)
        assert x + a * x**2 / 3 + a**2 * x**3 / 27 + a / 6 == pytest.approx(stats.t.ppf(quantile, 4))
    assert np.isnan(reward(sample[:4])).all()
    steady = np.full(6, 3.0)  # six visits that agree, where others do not: the variance of all together
    pooled = np.sqrt(4 * sample.var(ddof=1) / 9 / 6)
    np.testing.assert_allclose(reward(sample, steady)[1], stats.t.interval(0.9, 5, 3.0, pooled))
    np.testing.assert_allclose(reward(steady, np.full(5, 0.1)), [[3, 3], [0.1, 0.1]], rtol=1e-13)
    coins = np.array([0.0, 5.0, 0.0, 0.0, 0.0, 0.0])
    ends = reward(coins, np.full(7, 5.0))
    np.testing.assert_allclose(ends[0], 5 * np.array(stats.beta(1.5, 5.5).interval(0.9)))
    np.testing.assert_allclose(ends[1], [5 * stats.beta.ppf(0.05, 7.5, 0.5), 5])


def test_skewness_is_that_of_the_coefficient():
    """By numpy, for a game affine in mu: third cumulant of sum w y over that of a reward, w = G^-1 mu_t of each visit."""
    rng, agents, steps = np.random.default_rng(3), 6, 40
    observations = rng.integers(0, 2, (agents, steps))
    paid = rng.exponential(size=(agents, steps))
    log = (observations, np.zeros((agents, steps), int), paid)
    found = tmf.learn.fit(log, kind="affine", discount=1.0, n_observations=2, n_actions=1).interval(0.9).reward
    mu = np.stack([1 - observations.mean(axis=0), observations.mean(axis=0)], axis=1)
    for o in range(2):
        where = observations.T == o
        x, y = np.repeat(mu, where.sum(axis=1), axis=0), paid.T[where]
        inverse = np.linalg.inv(x.T @ x)
        weights = x @ inverse
        fitted, d = weights.T @ y, len(y) - 2
        off = y - x @ fitted
        variance = (off**2).sum() / d
        third = (off**3).sum() * (d + 1) / (d * (d - 1))
        for k in range(2):
            a = third / variance**1.5 * (weights[:, k] ** 3).sum() / (weights[:, k] ** 2).sum() ** 1.5
            for end, quantile in ((found.low[o, 0, k], 0.95), (found.high[o, 0, k], 0.05)):
                z = (fitted[k] - end) / np.sqrt(variance * inverse[k, k])
                assert z + a * z**2 / 3 + a**2 * z**3 / 27 + a / 6 == pytest.approx(stats.t.ppf(quantile, d))


def test_intervals_hold_rewards_that_are_functions():
    """Nothing random: intervals as narrow as rounding, that hold the truth."""
    for kind, individuals in (("constant", True), ("affine", True), ("constant", False)):
        game = true_game(kind)
        options = {"n_observations": S, "n_actions": A} if individuals else {}
        found = tmf.learn.fit(logs(game, 40, 30, 2, individuals), kind=kind, **options)
        low, high = found.interval().reward
        corners = np.stack([game.tables(e)[0] for e in np.eye(S)], axis=-1)
        true = corners if kind == "affine" else corners[..., 0]
        assert ((low <= true) & (true <= high)).all()
        assert (high - low).max() < 1e-9


def test_intervals_from_counts_cover():
    """40 data sets of 27 probabilities: coverage 95%, within 5 standard errors, were they independent."""
    inside = []
    for seed in range(40):
        game = true_game("constant", seed)
        found = tmf.learn.fit(logs(game, 6, 15, seed, individuals=False)).interval()
        _, rows, _, passive_rows = game.tables([0.4, 0.3, 0.3])
        for interval, true in ((found.transition, rows), (found.passive_transition, passive_rows)):
            known = interval.identified
            inside += list(((interval.low <= true) & (true <= interval.high))[known])
    assert len(inside) > 900 and 0.915 < np.mean(inside) < 0.985


def test_standard_errors_of_counts_are_hc1():
    """By numpy: n / (n - P) times the sandwich of squared residuals, rows weighted by 1 / N; rewards that depend on mu."""
    game = tmf.games.resource_selection((1.0, 0.8), congestion=1.0, switching_cost=0.2, horizon=6, step=1).at()
    runs = [
        tmf.simulate(game, tmf.TabularPolicy([[p, 1 - p]] * 2), tmf.Bernoulli(0.5), n, rng=n, replicas=3)
        for n, p in ((20, 0.3), (50, 0.6))
    ]
    x, y = [], []
    for run in runs:
        resting = run.counts[:, :-1] - run.decisions.sum(-1)
        cells = np.concatenate([run.decisions, resting[..., None]], axis=-1).reshape(-1, 6)
        x.append(cells / np.sqrt(run.n_agents))
        y.append(run.rewards.reshape(-1) * np.sqrt(run.n_agents))
    x, y = np.concatenate(x), np.concatenate(y)
    inverse = np.linalg.inv(x.T @ x)
    left = y - x @ inverse @ x.T @ y
    assert len(x) == 36
    robust = 36 / 30 * inverse @ (x.T * left**2) @ x @ inverse
    found = tmf.learn.fit(runs, prior=0.0)
    se = np.concatenate([found.reward_se, found.passive_reward_se[:, None]], axis=1)
    np.testing.assert_allclose(se.ravel(), np.sqrt(np.diagonal(robust)))
    low, high = found.interval(0.9).reward
    half = stats.t.ppf(0.95, 30) * found.reward_se
    np.testing.assert_allclose((high - low) / 2, half)
    np.testing.assert_allclose((high + low) / 2, found.reward)
