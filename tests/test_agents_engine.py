"""The agents engine beyond what both engines share: individuals, subsets, streams, alias draws.

Every statistical assertion has a false-alarm rate of 1e-6 or less and a fixed seed.
"""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from scipy import stats

import reference
import reference_gradient
import stat_tests
import tmfcore as tmf
from strategies import ScheduleSpec, cases, random_game, random_policy, seeds
from tmfcore._population import agents as agents_kernel

pytestmark = pytest.mark.law

N_AGENTS = 9


@given(cases(N_AGENTS), seeds)
def test_individuals_are_the_population(case, seed):
    """Histograms of individuals are the counts and decisions; rewards and moves are those of the tables."""
    game, policy, schedule = case.build()
    run = tmf.simulate(game, policy, schedule, N_AGENTS, trajectories=True, rng=seed)
    assert run.engine == "agents"
    seen, did, earned = run.trajectories.observations, run.trajectories.actions, run.trajectories.rewards
    assert seen.shape == did.shape == earned.shape == (N_AGENTS, game.horizon)
    right, right_policy = case.reference()
    for t in range(game.horizon):
        counts, decisions = run.counts[0, t], run.decisions[0, t]
        np.testing.assert_array_equal(np.bincount(seen[:, t], minlength=len(counts)), counts)
        made = np.zeros_like(decisions)
        acting = did[:, t] >= 0
        np.add.at(made, (seen[acting, t], did[acting, t]), 1)
        np.testing.assert_array_equal(made, decisions)
        mu = counts / N_AGENTS
        reward, transition, passive_reward, passive = right.tables(mu, t)
        assert (decisions[right_policy(mu, t) == 0] == 0).all()
        expected = np.where(acting, reward[seen[:, t], did[:, t]], passive_reward[seen[:, t]])
        np.testing.assert_allclose(earned[:, t], expected, atol=1e-12)
        assert run.rewards[0, t] == pytest.approx(earned[:, t].mean(), abs=1e-12)
        if t + 1 < game.horizon:
            row = np.where(acting[:, None], transition[seen[:, t], did[:, t]], passive[seen[:, t]])
            assert (row[np.arange(N_AGENTS), seen[:, t + 1]] > 0).all()
    assert run.returns[0] == pytest.approx(game.discount ** np.arange(game.horizon) @ run.rewards[0], abs=1e-12)


@pytest.mark.parametrize("schedule", [
    ScheduleSpec("synchronous"), ScheduleSpec("sequential"), ScheduleSpec("batch", 2), ScheduleSpec("bernoulli", 0.4)
], ids=lambda spec: spec.kind)  # fmt: skip
@pytest.mark.parametrize("passive", ["identity", "dense"])
@pytest.mark.broad
def test_individuals_follow_the_enumerated_law(schedule, passive):
    """N = 3 individuals, S = 2, T = 3: who did what and went where, 2,000 runs, three chi-square tests, rate 1e-6 each.

    The law is that of every trajectory of the three agents; identities matter, unlike in the counts.
    """
    spec = random_game(17, 2, 2, 3, passive=passive, zeros=False, initial=[1 / 3, 2 / 3])
    policy = random_policy(18, 2, 2, kind="affine", stages=3)
    game, made, order = spec.build(), policy.build(3), schedule.build()
    right, right_policy = spec.reference(), policy.reference(3)
    laws = [defaultdict(float) for _ in range(3)]

    def views(observations, actions):
        """(first move of everybody; who did what at both of the first steps; where everybody is at t = 2)."""
        return (*actions[0], *observations[1]), (*actions[0], *actions[1]), tuple(observations[2])

    shorter, moves = reference.with_horizon(right, 2), schedule.moves(2, 3)
    for start in ((0, 1, 1), (1, 0, 1), (1, 1, 0)):  # which of them starts where is drawn
        for weight, observations, actions, _ in reference_gradient.trajectories(shorter, right_policy, moves, start):
            for law, view in zip(laws, views(observations.tolist(), actions.tolist()), strict=True):
                law[view] += weight / 3
    samples = [[], [], []]
    streams = np.random.default_rng(19)
    for _ in range(2_000):
        run = tmf.simulate(game, made, order, 3, trajectories=True, rng=streams, threads=1).trajectories
        for sample, view in zip(samples, views(run.observations.T.tolist(), run.actions.T.tolist()), strict=True):
            sample.append(view)
    for sample, law in zip(samples, laws, strict=True):
        stat_tests.assert_law(sample, law)


