"""Predicted fluctuations: against slow recursions, exact chains, closed forms and both engines.

Statistical tests have fixed seeds and a false-alarm rate below 1e-6 (|z| < 6, or stat_tests).
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference_fluctuations as slow
import strategies
import tmfcore as tmf
from fluctuation_cases import population
from tmfcore.analysis import Fluctuations, fluctuations
from tmfcore.analysis._deviation import mean_deviation

# ---------------------------------------------------------------------------------------------- the recursions


@given(strategies.cases(n_agents=7))
def test_equals_the_slow_recursion(case):
    """All kinds of games, policies and schedules, differences and exact derivatives alike."""
    game, policy, schedule = case.build()
    n_agents = 7
    found = fluctuations(game, policy, schedule, n_agents, start="sampled")
    mu, sigma, bias = slow.recursion(
        *case.reference(), case.moves(n_agents), n_agents, found.covariance[0], found.bias[0],
        fixed=game.model.constant_transition and case.policy.kind in ("tabular", "softmax"),
    )  # fmt: skip
    scale = max(1.0, np.abs(sigma).max(), np.abs(bias).max())
    np.testing.assert_allclose(found.mu, mu, atol=1e-12)
    np.testing.assert_allclose(found.covariance, sigma, atol=1e-6 * scale)
    np.testing.assert_allclose(found.bias, bias, atol=1e-5 * scale)


@pytest.mark.parametrize("start", ["rounded", "sampled"])
@pytest.mark.parametrize("kind", ["tabular", "softmax", "affine"])
def test_differences_agree_with_exact_derivatives(kind, start):
    game = strategies.random_game(3, 4, 3, 6, dependence="fixed", passive="dense", zeros=False)
    policy = strategies.random_policy(3, 4, 3, kind=kind).build(6)
    args = (game.build(), policy, tmf.Fraction(0.4), 25)
    exact = fluctuations(*args, start=start)
    near = fluctuations(*args, start=start, jacobian="differences")
    assert (exact.jacobian, near.jacobian) == ("exact", "differences")
    np.testing.assert_allclose(near.covariance, exact.covariance, atol=1e-8)
    np.testing.assert_allclose(near.bias, exact.bias, atol=1e-7)


def test_directions_in_blocks():
    """So many actions that the policy's derivatives are held for some of the directions at a time."""
    game = strategies.random_game(3, 12, 700, 2, dependence="fixed", zeros=False).build()
    policy = strategies.random_policy(3, 12, 700, kind="affine").build(2)
    exact = fluctuations(game, policy, tmf.Fraction(0.4), start="sampled")
    near = fluctuations(game, policy, tmf.Fraction(0.4), start="sampled", jacobian="differences")
    np.testing.assert_allclose(near.covariance, exact.covariance, atol=1e-9)
    np.testing.assert_allclose(near.bias, exact.bias, atol=1e-8)


def test_the_flow_is_the_mean_field():
    case, spec = population()
    game, policy = case.build(), spec.build(case.horizon)
    found = fluctuations(game, policy, tmf.Fraction(0.3))
    np.testing.assert_allclose(found.mu, tmf.mean_field(game, policy, tmf.Fraction(0.3)).mu, atol=1e-14)


def test_user_functions_see_distributions_only():
    """Every mu handed to a callable is a distribution, also at the border of the simplex."""
    seen = []

    def watch(mu, t):
        assert (mu >= 0).all() and abs(mu.sum() - 1) < 1e-12
        seen.append(mu)
        return np.array([[[1 - 0.5 * mu[1], 0.5 * mu[1], 0.0], [0.5, 0.5, 0.0]], [[0, 0, 1.0], [0, 1.0, 0]],
                         [[0.2, 0, 0.8], [0, 0, 1]]])  # fmt: skip

    game = tmf.Game(3, 2, 6, 0.9, [1.0, 0.0, 0.0], np.zeros((3, 2)), watch)
    found = fluctuations(game, lambda mu, t: np.full((3, 2), 0.5) + 0.2 * (mu[0] - 0.5) * np.array([1, -1]), tmf.Bernoulli(0.7))
    assert found.jacobian == "differences"
    assert len(seen) > 6
    assert np.abs(found.covariance.sum(axis=2)).max() < 1e-12  # mass is conserved
    assert np.abs(found.bias.sum(axis=1)).max() < 1e-9


