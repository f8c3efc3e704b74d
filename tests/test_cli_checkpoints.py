"""--checkpoint, --checkpoint-every and --resume: a command that was stopped goes on, and deletes the file in the end."""

import numpy as np
import pytest
from kills.cases import digest

import tmfcore as tmf
from command_line import SMALL, document, run

SIMULATE = ("simulate", "queueing", *SMALL, "--replicas", "40", "--threads", "1")
SOLVE = ("solve", "queueing", *SMALL, "--solver", "tmf-pg", "--iterations", "30", "--tolerance", "1e-9")


def stopping(monkeypatch, name, at):
    """The verb is interrupted by its progress once `at` of the work is done, if `stops` holds anything."""
    verb, stops, seen = getattr(tmf, name), [True], []

    def stopped(*arguments, progress, **options):
        def look(done, total):
            seen.append(done)
            if stops and done >= at * total:
                stops.clear()
                raise KeyboardInterrupt
            progress(done, total)

        return verb(*arguments, progress=look, **options)

    monkeypatch.setattr(tmf, name, stopped)
    return seen


@pytest.mark.parametrize(("name", "words"), [("simulate", SIMULATE), ("solve", SOLVE)])
def test_a_command_that_was_stopped_goes_on_to_the_same_bits(name, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*words, "--out", "whole.npz").exit_code == 0
    seen = stopping(monkeypatch, name, at=0.5)
    kept = ("--checkpoint", "run.npz", "--checkpoint-every", "0")
    ended = run(*words, *kept, "--out", "found.npz")
    assert ended.exit_code == 130
    assert "the same command goes on from run.npz" in ended.output
    assert (tmp_path / "run.npz").exists()
    (tmp_path / "found.npz").unlink()  # what was finished
    seen.clear()
    ended = run(*words, *kept, "--resume", "--out", "found.npz")
    assert ended.exit_code == 0, ended.output
    assert seen[0] > 0, "it began anew"
    assert digest(tmf.load("found.npz")) == digest(tmf.load("whole.npz"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["found.npz", "whole.npz"]


@pytest.mark.parametrize(("name", "words"), [("simulate", SIMULATE), ("solve", SOLVE)])
def test_another_command_is_refused_and_the_file_stays(name, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stopping(monkeypatch, name, at=0.5)
    kept = ("--checkpoint", "run.npz", "--checkpoint-every", "0")
    assert run(*words, *kept).exit_code == 130
    before = (tmp_path / "run.npz").read_bytes()
    for change in (("--seed", "1"), ("--horizon", "5"), ("--n-agents", "51"), ("--set", "waiting_cost=0.3")):
        ended = run(*words, *kept, *change, "--out", "found.npz")
        assert ended.exit_code == 2 and "'run.npz' is a checkpoint of another call" in ended.output, ended.output
    assert (tmp_path / "run.npz").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]


@pytest.mark.parametrize("words", [SIMULATE, SOLVE])
def test_bad_options_are_refused_in_one_line(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.npz").write_bytes(b"mine")
    refused = [
        (["--resume"], "--resume needs --checkpoint"),
        (["--checkpoint-every", "5"], "--checkpoint-every needs --checkpoint"),
        (["--checkpoint", "run.npz", "--resume"], "--resume: there is no 'run.npz'; leave --resume out to begin anew"),
        (["--checkpoint", "run.npz", "--checkpoint-every", "-1"], "--checkpoint-every: every is -1.0; must be >= 0"),
        (["--checkpoint", "run.npz", "--out", "./run.npz"], "--checkpoint and --out are both 'run.npz'; must be two files"),
        (["--checkpoint", "absent/run.npz"], "'absent/run.npz' cannot be written"),
        (["--checkpoint", "."], "'.' is a folder"),
        (["--checkpoint", "other.npz"], "'other.npz' is damaged or not a file of tmfcore"),
    ]
    for options, text in refused:
        ended = run(*words, *options)
        assert ended.exit_code == 2 and text in ended.output and ended.output.count("\n") == 1, ended.output
    assert [path.name for path in tmp_path.iterdir()] == ["other.npz"]


@pytest.mark.parametrize("words", [SIMULATE, SOLVE])
def test_the_file_is_deleted_after_the_output(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = document(*words, "--checkpoint", "run.npz", "--checkpoint-every", "0")
    assert not (tmp_path / "run.npz").exists()
    again = document(*words)
    for one in (found, again):
        one.pop("seconds", None)
    assert found == again


def test_of_a_report_that_cannot_be_printed_the_file_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def full(*arguments):
        raise OSError("no space left")

    monkeypatch.setattr("tmfcore.cli.console.print_tables", full)
    ended = run(*SIMULATE, "--checkpoint", "run.npz", "--out", "found.npz")
    assert isinstance(ended.exception, OSError)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["found.npz", "run.npz"]
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert run(*SIMULATE, "--checkpoint", "run.npz", "--out", "again.npz").exit_code == 0
    np.testing.assert_array_equal(tmf.load("again.npz").counts, tmf.load("found.npz").counts)
