"""The mean-field flow and the tables behind it against the reference (Theory, sections 2 and 8)."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
import tmfcore as tmf
from strategies import ScheduleSpec, cases, games, policies, random_game, random_policy, rows

N_AGENTS = 7


def simplex(size):
    """Strategy of distributions (S,), zero entries and vertices included."""
    return st.integers(0, 2**32 - 1).map(lambda seed: rows(np.random.default_rng(seed), (size,), 0.5))


@given(st.data())
def test_tables_are_those_the_game_was_given(data):
    """game.tables and the compiled rows equal the tables that made the game, at any mu and t."""
    spec = data.draw(games())
    mu = data.draw(simplex(spec.n_observations))
    game = spec.build()
    for t in (0, spec.horizon - 1):
        tables = game.tables(mu, t)
        expected = [spec.table(spec.reward, mu, t), spec.table(spec.transition, mu, t)]
        reference_tables = spec.reference().tables(mu, t)
        expected += [reference_tables[2]]
        expected += [
            reference_tables[3] if spec.passive_successors is None else spec.table(spec.passive_transition, mu, t)
        ]
        for table, right in zip(tables, expected, strict=True):
            assert table.shape == right.shape
            np.testing.assert_allclose(table, right, rtol=0, atol=1e-14)
        compiled = game.model.tables(mu, t)
        for o in range(spec.n_observations):
            for a in range(-1, spec.n_actions):
                row, reward = game.model.row(mu, t, o, a)
                np.testing.assert_array_equal(row, compiled[3][o] if a < 0 else compiled[1][o, a])
                assert reward == (compiled[2][o] if a < 0 else compiled[0][o, a])


BUILT_IN = {
    "resources": ("resource_selection", ([1.0, 0.8, 0.6],), {"congestion": [1.0, 0.5, 2.0], "switching_cost": 0.07}),
    "resources, square": ("resource_selection", ([1.0, 0.8],), {"congestion": [1.0, 0.5], "power": 2.0}),
    "resources, root": ("resource_selection", ([1.0, 0.8, -1.0],), {"congestion": [1.0, 0.5, 0.3], "power": 0.5, "discount": 1.0}),
    "queueing": ("queueing", ([0.1, 0.2, 0.3],), {}),
    "queueing, one server": ("queueing", ([0.4],), {"service_reward": 2.0, "waiting_cost": 0.3}),
    "queueing, dear moves": ("queueing", ([0.3, 0.1],), {"jockeying_cost": 0.5, "discount": 0.9}),
}


@cache
def built_in(label, step, horizon=3):
    """(tmfcore game, reference game) of one entry of BUILT_IN."""
    name, arguments, options = BUILT_IN[label]
    options = {**options, "horizon": horizon, "step": step}
    return getattr(tmf.games, name)(*arguments, **options).at(), getattr(reference, name)(*arguments, **options)


@pytest.mark.parametrize("step", [1.0, 0.25])
@pytest.mark.parametrize("label", BUILT_IN)
@given(st.data())
@pytest.mark.broad
def test_built_in_games_have_the_tables_of_the_theory(label, step, data):
    """Section 8, at any mu: dense tables, horizon and discount of the steps."""
    game, expected = built_in(label, step)
    assert (game.n_observations, game.n_actions) == (expected.n_observations, expected.n_actions)
    assert game.horizon == expected.horizon
    assert game.discount == pytest.approx(expected.discount, rel=1e-15)
    np.testing.assert_array_equal(game.initial, expected.initial)
    mu = data.draw(simplex(expected.n_observations))
    for table, right in zip(game.tables(mu, 0), expected.tables(mu, 0), strict=True):
        np.testing.assert_allclose(table, right, rtol=0, atol=1e-14)


@given(cases(N_AGENTS))
def test_flow_is_the_flow_of_the_reference(case):
    """Any game, policy and schedule: mu_0..mu_T to rounding, and every mu_t a distribution."""
    game, policy, schedule = case.build()
    active = reference.active_fraction(case.moves(N_AGENTS), N_AGENTS)
    flow = tmf.mean_field(game, policy, schedule, N_AGENTS)
    np.testing.assert_allclose(flow.mu, reference.flow(*case.reference(), active), rtol=0, atol=1e-13)
    np.testing.assert_allclose(flow.active_fraction, active, rtol=1e-15)
    np.testing.assert_array_equal(flow.steps, np.arange(game.horizon + 1))
    assert (flow.mu >= 0).all()


@pytest.mark.parametrize("step", [1.0, 0.25])
@pytest.mark.parametrize("label", BUILT_IN)
@pytest.mark.parametrize("kind", ["tabular", "affine", "callable"])
def test_flow_of_the_built_in_games(label, step, kind):
    """The compiled games, half of the agents acting."""
    game, expected = built_in(label, step)
    spec = random_policy(4, game.n_observations, game.n_actions, kind=kind, stages=3)
    policy = spec.build(game.horizon)
    if kind == "callable":  # which is told the time in sweeps
        policy = lambda mu, t, at_step=policy: at_step(mu, round(t / step))  # noqa: E731
    flow = tmf.mean_field(game, policy, tmf.Fraction(0.5))
    right = reference.flow(expected, spec.reference(game.horizon), np.full(game.horizon, 0.5))
    np.testing.assert_allclose(flow.mu, right, rtol=0, atol=1e-13)


@given(cases(N_AGENTS), st.integers(1, 7))
def test_flow_does_not_depend_on_what_is_recorded(case, record_every):
    """Bit for bit the same distributions at the recorded steps."""
    game, policy, schedule = case.build()
    full = tmf.mean_field(game, policy, schedule, N_AGENTS)
    sparse = tmf.mean_field(game, policy, schedule, N_AGENTS, record_every=record_every)
    assert sparse.steps[-1] == game.horizon
    np.testing.assert_array_equal(sparse.mu, full.mu[sparse.steps])


@given(st.data())
def test_flow_of_equal_fractions_is_equal(data):
    """Batch(B), Fraction(B/N) and Bernoulli(B/N) have one limit; so have Synchronous and Batch(N)."""
    game = data.draw(games())
    policy = data.draw(policies(game)).build(game.horizon)
    game = game.build()
    mu = tmf.mean_field(game, policy, tmf.Batch(3), 8).mu
    np.testing.assert_array_equal(mu, tmf.mean_field(game, policy, tmf.Fraction(3 / 8), 8).mu)
    np.testing.assert_array_equal(mu, tmf.mean_field(game, policy, tmf.Bernoulli(3 / 8)).mu)
    mu = tmf.mean_field(game, policy, tmf.Synchronous()).mu
    np.testing.assert_array_equal(mu, tmf.mean_field(game, policy, tmf.Batch(8), 8).mu)


@pytest.mark.parametrize("sparse", [False, True])
def test_flow_of_a_larger_game(sparse):
    """S = 40, A = 5, T = 30: the loops past every unrolled or vectorised head."""
    spec = random_game(2, 40, 5, 30, dependence="mu_t", sparse=sparse, passive="sparse" if sparse else "dense")
    policy = random_policy(3, 40, 5, kind="affine", stages=7)
    flow = tmf.mean_field(spec.build(), policy.build(30), tmf.Fraction(0.3))
    right = reference.flow(spec.reference(), policy.reference(30), np.full(30, 0.3))
    np.testing.assert_allclose(flow.mu, right, rtol=0, atol=1e-12)


ACTIVE = {"all": 1.0, "some": 0.3, "varying": np.linspace(0.0, 1.0, 30)}


@pytest.mark.parametrize("active", ACTIVE)
@pytest.mark.parametrize("passive", ["identity", "dense", "sparse"])
@pytest.mark.parametrize(
    ("size", "n_cells"), [(1, None), (3, None), (8, None), (13, None), (65, None), (7, 2), (8, 3)] + [(40, k) for k in range(1, 6)]
)
@pytest.mark.broad
def test_flow_of_a_fixed_kernel_under_a_policy_of_stages(size, n_cells, passive, active):
    """A kernel that is averaged over the policy of each of 4 uneven stages: dense, merged by origin, or made dense."""
    spec = random_game(4, size, 3, 30, sparse=n_cells is not None, n_cells=n_cells or 2, passive=passive)
    policy = random_policy(5, size, 3, stages=4)
    flow = tmf.mean_field(spec.build(), policy.build(30), tmf.Bernoulli(ACTIVE[active]))
    right = reference.flow(spec.reference(), policy.reference(30), np.broadcast_to(ACTIVE[active], 30))
    np.testing.assert_allclose(flow.mu, right, rtol=0, atol=1e-14)
    recorded = tmf.mean_field(spec.build(), policy.build(30), tmf.Bernoulli(ACTIVE[active]), record_every=7)
    np.testing.assert_array_equal(recorded.mu, flow.mu[recorded.steps])


@pytest.mark.parametrize("stages", [1, 7, 8, 10, 30])
@pytest.mark.parametrize("sparse", [False, True])
def test_flow_of_a_fixed_kernel_does_not_depend_on_how_long_stages_are(stages, sparse):
    """One policy told in more and shorter stages, too short to average the kernel at last."""
    spec = random_game(6, 30, 4, 30, sparse=sparse, n_cells=3)
    table = random_policy(2, 30, 4).build(30).probabilities(spec.initial, 0)
    game = spec.build()
    whole = tmf.mean_field(game, tmf.TabularPolicy(table), tmf.Fraction(0.7))
    parts = tmf.mean_field(game, tmf.TabularPolicy(np.tile(table, (stages, 1, 1))), tmf.Fraction(0.7))
    np.testing.assert_allclose(parts.mu, whole.mu, rtol=0, atol=1e-14)


def test_flow_along_a_fixed_kernel_calls_no_reward():
    """What a flow does not read is not asked for; a kernel of mu is, once a step, and its reward is not."""
    called = []

    def reward(mu, t):
        called.append(("reward", t))
        return np.zeros((2, 2))

    def kernel(mu, t):
        called.append(("transition", t))
        return np.full((2, 2, 2), 0.5)

    policy = tmf.TabularPolicy([[0.5, 0.5]] * 2)
    game = tmf.Game(2, 2, 5, 0.9, [1.0, 0.0], reward, np.full((2, 2, 2), 0.5))
    called.clear()
    tmf.mean_field(game, policy, tmf.Synchronous())
    assert called == []
    game = tmf.Game(2, 2, 5, 0.9, [1.0, 0.0], reward, kernel)
    called.clear()
    tmf.mean_field(game, policy, tmf.Synchronous())
    assert called == [("transition", t) for t in range(5)]


def test_nobody_acts_nobody_moves():
    """Batch(0) leaves an identity passive kernel where it is, and follows any other."""
    spec = random_game(5, 3, 2, 4)
    policy = random_policy(1, 3, 2).build(4)
    mu = tmf.mean_field(spec.build(), policy, tmf.Batch(0), 5).mu
    np.testing.assert_array_equal(mu, np.tile(spec.initial, (5, 1)))
    spec = random_game(5, 3, 2, 4, passive="dense")
    mu = tmf.mean_field(spec.build(), policy, ScheduleSpec("bernoulli", 0.0).build()).mu
    passive = spec.reference().tables(spec.initial, 0)[3]
    np.testing.assert_allclose(mu[4], spec.initial @ np.linalg.matrix_power(passive, 4), atol=1e-14)


def test_mass_is_kept_over_long_horizons():
    """A kernel affine in mu doubles an error of the mass every step; after 2,000 steps mu still sums to 1."""
    base = random_game(2, 3, 2, 2_000, dependence="mu")
    policy = random_policy(1, 3, 2, kind="affine").build(2_000)
    mu = tmf.mean_field(base.build(), policy, tmf.Fraction(0.5)).mu
    np.testing.assert_allclose(mu.sum(axis=1), 1.0, rtol=0, atol=1e-14)
