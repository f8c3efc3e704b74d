"""decisions=False lets the engines draw from rows averaged over the policy: same law, expected rewards."""

import numpy as np
import pytest
from meeting_cases import affine

import reference_laws
import stat_tests
import tmfcore as tmf
from strategies import random_game, random_policy

pytestmark = pytest.mark.law

ENGINES = ("counts", "agents")
SCHEDULES = {
    "synchronous": (tmf.Synchronous(), [("batch", 3)] * 2),
    "batch": (tmf.Batch(2), [("batch", 2)] * 2),
    "sequential": (tmf.Sequential(), [("batch", 1)] * 2),
    "bernoulli": (tmf.Bernoulli(0.35), [("bernoulli", 0.35)] * 2),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("passive", ["identity", "dense"])
@pytest.mark.broad
def test_averaged_rows_follow_the_enumerated_chain(engine, schedule, passive):
    """N = 3, T = 2, S = 2: the law of (c_1, c_2), 8,000 replicas, chi-square, rate 1e-6."""
    made = random_game(21, 2, 3, 2, passive=passive, zeros=False, initial=[1 / 3, 2 / 3])
    spec = random_policy(22, 2, 3, kind="tabular", stages=2)
    played, moves = SCHEDULES[schedule]
    run = tmf.simulate(made.build(), spec.build(2), played, 3, replicas=8_000, engine=engine, start=(1, 2),
                       rng=5, decisions=False, threads=1)  # fmt: skip
    assert run.decisions is None
    law: dict = {}
    paths = reference_laws.counts_paths(made.reference(), spec.reference(2), moves, (1, 2))
    for (_, _, first, _, second), p in paths.items():
        law[first, second] = law.get((first, second), 0.0) + p
    stat_tests.assert_law(stat_tests.counted(run.counts[:, 1], run.counts[:, 2]), law)


@pytest.mark.parametrize("engine", ENGINES)
def test_rewards_are_expected_over_actions(engine):
    """Synchronous play: the reward of a step is sum_o c_o/N sum_a pi(a|o) r(o, a, mu), exactly."""
    game = tmf.games.queueing([0.2, 0.3, 0.4], horizon=6, step=1).at()
    policy = tmf.SoftmaxPolicy(np.random.default_rng(3).normal(size=(4, 4)))
    run = tmf.simulate(game, policy, tmf.Synchronous(), 50_000, engine=engine, rng=1, decisions=False)
    pi = policy.probabilities(game.initial, 0)
    for t in range(game.horizon):
        mu = run.mu[0, t]
        expected = mu @ (pi * game.tables(mu, t)[0]).sum(axis=1)
        assert run.rewards[0, t] == pytest.approx(expected, abs=1e-12)


def single_event_rewards(game, pi, counts):
    """The expected sum of rewards over the actions, by the observation of the agent that acts."""
    reward, _, passive_reward, _ = game.tables(counts / counts.sum(), 0)
    return counts @ passive_reward + (pi * (reward - passive_reward[:, None])).sum(axis=1)


@pytest.mark.parametrize("rewards", ["constant", "local", "priced", "coupled"])
@pytest.mark.parametrize("engine", ENGINES)
def test_rewards_of_single_agents_are_expected_over_actions(engine, rewards):
    """Each step of 1,000, over chunks and three stages, and the return; without decisions and one agent at a time."""
    horizon, n_agents = 1_000, 30
    if rewards == "priced":
        game = tmf.games.resource_selection(
            [1, 0.8, 0.3], congestion=[1, 2, 0.5], switching_cost=0.1, power=2, step=1 / n_agents, horizon=horizon / n_agents
        ).at()
    elif rewards == "constant":
        rng = np.random.default_rng(2)
        game = tmf.Game(
            4, 3, horizon, 0.99, np.full(4, 0.25), rng.normal(size=(4, 3)), rng.dirichlet(np.ones(4), (4, 3)),
            passive_reward=rng.normal(size=4),
        )  # fmt: skip
    else:
        game = affine(4, 3, rewards=rewards, horizon=horizon)
    tables = np.random.default_rng(1).dirichlet(np.ones(game.n_actions), (3, game.n_observations))
    run = tmf.simulate(game, tmf.TabularPolicy(tables), tmf.Sequential(), n_agents, engine=engine, rng=2, decisions=False)
    whole, certain = 0.0, 0
    for t in range(horizon):
        expected = single_event_rewards(game, tables[min(3 * t // horizon, 2)], run.counts[0, t])
        change = run.counts[0, t + 1] - run.counts[0, t]
        left = np.flatnonzero(change < 0) if change.any() else np.flatnonzero(run.counts[0, t])
        certain += len(left) == 1
        assert np.abs(run.rewards[0, t] * n_agents - expected[left]).min() < 1e-11
        whole += game.discount**t * run.rewards[0, t]
    assert certain > horizon / 4
    assert run.returns[0] == pytest.approx(whole, rel=1e-10)


MEETING_GAMES = {
    "dense, 2": lambda T: affine(2, horizon=T),
    "dense, 3": lambda T: affine(3, horizon=T, rewards="coupled"),
    "sparse": lambda T: affine(3, 3, cells=2, horizon=T),
    "SIS": lambda T: tmf.games.infection_by_contact(0.9, recovery=0.4, immunity_loss=0.5, horizon=T, step=1).at(),
    "types": lambda T: tmf.games.typed([affine(2, horizon=T), affine(2, seed=5, horizon=T)], shares=[0.5, 0.5]),
}  # fmt: skip


@pytest.mark.parametrize("n_stages", [1, 2])
@pytest.mark.parametrize("n_agents", [3, 5])
@pytest.mark.parametrize("name", MEETING_GAMES)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.broad
def test_meetings_follow_the_rows_at_mu(engine, name, n_agents, n_stages):
    """The counts after each of 12,000 events, by the counts before it: the exact chain of the rows at mu."""
    horizon = 12_000
    game = MEETING_GAMES[name](horizon)
    tables = np.random.default_rng(1).dirichlet(np.ones(game.n_actions), (n_stages, game.n_observations))
    run = tmf.simulate(game, tmf.TabularPolicy(tables), tmf.Sequential(), n_agents, engine=engine, rng=3, decisions=False)
    path = [tuple(counts) for counts in run.counts[0].tolist()]
    seen: dict = {}
    for t in range(horizon):
        seen.setdefault((n_stages * t // horizon, path[t]), []).append(path[t + 1])
    tested = 0
    for (stage, counts), after in seen.items():
        if len(after) >= 200:
            law: dict = {}
            mu = np.array(counts) / n_agents
            transition = game.tables(mu, 0)[1]
            for o, a in np.ndindex(tables[stage].shape):
                for x, p in zip(range(len(mu)) if game.successors is None else game.successors[o, a], transition[o, a]):
                    moved = np.array(counts)
                    moved[o] -= 1
                    moved[x] += 1
                    if mu[o] > 0:
                        law[tuple(moved.tolist())] = law.get(tuple(moved.tolist()), 0.0) + mu[o] * tables[stage, o, a] * p
            stat_tests.assert_law(after, law)
            tested += len(after)
    assert tested > horizon / 2


@pytest.mark.parametrize("engine", ENGINES)
def test_a_policy_of_its_own_has_rows_of_its_own(engine):
    """Averaged rows are kept with the model: another policy must not get those of the policy before."""
    game = affine(3, 2, horizon=300)
    one, other = (tmf.TabularPolicy(np.eye(2)[[a, a, a]][None]) for a in (0, 1))

    def play(game, policy):
        return tmf.simulate(game, policy, tmf.Sequential(), 40, engine=engine, rng=1, decisions=False).counts

    fresh = [play(affine(3, 2, horizon=300), policy) for policy in (one, other)]
    assert (fresh[0] != fresh[1]).any()
    for policy, expected in ((one, fresh[0]), (other, fresh[1]), (one, fresh[0]), (one, fresh[0])):
        np.testing.assert_array_equal(play(game, policy), expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_both_ways_have_the_same_mean(engine):
    """Mean counts at T of 400 replicas with and without decisions, |z| < 6 each (rate 2e-9)."""
    game = tmf.games.queueing([0.2, 0.3], horizon=5, step=1).at()
    policy = tmf.TabularPolicy.uniform(game)
    last = [
        tmf.simulate(game, policy, tmf.Bernoulli(0.4), 3_000, replicas=400, engine=engine, rng=seed,
                     decisions=decisions, threads=1).counts[:, -1]
        for seed, decisions in ((1, True), (2, False))
    ]
    gap = last[0].mean(axis=0) - last[1].mean(axis=0)
    spread = np.sqrt((last[0].var(axis=0) + last[1].var(axis=0)) / 400)
    assert (np.abs(gap) < 6 * spread).all()
