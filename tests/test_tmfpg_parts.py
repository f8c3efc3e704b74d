"""What an update of TMF-PG is made of, by hand: memory, other populations, weights, entropy, averages, intervals."""

from types import SimpleNamespace

import numpy as np
import pytest

import reference
import tmfcore as tmf
from tmfcore.solvers import TMFPG, _critics
from tmfcore.solvers._policy_gradient import Learning
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._step_rules import Normalized

pytestmark = pytest.mark.filterwarnings("ignore::tmfcore.ConvergenceWarning")


def two_actions(horizon=20, reward=(0.0, 1.0)):
    """One observation: only the choice counts."""
    return tmf.Game(1, 2, horizon, 1.0, [1.0], [list(reward)], np.ones((1, 2, 1)))


def problem_of(game, schedule, n_agents, **options):
    solver = TMFPG(**options)
    return solver._plan(Problem(game, schedule, n_agents, solver.clock))


# ----------------------------------------------------------------------------------------------- the memory


def sample(acted, waited, **more):
    """What a population has shown: sums and counts (2, J, S, A) and (2, J, S)."""
    return SimpleNamespace(acted=np.array(acted, float), waited=np.array(waited, float), **more)


def small_memory():
    """J = 1, S = 2, A = 2."""
    game = tmf.Game(2, 2, 1, 1.0, [0.5, 0.5], np.zeros((2, 2)), np.full((2, 2, 2), 0.5))
    return _critics.PastSamples(problem_of(game, tmf.Bernoulli(0.5), 10))


def test_memory_pools_populations_and_leans_on_everybody_where_little_is_known():
    memory = small_memory()
    assert memory.empty
    one = sample([[[[6.0, 0.0], [0.0, 0.0]]], [[[2, 0], [0, 0]]]], [[[3.0, 0.0]], [[1, 0]]])
    two = sample([[[[2.0, 9.0], [0.0, 0.0]]], [[[1, 1], [0, 0]]]], [[[0.0, 0.0]], [[0, 0]]])
    memory.keep([one, two])
    assert not memory.empty
    mean, did = (8 + 9 + 3) / 5, (8 + 9) / 4  # at observation 0; nobody was at 1, where the mean of the interval stands in
    acting, waiting = memory.tables
    np.testing.assert_allclose(acting[0], [[(8 + did) / 4, (9 + did) / 2], [mean, mean]])
    np.testing.assert_allclose(waiting[0], [3.0, mean])


def test_memory_counts_thirty_decisions_and_rises_with_everybody():
    memory = small_memory()
    memory.keep([sample([[[[100.0, 0.0], [0.0, 0.0]]], [[[100, 0], [0, 0]]]], [[[0.0, 0.0]], [[0, 0]]])])
    np.testing.assert_allclose(memory.tables[0][0, 0], [1.0, 1.0])  # the second by the mean of all
    memory.keep([sample([[[[33.0, 0.0], [0.0, 0.0]]], [[[11, 0], [0, 0]]]], [[[0.0, 0.0]], [[0, 0]]])])
    lag = (33 - 11 * 1.0) / (11 + 1)  # what was 1 is 3 now: all that is kept rises
    total, count = 30 * (1 + lag) + 33, 30 + 11
    mean = total / count
    np.testing.assert_allclose(memory.tables[0][0, 0], [(total + mean) / (count + 1), mean])


def test_memory_by_loops():
    """Acting and waiting through four updates, entry by entry: what lags, what is forgotten, and who stands in for whom."""
    rng, memory = np.random.default_rng(5), small_memory()
    sums, counts = np.zeros((2, 3)), np.zeros((2, 3))  # by observation: action 0, action 1, waiting
    known = np.zeros((2, 3))
    for _ in range(4):
        new = rng.integers(0, 40, (2, 3)) * (rng.random((2, 3)) < 0.7)
        paid = new * rng.normal(3, 2, (2, 3))
        for o in range(2):
            lag = (paid[o] - new[o] * known[o]).sum() / (new[o].sum() + 1)
            for a in range(3):
                kept = min(1, 30 / max(counts[o, a], 1))
                sums[o, a] = (sums[o, a] + counts[o, a] * lag) * kept + paid[o, a]
                counts[o, a] = counts[o, a] * kept + new[o, a]
        everywhere = sums.sum() / counts.sum()
        for o in range(2):
            mean = sums[o].sum() / counts[o].sum() if counts[o].sum() else everywhere
            acted = sums[o, :2].sum() / counts[o, :2].sum() if counts[o, :2].sum() else mean
            for a in range(2):
                known[o, a] = (sums[o, a] + acted) / (counts[o, a] + 1)
            known[o, 2] = sums[o, 2] / counts[o, 2] if counts[o, 2] else mean
        memory.keep([sample([paid[None, :, :2], new[None, :, :2]], [paid[None, :, 2], new[None, :, 2]])])
        np.testing.assert_allclose(memory.tables[0][0], known[:, :2])
        np.testing.assert_allclose(memory.tables[1][0], known[:, 2])


