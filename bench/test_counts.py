"""The counts engine: ns per step under every kind of schedule, against the same chain in plain numpy."""

import numpy as np
import pytest

import tmfcore as tmf

from . import plain

VALUES = np.linspace(1.0, 0.3, 8)
N = 1_000_000


def setup(batch, steps):
    """The game, a skewed policy, and their arrays for plain numpy."""
    step = batch / N
    game = tmf.games.resource_selection(VALUES, congestion=np.ones(8), horizon=steps * step, step=step).at()
    pi = np.random.default_rng(5).dirichlet(np.ones(8), size=8)
    counts = np.full(8, N // 8)
    return game, tmf.TabularPolicy(pi), pi, counts, plain.resource_selection(VALUES, np.ones(8), step=step)


def schedule_of(batch):
    return tmf.Synchronous() if batch == N else tmf.Batch(batch)


def agree(a, b, steps, batch):
    """Two runs have the same law: their l1 distance is at most 8 sqrt(2 S moves) / N, that is 8 standard deviations."""
    moves = min(steps * batch, N)
    assert np.abs(a - b).sum() / N <= 8 * np.sqrt(2 * 8 * moves) / N


@pytest.mark.benchmark(group="counts")
@pytest.mark.parametrize(("batch", "steps"), [(1, 50_000), (100, 2_000), (N // 10, 500), (N, 500)])
def test_counts_engine(measure, batch, steps):
    """ns per step against B: one event at B = 1; above, the cost does not depend on N and hardly on B."""
    game, policy, pi, counts, tables = setup(batch, steps)
    options = {"start": counts, "rng": 1, "record_every": steps, "decisions": False, "threads": 1}
    few = min(steps, 500)
    short, *_ = setup(batch, few)
    mine = tmf.simulate(short, policy, schedule_of(batch), N, **{**options, "record_every": few}).counts[0, -1]
    agree(mine, plain.simulate_counts(tables, pi, counts, batch, few, np.random.default_rng(2))[0], few, batch)
    run = measure(lambda: tmf.simulate(game, policy, schedule_of(batch), N, **options), units=steps, unit="step")
    assert run.counts.sum(-1).tolist() == [[N, N]]


@pytest.mark.benchmark(group="counts")
@pytest.mark.parametrize(("batch", "steps"), [(1, 2_000), (100, 200), (N // 10, 200), (N, 200)])
def test_counts_in_plain_numpy(measure, batch, steps):
    """The same chain by Generator.multivariate_hypergeometric and Generator.multinomial."""
    _, _, pi, counts, tables = setup(batch, steps)
    rng = np.random.default_rng(3)
    if batch == 1:
        run = lambda: plain.simulate_sequential(tables, pi, counts, steps, rng)
    else:
        run = lambda: plain.simulate_counts(tables, pi, counts, batch, steps, rng)
    final, _ = measure(run, units=steps, unit="step")
    assert final.sum() == N


@pytest.mark.benchmark(group="counts, callable")
@pytest.mark.parametrize("code", ["compiled", "callable"])
def test_counts_of_a_callable_game(measure, code):
    """ns per step with tables from Python callables, which are called once per step and dominate."""
    steps, batch = 200, N // 10
    game, policy, _, counts, tables = setup(batch, steps)
    if code == "callable":
        game = tmf.Game(
            8, 8, steps, game.discount, np.full(8, 1 / 8), lambda mu: tables(mu)[0], tables(np.ones(8) / 8)[1],
            passive_reward=lambda mu: tables(mu)[2],
        )
    run = measure(
        lambda: tmf.simulate(game, policy, tmf.Batch(batch), N, start=counts, rng=1, record_every=steps, threads=1),
        units=steps, unit="step",
    )
    assert run.counts[0, -1].sum() == N


@pytest.mark.benchmark(group="counts, Bernoulli")
@pytest.mark.parametrize("decisions", [True, False])
def test_counts_by_chance(measure, decisions):
    """ns per step if each of 10^12 agents acts with probability 0.01: the cost does not depend on N."""
    steps, n_agents = 200, 10**12
    game, policy, pi, _, tables = setup(N // 100, steps)
    run = measure(
        lambda: tmf.simulate(game, policy, tmf.Bernoulli(0.01), n_agents, rng=1, decisions=decisions, threads=1),
        units=steps, unit="step",
    )
    limit = plain.flow(tables, pi, game.initial, 0.01, steps)
    assert np.abs(run.mu[0] - limit).max() <= 6 * np.sqrt(steps / n_agents)
