"""The plain twin (tests/twin): its two programs have one law, that of reference_laws.py; and the compiled engines have it.

Every chi-square has a false-alarm rate of 1e-6 or less and a fixed seed.
"""

from collections import Counter, defaultdict
from functools import cache

import numpy as np
import pytest

import clock_cases
import reference_laws
import stat_tests
import tmfcore as tmf
from strategies import random_game, random_policy
from twin import agents, chance, clocks, counts, moves

pytestmark = pytest.mark.law

N, T = 3, 2


def share(mu, t):
    return np.array([0.2 + 0.6 * mu[1], 0.9 - 0.3 * t])


def size(mu, t):
    return int(1 + (mu[0] > 0.5) + t % 2)


SCHEDULES = {
    "synchronous": (tmf.Synchronous(), moves.synchronous(T, N)),
    "sequential": (tmf.Sequential(), moves.sequential(T, N)),
    "none, then all": (tmf.Batch(np.array([0, N])), moves.batch([0, N], T)),
    "all but one": (tmf.Batch(N - 1), moves.batch(N - 1, T)),
    "batch of mu": (tmf.Batch(size), moves.batch(size, T)),
    "fraction": (tmf.Fraction(0.5), moves.fraction(0.5, T, N)),  # 1.5 agents are 2
    "fraction of mu": (tmf.Fraction(lambda mu: 0.3 + mu[1] / 2), moves.fraction(lambda mu, t: 0.3 + mu[1] / 2, T, N)),
    "bernoulli": (tmf.Bernoulli(0.35), moves.bernoulli(0.35, T)),
    "never, then always": (tmf.Bernoulli([0.0, 1.0]), moves.bernoulli([0.0, 1.0], T)),
    "by observation": (tmf.Bernoulli(np.array([[0.2, 0.7]])), moves.bernoulli(np.array([0.2, 0.7]), T)),
    "by a function": (tmf.Bernoulli(share), moves.bernoulli(share, T)),
}  # fmt: skip


#: The laws of coins by one number and by observation are enumerated as that by a function is.
PLAYED = [pytest.param(name, marks=[pytest.mark.rest] if name in ("bernoulli", "by observation") else []) for name in SCHEDULES]


def example():
    """A game whose tables depend on mu and t, whose passive agents move, and a policy that looks at mu."""
    game = random_game(11, 2, 2, T, 0.8, dependence="mu_t", passive="dense", zeros=False, initial=[1 / 3, 2 / 3])
    return game, random_policy(12, 2, 2, kind="affine", stages=2)


def by_agents(steps):
    """Law of the path of the counts, individual by individual."""
    game, policy = example()
    right, plays = game.reference(), policy.reference(T)
    return chance.law(lambda choose: agents.path(agents.play(right, plays, steps, (0, 1, 1), choose)))


@cache
def by_counts(schedule):
    """Law of the path of the counts, and {path: (rewards, return)}."""
    game, policy = example()
    right, plays = game.reference(), policy.reference(T)
    earned = {}

    def program(choose):
        run = counts.play(right, plays, SCHEDULES[schedule][1], (1, 2), choose)
        earned[agents.path(run)] = run.rewards, run.mean_return
        return agents.path(run)

    return chance.law(program), earned


def assert_equal_laws(one, other):
    elsewhere = len(one.keys() ^ other.keys())  # a number: pytest would compare the texts of all outcomes for minutes
    assert elsewhere == 0
    for outcome, p in one.items():
        assert p == pytest.approx(other[outcome], rel=1e-11, abs=1e-15), outcome


@pytest.mark.parametrize("schedule", PLAYED)
@pytest.mark.broad(1)
def test_both_programs_have_one_law(schedule):
    """All paths of three agents over two steps: individuals, counts, and sums over the outcomes of every step."""
    steps = SCHEDULES[schedule][1]
    game, policy = example()
    right = reference_laws.counts_paths(game.reference(), policy.reference(T), steps, (1, 2))
    assert sum(right.values()) == pytest.approx(1)
    assert_equal_laws(by_counts(schedule)[0], right)
    if schedule in ("sequential", "all but one", "never, then always", "batch of mu"):
        assert_equal_laws(by_agents(steps), right)


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize("schedule", PLAYED)
@pytest.mark.broad
def test_the_engines_have_the_law_of_the_twin(schedule, engine):
    """1,000 runs of Python tables: whole paths, chi-square at 1e-6; rewards and returns to 1e-12, path by path."""
    game, policy = example()
    run = tmf.simulate(game.build(), policy.build(T), SCHEDULES[schedule][0], N, replicas=1000, engine=engine, start=[1, 2], rng=4, threads=1)
    law, rewards = by_counts(schedule)
    paths = [
        (tuple(c[0]), tuple(n[0]), tuple(c[1]), tuple(n[1]), tuple(c[2]))
        for c, n in zip(run.counts.tolist(), run.decisions.reshape(1000, T, -1).tolist(), strict=True)
    ]
    stat_tests.assert_law(paths, law)
    for path, earned, total in zip(paths[:300], run.rewards, run.returns, strict=False):
        np.testing.assert_allclose(earned, rewards[path][0], rtol=0, atol=1e-12)
        assert total == pytest.approx(rewards[path][1], abs=1e-12)


