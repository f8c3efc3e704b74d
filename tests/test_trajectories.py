"""Trajectories thinned by record_every: every k-th step of those of all steps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tmfcore as tmf
from strategies import cases, seeds

FIELDS = ("observations", "actions", "rewards")
N_AGENTS = 12


def same_columns(thinned, whole, every):
    for field in FIELDS[:2]:
        np.testing.assert_array_equal(getattr(thinned, field), getattr(whole, field)[:, ::every])
    # Sums of r0 are kept up to date between steps; their rounding depends on which steps are visited.
    np.testing.assert_allclose(thinned.rewards, whole.rewards[:, ::every], rtol=1e-9, atol=1e-12)


@given(cases(N_AGENTS), seeds, st.integers(2, 9))
def test_every_kth_step(case, seed, every):
    whole = tmf.simulate(*case.build(), N_AGENTS, trajectories=True, rng=seed)
    thinned = tmf.simulate(*case.build(), N_AGENTS, trajectories=True, rng=seed, record_every=every)
    same_columns(thinned.trajectories, whole.trajectories, every)
    assert thinned.trajectories.record_every == every
    np.testing.assert_array_equal(thinned.counts[0, :-1], whole.counts[0, :-1:every])
    np.testing.assert_array_equal(thinned.counts[0, -1], whole.counts[0, -1])


SERVERS = tmf.games.queueing([0.1, 0.2, 0.3], horizon=30)
CHOICE = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4, 0.2), congestion=1.0, horizon=40, step=1)
MIXED = [1, 1, 1, 3, 1, 40] * 20
WAYS = {
    "one at a time": (SERVERS, tmf.Sequential(), 50),
    "one or few": (CHOICE.replace(horizon=120), tmf.Batch(MIXED), 64),
    "few": (CHOICE, tmf.Batch(6), 120),
    "tiles": (CHOICE, tmf.Bernoulli(0.4), 9000),
    "imitation": (tmf.games.pairwise_revision([[0, 1], [2, 0]], horizon=40), tmf.Sequential(), 40),
}


@pytest.mark.parametrize("every", [2, 7, 1000, 10**6])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_playing(way, every):
    game, schedule, n = WAYS[way]
    policy = tmf.TabularPolicy.uniform(game)
    whole, thinned = (
        tmf.simulate(game, policy, schedule, n, trajectories=True, rng=3, record_every=k) for k in (1, every)
    )
    same_columns(thinned.trajectories, whole.trajectories, every)
    n_columns = -(-whole.horizon // every)
    assert thinned.trajectories.actions.shape == (n, n_columns) == thinned.trajectories.rewards.shape
    np.testing.assert_array_equal(thinned.counts[0, -1], whole.counts[0, -1])


def test_only_what_is_recorded_is_asked_for():
    """10^5 agents in 10^4 steps take 10 GB; a hundredth of the steps, 100 MB."""
    game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0, horizon=10_000, step=1)
    policy, who = tmf.TabularPolicy.uniform(game), tmf.Synchronous()
    need, less = (
        tmf.estimate(tmf.simulate, game, policy, who, 10**5, trajectories=True, rng=1, record_every=every).bytes
        for every in (1, 100)
    )
    assert need > 10**10 and 10**8 < less < 1.2e8
    with tmf.max_memory(f"{2 * less} B"), pytest.raises(MemoryError, match="record_every must be larger"):
        tmf.simulate(game, policy, who, 10**5, trajectories=True, rng=1)


def thinned_run():
    policy = tmf.TabularPolicy.uniform(SERVERS)
    return tmf.simulate(SERVERS, policy, tmf.Sequential(), 20, trajectories=True, rng=3, record_every=7)


def test_results_follow(tmp_path):
    run = thinned_run()
    steps = np.arange(0, run.horizon, 7)
    run.save(tmp_path / "run.npz")
    back = tmf.load(tmp_path / "run.npz")
    assert back.trajectories.equals(run.trajectories) and back.trajectories.record_every == 7
    assert "record_every" in repr(run.trajectories)
    np.testing.assert_array_equal(run._table().coordinates["at"], steps)
    columns = run.trajectories._table().columns("actions")
    np.testing.assert_array_equal(columns["at"], np.tile(steps, 20))
    np.testing.assert_array_equal(columns["actions"], run.trajectories.actions.ravel())


def test_pictures_are_over_steps():
    pytest.importorskip("matplotlib")
    run = thinned_run().trajectories
    last = 7 * (run.actions.shape[1] - 1)
    for kind in ("agents", "shares"):
        assert max(line.get_xdata().max() for line in run.plot(kind).lines if len(line.get_xdata())) == last


def test_a_game_cannot_be_fitted_to_thinned_ones():
    with pytest.raises(ValueError, match=r"data\[0\] has one step in record_every = 7; must have every step"):
        tmf.learn.fit(thinned_run(), n_observations=3, n_actions=3)