def who_acts(n_agents, schedule, horizon, seed, engine, told):
    """(N, T) bool: who acted at each step, from trajectories or, where nobody moves, from the decisions at N places."""
    if told:
        game = tmf.Game(1, 1, horizon, 1.0, [1.0], np.zeros((1, 1)), np.ones((1, 1, 1)))
        run = tmf.simulate(game, tmf.TabularPolicy([[1.0]]), schedule, n_agents, trajectories=True, rng=seed)
        return run.trajectories.actions >= 0
    homes = np.arange(n_agents)[:, None, None]
    game = tmf.Game(n_agents, 1, horizon, 1.0, np.full(n_agents, 1 / n_agents), np.zeros((n_agents, 1)),
                    np.ones((n_agents, 1, 1)), successors=homes)  # fmt: skip
    run = tmf.simulate(game, tmf.TabularPolicy(np.ones((n_agents, 1))), schedule, n_agents, engine=engine, rng=seed)
    assert (run.counts == 1).all()
    return run.decisions[0, :, :, 0].T > 0


@pytest.mark.parametrize("view", ["individuals", "agents", "counts"])
@pytest.mark.parametrize(("n_agents", "batch"), [
    (64, 1), (400, 1), (400, 3), (1000, 9), (400, 20), (400, 50), (400, 51), (400, 200), (400, 390), (65, 64)
])  # fmt: skip
@pytest.mark.broad
def test_batches_are_uniform_subsets(n_agents, batch, view):
    """2,000 batches: exactly B different agents each, every agent equally often, no memory from step to step.

    Chi-square over agents (N - 1 degrees of freedom, rate 1e-9) and normal tests (2e-9) of how many agents two
    batches some steps apart, or two neighbours in the array, share; whatever sampler the batch size selects.  For the
    counts engine the agents are told apart by standing at N places.
    """
    horizon = 2_000
    acted = who_acts(n_agents, tmf.Batch(batch), horizon, 21, view, view == "individuals")
    assert (acted.sum(axis=0) == batch).all()
    share = batch / n_agents
    variance = horizon * share * (1 - share) * n_agents / (n_agents - 1)
    statistic = ((acted.sum(axis=1) - horizon * share) ** 2).sum() / variance
    assert stat_tests.NOMINAL < stats.chi2.sf(statistic, n_agents - 1) < 1 - stat_tests.NOMINAL
    for lag in (1, 2, 7, 255, 256, 257):
        common = (acted[:, lag:] & acted[:, :-lag]).sum(axis=0)  # hypergeometric; overlapping lags are uncorrelated
        expected = stats.hypergeom(n_agents, batch, batch)
        assert abs(common.mean() - expected.mean()) < stat_tests.Z * max(expected.std(), 0.1) / np.sqrt(len(common))
    pairs = (acted & np.roll(acted, 1, axis=0)).sum(axis=0)
    both = n_agents * share * (batch - 1) / (n_agents - 1)
    assert abs(pairs.mean() - both) < stat_tests.Z * max(pairs.std(ddof=1), 0.1) / np.sqrt(horizon)


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize("kind", ["fixed tables", "affine policy", "resources"])
def test_successive_single_agents_act_independently(engine, kind):
    """B = 1, 20,000 steps: uniform actions, and pairs of them up to 257 steps apart, chi-square, rate 1e-6 each."""
    horizon = 20_000
    if kind == "resources":
        game = tmf.games.resource_selection([0.0] * 4, congestion=[0.0] * 4, horizon=horizon, step=1).at()
    else:
        game = tmf.Game(4, 4, horizon, 1.0, [0.25] * 4, np.zeros((4, 4)), np.full((4, 4, 4), 0.25))
    policy = tmf.TabularPolicy(np.full((4, 4), 0.25))
    if kind == "affine policy":
        policy = tmf.SoftmaxPolicy(np.zeros((1, 4, 4, 5)))
    run = tmf.simulate(game, policy, tmf.Sequential(), 1_000, engine=engine, rng=27)
    actions = run.decisions[0].sum(axis=1).argmax(axis=1)
    uniform = dict.fromkeys(range(4), 0.25)
    stat_tests.assert_law(actions, uniform)
    for lag in (1, 2, 3, 4, 8, 16, 128, 255, 256, 257):
        stat_tests.assert_law(4 * actions[lag:] + actions[:-lag], dict.fromkeys(range(16), 1 / 16))
    if kind != "resources":  # the successor is drawn independently of the action and of the last successor
        arrived = (np.diff(run.counts[0], axis=0) > 0).argmax(axis=1)
        moved = (np.diff(run.counts[0], axis=0) != 0).any(axis=1)
        assert abs(moved.mean() - 0.75) < stat_tests.Z * np.sqrt(0.75 * 0.25 / horizon)
        for a in range(4):
            chosen = moved & (actions == a)
            stat_tests.assert_law(arrived[chosen], arrivals(run.counts[0], chosen))


