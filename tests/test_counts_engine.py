"""The counts engine beyond what both engines share: flows, large populations, limits, starts."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference_laws
import stat_tests
import tmfcore as tmf
from strategies import cases, random_game, random_policy, seeds
from tmfcore._model.policies import as_policy
from tmfcore._population import counts as counts_kernel

pytestmark = pytest.mark.law

N_AGENTS = 9


def bits(seed):
    return np.random.PCG64(seed)


def run_kernel(game, policy, schedule, counts, seed, record_every=1):
    """One call of the kernel with every output -> (counts, decisions, rewards, flows, value)."""
    model, horizon = game.model, game.horizon
    intervals = -(-horizon // record_every)
    size, n_actions = game.n_observations, game.n_actions
    out = np.zeros((intervals + 1, size), np.int64)
    decisions = np.zeros((intervals, size, n_actions), np.int64)
    rewards = np.zeros(intervals)
    flows = (
        np.zeros((intervals, size, n_actions, model.n_successors), np.int64),
        np.zeros((intervals, size, n_actions)),
        np.zeros((intervals, size, model.n_passive_successors), np.int64),
        np.zeros((intervals, size)),
    )
    batch, probability = schedule._kernel(horizon, int(counts.sum()))
    value = counts_kernel.run(model, policy, bits(seed), counts, horizon, game.discount, batch, probability, record_every,
                        out, decisions, rewards, flows)  # fmt: skip
    return out, decisions, rewards, flows, value


def spread(flow, successors, size):
    """Flow (..., K) by observation (..., S)."""
    if successors is None:
        return flow
    full = np.zeros((*flow.shape[:-1], size), flow.dtype)
    for index in np.ndindex(flow.shape):
        full[(*index[:-1], successors[index[1:]])] += flow[index]
    return full


@given(cases(N_AGENTS), seeds)
def test_flows_add_up(case, seed):
    """Every agent leaves where it was and arrives somewhere possible: flows, decisions, counts and rewards balance."""
    game, policy, schedule = case.build()
    start = np.random.default_rng(seed).multinomial(N_AGENTS, game.initial)
    kernel = as_policy(policy, game)
    counts, decisions, rewards, flows, value = run_kernel(game, kernel, schedule, start, seed)
    active, reward_sums, passive, passive_reward_sums = flows
    size = game.n_observations
    np.testing.assert_array_equal(active.sum(axis=-1), decisions)
    np.testing.assert_array_equal(passive.sum(axis=-1), counts[:-1] - decisions.sum(axis=-1))
    arrived = spread(active, game.model.successors, size).sum(axis=(1, 2))
    arrived += spread(passive, game.model.passive_successors, size).sum(axis=1)
    np.testing.assert_array_equal(arrived, counts[1:])
    right, right_policy = case.reference()
    for t in range(game.horizon):
        mu = counts[t] / N_AGENTS
        reward, transition, passive_reward, resting = right.tables(mu, t)
        assert (decisions[t][right_policy(mu, t) == 0] == 0).all()
        assert (spread(active, game.model.successors, size)[t][transition == 0] == 0).all()
        assert (spread(passive, game.model.passive_successors, size)[t][resting == 0] == 0).all()
        np.testing.assert_allclose(reward_sums[t], decisions[t] * reward, atol=1e-11)
        np.testing.assert_allclose(passive_reward_sums[t], passive[t].sum(axis=-1) * passive_reward, atol=1e-11)
        assert rewards[t] == pytest.approx(reference_laws.step_reward(right, counts[t], decisions[t], t), abs=1e-12)
    assert value == pytest.approx(game.discount ** np.arange(game.horizon) @ rewards, abs=1e-12)


@given(cases(N_AGENTS), seeds, st.integers(1, 6))
def test_flows_pool_over_record_intervals(case, seed, record_every):
    """Outputs of an interval are the sums of those of its steps; integers exactly, rewards to rounding."""
    game, policy, schedule = case.build()
    start = np.random.default_rng(seed).multinomial(N_AGENTS, game.initial)
    kernel = as_policy(policy, game)
    fine = run_kernel(game, kernel, schedule, start, seed)
    coarse = run_kernel(game, kernel, schedule, start, seed, record_every)
    edges = np.arange(0, game.horizon, record_every)
    np.testing.assert_array_equal(coarse[0][:-1], fine[0][edges])
    np.testing.assert_array_equal(coarse[0][-1], fine[0][-1])
    assert coarse[4] == fine[4]
    for pooled, steps in zip((coarse[1], coarse[2], *coarse[3]), (fine[1], fine[2], *fine[3]), strict=True):
        sums = np.add.reduceat(steps, edges, axis=0)
        if sums.dtype.kind == "i":
            np.testing.assert_array_equal(pooled, sums)
        else:
            np.testing.assert_allclose(pooled, sums, atol=1e-12)


@pytest.mark.parametrize(("n_agents", "schedule"), [
    (10**4, tmf.Fraction(0.3)), (10**4, tmf.Synchronous()), (10**9, tmf.Fraction(0.7)), (10**12, tmf.Fraction(0.01)),
    (10**12, tmf.Batch(5000)), (10**15, tmf.Bernoulli(0.4)), (10**18, tmf.Synchronous()), (10**18, tmf.Bernoulli(0.2)),
], ids=str)  # fmt: skip
def test_large_populations_have_the_right_spread(n_agents, schedule):
    """Standardised residuals of who acts, what they do and where they go: mean 0 and variance 1, |z| < 6 (2e-9 each).

    Conditional on the step's start, every count is binomial or hypergeometric; 100 runs of 5 steps, S = 4, A = 2.
    """
    spec = random_game(8, 4, 2, 5, passive="dense", concentration=5.0, zeros=False, initial=[0.25] * 4)
    policy = random_policy(8, 4, 2, kind="tabular", concentration=5.0)
    game, kernel = spec.build(), policy.build(5).kernel
    _, transition, _, passive = spec.reference().tables(spec.initial, 0)
    start = np.array([n_agents // 4] * 4)
    probability, batch = schedule._kernel(5, n_agents)[::-1]
    residuals = {"acting": [], "actions": [], "moves": [], "rest": []}

    def add(name, observed, total, p, factor=1.0):
        """Residual of a Binomial(total, p), in integers as far as they go, where the normal law is near."""
        variance = float(total) * p * (1 - p) * factor
        if variance > 20:
            center = int(total) * int(p * 2**60) >> 60
            residuals[name].append((int(observed) - center) / math.sqrt(variance))

    for seed in range(100):
        counts, decisions, _, (active, _, resting, _), _ = run_kernel(game, kernel, schedule, start, seed)
        assert (counts.sum(axis=1) == n_agents).all()
        assert (counts >= 0).all()
        acting = decisions.sum(axis=-1)
        if batch is not None:
            assert (acting.sum(axis=1) == batch).all()
        for t, o in np.ndindex(5, 4):
            share = batch[0] / n_agents if batch is not None else probability[0]
            finite = 1.0 if batch is None else (n_agents - counts[t, o]) / (n_agents - 1)
            add("acting", acting[t, o], counts[t, o], share, finite)
            add("actions", decisions[t, o, 0], acting[t, o], policy.parameters[0, o, 0])
            for a in range(2):
                add("moves", active[t, o, a, seed % 4], decisions[t, o, a], transition[o, a, seed % 4])
            add("rest", resting[t, o, seed % 4], counts[t, o] - acting[t, o], passive[o, seed % 4])
    assert len(residuals["moves"]) > 1000
    for z in residuals.values():
        if z:  # nobody rests in synchronous play
            stat_tests.assert_mean(z, 0.0, slack=2e-2)
            stat_tests.assert_mean(np.square(z), 1.0, slack=2e-2)


@pytest.mark.parametrize("n_agents", [1, 10**6, 10**12, 10**18])
@pytest.mark.parametrize(
    "schedule", [tmf.Synchronous(), tmf.Sequential(), tmf.Bernoulli(0.5), tmf.Fraction(0.5)], ids=str
)
def test_counts_are_conserved_at_every_size(n_agents, schedule):
    """From one agent to 10**18 (10**12 for batches in between)."""
    if n_agents == 10**18 and str(schedule) == "B=0.5 N":
        with pytest.raises(ValueError, match="n_agents"):
            tmf.simulate(tmf.games.queueing([0.2, 0.3], step=1).at(), np.ones, schedule, n_agents)
        return
    game = tmf.games.queueing([0.2, 0.3], initial=[0.2, 0.5, 0.3], step=1).at()
    run = tmf.simulate(game, tmf.TabularPolicy.uniform(game), schedule, n_agents, rng=1)
    assert (run.counts.sum(axis=-1) == n_agents).all()
    assert (run.counts >= 0).all()


def test_sampled_starts_are_multinomial():
    """start="sampled": 8,000 replicas of N = 4 against the enumerated law, chi-square, rate 1e-6."""
    initial = [0.5, 0.0, 0.3, 0.2]
    game = random_game(1, 4, 2, 1, initial=initial).build()
    policy = random_policy(1, 4, 2).build(1)
    run = tmf.simulate(game, policy, tmf.Synchronous(), 4, replicas=8_000, start="sampled", rng=4, threads=1)
    stat_tests.assert_law(run.counts[:, 0], dict(reference_laws.multinomial_law(4, initial)))


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 10**18))
def test_rounded_starts_are_as_near_as_integers_can_be(seed, size, n_agents):
    """start="rounded": every count within one of N mu_0, and the total is N."""
    spec = random_game(seed, size, 1, 1)
    run = tmf.simulate(spec.build(), random_policy(1, size, 1).build(1), tmf.Sequential(), n_agents)
    assert run.counts[0, 0].sum() == n_agents
    away = run.counts[0, 0] - n_agents * spec.initial
    assert (np.abs(away) < 1 + 1e-15 * n_agents).all()
    assert (run.counts[0, 0][spec.initial == 0] == 0).all()


def test_given_starts_are_kept():
    """start=(S,) for all replicas, (R, S) for each."""
    game = random_game(1, 3, 2, 2).build()
    policy = random_policy(1, 3, 2).build(2)
    each = np.array([[7, 0, 0], [0, 7, 0], [3, 2, 2]])
    run = tmf.simulate(game, policy, tmf.Batch(2), 7, replicas=3, start=each, rng=0)
    np.testing.assert_array_equal(run.counts[:, 0], each)
    run = tmf.simulate(game, policy, tmf.Batch(2), 7, replicas=3, start=each[2], rng=0)
    np.testing.assert_array_equal(run.counts[:, 0], np.tile(each[2], (3, 1)))