def test_bias_that_points_to_where_nobody_is():
    """Agents go to 2 at the rate (mu(0) - 1/2)^2, which is 0 along the flow: only fluctuations lead there, and m(2) > 0."""

    def transition(mu):
        p = (mu[0] - 0.5) ** 2
        stay = np.array([[0.5 - p / 2, 0.5 - p / 2, p]])
        return np.stack([stay, stay, np.array([[mu[2], 0, 1 - mu[2]]])])

    game = tmf.Game(3, 1, 3, 1.0, [0.5, 0.5, 0.0], np.zeros((3, 1)), transition)
    found = fluctuations(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous())
    # Sigma_1(0,0) = 1/4; m_2(2) = 1/2 * 2 * Sigma_1(0,0) = 1/4; then the same again, and m(2) itself stays.
    np.testing.assert_allclose(found.bias[:, 2], [0.0, 0.0, 0.25, 0.5], atol=1e-6)


# ------------------------------------------------------------------------- exactly, where rows do not depend on mu


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_agents", [5, 7, 12, 40])
@pytest.mark.broad
def test_exact_for_all_batches(n_agents, seed):
    """Mean and variance of N mu-hat(0) are those of the enumerated chain, whatever N and B, rounded starts included."""
    horizon = 4
    game = strategies.random_game(seed, 2, 2, horizon, passive=("none", "dense")[seed % 2], zeros=False)
    policy = strategies.random_policy(seed, 2, 2)
    start = np.array(tmf.simulate(game.build(), policy.build(horizon), tmf.Synchronous(), n_agents, rng=0).counts[0, 0])
    for batch in range(1, n_agents + 1) if n_agents < 40 else (1, 2, 7, 20, 39):
        found = fluctuations(game.build(), policy.build(horizon), tmf.Batch(batch), n_agents)
        mean, variance = slow.exact_two(game.reference(), policy.reference(horizon), [("batch", batch)] * horizon, n_agents, start)
        np.testing.assert_allclose(found.expected()[:, 0], mean, atol=1e-12)
        np.testing.assert_allclose(found.covariance[:, 0, 0] / n_agents, variance, atol=1e-12)


@pytest.mark.parametrize("jacobian", ["exact", "differences"])
@pytest.mark.parametrize("batch", [1, 2, 4])
def test_exact_for_more_observations(batch, jacobian):
    """S = 4, five agents: the whole covariance, from the laws of all pairs of agents over all batches."""
    rng = np.random.default_rng(batch)
    active, passive = rng.dirichlet(np.ones(4), size=(2, 4))
    game = tmf.Game(4, 1, 6, 1.0, [0.4, 0.4, 0.2, 0.0], np.zeros((4, 1)), active[:, None], passive_transition=passive)
    found = fluctuations(game, tmf.TabularPolicy.uniform(game), tmf.Batch(batch), 5, jacobian=jacobian)
    mean, covariance = slow.exact_batches(active, passive, [2, 2, 1, 0], batch, 6)
    tolerance = 1e-13 if jacobian == "exact" else 1e-7
    np.testing.assert_allclose(found.expected(), mean, atol=tolerance)
    np.testing.assert_allclose(found.covariance / 5, covariance, atol=tolerance)


