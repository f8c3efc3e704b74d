"""Population: bit for bit the trajectories of simulate, and laws of decisions made elsewhere."""

import itertools
import math

import numpy as np
import pytest

import tmfcore as tmf

from .population_cases import GAMES, SCHEDULES, A, N, S, T, game_of, policies
from .reference_laws import counts_step_law, step_reward
from .stat_tests import assert_law, counted


def played(population, policy, parts):
    """Counts, decisions and rewards by step, of a population that plays the parts of the horizon one after another."""
    counts, decisions, rewards = [population.counts], [], []
    for n in parts:
        population.step(policy, n)
        counts.append(population.counts)
        decisions.append(population.decisions)
        rewards.append(population.rewards)
    return np.stack(counts, axis=1), np.stack(decisions, axis=1), np.stack(rewards, axis=1)


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize("kind", GAMES)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
@pytest.mark.broad
def test_steps_are_those_of_simulate(kind, schedule, engine):
    """Bit for bit for counts and decisions, one step at a time and in parts; rewards up to rounding."""
    game = GAMES[kind]()
    for policy in policies(game).values():
        for replicas in (1, 3):
            options = {"replicas": replicas, "engine": engine, "rng": 7, "start": "sampled"}
            run = tmf.simulate(game, policy, schedule, N, **options)
            whole = tmf.Population(game, schedule, N, **options)
            counts, decisions, rewards = played(whole, policy, [1] * T)
            assert (counts == run.counts).all()
            assert (decisions == run.decisions).all()
            np.testing.assert_allclose(rewards, run.rewards, rtol=1e-12, atol=1e-13)
            np.testing.assert_allclose(whole.returns, run.returns, rtol=1e-12, atol=1e-13)
            parts = tmf.Population(game, schedule, N, **options)
            counts, decisions, _ = played(parts, policy, [5, 1, 6])
            assert (counts == run.counts[:, [0, 5, 6, 12]]).all()
            assert (decisions[:, 2] == run.decisions[:, 6:].sum(axis=1)).all()


@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Batch(7), tmf.Bernoulli(0.3)], ids=str)
@pytest.mark.parametrize("engine", ["counts", "agents"])
def test_without_decisions(schedule, engine):
    """The same bits as simulate without decisions."""
    game = game_of("constant")
    policy = policies(game)["table"]
    run = tmf.simulate(game, policy, schedule, N, engine=engine, decisions=False, rng=2)
    population = tmf.Population(game, schedule, N, engine=engine, decisions=False, rng=2)
    for t in range(T):
        population.step(policy)
        assert (population.counts == run.counts[:, t + 1]).all()
    assert population.decisions is None


def test_the_engine_is_that_of_simulate():
    game = game_of("constant")
    for n_agents in (3, 10**6):
        run = tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), n_agents, rng=1)
        assert tmf.Population(game, tmf.Synchronous(), n_agents).engine == run.engine


# ---------------------------------------------------------------- decisions made elsewhere

TINY = {
    "n_observations": 2, "n_actions": 2, "horizon": 1, "discount": 1.0, "initial": [0.6, 0.4],
    "reward": [[0.1, 0.2], [0.3, 0.4]], "passive_reward": [0.05, 0.06],
    "transition": lambda mu: np.array([[[0.5, 0.5], [0.1, 0.9]], [[0.7, 0.3], [0.4, 0.6]]]) * 0.8 + 0.2 * mu,
    "passive_transition": [[0.9, 0.1], [0.2, 0.8]],
}  # fmt: skip
PI = np.array([[0.3, 0.7], [0.8, 0.2]])
MOVES = {"batch": tmf.Batch(2), "one": tmf.Batch(1), "all": tmf.Synchronous(), "coin": tmf.Bernoulli(0.4)}


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize("move", MOVES)
@pytest.mark.broad(2)
def test_law_of_a_step_with_given_actions(move, engine):
    """Decisions and counts after draw and act, with actions drawn here from PI, against the enumerated law."""
    game, trials = tmf.Game(**TINY), 6_000
    population = tmf.Population(game, MOVES[move], 5, replicas=trials, engine=engine, rng=4)
    rng = np.random.default_rng(8)
    acts = population.draw()
    if engine == "counts":
        actions = rng.multinomial(acts, PI)
        rewards = population.act(actions)
        assert (population.decisions == actions).all() and (rewards == population.rewards).all()
    else:
        seen = population.observations
        actions = (rng.random(acts.shape) < PI[seen, 1]).astype(int)
        rewards = population.act(np.where(acts, actions, -1))
        reward, _, passive_reward, _ = game.tables([0.6, 0.4])
        assert (rewards == np.where(acts, reward[seen, actions], passive_reward[seen])).all()
        np.testing.assert_allclose(population.rewards, rewards.mean(axis=1))
        assert (population.decisions.sum(axis=2) == [np.bincount(s[a], minlength=2) for s, a in zip(seen, acts)]).all()
    kind = {"batch": ("batch", 2), "one": ("batch", 1), "all": ("batch", 5), "coin": ("coin", 0.4)}[move]
    law = counts_step_law(game, lambda mu, t: PI, (3, 2), 0, kind)
    assert_law(counted(population.decisions.reshape(trials, -1), population.counts), law)
    for n, c, mean in list(zip(population.decisions, population.counts, population.rewards, strict=True))[:50]:
        assert mean == pytest.approx(step_reward(game, np.array([3, 2]), n, 0), rel=1e-12)
        assert c.sum() == 5