def arrivals(counts, chosen):
    """Law of where chosen moves among four places end: uniform over the three others, averaged over the start."""
    began = counts[:-1][chosen] / counts[0].sum()
    return {x: float((1 - began[:, x]).mean() / 3) for x in range(4)}


@pytest.mark.parametrize("probability", [0.01, 0.5, 0.97])
def test_coins_are_independent(probability):
    """Bernoulli: how many act is Binomial(N, p), and two neighbours or two steps share p**2; |z| < 6 (2e-9 each)."""
    game = tmf.Game(1, 1, 2_000, 1.0, [1.0], np.zeros((1, 1)), np.ones((1, 1, 1)))
    policy = tmf.TabularPolicy([[1.0]])
    run = tmf.simulate(game, policy, tmf.Bernoulli(probability), 300, trajectories=True, rng=22)
    acted = run.trajectories.actions >= 0
    deviation = acted - probability
    scale = probability * (1 - probability)
    for value in (deviation.sum(axis=0) / np.sqrt(300 * scale), deviation.sum(axis=1) / np.sqrt(2_000 * scale)):
        stat_tests.assert_mean(value, 0.0)
        stat_tests.assert_mean(value**2, 1.0)
    for near in (deviation[1:] * deviation[:-1], deviation[:, 1:] * deviation[:, :-1]):
        assert abs(near.mean()) < stat_tests.Z * scale / np.sqrt(near.size)


@pytest.mark.parametrize(
    "schedule", [tmf.Synchronous(), tmf.Fraction(0.5), tmf.Bernoulli(0.5), tmf.Batch(400)], ids=str
)
@pytest.mark.parametrize("lag", [1, 2, 7, 8, 16, 64, 2048])
def test_streams_of_agents_are_independent(schedule, lag):
    """Uniform actions of agents `lag` apart are independent: chi-square of the pairs, rate 1e-6."""
    game = tmf.Game(1, 4, 8, 1.0, [1.0], np.zeros((1, 4)), np.ones((1, 4, 1)))
    run = tmf.simulate(game, tmf.TabularPolicy([[0.25] * 4]), schedule, 20_000, trajectories=True, rng=23)
    actions = run.trajectories.actions
    both = (actions[lag:] >= 0) & (actions[:-lag] >= 0)
    pairs = (actions[lag:].astype(int) * 4 + actions[:-lag])[both]
    stat_tests.assert_law(pairs, dict.fromkeys(range(16), 1 / 16))
    both = (actions[:, 1:] >= 0) & (actions[:, :-1] >= 0)
    pairs = (actions[:, 1:].astype(int) * 4 + actions[:, :-1])[both]
    stat_tests.assert_law(pairs, dict.fromkeys(range(16), 1 / 16))


MOVES = {
    "S=1": (1, 3, {}),
    "S=2": (2, 2, {}),
    "S=8": (8, 3, {"concentration": 0.5}),
    "S=9": (9, 2, {}),
    "S=17, A=16": (17, 16, {"sparse": True}),
    "S=64": (64, 2, {"sparse": True}),
    "S=300": (300, 2, {"sparse": True, "passive": "sparse"}),
    "S=8, mu": (8, 3, {"dependence": "mu_t", "passive": "dense"}),
    "S=3, A=200": (3, 200, {}),
}


