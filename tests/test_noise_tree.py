"""A game whose common noise is a Markov chain, on the tree of its histories, against a slow recursion over this tree."""

from itertools import pairwise, product

import numpy as np
import pytest
from noise_cases import CHAIN, A, S, at_start, game, histories, noisy, recursion, tables

import tmfcore as tmf
from tmfcore._model.noise_tree import NoiseTree

INITIAL = np.array([0.6, 0.4])
BETA = 0.6
SCHEDULE = tmf.Fraction(BETA)


def number(h, Z=2):
    return sum(z * Z**i for i, z in enumerate(reversed(h)))


def seeing(seed, T=None):
    """A random policy over the present state of the noise."""
    shape = (2, S) if T is None else (T, 2, S)
    return tmf.NoisePolicy(np.random.default_rng(seed).dirichlet(np.ones(A), shape))


@pytest.mark.parametrize("clock", ["schedule", "always"])
@pytest.mark.parametrize("T", [1, 2, 3, 4])
def test_values_and_exploitability_are_those_of_the_recursion_over_histories(T, clock):
    policy = seeing(T, T)
    tree = NoiseTree(noisy(T))
    mu, values, best = recursion(
        tables, CHAIN, INITIAL, T, 0.9, BETA, lambda h, now: policy.table[len(h) - 1, h[-1]], clock == "always"
    )
    played = tree.policy(policy)
    flow = tmf.mean_field(tree.game, played, SCHEDULE)
    found = tmf.evaluate(tree.game, played, SCHEDULE, clock=clock)
    response = tmf.best_response(tree.game, flow, SCHEDULE, clock=clock)
    for h in histories(T):
        t, n = len(h) - 1, number(h)
        probabilities, populations = tree.histories.populations(flow.mu[t], t)
        expected = CHAIN.initial[h[0]] * np.prod([CHAIN.transition[z, after] for z, after in pairwise(h)])
        assert abs(probabilities[n] - expected) < 1e-14
        np.testing.assert_allclose(populations[n], mu[h], atol=1e-14)
        np.testing.assert_allclose(found.values[t].reshape(-1, S)[n], values[h], atol=1e-12)
        np.testing.assert_allclose(response.values[t].reshape(-1, S)[n], best[h], atol=1e-12)
    gap = at_start(CHAIN, INITIAL, best) - at_start(CHAIN, INITIAL, values)
    assert abs(found.mean_return - at_start(CHAIN, INITIAL, values)) < 1e-12
    assert abs(tmf.exploitability(tree.game, played, SCHEDULE, clock=clock) - gap) < 1e-8
    most = max((best[h] - values[h]).max() for h in histories(T))
    assert abs(tmf.exploitability(tree.game, played, SCHEDULE, clock=clock, pointwise=True) - most) < 1e-12


def test_the_best_response_is_the_best_of_all_policies_that_see_the_history():
    """All 2^12 deterministic policies of an agent who sees z_0..z_t and its observation, T = 2, one by one."""
    T, policy = 2, seeing(5)
    seen = [(h, o) for h in histories(T) for o in range(S)]
    mu, _, _ = recursion(tables, CHAIN, INITIAL, T, 0.9, BETA, lambda h, now: policy.table[0, h[-1]])
    at = {h: tables(mu[h], len(h) - 1, CHAIN.values[h[-1]]) for h in histories(T)}

    def value(h, o, action):
        later = np.zeros(S)
        if len(h) < T:
            later = sum(CHAIN.transition[h[-1], z] * np.array([value((*h, z), x, action) for x in range(S)]) for z in (0, 1))
        reward, rows, waiting, rest = at[h]
        a = action[h, o]
        return BETA * (reward[o, a] + 0.9 * rows[o, a] @ later) + (1 - BETA) * (waiting[o] + 0.9 * rest[o] @ later)

    best = max(
        sum(CHAIN.initial[z] * INITIAL[o] * value((z,), o, dict(zip(seen, actions, strict=True))) for z in (0, 1) for o in range(S))
        for actions in product(range(A), repeat=len(seen))
    )
    tree = NoiseTree(noisy(T))
    played = tree.policy(policy)
    response = tmf.best_response(tree.game, tmf.mean_field(tree.game, played, SCHEDULE), SCHEDULE)
    assert abs(tree.game.initial @ response.values[0] - best) < 1e-12


