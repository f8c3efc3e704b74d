"""Individuals are exchangeable in law whatever the start: joint laws of subsets of agents, by enumeration.

Every statistical assertion has a false-alarm rate of 1e-6 or less and a fixed seed.
"""

import itertools
import math
from collections import defaultdict

import numpy as np
import pytest

import reference
import reference_gradient
import reference_laws
import stat_tests
import tmfcore as tmf
from strategies import ScheduleSpec, random_game, random_policy
from tmfcore._population import names
from tmfcore._random import seeding

pytestmark = pytest.mark.law

INITIAL = (0.2, 0.5, 0.3)
STARTS = {"sampled": "sampled", "rounded": "rounded", "given": [1, 0, 3]}
N_AGENTS = 4


def start_law(start):
    """Law of where each of N agents begins: independent, or every order of the given counts equally likely."""
    if start == "sampled":
        return {
            where: math.prod(INITIAL[o] for o in where) for where in itertools.product(range(3), repeat=N_AGENTS)
        }
    counts = [1, 2, 1] if start == "rounded" else STARTS[start]
    law = defaultdict(float)
    orders = list(itertools.permutations(reference_laws.start_configuration(counts)))
    for where in orders:
        law[tuple(int(o) for o in where)] += 1 / len(orders)
    return dict(law)


def marginal(law, subset):
    """Law of the agents of `subset` alone."""
    found = defaultdict(float)
    for where, weight in law.items():
        found[tuple(where[i] for i in subset)] += weight
    return dict(found)


@pytest.fixture(scope="module", params=list(STARTS))
def beginnings(request):
    """Where 4 agents begin in 3,000 runs."""
    game = tmf.Game(3, 1, 1, 1.0, INITIAL, np.zeros((3, 1)), np.full((3, 1, 3), 1 / 3))
    policy, streams = tmf.TabularPolicy(np.ones((3, 1))), np.random.default_rng(31)
    runs = [
        tmf.simulate(game, policy, tmf.Synchronous(), N_AGENTS, start=STARTS[request.param], trajectories=True, rng=streams)
        for _ in range(3_000)
    ]
    for run in runs[:50]:
        np.testing.assert_array_equal(np.bincount(run.trajectories.observations[:, 0], minlength=3), run.counts[0, 0])
    return request.param, [tuple(run.trajectories.observations[:, 0].tolist()) for run in runs]


@pytest.mark.parametrize("subset", [s for n in (1, 2, 3, 4) for s in itertools.combinations(range(4), n)], ids=str)
@pytest.mark.broad
def test_any_agents_begin_by_the_law_of_any_others(beginnings, subset):
    """Joint law of every subset of the 4 agents at the start, chi-square, rate 1e-6 each."""
    start, drawn = beginnings
    law = marginal(start_law(start), subset)
    stat_tests.assert_law([tuple(where[i] for i in subset) for where in drawn], law)


@pytest.mark.parametrize("schedule", [ScheduleSpec("synchronous"), ScheduleSpec("batch", 2)], ids=lambda spec: spec.kind)
@pytest.mark.broad(1)
def test_pairs_of_agents_have_one_law_all_along(schedule):
    """Every pair of 3 agents from given counts (1, 2): what both did at t = 0 and where they are at t = 1; rate 1e-6."""
    spec = random_game(17, 2, 2, 3, passive="dense", zeros=False, initial=[1 / 3, 2 / 3])
    policy = random_policy(18, 2, 2, kind="affine", stages=3)
    right, right_policy, moves = spec.reference(), policy.reference(3), schedule.moves(2, 3)
    law = defaultdict(float)
    for weight, observations, actions, _ in reference_gradient.trajectories(
        reference.with_horizon(right, 2), right_policy, moves, (0, 1, 1)
    ):
        for i, j in itertools.permutations(range(3), 2):
            law[tuple(np.concatenate([observations[:, [i, j]].ravel()[:4], actions[0, [i, j]]]).tolist())] += weight / 6
    game, made, order, streams = spec.build(), policy.build(3), schedule.build(), np.random.default_rng(32)
    drawn = []
    for _ in range(2_000):
        run = tmf.simulate(game, made, order, 3, start=[1, 2], trajectories=True, rng=streams, threads=1).trajectories
        drawn.append((run.observations.T[:2], run.actions.T[0]))
    for i, j in itertools.permutations(range(3), 2):
        seen = [tuple(np.concatenate([at[:, [i, j]].ravel(), did[[i, j]]]).tolist()) for at, did in drawn]
        stat_tests.assert_law(seen, dict(law))


