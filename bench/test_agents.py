"""The agents engine: ns per agent-step, against a vectorised numpy step that does the same."""

import numpy as np
import pytest

import tmfcore as tmf

from . import plain

STEPS = 20


def setup(size, n_agents):
    values = np.linspace(1.0, 0.3, size)
    game = tmf.games.resource_selection(values, congestion=np.ones(size), horizon=STEPS, step=1).at()
    pi = np.random.default_rng(5).dirichlet(np.ones(size), size=size)
    counts = np.full(size, n_agents // size)
    counts[0] += n_agents - counts.sum()
    return game, tmf.TabularPolicy(pi), pi, counts, plain.resource_selection(values, np.ones(size))


def agree(a, b, n_agents, size):
    """Two independent runs: their l1 distance is about sqrt(S / N); 8 times that never occurs."""
    assert np.abs(a - b).sum() / n_agents <= 8 * np.sqrt(2 * size / n_agents)


@pytest.mark.benchmark(group="agents")
@pytest.mark.parametrize("size", [8, 64])
@pytest.mark.parametrize("n_agents", [10_000, 1_000_000])
def test_agents_engine(measure, n_agents, size):
    """ns per agent-step against N: flat while the population fits in cache, then memory-bound."""
    game, policy, pi, counts, tables = setup(size, n_agents)
    options = {"engine": "agents", "start": counts, "record_every": STEPS, "decisions": False, "threads": 1}
    mine = tmf.simulate(game, policy, tmf.Synchronous(), n_agents, rng=1, **options).counts[0, -1]
    observations = np.repeat(np.arange(size), counts)
    theirs, _ = plain.simulate_agents(tables, pi, observations, STEPS, np.random.default_rng(2))
    agree(mine, theirs, n_agents, size)
    run = measure(
        lambda: tmf.simulate(game, policy, tmf.Synchronous(), n_agents, rng=1, **options),
        units=STEPS * n_agents, unit="agent-step",
    )
    assert run.counts[0, -1].sum() == n_agents


@pytest.mark.benchmark(group="agents")
@pytest.mark.parametrize("size", [8, 64])
@pytest.mark.parametrize("n_agents", [10_000, 1_000_000])
def test_agents_in_plain_numpy(measure, n_agents, size):
    """The same step by comparing a uniform with the cumulative row of each agent, and a bincount."""
    _, _, pi, counts, tables = setup(size, n_agents)
    observations, rng = np.repeat(np.arange(size), counts), np.random.default_rng(3)
    steps = STEPS if n_agents <= 10_000 else 1
    final, _ = measure(
        lambda: plain.simulate_agents(tables, pi, observations, steps, rng),
        units=steps * n_agents, unit="agent-step", rounds=3,
    )
    assert final.sum() == n_agents


@pytest.mark.benchmark(group="agents, few or all")
@pytest.mark.parametrize("n_agents", [10**6, 10**7, 3 * 10**7])
@pytest.mark.parametrize("share", [7.9, 8.1, 12.1, 16.1])
def test_few_agents_or_tiles(measure, n_agents, share):
    """ns per agent-step on both sides of the bounds of few_pay: nearly the same, on whichever side N / B lies."""
    batch, steps = int(n_agents / share), 20
    step = batch / n_agents
    game = tmf.games.resource_selection(
        np.linspace(1.0, 0.3, 8), congestion=np.ones(8), horizon=steps * step, step=step
    ).at()
    policy = tmf.TabularPolicy.uniform(game)
    run = measure(
        lambda: tmf.simulate(
            game, policy, tmf.Batch(batch), n_agents, engine="agents", rng=1, threads=1, record_every=game.n_steps
        ),
        units=game.n_steps * n_agents, unit="agent-step", rounds=3,
    )  # fmt: skip
    assert run.decisions[0, 0].sum() == game.n_steps * batch


@pytest.mark.benchmark(group="agents, batch")
@pytest.mark.parametrize("batch", [1, 32, 1_000, 100_000])
def test_agents_in_batches(measure, batch):
    """ns per acting agent if B of a million act, including the draw of the batch."""
    n_agents, size, steps = 1_000_000, 8, max(20, min(20_000, 200_000 // batch))
    step = batch / n_agents
    game = tmf.games.resource_selection(
        np.linspace(1.0, 0.3, size), congestion=np.ones(size), horizon=steps * step, step=step
    ).at()
    policy = tmf.TabularPolicy.uniform(game)
    run = measure(
        lambda: tmf.simulate(game, policy, tmf.Batch(batch), n_agents, engine="agents", rng=1, record_every=steps,
                             threads=1),
        units=steps * batch, unit="acting agent",
    )
    assert run.decisions.sum() == steps * batch


@pytest.mark.benchmark(group="agents, trajectories")
def test_agents_with_trajectories(measure):
    """ns per agent-step if every observation, action and reward is recorded."""
    game, policy, _, counts, _ = setup(8, 10_000)
    run = measure(
        lambda: tmf.simulate(game, policy, tmf.Synchronous(), 10_000, start=counts, rng=1, trajectories=True),
        units=STEPS * 10_000, unit="agent-step",
    )
    assert run.trajectories.observations.shape == (10_000, STEPS)


@pytest.mark.benchmark(group="agents, Bernoulli")
@pytest.mark.parametrize("probability", [0.01, 0.5])
def test_agents_by_chance(measure, probability):
    """ns per agent-step if each agent acts with a probability: one draw per agent, one move per acting agent."""
    n_agents = 1_000_000
    game, policy, _, counts, _ = setup(8, n_agents)
    run = measure(
        lambda: tmf.simulate(game, policy, tmf.Bernoulli(probability), n_agents, engine="agents", start=counts, rng=1,
                             record_every=STEPS, threads=1),
        units=STEPS * n_agents, unit="agent-step",
    )
    mean = STEPS * n_agents * probability
    assert abs(run.decisions.sum() - mean) <= 6 * np.sqrt(mean * (1 - probability))


@pytest.mark.benchmark(group="agents, Bernoulli, kernel of mu")
@pytest.mark.parametrize("schedule", [tmf.Bernoulli(0.5), tmf.Fraction(0.5)], ids=str)
def test_few_agents_by_chance(measure, schedule):
    """us per step of 200 agents on a kernel that depends on mu, S = 100, A = 5: Bernoulli costs as much as a batch."""
    game = tmf.games.garnet(100, n_actions=5, horizon=200, coupling=0.5, step=1).at()
    policy = tmf.TabularPolicy.uniform(game)
    run = measure(
        lambda: tmf.simulate(game, policy, schedule, 200, engine="agents", rng=1, threads=1), units=200, unit="step"
    )
    assert abs(run.decisions.sum() - 20_000) <= 6 * np.sqrt(10_000)


@pytest.mark.benchmark(group="agents, policy of mu")
def test_agents_that_see_the_population(measure):
    """ns per step of few agents if the policy depends on mu: alias tables are rebuilt at every step; S = A = 64."""
    game, _, _, counts, _ = setup(64, 1_000)
    policy = tmf.SoftmaxPolicy(np.random.default_rng(5).normal(size=(1, 64, 64, 65)))
    run = measure(
        lambda: tmf.simulate(game, policy, tmf.Synchronous(), 1_000, engine="agents", start=counts, rng=1, threads=1),
        units=STEPS, unit="step",
    )
    assert (run.decisions.sum((2, 3)) == 1_000).all()