def test_flow_and_return_are_the_means_over_all_paths():
    T, policy = 4, seeing(3, 4)
    tree = NoiseTree(noisy(T))
    states, probabilities = CHAIN.paths(T)
    flows = [tmf.mean_field(game(T).replace(noise=CHAIN.values[path]), policy.on(path), SCHEDULE).mu for path in states]
    returns = [tmf.evaluate(game(T).replace(noise=CHAIN.values[path]), policy.on(path), SCHEDULE).mean_return for path in states]
    found = tmf.evaluate(tree.game, tree.policy(policy), SCHEDULE)
    np.testing.assert_allclose(found.flow.mu.reshape(T + 1, -1, S).sum(axis=1), np.tensordot(probabilities, flows, 1), atol=1e-14)
    np.testing.assert_allclose(found.flow.mu.sum(axis=1), 1.0, atol=1e-14)
    assert abs(found.mean_return - probabilities @ returns) < 1e-12


@pytest.mark.parametrize("chain", [CHAIN, tmf.NoiseChain([1.0], [[1.0]], values=[0.7])], ids=["two states", "one state"])
def test_noise_without_effect_changes_nothing(chain):
    T = 4
    parts = [lambda mu, t, z, k=k: tables(mu, t, 0.7)[k] for k in range(4)]
    plain = tmf.Game(S, A, T, 0.9, INITIAL, *parts[:2], passive_reward=parts[2], passive_transition=parts[3], noise=np.zeros(T))
    tree = NoiseTree(plain.replace(noise=chain))
    policy = tmf.TabularPolicy(np.random.default_rng(1).dirichlet(np.ones(A), (2, S)))
    played = tree.policy(policy)
    one, other = tmf.evaluate(plain, policy, SCHEDULE), tmf.evaluate(tree.game, played, SCHEDULE)
    np.testing.assert_allclose(other.flow.mu.reshape(T + 1, -1, S).sum(axis=1), one.flow.mu, atol=1e-13)
    assert abs(one.mean_return - other.mean_return) < 1e-12
    for pointwise in (False, True):
        gaps = [tmf.exploitability(*pair, SCHEDULE, pointwise=pointwise) for pair in ((plain, policy), (tree.game, played))]
        assert abs(gaps[0] - gaps[1]) < 1e-12


def test_arrays_sparse_rows_and_agents_that_stay():
    """A constant sparse kernel, and passive agents that stay, against the same game with dense functions."""
    T = 3
    successors = np.array([[[1, 0], [1, 1]], [[0, 1], [1, 0]]])
    rows = np.array([[[0.3, 0.7], [0.5, 0.5]], [[0.2, 0.8], [0.6, 0.4]]])
    dense = np.zeros((S, A, S))
    np.add.at(dense, (*np.indices(rows.shape)[:2], successors), rows)
    reward = lambda mu, t, z: tables(mu, t, z)[0]  # noqa: E731
    common = {"noise": np.zeros(T), "passive_reward": np.array([0.1, 0.4])}
    sparse = tmf.Game(S, A, T, 0.9, INITIAL, reward, rows, successors=successors, **common)
    full = tmf.Game(
        S, A, T, 0.9, INITIAL, reward, lambda mu: dense, passive_transition=lambda mu: np.eye(S), **common
    )
    policy = seeing(2)
    trees = [NoiseTree(each.replace(noise=CHAIN)) for each in (sparse, full)]
    assert isinstance(trees[0].game.transition, np.ndarray) and callable(trees[1].game.transition)
    one, other = (tmf.evaluate(tree.game, tree.policy(policy), SCHEDULE) for tree in trees)
    np.testing.assert_allclose(one.flow.mu, other.flow.mu, atol=1e-14)
    np.testing.assert_allclose(one.values, other.values, atol=1e-13)


def test_a_game_in_sweeps_under_a_schedule():
    """Functions get the time in sweeps, and the chain changes with every step."""
    seen = set()

    def reward(mu, t, z):
        seen.add(t)
        return np.array([[z, t], [1.0, 0.0]]) - mu[:, None]

    whole = tmf.Game(S, A, 2.0, 0.81, INITIAL, reward, [[[1, 0], [0, 1]]] * 2, time="sweeps", noise=[0.0])
    tree = NoiseTree(whole.replace(noise=CHAIN).at(tmf.Batch(5), 10))
    assert tree.game.n_steps == 4
    policy = lambda mu, t, z: np.array([[0.5 + 0.1 * z, 0.5 - 0.1 * z], [0.25 * t, 1 - 0.25 * t]])  # noqa: E731
    found = tmf.evaluate(tree.game, tree.policy(policy), tmf.Batch(5), 10)
    states, probabilities = CHAIN.paths(4)
    returns = []
    for path in states:
        z = CHAIN.values[path]
        on_path = whole.replace(noise=z)
        returns.append(tmf.evaluate(on_path, lambda mu, t, z=z: policy(mu, t, z[round(2 * t)]), tmf.Batch(5), 10).mean_return)
    assert abs(found.mean_return - probabilities @ returns) < 1e-12
    assert seen == {0, 0.5, 1.0, 1.5}