@pytest.mark.parametrize(
    "schedule", [tmf.Synchronous(), tmf.Fraction(0.4), tmf.Bernoulli(0.4), tmf.Batch(500)], ids=str
)
@pytest.mark.parametrize("label", MOVES)
@pytest.mark.broad
def test_individuals_act_and_move_by_their_rows(label, schedule):
    """60,000 agents, 4 steps: actions by pi and moves by P and P0, given where the agents are.

    One chi-square each over all cells with 25 or more expected, conditional on the rows' totals, rate 1e-9 nominal;
    zero cells stay empty.
    """
    size, n_actions, options = MOVES[label]
    spec = random_game(24, size, n_actions, 4, initial=np.full(size, 1 / size), **options)
    policy = random_policy(25, size, n_actions, kind="affine", stages=2)
    run = tmf.simulate(spec.build(), policy.build(4), schedule, 60_000, trajectories=True, rng=26)
    seen, did = run.trajectories.observations.astype(int), run.trajectories.actions.astype(int)
    assert seen.max() < size
    for places, counts in zip(seen.T, run.counts[0], strict=False):  # S = 17 and 64 are counted two neighbours at a time
        np.testing.assert_array_equal(np.bincount(places, minlength=size), counts)
    right, right_policy = spec.reference(), policy.reference(4)
    parts = {"pi": [0.0, 0], "P": [0.0, 0], "P0": [0.0, 0]}

    def add(name, table, rows):
        """Pearson's statistic of a table of counts (rows, cells) given its row totals."""
        assert (table[rows == 0] == 0).all()
        expected = table.sum(axis=1, keepdims=True) * rows
        good = expected >= stat_tests.POOL
        for observed, wanted, keep in zip(table, expected, good, strict=True):
            rest = wanted[~keep].sum()
            cells, right_cells = observed[keep], wanted[keep]
            if rest >= stat_tests.POOL:
                cells, right_cells = np.append(cells, observed[~keep].sum()), np.append(right_cells, rest)
                freedom = len(cells) - 1
            else:  # the small rest is dropped: the kept cells are then almost unconstrained
                freedom = len(cells) - 1 if rest == 0 else len(cells)
            if len(cells) and freedom:
                parts[name][0] += ((cells - right_cells) ** 2 / right_cells).sum()
                parts[name][1] += freedom

    for t in range(4):
        mu = run.counts[0, t] / 60_000
        _, transition, _, passive = right.tables(mu, t)
        acting = did[:, t] >= 0
        cell = seen[acting, t] * n_actions + did[acting, t]
        made = np.bincount(cell, minlength=size * n_actions).reshape(size, n_actions)
        add("pi", made, right_policy(mu, t))
        if t < 3:
            went = np.bincount(cell * size + seen[acting, t + 1], minlength=size * size * n_actions)
            add("P", went.reshape(-1, size), transition.reshape(-1, size))
            stayed = np.bincount(seen[~acting, t] * size + seen[~acting, t + 1], minlength=size * size)
            add("P0", stayed.reshape(size, size), passive)
    for name, (statistic, freedom) in parts.items():
        if freedom:
            p = stats.chi2.sf(statistic, freedom)
            assert p > stat_tests.NOMINAL, f"{name}: p = {p:.2g}, {statistic:.0f} on {freedom} degrees of freedom"


def test_ties_of_the_alias_tables_are_settled_in_the_engine():
    """Moves so rare that only ties of the packed tables reach them: exact binomial test, rate 1e-6.

    4,000 actions and 16 successors need 2^16 columns, which leaves 16 bits to compare; every second successor has half
    a unit of that.  Lost ties would give no such move in 15 million, ties always given twice the 57 expected.
    """
    size, n_actions, horizon, n_agents = 16, 4_000, 30, 500_000
    light = 2.0**-17 * n_actions / 2**16
    row = np.tile([1 / 8 - light, light], 8)
    game = tmf.Game(size, n_actions, horizon, 1.0, np.tile([1 / 8, 0.0], 8), np.zeros((size, n_actions)),
                    np.tile(row, (size, n_actions, 1)))  # fmt: skip
    policy = tmf.TabularPolicy(np.full((size, n_actions), 1 / n_actions))
    run = tmf.simulate(game, policy, tmf.Synchronous(), n_agents, engine="agents", rng=28, decisions=False)
    stat_tests.assert_binomial(int(run.counts[0, 1:, 1::2].sum()), n_agents * horizon, 8 * light)


def test_observations_and_actions_take_the_smallest_type():
    """One byte while the values fit, -1 included."""
    assert agents_kernel.observation_dtype(256) == np.uint8
    assert agents_kernel.observation_dtype(257) == np.uint16
    assert agents_kernel.observation_dtype(2**16 + 1) == np.uint32
    assert agents_kernel.action_dtype(128) == np.int8
    assert agents_kernel.action_dtype(129) == np.int16
    assert agents_kernel.action_dtype(2**15 + 1) == np.int32


def test_trajectories_need_one_replica_and_the_agents_engine():
    """Each refusal says which."""
    game = random_game(1, 2, 2, 2).build()
    policy = random_policy(1, 2, 2).build(2)
    with pytest.raises(ValueError, match="replicas"):
        tmf.simulate(game, policy, tmf.Synchronous(), 5, replicas=2, trajectories=True)
    with pytest.raises(ValueError, match="engine"):
        tmf.simulate(game, policy, tmf.Synchronous(), 5, engine="counts", trajectories=True)


def test_short_draws_are_exact():
    """Where a draw takes 16 bits, 7 of them for the column, ties are settled by more: without, actions would be
    off by up to 1 in 500, which 10^8 draws show."""
    rng = np.random.default_rng(4)
    pi = rng.dirichlet(np.full(64, 3.0), size=2)
    game = tmf.Game(2, 64, 50, 1.0, [0.5, 0.5], np.zeros((2, 64)), np.full((2, 64, 2), 0.5))
    run = tmf.simulate(game, tmf.TabularPolicy(pi), tmf.Synchronous(), 2_000_000, engine="agents", record_every=50, rng=8)
    for o in range(2):
        seen = run.decisions[0, 0, o]
        assert stat_tests.chi_square_p(seen, seen.sum() * pi[o]) > 1e-6