def test_individuals_are_exchangeable():
    """All 20 assignments of five agents to the counts (3, 1, 1) are equally likely, and all ten pairs act."""
    game = tmf.Game(3, 1, 2, 1.0, [0.6, 0.2, 0.2], np.zeros((3, 1)), np.eye(3)[:, None])
    population = tmf.Population(game, tmf.Batch(2), 5, replicas=20_000, engine="agents", rng=6)
    law = dict.fromkeys(itertools.permutations((0, 0, 0, 1, 2)), 1 / 20)
    start = population.observations
    assert_law(start, law)
    acts = population.draw()
    pairs = dict.fromkeys(itertools.combinations(range(5), 2), 0.1)
    assert_law((tuple(np.flatnonzero(row).tolist()) for row in acts), pairs)
    population.act(np.zeros((20_000, 5), int))
    assert (population.observations == start).all()  # everybody stays


@pytest.mark.parametrize("engine", ["counts", "agents"])
def test_steps_and_acts_in_turn(engine):
    """Counts stay those of the individuals, rewards enter the returns, and t moves."""
    game = game_of("function")
    population = tmf.Population(game, tmf.Batch(20), N, replicas=2, engine=engine, rng=1)
    policy, total = policies(game)["affine"], 0.0
    for t in range(T):
        assert population.t == t and population.elapsed == t
        if t % 2:
            population.step(policy)
        elif engine == "counts":
            acts = population.draw()
            assert (population.draw() == acts).all() and (acts.sum(axis=1) == 20).all()
            actions = np.zeros((2, S, A), int)
            actions[:, :, 1] = acts
            population.act(actions)
        else:
            population.act(np.full((2, N), 1))
            assert (population.decisions[:, :, 1].sum(axis=1) == 20).all()
        rewards = population.rewards
        total += 0.9**t * rewards
        assert (population.counts.sum(axis=1) == N).all()
        if engine == "agents":
            found = [np.bincount(row, minlength=S) for row in population.observations]
            assert (population.counts == found).all()
        population = population.copy()
    np.testing.assert_allclose(population.returns, total, rtol=1e-12)


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.broad(1)
def test_batches_that_depend_on_the_population(engine):
    """Half of those at observation 0, three of five, rounded: batches of two, uniform over the agents."""
    population = tmf.Population(
        tmf.Game(**TINY), tmf.Fraction(lambda mu: 0.5 * mu[0]), 5, replicas=20_000, engine=engine, rng=4
    )
    acts = population.draw()
    if engine == "agents":
        assert (acts.sum(axis=1) == 2).all()
        seen = population.observations
        acts = np.stack([((seen == o) & acts).sum(axis=1) for o in range(2)], axis=1)
    assert_law(acts, {(2, 0): 0.3, (1, 1): 0.6, (0, 2): 0.1})


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.broad(1)
def test_who_acts_depends_on_where_they_are(engine):
    """Three at observation 0, two at 1: numbers that act are binomial with the probabilities of a schedule of mu."""
    game = tmf.Game(**TINY)
    schedule = tmf.Bernoulli(lambda mu: [0.5 * mu[0], 1 - mu[1]])  # 0.3 and 0.6
    population = tmf.Population(game, schedule, 5, replicas=20_000, engine=engine, rng=4)
    acts = population.draw()
    if engine == "agents":
        seen = population.observations
        acts = np.stack([((seen == o) & acts).sum(axis=1) for o in range(2)], axis=1)
    law = {
        (a, b): math.comb(3, a) * 0.3**a * 0.7 ** (3 - a) * math.comb(2, b) * 0.6**b * 0.4 ** (2 - b)
        for a in range(4)
        for b in range(3)
    }
    assert_law(acts, law)
