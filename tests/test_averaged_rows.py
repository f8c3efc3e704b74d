"""decisions=False lets the engines draw from rows averaged over the policy: same law, expected rewards."""

import numpy as np
import pytest

import reference_laws
import stat_tests
import tmfcore as tmf
from strategies import random_game, random_policy

pytestmark = pytest.mark.law

ENGINES = ("counts", "agents")
SCHEDULES = {
    "synchronous": (tmf.Synchronous(), [("batch", 3)] * 2),
    "batch": (tmf.Batch(2), [("batch", 2)] * 2),
    "bernoulli": (tmf.Bernoulli(0.35), [("bernoulli", 0.35)] * 2),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("passive", ["identity", "dense"])
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
    stat_tests.assert_law([(tuple(c[1]), tuple(c[2])) for c in run.counts.tolist()], law)


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
