"""Gradient statistics against the reference, and the policy-gradient identity (Theory, section 7)."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
import reference_gradient
import reference_laws
import stat_tests
import tmfcore as tmf
from strategies import cases, random_game, random_policy, seeds
from tmfcore._model.policies import as_policy
from tmfcore._population import counts as counts_kernel
from tmfcore.solvers import _gradient, _observed

pytestmark = pytest.mark.law

N_AGENTS = 9


def outputs(n_stages, game, n_features):
    """(direction, visits) filled with what a kernel must overwrite."""
    shape = (n_stages, game.n_observations, game.n_actions)
    return np.full((*shape, n_features), np.nan), np.full(shape, np.nan)


def features_of(data, game):
    """One feature (tabular logits) or 1 + S (affine)."""
    return data.draw(st.sampled_from((1, 1 + game.n_observations)))


def population(case, game, seed):
    """(start counts, active fractions (T,))."""
    start = np.random.default_rng(seed).multinomial(N_AGENTS, game.initial)
    return start, np.ascontiguousarray(case.schedule.build().active_fraction(game.horizon, N_AGENTS))


@given(st.data(), cases(N_AGENTS), st.booleans(), st.sampled_from(("schedule", "always")))
def test_model_direction_is_that_of_the_reference(data, case, natural, clock):
    """Any sampled flow and decisions, any number of stages, tabular and affine features."""
    game, policy, schedule = case.build()
    n_stages, n_features = data.draw(st.integers(1, game.horizon)), features_of(data, game)
    run = tmf.simulate(game, policy, schedule, N_AGENTS, rng=data.draw(seeds))
    _, active = population(case, game, 0)
    mu, decisions = run.mu[0], run.decisions[0]
    direction, visits = outputs(n_stages, game, n_features)
    value = _gradient.model_direction(game.model, as_policy(policy, game), mu, decisions, active, game.discount,
                                      clock == "always", natural, direction, visits)  # fmt: skip
    right, right_policy = case.reference()
    advantage = reference_gradient.model_advantages(right, right_policy, mu, active, clock)
    weights = advantage if natural else decisions * advantage
    expected = reference_gradient.direction(right_policy, mu, decisions, weights, n_stages, n_features, natural)
    np.testing.assert_allclose(direction, expected[0], rtol=0, atol=1e-10)
    np.testing.assert_array_equal(visits, expected[1])
    assert value == pytest.approx(mu[0] @ reference.values(right, right_policy, mu, active, clock)[0][0], abs=1e-11)


@given(st.data(), cases(N_AGENTS), st.booleans())
def test_mean_field_decisions_are_those_of_the_flow(data, case, natural):
    """decisions=None weighs by mu_t(o) beta_t pi(a|o)."""
    game, policy, schedule = case.build()
    n_stages, n_features = data.draw(st.integers(1, game.horizon)), features_of(data, game)
    flow = tmf.mean_field(game, policy, schedule, N_AGENTS)
    active = np.ascontiguousarray(flow.active_fraction)
    direction, visits = outputs(n_stages, game, n_features)
    _gradient.model_direction(game.model, as_policy(policy, game), flow.mu, None, active, game.discount, False, natural,
                              direction, visits)  # fmt: skip
    right, right_policy = case.reference()
    advantage = reference_gradient.model_advantages(right, right_policy, flow.mu, active, "schedule")
    decisions = np.array([
        active[t] * flow.mu[t][:, None] * right_policy(flow.mu[t], t) for t in range(game.horizon)
    ])  # fmt: skip
    weights = advantage if natural else decisions * advantage
    expected = reference_gradient.direction(right_policy, flow.mu, decisions, weights, n_stages, n_features, natural)
    np.testing.assert_allclose(direction, expected[0], rtol=0, atol=1e-10)
    np.testing.assert_allclose(visits, expected[1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["affine", "softmax"])
@pytest.mark.parametrize("beta", [1.0, 0.3])
def test_plain_direction_is_the_gradient_of_the_mean_return(kind, beta):
    """With discount 1 and the flow held fixed: central differences of sum_o mu_0 V_0 in every theta, to 1e-7."""
    spec = random_game(41, 3, 2, 5, discount=1.0, dependence="mu_t", passive="dense")
    policy = random_policy(42, 3, 2, kind=kind, stages=2)
    game, schedule = spec.build(), tmf.Fraction(beta)
    flow = tmf.mean_field(game, policy.build(5), schedule)
    n_features = 4 if kind == "affine" else 1
    direction, visits = outputs(2, game, n_features)
    _gradient.model_direction(game.model, policy.build(5).kernel, flow.mu, None, np.array([beta]), 1.0, False, False,
                              direction, visits)  # fmt: skip
    theta = policy.parameters
    for index in np.ndindex(theta.shape):
        shift = np.zeros(theta.shape)
        shift[index] = 1e-5
        sides = [tmf.evaluate(game, tmf.SoftmaxPolicy(theta + sign * shift), schedule, flow=flow).mean_return
                 for sign in (1, -1)]  # fmt: skip
        assert direction.reshape(theta.shape)[index] == pytest.approx((sides[0] - sides[1]) / 2e-5, abs=1e-7)
    assert np.abs(direction).max() > 0.02


@pytest.mark.parametrize("moves", [[("batch", 1)] * 2, [("batch", 2)] * 2, [("coin", 0.4)] * 2], ids=str)
def test_model_direction_is_unbiased_where_nothing_depends_on_mu(moves):
    """N = 2, discount 1: its expectation over all enumerated paths is sum_i d/d theta_i J_i, to 1e-7."""
    spec = random_game(43, 2, 2, 2, discount=1.0, passive="dense", initial=[0.5, 0.5])
    theta = np.random.default_rng(44).normal(size=(2, 2, 2, 1))
    game, right = spec.build(), spec.reference()
    made = tmf.SoftmaxPolicy(theta[..., 0])

    def make(theta):
        return reference.tabular(reference.softmax(theta[..., 0]), 2)

    active = reference.active_fraction(moves, 2)
    total = np.zeros(theta.shape)
    for path, weight in reference_laws.counts_paths(right, make(theta), moves, (1, 1)).items():
        direction, visits = outputs(2, game, 1)
        mu = np.array(path[::2]) / 2
        decisions = np.array(path[1::2]).reshape(2, 2, 2)
        _gradient.model_direction(game.model, made.kernel, mu, decisions, active, 1.0, False, False, direction, visits)
        total += weight * direction
    expected = reference_gradient.own_gradient(right, make, theta, moves, (0, 1))
    np.testing.assert_allclose(total, expected, rtol=0, atol=1e-7)
    assert np.abs(expected).max() > 0.02


def memory(data, game, pool):
    """(tables q and w, what a kernel must overwrite with its sums) of J intervals."""
    n_intervals, size = -(-game.horizon // pool), game.n_observations
    rng = np.random.default_rng(data.draw(seeds))
    tables = rng.normal(size=(n_intervals, size, game.n_actions)), rng.normal(size=(n_intervals, size))
    return tables, tuple(np.full((2, *table.shape), np.nan) for table in tables)


def levels(direction):
    """(level, surplus) filled with what a kernel must overwrite."""
    return np.full(direction.shape, np.nan), np.full(direction.shape[:2], np.nan)


@given(st.data(), cases(N_AGENTS), st.booleans(), st.sampled_from(("schedule", "always")), st.integers(1, 4))
def test_empirical_direction_is_that_of_the_reference(data, case, natural, clock, pool):
    """The recursion on observed rewards and frequencies, pooled over intervals, sparse and dense."""
    game, policy, schedule = case.build()
    n_stages, n_features, seed = data.draw(st.integers(1, game.horizon)), features_of(data, game), data.draw(seeds)
    start, active = population(case, game, seed)
    model, horizon, size = game.model, game.horizon, game.n_observations
    tables, sums = memory(data, game, pool)
    intervals = -(-horizon // pool)
    shape = (intervals, size, game.n_actions)
    counts, decisions = np.zeros((intervals + 1, size), np.int64), np.zeros(shape, np.int64)
    flows = (np.zeros((*shape, model.n_successors), np.int64), np.zeros(shape),
             np.zeros((intervals, size, model.n_passive_successors), np.int64),
             np.zeros((intervals, size)))  # fmt: skip
    kernel = as_policy(policy, game)
    counts_kernel.run(model, kernel, np.random.PCG64(seed), start, horizon, game.discount,
                *schedule._kernel(horizon, N_AGENTS), pool, counts, decisions, np.zeros(intervals),
                flows)  # fmt: skip
    mu = counts / N_AGENTS
    direction, visits = outputs(n_stages, game, n_features)
    value = _observed.empirical_direction(
        kernel, mu, flows, model.successors, model.passive_successors, horizon, pool, active, game.discount,
        clock == "always", tables, sums, natural, direction, visits, *(level := levels(direction)),
    )  # fmt: skip

    gone, stayed = np.zeros((*shape, size)), np.zeros((intervals, size, size))
    for index, n in np.ndenumerate(flows[0]):
        target = index[3] if model.successors is None else model.successors[index[1:]]
        gone[(*index[:3], target)] += n
    for index, n in np.ndenumerate(flows[2]):
        target = index[2] if model.passive_successors is None else model.passive_successors[index[1:]]
        stayed[(*index[:2], target)] += n
    _, right_policy = case.reference()
    advantages, v, acted, waited = reference_gradient.empirical_advantages(
        right_policy, mu, gone, flows[1], stayed, flows[3], horizon, pool, active, game.discount, clock, tables
    )
    expected, expected_level = np.zeros((2, n_stages, size, game.n_actions, n_features))
    seen, surplus = np.zeros((n_stages, size, game.n_actions)), np.zeros((n_stages, size))
    for j in range(intervals):
        first = j * pool
        stage = (first + min(first + pool, horizon)) // 2 * n_stages // horizon
        phi = reference.features(mu[j])[:n_features]
        weights, ones = decisions[j] * advantages[j], decisions[j].astype(float)
        surplus[stage] += weights.sum(axis=1)
        if not natural:
            weights, ones = (x - right_policy(mu[j], first) * x.sum(axis=1, keepdims=True) for x in (weights, ones))
        expected[stage] += weights[..., None] * phi
        expected_level[stage] += ones[..., None] * phi
        seen[stage] += decisions[j]
    np.testing.assert_allclose(direction, expected, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(visits, seen)
    np.testing.assert_allclose(sums[0], acted, rtol=0, atol=1e-10)
    np.testing.assert_allclose(sums[1], waited, rtol=0, atol=1e-10)
    np.testing.assert_allclose(level[0], expected_level, rtol=0, atol=1e-10)
    np.testing.assert_allclose(level[1], surplus, rtol=0, atol=1e-10)
    assert value == pytest.approx(mu[0] @ v, abs=1e-11)


def test_empirical_is_model_where_all_was_seen():
    """Resource selection moves agents with certainty: with the model's own Q as tables nothing is unforeseen."""
    game = tmf.games.resource_selection([1.0, 0.7, 0.4], congestion=[1.0, 1.0, 2.0], switching_cost=0.1, horizon=6, step=1).at()
    game_start = np.array([400, 300, 300])
    policy = tmf.SoftmaxPolicy(np.random.default_rng(1).normal(size=(2, 3, 3)))
    shape = (6, 3, 3)
    flows = (np.zeros((*shape, 1), np.int64), np.zeros(shape), np.zeros((6, 3, 1), np.int64), np.zeros((6, 3)))
    counts, decisions, active = np.zeros((7, 3), np.int64), np.zeros(shape, np.int64), np.array([0.5])
    counts_kernel.run(game.model, policy.kernel, np.random.PCG64(2), game_start, 6, game.discount, np.array([500]), None, 1,
                counts, decisions, np.zeros(6), flows)  # fmt: skip
    mu = counts / 1000
    right = reference.resource_selection([1.0, 0.7, 0.4], [1.0, 1.0, 2.0], switching_cost=0.1, horizon=6)
    pi = reference.tabular(reference.softmax(policy.theta), 6)
    values, q = reference.values(right, pi, mu, np.full(6, 0.5), "schedule")
    resting = np.array([right.tables(mu[t], t)[2] for t in range(6)]) + game.discount * values[1:]
    seen, visits = outputs(2, game, 1)
    known, known_visits = outputs(2, game, 1)
    cells = game.model.successors, game.model.passive_successors
    tables = np.array(q), resting
    sums = tuple(np.full((2, *table.shape), np.nan) for table in tables)
    one = _observed.empirical_direction(policy.kernel, mu, flows, *cells, 6, 1, active, game.discount, False, tables,
                                        sums, False, seen, visits, *levels(seen))  # fmt: skip
    other = _gradient.model_direction(game.model, policy.kernel, mu, decisions, active, game.discount, False, False,
                                      known, known_visits)  # fmt: skip
    np.testing.assert_allclose(seen, known, rtol=1e-10)
    np.testing.assert_array_equal(visits, known_visits)
    np.testing.assert_allclose(sums[0][0], decisions * q, rtol=1e-10)
    assert one == pytest.approx(other, rel=1e-12)


