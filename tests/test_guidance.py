"""Guidance of TMF-PG: directions by loops, exact variances and means by enumeration, off is off, and where it leads."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import reference
import tmfcore as tmf
from strategies import dense, random_game, random_policy
from tmfcore._model import policy as policy_kernel
from tmfcore.games import wardrop
from tmfcore.solvers import TMFPG, _critics, _guided
from tmfcore.solvers._guidance import Guide
from tmfcore.solvers._problem import Problem
from tmfpg_cases import same, small

pytestmark = pytest.mark.filterwarnings("ignore::tmfcore.ConvergenceWarning")

ONE = np.ones(1)


def ring(n):
    """n agents and n servers: agent i takes server i or i + 1, once."""
    places = np.arange(n)
    successors = np.stack([places, (places + 1) % n], axis=1)[..., None]
    return tmf.Game(n, 2, 1, 1.0, np.full(n, 1 / n), np.zeros((n, 2)), np.ones((n, 2, 1)), successors=successors)


def plain_estimates(n, q):
    """For all 2^n choices b: their probabilities, loads minus 1, and the plain directions in units of agents (2^n, n, 2)."""
    game, pi = ring(n), np.stack([1 - q, q], axis=1)
    kernel = policy_kernel.TablePolicy(pi[None])
    odds, excess, found = [], [], []
    for chosen in itertools.product((0, 1), repeat=n):
        decisions = np.zeros((1, n, 2), np.int64)
        decisions[0, np.arange(n), chosen] = 1
        mu = np.stack([np.full(n, 1 / n), np.bincount((np.arange(n) + chosen) % n, minlength=n) / n])
        direction, visits = np.empty((1, n, 2, 1)), np.empty((1, n, 2))
        _guided.guided_direction(game.model, kernel, mu, decisions, n, ONE, mu[1:] - 1 / n, 1, 1, False, True, direction, visits)
        odds.append(np.prod(pi[np.arange(n), chosen]))
        excess.append(n * mu[1] - 1)
        found.append(n * direction[0, :, :, 0])
        np.testing.assert_array_equal(visits[0], decisions[0])
    return np.array(odds), np.array(excess), np.array(found)


@pytest.mark.parametrize("n", [3, 5, 8])
def test_its_variance_does_not_grow_with_the_number_of_agents(n):
    """At even odds: that of the score estimator of the team's return with its best constant baseline is N / 64, of DG-PG 1 / 8.

    Here it is 1 / 32, since the mean over an agent's own choice is taken, given those of all others.
    """
    odds, excess, found = plain_estimates(n, np.full(n, 0.5))
    returns = -(excess**2).sum(axis=1) / 2
    scores = np.array(list(itertools.product((0, 1), repeat=n)))[:, 0] - 0.5
    score = (returns - odds @ returns) * scores
    assert odds @ score == pytest.approx(0, abs=1e-15) and odds @ found[:, 0, 1] == pytest.approx(0, abs=1e-15)
    assert odds @ score**2 == pytest.approx(n / 64, rel=1e-12)
    taken = excess[np.arange(2**n), np.where(scores > 0, 1, 0)]  # at the server that agent 0 takes
    assert odds @ (taken * scores) ** 2 == pytest.approx(1 / 8, rel=1e-12)
    assert odds @ (taken * scores) == pytest.approx(0, abs=1e-15)
    np.testing.assert_allclose(odds @ found.reshape(-1, 2 * n) ** 2, 1 / 32, rtol=1e-12)


def test_it_is_unbiased_for_the_distance():
    """Of one step in which an action decides where one is: the gradient of -E sum (x - 1)^2 / 2 in the logits of each agent."""
    n, q = 5, np.array([0.1, 0.5, 0.8, 0.35, 0.6])
    odds, _, found = plain_estimates(n, q)

    def value(logits):
        p = 1 / (1 + np.exp(-logits))
        before = np.roll(p, 1)
        return -(before * (1 - p) + p * (1 - before)).sum() / 2

    logits = np.log(q / (1 - q))
    exact = [(value(logits + h) - value(logits - h)) / 2e-6 for h in 1e-6 * np.eye(n)]
    mean = np.tensordot(odds, found, 1)
    np.testing.assert_allclose(mean[:, 1], exact, atol=1e-9)
    np.testing.assert_allclose(mean.sum(axis=1), 0, atol=1e-15)


@pytest.mark.parametrize("natural", [False, True])
@pytest.mark.parametrize("all_actions", [False, True])
@pytest.mark.parametrize("kind", ["softmax", "affine"])
@pytest.mark.parametrize("every", [1, 3])
def test_directions_by_loops(natural, all_actions, kind, every):
    horizon, s, n_act, stages = 7, 3, 2, 2
    spec, policy = random_game(1, s, n_act, horizon, 0.9, dependence="mu_t"), random_policy(2, s, n_act, kind=kind, stages=stages)
    game, built = spec.build(), policy.build(horizon)
    rng = np.random.default_rng(3)
    n_intervals = -(-horizon // every)
    mu = rng.dirichlet(np.ones(s), size=n_intervals + 1)
    gaps = rng.normal(size=(n_intervals, s))
    decisions = rng.integers(0, 3, size=(n_intervals, s, n_act))
    decisions[0, 1] = 0
    features = 1 + s if kind == "affine" else 1
    wanted, seen = np.zeros((stages, s, n_act, features)), np.zeros((stages, s, n_act))
    for j, o in itertools.product(range(n_intervals), range(s)):
        t = (j * every + min((j + 1) * every, horizon)) // 2
        stage = t * stages // horizon
        rows = game.tables(mu[j], t)[1]
        rows = rows if game.successors is None else dense(rows, game.successors, s)
        pi = built.probabilities(mu[j], t, horizon)[o]
        gain = -rows[o] @ gaps[j]
        if natural:
            gain = gain - pi @ gain
        n = decisions[j, o]
        if not natural and n.sum():  # agents see the others, and themselves as the mean of those who decided
            gain = gain + rows[o] @ (n @ rows[o]) / n.sum() / 20
        for a in range(n_act):
            weight = n.sum() if natural and all_actions else n[a]
            pull = weight * gain[a] if natural else n.sum() * pi[a] * (gain[a] - pi @ gain)
            wanted[stage, o, a] += pull * reference.features(mu[j])[:features]
            seen[stage, o, a] += weight
    direction, visits = np.empty_like(wanted), np.empty_like(seen)
    _guided.guided_direction(game.model, built.kernel, mu, decisions, 20.0, ONE, gaps, horizon, every, natural, all_actions, direction, visits)
    np.testing.assert_allclose(direction, wanted, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(visits, seen)


@pytest.mark.parametrize("critic", ["model", "empirical", "returns"])
@pytest.mark.parametrize("gradient", ["natural", "plain"])
def test_visits_are_those_of_the_critic(critic, gradient):
    """So that both directions may be added before they are divided."""
    game, schedule = small(0.25), tmf.Batch(5)
    solver = TMFPG(critic=critic, gradient=gradient, guidance=[0.5, 0.5], replicas=1)
    problem = Problem(game, schedule, 20, "schedule")
    plan, shape = solver._plan(problem), solver._shape(game)
    found = _critics.populations(plan, shape, critic, 1)[0]
    theta = np.random.default_rng(0).normal(size=shape)
    policy = policy_kernel.TablePolicy(policy_kernel.softmax(theta[..., 0]))
    found.sample(policy, theta, np.random.default_rng(1))
    found.learn(policy)
    direction, visits = np.empty(shape), np.empty(shape[:3])
    guide = Guide(solver, problem, plan, shape)
    _guided.guided_direction(
        plan.model, policy, found.mu, found.decisions, 20.0, plan.active, found.mu[1:] - 0.5, plan.horizon, found.record_every,
        plan.natural, guide.all_actions, direction, visits,
    )  # fmt: skip
    np.testing.assert_array_equal(visits, found.visits)
    np.testing.assert_array_equal(direction, guide.direction(found, policy))
    assert visits.sum() > 0 and np.abs(direction).max() > 0


def test_the_limit_of_the_sampled_direction():
    """The mean field's own decisions give the direction of many agents, per agent."""
    game, schedule = small(), tmf.Fraction(0.5)
    found = {}
    for n_agents in (None, 10**7):
        solver = TMFPG(guidance=[0.5, 0.5], gradient="plain", **({} if n_agents is None else {"replicas": 1}))
        problem = Problem(game, schedule, n_agents, "schedule")
        plan, shape = solver._plan(problem), solver._shape(game)
        (critic,) = _critics.populations(plan, shape, "model", 1)
        theta = np.random.default_rng(0).normal(size=shape)
        policy = policy_kernel.TablePolicy(policy_kernel.softmax(theta[..., 0]))
        critic.sample(policy, theta, np.random.default_rng(1))
        found[n_agents] = Guide(solver, problem, plan, shape).direction(critic, policy) / critic.weight
    np.testing.assert_allclose(found[None], found[10**7], atol=2e-3)
    assert np.abs(found[None]).max() > 0.01


