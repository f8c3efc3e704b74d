"""Populations on ranks that are larger than one process may number; threads stand in for ranks."""

from functools import partial

import numpy as np
import pytest
from population_cases import GAMES, policies
from test_ranks import N, refused, same

import tmfcore as tmf
from threads_as_ranks import on_ranks, stand_in
from tmfcore._model.policies import as_policy
from tmfcore._population import agents, ranks
from tmfcore._population.carried import words_of
from tmfcore._population.shards import Shard


@pytest.fixture(autouse=True)
def threads(monkeypatch):
    stand_in(monkeypatch)
    monkeypatch.setattr(ranks, "PATIENCE", 0.3)


MANY = 10**10
TILES = -(-MANY // 2048)


def far(tile, schedule, n_agents=MANY, steps=3):
    """Observations of one tile of agents at the end of a run, given as bytes; other ranks are not asked."""
    game = GAMES["constant"]().replace(horizon=steps)
    n_tiles = -(-n_agents // 2048)
    shard = Shard(tile, n_tiles, n_agents, lambda buffer, width: None)
    assert (shard.begin, shard.end) == (2048 * tile, min(2048 * (tile + 1), n_agents))
    start = np.zeros(4, np.int64)
    start[1] = n_agents
    out = np.zeros(shard.end - shard.begin, np.uint8)
    block = np.zeros(words_of(4, 3, True), np.uint64)
    agents.run(
        game.model, as_policy(policies(game)["table"], game), np.arange(4, dtype=np.uint64), start, steps, game.discount, *schedule, steps,
        np.zeros((2, 4), np.int64), None, np.zeros(1), shard=shard, end=block, end_observations=out,
    )  # fmt: skip
    return out


@pytest.mark.parametrize("schedule", [(None, np.array([0.6])), (np.array([MANY]), None)], ids=["each", "all"])
def test_tiles_beyond_32_bits_have_streams_of_their_own(schedule):
    """Agents 2^32 apart do not move alike, and a tile moves as in a small population; the law is that of any tile."""
    wrap = 2**32 // 2048
    tiles = [3, 3 + wrap, 3 + 2 * wrap, TILES - 2]
    moved = [far(tile, schedule) for tile in tiles]
    assert len({one.tobytes() for one in moved}) == len(tiles)
    few = (schedule[0] if schedule[0] is None else np.array([5 * 2048]), schedule[1])
    np.testing.assert_array_equal(moved[0], far(3, few, 5 * 2048))
    counts = np.array([np.bincount(one, minlength=4) for one in moved])
    pooled = counts.sum(axis=0) / counts.sum()
    expected = 2048 * pooled
    seen = expected > 0
    statistic = float(((counts[:, seen] - expected[seen]) ** 2 / expected[seen]).sum())
    assert statistic < 45, "chi-square of 9 degrees of freedom: rate of false alarms 1e-6"


def played(game, policy, schedule, comm):
    return tmf.simulate(game, policy, schedule, N, comm=comm, rng=1)


def test_more_agents_than_a_process_may_number(monkeypatch):
    """With a limit of 4,200: four ranks of 2,048 play 6,644 agents where no step visits few."""
    monkeypatch.setattr(agents, "MAX_AGENTS", 10**9)
    game = GAMES["moving"]()
    policy = policies(game)["table"]
    for schedule in (tmf.Synchronous(), tmf.Bernoulli(0.3), tmf.Batch(3000), tmf.Batch(7)):
        whole = tmf.simulate(game, policy, schedule, N, engine="agents", rng=1)
        with monkeypatch.context() as patch:
            patch.setattr(agents, "MAX_AGENTS", 4200)
            for run in on_ranks(4, partial(played, game, policy, schedule)):
                same(run, whole)
            with pytest.raises(ValueError, match="must be <= 4200, the limit of the agents engine"):
                tmf.simulate(game, policy, schedule, N, engine="agents", rng=1)
    monkeypatch.setattr(agents, "MAX_AGENTS", 4200)
    refused("n_agents is 6644; must be <= 4306, the limit of the agents engine on 2 ranks")
    few = "n_agents is 6644; must be <= 4200 where individuals are recorded or some steps visit few agents"
    refused(few, size=4, trajectories=True)
    for schedule in (tmf.Batch(7), tmf.Sequential()):
        refused(few, size=4, schedule=schedule, game=GAMES["resources"]())