def test_policies_of_mu_see_the_population_after_the_history():
    T = 3

    def policy(mu, t, z):
        first = np.clip(0.5 + 0.2 * z * mu, 0, 1)
        return np.stack([first, 1 - first], axis=1)

    tree = NoiseTree(noisy(T))
    _, values, best = recursion(tables, CHAIN, INITIAL, T, 0.9, BETA, lambda h, now: policy(now, 0, CHAIN.values[h[-1]]))
    found = tmf.exploitability(tree.game, tree.policy(policy), SCHEDULE)
    assert abs(found - at_start(CHAIN, INITIAL, best) + at_start(CHAIN, INITIAL, values)) < 1e-12
    affine = tmf.SoftmaxPolicy(np.random.default_rng(1).normal(size=(1, S, A, 1 + S)))
    _, values, _ = recursion(tables, CHAIN, INITIAL, T, 0.9, BETA, lambda h, now: affine.probabilities(now))
    assert abs(tmf.evaluate(tree.game, tree.policy(affine), SCHEDULE).mean_return - at_start(CHAIN, INITIAL, values)) < 1e-12


def test_an_equilibrium_of_the_tree_does_not_foresee():
    """On each path a solution is at most as exploitable, by agents that foresee it, as foresight is worth."""
    T = 4
    law = noisy(T)
    solution = tmf.solve(law, SCHEDULE, absolute_tolerance=1e-7, tolerance=None)
    assert solution.converged and solution.paths is None and solution.judgement is None
    assert solution.information == "all of the noise so far, exactly (16 histories)"
    assert abs(tmf.exploitability(law, solution, SCHEDULE) - solution.exploitability) < 1e-13
    evaluation = tmf.evaluate(law, solution, SCHEDULE)
    assert abs(evaluation.mean_return - solution.mean_return) < 1e-12
    np.testing.assert_allclose(solution.flow.mu, evaluation.flow.mu, atol=1e-12)
    states, _ = CHAIN.paths(T)
    played = {}
    for path in states:
        on_path, policy = law.on(path), solution.policy.on(path)
        assert np.array_equal(on_path.noise, CHAIN.values[path])
        mu = tmf.mean_field(on_path, policy, SCHEDULE).mu
        for t in range(T):  # what has happened depends on z_0..z_{t-1} alone, and what is played on z_0..z_t
            assert np.array_equal(played.setdefault((t, *path[:t]), mu[t]), mu[t])
            assert np.array_equal(played.setdefault(("pi", *path[: t + 1]), policy.table[t]), policy.table[t])
    clairvoyant = [tmf.exploitability(law.on(path), solution, SCHEDULE) for path in states]
    assert max(clairvoyant) > 100 * solution.exploitability  # knowing the future is worth something


@pytest.mark.parametrize(
    "schedule",
    [
        tmf.Bernoulli([[0.2, 0.7]]), tmf.Bernoulli([[0.2, 0.7], [0.9, 0.1], [0.4, 0.6]]),
        tmf.Bernoulli(lambda mu, t: 0.3 + 0.1 * t + 0.4 * mu), tmf.Bernoulli(lambda mu, t: 0.3 + 0.2 * mu[0]),
        tmf.Fraction(lambda mu, t: 0.3 + 0.2 * mu[0] + 0.1 * t), tmf.Batch(lambda mu: int(1000 * mu[0])),
    ],
    ids=["by observation", "and step", "of mu", "one for all", "shares", "batches"],
)  # fmt: skip
def test_schedules_that_depend_on_the_observation_or_the_population(schedule):
    T, policy = 3, seeing(7)
    tree = NoiseTree(noisy(T))
    states, probabilities = CHAIN.paths(T)
    returns = [
        tmf.evaluate(game(T).replace(noise=CHAIN.values[z]), policy.on(z), schedule, 1000).mean_return for z in states
    ]
    found = tmf.evaluate(tree.game, tree.policy(policy), tree.schedule(schedule, 1000), 1000).mean_return
    assert abs(found - probabilities @ returns) < 1e-12
    assert tree.schedule(SCHEDULE) is SCHEDULE
