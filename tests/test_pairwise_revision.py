"""Pairwise revision: its rows against plain Python, N agents against enumerated chains and closed forms, the limit against ODEs."""

import itertools
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import stat_tests
import strategies
import tmfcore as tmf
from reference_laws import compositions
from tmfcore.games import pairwise_revision

RULES = ("fermi", "imitate the better", "logit")
HAWK_DOVE = np.array([[-0.5, 2.0], [0.0, 1.0]])
THREE = np.array([[0.2, 1.3, -0.4], [1.1, 0.3, 0.5], [0.6, -0.2, 0.9]])


def slow_row(payoffs, o, mu, rule, intensity, mutation):
    """The row of an agent at o that revises, one partner at a time."""
    size = len(mu)
    f = [sum(payoffs[x][y] * mu[y] for y in range(size)) for x in range(size)]
    row = [mutation / size] * size
    for y in range(size):
        if rule == "logit":
            row[y] += (1 - mutation) / sum(math.exp(intensity * (g - f[y])) for g in f)
            continue
        p = intensity * max(f[y] - f[o], 0.0)
        if rule == "fermi":
            p = 1 / (1 + math.exp(-intensity * (f[y] - f[o])))
        row[y] += (1 - mutation) * mu[y] * p
        row[o] += (1 - mutation) * mu[y] * (1 - p)
    return row


def revise(game):
    return tmf.TabularPolicy(np.tile([0.0, 1.0], (game.n_observations, 1)))


def chain(game, n_agents, revising=1.0):
    """States, and the matrix of one step of n_agents that revise with probability `revising` (or one for each strategy)."""
    model = game.at(step=1 / n_agents).model
    states = list(compositions(n_agents, game.n_observations))
    number = {state: i for i, state in enumerate(states)}
    matrix = np.zeros((len(states), len(states)))
    for state, (o, x) in itertools.product(states, itertools.product(range(game.n_observations), repeat=2)):
        if state[o]:
            after = list(state)
            after[o] -= 1
            after[x] += 1
            row, _ = model.row(np.array(state) / n_agents, 0, o, 1)
            acts = np.broadcast_to(revising, len(state))[o]
            matrix[number[state], number[tuple(after)]] += state[o] / n_agents * (acts * row[x] + (1 - acts) * (x == o))
    return states, matrix


def stationary(matrix):
    size = len(matrix)
    return np.linalg.lstsq(np.vstack([matrix.T - np.eye(size), np.ones(size)]), np.append(np.zeros(size), 1.0), rcond=None)[0]


# --------------------------------------------------------------------------------------------------------------- rows


