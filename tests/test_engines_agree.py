"""Both engines against the exact chain enumerated for tiny N, and against each other (Theory, section 5).

Every chi-square below has a false-alarm rate of 1e-6 or less (stat_tests.NOMINAL) and a fixed seed.
"""

from collections import defaultdict

import numpy as np
import pytest

import reference
import reference_gradient
import reference_laws
import stat_tests
import tmfcore as tmf
from strategies import Case, ScheduleSpec, random_game, random_policy

pytestmark = pytest.mark.law

ENGINES = ("counts", "agents")
SCHEDULES = {
    "synchronous": ScheduleSpec("synchronous"),
    "sequential": ScheduleSpec("sequential"),
    "batch": ScheduleSpec("batch", 2),
    "batches": ScheduleSpec("batch", np.array([3, 0])),
    "one and all": ScheduleSpec("batch", np.array([1, 3])),
    "fraction": ScheduleSpec("fraction", 0.6),
    "bernoulli": ScheduleSpec("bernoulli", 0.35),
    "coins": ScheduleSpec("bernoulli", np.array([1.0, 0.5])),
}
REPLICAS = 4_000


def enumerated(kind, n_agents):
    """(tmfcore game, tmfcore policy, reference game, reference policy, start) of one tiny example, T = 2."""
    if kind == "queueing":
        options = {"horizon": 1, "step": 0.5, "initial": [0.0, 1 / 3, 2 / 3]}
        spec = random_policy(2, 3, 3, kind="affine")
        right = reference.queueing([0.2, 0.4], **options)
        return (tmf.games.queueing([0.2, 0.4], **{"step": 1} | options).at(), spec.build(2), right, spec.reference(2), (0, 1, 2))
    if kind == "resources":
        options = {"horizon": 2, "switching_cost": 0.1, "initial": [2 / 3, 1 / 3]}
        spec = random_policy(3, 2, 2, kind="softmax", stages=2)
        right = reference.resource_selection([1.0, 0.5], [1.0, 2.0], **options)
        game = tmf.games.resource_selection([1.0, 0.5], congestion=[1.0, 2.0], **{"step": 1} | options).at()
        return game, spec.build(2), right, spec.reference(2), (2, 1)
    if kind == "dense":
        game = random_game(4, 2, 2, 2, passive="dense", zeros=False, initial=[1 / 3, 2 / 3])
        spec = random_policy(5, 2, 2, kind="tabular", stages=2)
    else:
        game = random_game(5, 3, 2, 2, dependence="mu_t", passive="sparse", sparse=True, initial=[1 / 3, 1 / 3, 1 / 3],
                           compiled=kind == "compiled rows")  # fmt: skip
        spec = random_policy(6, 3, 2, kind="callable", stages=2)
    start = tuple(int(c) for c in np.rint(np.asarray(game.initial) * n_agents))
    return game.build(), spec.build(2), game.reference(), spec.reference(2), start


def steps_of(run):
    """c_0, n_0, c_1, n_1, c_2 of every replica, arrays (R, S) and (R, S A): together a path, as reference.py writes them."""
    decisions = run.decisions.reshape(run.replicas, 2, -1)
    return run.counts[:, 0], decisions[:, 0], run.counts[:, 1], decisions[:, 1], run.counts[:, 2]


