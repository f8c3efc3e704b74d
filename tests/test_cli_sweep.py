"""`tmfcore sweep`: studies in TOML files, their stores, interruption, and mistakes in one line."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import tmfcore as tmf
from command_line import CODES, document, run
from sweep_cases import STUDY
from tmfcore.cli import studies


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "study.toml"
    path.write_text(STUDY, encoding="utf-8")
    return path


def test_a_study_is_its_cells(study):
    """Held against calls of the functions behind it, without a store."""
    found = studies.read(study)
    assert (found.replicas, found.seed, found.grid) == (1, 0, {"batch": [4, 40], "waiting_cost": [0.1, 0.3]})
    swept = tmf.sweep(found.cell, found.grid, rng=found.seed)
    for i, (batch, cost) in enumerate([(4, 0.1), (4, 0.3), (40, 0.1), (40, 0.3)]):
        game = tmf.games.queueing(horizon=3, waiting_cost=cost)
        with pytest.warns(tmf.ConvergenceWarning):
            solution = tmf.solve(game, tmf.Batch(batch), 40, iterations=4)
        assert swept.results["exploitability"][i] == solution.exploitability
        assert swept.results["iterations"][i] == solution.history["iteration"][-1]
        assert swept.results["converged"][i] == solution.converged


def test_simulate_is_a_population_a_call(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(
        '[game]\nkind = "left_right"\nhorizon = 4\n[study]\ncommand = "simulate"\nreplicas = 3\nseed = 5\n'
        '[grid]\nn_agents = [10, 100]\nschedule = ["sequential", "synchronous"]', encoding="utf-8",
    )  # fmt: skip
    found = studies.read(path)
    swept = tmf.sweep(found.cell, found.grid, replicas=found.replicas, rng=found.seed)
    assert swept.errors == ("",) * 12
    game = tmf.games.left_right(horizon=4)
    uniform = tmf.TabularPolicy.uniform(game)
    assert swept.results["mean_field_return"][3] == tmf.evaluate(game, uniform, tmf.Synchronous(), 10).mean_return
    assert len(set(swept.results["mean_return"][:3])) > 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[grid]", "[gird]"), r"\[gird\] is unknown \(did you mean grid\?\)"),
        (("batch = [4, 40]", "batch = 4"), r"grid.batch is 4 \(int\); must be a list"),
        (("batch = [4, 40]", "bach = [4]"), r"grid.bach is neither an option of solve nor a parameter of queueing \(did you mean batch\?\)"),
        (("batch = [4, 40]", "seed = [4]"), "grid.seed cannot vary; set study.seed"),
        (("iterations = 4", "iteration = 4"), r"study.iteration is no option of solve \(did you mean iterations\?\)"),
        (("iterations = 4", 'command = "bake"'), "study.command is 'bake'; must be one of solve, simulate"),
        (("iterations = 4", "replicas = 0"), "study.replicas is 0; must be an integer >= 1"),
        (("iterations = 4", 'schedule = "sequential"'), "schedule is given with batch"),
        (("iterations = 4", 'solver = "newton"'), "solver is 'newton'; must be one of auto"),
        (("batch = [4, 40]", "batch = [-1]"), "size is -1"),
        (("waiting_cost = [0.1, 0.3]", "waiting_cost = [-1.0]"), "game.waiting_cost is -1"),
        (("horizon = 3", "horizen = 3"), "game.horizen is not a parameter of queueing"),
        (("[grid]\nbatch = [4, 40]\nwaiting_cost = [0.1, 0.3]", ""), r"has no table \[grid\]"),
        (("iterations = 4", 'solver = ["newton"]'), r"solver is \['newton'\]; must be one of auto"),
        (("batch = [4, 40]", "schedule = [[1]]"), r"schedule is \[1\]; must be one of synchronous, sequential"),
    ],
)
def test_mistakes_are_one_line_that_names_the_key(change, message, study):
    study.write_text(STUDY.replace(*change), encoding="utf-8")
    result = run("sweep", study)
    assert result.exit_code == 2
    assert re.search(message, result.output) and len(result.output.strip().splitlines()) == 1
    assert not study.with_suffix(".sweep").exists()


def test_options_that_do_not_fit(study):
    assert "--dask and --processes are both given" in run("sweep", study, "--dask", "x", "--processes", 2).output
    assert "--resume: 'study.sweep' does not exist; leave --resume out" in run("sweep", "study.toml", "--resume").output
    study.with_suffix(".sweep").mkdir()
    assert "--resume: 'study.sweep' is no store" in run("sweep", "study.toml", "--resume").output
    assert list(study.with_suffix(".sweep").iterdir()) == []


def test_help_and_extras(study, monkeypatch):
    assert "STUDY.toml" in run("sweep", "--help").output

    def without(name):
        raise ImportError(name)

    monkeypatch.setattr("tmfcore._results.tables.import_module", without)
    result = run("sweep", study)
    assert result.exit_code != 0 and "tmfcore[tables]" in result.output


# -------------------------------------------------------------------------------------------------------- with a store


def need_pyarrow():
    pytest.importorskip("pyarrow", reason="extra `tables`")


def test_a_command_that_is_repeated_computes_nothing_again(study):
    need_pyarrow()
    first = document("sweep", study, "--out", "study.npz")
    assert first["cells"] == first["calls"] == 4 and first["errors"] == [""] * 4
    assert first["parameters"] == {"batch": [4, 4, 40, 40], "waiting_cost": [0.1, 0.3, 0.1, 0.3]}
    assert document("sweep", study, "--resume")["seconds"] == first["seconds"]
    assert tmf.load("study.npz").results["exploitability"].tolist() == first["results"]["exploitability"]
    study.write_text(STUDY.replace("[4, 40]", "[4, 8, 40]"), encoding="utf-8")
    more = document("sweep", study)
    assert more["calls"] == 6 and more["seconds"][:2] == first["seconds"][:2]
    turned = STUDY.replace('kind = "queueing"\nhorizon = 3', 'horizon = 3\nkind = "queueing"').replace("[4, 40]", "[40, 4]")
    study.write_text(turned, encoding="utf-8")  # the order of keys means nothing
    assert document("sweep", study)["seconds"] == first["seconds"][2:] + first["seconds"][:2]
    study.write_text(STUDY.replace("n_agents = 40", "n_agents = 80"), encoding="utf-8")
    other = run("sweep", study)
    assert other.exit_code == 2 and "is the store of another sweep (study.n_agents was 40, is 80)" in other.output
    assert run("sweep", study, "--store", "elsewhere").exit_code == 0


def test_many_cells_that_fail_are_listed_in_no_time(study, monkeypatch):
    """A hundred thousand: the table has the first 200, and errors are named as far as they are printed."""
    need_pyarrow()
    from tmfcore._sweep.store import Row
    from tmfcore._sweep.sweep import Study
    from tmfcore.cli import sweep as command

    monkeypatch.setattr(Study, "play", lambda self: ((number, self.rows.setdefault(number, Row((), (), 0.0, "no"))) for number in range(self.calls)))
    study.write_text(STUDY.replace("n_agents = 40", "n_agents = 40\nreplicas = 25000"), encoding="utf-8")
    began = time.process_time()
    result = run("sweep", study)
    assert time.process_time() - began < 20, "it was hours"
    assert result.exit_code == 1 and f"and {100_000 - command.MOST_ERRORS:,} more; --retry" in result.output


def test_what_is_printed(study):
    need_pyarrow()
    study.write_text(STUDY.replace("[4, 40]", "[4, 50]"), encoding="utf-8")  # more than there are agents
    result = run("sweep", study, "--pictures", "drawn")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0] == "solve queueing" and lines[1].split()[:3] == ["batch", "waiting_cost", "exploitability"]
    assert lines[2].split()[-1] == "0" and lines[4].split()[-1] == "1"
    assert "failed: batch = 50, waiting_cost = 0.1: ValueError: " in result.output
    assert (study.parent / "drawn" / "sweep.png").stat().st_size > 10_000
    study.write_text(STUDY.replace("[4, 40]", "[50]"), encoding="utf-8")
    result = run("sweep", study, "--store", "other")
    assert result.exit_code == 1 and "every cell failed" in result.output


def test_the_live_table_shows_the_last_cells(monkeypatch, capsys):
    from rich.console import Console

    import tmfcore.cli.console as console

    real = Console.__init__

    def as_terminal(self, *args, **options):
        real(self, *args, **options | ({"force_terminal": True, "width": 100} if options.get("stderr") else {}))

    monkeypatch.setattr(Console, "__init__", as_terminal)
    monkeypatch.setattr(console, "LAST", 2)
    with console.live_table("title", ("a", "replica")) as show:
        for i in range(4):
            show(i + 1, 4, (str(i), "0"), {"value": str(10 * i)} if i != 2 else {"error": "no"})
    last = CODES.sub("", capsys.readouterr().err).rpartition("replica")[2].splitlines()  # the last picture, from its head on
    assert last[0].split() == ["value", "error"]
    assert [line.split() for line in last[1:3]] == [["2", "0", "no"], ["3", "0", "30"]]
    assert last[3].startswith("title") and "4/4" in last[3]


def test_processes_give_the_same(study):
    need_pyarrow()
    one = document("sweep", study, "--store", "one")
    two = document("sweep", study, "--store", "two", "--processes", 2)
    assert one["results"] == two["results"]


def processes_of(session):
    """Numbers of the processes of a session that live."""
    found = subprocess.run(["ps", "-o", "pid=,stat=", "-s", str(session)], capture_output=True, text=True, check=False).stdout
    return [int(line.split()[0]) for line in found.splitlines() if "Z" not in line.split()[1]]


@pytest.mark.skipif(shutil.which("ps") is None, reason="ps is not on this machine")
def test_processes_end_with_a_command_that_is_killed(study):
    need_pyarrow()
    study.write_text(STUDY.replace("[4, 40]", f"{list(range(1, 40))}"), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    journal = study.with_suffix(".sweep") / "_journal.jsonl"
    command = subprocess.Popen(
        [sys.executable, "-m", "tmfcore", "sweep", str(study), "--processes", "2"], env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not at_work(journal, 0):
        time.sleep(0.005)
    assert len(processes_of(command.pid)) >= 3
    command.kill()
    command.wait()
    while time.monotonic() < deadline and processes_of(command.pid):
        time.sleep(0.05)
    assert processes_of(command.pid) == []
    assert document("sweep", study, "--resume")["errors"] == [""] * 78


def at_work(journal, parts):
    """Whether a command has found so many parts, and finished cells of its own."""
    there = journal.exists() and len(list(journal.parent.glob("part-*"))) == parts
    return there and journal.read_bytes().count(b"\n") >= 3


def test_a_killed_command_goes_on(study):
    need_pyarrow()
    study.write_text(STUDY.replace("[4, 40]", f"{list(range(1, 40))}"), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    journal = study.with_suffix(".sweep") / "_journal.jsonl"
    for before, end in enumerate((signal.SIGKILL, signal.SIGINT)):  # the second has made a part of the journal of the first
        command = subprocess.Popen([sys.executable, "-m", "tmfcore", "sweep", str(study)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not at_work(journal, before):
            time.sleep(0.005)
        command.send_signal(end)
        output, errors = command.communicate()
        assert command.returncode == (130 if end == signal.SIGINT else -9), errors
    assert b" of 78 cells in " in output and b"interrupted" in errors
    found = document("sweep", study, "--resume")
    swept = tmf.sweep(studies.read(study).cell, studies.read(study).grid, rng=0)
    np.testing.assert_array_equal(found["results"]["exploitability"], swept.results["exploitability"])
    assert json.loads((study.with_suffix(".sweep") / "_sweep.json").read_text())["rng"] == [0]
