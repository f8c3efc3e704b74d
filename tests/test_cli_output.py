"""What the command line prints: JSON, plain tables, and tables that are never cut."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import tmfcore as tmf
from command_line import CODES, SMALL, document, drained, run
from tmfcore.cli.app import app
from tmfcore.cli.console import Report, print_tables, reports
from tmfcore.reproduce import report
from tmfcore.reproduce.report import TextTable

COMMANDS = {
    "games": ["games"],
    "games GAME": ["games", "queueing"],
    "solve": ["solve", "queueing", *SMALL, "--tolerance", "1e-3"],
    "simulate": ["simulate", "queueing", *SMALL, "--replicas", "3"],
    "info": ["info"],
}
PAGE = (Path(__file__).parents[1] / "docs" / "command-line.md").read_text(encoding="utf-8")


def in_a_terminal(columns, *arguments):
    """What a command prints on a terminal of so many columns."""
    master, slave = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    command = [sys.executable, "-m", "tmfcore", *map(str, arguments)]
    environment |= {"TERM": "xterm-256color", "COLUMNS": str(columns)}
    with subprocess.Popen(command, stdout=slave, stderr=subprocess.PIPE, env=environment) as process:
        os.close(slave)
        found = drained(master)
        assert process.wait() == 0, process.stderr.read()
    os.close(master)
    return found.decode()


# --------------------------------------------------------------------------------------------------------------- JSON


def keys_of(command):
    """The keys that the page lists below `tmfcore COMMAND`."""
    section = PAGE[PAGE.index(f"`tmfcore {command}`:") :]
    table = re.search(r"\n\| key \| value \|\n\|---\|---\|\n((?:\|.*\n)+)", section)[1]
    return [line.split("`")[1] for line in table.splitlines()]


@pytest.mark.parametrize("command", ["solve", "simulate", "games"])
def test_the_page_lists_the_keys_of_each_document(command):
    found = document(*COMMANDS["games GAME" if command == "games" else command])
    assert [*keys_of(command), "interrupted"] == list(found)
    assert found["interrupted"] is False


def test_every_command_has_json():
    for name, command in app.commands.items():
        assert "--json" in {option for parameter in command.params for option in parameter.opts}, name


def test_the_document_of_solve_is_the_solution_unrounded(tmp_path):
    found = document(*COMMANDS["solve"], "--out", tmp_path / "a.npz")
    solution = tmf.Solution.load(tmp_path / "a.npz")
    assert found["exploitability"] == solution.exploitability
    assert found["relative_exploitability"] == solution.relative_exploitability
    assert found["mean_return"] == solution.mean_return
    assert found["solver"] == json.loads(json.dumps(solution.solver))
    assert (found["iterations"], found["reason"]) == (solution.history["iteration"][-1], solution.reason)
    np.testing.assert_array_equal(found["flow"], solution.flow.mu[found["flow_steps"]])
    for t, table in zip(found["policy_steps"], found["policy"], strict=True):
        np.testing.assert_array_equal(table, solution.policy.table[t])
    assert found["written"] == [str(tmp_path / "a.npz")]


def test_the_flow_of_a_document_is_given_once_a_sweep():
    found = document("solve", "queueing", "--n-agents", "50", "--horizon", "4", "--batch", "10")
    assert found["flow_steps"] == [0, 5, 10, 15, 20] and len(found["flow"]) == 5
    assert (found["horizon"], found["step"]) == (20, 0.2)


def test_the_document_of_simulate_is_the_simulation_unrounded(tmp_path):
    found = document(*COMMANDS["simulate"], "--out", tmp_path / "a.npz")
    played = tmf.Simulation.load(tmp_path / "a.npz")
    assert found["returns"] == played.returns.tolist()
    assert found["mean_return"] == played.returns.mean()
    assert found["interval"][0] < found["mean_return"] < found["interval"][1]
    np.testing.assert_array_equal(found["mu"], played.mu.mean(axis=0))
    assert found["steps"] == played.steps.tolist()
    alone = document("simulate", "queueing", *SMALL, "--replicas", "1")
    assert alone["interval"] == [None, None]


def test_the_other_documents(tmp_path, monkeypatch):
    listed = document("games")["games"]
    assert [entry["name"] for entry in listed] == [name.replace("_", "-") for name in tmf.games.BY_NAME]
    parameters = {entry["name"]: entry for entry in document("games", "queueing")["parameters"]}
    assert parameters["capacities"]["default"] == [0.1, 0.2, 0.3] and parameters["capacities"]["needed"] is False
    assert document("info")["tmfcore"] == tmf.__version__
    monkeypatch.chdir(tmp_path)
    assert document("new", "mine")["written"] == ["mine.py", "mine.toml"]
    monkeypatch.setattr("tmfcore.reproduce.run", lambda *_, **__: None)
    found = document("reproduce", "--size", "tiny", "--out", "out")
    stored = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert {key: found[key] for key in stored} == stored
    assert found["written"][0] == str(Path("out") / "results.json")


def test_nothing_but_the_document_goes_to_standard_output(tmp_path):
    """Not what the game prints, nor a warning; a refusal prints no document."""
    (tmp_path / "mine.py").write_text("print('loud')\nimport tmfcore as tmf\ngame = tmf.games.queueing()\n")
    options = ("--solver", "mirror-descent", "--iterations", "1", "--json")
    result = run("solve", tmp_path / "mine.py", *options)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["converged"] is False
    assert "loud" in result.stderr and "warning: not converged" in result.stderr
    refused = run("solve", "queueing", "--discount", "2", "--json")
    assert (refused.exit_code, refused.stdout) == (2, "")


def test_what_is_no_number_is_null():
    assert document("solve", "queueing", *SMALL, "--set", "service-reward=0", "--set", "waiting-cost=0", "--set",
                    "jockeying-cost=0")["relative_exploitability"] == 0  # fmt: skip
    command = app.commands["info"].__class__("made", callback=reports(lambda: Report({"value": [np.inf, np.float32(1)]})))
    command.params = command.callback.__click_params__
    found = json.loads(CliRunner().invoke(command, ["--json"]).stdout)
    assert found == {"value": [None, 1.0], "interrupted": False}


def test_an_interrupted_command_prints_what_it_has(monkeypatch):
    solve = tmf.solve

    def interrupted(*arguments, **more):
        def once(now):
            raise KeyboardInterrupt

        return solve(*arguments, callback=once, **more)

    monkeypatch.setattr(tmf, "solve", interrupted)
    result = run("solve", "queueing", *SMALL, "--solver", "mirror-descent", "--json")
    assert result.exit_code == 130
    found = json.loads(result.stdout)
    assert found["interrupted"] is True and "interrupted" in found["reason"]


# ------------------------------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize("command", COMMANDS)
def test_tables_are_plain_where_nobody_looks(command, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    result = run(*COMMANDS[command])
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.stdout
    assert not re.search(r"[\u2500-\u257f\u2026]", result.stdout)  # box drawing, and the sign of what is left out
    assert all(line == line.rstrip() for line in result.stdout.splitlines())


def test_no_line_is_broken_in_a_file(monkeypatch):
    """However long: every row of a table is a line of its own, and nothing is left out."""
    monkeypatch.delenv("COLUMNS", raising=False)
    text = run("games", "beach-bar").stdout
    assert max(map(len, text.splitlines())) > 160
    assert len(text.splitlines()) == 3 + len(document("games", "beach-bar")["parameters"])
    (line,) = (line for line in text.splitlines() if line.startswith("worth"))
    meaning = {entry["name"]: entry["meaning"] for entry in document("games", "beach-bar")["parameters"]}
    assert line.endswith(meaning["worth"])


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_terminal_shows_every_word_whole(command, columns, monkeypatch):
    """Each word of the plain tables is there, unbroken; no line is longer than the terminal is wide."""
    monkeypatch.delenv("COLUMNS", raising=False)
    plain = run(*COMMANDS[command]).stdout.split()
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("FORCE_COLOR", "1")  # what rich takes for a terminal
    shown = CODES.sub("", run(*COMMANDS[command]).stdout)
    assert max(map(len, shown.splitlines())) <= columns
    assert "\u2026" not in shown
    timed = {word for word in plain if re.fullmatch(r"0\.\d\d", word)}  # seconds differ
    unnamed = {"summary", "value"}  # where the second of two columns stands below the first
    assert [word for word in plain if len(word) < columns // 2 and word not in {*timed, *unnamed} and word not in shown] == []


@pytest.mark.parametrize("command", sorted(app.commands))
def test_a_help_page_fits_80_columns(command):
    text = CliRunner(env={"COLUMNS": "80"}).invoke(app, [command, "--help"], terminal_width=80).output
    assert max(map(len, text.splitlines())) <= 80


def test_what_reproduce_prints_fits_80_columns_but_for_its_title(monkeypatch, capsys):
    """No table in parts, with numbers as long as those of the full size."""
    monkeypatch.setenv("COLUMNS", "80")
    cases = {
        "B = 100": {
            "solve": {"step": 0.001, "steps": 20000, "iterations": 200, "exploitability": 1e-2, "mean_return": -10.2,
                      "relative_exploitability": 1e-3, "seconds": 100.0},
            "play": {"returns": {"mean": -10.2, "low": -10.3, "high": -10.1, "replicas": 200}},
        }
    }  # fmt: skip
    lines = {"B = N/10": {"n_agents": [100, 100_000], "error": [0.1, 0.01], "slope": -0.5, "slope_half": 0.003,
                          "replicas": 200, "seconds": 10.0}}  # fmt: skip
    goals = [{"game": "queueing", "case": "B = 100", "goal": "exploitability / |mean return| <= 0.5%", "value": 0.1,
              "met": False}]  # fmt: skip
    parts = {"queueing": {"parameters": {}, "batches": cases, "convergence": lines}}
    found = {"games": parts, "goals": goals, "parameters": {"n_agents": 1000}}
    print_tables(report.tables(found))
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "(columns" not in text and text.count("B = 100") == 3


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pty")
def test_a_real_terminal_has_rules_and_bold_heads():
    shown = in_a_terminal(80, *COMMANDS["solve"])
    assert "\x1b[1m" in shown and "\u2500" * 20 in shown
    assert max(map(len, CODES.sub("", shown).splitlines())) <= 80


@pytest.mark.parametrize("columns", [40, 60, 80, 100])
def test_a_table_of_words_and_numbers_is_not_cut(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    heads = ("game", "agents a step", "what is to be shown", "found", "met")
    rows = tuple((f"Selection of a resource, {k}", f"B = {k}", "a sentence " * 4 + "to its end", f"{k}.25%", "no") for k in range(10))
    print_tables([TextTable("goals", heads, rows)])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    assert sum(f"{k}.25%" in line for k in range(10) for line in lines) == 10
    words = " ".join(lines).split()
    assert words.count("sentence") == 40 and words.count("end") == 10


def test_a_word_wider_than_the_line_is_folded(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "30")
    print_tables([TextTable("long", ("name", "value"), (("a", "x" * 70), ("b", "[bold]not markup[/]")))])
    out = capsys.readouterr().out
    assert out.count("x") == 70 and max(map(len, out.splitlines())) <= 30
    assert "[bold]not" in out


# --------------------------------------------------------------------------------------- what solve says of the policy


def test_solve_shows_absolute_and_relative_exploitability_in_columns_of_their_own(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    found, text = document(*COMMANDS["solve"]), run(*COMMANDS["solve"]).stdout
    table = text[text.index("exploitability of the policy") : text.index("mean-field flow")].splitlines()
    assert re.split("  +", table[1].strip()) == ["in return", "/ |mean return|"]
    assert table[2].split() == ["found", f"{found['exploitability']:.3e}", f"{found['relative_exploitability']:.3e}"]
    assert table[3].split() == ["tolerance", "1.000e-03"]  # no absolute one by default
    assert "%" not in text


def test_solve_shows_the_policy():
    text = run("solve", "queueing", "--solver", "mirror-descent").stdout
    found = document("solve", "queueing", "--solver", "mirror-descent")
    lines = text[text.index("policy: likeliest actions") :].splitlines()
    assert lines[1].split() == ["observation", "t=0", "t=10"]
    table = np.array(found["policy"])[0]
    row = next(line for line in lines if line.startswith("idle"))
    first = re.split("  +", row)[1]
    best = (-table[0]).argsort(kind="stable")[:3]
    assert first == ", ".join(f"{found['actions'][a]} {table[0][a]:.2f}" for a in best if table[0][a] >= 0.005)


def test_a_policy_that_is_always_the_same_is_shown_once():
    found = document("solve", "queueing", *SMALL, "--solver", "stationary")
    assert found["policy_steps"] == [0]
    assert "at every t" in run("solve", "queueing", *SMALL, "--solver", "stationary").stdout
