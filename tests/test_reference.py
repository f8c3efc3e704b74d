"""The reference against itself: two routes to every exact law, the figures of section 8, the gradient identity."""

from collections import Counter

import numpy as np
import pytest

import reference
import reference_gradient
import reference_laws
import stat_tests
from strategies import random_game, random_policy

MOVES = [
    [("batch", 3)] * 2,
    [("batch", 1)] * 2,
    [("batch", 2), ("batch", 0)],
    [("coin", 0.3), ("coin", 1.0)],
]


def small(seed, dependence="mu_t", passive="dense", kind="affine", size=2, horizon=2, discount=0.8):
    """A tiny game and policy as reference objects."""
    spec = random_game(seed, size, 2, horizon, discount, dependence=dependence, passive=passive)
    return spec.reference(), random_policy(seed, size, 2, kind=kind, stages=2).reference(horizon)


@pytest.mark.parametrize("moves", MOVES)
@pytest.mark.parametrize("passive", ["identity", "dense"])
@pytest.mark.parametrize("size", [2, 3])
def test_counts_law_is_the_law_of_the_individuals(moves, passive, size):
    """The lumped chain of section 5 and the chain on all S^N configurations are one law."""
    game, policy = small(11, passive=passive, size=size)
    start = (2, 1) + (0,) * (size - 2)
    lumped = reference_laws.counts_laws(game, policy, moves, start)
    individual = reference_laws.configuration_laws(game, policy, moves, reference_laws.start_configuration(start))
    for counts, law in zip(lumped, map(reference_laws.configurations_to_counts, individual)):
        assert set(counts) >= set(law)
        for key in counts:
            assert counts[key] == pytest.approx(law.get(key, 0.0), abs=1e-12)


@pytest.mark.parametrize("moves", MOVES)
def test_return_by_paths_is_the_mean_value_of_the_individuals(moves):
    """Expected discounted return per head: by counts paths and by the value of each of the N agents."""
    game, policy = small(5)
    start = (1, 2)
    by_paths = sum(
        p * (game.discount ** np.arange(2) @ reference_laws.path_rewards(game, path))
        for path, p in reference_laws.counts_paths(game, policy, moves, start).items()
    )
    configuration = reference_laws.start_configuration(start)
    by_agents = np.mean([reference_gradient.agent_value(game, [policy] * 3, moves, configuration, i) for i in range(3)])
    assert by_paths == pytest.approx(by_agents, abs=1e-12)


@pytest.mark.parametrize("moves", MOVES)
def test_schedule_clock_is_what_agents_earn_when_nothing_depends_on_mu(moves):
    """Without mu in game or policy the N-agent return equals the mean-field return of clock="schedule", for every N."""
    game, policy = small(8, dependence="fixed", kind="tabular")
    start = (1, 2)
    game = reference.Game(2, 2, 2, 0.8, np.array(start) / 3, game.tables)
    active = reference.active_fraction(moves, 3)
    by_paths = sum(
        p * (game.discount ** np.arange(2) @ reference_laws.path_rewards(game, path))
        for path, p in reference_laws.counts_paths(game, policy, moves, start).items()
    )
    assert by_paths == pytest.approx(reference.mean_return(game, policy, active, "schedule"), abs=1e-12)


def test_resource_selection_reaches_the_figures_of_the_theory():
    """Section 8: the equilibrium without switching costs is water-filling (.533, .333, .133, 0)."""
    mu, level = reference.water_filling([1, 0.8, 0.6, 0.4], [1, 1, 1, 1])
    assert np.allclose(mu, [0.5333, 0.3333, 0.1333, 0], atol=1e-4)
    assert np.isclose(level, 1 - mu[0])
    game = reference.resource_selection([1, 0.8, 0.6, 0.4], [1] * 4, initial=[1, 0, 0, 0])
    tables = reference.values(game, None, np.tile(mu, (21, 1)), np.ones(20), "schedule")[0]
    assert np.ptp(tables[19][mu > 0]) < 1e-12  # at the equilibrium no used resource is better than another


@pytest.mark.parametrize("moves", MOVES)
@pytest.mark.parametrize("kind", ["affine", "softmax"])
def test_policy_gradient_identity(moves, kind):
    """Section 7: E sum_i sum_t gamma^t grad log pi G = sum_i d/d theta_i J_i: all trajectories against differences."""
    game, _ = small(21, passive="dense")
    theta = np.random.default_rng(3).normal(size=(2, 2, 2, 3 if kind == "affine" else 1))

    def make(theta):
        if kind == "affine":
            return reference.affine(theta, 2)
        return reference.tabular(reference.softmax(theta[..., 0]), 2)

    moves = [("batch", min(2, size)) if how == "batch" else (how, size) for how, size in moves]
    left = reference_gradient.expected_score_return(game, make(theta), moves, (0, 1), theta.shape)
    right = reference_gradient.own_gradient(game, make, theta, moves, (0, 1))
    assert np.abs(left).max() > 1e-3  # the identity is not 0 = 0
    assert np.allclose(left, right, atol=1e-8)