def test_ehrenfest():
    """One of N agents changes urns a step: half of the agents on average, with variance N/4 exactly; .2778 without."""
    game = tmf.Game(2, 1, 2000, 1.0, [0.5, 0.5], np.zeros((2, 1)), [[[0, 1.0]], [[1.0, 0]]])
    for n in range(6, 41, 2):
        found = fluctuations(game, tmf.TabularPolicy.uniform(game), tmf.Sequential(), n, record_every=2000)
        assert found.covariance[-1, 0, 0] == pytest.approx(0.25, rel=1e-9)
    limit = fluctuations(game, tmf.TabularPolicy.uniform(game), tmf.Fraction(0.1), record_every=2000)
    assert limit.covariance[-1, 0, 0] == pytest.approx(0.25, rel=1e-9)  # beta (1 - beta) / (1 - (1 - 2 beta)^2)


@pytest.mark.parametrize("dependence", ["mu_t", "fixed"])
def test_no_harm_where_rows_depend_on_mu(dependence):
    """Rows or policy respond to mu: the covariance is that of the plain recursion, so its error has not grown."""
    game = strategies.random_game(3, 2, 2, 5, dependence=dependence, passive="dense", zeros=False)
    policy = strategies.random_policy(3, 2, 2, kind="affine" if dependence == "fixed" else "tabular")
    found = fluctuations(game.build(), policy.build(5), tmf.Batch(3), 11)
    moves = [("batch", 3)] * 5
    _, plain, _ = slow.recursion(game.reference(), policy.reference(5), moves, 11, found.covariance[0], found.bias[0])
    np.testing.assert_allclose(found.covariance, plain, atol=1e-6)
    start = np.rint(11 * (found.mu[0] + found.bias[0] / 11)).astype(int)
    _, variance = slow.exact_two(game.reference(), policy.reference(5), moves, 11, start)
    assert np.abs(found.covariance[1:, 0, 0] / 11 / variance[1:] - 1).max() < 0.25  # of order 1/N


# -------------------------------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Bernoulli(0.3)])
def test_independent_agents(schedule):
    """No dependence on mu and no batch: N Cov(mu-hat) is the multinomial one exactly, however sampled agents move."""
    case = strategies.random_game(1, 4, 2, 6, passive="dense")
    policy = strategies.random_policy(1, 4, 2).build(6)
    found = fluctuations(case.build(), policy, schedule, start="sampled")
    expected = [np.diag(mu) - np.outer(mu, mu) for mu in found.mu]
    np.testing.assert_allclose(found.covariance, expected, atol=1e-13)
    assert not found.bias.any()


def test_one_step_of_a_batch():
    """Everyone at 0, a batch of B leaves: the number that leaves is B p +- sqrt(B p (1 - p)), whatever N."""
    game = tmf.Game(2, 1, 1, 1.0, [1, 0], np.zeros((2, 1)), [[[0.25, 0.75]], [[0, 1]]])
    n, b = 50, 20
    found = fluctuations(game, tmf.TabularPolicy.uniform(game), tmf.Batch(b), n)
    assert found.covariance[1, 0, 0] / n == pytest.approx(b * 0.25 * 0.75 / n**2, rel=1e-13)


def test_a_batch_without_replacement_is_hypergeometric():
    """Agents at 0 that act move to 1 for certain: their number is hypergeometric, with its exact variance."""
    from scipy.stats import hypergeom

    game = tmf.Game(2, 1, 1, 1.0, [0.4, 0.6], np.zeros((2, 1)), [[[0, 1.0]], [[0, 1.0]]])
    n, b = 50, 20
    found = fluctuations(game, tmf.TabularPolicy.uniform(game), tmf.Batch(b), n)
    assert found.covariance[1, 0, 0] / n == pytest.approx(hypergeom.var(n, 20, b) / n**2, rel=1e-12)


def test_rounding_is_part_of_the_bias():
    game = tmf.Game(3, 1, 2, 1.0, [1 / 3, 1 / 3, 1 / 3], np.zeros((3, 1)), np.eye(3)[:, None, :])
    found = fluctuations(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), 100)
    np.testing.assert_allclose(found.bias, np.tile([2 / 3, -1 / 3, -1 / 3], (3, 1)), atol=1e-12)
    np.testing.assert_allclose(found.error(), 4 / 3 / 100, rtol=1e-12)
    np.testing.assert_allclose(found.expected()[2], [0.34, 0.33, 0.33], rtol=1e-12)
    assert not fluctuations(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous()).bias.any()


