"""Games whose noise is random: paths, and means over them against the enumerated tree."""

import pickle

import numpy as np
import pytest
from noise_cases import CHAIN, A, S, at_start, game, noisy, recursion, tables

import tmfcore as tmf
from tmfcore._limit.checks import active_fractions
from tmfcore._limit.path_tables import PathTables
from tmfcore._model.noise_information import Information
from tmfcore._model.noise_paths import Paths

INITIAL = np.array([0.6, 0.4])
SCHEDULE = tmf.Fraction(0.6)
POLICY = tmf.NoisePolicy(np.random.default_rng(1).dirichlet(np.ones(A), (4, 2, S)))
#: Standard errors that a mean of hundreds of bounded numbers misses its expectation by with probability 1e-6.
WIDE = 5.0


def normal(rng):
    return rng.normal(size=4)


def by_value(mu, t, z):
    return np.array([[0.5 + 0.1 * np.tanh(z), 0.5 - 0.1 * np.tanh(z)], [mu[0], mu[1]]])


def test_a_game_on_a_path():
    law = noisy(4)
    on_path = law.on([0, 1, 1, 0])
    assert np.array_equal(on_path.noise, CHAIN.values[[0, 1, 1, 0]]) and law.noise is CHAIN
    assert repr(law) == "Game(S=2, A=2, T=4, discount=0.9, noise=NoiseChain(Z=2))"
    plain = game(4).replace(noise=CHAIN.values[[0, 1, 1, 0]])
    for one, other in zip(on_path.tables([0.3, 0.7], 2), plain.tables([0.3, 0.7], 2), strict=True):
        assert np.array_equal(one, other)
    assert tmf.evaluate(on_path, POLICY, SCHEDULE).mean_return == tmf.evaluate(plain, POLICY.on([0, 1, 1, 0]), SCHEDULE).mean_return
    shorter = on_path.replace(discount=0.5)
    assert np.array_equal(shorter.noise, on_path.noise) and shorter.discount == 0.5
    assert np.array_equal(on_path.replace(noise=np.zeros(4)).noise, np.zeros(4))
    sampled = noisy(4, noise=normal)
    assert repr(sampled).endswith("noise=function)") and np.array_equal(sampled.on(np.arange(4.0)).noise, np.arange(4.0))


def test_games_with_random_noise_are_pickled_and_told_apart():
    rows = np.full((S, A, S), 0.5)
    law = tmf.Game(S, A, 3, 1.0, INITIAL, np.eye(2), rows, noise=CHAIN)
    again = pickle.loads(pickle.dumps(law))
    assert again.noise == CHAIN and pickle.loads(pickle.dumps(law.on([0, 1, 1]))).noise[1] == 1.5
    prints = [
        tmf.mean_field(noisy(3, noise=noise), POLICY.on([0, 0, 0, 0]).table[0], SCHEDULE, paths=2, rng=1).fingerprint.game
        for noise in (CHAIN, tmf.NoiseChain([0.3, 0.7], [[0.8, 0.2], [0.4, 0.6]], values=[-0.5, 1.5]), tmf.NoiseChain([0.4, 0.6], CHAIN.transition, [-0.5, 1.5]))
    ]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize("clock", ["schedule", "always"])
@pytest.mark.broad(1)
def test_exploitability_is_that_of_the_recursion_over_histories(clock):
    for T in (1, 3, 6):
        policy = tmf.NoisePolicy(np.random.default_rng(T).dirichlet(np.ones(A), (T, 2, S)))
        _, values, best = recursion(
            tables, CHAIN, INITIAL, T, 0.9, 0.6, lambda h, now, p=policy: p.table[len(h) - 1, h[-1]], clock == "always"
        )
        gap = at_start(CHAIN, INITIAL, best) - at_start(CHAIN, INITIAL, values)
        assert abs(tmf.exploitability(noisy(T), policy, SCHEDULE, clock=clock) - gap) < 1e-8
        found = tmf.evaluate(noisy(T), policy, SCHEDULE, clock=clock)
        assert abs(found.mean_return - at_start(CHAIN, INITIAL, values)) < 1e-12
        assert len(found.returns) == 2**T and abs(found.flow.probabilities.sum() - 1) < 1e-12
        assert tuple(found.interval()) == (found.mean_return, found.mean_return)
        states, p = CHAIN.paths(T)
        one = [tmf.evaluate(noisy(T).on(path), policy, SCHEDULE, clock=clock) for path in states]
        np.testing.assert_allclose(found.values, sum(w * each.values for w, each in zip(p, one, strict=True)), atol=1e-12)
        np.testing.assert_allclose(found.q, sum(w * each.q for w, each in zip(p, one, strict=True)), atol=1e-12)


