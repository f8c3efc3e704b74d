"""kill -9, and on to the same bits: two kills of every call that takes a checkpoint. `python -m tests.kills` has twenty trials of each."""

import os
from pathlib import Path

import pytest
from kills import sweeps
from kills.cases import CASES, FILE
from kills.trials import Trial, whole

import tmfcore as tmf

ROOT = Path(__file__).resolve().parents[1]
SHARE = 0.25  # of the work of a case: about a quarter of a second, in which its checkpoint is written several times


@pytest.fixture(autouse=True, scope="module")
def server_finds_tests():
    """The server of processes imports the cases by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "tests"), str(Path(tmf.__file__).parents[1])]))
        yield


@pytest.mark.parametrize("name", CASES)
@pytest.mark.broad(2)
def test_killed_twice_it_goes_on_to_the_same_bits(name, tmp_path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    once = whole(name, tmp_path / "whole", SHARE)
    trial = Trial(name, tmp_path / "killed", SHARE)
    for writes in (1, 1 if "simulate" in name else 2):  # runs spend a hundredth of their time on writing
        assert trial.run(writes=writes) is None, "it ended before it wrote its checkpoint"
    ended = trial.run()
    assert (trial.kills, trial.went_on) == (2, 2)
    assert ended["digest"] == once["digest"]
    assert not trial.left(once["files"])
    if (trial.folder / FILE).exists():  # with the end in it; the command line has deleted it
        again = trial.run()
        assert again["digest"] == once["digest"]
        assert again["work"] < 0.5 * once["work"] + 0.02  # seconds to read the file and to compare tasks


@pytest.mark.parametrize("name", ["sweep on processes, the driver", *(pytest.param(name, marks=pytest.mark.engines) for name in sweeps.ENGINES)])
def test_killed_twice_a_sweep_loses_no_finished_cell_and_counts_none_twice(name, tmp_path):
    pytest.importorskip("pyarrow", reason="extra `tables`")
    if name in sweeps.ENGINES:
        pytest.importorskip("distributed", reason="extra `dask`")
    trial = sweeps.trial(name, 2, tmp_path, cells=100)
    assert trial.fine and trial.kills == 2 and trial.finished > 0
