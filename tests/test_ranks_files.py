"""Simulations of ranks in files: an index, and the individuals of each rank; threads stand in for ranks."""

import numpy as np
import pytest
from population_cases import GAMES, policies
from test_ranks import N, same

import tmfcore as tmf
from threads_as_ranks import on_ranks, stand_in
from tmfcore._base import files
from tmfcore._population import ranks


@pytest.fixture(autouse=True)
def threads(monkeypatch):
    stand_in(monkeypatch)
    monkeypatch.setattr(ranks, "PATIENCE", 0.3)


def names(folder):
    return sorted(file.name for file in folder.iterdir())


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
    assert names(tmp_path) == ["run.npz", "run.npz.0-0", "run.npz.0-1", "run.npz.0-2"]
    for load in (tmf.load, tmf.Simulation.load):
        found = load(path)
        same(found, whole)
        assert found.trajectories.equals(whole.trajectories)
    part = tmf.Trajectories.load(tmp_path / "run.npz.0-1")
    np.testing.assert_array_equal(part.actions, whole.trajectories.actions[part.numbers])
    other = saved(2, path, rng=3, trajectories=True, record_every=5)
    assert tmf.load(path).trajectories.equals(other.trajectories)
    assert names(tmp_path) == ["run.npz", "run.npz.1-0", "run.npz.1-1"]
    alone = saved(2, path, rng=3)
    assert names(tmp_path) == ["run.npz"] and tmf.load(path).equals(alone)


def test_what_was_saved_stays_until_the_next_is_whole(tmp_path, monkeypatch):
    """A rank or the index that cannot be written leaves the former files as they were, and none of its own."""
    path = tmp_path / "run.npz"
    whole = saved(2, path, rng=2, trajectories=True)
    before = names(tmp_path)
    written = files.save_npz
    for broken in ("run.npz.1-1", "run.npz"):

        def save(name, arrays, header, broken=broken):
            if name.endswith(broken):
                raise OSError("no space left")
            written(name, arrays, header)

        monkeypatch.setattr(files, "save_npz", save)
        with pytest.raises(OSError, match=r"no space left|1 of 2 ranks could not write"):
            saved(2, path, rng=3, trajectories=True)
        assert names(tmp_path) == before
        assert tmf.load(path).trajectories.equals(whole.trajectories)


def test_files_of_others_are_not_deleted(tmp_path):
    """Only those that the index of an earlier save names."""
    others = ("run.npz.0", "run.npz.2", "run.npz.0-2", "run.npz.1-0")
    for other in others:
        (tmp_path / other).write_text("mine")
    for rng in (2, 3):
        saved(2, tmp_path / "run.npz", rng=rng)
        assert names(tmp_path) == sorted(("run.npz", *others))
    saved(2, tmp_path / "run.npz", rng=2, trajectories=True)
    saved(1, tmp_path / "run.npz", rng=2)
    assert [(tmp_path / other).read_text() for other in others] == ["mine"] * len(others)


def test_files_of_ranks_that_do_not_fit(tmp_path):
    saved(2, tmp_path / "run.npz", rng=2, trajectories=True)
    saved(2, tmp_path / "other.npz", rng=3, trajectories=True)
    (tmp_path / "run.npz.0-1").write_bytes((tmp_path / "other.npz.0-1").read_bytes())
    with pytest.raises(tmf.FileError, match=r"run\.npz\.0-1' does not fit \(it is of another writing than"):
        tmf.load(tmp_path / "run.npz")
    (tmp_path / "run.npz.0-1").unlink()
    with pytest.raises(tmf.FileError, match=r"run\.npz\.0-1"):
        tmf.load(tmp_path / "run.npz")


def test_a_rank_that_cannot_write(tmp_path):
    (tmp_path / "run.npz.0-1").mkdir()
    with pytest.raises(OSError, match=r"1 of 2 ranks could not write their individuals|run\.npz\.0-1"):
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
