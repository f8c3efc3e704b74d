"""Ctrl-C in a real process: what was finished is written, and nothing else."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

import tmfcore as tmf
from command_line import SMALL, run
from tmfcore.cli import parameters
from tmfcore.reproduce import compute

# `python -m tmfcore`, but SIGINT interrupts it even where it is inherited as ignored (nohup, `pytest &`), and the process
# ends itself if whoever started it is gone. It sends itself a signal once it has been in solve() of a module for a while.
INTERRUPTED = """
import os, runpy, signal, sys, threading, time

signal.signal(signal.SIGINT, signal.default_int_handler)
signal.alarm(LIMIT)

def solving():
    frame = sys._current_frames()[threading.main_thread().ident]
    while frame and not (frame.f_code.co_name == "FUNCTION" and "MODULE" in frame.f_globals["__name__"]):
        frame = frame.f_back
    return frame

def interrupt():
    while not solving():
        time.sleep(0.01)
    time.sleep(0.2)
    os.kill(os.getpid(), signal.KIND)

threading.Thread(target=interrupt, daemon=True).start()
runpy.run_module("tmfcore", run_name="__main__", alter_sys=True)
"""


def interrupted_in(module, *arguments, cwd, limit=60, kind="SIGINT", function="solve"):
    """Run the command line until a signal in a function of `module`; return its code, output and errors."""
    code = INTERRUPTED.replace("MODULE", module).replace("LIMIT", str(limit)).replace("KIND", kind).replace("FUNCTION", function)
    ended = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], cwd=cwd, text=True, capture_output=True,
                           check=False)  # fmt: skip
    return ended.returncode, ended.stdout, ended.stderr


@pytest.fixture
def sigint_ignored():
    """As if the tests were started by `pytest &` of a script: what a new process inherits."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
@pytest.mark.usefixtures("sigint_ignored")
def test_ctrl_c_saves_what_reproduce_has_finished(tmp_path):
    out = tmp_path / "out"
    code, _, err = interrupted_in("tmfcore.reproduce", "reproduce", "--out", out, cwd=tmp_path)
    assert code == 130, err
    assert err == "interrupted\n"
    assert sorted(path.name for path in out.iterdir()) == ["results.json", "summary.md"]
    assert json.loads((out / "results.json").read_text())["complete"] is False


@pytest.mark.rest
def test_reproduce_goes_on_from_the_parts_that_it_finished(tmp_path, monkeypatch):
    tiny = ("reproduce", "--size", "tiny", "--threads", "1", "--out")
    assert run(*tiny, tmp_path / "whole").exit_code == 0
    play, calls, out = compute.play, [], tmp_path / "out"

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return play(*arguments)

    monkeypatch.setattr(compute, "play", interrupted)
    ended = run(*tiny, out)
    assert ended.exit_code == 130
    assert f"the same command goes on from {out / 'checkpoint.npz'}" in ended.output
    assert sorted(path.name for path in out.iterdir()) == ["checkpoint.npz", "results.json", "summary.md"]

    before = {path: path.read_bytes() for path in out.iterdir()}
    refused = run(*tiny, out, "--seed", "1")
    assert refused.exit_code == 2 and "checkpoint of another call of reproduce (seed was 0, is 1)" in refused.output
    assert {path: path.read_bytes() for path in out.iterdir()} == before

    ended = run(*tiny, out)
    assert ended.exit_code == 0 and len(calls) == 7  # of six, one twice
    found, whole = (json.loads((folder / "results.json").read_text()) for folder in (out, tmp_path / "whole"))
    assert timeless(found) == timeless(whole)
    assert {path.name for path in out.iterdir()} == {path.name for path in (tmp_path / "whole").iterdir()}


def timeless(value):
    """A document without its seconds and its date."""
    if isinstance(value, dict):
        return {key: timeless(entry) for key, entry in value.items() if key not in ("seconds", "date")}
    return value


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
@pytest.mark.usefixtures("sigint_ignored")
def test_ctrl_c_saves_the_solution_so_far(tmp_path):
    code, out, err = interrupted_in(
        "tmfcore.solvers", "solve", "queueing", "--solver", "tmf-pg", "--schedule", "sequential", "--iterations", "1e9",
        "--tolerance", "0", "--out", tmp_path / "a.npz", cwd=tmp_path,
    )  # fmt: skip
    assert code == 130, err
    assert err == "interrupted\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
    assert "interrupted after iteration" in tmf.Solution.load(tmp_path / "a.npz").reason
    assert "interrupted after iteration" in out


