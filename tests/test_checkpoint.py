"""Checkpoints as a thing: what they keep, of which call they are, and which files are refused and left alone."""

import json
import os
import signal
import subprocess
import sys
import zipfile
from functools import partial

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore._base import files
from tmfcore._model.fingerprint import Fingerprint
from tmfcore._random import seeding
from tmfcore._results import checkpoint as checkpoints
from tmfcore._results.checkpoint import opened

TASK = {"game": "queueing 0123", "n_agents": 100, "rng": [7], "sizes": [1, 2.5, None], "batch": "auto"}
STATE = {
    "t": 3, "counts": np.arange(6).reshape(2, 3), "mu": np.array([1 / 3, np.nan, -0.0]), "best": float("inf"),
    "words": np.array([2**64 - 1], np.uint64), "stream": np.random.PCG64(3).state, "none": None, "parts": [(1, "a"), ()],
}  # fmt: skip


def begun(path, task=TASK, verb="simulate", every=0.0):
    return opened(tmf.Checkpoint(path, every), verb, task)


@pytest.fixture
def path(tmp_path):
    """A checkpoint in a folder of its own."""
    begun(tmp_path / "run.npz").save(STATE)
    return tmp_path / "run.npz"


def plain(state):
    """A state as text, arrays by their bits."""
    return json.dumps(state, default=lambda array: array.tobytes().hex())


def refused(path, text, **changes):
    """Opening `path` is refused with `text`, and the file stays as it is, bit for bit."""
    before = path.read_bytes()
    with pytest.raises(tmf.FileError, match=text) as error:
        begun(path, **changes)
    assert str(path) in str(error.value)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_without_a_checkpoint_there_is_nothing():
    assert opened(None, "simulate", TASK) is None


def test_the_state_comes_back_as_it_was(path):
    found = begun(path).state
    assert list(found) == list(STATE)
    for name, value in STATE.items():
        if isinstance(value, np.ndarray):
            assert found[name].dtype == value.dtype and found[name].tobytes() == value.tobytes()
        else:
            assert found[name] == value and type(found[name]) is type(value)


def test_a_call_without_a_file_has_no_state_and_makes_no_file(tmp_path):
    assert opened(str(tmp_path / "new"), "simulate", TASK).state is None
    assert os.listdir(tmp_path) == []


def test_a_state_may_hold_results(tmp_path):
    game = tmf.games.left_right()
    flow = tmf.mean_field(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous())
    begun(tmp_path / "run.npz").save({"flows": [flow, flow]})
    assert all(each.equals(flow) for each in begun(tmp_path / "run.npz").state["flows"])


def test_it_is_due_after_so_many_seconds(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(checkpoints.time, "perf_counter", lambda: now[0])
    kept = begun(tmp_path / "run.npz", every=5.0)
    times = []
    for second in range(20):
        now[0] = float(second)
        if kept.due():
            times.append(second)
            now[0] += 1.5  # while it writes, it does not work
            kept.save({})
    assert times == [5, 12, 19]
    assert begun(tmp_path / "run.npz").due()  # every=0: always
    assert opened(tmp_path / "run.npz", "simulate", TASK).checkpoint.every == 60.0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"rng": [8]}, r"\(rng was \[7\], is \[8\]\)"),
        ({"n_agents": 100.0, "game": "queueing 4567"}, r'game was "queueing 0123", is "queueing 4567"; n_agents was 100, is 100.0'),
        ({"sizes": (1, 2.5, 3)}, r"sizes was \[1, 2.5, null\], is \[1, 2.5, 3\]"),
        ({"more": None}, "more was not given, is null"),
        ({"batch": "x" * 1000}, r"x\.\.\.\)"),
    ],
)
def test_another_task_is_refused_with_both_values(path, changes, text):
    refused(path, f"another call of simulate.*{text}.*delete it to begin anew", task=TASK | changes)


def test_an_entry_that_is_missing_is_named(path):
    refused(path, r"\(batch was \"auto\", is not given\)", task={name: TASK[name] for name in TASK if name != "batch"})


def test_equal_tasks_are_equal_in_whatever_types(path):
    assert begun(path, task=TASK | {"sizes": (1, 2.5, None)}).state is not None


def test_another_verb_is_refused(path):
    refused(path, "is a checkpoint of simulate; must be one of solve", verb="solve")