def assert_rewards(run, right):
    """Of the first 200 replicas, as reference.py pays their paths."""
    paths = zip(*(map(tuple, part[:200].tolist()) for part in steps_of(run)), strict=True)
    for path, rewards in zip(paths, run.rewards[:200], strict=True):
        np.testing.assert_allclose(rewards, reference_laws.path_rewards(right, path), rtol=0, atol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("kind", ["queueing", "resources", "dense", "moving tables", "compiled rows"])
@pytest.mark.broad(4)
def test_engine_samples_the_enumerated_chain(engine, schedule, kind):
    """N = 3, T = 2: the joint laws of (n_0, c_1), (n_1, c_2) and of c_2, and where S = 2 of the whole path.

    Four chi-square tests, 4,000 replicas (1,000 where tables are Python code), rate 1e-6 each.
    """
    game, policy, right, right_policy, start = enumerated(kind, 3)
    moves = SCHEDULES[schedule].moves(2, 3)
    replicas = 1_000 if kind in ("moving tables", "compiled rows") else REPLICAS
    options = {"replicas": replicas, "engine": engine, "rng": 20, "threads": 1}
    run = tmf.simulate(game, policy, SCHEDULES[schedule].build(), 3, **options)
    assert run.engine == engine
    paths = stat_tests.counted(*steps_of(run))
    assert (run.counts[:, 0] == start).all()
    assert_rewards(run, right)

    first = reference_laws.counts_step_law(right, right_policy, start, 0, moves[0])
    stat_tests.assert_law(stat_tests.marginal(paths, (1, 2)), first)
    second, final = defaultdict(float), defaultdict(float)
    steps = {}
    for (_, middle), p in first.items():
        if middle not in steps:
            steps[middle] = reference_laws.counts_step_law(right, right_policy, middle, 1, moves[1])
        for (n, after), q in steps[middle].items():
            second[n, after] += p * q
            final[after] += p * q
    stat_tests.assert_law(stat_tests.marginal(paths, (3, 4)), second)
    stat_tests.assert_law(run.counts[:, 2], final)
    if game.n_observations == 2:
        stat_tests.assert_law(paths, reference_laws.counts_paths(right, right_policy, moves, start))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("n_agents", "batch"), [(8, 1), (16, 2), (17, 2)])