@pytest.mark.parametrize("schedule", [
    tmf.Synchronous(), tmf.Sequential(), tmf.Batch(5), tmf.Fraction(0.5), tmf.Bernoulli(0.3)
], ids=str)  # fmt: skip
@pytest.mark.parametrize("start", ["sampled", "rounded"])
def test_results_do_not_depend_on_whether_individuals_are_kept(schedule, start):
    """Counts, decisions and rewards of one seed have the same bits with and without trajectories."""
    game = random_game(33, 3, 2, 6, passive="identity", dependence="mu").build()
    policy = random_policy(34, 3, 2, kind="affine").build(6)
    both = [
        tmf.simulate(game, policy, schedule, 90, engine="agents", start=start, trajectories=kept, rng=35)
        for kept in (True, False)
    ]
    for name in ("counts", "decisions", "rewards", "returns"):
        np.testing.assert_array_equal(getattr(both[0], name), getattr(both[1], name))


@pytest.mark.parametrize("n_agents", [1, 2, 3, 257, 600])
def test_numbers_are_permuted_uniformly_and_whole(n_agents):
    """Rows of all widths are permuted alike; of 3 agents all 6 orders are equally likely (chi-square, rate 1e-6)."""
    agents = np.arange(n_agents)
    orders = []
    for seed in range(1 if n_agents != 3 else 6_000):
        key = seeding.key(np.random.default_rng(seed))
        table = [np.tile(agents, (2, 1)).astype(dtype) for dtype in (np.uint16, np.int32, np.float64)]
        names.rename(key, np.ones(n_agents, np.int64), *table)
        np.testing.assert_array_equal(np.sort(table[2], axis=1), np.tile(agents, (2, 1)))
        for other in table:
            np.testing.assert_array_equal(other, np.tile(table[0][0], (2, 1)))
        orders.append(tuple(table[0][0].tolist()))
    if n_agents == 3:
        stat_tests.assert_law(orders, dict.fromkeys(itertools.permutations(range(3)), 1 / 6))
    if n_agents > 100:  # fixed points are Poisson(1): more than 15 have probability 2e-14
        assert (np.array(orders[0]) == agents).sum() <= 15


@pytest.mark.parametrize("start", ["sampled", "rounded"])
def test_agents_of_the_environment_begin_by_one_law(start):
    """interop.pettingzoo: joint law of every pair of 4 agents at 6,000 resets, chi-square, rate 1e-6 each."""
    pytest.importorskip("pettingzoo")
    from tmfcore.interop import pettingzoo

    game = tmf.Game(3, 1, 1, 1.0, INITIAL, np.zeros((3, 1)), np.full((3, 1, 3), 1 / 3))
    world = pettingzoo.parallel_env(game, tmf.Synchronous(), N_AGENTS, start=start)._crowd
    drawn = []
    for seed in range(6_000):
        world.reset(seed)
        drawn.append(tuple(world.observations.tolist()))
    for pair in itertools.permutations(range(N_AGENTS), 2):
        stat_tests.assert_law([tuple(w[i] for i in pair) for w in drawn], marginal(start_law(start), pair))


@pytest.mark.parametrize("start", ["sampled", "rounded"])
def test_the_tagged_agent_is_any_of_them(start):
    """interop.gymnasium: where the tagged agent and the counts of all begin, 20,000 copies, chi-square, rate 1e-6."""
    from tmfcore.interop._worlds import world

    game = tmf.Game(3, 1, 1, 1.0, INITIAL, np.zeros((3, 1)), np.full((3, 1, 3), 1 / 3))
    policy = tmf.TabularPolicy(np.ones((3, 1)))
    copies = world(game, policy, tmf.Synchronous(), N_AGENTS, clock="schedule", start=start, n=20_000)
    copies.reset(np.random.default_rng(36))
    law = defaultdict(float)
    for where, weight in start_law(start).items():
        law[(where[0], *np.bincount(where, minlength=3).tolist())] += weight
    seen = [(int(o), *c) for o, c in zip(copies.observations, copies.counts.tolist(), strict=True)]
    stat_tests.assert_law(seen, dict(law))
