"""A policy on many paths of a common noise: every path is that of its game, and means are those of the enumerated tree."""

import numpy as np
import pytest
from noise_cases import CHAIN, A, S, game, tables

import tmfcore as tmf

SCHEDULE = tmf.Fraction(0.6)
POLICY = tmf.NoisePolicy(np.random.default_rng(1).dirichlet(np.ones(A), (4, 2, S)))
#: Standard errors that a mean of thousands of bounded numbers misses its expectation by with probability 1e-6.
WIDE = 4.9


@pytest.mark.parametrize("clock", ["schedule", "always"])
def test_every_path_is_that_of_its_game(clock):
    found = tmf.over_noise(game(4), POLICY, SCHEDULE, CHAIN, paths=5, clock=clock, rng=1)
    assert found.mu.shape == (5, 5, S) and found.noise.shape == (5, 4) and found.counts is None
    for r, z in enumerate(found.noise):
        on_path, policy = game(4).replace(noise=z), POLICY.on((z > 0).astype(int))
        one = tmf.evaluate(on_path, policy, SCHEDULE, clock=clock)
        assert np.array_equal(found.mu[r], one.flow.mu)
        assert abs(found.returns[r] - one.mean_return) < 1e-13
        assert abs(found.exploitability[r] - tmf.exploitability(on_path, policy, SCHEDULE, clock=clock)) < 1e-13
    assert found.mean_return == found.returns.mean() and found.mean_exploitability == found.exploitability.mean()


def test_means_over_sampled_paths_are_those_of_the_tree_and_foresight_is_a_bound():
    n, T = 2000, 4
    tree = tmf.NoiseTree(game(T), CHAIN)
    exact = tmf.evaluate(tree.game, tree.policy(POLICY), SCHEDULE)
    found = tmf.over_noise(game(T), POLICY, SCHEDULE, CHAIN, paths=n, rng=2)
    for sampled, expected in (
        (found.returns, exact.mean_return),
        *zip(found.mu[:, 1:, 0].T, exact.flow.mu.reshape(T + 1, -1, S).sum(axis=1)[1:, 0], strict=True),
    ):
        assert abs(sampled.mean() - expected) < WIDE * sampled.std(ddof=1) / n**0.5 + 1e-12
    gap = tmf.exploitability(tree.game, tree.policy(POLICY), SCHEDULE)
    states, probabilities = CHAIN.paths(T)
    on_paths = [tmf.exploitability(game(T).replace(noise=CHAIN.values[z]), POLICY.on(z), SCHEDULE) for z in states]
    assert probabilities @ on_paths > gap  # exactly, over all paths
    assert abs(found.mean_exploitability - probabilities @ on_paths) < WIDE * found.exploitability.std(ddof=1) / n**0.5


def test_gains_of_a_deviation_are_those_of_the_tree_and_between_its_bounds():
    """The best response of those who know the noise so far gains the exploitability on the tree, in the mean over paths."""
    n, T = 2000, 4
    tree = tmf.NoiseTree(game(T), CHAIN)
    played = tree.policy(POLICY)
    best = tmf.best_response(tree.game, tmf.mean_field(tree.game, played, SCHEDULE), SCHEDULE).policy
    exact = tmf.exploitability(tree.game, played, SCHEDULE)
    found = tmf.over_noise(game(T), POLICY, SCHEDULE, CHAIN, paths=n, deviation=best, rng=4)
    assert abs(found.gains.mean() - exact) < WIDE * found.gains.std(ddof=1) / n**0.5
    assert (found.gains < found.exploitability + 1e-12).all()
    mean = 0.0
    for states, probability in zip(*CHAIN.paths(T), strict=True):
        on_path, other = tree.on(states, best)
        flow = tmf.mean_field(on_path, POLICY.on(states), SCHEDULE)
        gain = tmf.evaluate(on_path, other, SCHEDULE, flow=flow).mean_return
        gain -= tmf.evaluate(on_path, POLICY.on(states), SCHEDULE).mean_return
        mean += probability * gain
        sampled = found.gains[(found.noise == CHAIN.values[states]).all(axis=1)]
        assert len(sampled) == 0 or (abs(sampled - gain) < 1e-12).all()
    assert abs(mean - exact) < 1e-12
    assert (abs(tmf.over_noise(game(T), POLICY, SCHEDULE, CHAIN, paths=3, deviation=POLICY, rng=1).gains) < 1e-13).all()


