"""Events that change nothing are skipped: the counts have the law of events played one by one, and rewards are expectations."""

import numpy as np
import pytest

import stat_tests
import tmfcore as tmf
from reference_laws import compositions
from tmfcore._model.policies import as_policy
from tmfcore._population import skipping

pytestmark = pytest.mark.law

T = 400


def meeting(seed, leaving, *, rewards="local", size=3):
    """Rows affine in mu with two actions; an agent leaves with a probability of up to `leaving`, for several targets."""
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet(np.ones(size), (size, 2, size)) * leaving * rng.random((size, 2, size, 1))
    for o in range(size):
        rows[o, :, :, o] += 1 - rows[o].sum(-1)
    level, extra = rng.normal(size=size), rng.normal(size=(size, 2))
    standing = np.diag(rng.normal(size=size)) if rewards == "local" else rng.normal(size=(size, size))
    return tmf.games.affine(
        reward0=level[:, None] + extra, reward_mu=np.repeat(standing[:, None], 2, axis=1), passive_reward0=level,
        passive_reward_mu=standing, transition0=np.zeros((size, 2, size)), transition_mu=np.moveaxis(rows, -1, 2),
        horizon=T, discount=0.99, initial=np.full(size, 1 / size),
    )  # fmt: skip


def constant(rows, horizon=T, discount=1.0):
    """One action, given rows (S, S)."""
    rows = np.asarray(rows, float)
    size = len(rows)
    return tmf.Game(
        size, 1, horizon, discount, np.full(size, 1 / size), np.arange(size)[:, None] + 0.5, rows[:, None],
        passive_reward=np.arange(size) ** 2.0,
    )  # fmt: skip


def resources(power):
    """A reward of mu(o) that is affine or not, and a policy under which agents rarely move."""
    return tmf.games.resource_selection((1.0, 0.8, 0.5), congestion=1.0, power=power, horizon=T, step=1).at()


RARE = 0.95 * np.eye(3) + 0.05 / 3
TWO = np.random.default_rng(3).dirichlet(np.ones(2), (2, 3))


def unpaid(horizon, infection=1.0, recovery=0.5):
    """SIS without rewards."""
    constant, met = np.zeros((2, 1, 2)), np.zeros((2, 1, 2, 2))
    met[0, 0, :, 0] = 1, 0
    met[0, 0, :, 1] = 1 - infection, infection
    constant[1, 0] = recovery, 1 - recovery
    return tmf.games.affine(
        reward0=np.zeros((2, 1)), reward_mu=np.zeros((2, 1, 2)), transition0=constant, transition_mu=met,
        horizon=horizon, discount=1.0, initial=[0.5, 0.5],
    )  # fmt: skip


GAMES = {
    "no rewards": (unpaid(T), None),
    "SIS": (tmf.games.infection_by_contact(0.9, recovery=0.1, horizon=T, step=1).at(), None),
    "SIRS": (tmf.games.infection_by_contact(0.9, recovery=0.4, immunity_loss=0.1, horizon=T, step=1).at(), None),
    "several targets": (meeting(1, 0.5), TWO[:1]),
    "stages": (meeting(2, 0.3, rewards="coupled"), TWO),
    "restless": (meeting(4, 0.6, size=2), TWO[:, :2]),
    "mutation": (constant([[0.99, 0.01, 0.0], [0.002, 0.99, 0.008], [0.1, 0.1, 0.8]], discount=0.9), None),
    "absorbing": (constant([[0.7, 0.2, 0.1], [0.0, 0.8, 0.2], [0.0, 0.0, 1.0]]), None),
    "resources": (resources(1.0), RARE),
    "convex": (resources(1.5), RARE),
}


def given(name):
    """The game, a policy of it and its table (L, S, A)."""
    game, table = GAMES[name]
    if table is None:
        table = np.random.default_rng(5).dirichlet(np.ones(game.n_actions), (1, game.n_observations))
    policy = tmf.TabularPolicy(table)
    return game, policy, policy.table