def test_ctrl_c_saves_the_replicas_so_far(tmp_path, monkeypatch):
    simulate = tmf.simulate

    def interrupted(*arguments, progress, **options):
        def once(done, total):
            if done >= total // 2:
                raise KeyboardInterrupt
            progress(done, total)

        return simulate(*arguments, progress=once, **options)

    monkeypatch.setattr(tmf, "simulate", interrupted)
    monkeypatch.setattr(parameters, "LARGE", 10**6)
    options = ("--replicas", "2e4", "--threads", "1", "--out", tmp_path / "a.npz", "--pictures", tmp_path)
    result = run("simulate", "queueing", *SMALL, *options)
    assert result.exit_code == 130
    assert re.search(r"interrupted: writing \S+a.npz, \d+(\.\d+)? MB; interrupt again to drop it", result.output)
    saved = tmf.Simulation.load(tmp_path / "a.npz")
    assert 2000 < saved.replicas < 20_000

    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    result = run("simulate", "queueing", *SMALL, *options)
    assert result.exit_code == 130
    assert "wrote population.unfinished.png" in result.output
    after = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert before.items() < after.items()
    assert sorted(path.name for path in after.keys() - before.keys()) == ["a.unfinished.npz", "population.unfinished.png"]


def test_ctrl_c_in_solve_leaves_what_was_finished(tmp_path, monkeypatch):
    options = ("--horizon", "4", "--out", tmp_path / "a.npz", "--pictures", tmp_path, "--solver", "mirror-descent")
    assert run("solve", "queueing", *options).exit_code == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    solve = tmf.solve

    def interrupted(*arguments, **more):
        def once(now):
            raise KeyboardInterrupt

        return solve(*arguments, callback=once, **more)

    monkeypatch.setattr(tmf, "solve", interrupted)
    assert run("solve", "queueing", *options).exit_code == 130
    after = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert before.items() < after.items()
    assert {path.name for path in after.keys() - before.keys()} == {
        "a.unfinished.npz", "exploitability.unfinished.png", "flow.unfinished.png", "policy.unfinished.png",
    }  # fmt: skip


def test_ctrl_c_with_nothing_finished_writes_nothing(tmp_path, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(tmf, "simulate", interrupted)
    result = run("simulate", "queueing", *SMALL, "--out", tmp_path / "a.npz")
    assert result.exit_code == 130
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
@pytest.mark.usefixtures("sigint_ignored")
@pytest.mark.parametrize(("kind", "expected"), [("SIGINT", 130), ("SIGTERM", 143)])
@pytest.mark.broad(1)
def test_a_single_long_replica_is_saved_as_far_as_it_came(tmp_path, kind, expected):
    """Within the kernel, after Ctrl-C and after SIGTERM."""
    code, out, err = interrupted_in(
        "tmfcore._population.simulate", "simulate", "queueing", "--n-agents", "10000000", "--engine", "agents",
        "--replicas", "1", "--horizon", "2000", "--out", "a.npz", cwd=tmp_path, kind=kind, function="simulate",
    )  # fmt: skip
    assert code == expected, err
    assert err == "interrupted\n" and "wrote a.npz: " in out
    run = tmf.Simulation.load(tmp_path / "a.npz")
    assert run.replicas == 1 and 0 < run.horizon < 2000


DROPPING = """
import signal
import weakref

import numpy as np

import tmfcore as tmf

calls = 0


class Thing:
    pass


def ends(_):
    signal.raise_signal(signal.KIND)  # Python ignores what its handler raises here


def reward(mu):
    global calls
    calls += 1
    if calls == 1000:
        thing = Thing()
        seen = weakref.ref(thing, ends)
        del thing
    return np.zeros((2, 2))


game = tmf.Game(2, 2, 200_000, 1.0, [1, 0], reward, np.full((2, 2, 2), 0.5))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
@pytest.mark.usefixtures("sigint_ignored")
@pytest.mark.parametrize(("kind", "expected"), [("SIGINT", 130), ("SIGTERM", 143)])
@pytest.mark.broad(1)
def test_an_interrupt_that_python_drops_comes_again(tmp_path, kind, expected):
    """One in the callback of a weak reference."""
    (tmp_path / "game.py").write_text(DROPPING.replace("KIND", kind))
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); signal.alarm(60); "
        "from tmfcore.cli import main; main()"
    )
    words = ("simulate", "game.py", "--n-agents", "100", "--replicas", "1", "--record-every", "1000")
    ended = subprocess.run([sys.executable, "-c", program, *words], cwd=tmp_path, text=True, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (expected, "interrupted\n")


LOADED = """
import sys

import tmfcore as tmf
from tmfcore.cli import main

simulate, before = tmf.simulate, set()


def noted(*arguments, **options):
    run = simulate(*arguments, **options)
    before.update(sys.modules)
    return run


tmf.simulate = noted
try:
    main()
finally:
    print(sorted(set(sys.modules) - before), file=sys.stderr)
"""


def test_nothing_is_loaded_between_the_work_and_the_end(tmp_path):
    """After Ctrl-C it would take the time in which the command should end."""
    words = ("simulate", "queueing", *SMALL, "--replicas", "4", "--out", "a.npz")
    ended = subprocess.run([sys.executable, "-c", LOADED, *words], cwd=tmp_path, text=True, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "[]\n")