def test_noise_without_effect_changes_nothing():
    parts = [lambda mu, t, z, k=k: tables(mu, t, 0.7)[k] for k in range(4)]
    plain = tmf.Game(
        S, A, 4, 0.9, [0.6, 0.4], *parts[:2], passive_reward=parts[2], passive_transition=parts[3], noise=np.zeros(4)
    )
    policy = tmf.TabularPolicy(np.random.default_rng(2).dirichlet(np.ones(A), (2, S)))
    found = tmf.over_noise(plain, policy, SCHEDULE, CHAIN, paths=3, rng=1)
    one = tmf.evaluate(plain, policy, SCHEDULE)
    assert (abs(found.returns - one.mean_return) < 1e-12).all() and (abs(found.mu - one.flow.mu) < 1e-15).all()
    assert (abs(found.exploitability - tmf.exploitability(plain, policy, SCHEDULE)) < 1e-12).all()
    low, high = found.interval()
    assert abs(low - one.mean_return) < 1e-12 and abs(high - one.mean_return) < 1e-12


def test_populations_have_the_expected_return():
    """Where nothing depends on the population, the mean return of N agents is that of the limit, exactly."""
    parts = [lambda mu, t, z, k=k: tables(np.array([0.5, 0.5]), t, z)[k] for k in range(4)]
    apart = tmf.Game(
        S, A, 4, 0.9, [0.6, 0.4], *parts[:2], passive_reward=parts[2], passive_transition=parts[3], noise=np.zeros(4)
    )
    n, N = 3000, 5
    found = tmf.over_noise(apart, POLICY, tmf.Batch(3), CHAIN, N, paths=n, populations=True, rng=3)
    assert found.counts.shape == (n, 5, S) and (found.counts.sum(axis=-1) == N).all() and (found.counts >= 0).all()
    tree = tmf.NoiseTree(apart, CHAIN)
    exact = tmf.evaluate(tree.game, tree.policy(POLICY), tmf.Batch(3), N)
    assert abs(found.agents_returns.mean() - exact.mean_return) < WIDE * found.agents_returns.std(ddof=1) / n**0.5
    shares = found.counts[:, 1:, 0] / N
    expected = exact.flow.mu.reshape(5, -1, S).sum(axis=1)[1:, 0]
    assert (abs(shares.mean(axis=0) - expected) < 5.2 * shares.std(axis=0, ddof=1) / n**0.5).all()  # 1e-6 over four
    assert np.corrcoef(found.agents_returns, found.returns)[0, 1] > 0.5  # on the same path


def test_many_agents_follow_the_mean_field_of_their_path():
    found = tmf.over_noise(game(4), POLICY, SCHEDULE, CHAIN, 10**10, paths=3, populations=True, rng=1)
    np.testing.assert_allclose(found.counts / 10**10, found.mu, atol=1e-4)
    np.testing.assert_allclose(found.agents_returns, found.returns, atol=1e-3)


def test_first_paths_and_populations_depend_on_the_seed_alone():
    few, many = (
        tmf.over_noise(game(4), POLICY.on([0, 1, 1, 0]), SCHEDULE, noise, 20, paths=n, populations=True, rng=5)
        for n, noise in ((2, CHAIN), (6, CHAIN))
    )
    for name in ("noise", "mu", "returns", "counts", "agents_returns"):
        assert np.array_equal(getattr(few, name), getattr(many, name)[:2])
    assert len({counts.tobytes() for counts in many.counts}) > 1
    sampled = [
        tmf.over_noise(game(4), POLICY.on([0, 1, 1, 0]), SCHEDULE, lambda rng: rng.random(4), paths=n, rng=5) for n in (2, 6)
    ]
    assert np.array_equal(sampled[0].noise, sampled[1].noise[:2]) and len(np.unique(sampled[1].noise)) == 24


