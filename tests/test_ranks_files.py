"""Simulations of ranks in files: an index, and the individuals of each rank; threads stand in for ranks."""

import numpy as np
import pytest
from population_cases import GAMES, policies
from test_ranks import N, same

import tmfcore as tmf
from threads_as_ranks import on_ranks, stand_in
from tmfcore._population import ranks


@pytest.fixture(autouse=True)
def threads(monkeypatch):
    stand_in(monkeypatch)
    monkeypatch.setattr(ranks, "PATIENCE", 0.3)


def saved(size, path, **options):
    """Save a run on ranks, and return that of one process."""
    game = GAMES["moving"]()
    call = (game, policies(game)["table"], tmf.Bernoulli(0.4), N)
    on_ranks(size, lambda comm: tmf.simulate(*call, comm=comm, **options).save(path, comm=comm))
    return tmf.simulate(*call, engine="agents", **options)


def test_individuals_are_saved_by_rank_and_loaded_as_one(tmp_path):
    """An index, which is written last, and a file for each rank, which can be loaded alone."""
    path = tmp_path / "run.npz"
    whole = saved(3, path, rng=2, trajectories=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["run.npz", "run.npz.0", "run.npz.1", "run.npz.2"]
    for load in (tmf.load, tmf.Simulation.load):
        found = load(path)
        same(found, whole)
        assert found.trajectories.equals(whole.trajectories)
    part = tmf.Trajectories.load(tmp_path / "run.npz.1")
    np.testing.assert_array_equal(part.actions, whole.trajectories.actions[part.numbers])
    other = saved(2, path, rng=3, trajectories=True, record_every=5)
    assert tmf.load(path).trajectories.equals(other.trajectories)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["run.npz", "run.npz.0", "run.npz.1"]
    alone = saved(2, path, rng=3)
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"] and tmf.load(path).equals(alone)


def test_files_of_ranks_that_do_not_fit(tmp_path):
    saved(2, tmp_path / "run.npz", rng=2, trajectories=True)
    saved(2, tmp_path / "other.npz", rng=3, trajectories=True)
    (tmp_path / "run.npz.1").write_bytes((tmp_path / "other.npz.1").read_bytes())
    with pytest.raises(tmf.FileError, match=r"run\.npz\.1' does not fit \(it is of another writing than"):
        tmf.load(tmp_path / "run.npz")
    (tmp_path / "run.npz.1").unlink()
    with pytest.raises(tmf.FileError, match=r"run\.npz\.1"):
        tmf.load(tmp_path / "run.npz")


def test_a_rank_that_cannot_write(tmp_path):
    (tmp_path / "run.npz.1").mkdir()
    with pytest.raises(OSError, match=r"1 of 2 ranks could not write their individuals|run\.npz\.1"):
        saved(2, tmp_path / "run.npz", rng=2, trajectories=True)
    assert not (tmp_path / "run.npz").exists()
    game = GAMES["moving"]()
    run = tmf.simulate(game, policies(game)["table"], tmf.Synchronous(), N, rng=1, trajectories=True)
    with pytest.raises(ValueError, match="trajectories have no numbers; must be those of one rank"):
        on_ranks(2, lambda comm: run.save(tmp_path / "run.npz", comm=comm))
    with pytest.raises(ValueError, match=r"different calls: path"):
        on_ranks(2, lambda comm: tmf.simulate(
            game, policies(game)["table"], tmf.Synchronous(), N, rng=1, comm=comm).save(tmp_path / str(comm.rank), comm=comm))  # fmt: skip
    with pytest.raises(TypeError, match=r"comm is 3 \(int\); must be a communicator"):
        run.save(tmp_path / "run.npz", comm=3)
