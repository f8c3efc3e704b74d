"""What engine="auto" stands for."""

import numpy as np
import pytest

import tmfcore as tmf


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