def test_gradient_of_one_trajectory_needs_only_the_weights():
    """Section 7: sum over agents of grad log pi * advantage equals the form in W, for affine logits."""
    rng = np.random.default_rng(0)
    horizon, n_agents, size, n_actions = 4, 6, 3, 2
    observations = rng.integers(size, size=(horizon, n_agents))
    actions = rng.integers(-1, n_actions, size=(horizon, n_agents))
    advantage = rng.normal(size=(horizon, n_agents))
    theta = rng.normal(size=(2, size, n_actions, 1 + size))
    policy = reference.affine(theta, horizon)
    mu = np.array([np.bincount(x, minlength=size) / n_agents for x in observations])
    direct = np.zeros(theta.shape)
    weights, decisions = np.zeros((2, horizon, size, n_actions))
    for t, i in np.argwhere(actions >= 0):
        o, a = observations[t, i], actions[t, i]
        direct += advantage[t, i] * reference_gradient.score(policy(mu[t], t), mu[t], t * 2 // horizon, o, a, theta.shape)
        weights[t, o, a] += advantage[t, i]
        decisions[t, o, a] += 1
    plain, _ = reference_gradient.direction(policy, mu, decisions, weights, 2, 1 + size, natural=False)
    assert np.allclose(direct, plain, atol=1e-12)


@pytest.mark.parametrize("move", [("batch", 2), ("coin", 0.4)])
def test_step_covariance_is_the_covariance_of_the_enumerated_step(move):
    """Section 6: Q_t(mu) against the enumerated law of one step of N = 4 agents."""
    game, policy = small(31)
    start, n_agents = (3, 1), 4
    law = reference_laws.counts_laws(game, policy, [move], start)[1]
    x = np.array(list(law)) / n_agents
    p = np.array(list(law.values()))
    mu = np.array(start) / n_agents
    beta = move[1] / n_agents if move[0] == "batch" else move[1]
    assert np.allclose(p @ x, mu @ reference.mixed_kernel(game, policy, mu, 0, beta))
    exact = n_agents * ((x - p @ x).T * p) @ (x - p @ x)
    assert np.allclose(exact, reference.step_covariance(game, policy, mu, 0, move, n_agents), atol=1e-12)


def test_queueing_reaches_the_figures_of_the_theory():
    """Section 8: entropy-regularised play at the horizon's middle passes near mu = (.319, .114, .227, .341).

    The reference solves the game by damped natural-gradient steps with stages; the digits are those of the theory page.
    """
    game = reference.queueing([0.1, 0.2, 0.3])
    active = np.ones(20)
    theta = np.zeros((20, 4, 4))
    for k in range(300):
        policy = reference.tabular(reference.softmax(theta), 20)
        mu = reference.flow(game, policy, active)
        theta += 20 / (1 + k / 50) * reference_gradient.model_advantages(game, policy, mu, active, "schedule")
        theta -= theta.max(axis=-1, keepdims=True)
    policy = reference.tabular(reference.softmax(theta), 20)
    assert np.allclose(reference.flow(game, policy, active)[10], [0.319, 0.114, 0.227, 0.341], atol=2e-3)
    assert reference.mean_return(game, policy, active, "schedule") == pytest.approx(2.98, abs=0.01)
    assert reference.exploitability(game, policy, active, "schedule")[0] < 0.01


def test_chi_square_accepts_the_right_law_and_sees_a_wrong_one():
    """200 samples of 8,000 from a skewed law pass; from a law 4 points off in two cells, or with a stray value, they fail."""
    rng = np.random.default_rng(50)
    law = dict(enumerate([0.3, 0.3, 0.2, 0.1, 0.07, 0.02, 0.009, 0.001]))
    right, wrong = np.array(list(law.values())), np.array(list(law.values()))
    wrong[:2] += [0.04, -0.04]
    for _ in range(200):
        stat_tests.assert_law(rng.choice(8, 8_000, p=right).tolist(), law)
    with pytest.raises(AssertionError, match="p = "):
        stat_tests.assert_law(rng.choice(8, 8_000, p=wrong).tolist(), law)
    with pytest.raises(AssertionError, match="impossible"):
        stat_tests.assert_law([0, 1, 8], law)
    one, other = rng.choice(8, (2, 8_000), p=right).tolist()
    stat_tests.assert_same_law(one, other)
    with pytest.raises(AssertionError, match="differ"):
        stat_tests.assert_same_law(one, rng.choice(8, 8_000, p=right[::-1]).tolist())
    with pytest.raises(AssertionError, match=r"\|z\|"):
        stat_tests.assert_mean(rng.normal(0.1, 1.0, 8_000), 0.0)


@pytest.mark.parametrize("width", [1, 5, 10**9, 2**62])
def test_rows_are_counted_as_lists_of_tuples_are(width):
    rng = np.random.default_rng(3)
    pool = rng.integers(-width, width, (40, 4))  # of the widest, rows have no single number
    rows = pool[rng.integers(40, size=500)]
    plain = list(map(tuple, rows.tolist()))
    assert stat_tests.counted(rows) == Counter(plain)
    assert stat_tests.counted(rows[:, 0]) == Counter(rows[:, 0].tolist())
    assert stat_tests.counted(rows[:, 0] > 0, rows) == Counter(zip((rows[:, 0] > 0).tolist(), plain, strict=True))
    pairs = stat_tests.counted(rows[:, :2], rows[:, 2:])
    assert pairs == Counter((row[:2], row[2:]) for row in plain)
    assert stat_tests.marginal(pairs, (1,)) == Counter((row[2:],) for row in plain)
    with pytest.raises(AssertionError, match="impossible"):
        stat_tests.assert_law(rows, {plain[0]: 1.0})
