"""What one thread writes to a checkpoint stays as it is while the others go on."""

import time
from functools import partial

import numpy as np
import pytest
from noise_cases import noisy

import tmfcore as tmf
from tmfcore._base import files
from tmfcore._population import pauses
from tmfcore._population.kept_runs import KeptCall
from tmfcore._results.checkpoint import Keeper


def resources(**options):
    return tmf.games.resource_selection(np.linspace(1, 0.5, 8), congestion=1.0, **options)


def simulated(game, schedule, n_agents, **options):
    policy = tmf.TabularPolicy.uniform(game)
    return partial(tmf.simulate, game, policy, schedule, n_agents, rng=1, **options)


CASES = {  # a replica, or a group of them, takes some milliseconds
    "counts": lambda: simulated(resources(horizon=700, step=1.0), tmf.Synchronous(), 1000, replicas=6, engine="counts", start="sampled"),
    "agents": lambda: simulated(resources(horizon=1500, step=1.0), tmf.Batch(100), 1000, replicas=12, engine="agents"),
    "side by side": lambda: simulated(resources(horizon=4000, step=1.0), tmf.Sequential(), 100, replicas=160, record_every=100),
    "clocks": lambda: simulated(resources(horizon=20.0), tmf.Poisson(), 1000, replicas=12),
    "paths of noise": lambda: simulated(noisy(40), tmf.Synchronous(), 1000, replicas=12),
}  # fmt: skip


def slowly(function, seconds):
    """`function`, and then a while in which other threads run."""

    def slow(*arguments):
        found = function(*arguments)
        time.sleep(seconds)
        return found

    return slow


def waiting(function, seconds):
    """A while in which other threads run, and then `function`."""

    def slow(*arguments):
        time.sleep(seconds)
        return function(*arguments)

    return slow


@pytest.mark.parametrize("case", CASES)
@pytest.mark.broad(1)
def test_every_file_is_whole_and_leads_to_the_same_bits(case, tmp_path, monkeypatch):
    play, path, written = CASES[case](), tmp_path / "run.npz", []
    whole = play()
    save = Keeper.save

    def saved(self, state):
        save(self, state)
        if type(self) is Keeper:
            written.append(path.read_bytes())

    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "save", saved)
        patch.setattr(pauses, "SECONDS", 4e-3)
        patch.setattr(files, "_checksum", slowly(files._checksum, 0.01))
        patch.setattr(KeptCall, "finished", waiting(KeptCall.finished, 0.005))
        assert play(checkpoint=tmf.Checkpoint(path, every=0), threads=2).equals(whole)
    assert len(written) > 2, len(written)
    for content in written[:: max(1, len(written) // 5)]:
        path.write_bytes(content)
        assert play(checkpoint=tmf.Checkpoint(path, every=1000), threads=1).equals(whole)
