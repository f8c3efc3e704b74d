"""Pairwise revision with rare mutants: while all agents are alike, the wait for the next one is drawn at once."""

import numpy as np
import pytest

import stat_tests
import tmfcore as tmf
from reference_laws import compositions

pytestmark = pytest.mark.law

N, S, T = 4, 3, 3000
PAYOFFS = np.array([[1.0, 0.4, -0.3], [0.6, 0.8, 0.2], [-0.1, 0.5, 0.9]])
STATES = list(compositions(N, S))


def game(mutation, discount=0.9995, rule="fermi"):
    """Steps of a quarter of a sweep; discount is per step."""
    return tmf.games.pairwise_revision(
        PAYOFFS, rule=rule, intensity=0.7, mutation=mutation, horizon=T / N, discount=discount**N, initial=[0.25, 0.5, 0.25], step=1 / N
    ).at()


def matrix(mutation, revises, rule):
    """The chain of the counts, a step of one agent at a time, and the mean reward of an agent in a step."""
    steps, earned = np.zeros((len(STATES), len(STATES))), np.zeros(len(STATES))
    for i, state in enumerate(STATES):
        mu = np.array(state) / N
        f = PAYOFFS @ mu
        earned[i] = mu @ f / N
        for o in range(S):
            for x in range(S):
                if x == o or not state[o]:
                    continue
                gain = 0.7 * (f[x] - f[o])
                adopts = 1 / (1 + np.exp(-gain)) if rule == "fermi" else min(max(gain, 0.0), 1.0)
                after = list(state)
                after[o] -= 1
                after[x] += 1
                p = mu[o] * revises[o] * ((1 - mutation) * mu[x] * adopts + mutation / S)
                steps[i, STATES.index(tuple(after))] += p
        steps[i, i] = 1 - steps[i].sum()
    return steps, earned


@pytest.mark.parametrize("rule", ["fermi", "imitate the better"])
@pytest.mark.parametrize("mutation", [6e-4, 0.0, 0.02])
@pytest.mark.broad(1)
def test_counts_and_rewards_are_those_of_the_chain(mutation, rule):
    """Two stages of 1,500 steps: all revise, then some. 20,000 replicas; with 0.02 nothing is skipped."""
    played = np.array([[1.0, 1.0, 1.0], [0.5, 0.9, 0.2]])
    policy = np.stack([1 - played, played], axis=2)
    law, value, weight = np.zeros(len(STATES)), 0.0, 1.0
    law[STATES.index((1, 2, 1))] = 1.0
    for revises in played:
        steps, earned = matrix(mutation, revises, rule)
        for _ in range(T // 2):
            value += weight * law @ earned
            weight *= 0.9995
            law = law @ steps
    run = tmf.simulate(
        game(mutation, rule=rule), policy, tmf.Sequential(), N, replicas=20_000, rng=1, decisions=False, record_every=T
    )
    stat_tests.assert_law(run.counts[:, -1], dict(zip(STATES, law, strict=True)))
    stat_tests.assert_mean(run.returns, value)


def test_waits_do_not_depend_on_what_is_recorded():
    """Runs recorded at every step, at every 7 and once have the same counts where they share a step, and the same rewards."""
    runs = [
        tmf.simulate(game(6e-4, discount=1.0), [[0.1, 0.9]] * 3, tmf.Sequential(), N, replicas=30, rng=2, decisions=False, record_every=every)
        for every in (1, 7, T)
    ]
    each = runs[0]
    for run in runs[1:]:
        np.testing.assert_array_equal(run.counts, each.counts[:, run.steps])
        np.testing.assert_allclose(run.returns, each.returns, rtol=1e-12)
        np.testing.assert_allclose(run.rewards.sum(axis=1), each.rewards.sum(axis=1), rtol=1e-11)
    changes = (np.diff(each.counts, axis=1) != 0).any(axis=2)
    assert changes.sum() > 100
    alike = (each.counts[:, :-1].max(axis=2) == N) & changes
    assert alike.any(), "some mutant arises where all agents are alike"


def test_rewards_between_mutants_are_those_of_the_counts():
    """Recorded at every step: the mean reward of a step is mu M mu dt, also while steps are skipped."""
    run = tmf.simulate(game(6e-4), [[0, 1]] * 3, tmf.Sequential(), N, replicas=20, rng=3, decisions=False)
    mu = run.mu[:, :-1]
    np.testing.assert_allclose(run.rewards, np.einsum("rto,oy,rty->rt", mu, PAYOFFS, mu) / N, atol=1e-13)
    np.testing.assert_allclose(run.returns, run.rewards @ 0.9995 ** np.arange(T), rtol=1e-10)


def test_populations_side_by_side_do_not_share_their_mutants():
    """Replicas of a Population, played in turn by one kernel, all alike at first."""
    alike = tmf.games.pairwise_revision(PAYOFFS, mutation=6e-4, horizon=T / N, initial=[1.0, 0.0, 0.0], step=1 / N).at()
    both = tmf.Population(alike, tmf.Sequential(), N, replicas=2000, rng=4, decisions=False)
    for _ in range(2):
        both.step([[0, 1]] * 3, T // 2)
    law = np.zeros(len(STATES))
    law[STATES.index((N, 0, 0))] = 1.0
    steps = _matrix_of(alike)
    stat_tests.assert_law(both.counts, dict(zip(STATES, law @ np.linalg.matrix_power(steps, T), strict=True)))


def _matrix_of(game):
    """The chain of the counts under a policy that always revises, from the tables of the game."""
    steps = np.zeros((len(STATES), len(STATES)))
    for i, state in enumerate(STATES):
        mu = np.array(state) / N
        rows = game.tables(mu).transition[:, 1]
        for o in range(S):
            for x in range(S):
                if x != o and state[o]:
                    after = list(state)
                    after[o] -= 1
                    after[x] += 1
                    steps[i, STATES.index(tuple(after))] += mu[o] * rows[o, x]
        steps[i, i] = 1 - steps[i].sum()
    return steps