def test_samplers_functions_and_policies_of_the_past():
    """A function of (mu, t, z), and a table over all the past, on sampled paths of values and states."""
    policy = lambda mu, t, z: np.array([[0.5 + 0.1 * z, 0.5 - 0.1 * z], [mu[0], mu[1]]])  # noqa: E731
    found = tmf.over_noise(game(3), policy, SCHEDULE, lambda rng: rng.normal(size=3), paths=2, rng=1)
    for r, z in enumerate(found.noise):
        one = tmf.evaluate(game(3).replace(noise=z), lambda mu, t, z=z: policy(mu, t, z[t]), SCHEDULE)
        assert np.array_equal(found.mu[r], one.flow.mu)
    tree = tmf.NoiseTree(game(3), CHAIN)
    past = tmf.TabularPolicy(np.random.default_rng(3).dirichlet(np.ones(A), (3, 8 * S)))
    found = tmf.over_noise(game(3), past, SCHEDULE, CHAIN, paths=4, rng=1)
    for r, z in enumerate(found.noise):
        assert np.array_equal(found.mu[r], tmf.mean_field(*tree.on((z > 0).astype(int), past), SCHEDULE).mu)


def test_a_game_in_sweeps():
    whole = tmf.Game(
        S, A, 2.0, 0.8, [0.5, 0.5], lambda mu, t, z: np.array([[z, t], [1.0, 0.0]]) - mu[:, None], [[[1, 0], [0, 1]]] * 2,
        time="sweeps", noise=[0.0],
    )  # fmt: skip
    found = tmf.over_noise(whole, POLICY, tmf.Batch(5), CHAIN, 10, paths=2, rng=1)
    assert found.noise.shape == (2, 4) and found.step == 0.5 and found.time == "sweeps"
    for r, z in enumerate(found.noise):
        one = tmf.evaluate(whole.replace(noise=z), POLICY.on((z > 0).astype(int)), tmf.Batch(5), 10)
        assert abs(found.returns[r] - one.mean_return) < 1e-13


def test_intervals():
    found = tmf.over_noise(game(4), POLICY.on([0, 1, 1, 0]), SCHEDULE, CHAIN, 20, paths=30, populations=True, rng=1)
    for name in ("returns", "exploitability", "agents_returns"):
        values = getattr(found, name)
        low, high = found.interval(name, confidence=0.9)
        assert abs(low - (values.mean() - 1.699127 * values.std(ddof=1) / 30**0.5)) < 1e-6  # t quantile of 29 degrees
        assert abs(low + high - 2 * values.mean()) < 1e-12
    with pytest.raises(ValueError, match="of is 'gains', which was not computed; must be with deviation="):
        found.interval("gains")
    with pytest.raises(ValueError, match="must be with populations=True"):
        tmf.over_noise(game(4), POLICY.on([0, 1, 1, 0]), SCHEDULE, CHAIN, paths=2).interval("agents_returns")
    assert not tmf.over_noise(game(4), POLICY.on([0, 1, 1, 0]), SCHEDULE, CHAIN, paths=1).interval().identified


def test_errors_say_what_to_do():
    with pytest.raises(TypeError, match=r"policy is a NoisePolicy, of states of a chain; must come with noise that is a NoiseChain"):
        tmf.over_noise(game(4), POLICY, SCHEDULE, lambda rng: rng.random(4))
    with pytest.raises(ValueError, match="deviation has Z = 3 states; must have the chain's, 2"):
        tmf.over_noise(game(4), POLICY, SCHEDULE, CHAIN, deviation=tmf.NoisePolicy(np.full((3, S, A), 0.5)))
    with pytest.raises(ValueError, match="n_agents is None with populations=True"):
        tmf.over_noise(game(4), POLICY, SCHEDULE, CHAIN, populations=True)
    with pytest.raises(ValueError, match="without common noise"):
        tmf.over_noise(tmf.games.left_right(), POLICY, SCHEDULE, CHAIN)
    with pytest.raises(TypeError, match="noise is an ndarray; must be a NoiseChain or a function of"):
        tmf.over_noise(game(4), POLICY, SCHEDULE, np.zeros(4))
    with pytest.raises(ValueError, match=r"noise has shape \(3,\); must be \(4, ...\)"):
        tmf.over_noise(game(4), POLICY.on([0] * 4), SCHEDULE, lambda rng: rng.random(3))
    with pytest.raises(ValueError, match="policy has Z = 3 states; must have the chain's, 2"):
        tmf.over_noise(game(4), tmf.NoisePolicy(np.full((3, S, A), 0.5)), SCHEDULE, CHAIN)
    with pytest.raises(ValueError, match=r"policy has \(S, A\) = \(6, 2\); must be the game's, \(2, 2\), or Z\*\*k S"):
        tmf.over_noise(game(4), np.full((6, A), 0.5), SCHEDULE, CHAIN)
