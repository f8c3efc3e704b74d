"""Stores of sweeps: every finished cell is kept, whatever dies; what is there is not computed again."""

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import tmfcore as tmf
from sweep_cases import alone, counted, notes, pair
from tmfcore._results import tables
from tmfcore._sweep import store as stores

pytest.importorskip("pyarrow", reason="extra `tables`")
GRID = {"a": [1, 2, 3], "b": [0.5, 1.5]}


def same(one, other):
    """Whether two sweeps agree in all but the seconds."""
    zeros = np.zeros(len(one))
    return replace(one, seconds=zeros).equals(replace(other, seconds=zeros))


def files(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def test_what_is_there_is_not_computed_again(tmp_path):
    store, log = tmp_path / "store", tmp_path
    first = tmf.sweep(counted, {"a": [1, 2], "folder": [str(log)]}, rng=1, store=store)
    assert files(store) == ["_lock", "_sweep.json", "part-000001.parquet"]
    more = tmf.sweep(counted, {"a": [0, 1, 2, 3], "folder": [str(log)]}, rng=1, store=store)
    assert [int(a) for word, a, _ in notes(log) if word == "end"] == [1, 2, 0, 3]
    assert more.results["value"][1:3].tolist() == first.results["value"].tolist()
    assert more.seconds[1:3].tolist() == first.seconds.tolist()
    again = tmf.sweep(counted, {"a": [0, 1, 2, 3], "folder": [str(log)]}, rng=1, store=store)
    assert again.equals(more) and len(notes(log)) == 8
    assert same(tmf.sweep(counted, {"a": [0, 1, 2, 3], "folder": [str(log)]}, rng=1), more)


def test_a_store_gives_the_same_columns_as_none(tmp_path):
    def mixed(a):
        if a == 3:
            raise ValueError("three")
        return {0: {"x": 1, "y": None, "z": "text"}, 1: {"x": 2.5, "w": True}, 2: {"x": float("nan"), "z": 7}, 4: None, 5: {"w": False, "v": 2**62}}[a]

    plain = tmf.sweep(mixed, {"a": range(6)})
    kept = tmf.sweep(mixed, {"a": range(6)}, store=tmp_path / "store")
    again = tmf.sweep(mixed, {"a": range(6)}, store=tmp_path / "store")
    for name, values in plain.results.items():
        for other in (kept, again):
            np.testing.assert_array_equal(other.results[name], values)
            assert other.results[name].dtype == values.dtype, name
    assert again.errors == plain.errors == ("", "", "", "ValueError: three", "", "")


def test_other_tools_read_the_folder(tmp_path):
    pandas = pytest.importorskip("pandas")
    study = tmf.sweep(pair, GRID, replicas=2, rng=1, store=tmp_path / "store")
    frame = pandas.read_parquet(tmp_path / "store")
    assert list(frame.columns) == ["a", "b", "replica", "sum", "drawn", "seconds", "error", "cell"]
    assert frame["drawn"].tolist() == study.results["drawn"].tolist() and frame["error"].isna().all()


KINDS = [1, 0.5, True, "1", "x", None, 2**62 + 1, float("inf"), 0]


def of_kind(a):
    return {"value": KINDS[a], "also": KINDS[a - 1]}


def test_values_keep_their_types_beside_others(tmp_path):
    """All in one part, whose columns have one type each; then each cell alone, as a sweep without a store has it."""
    tmf.sweep(of_kind, {"a": range(len(KINDS))}, store=tmp_path / "store")
    for a in range(len(KINDS)):
        kept, plain = tmf.sweep(of_kind, {"a": [a]}, store=tmp_path / "store"), tmf.sweep(of_kind, {"a": [a]})
        for name, values in plain.results.items():
            np.testing.assert_array_equal(kept.results[name], values)
            assert kept.results[name].dtype == values.dtype, (name, KINDS[a])


def test_other_tools_read_parts_of_whole_and_broken_numbers_as_one_table(tmp_path):
    pandas = pytest.importorskip("pandas")

    def half(a):
        return a // 2 if a % 2 == 0 else a / 2

    for grid in ([2, 4], [1, 0.5], [6]):
        tmf.sweep(half, {"a": grid}, store=tmp_path / "store")
    assert len(stores.parts(tmp_path / "store")) == 3
    frame = pandas.read_parquet(tmp_path / "store")
    assert frame["a"].tolist() == [2, 4, 1, 0.5, 6] and frame["value"].tolist() == [1, 2, 0.5, 0.25, 3]


def test_errors_are_kept_and_tried_again_on_request(tmp_path):
    mark = tmp_path / "repaired"

    def broken(a):
        if a == 2 and not mark.exists():
            raise RuntimeError("not yet")
        return a

    for _ in range(2):
        study = tmf.sweep(broken, {"a": [1, 2]}, store=tmp_path / "store")
        assert study.errors == ("", "RuntimeError: not yet")
    mark.touch()
    assert tmf.sweep(broken, {"a": [1, 2]}, store=tmp_path / "store").errors[1]
    study = tmf.sweep(broken, {"a": [1, 2]}, store=tmp_path / "store", retry=True)
    assert study.errors == ("", "") and study.results["value"].tolist() == [1, 2]
    assert tmf.sweep(broken, {"a": [1, 2]}, store=tmp_path / "store").errors == ("", "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rng": 2}, r"is the store of another sweep \(rng was \[1\], is \[2\]\)"),
        ({"grid": {"a": [1], "b": [1], "c": [1]}, "function": lambda a, b, c, rng: 1}, 'parameters was \\["a", "b"\\]'),
        ({"function": lambda a, b, rng: 1}, 'function was "pair", is "<lambda>"'),
    ],
)
def test_a_store_belongs_to_one_sweep(change, message, tmp_path):
    tmf.sweep(pair, GRID, rng=1, store=tmp_path / "store")
    before = files(tmp_path / "store")
    given = {"function": pair, "grid": GRID, "rng": 1} | change
    with pytest.raises(tmf.FileError, match=message):
        tmf.sweep(given.pop("function"), given.pop("grid"), store=tmp_path / "store", **given)
    assert files(tmp_path / "store") == before