def test_constant_and_error():
    """|normal| has mean sqrt(2 / pi) sigma; a bias adds to it as for the folded normal."""
    game = tmf.Game(2, 1, 1, 1.0, [0.5, 0.5], np.zeros((2, 1)), np.full((2, 1, 2), 0.5))
    found = fluctuations(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), 101)
    assert found.constant[1] == pytest.approx(2 * math.sqrt(2 / math.pi * 0.25))
    fluent = np.random.default_rng(0).normal(0.5 / 101 * 0, 0.5 / math.sqrt(101), 10**6)
    assert found.error()[1] == pytest.approx(2 * np.abs(fluent).mean(), rel=0.005)
    shifted = Fluctuations(**{**vars(found), "bias": np.array([[5.0, -5.0]] * 2)})
    assert shifted.error()[1] == pytest.approx(2 * np.abs(fluent + 5 / 101).mean(), rel=0.005)


def test_nearly_empty_observations():
    """Forty independent agents over 120 observations of a geometric law: the mean error is that of binomials, exactly."""
    from scipy.stats import binom

    n, mu = 40, 0.9 ** np.arange(120) * 0.1
    mu /= mu.sum()
    game = tmf.Game(120, 1, 1, 1.0, mu, np.zeros((120, 1)), np.eye(120)[:, None])
    found = fluctuations(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), n, start="sampled")
    counts = np.arange(n + 1)
    exact = sum((binom.pmf(counts, n, p) * np.abs(counts / n - p)).sum() for p in mu)
    assert found.error()[1] == pytest.approx(exact, rel=1e-9)
    assert found.constant[1] / math.sqrt(n) > 1.1 * exact


def test_few_agents_that_start_apart():
    """Counts are sums of unlike coins: the error of two matched moments is within 1% of the enumerated law."""
    n = 12
    rows = np.random.default_rng(3).dirichlet(np.full(6, 0.5), size=3)
    game = tmf.Game(6, 1, 1, 1.0, [0.5, 0.25, 0.25, 0, 0, 0], np.zeros((6, 1)), np.concatenate([rows, rows])[:, None])
    found = fluctuations(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), n)
    exact = 0.0
    for x in range(6):
        law = np.ones(1)
        for p in np.repeat(rows[:, x], (6, 3, 3)):
            law = np.convolve(law, [1 - p, p])
        exact += (law * np.abs(np.arange(n + 1) - n * found.mu[1, x])).sum() / n
    assert found.error()[1] == pytest.approx(exact, rel=0.01)


@given(st.integers(1, 400), st.floats(1e-6, 1 - 1e-6), st.floats(-30, 30))
def test_mean_deviation_of_a_binomial(n, p, shift):
    from scipy.stats import binom

    counts, centre = np.arange(n + 1), min(max(n * p + shift, 0.0), n)
    for c in (n * p, centre):
        exact = (binom.pmf(counts, n, p) * np.abs(counts - c)).sum()
        assert mean_deviation(c, n * p, n * p * (1 - p), n) == pytest.approx(exact, rel=1e-6)


@given(st.floats(1e-3, 40), st.floats(0, 3), st.floats(0.1, 0.99))
def test_mean_deviation_of_wider_counts(m, shift, stop):
    """Poisson, and negative binomial with variance m / stop; all of the mass that counts lies below 20,000."""
    from scipy.stats import nbinom, poisson

    counts, many = np.arange(20_000), 1e9
    for law in (poisson(m), nbinom(m * stop / (1 - stop), stop)):
        for c in (m, m + shift):
            exact = (law.pmf(counts) * np.abs(counts - c)).sum()
            assert mean_deviation(c, m, law.var(), many) == pytest.approx(exact, rel=1e-6)


