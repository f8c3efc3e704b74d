"""What engine="auto" stands for."""

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore._population.few import few_pay


def dense(size, n_actions=4):
    rng = np.random.default_rng(size)
    transition = rng.dirichlet(np.ones(size), size=(size, n_actions))
    game = tmf.Game(size, n_actions, 2, 1.0, np.full(size, 1 / size), np.zeros((size, n_actions)), transition)
    return game, tmf.TabularPolicy(np.full((size, n_actions), 1 / n_actions))


def chosen(case, schedule, n_agents, **options):
    return tmf.simulate(*case, schedule, n_agents, rng=1, **options).engine


@pytest.mark.parametrize("size", [8, 64])
@pytest.mark.parametrize("decisions", [True, False])
def test_auto_moves_agents_up_to_some_number_and_counts_beyond(size, decisions):
    """There is one crossing above a thousand agents, and it grows with the game."""
    case = dense(size)
    engines = [chosen(case, tmf.Synchronous(), n, decisions=decisions) for n in (2000, 20_000, 10**6, 10**7, 10**9)]
    assert engines == sorted(engines), "agents first, then counts"
    assert engines[-1] == "counts"
    if size == 64:
        assert engines[0] == "agents"


def test_auto_is_counts_for_single_agents_and_for_more_than_memory_holds():
    game = tmf.games.resource_selection([1, 0.5], congestion=[1, 1], horizon=2, step=1).at()
    policy = tmf.TabularPolicy(np.full((2, 2), 0.5))
    assert chosen((game, policy), tmf.Sequential(), 1000) == "counts"
    assert chosen((game, policy), tmf.Synchronous(), 10**12) == "counts"
    assert chosen(dense(64), tmf.Synchronous(), 1000, trajectories=True) == "agents"


def test_the_choice_does_not_depend_on_what_is_recorded_when():
    case = dense(64)
    for every in (1, 2):
        assert chosen(case, tmf.Synchronous(), 5000, record_every=every, replicas=2) == "agents"


@pytest.mark.parametrize(("n_agents", "cells", "share"), [
    (1000, 8, 8), (2**22, 8, 8), (2**22 + 1, 128, 12), (2**24 + 1, 128, 16), (2**26 + 1, 128, 32), (2**26 + 1, 129, 8),
])  # fmt: skip
def test_few_agents_are_visited_alone_up_to_a_share_of_the_population(n_agents, cells, share):
    """The larger the population, the more a visit costs, beside tiles of bytes (up to 256 flows)."""
    assert few_pay(n_agents // share, n_agents, cells)
    assert not few_pay(n_agents // share + 1, n_agents, cells)


@pytest.mark.parametrize("share", [8.5, 12.5])
def test_large_populations_play_batches_on_both_sides_of_the_bound(share):
    n_agents, size = 5_000_000, 8
    batch = int(n_agents / share)
    game = tmf.games.resource_selection(
        np.linspace(1.0, 0.3, size), congestion=np.ones(size), horizon=2 * batch / n_agents, step=batch / n_agents
    ).at()
    run = tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Batch(batch), n_agents, engine="agents", rng=1)
    assert (run.decisions[0].sum(axis=(1, 2)) == batch).all() and (run.counts[0].sum(axis=1) == n_agents).all()
    # Of uniform actions, each observation gets a share 1 / S of those that move, to 8 standard deviations.
    stay = run.counts[0, :-1] * (1 - batch / n_agents)
    assert (np.abs(run.counts[0, 1:] - stay - batch / size) < 8 * np.sqrt(batch)).all()


@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Sequential(), tmf.Bernoulli(0.5), tmf.Poisson()], ids=str)
def test_rows_of_samples_take_time(schedule):
    """As much as their histograms, in estimates and in the choice of threads; the engine stays that of other policies."""
    game = tmf.Game(3, 3, 4.0, 1.0, np.full(3, 1 / 3), np.zeros((3, 3)), np.full((3, 3, 3), 1 / 3), time="sweeps")
    seconds = {}
    for kappa in (1, 10, 40):
        table = np.full((len(tmf.SampledPolicy.histograms(kappa, 3)), 3, 3), 1 / 3)
        policy = tmf.SampledPolicy(table, kappa)
        seconds[kappa] = tmf.estimate(tmf.simulate, game, policy, schedule, 1000).seconds
    plain = tmf.estimate(tmf.simulate, game, np.full((3, 3), 1 / 3), schedule, 1000).seconds
    rows = {kappa: found - plain for kappa, found in seconds.items()}
    assert rows[10] == pytest.approx(rows[1] * 66 / 3) and rows[40] == pytest.approx(rows[1] * 861 / 3)
    assert seconds[40] > 2 * plain
    assert chosen((game, policy), schedule, 1000) == chosen((game, np.full((3, 3), 1 / 3)), schedule, 1000)