@pytest.mark.parametrize(
    "schedule",
    [SCHEDULE, tmf.Bernoulli(lambda mu, t: 0.2 + 0.05 * t + 0.4 * mu), tmf.Bernoulli([[0.2, 0.7]])],
    ids=["one fraction", "of mu", "by observation"],
)
@pytest.mark.parametrize("clock", ["schedule", "always"])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.broad
def test_deviations_on_all_paths_are_those_of_the_tree(schedule, clock, sparse):
    """Those that see all the past gain what the tree says; each memory less than a longer one."""
    T = 5
    law, policy = noisy(T), tmf.NoisePolicy(np.random.default_rng(5).dirichlet(np.ones(A), (T, 2, S)))
    if sparse:
        successors = np.array([[[1, 0], [1, 1]], [[0, 1], [1, 0]]])
        reward = lambda mu, t, z: tables(mu, t, z)[0]  # noqa: E731
        law = tmf.Game(
            S, A, T, 0.9, INITIAL, reward, [[[0.3, 0.7], [0.5, 0.5]], [[0.2, 0.8], [0.6, 0.4]]], successors=successors, noise=CHAIN
        )
    exact = tmf.exploitability(law, policy, schedule, clock=clock)
    evaluation = tmf.evaluate(law, policy, schedule, clock=clock)
    paths = Paths.of(law, None, None)
    kernels, gains = paths.policy(policy), []
    for memory in (0, 1, 2, 3, T):
        information = Information.of(paths, memory)
        on_all = PathTables(paths, active_fractions(law, schedule, None), clock == "always", workers=2)
        on_all.play(lambda t, mu: np.stack([k.probabilities(now, t, T) for k, now in zip(kernels, mu, strict=True)]))
        np.testing.assert_allclose(on_all.mu, evaluation.flow.by_path, atol=1e-13)
        np.testing.assert_allclose(on_all.values()[1], evaluation.returns, atol=1e-12)
        histories = information.on(paths)
        chosen, returns = on_all.deviate(information, histories)
        np.testing.assert_allclose(on_all.returns_of(chosen, histories), returns, atol=1e-12)
        np.testing.assert_allclose(on_all.moves(chosen, histories).sum(axis=-1), 1, atol=1e-12)
        gains.append(paths.weights @ returns - evaluation.mean_return)
        assert (on_all.foreseen() >= returns - 1e-12).all()
    assert abs(gains[-1] - exact) < 1e-8
    assert (np.diff(gains) > -1e-12).all() and gains[0] < gains[-1]


def test_a_deviation_that_sees_the_present_state_is_the_best_of_all():
    """All 2^8 deterministic rules of (z_t, o), T = 2, one by one; rows depend on nothing but the action."""
    from itertools import product

    T, policy = 2, tmf.NoisePolicy(np.random.default_rng(2).dirichlet(np.ones(A), (2, 2, S)))
    law = noisy(T)
    flow = tmf.mean_field(law, policy, tmf.Synchronous())
    base = tmf.evaluate(law, policy, tmf.Synchronous()).mean_return
    best = -np.inf
    for actions in product(range(A), repeat=T * 2 * S):
        rule = tmf.NoisePolicy(np.eye(A)[np.array(actions).reshape(T, 2, S)])
        best = max(best, tmf.evaluate(law, rule, tmf.Synchronous(), flow=flow).mean_return)
    paths = Paths.of(law, None, None)
    information, on_all, kernels = Information.of(paths, 1), PathTables(paths, np.ones(1), False), paths.policy(policy)
    on_all.play(lambda t, mu: np.stack([k.probabilities(now, t, T) for k, now in zip(kernels, mu, strict=True)]))
    found = paths.weights @ on_all.deviate(information, information.on(paths))[1]
    assert abs(found - best) < 1e-12 and best > base