@given(st.integers(1, 6), st.sampled_from(RULES), st.sampled_from([0.0, 0.3, 1.0]), st.floats(0, 1), st.booleans(), strategies.seeds)
def test_rows_and_rewards(size, rule, mutation, strength, corner, seed):
    rng = np.random.default_rng(seed)
    payoffs = rng.normal(size=(size, size))
    intensity = strength if rule == "imitate the better" else 20 * strength
    if rule == "imitate the better" and size > 1:
        intensity /= np.ptp(payoffs, axis=0).max()
    game = pairwise_revision(payoffs, rule=rule, intensity=intensity, mutation=mutation)
    mu = np.eye(size)[seed % size] if corner else rng.dirichlet(np.full(size, 0.5))
    reward, rows, passive_reward, passive = game.at(step=0.25).tables(mu)
    for o in range(size):
        np.testing.assert_allclose(rows[o, 1], slow_row(payoffs, o, mu, rule, intensity, mutation), rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(game.at(step=0.25).model.row(mu, 0, o, 1)[0], rows[o, 1], rtol=1e-14)
    np.testing.assert_array_equal(rows[:, 0], np.eye(size))
    np.testing.assert_array_equal(passive, np.eye(size))
    np.testing.assert_allclose(passive_reward, 0.25 * payoffs @ mu, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(reward, np.repeat(passive_reward[:, None], 2, axis=1), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("timed", [False, True])
def test_payoffs_from_a_function(rule, timed):
    """Those of a matrix give the tables of the matrix; those that change with time do, in sweeps."""
    options = {"rule": rule, "intensity": 0.5, "mutation": 0.1, "initial": [0.5, 0.3, 0.2], "horizon": 4}
    given_, mu = pairwise_revision(THREE, **options), np.array([0.1, 0.6, 0.3])
    called = pairwise_revision((lambda mu, t: (1 + t) * THREE @ mu) if timed else (lambda mu: THREE @ mu), **options)
    assert (called.name, called.horizon, called.observation_labels) == (given_.name, 4, given_.observation_labels)
    if timed:
        given_ = pairwise_revision(2 * THREE, **options | {"intensity": 0.25 if rule == "imitate the better" else 0.5})
        called = called.replace(intensity=0.25) if rule == "imitate the better" else called
    wanted, found = given_.at(step=0.5).tables(mu, 2), called.at(step=0.5).tables(mu, 2)
    for left, right in zip(wanted[:3], found[:3], strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-15)


def named_payoffs(mu):
    return THREE @ mu


def test_a_game_of_a_function_is_pickled_and_changed():
    game = pairwise_revision(named_payoffs, initial=[0.5, 0.3, 0.2], mutation=0.2, horizon=3)
    again = pickle.loads(pickle.dumps(game)).replace(horizon=5)
    assert again.horizon == 5
    for left, right in zip(game.at(step=0.5).tables(game.initial), again.at(step=0.5).tables(game.initial), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize(("rule", "mutation"), [("fermi", 0.0), ("fermi", 0.2), ("logit", 0.0), ("logit", 0.2), ("logit", 1.0)])
def test_slopes_and_bends(rule, mutation):
    """Along differences of populations, against central differences."""
    model = pairwise_revision(THREE, rule=rule, intensity=3.0, mutation=mutation).at(step=1).model
    rng = np.random.default_rng(2)
    mu = np.array([0.3, 0.5, 0.2])
    directions = rng.normal(size=(2, 3))
    directions = (directions - directions.mean(axis=1, keepdims=True)) * 1e-4
    for o in range(3):
        slope, bend = model.slopes(mu, 0, o, 1, directions.T @ directions)
        second = np.zeros(3)
        for f in directions:
            ahead, here, behind = (model.row(mu + h * f, 0, o, 1)[0] for h in (1, 0, -1))
            np.testing.assert_allclose(slope @ f, (ahead - behind) / 2, rtol=1e-5, atol=1e-14)
            second += ahead + behind - 2 * here
        np.testing.assert_allclose(bend, second, rtol=1e-4, atol=1e-14)
    assert not pairwise_revision(THREE, rule="imitate the better", intensity=0.1).at(step=1).model.differentiable


# ----------------------------------------------------------------------------------------------------------- N agents


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.broad(1)
def test_simulated_counts_have_the_law_of_the_chain(size, rule, engine):
    """After 30 steps of six agents, 20,000 times; rate of false alarms 1e-6."""
    n_agents, steps = 6, 30
    payoffs = HAWK_DOVE if size == 2 else THREE
    start = np.array([4, 2] if size == 2 else [3, 2, 1])
    game = pairwise_revision(payoffs, rule=rule, intensity=0.6, mutation=0.1, horizon=steps / n_agents, initial=start / n_agents)
    states, matrix = chain(game, n_agents)
    law = np.linalg.matrix_power(matrix, steps)[states.index(tuple(start))]
    run = tmf.simulate(game, revise(game), tmf.Sequential(), n_agents, replicas=20_000, engine=engine, rng=1, record_every=steps)
    stat_tests.assert_law(run.counts[:, -1], dict(zip(states, law, strict=True)))


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize(("rule", "size"), [("fermi", 4), ("fermi", 9), ("imitate the better", 9)])
@pytest.mark.broad(1)
def test_some_keep_their_strategy(rule, size, engine):
    """Of three agents with up to nine strategies, each revises with a probability of its own; two stages of the policy."""
    rng = np.random.default_rng(size)
    payoffs, steps, n_agents = rng.uniform(0, 2, (size, size)), 12, 3
    revising = rng.uniform(0.2, 1, (2, size))
    start = np.eye(size, dtype=int)[:3].sum(axis=0)
    game = pairwise_revision(payoffs, rule=rule, intensity=0.5, mutation=0.2, horizon=steps / n_agents, initial=start / n_agents)
    parts = [chain(game, n_agents, share) for share in revising]
    states = parts[0][0]
    law = np.linalg.multi_dot([np.linalg.matrix_power(matrix, steps // 2) for _, matrix in parts])[states.index(tuple(start.tolist()))]
    policy = tmf.TabularPolicy(np.stack([1 - revising, revising], axis=2))
    run = tmf.simulate(game, policy, tmf.Sequential(), n_agents, replicas=20_000, engine=engine, rng=1, record_every=steps)
    stat_tests.assert_law(run.counts[:, -1], dict(zip(states, law, strict=True)))


def test_a_policy_that_depends_on_the_population():
    """It is played by rows of the game, with the same law."""
    n_agents, steps = 6, 20
    game = pairwise_revision(THREE, mutation=0.1, intensity=2.0, horizon=steps / n_agents, initial=[0.5, 1 / 3, 1 / 6])
    states, matrix = chain(game, n_agents, 0.6)
    run = tmf.simulate(game, lambda mu: np.tile([0.4, 0.6], (3, 1)), tmf.Sequential(), n_agents, replicas=3_000, rng=1, record_every=steps)
    law = np.linalg.matrix_power(matrix, steps)[states.index((3, 2, 1))]
    stat_tests.assert_law(run.counts[:, -1], dict(zip(states, law, strict=True)))


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize("schedule", [tmf.Sequential(), tmf.Batch([1, 1, 3, 1, 40, 1, 1, 2] * 250)], ids=["single", "mixed"])
@pytest.mark.parametrize("payoffs", [HAWK_DOVE, THREE, np.random.default_rng(0).normal(size=(11, 11))], ids=len)
def test_rewards_and_decisions_are_those_of_the_counts(payoffs, schedule, engine):
    """Rewards are updated move by move, also between steps at which several agents act; each step pays n'M n / N^2."""
    size, n_agents, steps = len(payoffs), 40, 2000
    game = pairwise_revision(payoffs, mutation=0.1, horizon=steps / n_agents, step=1 / n_agents, discount=0.99).at()
    policy = tmf.TabularPolicy(np.tile([0.25, 0.75], (size, 1)))
    run = tmf.simulate(game, policy, schedule, n_agents, engine=engine, rng=1, threads=1)
    paid = np.einsum("to,oy,ty->t", run.mu[0, :-1], payoffs, run.mu[0, :-1]) / n_agents
    np.testing.assert_allclose(run.rewards[0], paid, rtol=1e-10, atol=1e-14)
    assert run.returns[0] == pytest.approx((game.discount ** np.arange(steps) * paid).sum(), rel=1e-10)
    acting = run.decisions[0].sum(axis=(1, 2))
    np.testing.assert_array_equal(acting, np.broadcast_to(schedule._kernel(steps, n_agents)[0], steps))
    single = acting == 1
    moved = np.abs(np.diff(run.counts[0], axis=0)).sum(axis=1)
    assert set(moved[single].tolist()) == {0, 2}
    kept = single & (run.decisions[0][:, :, 0].sum(axis=1) == 1)
    assert not moved[kept].any() and 0.2 < kept.sum() / single.sum() < 0.3
    coarse = tmf.simulate(game, policy, schedule, n_agents, engine=engine, rng=1, threads=1, record_every=7)
    np.testing.assert_array_equal(coarse.counts[0, :-1], run.counts[0, ::7][: len(coarse.counts[0]) - 1])
    assert coarse.returns[0] == pytest.approx(run.returns[0], rel=1e-12)


def test_individuals_move_as_the_counts_say():
    game = pairwise_revision(THREE, mutation=0.1, horizon=50)
    run = tmf.simulate(game, revise(game), tmf.Sequential(), 20, rng=3, trajectories=True)
    plain = tmf.simulate(game, revise(game), tmf.Sequential(), 20, rng=3, engine="agents")
    np.testing.assert_array_equal(run.counts, plain.counts)
    places = run.trajectories.observations.astype(int)  # (N, T)
    np.testing.assert_array_equal((places.T[..., None] == np.arange(3)).sum(axis=1), run.counts[0, :-1])
    assert (np.diff(places) != 0).sum(axis=0).max() == 1
    np.testing.assert_allclose(run.trajectories.rewards.mean(axis=0), run.rewards[0], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("n_agents", [3 * 2**30, 2**33 + 1], ids=["rejecting", "wide"])
def test_large_populations(n_agents):
    """All who meet the better strategy adopt it: as many moves as meetings; a quarter of the 32-bit draws are rejected."""
    steps = 100_000
    game = pairwise_revision([[1e6, 1e6], [0.0, 0.0]], initial=[0.3, 0.7], horizon=steps / n_agents, step=1 / n_agents).at()
    run = tmf.simulate(game, revise(game), tmf.Sequential(), n_agents, rng=1, record_every=steps)
    acted = run.decisions[0, 0, :, 1]
    stat_tests.assert_binomial(int(acted[0]), steps, 0.3)
    stat_tests.assert_binomial(int(run.counts[0, -1, 0] - run.counts[0, 0, 0]), steps, 0.3 * 0.7)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("n_agents", [5, 40])
def test_two_strategies_are_a_birth_death_chain(rule, n_agents):
    """Detailed balance: the stationary law is the product of up / down."""
    game = pairwise_revision(HAWK_DOVE, rule=rule, intensity=0.9, mutation=0.05)
    states, matrix = chain(game, n_agents)
    law = [1.0]
    for k in range(n_agents):  # k doves
        up = (1 - k / n_agents) * slow_row(HAWK_DOVE, 0, [1 - k / n_agents, k / n_agents], rule, 0.9, 0.05)[1]
        mu = [1 - (k + 1) / n_agents, (k + 1) / n_agents]
        law.append(law[-1] * up / (mu[1] * slow_row(HAWK_DOVE, 1, mu, rule, 0.9, 0.05)[0]))
    doves = np.array([state[1] for state in states])
    np.testing.assert_allclose(stationary(matrix), (np.array(law) / sum(law))[doves], rtol=1e-8, atol=1e-13)


def test_the_stationary_law_is_simulated():
    """Three strategies, long after the start."""
    game = pairwise_revision(THREE, intensity=2.0, mutation=0.2, horizon=100)
    states, matrix = chain(game, 5)
    law = stationary(matrix)
    assert np.abs(np.linalg.matrix_power(matrix, 500) - law).max() < 1e-6
    run = tmf.simulate(game, revise(game), tmf.Sequential(), 5, replicas=10_000, rng=2, record_every=500)
    stat_tests.assert_law(run.counts[:, -1], dict(zip(states, law / law.sum(), strict=True)))


@pytest.mark.parametrize("intensity", [0.0, 1.0, 8.0])
@pytest.mark.parametrize("payoffs", [[[1.0, 0.2], [0.4, 0.5]], [[0.5, 2.0], [0.0, 1.0]]])
def test_fixation(intensity, payoffs):
    """One mutant takes over with probability 1 / (1 + sum of products of down / up), as the chain is absorbed."""
    n_agents = 13
    game = pairwise_revision(payoffs, intensity=intensity)
    states, matrix = chain(game, n_agents)
    inner = [i for i, state in enumerate(states) if min(state)]
    wins = states.index((n_agents, 0))
    absorbed = np.linalg.solve(np.eye(len(inner)) - matrix[np.ix_(inner, inner)], matrix[inner, wins])
    found = absorbed[inner.index(states.index((1, n_agents - 1)))]
    ratio, total = 1.0, 1.0
    for k in range(1, n_agents):
        gain = float(np.subtract(*(np.array(payoffs) @ [k / n_agents, 1 - k / n_agents])))
        ratio *= math.exp(-intensity * gain)
        total += ratio
    assert found == pytest.approx(1 / total, rel=1e-9)
    if intensity == 1.0:
        game = game.replace(horizon=400, initial=[1 / n_agents, 1 - 1 / n_agents])
        run = tmf.simulate(game, revise(game), tmf.Sequential(), n_agents, replicas=4_000, rng=3, record_every=5_200)
        won = run.counts[:, -1, 0]
        assert set(won.tolist()) <= {0, n_agents}
        stat_tests.assert_binomial(int((won == n_agents).sum()), len(won), found)


@pytest.mark.parametrize(("payoffs", "n_agents"), [(HAWK_DOVE, 20), (THREE, 9)])
@pytest.mark.parametrize("rate", [0.01, 0.3])
def test_the_stationary_law_of_egttools(payoffs, n_agents, rate):
    """Its partners, payoffs and mutants are other agents and other strategies: Theory, section 8, maps one onto the other."""
    egttools = pytest.importorskip("egttools")
    from egttools.analytical import PairwiseComparison
    from egttools.games import Matrix2PlayerGameHolder

    size, beta = len(payoffs), 1.3
    stage_game = Matrix2PlayerGameHolder(size, payoffs)  # the evolver holds no reference to it
    evolver = PairwiseComparison(n_agents, stage_game)
    theirs = egttools.utils.calculate_stationary_distribution(evolver.calculate_transition_matrix(beta, rate).transpose())
    states = [tuple(egttools.sample_simplex(i, n_agents, size).tolist()) for i in range(len(theirs))]
    game = among_others(payoffs, n_agents, rate, intensity=beta)
    mine, matrix = chain(game, n_agents)
    law = dict(zip(mine, stationary(matrix), strict=True))
    np.testing.assert_allclose([law[state] for state in states], theirs, atol=1e-10)
    for invader, resident in itertools.permutations(range(size), 2):
        pair = payoffs[np.ix_([invader, resident], [invader, resident])]
        known = evolver.calculate_fixation_probability(invader, resident, beta)
        mine, matrix = chain(among_others(pair, n_agents, 0.0, intensity=beta), n_agents)
        inner = [i for i, state in enumerate(mine) if min(state)]
        absorbed = np.linalg.solve(np.eye(len(inner)) - matrix[np.ix_(inner, inner)], matrix[inner, mine.index((n_agents, 0))])
        assert absorbed[inner.index(mine.index((1, n_agents - 1)))] == pytest.approx(known, abs=1e-10)


def among_others(payoffs, n_agents, rate, **options):
    """The game whose process is, up to the unit of time, that of partners, payoffs and mutants among others."""
    size = len(payoffs)
    others = (n_agents * payoffs - np.diag(payoffs)[:, None]) / (n_agents - 1)
    odds = rate * size * (n_agents - 1) / ((1 - rate) * (size - 1) * n_agents)
    return pairwise_revision(others, mutation=odds / (1 + odds), **options)


def test_a_process_among_others():
    """The same without egttools: rates of all moves are in one proportion to those written out among the others."""
    n_agents, rate, beta, size = 7, 0.15, 1.3, 3
    states, matrix = chain(among_others(THREE, n_agents, rate, intensity=beta), n_agents)
    ratios = []
    for i, state in enumerate(states):
        f = [(sum(THREE[x, y] * state[y] for y in range(size)) - THREE[x, x]) / (n_agents - 1) for x in range(size)]
        for o, x in itertools.permutations(range(size), 2):
            if state[o]:
                after = list(state)
                after[o] -= 1
                after[x] += 1
                copied = state[x] / (n_agents - 1) / (1 + math.exp(-beta * (f[x] - f[o])))
                move = state[o] / n_agents * ((1 - rate) * copied + rate / (size - 1))
                ratios.append(matrix[i, states.index(tuple(after))] / move)
    odds = rate * size * (n_agents - 1) / ((1 - rate) * (size - 1) * n_agents)
    np.testing.assert_allclose(ratios, (n_agents - 1) / ((1 + odds) * (1 - rate) * n_agents), rtol=1e-12)


# ------------------------------------------------------------------------------------------------------ mean field


def fields(payoffs, rule, beta, m):
    """The right sides of Theory, section 8."""

    def field(_, x):
        f = payoffs @ x
        if rule == "fermi":
            drift = x * (np.tanh(beta * (f[:, None] - f) / 2) @ x)
        elif rule == "imitate the better":
            drift = beta * x * (f - x @ f)
        else:
            weights = np.exp(beta * f)
            drift = weights / weights.sum() - x
        return (1 - m) * drift + m * (1 / len(x) - x)

    return field


@pytest.mark.parametrize("mutation", [0.0, 0.1])
@pytest.mark.parametrize("rule", RULES)
def test_the_mean_field_is_that_of_the_differential_equation(rule, mutation):
    """Steps of 1 / n sweeps are off by O(1 / n): two of them, extrapolated, by O(1 / n^2)."""
    start = [0.6, 0.3, 0.1]
    game = pairwise_revision(THREE, rule=rule, intensity=0.55, mutation=mutation, horizon=8, initial=start)
    exact = solve_ivp(fields(THREE, rule, 0.55, mutation), (0, 8), start, rtol=1e-10, atol=1e-12).y[:, -1]
    coarse, fine = (tmf.mean_field(game, revise(game), tmf.Fraction(1 / n)).mu[-1] for n in (500, 1000))
    np.testing.assert_allclose(fine, exact, atol=2e-3)
    np.testing.assert_allclose(2 * fine - coarse, exact, atol=2e-6)


def test_who_keeps_its_strategy_stays():
    game = pairwise_revision(THREE, horizon=3, initial=[0.5, 0.3, 0.2])
    keep = tmf.TabularPolicy(np.tile([1.0, 0.0], (3, 1)))
    np.testing.assert_array_equal(tmf.mean_field(game, keep, tmf.Fraction(0.5)).mu, np.tile(game.initial, (7, 1)))


def test_exploitability_is_what_choosing_when_to_revise_gains():
    """None where all earn the same; none where nobody is met who earns more; some on the way."""
    even = pairwise_revision(HAWK_DOVE, initial=[2 / 3, 1 / 3], horizon=10)
    doves = pairwise_revision(HAWK_DOVE, initial=[0.0, 1.0], horizon=10)
    some = pairwise_revision(HAWK_DOVE, initial=[0.2, 0.8], horizon=10)
    gaps = [tmf.exploitability(game, revise(game), tmf.Fraction(0.1)) for game in (even, doves, some)]
    assert gaps[0] == pytest.approx(0, abs=1e-12) and gaps[1] == pytest.approx(0, abs=1e-12) and gaps[2] > 0.1
    mutants = tmf.exploitability(doves.replace(mutation=0.01), revise(doves), tmf.Fraction(0.1))
    assert mutants > 0.01


# -------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"payoffs": [[1.0, 2.0]]}, ValueError, r"payoffs has shape \(1, 2\); must be \(S, S\)"),
        ({"payoffs": [[1e308, 0], [-1e308, 0]]}, ValueError, "payoffs differ by more than a float can hold"),
        ({"rule": "moran"}, ValueError, "rule is 'moran'; must be one of"),
        ({"rule": 1}, TypeError, r"rule is 1 \(int\); must be one of"),
        ({"intensity": -1}, ValueError, "intensity is -1.0; must be >= 0"),
        ({"rule": "imitate the better", "intensity": 1.01}, ValueError, "intensity is 1.01; must be at most 1, since payoffs differ by up to 1"),
        ({"mutation": 1.5}, ValueError, r"mutation is 1.5"),
        ({"initial": [0.5, 0.2, 0.3]}, ValueError, r"initial has shape \(3,\)"),
        ({"payoffs": lambda mu: mu}, ValueError, "initial is None; must be given if payoffs is a function"),
        ({"payoffs": lambda mu: 1.0, "initial": [0.5, 0.5]}, ValueError, r"payoffs\(mu, t=0\)"),
        ({"payoffs": lambda mu: [math.nan, 1.0], "initial": [0.5, 0.5]}, ValueError, r"payoffs\(mu, t=0\)\[0\] is nan"),
        ({"payoffs": lambda: 1.0, "initial": [0.5, 0.5]}, TypeError, "payoffs takes"),
        ({"payoffs": lambda mu: [0, 3], "initial": [0.5, 0.5], "rule": "imitate the better"}, ValueError, "must be at most 0.3333333333"),
        ({"observation_labels": ["hawk"]}, ValueError, "observation_labels"),
    ],
)  # fmt: skip
def test_errors(arguments, error, text):
    with pytest.raises(error, match=text):
        pairwise_revision(**arguments)


def test_an_error_of_the_function_says_where():
    def payoffs(mu):
        return {}["missing"]

    with pytest.raises(KeyError) as caught:
        pairwise_revision(payoffs, initial=[0.5, 0.5])
    assert any("raised by payoffs(mu, t) at t = 0 sweeps" in note for note in caught.value.__notes__)


def test_types_meet_a_population_that_sums_to_one():
    games = [pairwise_revision(HAWK_DOVE, horizon=2)] * 2
    with pytest.raises(ValueError, match="agents meet those of a population that sums to 1"):
        tmf.games.typed(games, shares=[0.3, 0.7], coupling=[[1, 2], [0.5, 0.3]])
    apart = tmf.games.typed(games, shares=[0.3, 0.7], coupling=[[1 / 0.3, 0], [0, 1 / 0.7]])
    flow = tmf.mean_field(apart, tmf.TabularPolicy(np.tile([0.0, 1.0], (4, 1))), tmf.Fraction(0.1))
    alone = tmf.mean_field(games[0], revise(games[0]), tmf.Fraction(0.1))
    for share, part in zip([0.3, 0.7], tmf.games.by_type(apart, flow).values(), strict=True):
        np.testing.assert_allclose(part / share, alone.mu, atol=1e-12)
