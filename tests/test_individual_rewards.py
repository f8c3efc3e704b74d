"""What the agents engine tells of individuals against what it counts, whatever way they are moved and counted.

All comparisons are exact up to rounding, for fixed seeds.
"""

import numpy as np
import pytest

import tmfcore as tmf
from strategies import random_game, random_policy
from tmfcore._population import agents as agents_kernel
from tmfcore._random import seeding

pytestmark = pytest.mark.law


def shelf(kind, size=3, horizon=12):
    """A game, and its tables f(mu, t) -> (r (S, A), r0 (S,))."""
    if kind == "separable":  # r0 depends on the agents at the same place: priced one by one
        value, slope = np.array([1.303, 0.707, 0.411]), np.array([1.0, 2.0, 0.5])
        game = tmf.games.resource_selection(value, congestion=slope, switching_cost=0.25, horizon=horizon, step=1).at()

        def tables(mu, t):
            standing = value - slope * mu
            return standing[:, None] - 0.25 * (1 - np.eye(3)), standing

        return game, tables
    spec = random_game(41, size, 3, horizon, dependence={"constant": "fixed"}.get(kind, kind), passive="identity")
    right = spec.reference()

    def tables(mu, t):
        reward, _, standing, _ = right.tables(mu, t)
        return reward, standing

    return spec.build(), tables


@pytest.mark.parametrize("batch", [1, 2, 3, 5, [1, 4, 0, 5, 2, 40, 1, 3, 7, 39, 2, 1]], ids=str)
@pytest.mark.parametrize("kind", ["constant", "separable", "mu", "mu_t"])
@pytest.mark.parametrize("sees_mu", [False, True])
def test_individuals_in_small_batches_earn_what_their_tables_say(kind, batch, sees_mu):
    """40 agents, B up to 5 picked out, mixed with single agents and with everybody: r where they act, r0 elsewhere."""
    game, tables = shelf(kind)
    policy = random_policy(42, 3, 3, kind="affine").build(12) if sees_mu else tmf.TabularPolicy(np.full((3, 3), 1 / 3))
    run = tmf.simulate(game, policy, tmf.Batch(batch), 40, trajectories=True, rng=43)
    seen, did, earned = run.trajectories.observations, run.trajectories.actions, run.trajectories.rewards
    sizes = np.broadcast_to(batch, (12,))
    for t in range(12):
        counts = np.bincount(seen[:, t], minlength=3)
        np.testing.assert_array_equal(counts, run.counts[0, t])
        acting = did[:, t] >= 0
        assert acting.sum() == sizes[t]
        reward, standing = tables(counts / 40, t)
        assert abs(standing).min() > 1e-3  # a lost r0 is seen
        expected = np.where(acting, reward[seen[:, t], did[:, t]], standing[seen[:, t]])
        np.testing.assert_allclose(earned[:, t], expected, atol=1e-12)
        assert run.rewards[0, t] == pytest.approx(expected.mean(), abs=1e-12)
        if t < 11:
            np.testing.assert_array_equal(seen[~acting, t + 1], seen[~acting, t])


@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Fraction(0.4), tmf.Bernoulli(0.4)], ids=str)
@pytest.mark.parametrize("n_agents", [19_999, 20_000, 20_003])
@pytest.mark.parametrize("size", [16, 17, 33, 64, 65])
def test_counts_are_those_of_individuals(size, n_agents, schedule):
    """Arrivals counted in pairs (17 <= S <= 64, N >= 20,000) or not: histograms of where individuals are.

    An A so large that flows are not counted at once, and decisions of every step with them.
    """
    rng = np.random.default_rng(size)
    game = tmf.Game(
        size, 3, 3, 1.0, np.full(size, 1 / size), rng.normal(size=(size, 3)), rng.dirichlet(np.ones(size), (size, 3)),
        passive_reward=rng.normal(size=size), passive_transition=rng.dirichlet(np.ones(size), size),
    )
    policy = tmf.TabularPolicy(rng.dirichlet(np.ones(3), size))
    run = tmf.simulate(game, policy, schedule, n_agents, trajectories=True, rng=44)
    seen, did = run.trajectories.observations.astype(int), run.trajectories.actions
    for t in range(3):
        np.testing.assert_array_equal(np.bincount(seen[:, t], minlength=size), run.counts[0, t])
        acting = did[:, t] >= 0
        made = np.bincount(3 * seen[acting, t] + did[acting, t], minlength=3 * size)
        np.testing.assert_array_equal(made.reshape(size, 3), run.decisions[0, t])
    assert run.counts[0, -1].sum() == n_agents


@pytest.mark.parametrize("size", [17, 40, 64])
@pytest.mark.parametrize("decisions", [True, False])
def test_pairs_count_as_singles_do(size, decisions):
    """N = 200,003 by one thread counts arrivals in pairs, by eleven without: the same counts at every step.

    Threads never show in a result, so that the two ways of counting meet the same agents.
    """
    rng = np.random.default_rng(size)
    game = tmf.Game(
        size, 2, 4, 1.0, np.full(size, 1 / size), np.zeros((size, 2)), rng.dirichlet(np.ones(size), (size, 2))
    )
    policy = tmf.TabularPolicy(rng.dirichlet(np.ones(2), size))
    found = []
    for threads in (1, 11):
        counts, rewards = np.zeros((5, size), np.int64), np.zeros(4)
        made = np.zeros((4, size, 2), np.int64) if decisions else None
        start = np.full(size, 200_003 // size)
        start[0] += 200_003 - start.sum()
        agents_kernel.run(
            game.model, policy.kernel, seeding.key(np.random.default_rng(45)), start, 4, 1.0, np.array([200_003]), None, 1,
            counts, made, rewards, threads=threads,
        )
        found.append(counts)
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("engine", ["agents", "counts"])
@pytest.mark.parametrize("kind", ["constant", "function"])
def test_sums_of_single_play_are_taken_afresh_every_1024_steps(engine, kind):
    """Place 0 pays 1e15, and everybody leaves it: what rounding left of it in the sum goes at steps divisible by 1024.

    From the next such step on rewards are exact to 1e-9 a head; before, rounding of sums near 4e16 is seen.
    """
    horizon, size = 2_100, 3
    standing = np.array([1e15, 0.3, 0.7])
    kernel = np.tile([0.0, 0.5, 0.5], (size, 1, 1))
    reward = standing[:, None]
    if kind == "function":  # rows are asked for one by one, and the sum of rewards that never change still moves along
        game = tmf.Game(size, 1, horizon, 1.0, [1.0, 0.0, 0.0], reward, lambda mu, t: kernel, passive_reward=standing)
    else:
        game = tmf.Game(size, 1, horizon, 1.0, [1.0, 0.0, 0.0], reward, kernel, passive_reward=standing)
    run = tmf.simulate(game, tmf.TabularPolicy(np.ones((3, 1))), tmf.Sequential(), 40, engine=engine, rng=46)
    counts = run.counts[0, :-1]
    left = int(np.argmax(counts[:, 0] == 0))
    assert 100 < left < 1_000
    error = np.abs(run.rewards[0] - counts @ standing / 40)
    assert error[left:1024].min() > 1e-3
    assert error[1024:].max() < 1e-9
