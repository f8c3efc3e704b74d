"""Agents who see kappa others: the average over histograms, its closed forms, and the N agents that draw themselves."""

import itertools
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
import reference_laws
import stat_tests
import tmfcore as tmf
from strategies import ScheduleSpec, random_game
from tmfcore._model.histograms import HistogramPolicy
from twin import chance


def random_table(seed, kappa, size, n_actions, stages=None):
    z = math.comb(kappa + size - 1, size - 1)
    shape = (z, size) if stages is None else (stages, z, size)
    return np.random.default_rng(seed).dirichlet(np.full(n_actions, 0.5), shape)


@pytest.mark.parametrize(("kappa", "size"), [(1, 1), (4, 1), (1, 4), (5, 2), (4, 3), (3, 5)])
def test_histograms_are_all_there_are_in_order(kappa, size):
    found = tmf.SampledPolicy.histograms(kappa, size)
    every = [z for z in itertools.product(range(kappa + 1), repeat=size) if sum(z) == kappa]
    assert found.tolist() == [list(z) for z in every]
    assert len(found) == math.comb(kappa + size - 1, size - 1)
    kernel = HistogramPolicy(random_table(1, kappa, size, 2, 1), kappa)
    np.testing.assert_array_equal(kernel.places(found.astype(np.int32)), np.arange(len(found)))


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_the_average_is_that_over_all_ordered_draws(kappa, size, seed):
    """Populations with empty observations included."""
    rng = np.random.default_rng(seed)
    table = random_table(rng, kappa, size, 3)
    mu = rng.dirichlet(np.full(size, 0.5)) * (rng.random(size) < 0.7)
    mu = mu / mu.sum() if mu.sum() > 0 else np.eye(size)[0]
    found = tmf.SampledPolicy(table, kappa).probabilities(mu)
    np.testing.assert_allclose(found, reference.sampled(table, kappa)(mu, 0), rtol=0, atol=1e-14)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=0, atol=1e-14)


@pytest.mark.parametrize("kappa", [1, 2, 7, 40, 150])
def test_a_policy_affine_in_the_shares_is_itself_at_mu_whatever_kappa(kappa):
    """E z / kappa = mu."""
    rng = np.random.default_rng(kappa)
    corners = rng.dirichlet(np.ones(2), (3, 3))  # at populations that are all at one observation
    shares = tmf.SampledPolicy.histograms(kappa, 3) / kappa
    policy = tmf.SampledPolicy(np.einsum("zx,xoa->zoa", shares, corners), kappa)
    for mu in rng.dirichlet(np.ones(3), 5):
        np.testing.assert_allclose(policy.probabilities(mu), np.einsum("x,xoa->oa", mu, corners), rtol=0, atol=2e-14)


def test_what_a_sample_misses_falls_as_one_over_the_root_of_kappa():
    """E |z / kappa - g|_1 ~ sum_x sqrt(2 g (1 - g) / (pi kappa)), by policies that act with probability |z / kappa - g|_1 / 2."""
    g = np.array([0.5, 0.3, 0.2])
    error, sizes = [], np.array([25, 50, 100, 200, 400])
    for kappa in sizes:
        off = np.abs(tmf.SampledPolicy.histograms(int(kappa), 3) / kappa - g).sum(axis=1) / 2
        table = np.stack([off, 1 - off], axis=-1)[:, None, :].repeat(3, axis=1)
        error.append(2 * tmf.SampledPolicy(table, int(kappa)).probabilities(g)[0, 0])
    predicted = np.sqrt(2 * g * (1 - g) / (math.pi * sizes[:, None])).sum(axis=1)
    np.testing.assert_allclose(np.array(error) / predicted, 1, rtol=0, atol=0.02)
    np.testing.assert_allclose((error / predicted)[-1], 1, rtol=0, atol=2e-3)
    slope = np.polyfit(np.log(sizes), np.log(error), 1)[0]
    assert abs(slope + 0.5) < 0.01


def two_places(horizon):
    return tmf.games.resource_selection((1.0, 0.8), congestion=1.0, horizon=horizon, step=1)


def aware(mu):
    rows = np.exp(3 * np.outer([1.0, -0.5], mu**2) + np.array([[0.1, 0.4], [0.2, 0.0]]))
    return rows / rows.sum(axis=1, keepdims=True)


def test_of_a_policy_tends_to_the_policy_and_is_it_at_infinity():
    game = two_places(4)
    schedule = tmf.Synchronous()
    right = tmf.mean_field(game, aware, schedule)
    assert tmf.SampledPolicy.of(aware, game, math.inf) is aware
    off = tmf.mean_field(game, tmf.SampledPolicy.of(aware, game, math.inf), schedule)
    np.testing.assert_array_equal(off.mu, right.mu)
    gaps = [
        np.abs(tmf.mean_field(game, tmf.SampledPolicy.of(aware, game, kappa), schedule).mu - right.mu).max()
        for kappa in (10, 40, 160)
    ]
    assert gaps[0] > 3 * gaps[1] > 9 * gaps[2] > 0  # falls as 1 / kappa: the policy is smooth