def test_estimates_are_those_of_the_tree():
    law, n = noisy(4), 800
    exact, exact_gap = tmf.evaluate(law, POLICY, SCHEDULE), tmf.exploitability(law, POLICY, SCHEDULE)
    found = tmf.evaluate(law, POLICY, SCHEDULE, paths=n, rng=2)
    assert abs(found.mean_return - exact.mean_return) < WIDE * found.returns.std(ddof=1) / n**0.5
    shares = found.flow.by_path[:, 1:, 0]
    assert (abs(shares.mean(axis=0) - exact.flow.mu[1:, 0]) < 5.2 * shares.std(axis=0, ddof=1) / n**0.5 + 1e-12).all()
    assert np.array_equal(found.flow.mu, np.tensordot(np.full(n, 1 / n), found.flow.by_path, 1))
    low, high = found.interval(0.9)
    assert abs(high - low - 2 * 1.6468 * found.returns.std(ddof=1) / n**0.5) < 1e-4  # t quantile of 799 degrees
    gap = tmf.exploitability(law, POLICY, SCHEDULE, paths=n, memory=4, rng=3)
    for values, truth in ((gap.gains, exact_gap), (gap.returns, exact.mean_return)):
        assert abs(values.mean() - truth) < WIDE * values.std(ddof=1) / n**0.5
    states, p = CHAIN.paths(4)
    foreseen = p @ [tmf.exploitability(law.on(path), POLICY, SCHEDULE) for path in states]
    assert foreseen > exact_gap and abs(gap.bound - foreseen) < WIDE * gap.foresight.std(ddof=1) / n**0.5
    for r in range(5):
        assert abs(gap.foresight[r] - tmf.exploitability(law.on(gap.noise[r]), POLICY, SCHEDULE)) < 1e-12
    assert float(gap) == gap.value == gap.gains.mean() and gap.deviations == "the last 4 states of the noise"
    blind = tmf.exploitability(law, POLICY, SCHEDULE, paths=n, memory=0, rng=3)
    assert blind.value < gap.value and blind.deviations == "nothing of the noise"


def test_noise_without_effect_changes_nothing():
    parts = [lambda mu, t, z, k=k: tables(mu, t, 0.7)[k] for k in range(4)]
    plain = tmf.Game(S, A, 4, 0.9, INITIAL, *parts[:2], passive_reward=parts[2], passive_transition=parts[3], noise=np.zeros(4))
    policy = tmf.TabularPolicy(np.random.default_rng(2).dirichlet(np.ones(A), (2, S)))
    one, gap = tmf.evaluate(plain, policy, SCHEDULE), tmf.exploitability(plain, policy, SCHEDULE)
    for noise, options in ((CHAIN, {}), (CHAIN, {"paths": 5}), (normal, {"paths": 5})):
        law = plain.replace(noise=noise)
        found = tmf.evaluate(law, policy, SCHEDULE, **options)
        assert abs(found.mean_return - one.mean_return) < 1e-12 and (abs(found.values - one.values) < 1e-12).all()
        assert (abs(found.flow.by_path - one.flow.mu) < 1e-12).all()
        assert abs(float(tmf.exploitability(law, policy, SCHEDULE, **options)) - gap) < 1e-11
    solved, again = (tmf.solve(each, SCHEDULE, tolerance=1e-7) for each in (plain, plain.replace(noise=CHAIN)))
    assert abs(solved.mean_return - again.mean_return) < 1e-6
    np.testing.assert_allclose(solved.flow.mu, again.flow.mu, atol=1e-5)


