"""Values, best responses and exploitability against the reference (Theory, sections 3, 4 and 8)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
import tmfcore as tmf
from strategies import cases, games, policies, random_game, random_policy

N_AGENTS = 7
CLOCKS = ("schedule", "always")


def right_answers(case, clock, policy="own"):
    """(mu, V, Q, active) of the reference; policy None values the best response."""
    game, own = case.reference()
    active = reference.active_fraction(case.moves(N_AGENTS), N_AGENTS)
    mu = reference.flow(game, own, active)
    v, q = reference.values(game, own if policy == "own" else None, mu, active, clock)
    return mu, v, q, active


@given(cases(N_AGENTS), st.sampled_from(CLOCKS))
def test_values_are_those_of_the_reference(case, clock):
    """V, Q and the mean return, any game, policy, schedule and clock."""
    game, policy, schedule = case.build()
    _, v, q, _ = right_answers(case, clock)
    evaluation = tmf.evaluate(game, policy, schedule, N_AGENTS, clock=clock)
    np.testing.assert_allclose(evaluation.values, v, rtol=0, atol=1e-12)
    np.testing.assert_allclose(evaluation.q, q, rtol=0, atol=1e-12)
    assert evaluation.mean_return == pytest.approx(game.initial @ v[0], abs=1e-12)
    assert (evaluation.values[-1] == 0).all()


@given(cases(N_AGENTS), st.sampled_from(CLOCKS))
def test_best_response_and_exploitability_are_those_of_the_reference(case, clock):
    """V^BR and both exploitabilities; the response returned earns what its values promise."""
    game, policy, schedule = case.build()
    mu, v, _, active = right_answers(case, clock, policy=None)
    flow = tmf.mean_field(game, policy, schedule, N_AGENTS)
    response, values = tmf.best_response(game, flow, schedule, N_AGENTS, clock=clock)
    np.testing.assert_allclose(values, v, rtol=0, atol=1e-12)
    greedy = response.probabilities(mu[0], 0)
    assert greedy.shape == (game.n_observations, game.n_actions)
    assert set(np.unique(greedy)) <= {0.0, 1.0}
    earned = tmf.evaluate(game, response, schedule, N_AGENTS, clock=clock, flow=flow)
    np.testing.assert_allclose(earned.values, values, rtol=0, atol=1e-12)

    average, pointwise = reference.exploitability(*case.reference(), active, clock)
    options = {"n_agents": N_AGENTS, "clock": clock}
    assert tmf.exploitability(game, policy, schedule, **options) == pytest.approx(average, abs=1e-12)
    assert tmf.exploitability(game, policy, schedule, pointwise=True, **options) == pytest.approx(pointwise, abs=1e-12)


@given(cases(N_AGENTS), st.sampled_from(CLOCKS))
def test_exploitability_is_nonnegative(case, clock):
    """Nobody loses by choosing freely, and the average never exceeds the pointwise gap."""
    game, policy, schedule = case.build()
    average = tmf.exploitability(game, policy, schedule, N_AGENTS, clock=clock)
    pointwise = tmf.exploitability(game, policy, schedule, N_AGENTS, clock=clock, pointwise=True)
    assert average >= -1e-12
    assert pointwise >= average - 1e-12


@given(st.data())
def test_the_two_clocks_coincide_when_everybody_acts(data):
    """beta = 1, however it is said: bit for bit."""
    spec = data.draw(games())
    game, policy = spec.build(), data.draw(policies(spec)).build(spec.horizon)
    for schedule in (tmf.Synchronous(), tmf.Fraction(1.0), tmf.Bernoulli(1.0), tmf.Batch(N_AGENTS)):
        one, other = (tmf.evaluate(game, policy, schedule, N_AGENTS, clock=clock) for clock in CLOCKS)
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.q, other.q)
        gaps = [tmf.exploitability(game, policy, schedule, N_AGENTS, clock=clock) for clock in CLOCKS]
        assert gaps[0] == gaps[1]


def test_the_two_clocks_differ_when_some_rest():
    """A game where they must: reward 1 for acting, 0 for resting, half of the agents act."""
    game = tmf.Game(1, 1, 4, 1.0, [1.0], np.ones((1, 1)), np.ones((1, 1, 1)))
    values = [tmf.evaluate(game, tmf.TabularPolicy([[1.0]]), tmf.Fraction(0.5), clock=c).mean_return for c in CLOCKS]
    assert values == [2.0, 4.0]


@given(games(dependences=("fixed",)), st.sampled_from(CLOCKS), st.floats(0.1, 1.0))
def test_the_best_response_is_an_equilibrium_where_nobody_matters_to_others(spec, clock, beta):
    """Without mu in the game a best response to any flow is one to its own: exploitability 0, pointwise too."""
    game, schedule = spec.build(), tmf.Fraction(beta)
    flow = tmf.mean_field(game, random_policy(1, spec.n_observations, spec.n_actions).build(spec.horizon), schedule)
    response, _ = tmf.best_response(game, flow, schedule, clock=clock)
    assert abs(tmf.exploitability(game, response, schedule, clock=clock)) < 1e-12
    assert abs(tmf.exploitability(game, response, schedule, clock=clock, pointwise=True)) < 1e-12


def test_best_response_takes_the_first_of_equal_actions():
    """Ties go to the lowest action."""
    game = tmf.Game(1, 3, 2, 0.9, [1.0], np.array([[0.5, 1.0, 1.0]]), np.ones((1, 3, 1)))
    flow = tmf.mean_field(game, tmf.TabularPolicy(np.full((1, 3), 1 / 3)), tmf.Synchronous())
    response, _ = tmf.best_response(game, flow, tmf.Synchronous())
    for t in range(2):
        np.testing.assert_array_equal(response.probabilities(flow.mu[t], t), [[0.0, 1.0, 0.0]])


@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Fraction(0.25), tmf.Bernoulli(0.6)], ids=str)
@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("power", [1.0, 2.0, 0.5])
def test_water_filling_is_an_equilibrium(schedule, clock, power):
    """Resource selection without switching costs, started at the Wardrop equilibrium and moving by it: nobody gains."""
    values, congestion = np.array([1.0, 0.8, 0.6, 0.1]), np.array([1.0, 0.5, 0.7, 1.0])
    mu, level = reference.water_filling(values, congestion, power)
    game = tmf.games.resource_selection(values, congestion=congestion, power=power, initial=mu, step=1).at()
    policy = tmf.TabularPolicy(np.tile(mu, (4, 1)))
    np.testing.assert_allclose(tmf.mean_field(game, policy, schedule).mu, np.tile(mu, (21, 1)), atol=1e-14)
    assert abs(tmf.exploitability(game, policy, schedule, clock=clock)) < 1e-12
    assert abs(tmf.exploitability(game, policy, schedule, clock=clock, pointwise=True)) < 1e-12
    expected = level * (1 - game.discount**20) / (1 - game.discount)
    assert tmf.evaluate(game, policy, schedule, clock=clock).mean_return == pytest.approx(expected, rel=1e-12)


def test_synchronous_water_filling_is_reached_in_one_step_from_anywhere():
    """From resource 0 the same policy is an equilibrium of the synchronous game: mid-flow (.533, .333, .133, 0)."""
    values, congestion = [1.0, 0.8, 0.6, 0.4], [1.0] * 4
    mu, _ = reference.water_filling(values, congestion)
    game = tmf.games.resource_selection(values, congestion=congestion, initial=[1, 0, 0, 0], step=1).at()
    policy = tmf.TabularPolicy(np.tile(mu, (4, 1)))
    np.testing.assert_allclose(tmf.mean_field(game, policy, tmf.Synchronous()).mu[10], [8 / 15, 1 / 3, 2 / 15, 0])
    assert abs(tmf.exploitability(game, policy, tmf.Synchronous())) < 1e-12
    assert tmf.exploitability(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous()) > 0.1


def test_values_along_a_given_flow_are_those_of_a_deviator():
    """flow= values the policy of one agent among others who play something else."""
    spec = random_game(9, 3, 2, 5, dependence="mu_t", passive="dense")
    crowd, deviator = (random_policy(seed, 3, 2, kind="affine", stages=2) for seed in (1, 2))
    flow = tmf.mean_field(spec.build(), crowd.build(5), tmf.Fraction(0.4))
    evaluation = tmf.evaluate(spec.build(), deviator.build(5), tmf.Fraction(0.4), flow=flow)
    right, _ = reference.values(spec.reference(), deviator.reference(5), flow.mu, np.full(5, 0.4), "schedule")
    np.testing.assert_allclose(evaluation.values, right, rtol=0, atol=1e-13)


def test_values_of_a_larger_game():
    """S = 40, A = 5, T = 30, sparse, every table moving."""
    spec = random_game(6, 40, 5, 30, dependence="mu_t", sparse=True, passive="sparse")
    policy = random_policy(7, 40, 5, kind="softmax", stages=4)
    active = np.linspace(0, 1, 30)
    evaluation = tmf.evaluate(spec.build(), policy.build(30), tmf.Bernoulli(active))
    mu = reference.flow(spec.reference(), policy.reference(30), active)
    v, q = reference.values(spec.reference(), policy.reference(30), mu, active, "schedule")
    np.testing.assert_allclose(evaluation.values, v, rtol=0, atol=1e-11)
    np.testing.assert_allclose(evaluation.q, q, rtol=0, atol=1e-11)


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("dependence", ["fixed", "mu_t"])
@pytest.mark.parametrize(
    ("size", "n_actions", "n_cells"),
    [(size, n, None) for size in (1, 5, 8, 13) for n in (1, 2, 5)] + [(50, 3, None)] + [(11, 4, k) for k in range(1, 6)],
)
@pytest.mark.broad
def test_values_whatever_the_shape(size, n_actions, n_cells, dependence, clock):
    """Rows of every length, in panels and by fours, of a kernel that stays the same and of one that does not."""
    spec = random_game(
        8, size, n_actions, 35, dependence=dependence, sparse=n_cells is not None, n_cells=n_cells or 2, passive="sparse"
    )
    policy = random_policy(3, size, n_actions, stages=2)
    game, active = spec.build(), np.full(35, 0.4)
    evaluation = tmf.evaluate(game, policy.build(35), tmf.Fraction(0.4), clock=clock)
    mu = reference.flow(spec.reference(), policy.reference(35), active)
    v, q = reference.values(spec.reference(), policy.reference(35), mu, active, clock)
    np.testing.assert_allclose(evaluation.values, v, rtol=0, atol=1e-11)
    np.testing.assert_allclose(evaluation.q, q, rtol=0, atol=1e-11)
    best, _ = reference.values(spec.reference(), None, mu, active, clock)
    found = tmf.best_response(game, evaluation.flow, tmf.Fraction(0.4), clock=clock)[1]
    np.testing.assert_allclose(found, best, rtol=0, atol=1e-11)
    gap = tmf.exploitability(game, policy.build(35), tmf.Fraction(0.4), clock=clock)
    assert gap == pytest.approx(spec.initial @ (best - v)[0], abs=1e-11)
    pointwise = tmf.exploitability(game, policy.build(35), tmf.Fraction(0.4), clock=clock, pointwise=True)
    assert pointwise == pytest.approx((best - v).max(), abs=1e-11)


def test_values_of_long_rows():
    """S = 521, A = 3, T = 2: rows longer than what is copied for its alignment, and not a multiple of anything."""
    rng = np.random.default_rng(4)
    transition, reward = rng.dirichlet(np.full(521, 0.1), size=(521, 3)), rng.normal(size=(521, 3))
    game = tmf.Game(521, 3, 2, 0.9, np.full(521, 1 / 521), reward, transition)
    policy = tmf.TabularPolicy(rng.dirichlet(np.ones(3), size=521))
    pi = policy.probabilities(game.initial, 0)
    ahead = reward + 0.9 * transition @ (pi * reward).sum(axis=1)
    np.testing.assert_allclose(tmf.evaluate(game, policy, tmf.Synchronous()).q, [ahead, reward], rtol=0, atol=1e-13)
    best = (reward + 0.9 * transition @ reward.max(axis=1)).max(axis=1)
    gap = tmf.exploitability(game, policy, tmf.Synchronous())
    assert gap == pytest.approx(game.initial @ (best - (pi * ahead).sum(axis=1)), abs=1e-12)
