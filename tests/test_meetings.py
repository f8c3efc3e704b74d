"""Rows affine in mu are drawn by meeting a partner: the law is that of the rows at mu, and rewards are those of the tables."""

import numpy as np
import pytest
from meeting_cases import affine

import stat_tests
import tmfcore as tmf

pytestmark = pytest.mark.law

ENGINES = ("counts", "agents")


def policy_of(kind, size, n_actions, seed=1):
    """Something that simulate takes as a policy, and its table at (t / T, mu)."""
    tables = np.random.default_rng(seed).dirichlet(np.ones(n_actions), (2, size))
    if kind == "fixed":
        return tmf.TabularPolicy(tables[:1]), lambda share, mu: tables[0]
    if kind == "stages":
        return tmf.TabularPolicy(tables), lambda share, mu: tables[int(2 * share)]

    def mixed(mu):
        return mu[0] * tables[0] + (1 - mu[0]) * tables[1]

    return mixed, lambda share, mu: mixed(mu)


def events_of(run):
    """Observation and action of the event of every step, and where the agent went, each (T,)."""
    decisions = run.decisions[0]
    o, a = np.divmod(decisions.reshape(len(decisions), -1).argmax(axis=1), decisions.shape[2])
    change = np.diff(run.counts[0], axis=0)
    return o, a, np.where(change.any(axis=1), change.argmax(axis=1), o)


def successors_of(game, o, a):
    return np.arange(game.n_observations) if game.successors is None else game.successors[o, a]


def law_at(game, pi, counts):
    """The exact law of (o, a, x) where the counts are `counts`; the rows are those of the tables at mu."""
    mu, law = counts / counts.sum(), {}
    transition = game.tables(mu, 0)[1]
    for o, a in np.ndindex(pi.shape):
        for x, p in zip(successors_of(game, o, a), transition[o, a]):
            law[o, a, int(x)] = law.get((o, a, int(x)), 0.0) + mu[o] * pi[o, a] * p
    return law


GAMES = {
    "dense, 2": lambda T: affine(2, horizon=T),
    "dense, 3": lambda T: affine(3, horizon=T, rewards="coupled"),
    "sparse": lambda T: affine(3, 3, cells=2, horizon=T, rewards="own"),
    "Fermi": lambda T: tmf.games.pairwise_revision(
        [[0, 3], [1, 0.5]], intensity=2.0, mutation=0.2, horizon=T, step=1).at(),
    "SIS": lambda T: tmf.games.infection_by_contact(0.9, recovery=0.4, immunity_loss=0.5, horizon=T, step=1).at(),
    "types": lambda T: tmf.games.typed([affine(2, horizon=T), affine(2, seed=5, horizon=T)], shares=[0.5, 0.5]),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["fixed", "stages", "sees mu"])
@pytest.mark.parametrize("n_agents", [3, 4, 6])
@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.broad
def test_each_event_has_the_law_of_the_rows_at_mu(engine, name, n_agents, kind):
    """(o, a, x) of 12,000 events, by the counts before them, in which the acting agent is one of those that it can meet."""
    horizon = 12_000
    game = GAMES[name](horizon)
    policy, pi = policy_of(kind, game.n_observations, game.n_actions)
    run = tmf.simulate(game, policy, tmf.Sequential(), n_agents, engine=engine, rng=3)
    half = 2 * np.arange(horizon) // horizon * (kind == "stages")
    before, group, times = np.unique(
        np.column_stack([half, run.counts[0, :-1]]), axis=0, return_inverse=True, return_counts=True
    )
    events, tested = events_of(run), 0
    for k in np.flatnonzero(times >= 200):
        counts, here = before[k, 1:], group == k
        seen = stat_tests.counted(*(part[here] for part in events))
        stat_tests.assert_law(seen, law_at(game, pi(before[k, 0] / 2, counts / n_agents), counts))
        tested += times[k]
    assert tested > horizon / 2


