"""Agents on a graph: the law of all their observations by enumeration, cellular automata by replay, and what is refused."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp

import reference
import reference_laws
import stat_tests
import tmfcore as tmf
from strategies import ScheduleSpec, random_game, random_policy

RING = np.roll(np.eye(3), 1, axis=1)  # agent i sees i + 1 only
GRAPHS = {
    "ring": RING,
    "star": np.array([[0, 1, 1], [1, 0, 0], [1, 0, 0]], float),
    "weights": np.array([[0.5, 2.0, 0.0], [1.0, 1.0, 3.0], [0.0, 0.2, 0.8]]),
    "all": np.ones((3, 3)),
}
SCHEDULES = {
    "synchronous": ScheduleSpec("synchronous"), "sequential": ScheduleSpec("sequential"), "batch": ScheduleSpec("batch", 2),
    "batches": ScheduleSpec("batch", np.array([3, 0])), "bernoulli": ScheduleSpec("bernoulli", 0.35),
}  # fmt: skip


def csr(weights):
    """A graph as users pass it: lists of neighbours if all weights are alike."""
    matrix = sp.csr_array(weights)
    return matrix if (matrix.data != 1).any() else (matrix.indptr, matrix.indices)


def tiny(kind):
    """(game, policy, reference game, reference policy) with N = 3, T = 2."""
    if kind == "sampled":
        spec = random_game(5, 2, 2, 2, dependence="mu_t", passive="dense", zeros=False, initial=[1 / 3, 2 / 3])
        table = np.random.default_rng(1).dirichlet([0.5, 0.5], (6, 2))[:3]
        return spec.build(), tmf.SampledPolicy(table, 2), spec.reference(), reference.sampled(table, 2)
    if kind == "compiled":
        spec = random_game(7, 2, 2, 2, dependence="mu", passive="sparse", sparse=True, initial=[1 / 3, 2 / 3], compiled=True)
        policy = random_policy(3, 2, 2, kind="affine", stages=2, scale=2.0)
    else:
        spec = random_game(8, 2, 3, 2, dependence="mu_t", passive="none", initial=[1 / 3, 2 / 3])
        policy = random_policy(4, 2, 3, kind="callable", stages=2, scale=2.0)
    return spec.build(), policy.build(2), spec.reference(), policy.reference(2)


@pytest.mark.law
@pytest.mark.broad(2)
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("kind", ["sampled", "compiled", "callable"])
def test_counts_follow_the_enumerated_law(kind, schedule, graph):
    game, policy, right, right_policy = tiny(kind)
    moves = SCHEDULES[schedule].moves(2, 3)
    laws = reference_laws.graph_laws(right, right_policy, moves, (1, 2), GRAPHS[graph])
    run = tmf.simulate(game, policy, SCHEDULES[schedule].build(), 3, replicas=2000, rng=3, graph=csr(GRAPHS[graph]))
    assert run.engine == "agents"
    for t in (1, 2):
        stat_tests.assert_law(run.counts[:, t], reference_laws.configurations_to_counts(laws[t]))


@pytest.mark.law
@pytest.mark.broad(1)
@pytest.mark.parametrize("graph", ["ring", "weights"])
@pytest.mark.parametrize("kind", ["sampled", "compiled"])
def test_individuals_follow_the_enumerated_law(kind, graph):
    """Where each agent of the graph is at the second step, in 1,500 runs of one replica."""
    game, policy, right, right_policy = tiny(kind)
    laws = reference_laws.graph_laws(right, right_policy, [("batch", 2)] * 2, (1, 2), GRAPHS[graph])
    found = np.stack([
        tmf.simulate(game, policy, tmf.Batch(2), 3, rng=seed, graph=csr(GRAPHS[graph]), trajectories=True).trajectories.observations
        for seed in range(1500)
    ])
    for t in (0, 1):
        law = {x: float(laws[t][x]) for x in itertools.product(range(2), repeat=3)}
        stat_tests.assert_law(found[:, :, t].astype(np.int64), law)


@pytest.mark.law
def test_sampled_policies_of_games_with_illegal_actions_are_averaged_on_the_graph():
    """Their rows are checked, and so asked for at the shares of the neighbours, instead of drawn: the same law."""
    spec = random_game(9, 2, 2, 2, dependence="mu", initial=[1 / 3, 2 / 3])
    table = np.random.default_rng(2).dirichlet([0.5, 0.5], (3, 2))
    table[:, 0] = [1.0, 0.0]
    laws = reference_laws.graph_laws(spec.reference(), reference.sampled(table, 2), [("batch", 3)] * 2, (1, 2), GRAPHS["star"])
    game = spec.build().replace(legal=[[True, False], [True, True]])
    run = tmf.simulate(game, tmf.SampledPolicy(table, 2), tmf.Synchronous(), 3, replicas=4000, rng=3, graph=csr(GRAPHS["star"]))
    stat_tests.assert_law(run.counts[:, 2], reference_laws.configurations_to_counts(laws[2]))


@pytest.mark.law
def test_with_everybody_in_every_row_the_law_is_that_of_the_population():
    game, policy, right, right_policy = tiny("sampled")
    law = reference_laws.counts_laws(right, right_policy, [("batch", 3)] * 2, (1, 2))[2]
    run = tmf.simulate(game, policy, tmf.Synchronous(), 3, replicas=4000, rng=5, graph=csr(np.ones((3, 3))))
    stat_tests.assert_law(run.counts[:, 2], law)


@pytest.mark.parametrize("n", [64, 5000])
@pytest.mark.broad(1)
def test_rule_90_is_replayed_exactly(n):
    """On a ring of two neighbours, agents that become 1 iff one of both is 1: a cellular automaton, without chance."""
    odd = lambda mu: np.array([[1.0, 0.0], [0.0, 1.0]])[np.full(2, int(0.25 < mu[1] < 0.75))]  # noqa: E731
    move = np.eye(2)[None].repeat(2, axis=0)  # action a leads to a
    game = tmf.Game(2, 2, horizon=12, discount=1.0, initial=[0.7, 0.3], transition=move, reward=lambda mu: np.tile(mu, (2, 1)))
    ring = sp.csr_array(np.roll(np.eye(n), 1, axis=1) + np.roll(np.eye(n), -1, axis=1)) if n < 100 else (
        np.arange(0, 2 * n + 1, 2), np.column_stack([np.arange(-1, n - 1) % n, np.arange(1, n + 1) % n]).ravel())  # fmt: skip
    run = tmf.simulate(game, odd, tmf.Synchronous(), n, rng=1, graph=ring, trajectories=True)
    cells, earned = run.trajectories.observations, run.trajectories.rewards
    now = cells[:, 0].astype(int)
    assert now.sum() == round(0.3 * n)
    for t in range(12):
        np.testing.assert_array_equal(cells[:, t], now)
        left, right = np.roll(now, 1), np.roll(now, -1)
        following = left ^ right
        np.testing.assert_array_equal(run.trajectories.actions[:, t], following)
        np.testing.assert_array_equal(earned[:, t], np.where(following, left + right, 2 - left - right) / 2)
        now = following
    assert run.counts[0, -1, 1] == now.sum()
    np.testing.assert_allclose(run.rewards[0], earned.mean(axis=0), rtol=1e-12)


def robots(n, **options):
    """A run of n robots on a random graph, in which some agents see themselves, and some see few."""
    rng = np.random.default_rng(1)
    weights = sp.csr_array(np.where(rng.random((n, n)) < 0.05, rng.random((n, n)), 0.0)) + sp.eye_array(n)
    kappa = 4
    table = rng.dirichlet(np.ones(3), (15, 3))
    options = {"schedule": tmf.Batch(n // 3), "rng": 2, "replicas": 3} | options
    policy, schedule = options.pop("policy", tmf.SampledPolicy(table, kappa)), options.pop("schedule")
    return tmf.simulate(tmf.games.robotics(horizon=7), policy, schedule, n, graph=weights, **options)


def test_a_run_does_not_depend_on_threads_or_on_what_is_recorded():
    whole = robots(3000)
    np.testing.assert_array_equal(robots(3000, threads=1).counts, whole.counts)
    thinned = robots(3000, record_every=3, decisions=False)
    np.testing.assert_array_equal(thinned.counts, whole.counts[:, [0, 3, 6, 7]])
    np.testing.assert_array_equal(thinned.returns, whole.returns)
    one = robots(3000, replicas=1, record_every=2, trajectories=True)
    np.testing.assert_array_equal(one.returns, robots(3000, replicas=1).returns)
    seen = one.trajectories.observations
    for j, t in enumerate((0, 2, 4, 6)):
        np.testing.assert_array_equal(np.bincount(seen[:, j], minlength=3), robots(3000, replicas=1).counts[0, t])
    assert (one.trajectories.actions >= 0).sum() == 1000 * 4
    assert whole.decisions.sum() == 3 * 7 * 1000


def test_coins_by_observation():
    run = robots(600, schedule=tmf.Bernoulli([[0.0, 1.0, 0.5]]), replicas=40)
    acted = run.decisions.sum(axis=-1)
    assert (acted[..., 0] == 0).all() and (acted[..., 1] == run.counts[:, :-1, 1]).all()
    stat_tests.assert_binomial(int(acted[..., 2].sum()), int(run.counts[:, :-1, 2].sum()), 0.5)


def test_a_sparse_matrix_with_equal_weights_is_its_lists():
    n, policy = 50, np.full((3, 3), 1 / 3)
    weights = sp.csr_array(np.roll(np.eye(n), 1, axis=1) + np.eye(n))
    runs = [
        tmf.simulate(tmf.games.robotics(horizon=5), policy, tmf.Synchronous(), n, rng=1, graph=graph)
        for graph in (weights, 2.5 * weights, sp.coo_array(weights), (weights.indptr, weights.indices))
    ]
    for run in runs[1:]:
        np.testing.assert_array_equal(run.counts, runs[0].counts)
        np.testing.assert_array_equal(run.returns, runs[0].returns)


REFUSED = {
    "engine": ({"engine": "counts"}, "engine is 'counts' with graph; must be 'agents' or 'auto'"),
    "keep_state": ({"keep_state": True}, r"keep_state is True \(bool\) with graph; must be False"),
    "checkpoint": ({"checkpoint": "x"}, r"checkpoint is 'x' \(str\) with graph; must be None"),
    "executor": ({"executor": ThreadPoolExecutor()}, "executor is a ThreadPoolExecutor with graph; must be None"),
    "times": ({"times": 1.0}, r"times is 1.0 \(float\) with graph; must be None"),
    "poisson": ({"schedule": tmf.Poisson()}, "graph is given; must be None with Poisson clocks"),
    "function": ({"schedule": tmf.Bernoulli(lambda mu: mu[0])}, "schedule has p, a function of mu; must have numbers"),
    "batches": ({"schedule": tmf.Fraction(lambda mu: mu[0])}, "a function of mu; must have numbers"),
    "row": ({"graph": sp.csr_array(np.eye(4) - np.diag([0, 0, 1, 0]))}, "graph has no neighbours of agent 2"),
    "shape": ({"graph": sp.csr_array(np.eye(3))}, r"graph has shape \(3, 3\); must be \(4, 4\)"),
    "negative": ({"graph": sp.csr_array(-np.eye(4))}, r"graph.data\[0\] is -1; must be >= 0"),
    "type": ({"graph": "ring"}, r"graph is 'ring' \(str\); must be a scipy sparse matrix"),
    "ends": ({"graph": ([0, 1, 2, 3, 4], [0, 1, 2, 4])}, r"graph\[1\]\[3\] is 4; must be in \[0, 3\]"),
    "starts": ({"graph": ([0, 2, 1, 3, 4], [0, 1, 2, 3])}, r"graph\[0\] must rise from 0 to 4"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_sense_is_refused(name):
    options, words = REFUSED[name]
    options = {"schedule": tmf.Synchronous(), "graph": sp.csr_array(np.eye(4)), "rng": 1} | options
    schedule = options.pop("schedule")
    with pytest.raises((TypeError, ValueError), match=words):
        tmf.simulate(tmf.games.robotics(horizon=2), np.full((3, 3), 1 / 3), schedule, 4, **options)


def test_a_run_is_no_start_for_agents_on_a_graph_and_theirs_for_none():
    game, policy, options = tmf.games.robotics(horizon=2), np.full((3, 3), 1 / 3), {"graph": sp.csr_array(np.eye(4)), "rng": 1}
    run = tmf.simulate(game, policy, tmf.Synchronous(), 4, **options)
    longer = game.replace(horizon=4)
    with pytest.raises(ValueError, match="start is a Simulation with graph; must be counts or a word"):
        tmf.simulate(longer, policy, tmf.Synchronous(), 4, start=run, graph=options["graph"])
    with pytest.raises(ValueError, match="start is a Simulation without its last state"):
        tmf.simulate(longer, policy, tmf.Synchronous(), 4, start=run)