def test_of_reads_the_table_at_shares_and_the_first_step_of_each_stage():
    game = two_places(5)
    moving = lambda mu, t: [[mu[0] * t / 4, 1 - mu[0] * t / 4]] * 2  # noqa: E731
    policy = tmf.SampledPolicy.of(moving, game, 3, stages=2)
    shares = tmf.SampledPolicy.histograms(3, 2)[:, 0] / 3
    np.testing.assert_allclose(policy.table[0, :, 0, 0], 0 * shares)
    np.testing.assert_allclose(policy.table[1, :, 0, 0], shares * 3 / 4)  # stage 1 begins at ceil(5 / 2)


def everything(game, policy, schedule, n_agents=None):
    flow = tmf.mean_field(game, policy, schedule, n_agents)
    value = tmf.evaluate(game, policy, schedule, n_agents)
    return flow.mu, value.values, tmf.exploitability(game, policy, schedule, n_agents)


@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Batch(3)])
def test_verbs_take_it_as_the_policy_that_it_is_on_average(schedule):
    game = random_game(3, 3, 2, 4, dependence="mu_t").build()
    table = random_table(4, 3, 3, 2, stages=2)
    slow = [reference.sampled(stage, 3) for stage in table]
    for found, right in zip(
        everything(game, tmf.SampledPolicy(table, 3), schedule, 10),
        everything(game, lambda mu, t: slow[t * 2 // 4](mu, t), schedule, 10),
        strict=True,
    ):
        np.testing.assert_allclose(found, right, rtol=0, atol=1e-11)


def drawn_step(game, table, kappa, start, acting):
    """Law of (decisions, next counts) if each agent that acts draws kappa of all N itself, agents one after another."""
    _, transition, _, passive = game.tables(np.bincount(start, minlength=game.n_observations) / len(start), 0)
    order = [tuple(z) for z in tmf.SampledPolicy.histograms(kappa, game.n_observations).tolist()]

    def program(choose):
        decisions = np.zeros((game.n_observations, game.n_actions), int)
        arrived = []
        among = acting[choose([1] * len(acting))]
        for agent, o in enumerate(start):
            if agent in among:
                seen = [start[choose([1] * len(start))] for _ in range(kappa)]
                z = order.index(tuple(seen.count(x) for x in range(game.n_observations)))
                a = choose(table[z][o])
                decisions[o, a] += 1
                arrived.append(choose(transition[o][a]))
            else:
                arrived.append(choose(passive[o]))
        return tuple(decisions.ravel().tolist()), tuple(np.bincount(arrived, minlength=game.n_observations).tolist())

    return chance.law(program)


@pytest.mark.parametrize(("schedule", "size"), [("synchronous", 3), ("sequential", 1), ("batch", 2)])
def test_agents_that_draw_have_the_law_of_the_average(schedule, size):
    """N = 3, kappa = 2: the enumerated step of agents who draw, that of pi_kappa, and what both engines sample."""
    spec = random_game(5, 2, 2, 1, passive="dense", zeros=False, initial=[2 / 3, 1 / 3])
    game, right = spec.build(), spec.reference()
    table = random_table(6, 2, 2, 2)
    start, acting = (0, 0, 1), list(itertools.combinations(range(3), size))
    drawn = drawn_step(right, table, 2, start, acting)
    move = ScheduleSpec(schedule, 2 if schedule == "batch" else None).moves(1, 3)[0]
    averaged = reference_laws.counts_step_law(right, reference.sampled(table, 2), (2, 1), 0, move)
    assert set(drawn) == set(averaged)
    for key, p in drawn.items():
        assert p == pytest.approx(averaged[key], abs=1e-12)
    for engine in ("counts", "agents"):
        run = tmf.simulate(game, tmf.SampledPolicy(table, 2), ScheduleSpec(schedule, 2 if schedule == "batch" else None).build(), 3, replicas=4000,
                           engine=engine, rng=7)  # fmt: skip
        stat_tests.assert_law(stat_tests.counted(run.decisions.reshape(4000, -1), run.counts[:, 1]), drawn)


def neighbours():
    part = tmf.games.robotics(horizon=6)
    weights = np.array([[1.0, 0.5, 0.0], [0.2, 2.0, 0.2], [0.0, 0.0, 0.7]])
    game = tmf.games.typed([part] * 3, shares=[0.5, 0.2, 0.3], coupling=weights)
    return game, weights


def test_types_draw_from_their_neighbourhoods():
    game, weights = neighbours()
    table = random_table(8, 3, 3, 3)
    slow = reference.sampled(table, 3, weights)
    found = tmf.mean_field(game, tmf.SampledPolicy(table, 3), tmf.Fraction(0.5))
    right = tmf.mean_field(game, slow, tmf.Fraction(0.5))
    np.testing.assert_allclose(found.mu, right.mu, rtol=0, atol=1e-12)
    run = tmf.simulate(game, tmf.SampledPolicy(table, 3), tmf.Sequential(), 10, rng=1)  # rows of single agents
    assert run.counts.sum(axis=-1).max() == 10


def test_a_table_for_all_observations_of_a_typed_game_sees_the_whole_population():
    game, _ = neighbours()
    table = random_table(9, 1, 9, 3)
    found = tmf.mean_field(game, tmf.SampledPolicy(table, 1), tmf.Synchronous())
    right = tmf.mean_field(game, reference.sampled(table, 1), tmf.Synchronous())
    np.testing.assert_allclose(found.mu, right.mu, rtol=0, atol=1e-13)


def test_games_that_it_does_not_fit():
    policy = tmf.SampledPolicy(random_table(1, 2, 3, 3), 2)
    part = tmf.games.robotics(horizon=2)
    with pytest.raises(ValueError, match=r"policy has \(S, A\) = \(3, 3\); must be the game's, \(2, 2\)"):
        tmf.mean_field(two_places(3), policy, tmf.Synchronous())
    coupled = np.kron(np.eye(2), np.ones((3, 3)))
    with pytest.raises(ValueError, match="coupling is a matrix over all observations; must be one over types"):
        tmf.mean_field(tmf.games.typed([part] * 2, shares=[0.5, 0.5], coupling=coupled), policy, tmf.Synchronous())
    game = tmf.games.typed([part] * 2, shares=[0.5, 0.5], coupling=[[1, 1], [0, 0]])
    with pytest.raises(ValueError, match=r"coupling\[1, :\] is 0; must have a positive entry"):
        tmf.mean_field(game, policy, tmf.Synchronous())
    other = tmf.Game(2, 3, horizon=2, discount=0.95, initial=[1, 0], reward=np.zeros((2, 3)), transition=np.full((2, 3, 2), 0.5))
    game = tmf.games.typed([part, other], shares=[0.5, 0.5], coupling=np.eye(2))
    with pytest.raises(ValueError, match="all types must have as many as the policy"):
        tmf.mean_field(game, policy, tmf.Synchronous())
    game = tmf.games.typed([part] * 2, shares=[1.0, 0.0], coupling=[[0, 1], [1, 1]])
    with pytest.raises(ValueError, match="agents of block 0 see nobody at mu"):
        tmf.mean_field(game, policy, tmf.Synchronous())


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match="table has Z = 5 histograms; must have 6, those of kappa = 2 agents at S = 3"):
        tmf.SampledPolicy(np.full((5, 3, 2), 0.5), 2)
    with pytest.raises(ValueError, match=r"table\[1, 0\] sums to 0.9"):
        tmf.SampledPolicy([[[0.5, 0.5]] * 2, [[0.5, 0.4], [0.5, 0.5]]], 1)
    with pytest.raises(ValueError, match="kappa is 0; must be >= 1"):
        tmf.SampledPolicy([[[1.0]]], 0)
    with tmf.max_memory("1 MB"), pytest.raises(MemoryError, match="kappa must be smaller"):
        tmf.SampledPolicy.of(lambda mu: np.full((12, 2), 0.5), tmf.Game(12, 2, horizon=1, discount=1.0, initial=np.eye(12)[0],
                             transition=np.ones((12, 2, 12)) / 12, reward=np.zeros((12, 2))), 12)  # fmt: skip


def test_illegal_actions_are_refused():
    legal = np.array([[True, False], [True, True]])
    game = random_game(1, 2, 2, 2).build().replace(legal=legal)
    table = np.full((3, 2, 2), 0.5)
    with pytest.raises(ValueError, match=r"game.legal\[0, 1\] is False"):
        tmf.mean_field(game, tmf.SampledPolicy(table, 2), tmf.Synchronous())
    table[:, 0] = [1.0, 0.0]
    tmf.mean_field(game, tmf.SampledPolicy(table, 2), tmf.Synchronous())


def test_it_is_kept_copied_and_compared(tmp_path):
    policy = tmf.SampledPolicy(random_table(1, 2, 3, 2, stages=2), 2)
    policy.save(tmp_path / "policy.npz")
    for other in (tmf.load(tmp_path / "policy.npz"), pickle.loads(pickle.dumps(policy))):
        assert other == policy and hash(other) == hash(policy)
    assert policy != tmf.SampledPolicy(random_table(2, 2, 3, 2, stages=2), 2)
    with pytest.raises(ValueError, match="read-only"):
        policy.table[0, 0, 0, 0] = 1
    assert repr(policy) == "SampledPolicy(L=2, Z=6, S=3, A=2, kappa 2)"