def test_a_population_is_judged_by_the_others_and_not_by_itself():
    level = np.arange(4.0).reshape(1, 1, 2, 2)
    made = [
        sample(0, 0, level=level * k, surplus=np.array([[s]]), visits=np.array([[n]]), direction=np.ones((1, 1, 2, 2)))
        for k, s, n in ((1, 5.0, [2.0, 3.0]), (2, 7.0, [1.0, 0.0]), (3, -4.0, [0.0, 10.0]))
    ]
    _critics.settle(made)
    lack = [(7 - 4) / (11 + 30), (5 - 4) / (15 + 30), (5 + 7) / (6 + 30)]
    for k, (one, shift) in enumerate(zip(made, lack, strict=True), 1):
        np.testing.assert_allclose(one.direction, 1 - shift * k * level)
    alone = [sample(0, 0, level=level, surplus=np.array([[5.0]]), visits=np.ones((1, 1, 2)), direction=level.copy())]
    _critics.settle(alone)
    np.testing.assert_array_equal(alone[0].direction, level)


@pytest.mark.parametrize("critic", ["returns", "empirical"])
def test_the_populations_of_a_solve_share_one_memory_that_is_older_than_they_are(critic):
    """In a game without chance all is foreseen from the first update on, but for what single actions are worth."""
    game = two_actions(1, (2.0, 2.0))
    solver = TMFPG(critic=critic, tolerance=None, absolute_tolerance=None, iterations=3)
    theta = solver.solve(game, tmf.Sequential(), 5, rng=0).state["theta"]
    np.testing.assert_allclose(theta, 0, atol=1e-12)


# ----------------------------------------------------------------------------------- weights, visits, entropy, average


def ascent(theta, critics, *, natural, entropy=0.0):
    made = object.__new__(Learning)
    made.theta, made.critics = theta, critics
    made.plan, made.solver = SimpleNamespace(natural=natural), SimpleNamespace(entropy=entropy)
    return made


def test_natural_steps_are_means_over_the_visits_of_all_populations():
    critics = [
        SimpleNamespace(direction=np.array([[[[6.0], [0.0], [0.0]]]]), visits=np.array([[[2.0, 0.0, 0.0]]])),
        SimpleNamespace(direction=np.array([[[[1.0], [4.0], [0.0]]]]), visits=np.array([[[5.0, 1.0, 0.0]]])),
    ]
    made = ascent(np.zeros((1, 1, 3, 1)), critics, natural=True)
    total = critics[0].direction + critics[1].direction
    np.testing.assert_allclose(made.natural_step(total)[0, 0, :, 0], [1.0, 4.0, 0.0])


@pytest.mark.parametrize("gradient", ["natural", "plain"])
@pytest.mark.parametrize("critic", ["model", "empirical", "returns"])
def test_where_nobody_acts_nothing_moves(critic, gradient):
    """Nobody gets to observation 2, and nobody acts in the second half of the game, whatever the entropy bonus."""
    rows = np.zeros((3, 2, 3))
    rows[..., :2] = 0.5
    game = tmf.Game(3, 2, 4, 0.9, [0.5, 0.5, 0.0], np.arange(6.0).reshape(3, 2), rows)
    solver = TMFPG(critic=critic, gradient=gradient, entropy=0.1, iterations=5, tolerance=None)
    start = tmf.SoftmaxPolicy(np.random.default_rng(0).normal(size=(4, 3, 2)))
    theta = solver.solve(game, tmf.Batch([3, 2, 0, 0]), 6, rng=0, initial=start).state["theta"][..., 0]
    np.testing.assert_array_equal(theta[:, 2], start.theta[:, 2])
    np.testing.assert_array_equal(theta[2:], start.theta[2:])
    assert (theta[:2, :2] != start.theta[:2, :2]).any(axis=(1, 2)).all()