def shifted(a, by, scale=1):
    return scale * (a + by)


def test_a_store_belongs_to_what_a_partial_has_bound(tmp_path):
    tmf.sweep(partial(shifted, by=1), {"a": [1]}, store=tmp_path / "store")
    assert len(tmf.sweep(partial(shifted, by=1.0), {"a": [1, 2]}, store=tmp_path / "store")) == 2
    with pytest.raises(tmf.FileError, match=r'is the store of another sweep \(argument by was "1", is "2"\)'):
        tmf.sweep(partial(shifted, by=2), {"a": [1]}, store=tmp_path / "store")
    with pytest.raises(tmf.FileError, match=r'argument scale was not given, is "3"'):
        tmf.sweep(partial(shifted, by=1, scale=3), {"a": [1]}, store=tmp_path / "store")
    study = tmf.sweep(partial(shifted, by=object()), {"a": [1], "by": [4]}, store=tmp_path / "other")  # the grid has the last word
    assert study.results["value"].tolist() == [5]


def test_a_store_needs_a_seed_if_something_is_drawn(tmp_path):
    with pytest.raises(ValueError, match="rng is None; must be a seed if store is given"):
        tmf.sweep(pair, GRID, store=tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_pyarrow_is_named_where_it_is_missing(tmp_path, monkeypatch):
    def without(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(tables, "import_module", without)
    with pytest.raises(ImportError, match=r"pyarrow is not installed: pip install 'tmfcore\[tables\]'"):
        tmf.sweep(pair, GRID, rng=1, store=tmp_path / "store")


def test_two_sweeps_do_not_write_to_one_store(tmp_path):
    tmf.sweep(pair, GRID, rng=1, store=tmp_path / "store")
    with open(tmp_path / "store" / "_lock", "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError, match="another sweep writes to this store"):
            tmf.sweep(pair, GRID, rng=1, store=tmp_path / "store")
    tmf.sweep(pair, GRID, rng=1, store=tmp_path / "store")


FORKING = """
import os, signal, sys
import tmfcore as tmf

def forks(a):
    if os.fork() == 0:
        os.close(0)
        sys.stdout.flush()
        signal.pause()
    os.kill(os.getpid(), signal.SIGKILL)

tmf.sweep(forks, {"a": [1]}, store=sys.argv[1])
"""


def test_a_worker_that_outlives_its_killed_sweep_does_not_lock_the_store(tmp_path):
    """As those of a pool that forks do: they wait for work for ever."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", FORKING, str(tmp_path / "store")], env=environment, start_new_session=True)
    try:
        assert process.wait(60) == -signal.SIGKILL
        os.killpg(process.pid, 0)  # the other one lives

        def forks(a):
            return a

        assert tmf.sweep(forks, {"a": [1]}, store=tmp_path / "store").results["value"].tolist() == [1]
    finally:
        os.killpg(process.pid, signal.SIGKILL)


def test_a_full_disk_is_an_error_and_what_was_finished_is_kept(tmp_path, monkeypatch):
    real, left = os.write, iter([None, None, 10])

    def short(file, data):
        return real(file, data[: next(left, 0)])

    with monkeypatch.context() as patch:
        patch.setattr(stores.os, "write", short)
        with pytest.raises(OSError, match="No space left on device; earlier cells are kept") as caught:
            tmf.sweep(pair, GRID, rng=1, store=tmp_path / "store")
    assert caught.value.filename == str(tmp_path / "store") and len(caught.value.partial) == 3
    assert [len(stores.read_part(path, ("a", "b"))) for _, path in stores.parts(tmp_path / "store")] == [2]
    assert same(tmf.sweep(pair, GRID, rng=1, store=tmp_path / "store"), tmf.sweep(pair, GRID, rng=1))


def test_where_a_store_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "no" / "folder"):
        with pytest.raises(OSError, match="must be a folder") as caught:
            tmf.sweep(pair, GRID, rng=1, store=path)
        assert caught.value.filename == str(path)


# ---------------------------------------------------------------------------------------------------------- on the disk


def journaled(folder):
    """A store as a killed process leaves it: all rows in the journal."""

    def stopped(a, b, rng):
        if (a, b) == (3, 1.5):
            raise KeyboardInterrupt
        return pair(a, b, rng)

    stopped.__qualname__ = "pair"
    close = stores.Store.close
    stores.Store.close = lambda self: os.close(self.journal)
    try:
        with pytest.raises(KeyboardInterrupt):
            tmf.sweep(stopped, GRID, rng=1, store=folder)
    finally:
        stores.Store.close = close
    return folder / stores.JOURNAL


def test_the_journal_of_a_killed_process_is_read(tmp_path):
    journal = journaled(tmp_path / "store")
    assert journal.read_bytes().count(b"\n") == 5
    assert same(tmf.sweep(pair, GRID, rng=1, store=tmp_path / "store"), tmf.sweep(pair, GRID, rng=1))
    assert files(tmp_path / "store") == ["_lock", "_sweep.json", "part-000001.parquet", "part-000002.parquet"]


def test_a_line_cut_anywhere_is_no_row(tmp_path):
    journal = journaled(tmp_path / "store")
    whole = journal.read_bytes()
    start = whole[:-1].rfind(b"\n") + 1
    for cut in range(start, len(whole)):
        journal.write_bytes(whole[:cut])
        assert len(stores._journal(journal, ("a", "b"))) == 4
    journal.write_bytes(whole[: start + 3] + b"\0" * 40 + b"\n\0\0")  # what a file system leaves after a loss of power
    assert len(stores._journal(journal, ("a", "b"))) == 4
    journal.write_bytes(whole[:start])
    assert same(tmf.sweep(pair, GRID, rng=1, store=tmp_path / "store"), tmf.sweep(pair, GRID, rng=1))


def test_a_journal_damaged_in_its_middle_is_refused(tmp_path):
    journal = journaled(tmp_path / "store")
    lines = journal.read_bytes().split(b"\n")
    journal.write_bytes(b"\n".join([lines[0], b"[1]", *lines[2:]]))
    with pytest.raises(tmf.FileError, match=r"_journal\.jsonl.*is damaged"):
        tmf.sweep(pair, GRID, rng=1, store=tmp_path / "store")


def test_rows_that_are_there_twice_count_once(tmp_path):
    """As after a death between the writing of a part and the emptying of the journal."""
    journal = journaled(tmp_path / "store")
    whole = journal.read_bytes()
    tmf.sweep(pair, GRID, rng=1, store=tmp_path / "store")
    journal.write_bytes(whole)
    study = tmf.sweep(pair, GRID, rng=1, store=tmp_path / "store")
    assert same(study, tmf.sweep(pair, GRID, rng=1)) and len(study) == 6


@pytest.mark.parametrize("name", ["part-000001.parquet", "_sweep.json"])
def test_damaged_files_are_refused_by_name(name, tmp_path):
    tmf.sweep(pair, GRID, rng=1, store=tmp_path / "store")
    path = tmp_path / "store" / name
    whole = path.read_bytes()
    rng = random.Random(1)
    for trial in range(40):
        damaged = bytearray(whole[: rng.randrange(len(whole))] if trial % 2 else whole)
        for _ in range(trial % 2 == 0 and 3):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        with suppress(tmf.FileError):  # or it is whole in all that matters; any other error fails
            tmf.sweep(pair, GRID, rng=1, store=tmp_path / "store")
        for other in (tmp_path / "store").glob("part-00000[2-9]*"):
            other.unlink()
        path.write_bytes(whole)


def test_a_million_cells_are_a_hundred_files(tmp_path, monkeypatch):
    """In proportion: with parts of 10 rows."""
    monkeypatch.setattr(stores, "ROWS", 10)
    study = tmf.sweep(alone, {"a": range(95)}, rng=1, store=tmp_path / "store")
    parts = [path for _, path in stores.parts(tmp_path / "store")]
    assert [len(stores.read_part(path, ("a",))) for path in parts] == [10] * 9 + [5]
    assert tmf.sweep(alone, {"a": range(95)}, rng=1, store=tmp_path / "store").equals(study)


def test_small_parts_are_merged(tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "SMALL_PARTS", 4)
    for n in range(1, 12):
        tmf.sweep(alone, {"a": range(n)}, rng=1, store=tmp_path / "store")
        assert len(stores.parts(tmp_path / "store")) <= 4
    assert same(tmf.sweep(alone, {"a": range(11)}, rng=1, store=tmp_path / "store"), tmf.sweep(alone, {"a": range(11)}, rng=1))


def test_a_merge_keeps_the_later_of_two_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "SMALL_PARTS", 2)
    answers = iter(["first", None, "second"])

    def asked(a):
        answer = next(answers)
        if answer != "second":
            raise ValueError(answer)
        return answer

    for _ in range(3):
        study = tmf.sweep(asked, {"a": [1]}, store=tmp_path / "store", retry=True)
    for _ in range(2):
        study = tmf.sweep(asked, {"a": [1]}, store=tmp_path / "store")
    assert study.results["value"].tolist() == ["second"]
    assert len(stores.parts(tmp_path / "store")) == 1


def test_the_store_says_what_it_is(tmp_path):
    tmf.sweep(pair, GRID, rng=[1, 2], store=tmp_path / "store")
    about = json.loads((tmp_path / "store" / "_sweep.json").read_text())
    assert about == {"format": 1, "tmfcore": tmf.__version__, "function": "pair", "parameters": ["a", "b"], "rng": [1, 2]}