def test_another_version_is_refused(path, monkeypatch):
    own = tmf.__version__
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.9.7")
    refused(path, f"is of tmfcore {own}; must be of 0.9.7: delete it to begin anew")


def test_a_newer_schema_is_refused(path, monkeypatch):
    monkeypatch.setattr(files, "_FORMAT", files._FORMAT - 1)
    refused(path, "has format")


def test_other_files_are_refused(path):
    tmf.TabularPolicy([[0.5, 0.5]]).save(path)
    refused(path, "holds a TabularPolicy; must hold a Checkpoint")
    for bytes_ in (b"", b"notes of mine"):
        path.write_bytes(bytes_)
        refused(path, "is damaged or not a file of tmfcore; must be a saved Checkpoint")


def test_a_result_is_not_read_from_a_checkpoint(path):
    text = r"run\.npz' is a checkpoint of simulate; must be a saved .*: pass it as checkpoint= to the call that wrote it"
    for load in (tmf.load, tmf.Simulation.load, tmf.TabularPolicy.load):
        with pytest.raises(tmf.FileError, match=text):
            load(path)


def test_damage_is_found_wherever_it_is(path):
    """Any byte of the contents changed, and the file cut at any place."""
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as members:
        spans = [(each.header_offset, each.header_offset + 60 + each.file_size) for each in members.infolist()]
    refusals = 0
    for where in [place for first, last in spans for place in range(first + 40, last, 97)]:
        path.write_bytes(whole[:where] + bytes([whole[where] ^ 16]) + whole[where + 1 :])
        try:
            found = begun(path).state
        except tmf.FileError:
            refusals += 1
        else:  # a byte between members, which nobody reads
            assert plain(found) == plain(STATE)
    assert refusals > 10
    for length in range(0, len(whole) - 1, 211):
        path.write_bytes(whole[:length])
        refused(path, "is damaged or not a file of tmfcore")


def test_a_state_that_does_not_fit_names_the_file(path):
    kept = begun(path)
    with pytest.raises(tmf.FileError, match=r"run.npz' holds a state that does not fit \('steps'\).*checkpoint of simulate"):
        with kept.restoring():
            kept.state["steps"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_a_write_that_fails_leaves_the_last_state(path, monkeypatch, error):
    def fails(*_, **__):
        raise error

    kept = begun(path)
    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", fails)
        with pytest.raises(error):
            kept.save({"t": 4})
    assert os.listdir(path.parent) == [path.name]
    assert begun(path).state["t"] == 3
    kept.save({"t": 4})
    assert begun(path).state["t"] == 4


KILLED = """
import os, signal, sys
import numpy as np
import tmfcore as tmf
from tmfcore._results.checkpoint import opened
kept = opened(tmf.Checkpoint(sys.argv[1], 0.0), "simulate", {})
kept.save({"t": 1})
written = np.savez
def killed(file, **arrays):
    written(file, **arrays)
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
np.savez = killed
kept.save({"t": 2})
"""


def test_a_killed_writer_leaves_the_last_state_and_the_next_write_clears_its_remains(tmp_path):
    path = tmp_path / "run.npz"
    for _ in range(3):
        path.unlink(missing_ok=True)
        assert subprocess.run([sys.executable, "-c", KILLED, str(path)]).returncode == -signal.SIGKILL
    (part,) = set(os.listdir(tmp_path)) - {path.name}
    assert part.endswith(".part")
    kept = begun(path, task={})
    assert kept.state == {"t": 1}
    kept.save({"t": 2})
    assert os.listdir(tmp_path) == [path.name]
    assert begun(path, task={}).state == {"t": 2}


def test_what_cannot_be_written_is_refused_before_the_work(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        begun(tmp_path / "nowhere" / "run.npz")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(PermissionError, match="no file may be made in this folder"):
        begun(tmp_path / "run.npz")
    with pytest.raises(tmf.FileError, match="is a folder"):
        begun(tmp_path)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: tmf.Checkpoint("run", -1.0), "every is -1.0; must be >= 0"),
        (lambda: tmf.Checkpoint("run", np.inf), "every is inf; must be finite"),
        (lambda: tmf.Checkpoint(""), "path is ''; must name a file"),
        (lambda: tmf.Checkpoint(3), r"path is 3 \(int\); must be a string or a path"),
        (lambda: opened(True, "simulate", {}), r"checkpoint is True \(bool\); must be a string or a path"),
        (lambda: opened("", "simulate", {}), "checkpoint is ''; must name a file"),
        (lambda: opened("run", "simulate", {"limit": range(3)}), "limit is a range; must be a number"),
        (lambda: opened("run", "simulate", {"limit": [1, {2}]}), "limit is a list; must be a number"),
    ],
)
def test_bad_arguments(call, text):
    with pytest.raises((TypeError, ValueError), match=text):
        call()