@pytest.mark.parametrize("features", [1, 3])
def test_entropy_steps_are_the_slopes_of_the_entropy(features):
    """Plain: of the mean over agents of H(pi) at the visits. Natural: the row's own, by visits."""
    rng = np.random.default_rng(1)
    theta, mu = rng.normal(size=(2, 2, 3, features)), rng.dirichlet(np.ones(2), size=4)
    decisions, stages = rng.integers(0, 5, size=(4, 2, 3)), np.array([0, 0, 1, 1])
    critics = [SimpleNamespace(occupied=lambda: (mu, decisions, stages))] * 2
    visits = 2 * decisions.sum(axis=-1)

    def entropy(theta):
        pi = _critics.probabilities(theta, mu, stages)
        return -(visits * (pi * np.log(pi)).sum(axis=-1)).sum() / 7.0

    plain = ascent(theta, critics, natural=False).entropy_step(7.0)
    for index in np.ndindex(theta.shape):
        shift = np.zeros(theta.shape)
        shift[index] = 1e-6
        slope = (entropy(theta + shift) - entropy(theta - shift)) / 2e-6
        assert plain[index] == pytest.approx(slope, abs=1e-8)

    natural = ascent(theta, critics, natural=True).entropy_step(7.0)
    logs = np.log(_critics.probabilities(theta, mu, stages))
    bonus = -(logs - (np.exp(logs) * logs).sum(axis=-1, keepdims=True))
    for stage in (0, 1):
        here = stages == stage
        weights = visits[here] / visits[here].sum(axis=0)
        phi = np.array([reference.features(m)[:features] for m in mu[here]])
        expected = np.einsum("jo,joa,jf->oaf", weights, bonus[here], phi)
        np.testing.assert_allclose(natural[stage], expected, atol=1e-12)


@pytest.mark.parametrize("entropy", [0.0, 0.3])
def test_one_natural_update_in_the_limit(entropy):
    """theta moves by rate (advantage - tau (log pi - mean log pi)), the advantage averaged over a stage by visits."""
    game = tmf.games.queueing([0.1, 0.3], horizon=2, step=0.5).at()
    start = tmf.SoftmaxPolicy(np.random.default_rng(2).normal(size=(2, 3, 3)))
    solver = TMFPG(iterations=1, optimizer="sgd", learning_rate=0.3, learning_rate_decay="constant", entropy=entropy)
    theta = solver.solve(game, tmf.Fraction(0.5), initial=start).state["theta"][..., 0]
    value = tmf.evaluate(game, start, tmf.Fraction(0.5))
    expected = start.theta.copy()
    for stage in (0, 1):
        steps = slice(2 * stage, 2 * stage + 2)
        pi = start.probabilities(game.initial, 2 * stage, horizon=4)
        advantage = value.q[steps] - (pi * value.q[steps]).sum(axis=-1, keepdims=True)
        weights = value.flow.mu[steps] / np.maximum(value.flow.mu[steps].sum(axis=0), 1e-300)
        bonus = np.log(pi) - (pi * np.log(pi)).sum(axis=-1, keepdims=True)
        expected[stage] += 0.3 * (np.einsum("to,toa->oa", weights, advantage) - entropy * bonus)
    np.testing.assert_allclose(theta, expected, atol=1e-12)