# ------------------------------------------------------------------------------------------------------------- solves


def solved(rng=1, iterations=6, n_agents=50, schedule=None, threads=1, executor=None, **options):
    solver = TMFPG(iterations=iterations, tolerance=None, **options)
    game = small(0.5)
    return solver.solve(game, schedule or tmf.Fraction(0.5), n_agents, rng=rng, threads=threads, executor=executor)


def never(k):
    return 0.0


@pytest.mark.parametrize("options", [{}, {"critic": "returns"}, {"gradient": "plain", "critic": "empirical"}])
def test_no_weight_is_no_guidance_to_the_bit(options):
    plain = solved(**options)
    for weight in (0.0, never):
        assert same(plain, solved(guidance=[0.9, 0.1], guidance_weight=weight, **options))
    assert not same(plain, solved(guidance=[0.9, 0.1], guidance_weight=0.5, **options))


def test_what_a_reference_may_be():
    """Shares for all times or each, a flow, and functions: the same bits where they say the same."""
    first = solved(guidance=[0.6, 0.4])
    assert same(first, solved(guidance=np.tile([0.6, 0.4], (9, 1))))
    assert same(first, solved(guidance=lambda mu: [0.6, 0.4]))
    assert same(first, solved(guidance=lambda mu, t: [0.6, 0.4]))
    flow = tmf.mean_field(small(0.5), np.array([[0.7, 0.3], [0.2, 0.8]]), tmf.Fraction(0.5))
    by_flow = solved(guidance=flow)
    assert same(by_flow, solved(guidance=flow.mu)) and not same(by_flow, first)
    times = []
    timed = solved(guidance=lambda mu, t: times.append(t) or flow.mu[round(2 * t)])
    assert same(by_flow, timed) and min(times) == 0.5 and max(times) == 4.0


