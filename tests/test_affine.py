"""Affine games: their tables, rows, flags and derivatives, and that every verb sees in them the game they say they are."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_engines_agree import assert_rewards, steps_of

import reference
import reference_laws
import stat_tests
import strategies
import tmfcore as tmf
from affine_cases import affine_specs, build, populations
from tmfcore.analysis import fluctuations
from tmfcore.games import affine

# ------------------------------------------------------------------------------------------------ tables and rows


@given(affine_specs, strategies.seeds)
def test_tables_are_the_mixtures_of_the_corners(spec, seed):
    game, right = build(spec, seed), spec.reference()
    for mu in populations(seed, spec.n_observations):
        tables = game.tables(mu)
        dense = (tables[0], strategies.dense(tables[1], spec.successors, spec.n_observations), tables[2],
                 strategies.dense(tables[3], spec.passive_successors, spec.n_observations))  # fmt: skip
        for found, expected in zip(dense, right.tables(mu, 0), strict=True):
            np.testing.assert_allclose(found, expected, atol=2e-14)
        assert (tables[1] >= 0).all() and (tables[3] >= 0).all()


@given(affine_specs, strategies.seeds)
def test_a_row_is_the_row_of_the_tables(spec, seed):
    """To the bit: single agents are priced by rows, everybody by tables."""
    model = build(spec, seed).model
    for mu in populations(seed, spec.n_observations):
        reward, moves, waiting, staying = model.tables(mu)
        for o in range(spec.n_observations):
            for a in range(-1, spec.n_actions):
                row, value = model.row(mu, 0, o, a)
                np.testing.assert_array_equal(row, staying[o] if a < 0 else moves[o, a])
                assert value == (waiting[o] if a < 0 else reward[o, a])


@given(affine_specs, strategies.seeds)
def test_sparse_is_dense(spec, seed):
    sparse, dense = build(spec, seed), build(spec, seed, sparse=False)
    policy = strategies.random_policy(seed, spec.n_observations, spec.n_actions, kind="affine").build(spec.horizon)
    first, second = (tmf.evaluate(game, policy, tmf.Fraction(0.3)) for game in (sparse, dense))
    np.testing.assert_allclose(first.flow.mu, second.flow.mu, atol=1e-14)
    np.testing.assert_allclose(first.values, second.values, atol=1e-12)


@given(affine_specs, strategies.seeds, st.sampled_from(["schedule", "always"]))
def test_flow_values_and_exploitability(spec, seed, clock):
    game, right = build(spec, seed), spec.reference()
    policy = strategies.random_policy(seed, spec.n_observations, spec.n_actions, stages=spec.horizon)
    active = np.full(spec.horizon, 0.4)
    found = tmf.evaluate(game, policy.build(spec.horizon), tmf.Fraction(0.4), clock=clock)
    plain = policy.reference(spec.horizon)
    mu = reference.flow(right, plain, active)
    np.testing.assert_allclose(found.flow.mu, mu, atol=1e-12)
    np.testing.assert_allclose(found.values, reference.values(right, plain, mu, active, clock)[0], atol=1e-11)
    gain = tmf.exploitability(game, policy.build(spec.horizon), tmf.Fraction(0.4), clock=clock)
    assert gain == pytest.approx(reference.exploitability(right, plain, active, clock)[0], abs=1e-10)


def test_rounding_takes_no_row_below_zero():
    """1 - mu(0) - ... - mu(S-1) is 0, or a little less in floating point; the row stays a distribution."""
    size = 7
    moves = np.zeros((size, 1, size))
    moves[:, :, 0] = 1.0
    slopes = np.zeros((size, 1, size, size))
    slopes[:, :, 0, :], slopes[:, :, 1, :] = -1.0, 1.0
    slopes[0, 0] = 0.0
    slopes[0, 0, 0], slopes[0, 0, 2] = -np.arange(size) / size, np.arange(size) / size
    game = affine(np.zeros((size, 1)), reward_mu=None, transition0=moves, transition_mu=slopes, horizon=3, discount=1, initial=np.eye(size)[0])
    for mu in np.random.default_rng(0).dirichlet(np.ones(size), size=200):
        rows = game.tables(mu)[1]
        assert (rows >= 0).all() and np.abs(rows.sum(axis=-1) - 1).max() < 1e-15
        assert (rows[1:, 0, 0] == 0).all()
    for base, slope in ((0.1 + 0.2, -0.3), (0.3, -(0.1 + 0.2))):  # sums of 6e-17 and of -6e-17 are 0
        moves, slopes = np.tile([base, 1 - base], (2, 1, 1)), np.tile([[slope] * 2, [-slope] * 2], (2, 1, 1, 1))
        game = affine(np.zeros((2, 1)), reward_mu=None, transition0=moves, transition_mu=slopes, horizon=1, discount=1, initial=[1, 0])
        np.testing.assert_array_equal(game.tables([0.5, 0.5])[1][:, 0, 0], 0)


# -------------------------------------------------------------------------------------------------------- flags


def flags(**changes):
    """What the kernels are told of a game whose tables are random but for the changes."""
    rng = np.random.default_rng(3)
    size, n_act = 3, 2
    options = {
        "reward0": rng.normal(size=(size, n_act)),
        "reward_mu": rng.normal(size=(size, n_act, size)),
        "transition0": np.zeros((size, n_act, size)),
        "transition_mu": np.moveaxis(rng.dirichlet(np.ones(size), size=(size, n_act, size)), -1, 2),
        "passive_reward0": rng.normal(size=size),
        "passive_reward_mu": rng.normal(size=(size, size)),
        "passive_transition0": np.zeros((size, size)),
        "passive_transition_mu": np.moveaxis(rng.dirichlet(np.ones(size), size=(size, size)), -1, 1),
        "horizon": 2, "discount": 1.0, "initial": [1, 0, 0],
    }  # fmt: skip
    options |= changes
    game = affine(**options)
    model = game.model
    assert model.affine and model.differentiable
    return tuple(
        name for name in ("constant", "constant_transition", "passive_identity", "local_passive_reward", "separable_reward")
        if getattr(model, name)
    )  # fmt: skip


ROWS = np.full((3, 2, 3), 1 / 3)
STILL = {"transition0": ROWS, "transition_mu": None, "passive_transition0": None, "passive_transition_mu": None}


def test_what_does_not_depend_on_mu_is_found():
    local = np.diag([1.0, -2.0, 0.5]) + np.array([[0.5], [0.25], [0.0]])  # the constants vanish: mu sums to 1
    assert flags() == ()
    assert flags(transition0=ROWS, transition_mu=None) == ()
    assert flags(passive_transition0=None, passive_transition_mu=None) == ("passive_identity",)
    assert flags(**STILL) == ("constant_transition", "passive_identity")
    assert flags(**STILL | {"passive_transition0": np.full((3, 3), 1 / 3)}) == ("constant_transition",)
    assert flags(**STILL | {"transition_mu": np.zeros((3, 2, 3, 3))}) == ("constant_transition", "passive_identity")
    assert flags(passive_reward_mu=local) == ("local_passive_reward",)
    assert flags(passive_reward_mu=local, reward_mu=local[:, None].repeat(2, axis=1)) == ("local_passive_reward", "separable_reward")
    shifted = local[:, None] + np.array([[1.0], [4.0]])  # r - r0 is the same for all y: another constant
    assert flags(passive_reward_mu=local, reward_mu=shifted) == ("local_passive_reward", "separable_reward")
    alike = np.arange(9.0).reshape(3, 3)
    assert flags(passive_reward_mu=alike, reward_mu=alike[:, None].repeat(2, axis=1)) == ()
    assert flags(passive_reward_mu=None, reward_mu=None, **STILL) == (
        "constant", "constant_transition", "passive_identity", "local_passive_reward", "separable_reward")  # fmt: skip
    assert flags(passive_reward_mu=None, **STILL) == ("constant_transition", "passive_identity", "local_passive_reward")
    assert flags(reward_mu=None, passive_reward_mu=np.full((3, 3), 2.0), **STILL)[0] == "constant"
    written = {"passive_transition0": [[1, 0], [1, 0], [0, 1]], "passive_successors": [[0, 1], [1, 2], [0, 2]]}
    assert "passive_identity" in flags(**STILL | written)
    assert "passive_identity" not in flags(**STILL | written | {"passive_successors": [[0, 1], [1, 2], [2, 0]]})


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("moving", [False, True])
def test_rewards_of_every_shape(moving, seed):
    """Fixed, local, additive and free rewards give what their formula says."""
    rng = np.random.default_rng(seed)
    local, free = np.diag(rng.normal(size=3)) + 0.5, rng.normal(size=(3, 3))
    for waiting in (None, np.full((3, 3), 1.5), local, free):
        for acting in (None, np.full((3, 2, 3), -0.5), rng.normal(size=(3, 2, 3)), "as waiting"):
            if isinstance(acting, str):
                acting = None if waiting is None else waiting[:, None].repeat(2, axis=1)
            base, own = rng.normal(size=(3, 2)), rng.normal(size=3)
            slopes = np.zeros((3, 2, 3, 3)) if moving else None
            if moving:
                slopes[:, :, 0], slopes[:, :, 1] = -1 / 3 * np.eye(3)[0], 1 / 3 * np.eye(3)[0]
            game = affine(base, reward_mu=acting, transition0=ROWS, transition_mu=slopes, passive_reward0=own, passive_reward_mu=waiting, horizon=2, discount=1,
                          initial=[0, 0, 1])  # fmt: skip
            for mu in rng.dirichlet(np.ones(3), size=3):
                reward, rows, passive, _ = game.tables(mu)
                np.testing.assert_allclose(passive, own + (0 if waiting is None else waiting @ mu), atol=1e-14)
                np.testing.assert_allclose(reward, base + (0 if acting is None else acting @ mu), atol=1e-14)
                np.testing.assert_allclose(rows[:, :, 0], 1 / 3 - (mu[0] / 3 if moving else 0), atol=1e-15)


# --------------------------------------------------------------------------------------------- errors and copies


def test_rows_that_are_no_distributions_are_named():
    zeros = np.zeros((2, 1))
    moves = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    common = {"horizon": 1, "discount": 1, "initial": [1, 0]}
    slopes = np.zeros((2, 1, 2, 2))
    slopes[1, 0, :, 1] = [-0.25, 0.25]
    with pytest.raises(ValueError, match=r"transition0\[1, 0\] \+ transition_mu\[1, 0\]\[:, 1\], the row where all agents are "
                                         r"at y = 1, has entry \[0\] = -0.25; each must be >= 0 \(1 of 8 entries"):  # fmt: skip
        affine(zeros, reward_mu=None, transition0=moves, transition_mu=slopes, **common)
    slopes[1, 0, :, 1] = [0.25, 0.0]
    with pytest.raises(ValueError, match=r"\[:, 1\], .* sums to 1.25; each row must sum to 1 within 1e-08 \(1 of 4 rows"):
        affine(zeros, reward_mu=None, transition0=moves, transition_mu=slopes, **common)
    with pytest.raises(ValueError, match=r"transition0\[0, 0\] sums to 0.5; .*\(1 of 2 rows"):
        affine(zeros, reward_mu=None, transition0=moves * [[[0.5]], [[1]]], transition_mu=None, **common)
    with pytest.raises(ValueError, match=r"passive_transition0\[0\] \+ passive_transition_mu\[0\]\[:, 1\], .* \[0\] = -1"):
        affine(zeros, reward_mu=None, transition0=moves, transition_mu=None, passive_transition_mu=[[[0, -2], [0, 2]], [[0, 0], [0, 0]]], **common)
    with pytest.raises(ValueError, match=r"transition_mu has shape \(2, 1, 2\); must be .*S, A, K, S"):
        affine(zeros, reward_mu=None, transition0=moves, transition_mu=slopes[..., 0], **common)
    with pytest.raises(ValueError, match=r"reward_mu\[0, 0, 1\] is nan; must be finite"):
        affine(zeros, reward_mu=[[[0, np.nan]], [[0, 0]]], transition0=moves, transition_mu=None, **common)
    with pytest.raises(ValueError, match="passive_successors is given without passive_transition0"):
        affine(zeros, reward_mu=None, transition0=moves, transition_mu=None, passive_successors=[[0], [1]], **common)
    with pytest.raises(TypeError, match="reward0 is a function"):
        affine(lambda mu: zeros, reward_mu=None, transition0=moves, transition_mu=None, **common)


@pytest.mark.parametrize("sparse", [False, True])
def test_pickled_and_labelled(sparse):
    spec = strategies.random_game(1, 4, 2, 3, dependence="mu", passive="sparse", sparse=sparse)
    game = build(spec)
    again = pickle.loads(pickle.dumps(game))
    for first, second in zip(game.tables(spec.initial), again.tables(spec.initial), strict=True):
        np.testing.assert_array_equal(first, second)
    assert (again.horizon, again.discount, again.name) == (game.horizon, game.discount, "affine")
    named = affine(np.zeros((1, 1)), reward_mu=None, transition0=[[[1]]], transition_mu=None, horizon=1, discount=1, initial=[1], name="x",
                   observation_labels=["here"], action_labels=["rest"])  # fmt: skip
    again = pickle.loads(pickle.dumps(named))
    assert (again.name, again.observation_labels, again.action_labels) == ("x", ("here",), ("rest",))


def test_arrays_are_copied():
    moves, slopes = np.full((2, 1, 2), 0.5), np.zeros((2, 1, 2, 2))
    slopes[0, 0, :, 0] = [0.5, -0.5]
    game = affine(np.zeros((2, 1)), reward_mu=None, transition0=moves, transition_mu=slopes, horizon=1, discount=1, initial=[1, 0])
    before = game.tables([0.5, 0.5])[1]
    moves[:], slopes[:] = 7.0, 7.0
    np.testing.assert_array_equal(game.tables([0.5, 0.5])[1], before)


# ------------------------------------------------------------------------------------------------------ simulation


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize(
    "schedule",
    [strategies.ScheduleSpec("synchronous"), strategies.ScheduleSpec("sequential"), strategies.ScheduleSpec("batch", 2),
     strategies.ScheduleSpec("bernoulli", 0.35)],
    ids=lambda s: s.kind,
)  # fmt: skip
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.broad
def test_engines_sample_the_exact_chain(engine, schedule, sparse):
    """N = 3, T = 2: the joint laws of (n_0, c_1) and of c_2; chi-square, 8,000 replicas, rate 1e-6 each."""
    spec = strategies.random_game(5, 3, 2, 2, dependence="mu", passive="sparse", sparse=sparse, initial=[1 / 3, 1 / 3, 1 / 3])
    policy = strategies.random_policy(6, 3, 2, kind="affine", stages=2)
    right, plain = spec.reference(), policy.reference(2)
    moves = schedule.moves(2, 3)
    run = tmf.simulate(build(spec), policy.build(2), schedule.build(), 3, replicas=8_000, engine=engine, rng=20, threads=1)
    assert_rewards(run, right)
    first = stat_tests.counted(*steps_of(run)[1:3])
    stat_tests.assert_law(first, reference_laws.counts_step_law(right, plain, (1, 1, 1), 0, moves[0]))
    stat_tests.assert_law(run.counts[:, 2], reference_laws.counts_laws(right, plain, moves, (1, 1, 1))[-1])


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Sequential(), tmf.Batch(4), tmf.Bernoulli(0.3)])
def test_resource_selection_written_as_arrays(engine, schedule):
    """The same draws, to the agent, as the built-in game: the flags lead to the same kernels."""
    values, costs, switching = np.array([1.0, 0.8, 0.6, 0.4]), np.array([1.0, 2.0, 0.5, 1.0]), 0.1
    built_in = tmf.games.resource_selection(values, congestion=costs, switching_cost=switching, horizon=30, step=1).at()
    crowding = -np.diag(costs)
    written = affine(
        values[:, None] - switching * (1 - np.eye(4)), reward_mu=crowding[:, None].repeat(4, axis=1), transition0=np.ones((4, 4, 1)), transition_mu=None,
        passive_reward0=values, passive_reward_mu=crowding, horizon=30, discount=0.95, initial=[1, 0, 0, 0],
        successors=np.broadcast_to(np.arange(4)[:, None], (4, 4, 1)),
    )  # fmt: skip
    policy = strategies.random_policy(2, 4, 4).build(30)
    first, second = (
        tmf.simulate(game, policy, schedule, 50, replicas=5, engine=engine, rng=3, threads=1) for game in (built_in, written)
    )
    np.testing.assert_array_equal(first.counts, second.counts)
    np.testing.assert_allclose(first.rewards, second.rewards, atol=1e-12)


@pytest.mark.parametrize("kind", ["tabular", "affine"])
def test_mass_is_conserved_for_long(kind):
    """Rows that are mixtures over mu could double the rounding of the mass at each of 2,000 steps."""
    game = tmf.games.garnet(5, n_actions=3, n_successors=3, coupling=1.0, horizon=2000, step=1).at()
    policy = strategies.random_policy(1, 5, 3, kind=kind).build(2000)
    found = fluctuations(game, policy, tmf.Fraction(0.5), start="sampled", record_every=100, jacobian="exact")
    assert np.abs(found.covariance.sum(axis=-1)).max() < 1e-12
    assert np.abs(found.bias.sum(axis=-1)).max() < 1e-11
    near = fluctuations(game, policy, tmf.Fraction(0.5), start="sampled", record_every=100, jacobian="differences")
    np.testing.assert_allclose(near.covariance, found.covariance, atol=1e-7)


def test_an_epidemic_in_closed_form():
    """No recovery, everybody out: m = mu(1) grows by i m (1 - m), so J = 1 + i (1 - 2 m), H = -2 i in m."""
    rate, n_steps = 0.3, 12
    game = tmf.games.susceptible_infected(rate, recovery=0.0, horizon=n_steps, initial=[0.9, 0.1])
    out = tmf.TabularPolicy(np.tile([1.0, 0.0], (2, 1)))
    found = fluctuations(game, out, tmf.Synchronous(), start="sampled")
    m, variance, bias = 0.1, 0.09, 0.0
    for t in range(n_steps + 1):
        assert found.mu[t, 1] == pytest.approx(m, abs=1e-14)
        assert found.covariance[t, 1, 1] == pytest.approx(variance, abs=1e-13)
        assert found.bias[t, 1] == pytest.approx(bias, abs=1e-13)
        slope, p = 1 + rate * (1 - 2 * m), rate * m
        bias = slope * bias - rate * variance
        variance = slope**2 * variance + (1 - m) * p * (1 - p)
        m += rate * m * (1 - m)
    for schedule in (tmf.Fraction(0.3), tmf.Bernoulli(0.3)):  # passive agents are out, too
        np.testing.assert_allclose(fluctuations(game, out, schedule, start="sampled").covariance, found.covariance, atol=1e-13)