@given(st.data(), cases(N_AGENTS), st.booleans(), st.integers(1, 6))
def test_returns_direction_is_that_of_the_reference(data, case, natural, pool):
    """Monte-Carlo returns of individuals, net of what tables of other samples foresee."""
    game, policy, schedule = case.build()
    n_stages, n_features = data.draw(st.integers(1, game.horizon)), features_of(data, game)
    run = tmf.simulate(game, policy, schedule, N_AGENTS, trajectories=True, rng=data.draw(seeds))
    observations = np.ascontiguousarray(run.trajectories.observations.T)
    actions = np.ascontiguousarray(run.trajectories.actions.T)
    direction, visits = outputs(n_stages, game, n_features)
    tables, sums = memory(data, game, pool)
    mu, decisions = run.mu[0], run.decisions[0]
    _, active = population(case, game, 0)
    value = _observed.returns_direction(game.model, as_policy(policy, game), mu, observations, actions, active,
                                        game.discount, pool, tables, sums, natural, direction, visits,
                                        *(level := levels(direction)))  # fmt: skip
    right, right_policy = case.reference()
    weights, acted, waited = reference_gradient.returns_weights(
        right, right_policy, observations, actions, active, game.discount, pool, tables
    )
    plain = partial(reference_gradient.direction, right_policy, mu, decisions, n_stages=n_stages, n_features=n_features, natural=False)
    (expected, seen), (expected_level, _) = plain(weights), plain(decisions.astype(float))
    surplus = np.zeros((n_stages, game.n_observations))
    if natural:
        expected, expected_level = np.zeros((2, *expected.shape))
    for t in range(game.horizon):
        stage, phi = t * n_stages // game.horizon, reference.features(mu[t])[:n_features]
        surplus[stage] += weights[t].sum(axis=1)
        if natural:
            expected[stage] += weights[t][..., None] * phi
            expected_level[stage] += decisions[t][..., None] * phi
    np.testing.assert_allclose(level[0], expected_level, rtol=0, atol=1e-10)
    np.testing.assert_allclose(level[1], surplus, rtol=0, atol=1e-10)
    np.testing.assert_allclose(direction, expected, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(visits, seen)
    np.testing.assert_allclose(sums[0], acted, rtol=0, atol=1e-10)
    np.testing.assert_allclose(sums[1], waited, rtol=0, atol=1e-10)
    assert value == pytest.approx(run.returns[0], abs=1e-12)


@pytest.mark.parametrize("schedule", ["batch", "bernoulli", "synchronous"])
@pytest.mark.broad(1)
def test_simulated_scores_estimate_the_gradient(schedule):
    """The identity of section 7 on simulated individuals: N = 2, T = 2, mu in game and policy, affine logits.

    The mean over 2,000 trajectories of sum_i sum_t gamma^t grad log pi G against sum_i d/d theta_i J_i by enumeration,
    |z| < 6 for each of the 24 parameters: rate 24 * 2e-9.
    """
    moves = {"batch": [("batch", 1)] * 2, "bernoulli": [("coin", 0.6)] * 2, "synchronous": [("batch", 2)] * 2}[schedule]
    made = {"batch": tmf.Batch(1), "bernoulli": tmf.Bernoulli(0.6), "synchronous": tmf.Synchronous()}[schedule]
    spec = random_game(45, 2, 2, 2, 0.8, dependence="mu_t", passive="dense", zeros=False, initial=[0.5, 0.5])
    policy = random_policy(46, 2, 2, kind="affine", stages=2)
    game, built, right = spec.build(), policy.build(2), policy.reference(2)
    streams = np.random.default_rng(47)
    samples = []
    for _ in range(2_000):
        run = tmf.simulate(game, built, made, 2, trajectories=True, rng=streams, threads=1).trajectories
        samples.append(reference_gradient.score_return(right, run.observations.T.astype(int), run.actions.T.astype(int),
                                              run.rewards.T, 0.8, policy.parameters.shape))  # fmt: skip
    expected = reference_gradient.own_gradient(
        spec.reference(), lambda theta: reference.affine(theta, 2), policy.parameters, moves, (0, 1)
    )
    stat_tests.assert_mean(samples, expected, slack=1e-7)