def test_neither_threads_nor_executors_change_it():
    options = {"guidance": [0.6, 0.4], "guidance_weight": lambda k: 1 / (1 + k), "inner_updates": 2, "population_aware": True}
    first = solved(**options)
    assert same(first, solved(threads=2, **options))
    with ThreadPoolExecutor(2) as pool:
        assert same(first, solved(threads=None, executor=pool, **options))


@pytest.mark.parametrize("n_agents", [None, 200])
def test_alone_it_leads_to_the_reference(n_agents):
    """Whatever the rewards say."""
    game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), horizon=10)
    wanted = np.array([0.1, 0.2, 0.3, 0.4])
    solver = TMFPG(guidance=wanted, guidance_weight=1.0, iterations=60, tolerance=None)
    found = solver.solve(game, tmf.Synchronous(), n_agents, rng=1)
    theta = tmf.SoftmaxPolicy(found.state["theta"][..., 0])
    mu = tmf.mean_field(game, theta, tmf.Synchronous()).mu
    assert np.abs(mu[1:] - wanted).sum(axis=1).max() < 0.05


@pytest.mark.parametrize("n_agents", [20, 400])
def test_a_team_with_one_return_finds_its_optimum(n_agents):
    """Everybody earns the mean reward of all: to 1% of the best in a few iterations of one population, else not in 60."""
    worth = np.array([1.0, 0.8, 0.6, 0.4])
    best = wardrop(worth, congestion=2.0)  # the prices of the optimum have twice the slope
    np.testing.assert_allclose(best, [0.4, 0.3, 0.2, 0.1])
    game = tmf.Game(
        4, 4, 5, 1.0, np.full(4, 0.25), np.zeros((4, 4)), np.tile(np.eye(4), (4, 1, 1)), time="sweeps",
        passive_reward=lambda mu: np.full(4, mu @ (worth - mu)),
    )  # fmt: skip
    goal = 0.99 * (np.full(4, 0.25) @ (worth - 0.25) + 4 * best @ (worth - best))

    def needed(seed, **options):
        solver = TMFPG(
            critic="returns", replicas=1, learning_rate=0.1, learning_rate_decay="constant", iterations=60, tolerance=None, **options
        )  # fmt: skip
        found = solver.solve(game, tmf.Synchronous(), n_agents, rng=seed, callback=lambda now: bool(now.mean_return >= goal))
        return found.history["iteration"][-1]

    assert max(needed(seed, guidance=best) for seed in range(3)) <= 25
    assert min(needed(seed) for seed in range(3)) == 60


