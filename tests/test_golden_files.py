"""Files of every released version stay loadable: tests/golden/files; seeds of this version draw what they drew."""

import json

import numpy as np
import pytest

import tmfcore as tmf
from golden import saved, streams
from inputs.things import RESULTS, game, stepped
from tmfcore._base import files

PATHS = sorted(saved.FOLDER.glob("*/*.npz"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_file_of_an_earlier_version_is_what_it_was(path, tmp_path):
    """Saved again it has all that it had; later versions may add to it."""
    kind = path.stem.rpartition(".")[2]
    if kind == "Population":
        loaded = tmf.Population.load(path, game(), tmf.Fraction(0.5))
    else:
        loaded = tmf.load(path)
        assert type(loaded).__name__ == kind
        assert type(loaded).load(path).equals(loaded)
    loaded.save(tmp_path / "again.npz")
    old, about = files.load_npz(path, kind)
    new, now = files.load_npz(tmp_path / "again.npz", kind)
    for name, array in old.items():
        np.testing.assert_array_equal(new[name], array)
        assert new[name].dtype == array.dtype
    assert contained(about["state"], now["state"])


def contained(old, new):
    """Whether all of nested dicts and lists is in others."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(key in new and contained(value, new[key]) for key, value in old.items())
    if isinstance(old, list):
        return len(old) == len(new) and all(map(contained, old, new))
    return old == new or (old != old and new != new)


def test_every_kind_of_file_is_there():
    kinds = {name for name, make in RESULTS.items() if hasattr(make(), "save")} | {"tmfcore.Population"}
    assert hasattr(stepped(), "save")
    assert {path.stem for path in (saved.FOLDER / tmf.__version__).iterdir()} == kinds


def test_seeds_of_this_version_draw_what_they_drew():
    """A difference is a change of the draws: the changelog must say so, and python -m tests.golden --streams writes them anew."""
    wanted = json.loads((streams.FOLDER / f"{tmf.__version__}.json").read_text(encoding="utf-8"))
    assert len(wanted) > 40
    found = streams.digests()
    assert [name for name in wanted if found.get(name) != wanted[name]] == []
    assert sorted(found) == sorted(wanted)