def test_mean_deviation_is_that_of_the_normal_law_where_there_are_many():
    """Across the borders of the families, and at the variance from which the normal law is used."""
    m = 8000 * np.array([0.25, 1 - 2e-6, 1 - 5e-7, 1, 1 + 5e-7, 1 + 2e-6, 3])
    for variance in (8000.0, 9999.0, 10001.0):
        found = mean_deviation(m, m, np.full(7, variance), 1e9)
        np.testing.assert_allclose(found, math.sqrt(2 * variance / math.pi), rtol=2e-4)
    np.testing.assert_array_equal(mean_deviation([0.3, 0.3, 9.0], [0.5, -1.0, 9.5], [0.0, 1.0, 0.0], 10), [0.2, 0.3, 0.5])


def test_round_trip(tmp_path):
    case, spec = population()
    found = fluctuations(case.build(), spec.build(case.horizon), tmf.Batch(3), 17)
    found.save(tmp_path / "f.npz")
    back = Fluctuations.load(tmp_path / "f.npz")
    for name, value in vars(found).items():
        np.testing.assert_array_equal(getattr(back, name), value)
    assert back.observation_labels == found.observation_labels


def test_plot():
    case, spec = population(n_observations=3)
    game, policy = case.build(), spec.build(case.horizon)
    found = fluctuations(game, policy, tmf.Batch(30), 100)
    bare = found.plot()
    assert len(bare.lines) == 3 and len(bare.collections) == 3
    assert [text.get_text() for text in bare.get_legend().get_texts()] == ["0", "1", "2"]
    run = tmf.simulate(game, policy, tmf.Batch(30), 100, replicas=10, rng=0)
    both = found.plot(simulation=run, ax=tmf_axes())
    assert "B=30" in both.get_title(loc="left") and "N = 100" in both.get_title(loc="left")
    assert len(both.containers) == 3  # error bars
    assert len(found.plot(simulation=tmf.simulate(game, policy, tmf.Batch(30), 100, rng=0)).containers) == 3
    with pytest.raises(ValueError, match="n_agents is None"):
        fluctuations(game, policy, tmf.Synchronous()).plot()


def tmf_axes():
    from tmfcore import plotting

    return plotting.figure(1)[1][0]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"game": 1}, TypeError, "game is 1"),
        ({"policy": 1}, TypeError, "policy is 1"),
        ({"schedule": 1}, TypeError, "schedule is 1"),
        ({"schedule": tmf.Sequential()}, ValueError, "n_agents is None"),
        ({"n_agents": 0}, ValueError, "n_agents is 0"),
        ({"start": "there"}, ValueError, "start is 'there'"),
        ({"record_every": 0}, ValueError, "record_every is 0"),
        ({"jacobian": "guess"}, ValueError, "jacobian is 'guess'"),
        ({"jacobian": "exact"}, ValueError, "jacobian is 'exact', but the transitions depend on mu or t"),
    ],
)
def test_errors(change, error, message):
    case, spec = population()
    arguments = {"game": case.build(), "policy": spec.build(5), "schedule": tmf.Synchronous()} | change
    with pytest.raises(error, match=message):
        fluctuations(**arguments)


def test_exact_needs_a_known_policy():
    game = strategies.random_game(0).build()
    with pytest.raises(ValueError, match="policy is a callable"):
        fluctuations(game, lambda mu: np.full((3, 2), 0.5), tmf.Synchronous(), jacobian="exact")


def test_an_overflow_is_an_error():
    """Phi' = 3/2 at the centre, 2000 steps: (3/2)^4000 is no double."""

    def transition(mu):
        p = np.clip(0.5 + 1.5 * (mu[0] - 0.5), 0, 1)
        return np.array([[[p, 1 - p]], [[p, 1 - p]]])

    game = tmf.Game(2, 1, 2000, 1.0, [0.5, 0.5], np.zeros((2, 1)), transition)
    with pytest.raises(ValueError, match="the covariance overflows at t = 8"):
        fluctuations(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), record_every=100)