@pytest.mark.parametrize("play", [agents.play, counts.play])
@pytest.mark.broad(1)
def test_a_drawn_run_has_the_law_that_is_enumerated(play):
    """4,000 runs of the twin, drawn by Python's generator: chi-square of the last counts, rate 1e-6."""
    game, policy = example()
    right, plays = game.reference(), policy.reference(T)
    steps, drawn = moves.bernoulli(np.array([0.2, 0.7]), T), chance.Drawn(1)
    start = (0, 1, 1) if play is agents.play else (1, 2)
    last = Counter(tuple(play(right, plays, steps, start, drawn.choose).counts[-1]) for _ in range(4000))
    stat_tests.assert_law(last, reference_laws.counts_laws(right, plays, steps, (1, 2))[-1])


def test_an_individual_has_the_law_of_the_twin():
    """Where agent 2 begins, what it does, where it goes: 3,000 runs of the compiled individuals against the twin's law."""
    game, policy = example()
    right, plays = game.reference(), policy.reference(T)
    steps = moves.batch(2, T)
    law = defaultdict(float)
    for (observed, action), p in chance.law(
        lambda choose: (lambda run: (run.individuals[1], run.actions[0]))(agents.play(right, plays, steps[:1], (0, 1, 1), choose))
    ).items():
        for agent in range(N):  # the compiled engine puts individuals at the start's observations at random
            law[(0, 1, 1)[agent], observed[agent], -1 if action[agent] is None else action[agent]] += p / N
    built, made = game.build(), policy.build(T)
    seen = Counter()
    for seed in range(3000):
        run = tmf.simulate(built, made, tmf.Batch(2), N, engine="agents", start=[1, 2], rng=seed, trajectories=True, decisions=False)
        told = run.trajectories
        seen[int(told.observations[2, 0]), int(told.observations[2, 1]), int(told.actions[2, 0])] += 1
    stat_tests.assert_law(seen, dict(law))


def test_clocks_of_the_twin_follow_the_matrix_exponential():
    """Four agents with rates by observation and passive moves: counts at two times (chi-square), return (|z| < 6)."""
    case = clock_cases.random_case(3, n_obs=3)
    game = clocks.Clocked(
        3, 2, case.discount, case.rate, lambda mu: case.reward @ mu, lambda mu: case.rows @ mu,
        lambda mu: case.standing @ mu, lambda mu: case.rates @ mu,
    )  # fmt: skip
    chain, start = clock_cases.Chain(case, 4), (2, 2, 0)
    runs = [
        clocks.play(game, lambda mu: case.policy, (0, 0, 1, 1), (0, 0.4, case.horizon), chance.Drawn(seed)) for seed in range(2500)
    ]
    for j, t in enumerate((0, 0.4, case.horizon)):
        stat_tests.assert_law(Counter(tuple(run.counts[j]) for run in runs), chain.law(start, t))
    stat_tests.assert_mean([run.mean_return for run in runs], chain.earned(start, case.horizon, -np.log(case.discount)))
    stat_tests.assert_mean([sum(run.rewards) for run in runs], chain.earned(start, case.horizon))
    compiled = tmf.simulate(
        clock_cases.built(case), case.policy, tmf.Poisson(case.rate), 4, replicas=2500, start=start, rng=1,
        times=[0, 0.4, case.horizon],
    )  # fmt: skip
    for j in (0, 1):
        acted = [int(np.sum(run.decisions[j])) for run in runs]
        stat_tests.assert_same_law(acted, compiled.decisions[:, j].sum(axis=(1, 2)).tolist())


def test_starts_are_rounded_by_largest_remainder():
    for n_agents in range(1, 40):
        initial = np.random.default_rng(n_agents).dirichlet(np.ones(4))
        game = tmf.Game(4, 1, 1, 1.0, initial, np.zeros((4, 1)), np.eye(4)[:, None])
        run = tmf.simulate(game, np.ones((4, 1)), tmf.Batch(0), n_agents, rng=0)
        assert moves.rounded_start(initial, n_agents) == run.counts[0, 0].tolist()


def test_a_law_is_not_matched_by_another():
    """The comparison can fail."""
    for other in ("sequential", "batch of mu", "never, then always"):
        with pytest.raises(AssertionError):
            assert_equal_laws(by_counts("all but one")[0], by_counts(other)[0])