def test_a_piece_is_kept_in_the_state_of_the_whole(tmp_path):
    """A search keeps what is done, and the solve under way; the solve takes it for its `checkpoint`."""
    whole, done = begun(tmp_path / "run.npz"), [1, 2]
    piece = whole.part(lambda state: {"done": done, "solve": state}, None)
    assert opened(piece, "another", {"other": 1}) is piece and piece.state is None and piece.due()
    piece.part(lambda state: {"inner": state}, None).save({"t": 5})
    assert begun(tmp_path / "run.npz").state == {"done": [1, 2], "solve": {"inner": {"t": 5}}}
    done.append(3)
    piece.save({"t": 6})
    again = begun(tmp_path / "run.npz").state
    assert again == {"done": [1, 2, 3], "solve": {"t": 6}}
    assert whole.part(dict, again["solve"]).state == {"t": 6}


# ------------------------------------------------------------------------------------------------------- descriptions

SEEDS = {
    "int": partial(int, 7),
    "sequence": partial(list, (7, 2**40)),
    "SeedSequence": partial(np.random.SeedSequence, 7, spawn_key=(3,)),
    "Generator": partial(np.random.default_rng, 7),
    "BitGenerator": partial(np.random.Philox, 7),
}


@pytest.mark.parametrize("kind", SEEDS)
def test_a_seed_is_described_by_what_it_spawns(kind):
    first = seeding.described(SEEDS[kind]())
    assert json.loads(json.dumps(first)) == seeding.described(SEEDS[kind]()) == first
    rng = SEEDS[kind]()
    seeding.described(rng)  # spawns nothing
    assert [each.random() for each in seeding.generators(rng, 2)] == [
        each.random() for each in seeding.generators(SEEDS[kind](), 2)
    ]
    if kind not in ("int", "sequence"):  # which spawn the same at every call
        assert seeding.described(rng) != first


def test_different_seeds_have_different_descriptions():
    made = [*(make() for make in SEEDS.values()), 8, [7], [7, 0], [2**40, 7], np.random.SeedSequence(7),
            np.random.SeedSequence(7, spawn_key=(4,)), np.random.default_rng(8), np.random.Philox(8),
            np.random.MT19937(7), np.random.SeedSequence(7).spawn(2)[1], seeding.generators(7, 1)[0]]  # fmt: skip
    texts = [json.dumps(seeding.described(rng)) for rng in made]
    assert texts[0] == texts[6]  # 7 and [7] are one seed
    assert len(set(texts)) == len(texts) - 1
    assert seeding.described(2**40) == seeding.described(np.int64(2**40)) == [0, 256]


def test_what_a_generator_has_drawn_does_not_matter():
    fresh, used = np.random.default_rng(7), np.random.default_rng(7)
    used.random(5)
    assert seeding.described(fresh) == seeding.described(used)


@pytest.mark.parametrize(
    ("rng", "error", "text"),
    [(None, ValueError, "rng is None; must be a seed if checkpoint"), (True, TypeError, "rng is True"), (-1, ValueError, "rng")],
)
def test_a_checkpoint_needs_a_seed(rng, error, text):
    with pytest.raises(error, match=text):
        seeding.described(rng)


def test_a_task_tells_games_schedules_and_policies_apart():
    game, longer = (tmf.games.left_right(horizon=n).at(tmf.Batch(2), 10) for n in (2, 3))
    policy, other = (tmf.TabularPolicy([[p, 1 - p]] * game.n_observations).kernel for p in (0.5, 0.25))

    def task(game=game, schedule=None, n=10, clock="", policy=policy, start="rounded"):
        return json.dumps(Fingerprint.of(game, schedule or tmf.Batch(2), n, clock, policy, start).task())

    made = [task(), task(longer), task(schedule=tmf.Batch(3)), task(n=11), task(clock="always"), task(policy=None),
            task(policy=other), task(start="sampled")]  # fmt: skip
    assert task(tmf.games.left_right(horizon=2).at(tmf.Batch(2), 10)) == made[0]
    assert len(set(made)) == len(made)