def chain(game, table, n_agents):
    """Populations, and the matrix of one event among them, for each stage of the policy."""
    states = list(compositions(n_agents, game.n_observations))
    index = {state: i for i, state in enumerate(states)}
    matrices = np.zeros((len(table), len(states), len(states)))
    for i, state in enumerate(states):
        mu = np.array(state) / n_agents
        transition = game.tables(mu, 0)[1]
        for stage, o, a in np.ndindex(table.shape):
            successors = np.arange(len(mu)) if game.successors is None else game.successors[o, a]
            for x, p in zip(successors, transition[o, a]):
                if mu[o] > 0:
                    after = np.array(state)
                    after[o] -= 1
                    after[x] += 1
                    matrices[stage, i, index[tuple(after.tolist())]] += mu[o] * table[stage, o, a] * p
    return states, matrices


@pytest.mark.parametrize("n_agents", [2, 5])
@pytest.mark.parametrize("name", GAMES)
@pytest.mark.broad(4)
def test_counts_at_recorded_times_have_the_law_of_the_enumerated_chain(name, n_agents):
    game, policy, table = given(name)
    assert skipping.applies(game.model, as_policy(policy, game), T, n_agents)
    states, matrices = chain(game, table, n_agents)
    start = [n_agents - 1, 1] + [0] * (game.n_observations - 2)
    run = tmf.simulate(
        game, policy, tmf.Sequential(), n_agents, replicas=10_000, start=start, rng=7, record_every=10, decisions=False,
        engine="counts",
    )  # fmt: skip
    law = np.eye(len(states))[states.index(tuple(start))]
    for t in range(T):
        law = law @ matrices[t * len(table) // T]
        if t + 1 in (10, 60, 210, 400):
            stat_tests.assert_law(run.counts[:, (t + 1) // 10], {state: p for state, p in zip(states, law.tolist()) if p > 1e-14})


@pytest.mark.parametrize("n_agents", [300, 3_000, 100_000])
def test_every_step_of_many_agents_has_the_law_given_the_counts_before(n_agents):
    """Infections and recoveries of SIS, also given the last step, in whole blocks of 256 changes; p is 0.3 and more."""
    horizon = 4_000
    run = tmf.simulate(
        unpaid(horizon, 0.9, 0.4), [[1.0], [1.0]], tmf.Sequential(), n_agents, replicas=400, rng=12, decisions=False,
        start=[n_agents // 3, n_agents - n_agents // 3],
    )  # fmt: skip
    ill = run.counts[:, :, 1]
    mu = ill[:, :-1] / n_agents
    change = np.diff(ill)
    up, down = (change == 1) - 0.9 * mu * (1 - mu), (change == -1) - 0.4 * mu
    assert (abs(change) <= 1).all() and (change != 0).mean() > 0.3
    for excess in (up, down):
        stat_tests.assert_mean(excess.sum(1), 0.0)
        for last in (-1, 0, 1):
            stat_tests.assert_mean((excess[:, 1:] * (change[:, :-1] == last)).sum(1), 0.0)
        stat_tests.assert_mean((excess * (mu - 0.5)).sum(1), 0.0)


@pytest.mark.parametrize("name", GAMES)
def test_rewards_are_expectations_given_the_counts(name):
    game, policy, table = given(name)
    n_agents = 50
    run = tmf.simulate(game, policy, tmf.Sequential(), n_agents, replicas=3, rng=8, decisions=False, engine="counts")
    for r in range(3):
        expected = []
        for t in range(T):
            mu = run.counts[r, t] / n_agents
            reward, _, standing, _ = game.tables(mu, t)
            extra = (table[t * len(table) // T] * (reward - standing[:, None])).sum(1)
            expected.append(mu @ standing + mu @ extra / n_agents)
        np.testing.assert_allclose(run.rewards[r], expected, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(run.returns[r], game.discount ** np.arange(T) @ expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", GAMES)
def test_results_do_not_depend_on_intervals_threads_or_other_replicas(name):
    game, policy, _ = given(name)

    def run(every, replicas=17, threads=1):
        return tmf.simulate(
            game, policy, tmf.Sequential(), 1000, replicas=replicas, rng=9, record_every=every, decisions=False,
            threads=threads, engine="counts",
        )  # fmt: skip

    whole = run(1)
    assert (whole.counts[:, 1:] != whole.counts[:, :-1]).any()
    for every, replicas, threads in ((1, 1, 1), (7, 17, 2), (30, 17, 1), (100, 3, 1), (T, 17, 1)):
        other = run(every, replicas, threads)
        steps = np.append(np.arange(0, T, every), T)
        np.testing.assert_array_equal(other.counts, whole.counts[:replicas, steps])
        np.testing.assert_array_equal(other.returns, whole.returns[:replicas])
        sums = np.add.reduceat(whole.rewards[:replicas], steps[:-1], axis=1)
        np.testing.assert_allclose(other.rewards, sums, rtol=1e-11, atol=1e-11)


def test_played_at_first_and_skipped_later():
    """N agents leave 0 one by one: the first 6,144 events are played, since many of them change the counts."""
    n_agents, horizon, replicas = 3_000, 9_000, 4_000
    game = constant([[0.0, 1.0], [0.0, 1.0]], horizon)
    assert skipping.applies(game.model, as_policy([[1.0], [1.0]], game), horizon, n_agents)
    run = tmf.simulate(
        game, [[1.0], [1.0]], tmf.Sequential(), n_agents, replicas=replicas, start=[n_agents, 0], rng=10,
        record_every=1_000, decisions=False,
    )  # fmt: skip
    steps = np.arange(1_000, horizon + 1, 1_000)
    stays, both = (1 - 1 / n_agents) ** steps, (1 - 2 / n_agents) ** steps
    variance = n_agents * stays + n_agents * (n_agents - 1) * both - (n_agents * stays) ** 2
    excess = run.counts[:, 1:, 0] - n_agents * stays
    stat_tests.assert_mean(excess, 0.0)
    stat_tests.assert_mean(excess**2 - variance, 0.0)


@pytest.mark.parametrize("n_agents", [10**12, 2**53])
def test_rare_changes_of_many_agents_over_two_billion_steps(n_agents):
    """About 21 changes in 2^31 - 1 steps: their number is binomial, as nobody comes back. O(changes), else hours."""
    horizon, rare = 2**31 - 1, 1e-8
    game = constant([[1 - rare, rare], [0.0, 1.0]], horizon)
    run = tmf.simulate(
        game, [[1.0], [1.0]], tmf.Sequential(), n_agents, replicas=2_000, start=[n_agents, 0], rng=11,
        record_every=horizon, decisions=False, threads=1,
    )  # fmt: skip
    excess = run.counts[:, 1, 1] - horizon * rare
    stat_tests.assert_mean(excess, 0.0, slack=1e-6)
    stat_tests.assert_mean(excess**2 - horizon * rare, 0.0, slack=1e-4)


def test_nobody_left_to_infect():
    game = tmf.games.infection_by_contact(0.9, recovery=0.1, horizon=2**31 - 1, step=1).at()
    table = np.full((2, game.n_actions), 1 / game.n_actions)
    run = tmf.simulate(
        game, table, tmf.Sequential(), 10, start=[10, 0], rng=1, record_every=2**30, decisions=False, replicas=100
    )
    assert (run.counts == [10, 0]).all()
    np.testing.assert_allclose(run.rewards[:, 1] * 2**30, run.rewards[:, 0] * (2**30 - 1), rtol=1e-12)


def test_what_is_played_instead():
    """Too few steps, dense constant rows, policies that see mu, imitation, and more agents than doubles can count."""
    rare = constant([[0.99, 0.01], [0.01, 0.99]])
    alone = as_policy([[1.0], [1.0]], rare)
    assert skipping.applies(rare.model, alone, T, 2**53)
    assert not skipping.applies(rare.model, alone, T, 2**53 + 1)
    assert not skipping.applies(rare.model, alone, 200, 10)
    dense = constant([[0.5, 0.5], [0.5, 0.5]])
    assert not skipping.applies(dense.model, alone, T, 10)
    sees = as_policy(lambda mu: np.ones((2, 1)), rare)
    assert not skipping.applies(rare.model, sees, T, 10)
    fermi = tmf.games.pairwise_revision([[0, 3], [1, 0.5]], intensity=2.0, mutation=0.2, horizon=T, step=1).at()
    assert not skipping.applies(fermi.model, as_policy(tmf.TabularPolicy.uniform(fermi), fermi), T, 10)