def test_replicas_have_paths_of_their_own():
    law, N = noisy(4), 10**10
    run = tmf.simulate(law, POLICY, SCHEDULE, N, replicas=6, rng=1)
    assert run.noise.shape == (6, 4) and len({path.tobytes() for path in run.noise}) > 1
    for r, path in enumerate(run.noise):
        flow = tmf.mean_field(law.on(path), POLICY, SCHEDULE)
        np.testing.assert_allclose(run.mu[r], flow.mu, atol=1e-4)
        assert abs(run.returns[r] - tmf.evaluate(law.on(path), POLICY, SCHEDULE).mean_return) < 1e-3
    run.plot(flow=tmf.mean_field(law, POLICY, SCHEDULE))
    start = [[20, 0], [0, 20]]
    begun = tmf.simulate(law, POLICY, tmf.Batch(5), 20, replicas=2, start=start, rng=1)
    assert np.array_equal(begun.counts[:, 0], start) and begun.decisions.sum(axis=(1, 2, 3)).tolist() == [20, 20]
    told = []
    tmf.simulate(law, POLICY, tmf.Batch(5), 20, replicas=2, rng=1, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (8, 8)


def test_populations_have_the_expected_return():
    """Where nothing depends on the population, the mean return of N agents is that of the limit, exactly."""
    parts = [lambda mu, t, z, k=k: tables(np.array([0.5, 0.5]), t, z)[k] for k in range(4)]
    apart = tmf.Game(S, A, 4, 0.9, INITIAL, *parts[:2], passive_reward=parts[2], passive_transition=parts[3], noise=CHAIN)
    n = 1000
    run = tmf.simulate(apart, POLICY, tmf.Batch(3), 5, replicas=n, rng=3)
    exact = tmf.evaluate(apart, POLICY, tmf.Batch(3), 5)
    assert abs(run.returns.mean() - exact.mean_return) < WIDE * run.returns.std(ddof=1) / n**0.5


@pytest.mark.parametrize("noise", [CHAIN, normal], ids=["chain", "function"])
def test_results_depend_on_the_seed_alone(noise):
    law, policy = noisy(4, noise=noise), POLICY.on([0, 1, 1, 0])
    few = tmf.simulate(law, policy, SCHEDULE, 20, replicas=3, rng=5)
    flow = tmf.mean_field(law, policy, SCHEDULE, paths=3, rng=5)
    values = tmf.evaluate(law, policy, SCHEDULE, paths=40, rng=5)
    gap = tmf.exploitability(law, policy, SCHEDULE, paths=7, rng=5)
    assert len(np.unique(few.noise, axis=0)) > 1
    for threads in (1, 2, 3):
        many = tmf.simulate(law, policy, SCHEDULE, 20, replicas=7, rng=5, threads=threads, record_every=2)
        assert np.array_equal(many.noise[:3], few.noise) and np.array_equal(many.counts[:3], few.counts[:, ::2])
        more = tmf.mean_field(law, policy, SCHEDULE, paths=8, rng=5, threads=threads)
        assert np.array_equal(more.by_path[:3], flow.by_path) and np.array_equal(more.noise[:3], flow.noise)
        again = tmf.evaluate(law, policy, SCHEDULE, paths=40, rng=5, threads=threads)
        assert np.array_equal(again.q, values.q) and np.array_equal(again.returns, values.returns)
        assert np.array_equal(tmf.exploitability(law, policy, SCHEDULE, paths=7, rng=5, threads=threads).gains, gap.gains)


def test_policies_of_values():
    """A function of (mu, t, z), and a table over levels, on drawn paths of numbers."""
    law = noisy(4, noise=normal)
    levels = tmf.NoisePolicy(np.random.default_rng(4).dirichlet(np.ones(A), (3, S)), edges=[-0.5, 0.5])
    for policy, on in (
        (by_value, lambda z: lambda mu, t: by_value(mu, t, z[t])),
        (levels, lambda z: np.stack([levels.table[0, int(each >= -0.5) + int(each >= 0.5)] for each in z])),
    ):
        found = tmf.mean_field(law, policy, SCHEDULE, paths=3, rng=1)
        for r, z in enumerate(found.noise):
            assert np.array_equal(found.by_path[r], tmf.mean_field(game(4).replace(noise=z), on(z), SCHEDULE).mu)


def test_a_game_in_sweeps():
    whole = tmf.Game(
        S, A, 2.0, 0.8, [0.5, 0.5], lambda mu, t, z: np.array([[z, t], [1.0, 0.0]]) - mu[:, None], [[[1, 0], [0, 1]]] * 2,
        time="sweeps", noise=CHAIN,
    )  # fmt: skip
    found = tmf.evaluate(whole, POLICY, tmf.Batch(5), 10, paths=2, rng=1)
    assert found.flow.noise.shape == (2, 4) and found.flow.step == 0.5 and found.flow.time == "sweeps"
    for r, path in enumerate(found.flow.noise):
        plain = whole.replace(noise=CHAIN.values[path])
        one = tmf.evaluate(plain, POLICY.on(path), tmf.Batch(5), 10)
        assert abs(found.returns[r] - one.mean_return) < 1e-13
        again = tmf.evaluate(whole.at(tmf.Batch(5), 10).on(path), POLICY, tmf.Batch(5), 10)
        assert abs(found.returns[r] - again.mean_return) < 1e-13
    levels = tmf.NoisePolicy(np.random.default_rng(4).dirichlet(np.ones(A), (2, S)), edges=[0.0])
    drawn = whole.replace(noise=lambda rng: rng.normal(size=2))  # two entries, each for two steps
    found = tmf.mean_field(drawn, levels, tmf.Batch(5), 10, paths=3, rng=1)
    for r, z in enumerate(found.noise):
        on = levels.table[0, np.repeat((z >= 0).astype(int), 2)]
        assert np.array_equal(found.by_path[r], tmf.mean_field(whole.replace(noise=z), on, tmf.Batch(5), 10).mu)


def test_errors_say_what_to_do():
    law, sampled = noisy(4), noisy(4, noise=normal)
    about_one = [
        lambda: tmf.Population(law, SCHEDULE, 10), lambda: tmf.finite_exploitability(law, POLICY, SCHEDULE, 10), lambda: law.model,
        lambda: tmf.best_response(law, tmf.mean_field(law, POLICY, SCHEDULE), SCHEDULE),
        lambda: tmf.solvers.MirrorDescent().solve(law, SCHEDULE), lambda: tmf.analysis.fluctuations(law, POLICY, SCHEDULE),
    ]  # fmt: skip
    for verb in about_one:
        with pytest.raises(ValueError, match=r"whose noise is random; must be on one path of it, game.on\(path\)"):
            verb()
    with pytest.raises(ValueError, match=r"paths is None with noise that is a function; must be R"):
        tmf.mean_field(sampled, POLICY.on([0] * 4), SCHEDULE)
    with pytest.raises(ValueError, match=r"more than 4096 paths of 40 steps; must be R.*for example paths=256"):
        tmf.mean_field(noisy(40), np.full((S, A), 0.5), SCHEDULE)
    with pytest.raises(ValueError, match=r"2\*\*40 \* 2 observations; .*fewer steps.*or pass paths=R"):
        tmf.exploitability(noisy(40), np.full((S, A), 0.5), SCHEDULE)
    with pytest.raises(ValueError, match=r"must have a NoiseChain as noise to be exact, else pass paths=R"):
        tmf.exploitability(sampled, np.full((S, A), 0.5), SCHEDULE)
    with pytest.raises(ValueError, match=r"paths is 3 \(int\) for a game without random noise; must be omitted"):
        tmf.evaluate(game(4), np.full((S, A), 0.5), SCHEDULE, paths=3)
    with pytest.raises(ValueError, match=r"memory is 3 \(int\) for a game without random noise"):
        tmf.solve(game(4), SCHEDULE, memory=3)
    with pytest.raises(ValueError, match="rng is given without paths; must come with paths=R"):
        tmf.mean_field(law, POLICY, SCHEDULE, rng=1)
    with pytest.raises(TypeError, match=r"policy is a NoisePolicy over the states of a chain; must be for a game whose noise is a NoiseChain"):
        tmf.mean_field(sampled, POLICY, SCHEDULE, paths=2)
    with pytest.raises(ValueError, match="policy has Z = 3 states; must have the chain's, 2"):
        tmf.mean_field(law, tmf.NoisePolicy(np.full((3, S, A), 0.5)), SCHEDULE)
    with pytest.raises(ValueError, match=r"policy has \(S, A\) = \(3, 2\); must be the game's, \(2, 2\)"):
        tmf.mean_field(law, tmf.NoisePolicy(np.full((2, 3, A), 0.5)), SCHEDULE)
    with pytest.raises(ValueError, match=r"path\[1\] is 2; must be in \[0, 1\]"):
        law.on([0, 2, 0, 0])
    with pytest.raises(ValueError, match="has no random noise; must have a NoiseChain or a function"):
        game(4).on([0.0] * 4)
    with pytest.raises(ValueError, match=r"noise has shape \(3,\); must be \(4, ...\)"):
        noisy(4, noise=lambda rng: rng.random(3))
    with pytest.raises(ValueError, match=r"noise\(rng\), path 0,.* must be a number|noise\(rng\)"):
        noisy(4, noise=lambda rng: [np.nan] * 4)
    with pytest.raises(ValueError, match=r"memory is 40; must be at most 16: there are Z\*\*memory histories, with Z = 2"):
        tmf.exploitability(noisy(50), np.full((S, A), 0.5), SCHEDULE, paths=4, memory=40)
    vectors = tmf.Game(
        S, A, 4, 0.9, INITIAL, lambda mu, t, z: np.eye(2) * z[0], np.full((S, A, S), 0.5), noise=lambda rng: rng.random((4, 2))
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"noise\(rng\) has shape \(4, 2\); must be \(T,\), one number per step.*memory=0"):
        tmf.exploitability(vectors, np.full((S, A), 0.5), SCHEDULE, paths=4)
    assert tmf.exploitability(vectors, np.full((S, A), 0.5), SCHEDULE, paths=4, memory=0, rng=1).value >= -1
    one = tmf.evaluate(game(4), np.full((S, A), 0.5), SCHEDULE)
    with pytest.raises(ValueError, match="the mean return is exact; must be that of a game with random noise"):
        one.interval()
    with pytest.raises(ValueError, match="flow is on one path; must be over many"):
        tmf.evaluate(law, POLICY, SCHEDULE, flow=one.flow)
    assert not tmf.evaluate(law, POLICY, SCHEDULE, paths=1).interval().identified
