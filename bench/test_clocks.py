"""Poisson clocks: ns per event of 64 replicas, sixteen side by side against one after the other."""

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore._population import lanes

RNG = np.random.default_rng(5)
N, REPLICAS, HORIZON = 20_000, 64, 20.0


def played(size, *, alone):
    """64 replicas of a game of `size` observations whose kernel is constant."""
    rows, reward = RNG.dirichlet(np.ones(size), (size, 2)), RNG.normal(size=(size, 2))
    game = tmf.Game(size, 2, HORIZON, 0.9, np.full(size, 1 / size), reward, rows, time="sweeps")
    policy = np.full((size, 2), 0.5)

    def run():
        with pytest.MonkeyPatch.context() as patch:
            if alone:
                patch.setattr(lanes, "fewest", lambda n_observations: lanes.MOST + 1)
            return tmf.simulate(
                game, policy, tmf.Poisson(), N, replicas=REPLICAS, rng=1, times=HORIZON, decisions=True, threads=1
            )

    return run


@pytest.mark.benchmark(group="replicas under clocks")
@pytest.mark.parametrize("code", ["side by side", "one by one"])
@pytest.mark.parametrize("size", [2, 8])
def test_replicas(measure, size, code):
    """ns per event; both ways have the same bits."""
    state = RNG.bit_generator.state
    run = played(size, alone=code == "one by one")
    RNG.bit_generator.state = state
    other = played(size, alone=code != "one by one")
    found = measure(run, units=N * REPLICAS * HORIZON, unit="event")
    assert (found.decisions.sum(axis=(1, 2, 3)) > 0.98 * N * HORIZON).all()
    for name in ("counts", "decisions", "returns"):
        np.testing.assert_array_equal(getattr(found, name), getattr(other(), name))