def test_beside_altruism():
    """Of the same advantages: with the optimum as the reference, both lead to it."""
    worth = (1.0, 0.8, 0.6, 0.4)
    game = tmf.games.resource_selection(worth, congestion=1.0, horizon=10)
    best = wardrop(worth, congestion=2.0)
    found = TMFPG(guidance=best, altruism=1.0, iterations=40, tolerance=None).solve(game, tmf.Synchronous())
    assert np.abs(found.flow.mu[1:-1] - best).sum(axis=1).max() < 0.05


def test_it_is_saved_and_shown(tmp_path):
    found = solved(guidance=[0.6, 0.4])
    found.save(tmp_path / "found.npz")
    again = tmf.Solution.load(tmp_path / "found.npz")
    assert again.solver == found.solver and again.solver["guidance_weight"] == 0.5
    assert again.solver["guidance"] != solved(guidance=[0.4, 0.6]).solver["guidance"]
    assert TMFPG(guidance=[0.6, 0.4]) == TMFPG(guidance=[0.6, 0.4]) != TMFPG(guidance=[0.4, 0.6])
    assert "array of shape (2,)" in repr(TMFPG(guidance=[0.6, 0.4]))
    kept = {"rng": 1, "checkpoint": tmp_path / "kept.npz"}
    TMFPG(guidance=[0.6, 0.4], iterations=2, tolerance=None).solve(small(), tmf.Synchronous(), 10, **kept)
    with pytest.raises(tmf.FileError, match="solver was"):
        TMFPG(guidance=[0.4, 0.6], iterations=2, tolerance=None).solve(small(), tmf.Synchronous(), 10, **kept)


def test_another_grid_in_continuous_time():
    """A flow is read at the times of the steps, whatever they are."""
    game = small()
    game = tmf.games.resource_selection((1.0, 0.6), congestion=1.0, initial=(0.3, 0.7), horizon=4)
    flow = tmf.mean_field(game, tmf.TabularPolicy.uniform(game), tmf.Poisson())
    solver = TMFPG(guidance=flow, iterations=2, tolerance=None)
    assert np.isfinite(solver.solve(game, tmf.Poisson(), 20, rng=1, step=0.25).exploitability)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"guidance_weight": 0.5}, ValueError, "guidance_weight is 0.5; must be omitted if guidance is None"),
        ({"guidance": [0.5, 0.6]}, ValueError, "guidance sums to 1.1"),
        ({"guidance": [0.5, 0.5], "guidance_weight": 1.5}, ValueError, "guidance_weight is 1.5"),
        ({"guidance": [0.5, 0.5], "guidance_weight": lambda k: 2.0}, ValueError, r"guidance_weight\(0\) is 2.0"),
        ({"guidance": [1.0]}, ValueError, r"guidance has shape \(1,\); must be"),
        ({"guidance": np.full((3, 2), 0.5)}, ValueError, r"guidance has shape \(3, 2\)"),
        ({"guidance": lambda mu: mu[:1]}, ValueError, "guidance at step 1 has shape"),
        ({"guidance": lambda a, b, c: a}, TypeError, "guidance"),
        ({"guidance": "wardrop"}, TypeError, "guidance is"),
    ],
)
def test_errors(options, error, text):
    with pytest.raises(error, match=text):
        solved(**options)


def test_a_flow_of_another_game_is_refused():
    flow = tmf.mean_field(tmf.games.queueing(horizon=4), tmf.TabularPolicy.uniform(tmf.games.queueing()), tmf.Synchronous())
    with pytest.raises(ValueError, match="guidance is a Flow of 4 observations; must be of 2"):
        solved(guidance=flow)
    short = tmf.mean_field(small().replace(horizon=2), np.full((2, 2), 0.5), tmf.Synchronous())
    with pytest.raises(ValueError, match="guidance is a Flow that ends at 2; must last as long as the game, 4"):
        solved(guidance=short)