@pytest.mark.parametrize(("size", "cells"), [(8, None), (8, 3), (40, None)])
@pytest.mark.parametrize("kind", ["fixed", "sees mu"])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.broad(1)
def test_moves_of_many_agents_are_those_of_the_rows(engine, kind, size, cells):
    """Events minus their probabilities given the counts, (o, x) by (o, x), over 40,000 events of 1,000 agents."""
    horizon, n_agents = 40_000, 1_000
    game = affine(size, 2, cells, horizon=horizon)
    policy, pi = policy_of(kind, size, 2)
    run = tmf.simulate(game, policy, tmf.Sequential(), n_agents, engine=engine, rng=4)
    excess, variance = np.zeros((size, size)), np.zeros((size, size))
    o, _, x = events_of(run)
    np.add.at(excess, (o, x), 1)
    mu = run.counts[0, :-1] / n_agents
    for first in range(
        0, horizon, 50
    ):  # mu moves by 1/1000 an event: the rows of 50 events differ by little from their mean
        mean = mu[first : first + 50].mean(axis=0)
        transition, table = game.tables(mean, 0)[1], pi(0.0, mean)
        p = np.zeros((size, size))
        for o, a in np.ndindex(size, 2):
            np.add.at(p[o], successors_of(game, o, a), mean[o] * table[o, a] * transition[o, a])
        excess -= 50 * p
        variance += 50 * p * (1 - p)
    assert np.all(excess[variance < 1e-12] < 1e-6)
    enough = variance > 25
    assert enough.sum() >= size
    assert np.abs(excess[enough] / np.sqrt(variance[enough])).max() < stat_tests.Z


@pytest.mark.parametrize("kind", ["fixed", "sees mu"])
@pytest.mark.parametrize("rewards", ["local", "coupled", "own"])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.broad
def test_rewards_are_those_of_the_tables(engine, rewards, kind):
    """What all earn in each of 1,500 steps, and the return, computed again from counts and decisions."""
    game = affine(5, 3, rewards=rewards, seed=7)
    run = tmf.simulate(game, policy_of(kind, 5, 3)[0], tmf.Sequential(), 30, engine=engine, rng=6)
    whole = 0.0
    for t in range(game.horizon):
        reward, _, passive_reward, _ = game.tables(run.mu[0, t], t)
        acted = run.decisions[0, t]
        earned = (acted * reward).sum() + (run.counts[0, t] - acted.sum(axis=1)) @ passive_reward
        assert run.rewards[0, t] == pytest.approx(earned / 30, rel=1e-11, abs=1e-11)
        whole += 0.99**t * earned / 30
    assert run.returns[0] == pytest.approx(whole, rel=1e-10)


@pytest.mark.parametrize(
    "schedule", [tmf.Sequential(), tmf.Batch(np.random.default_rng(0).choice([1, 1, 1, 2, 5, 30], 1_500))]
)
@pytest.mark.parametrize("kind", ["fixed", "stages", "sees mu"])
@pytest.mark.parametrize("rewards", ["local", "coupled", "own"])
@pytest.mark.broad(1)
def test_what_is_recorded_changes_nothing(rewards, kind, schedule):
    """The same bits with and without individuals; the same counts and decisions at every interval, in both engines."""
    game = affine(5, 3, rewards=rewards)

    def play(**more):
        return tmf.simulate(game, policy_of(kind, 5, 3)[0], schedule, 30, rng=8, **more)

    plain, tracked = play(engine="agents"), play(engine="agents", trajectories=True)
    for name in ("counts", "decisions", "rewards", "returns"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(tracked, name))
    for engine in ENGINES:
        fine, coarse = play(engine=engine), play(engine=engine, record_every=7)
        np.testing.assert_array_equal(coarse.counts[0, :-1], fine.counts[0, :-1:7])
        np.testing.assert_array_equal(coarse.counts[0, -1], fine.counts[0, -1])
        np.testing.assert_array_equal(coarse.decisions[0].sum(0), fine.decisions[0].sum(0))
        for t in range(game.horizon):
            mu = fine.mu[0, t]
            reward, _, passive_reward, _ = game.tables(mu, t)
            acted = fine.decisions[0, t]
            earned = (acted * reward).sum() + (fine.counts[0, t] - acted.sum(axis=1)) @ passive_reward
            assert fine.rewards[0, t] == pytest.approx(earned / 30, rel=1e-11, abs=1e-11)


@pytest.mark.parametrize("intensity", [0.5, 3.0])
def test_a_meeting_is_the_row_of_its_partner(intensity):
    """Over partners drawn from mu, the rows of meetings have the mean that the row at mu is: in games that meet, to rounding."""
    pairs = tmf.games.pairwise_revision(
        [[0, 3, 1], [1, 0.5, 2], [2, 0, 1]], intensity=intensity, mutation=0.1, horizon=3, step=1
    ).at()
    mu = np.array([0.5, 0.3, 0.2])
    for game in (pairs, affine(3), affine(4, 2, cells=2)):
        share = mu if game.n_observations == 3 else np.array([0.4, 0.3, 0.2, 0.1])
        for o, a in np.ndindex(game.n_observations, game.n_actions):
            met = [game.model.met_row(share, 0, o, a, y) for y in range(game.n_observations)]
            row, reward = game.model.row(share, 0, o, a)
            np.testing.assert_allclose(share @ np.array([r for r, _ in met]), row, atol=1e-14)
            np.testing.assert_allclose([r for _, r in met], reward, atol=1e-14)
