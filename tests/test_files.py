"""Files: whole or not at all, exact on the way back, and never a pickle."""

import io
import json
import os
import stat

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore._base import files

ARRAYS = {
    "counts": np.arange(6, dtype=np.int64).reshape(2, 3),
    "mu": np.array([0.1, 1 / 3, np.nextafter(1.0, 0.0)]),
    "empty": np.zeros((0, 2)),
    "number": np.float64(2.5),
    "labels": np.array(["idle", "server 1"]),
}


def test_round_trip(tmp_path):
    path = tmp_path / "run.npz"
    files.save_npz(path, ARRAYS, {"kind": "flow", "n": 3, "name": "Schlange", "x": 0.1})
    arrays, header = files.load_npz(path, "flow")
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == np.asarray(array).dtype
        np.testing.assert_array_equal(arrays[name], array)
    assert arrays["mu"].flags.writeable
    assert header == {
        "kind": "flow",
        "n": 3,
        "name": "Schlange",
        "x": 0.1,
        "tmfcore": tmf.__version__,
        "format": 3,
    }


def test_the_name_is_taken_as_given(tmp_path):
    files.save_npz(str(tmp_path / "run"), {}, {"kind": "flow"})
    assert os.listdir(tmp_path) == ["run"]


def test_new_files_have_the_usual_permissions(tmp_path):
    (tmp_path / "plain").touch()
    files.save_npz(tmp_path / "ours", {}, {"kind": "flow"})
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "ours")}
    assert len(modes) == 1


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "results.json"
    path.write_text("old")

    def write():
        with files.replacing(path) as file:
            file.write(b"half of the n")
            raise error

    with pytest.raises(error):
        write()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["results.json"]


def test_a_finished_write_replaces_it(tmp_path):
    path = tmp_path / "results.json"
    path.write_text("old")
    with files.replacing(path) as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["results.json"]


def test_bad_targets(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        files.save_npz(tmp_path / "nowhere" / "run.npz", {}, {"kind": "flow"})
    with pytest.raises(IsADirectoryError, match="must be a file name"):
        files.save_npz(tmp_path, {}, {"kind": "flow"})
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_saved_writes_nothing(tmp_path):
    path = tmp_path / "run.npz"
    with pytest.raises(TypeError, match=r"arrays\['x'\] holds object"):
        files.save_npz(path, {"x": np.array([None])}, {"kind": "flow"})
    with pytest.raises(TypeError, match="JSON"):
        files.save_npz(path, {}, {"kind": "flow", "x": object()})
    with pytest.raises(ValueError, match="kind"):
        files.save_npz(path, {}, {})
    with pytest.raises(ValueError, match="header"):
        files.save_npz(path, {"header": np.zeros(1)}, {"kind": "flow"})
    assert os.listdir(tmp_path) == []


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.load_npz(tmp_path / "run.npz", "flow")


def test_another_kind_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    files.save_npz(path, {}, {"kind": "flow"})
    with pytest.raises(ValueError, match="holds a flow; must hold a simulation"):
        files.load_npz(path, "simulation")


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def packed(header):
    return np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"not a zip"),
        lambda path: path.write_bytes(b"PK\x03\x04 cut short"),
        lambda path: np.savez(path, x=np.zeros(1)),
        lambda path: np.savez(path, header=np.zeros(3)),
        lambda path: np.savez(path, header=packed(["kind"])),
        lambda path: np.savez(path, header=packed({"kind": "flow"})),
        lambda path: np.savez(path, header=np.array([{"kind": "flow"}], dtype=object)),
        lambda path: path.write_bytes(npy(np.zeros(3))),
    ],
)
def test_foreign_and_damaged_files(tmp_path, make):
    path = tmp_path / "run.npz"
    make(path)
    with pytest.raises(ValueError, match="is damaged or not a file of tmfcore; must be a saved flow"):
        files.load_npz(path, "flow")


def test_a_newer_format_says_which_version_wrote_it(tmp_path):
    path = tmp_path / "run.npz"
    np.savez(path, header=packed({"kind": "flow", "format": 4, "tmfcore": "9.1"}))
    with pytest.raises(tmf.FileError, match=r"has format 4, of tmfcore 9\.1; must be 3"):
        files.load_npz(path, "flow")


@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Fraction(0.5), tmf.Fraction([0.5] * 20), tmf.Fraction([0.5] * 19 + [1.0])])
def test_an_active_fraction_that_stays_the_same_is_one_number_in_the_file(schedule, tmp_path):
    game = tmf.games.resource_selection((1.0, 0.5), congestion=1.0, step=1).at()
    flow = tmf.mean_field(game, tmf.TabularPolicy.uniform(game), schedule)
    flow.save(tmp_path / "flow.npz")
    with np.load(tmp_path / "flow.npz") as file:
        assert len(file["active_fraction"]) == (1 if np.ptp(flow.active_fraction) == 0 else 20)
    np.testing.assert_array_equal(type(flow).load(tmp_path / "flow.npz").active_fraction, flow.active_fraction)