@pytest.mark.parametrize("average", [None, 0.0, 1.0, 2.0])
def test_what_is_judged_is_the_average_of_the_iterates(average):
    """Iterate k weighs (k+1)...(k+a) over the sum of these, theta_0 included where a is 0."""
    game, thetas, judged, averages = tmf.games.queueing([0.1, 0.3], horizon=3, step=1).at(), [], [], []

    def callback(iteration):
        state = iteration.solution().state
        thetas.append(state["theta"])
        averages.append(state["average"])
        judged.append(iteration.exploitability)

    solver = TMFPG(iterations=5, tolerance=None, average=average)
    solver.solve(game, tmf.Synchronous(), 50, rng=0, callback=callback)
    for k in range(6):
        weights = np.zeros(k + 1)
        weights[k] = 1.0
        if average is not None:
            weights = np.array([np.prod([j + i for i in range(1, int(average) + 1)]) for j in range(k + 1)])
        expected = np.tensordot(weights / weights.sum(), thetas[: k + 1], axes=1)
        np.testing.assert_allclose(averages[k], expected, atol=1e-12)
        gap = tmf.exploitability(game, tmf.SoftmaxPolicy(expected[..., 0]), tmf.Synchronous(), 50)
        assert judged[k] == pytest.approx(gap, rel=1e-9)


# ------------------------------------------------------------------------------------------------- intervals, units


@pytest.mark.parametrize(
    ("options", "horizon", "step", "schedule", "n_agents", "pool", "n_stages"),
    [
        ({}, 20, 1.0, tmf.Sequential(), 1000, 1, 20),  # a fiftieth of a sweep: intervals are stages
        ({"stages": 1}, 20, 1.0, tmf.Sequential(), 1000, 20, 1),
        ({"stages": 4}, 20, 1.0, tmf.Sequential(), 10, 5, 4),
        ({}, 20, 0.01, tmf.Sequential(), 100, 100, 20),  # sweeps
        ({}, 20, 1.0, tmf.Synchronous(), 100, 1, 20),
        ({"stages": 50}, 20, 0.05, tmf.Batch(5), 100, 8, 50),  # 400 steps, shorter stages than sweeps
        ({"stages": 7}, 20, 0.05, tmf.Bernoulli(0.1), 100, 10, 7),
        ({}, 4, 1.0, tmf.Batch([0, 0, 0, 0]), 100, 1, 4),
        ({"stages": 1}, 4, 1.0, tmf.Batch([0, 0, 0, 0]), 100, 4, 1),
    ],
)
def test_intervals_are_sweeps_or_stages(options, horizon, step, schedule, n_agents, pool, n_stages):
    game = tmf.games.queueing([0.1, 0.3], horizon=horizon, step=step).at()
    problem = problem_of(game, schedule, n_agents, critic="empirical", **options)
    assert (problem.pool, problem.n_stages) == (pool, n_stages)


def test_an_interval_belongs_to_the_stage_of_its_middle():
    """645 steps, 20 stages of 32.25, 21 intervals of 32: by their first steps all but one would be a stage late."""
    problem = SimpleNamespace(horizon=645, n_stages=20)
    stages = _critics.stages_of(problem, 32)
    assert stages.tolist() == [*range(20), 19]
    assert _critics.stages_of(SimpleNamespace(horizon=7, n_stages=3), 2).tolist() == [0, 1, 2, 2]


def test_normalized_by_hand():
    theta, rule = np.zeros(3), Normalized()
    rule.step(theta, np.array([3.0, 0.0, -4.0]), 0.1)
    size = np.sqrt(12.5)
    np.testing.assert_allclose(theta, [0.3 / size, 0, -0.4 / size])
    rule.step(theta, np.zeros(3), 0.1)  # nothing seen, nothing learnt of sizes
    rule.step(theta, np.array([0.0, 1.0, 0.0]), 0.1)
    np.testing.assert_allclose(theta[1], 0.1 / ((size + 1) / 2))
    other = Normalized()
    other.restore(rule.state())
    assert other == rule


@pytest.mark.parametrize("scale", [1e-150, 1e6, 1e150])
@pytest.mark.parametrize("critic", ["model", "returns"])
def test_units_of_reward_do_not_matter(critic, scale):
    """Rewards in another unit, the same policy; adam has an absolute 1e-8."""
    solver = TMFPG(critic=critic, optimizer="normalized", iterations=4, tolerance=None, absolute_tolerance=None)

    def theta(scale):
        return solver.solve(two_actions(3, (0.0, scale)), tmf.Sequential(), 9, rng=0).state["theta"]

    np.testing.assert_allclose(theta(scale), theta(1.0), rtol=1e-9)