@pytest.mark.parametrize("kind", ["resources", "fixed tables", "affine policy", "callables", "compiled rows"])
@pytest.mark.broad
def test_small_batches_follow_the_enumerated_chain(engine, n_agents, batch, kind):
    """B <= N/8, passive agents standing still: where engines move only those who act.

    The joint law of (n_0, c_1, n_1, c_2), 6,000 replicas (1,000 where tables are Python code), chi-square, rate 1e-6.
    """
    start = (n_agents // 2, n_agents - n_agents // 2)
    spec = random_policy(8, 2, 2, kind="tabular" if kind == "fixed tables" else "affine", stages=2)
    if kind == "resources":
        game = tmf.games.resource_selection([1.0, 0.5], congestion=[1.0, 2.0], horizon=2, step=1).at()
        right = reference.resource_selection([1.0, 0.5], [1.0, 2.0], horizon=2)
    else:
        dependence = "mu_t" if kind in ("callables", "compiled rows") else "fixed"
        made = random_game(7, 2, 2, 2, dependence=dependence, zeros=False, compiled=kind == "compiled rows")
        game, right = made.build(), made.reference()
    replicas = 1_000 if kind in ("callables", "compiled rows") else 6_000
    run = tmf.simulate(game, spec.build(2), tmf.Batch(batch), n_agents, replicas=replicas, engine=engine, rng=9,
                       start=start, threads=1)  # fmt: skip
    law = reference_laws.counts_paths(right, spec.reference(2), [("batch", batch)] * 2, start)
    stat_tests.assert_law(stat_tests.counted(*steps_of(run)), law)
    assert_rewards(run, right)


AGREEMENT = {
    "B=1": ScheduleSpec("sequential"),
    "B=3": ScheduleSpec("batch", 3),
    "B=40": ScheduleSpec("batch", 40),
    "B=N": ScheduleSpec("synchronous"),
    "p=0.3": ScheduleSpec("bernoulli", 0.3),
}


@pytest.mark.parametrize("schedule", AGREEMENT)
@pytest.mark.parametrize("passive", ["identity", "dense"])
@pytest.mark.broad
def test_engines_agree_with_each_other(schedule, passive):
    """N = 60, S = 5, T = 6: final counts, all decisions at one cell, and returns of 3,000 replicas each.

    Homogeneity chi-square of every column (rate 1e-6 each) and |z| < 6 for the mean returns (2e-9).
    """
    game = random_game(12, 5, 3, 6, passive=passive, initial=[0.2] * 5)
    case = Case(game, random_policy(13, 5, 3, kind="affine", stages=2), AGREEMENT[schedule])
    one, other = (
        tmf.simulate(*case.build(), 60, replicas=3_000, engine=engine, rng=seed, threads=1)
        for engine, seed in (("counts", 1), ("agents", 2))
    )
    for o in range(5):
        stat_tests.assert_same_law(one.counts[:, -1, o].tolist(), other.counts[:, -1, o].tolist())
        for a in range(3):
            total = [run.decisions[:, :, o, a].sum(axis=1).tolist() for run in (one, other)]
            stat_tests.assert_same_law(*total)
    gap = one.returns.mean() - other.returns.mean()
    spread = np.sqrt((one.returns.var() + other.returns.var()) / 3_000)
    assert abs(gap) < stat_tests.Z * spread + 1e-12


@pytest.mark.parametrize("engine", ENGINES)
def test_batch_of_everybody_is_synchronous(engine):
    """Batch(N), Fraction(1) and Synchronous take one path: bit for bit, every array."""
    case = Case(random_game(3, 4, 3, 5, dependence="mu"), random_policy(2, 4, 3, kind="affine"), None)
    game, policy = case.game.build(), case.policy.build(5)
    runs = [
        tmf.simulate(game, policy, schedule, 50, replicas=5, engine=engine, rng=3)
        for schedule in (tmf.Synchronous(), tmf.Batch(50), tmf.Fraction(1.0), tmf.Batch(np.full(5, 50)))
    ]
    for run in runs[1:]:
        np.testing.assert_array_equal(run.counts, runs[0].counts)
        np.testing.assert_array_equal(run.decisions, runs[0].decisions)
        np.testing.assert_array_equal(run.returns, runs[0].returns)


@pytest.mark.parametrize("engine", ENGINES)
def test_coins_of_probability_one_are_synchronous_in_law(engine):
    """Bernoulli(1) and Synchronous: homogeneity chi-square of the final counts, 4,000 replicas, rate 1e-6."""
    game = random_game(14, 3, 2, 4, initial=[0.2, 0.3, 0.5]).build()
    policy = random_policy(2, 3, 2, kind="affine").build(4)
    one, other = (
        tmf.simulate(game, policy, schedule, 10, replicas=4_000, engine=engine, rng=seed, threads=1).counts[:, -1]
        for schedule, seed in ((tmf.Synchronous(), 1), (tmf.Bernoulli(1.0), 2))
    )
    stat_tests.assert_same_law(list(map(tuple, one.tolist())), list(map(tuple, other.tolist())))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("schedule", ["batch", "bernoulli"])
def test_expected_return_is_the_enumerated_value(engine, schedule):
    """Mean return of 10,000 runs of N = 2 agents against the value by enumeration of individuals, |z| < 6 (2e-9)."""
    spec = random_game(15, 2, 2, 3, dependence="fixed", passive="dense", zeros=False, initial=[0.5, 0.5])
    policy = random_policy(16, 2, 2, kind="affine")
    moves = [("batch", 1)] * 3 if schedule == "batch" else [("coin", 0.7)] * 3
    law = [
        reference_gradient.agent_value(spec.reference(), [policy.reference(3)] * 2, moves, (0, 1), agent) for agent in range(2)
    ]
    made = tmf.Batch(1) if schedule == "batch" else tmf.Bernoulli(0.7)
    run = tmf.simulate(spec.build(), policy.build(3), made, 2, replicas=10_000, engine=engine, rng=5, threads=1)
    stat_tests.assert_mean(run.returns, np.mean(law))
