"""Tables, pictures and parameters as the command line shows and reads them."""

import inspect
import os
import sys

import numpy as np
import pytest

import tmfcore as tmf
from command_line import SMALL, flow_table, process, run
from tmfcore.cli import games


def test_game_parameters_reach_the_game(tmp_path):
    path = tmp_path / "a.npz"
    result = run("simulate", "resource-selection", "--worth", "1,.8,.6", "--congestion", "1,2,3", "--initial", "0,0,1",
                 "--switching-cost", "0", "--power", "2", "--discount", "0.9", "--step", "0.5", "--horizon", "3",
                 "--engine", "agents", "--replicas", "1", "--n-agents", "1_000", "--out", path)  # fmt: skip
    assert result.exit_code == 0, result.output
    played = tmf.Simulation.load(path)
    assert (played.engine, played.horizon, played.n_agents) == ("agents", 6, 1000)
    assert played.discount == pytest.approx(0.9**0.5)
    assert played.counts[0, 0].tolist() == [0, 0, 1000]


@pytest.mark.parametrize("name", sorted(tmf.games.BY_NAME))
@pytest.mark.broad(7)
def test_every_game_can_be_played(name, tmp_path):
    """With the command line's defaults, and with every number set by --set to its default."""
    path = tmp_path / "a.npz"
    result = run("simulate", name, "--n-agents", "20", "--replicas", "1", "--out", path)
    assert result.exit_code == 0, result.output
    played = tmf.Simulation.load(path)
    assert played.game == name
    words = [
        word
        for parameter, spec in inspect.signature(tmf.games.BY_NAME[name]).parameters.items()
        if isinstance(spec.default, (int, float)) and parameter != "step"  # which is the schedule's
        for word in ("--set", f"{parameter}={spec.default}")
    ]
    assert f"horizon={inspect.signature(tmf.games.BY_NAME[name]).parameters['horizon'].default}" in words
    result = run("simulate", name, "--n-agents", "20", "--replicas", "1", *words, "--out", path)
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(tmf.Simulation.load(path).counts, played.counts)


def test_set_takes_every_kind_of_value(tmp_path):
    path = tmp_path / "a.npz"
    result = run("simulate", "Beach_Bar", "--n-agents", "60", "--set", "n-places=6", "--set", "bar=none", "--set", "wrap=No",
                 "--set", "noise=0,1,0", "--set", "congestion=2", "--set", "epsilon=1e-3", "--set", "initial=0,0,1,0,0,0",
                 "--set", "worth=0, 0, 0, 0, 0, 9", "--horizon", "3", "--seed", "4", "--replicas", "2", "--out", path)  # fmt: skip
    assert result.exit_code == 0, result.output
    game = tmf.games.beach_bar(6, wrap=False, noise=(0, 1, 0), congestion=2, epsilon=1e-3, initial=[0, 0, 1, 0, 0, 0],
                               worth=[0, 0, 0, 0, 0, 9], horizon=3, step=1).at()  # fmt: skip
    wanted = tmf.simulate(game, tmf.SoftmaxPolicy.uniform(game), tmf.Synchronous(), 60, replicas=2,
                          rng=np.random.SeedSequence(4))  # fmt: skip
    played = tmf.Simulation.load(path)
    np.testing.assert_array_equal(played.counts, wanted.counts)
    np.testing.assert_array_equal(played.returns, wanted.returns)


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("1", "object", 1), ("1.5", "object", 1.5), ("1,", "object", [1]), ("1,2.5", "object", [1, 2.5]),
        ("1,2;3,4", "object", [[1, 2], [3, 4]]), ("braess", "object", "braess"), ("none", "object | None", None),
        ("a, b", "Sequence[str] | None", ("a", "b")), ("-3", "int", -3), ("1e-3", "float", 1e-3), ("Yes", "bool", True),
        ("None", "int | None", None), ("7", "int | None", 7), ("7", "str", "7"),
    ],
)  # fmt: skip
def test_values_have_the_type_of_the_parameter(text, annotation, value):
    parameter = inspect.Parameter("p", inspect.Parameter.KEYWORD_ONLY, default=1.0, annotation=annotation)
    found = games._value(text, parameter)
    assert found == value and type(found) is type(value)


def test_words_by_semicolons_are_the_rows_of_a_map(tmp_path):
    path = tmp_path / "a.npz"
    result = run("simulate", "crowd-motion", "--n-agents", "100", "--set", "obstacles=..#.;.##.;....", "--out", path)
    assert result.exit_code == 0, result.output
    reached = tmf.Simulation.load(path).counts.any(axis=(0, 1)).reshape(3, 4)
    assert reached.tolist() == [[True, True, False, True], [True, False, False, True], [True] * 4]
    result = run("simulate", "crowd-motion", "--set", "obstacles=..;1")
    assert result.exit_code == 2
    assert "'..' is not a number" in result.output


def test_the_table_of_a_road_network_is_of_its_links():
    result = run("solve", "braess")
    assert result.exit_code == 0
    table = flow_table(result.output)
    (line,) = (line for line in table if line.split()[:1] == ["A->B"])
    assert [round(float(share), 2) for share in line.split()[1:]] == [0, 0.75, 0, 0, 0]
    (line,) = (line for line in table if line.split()[:3] == ["arrived", "at", "D->E"])
    assert [round(float(share), 2) for share in line.split()[3:]] == [0, 0, 0, 0, 1]


def test_a_table_leaves_out_what_it_would_show_as_zero():
    result = run("solve", "sioux-falls", "--horizon", "40", "--tolerance", "0.01")
    assert result.exit_code == 0
    table = flow_table(result.output)
    rows = [line.split() for line in table if "->" in line]
    assert f"(the {len(rows)} largest of 81)" in table[0]
    assert all(any(float(share) > 0 for share in row[-5:]) for row in rows)


def test_games_lists_them_all_and_their_parameters():
    result = run("games")
    assert result.exit_code == 0
    for name, function in tmf.games.BY_NAME.items():
        (line,) = (line for line in result.output.splitlines() if line.split()[:1] == [name.replace("_", "-")])
        assert function.__doc__.split()[0] in line
    result = run("games", "beach-bar")
    for name in inspect.signature(tmf.games.beach_bar).parameters:
        assert any(line.split()[:1] == [name] for line in result.output.splitlines())
    assert "gamma in [0, 1] per sweep" in result.output
    (line,) = (line for line in result.output.splitlines() if line.split()[:1] == ["noise"])
    assert line.split()[1] == "0.25,0.5,0.25"


def test_pictures_are_written_to_the_folder(tmp_path):
    result = run("solve", "beach-bar", "--set", "n_places=12", "--horizon", "3", "--pictures", tmp_path / "new" / "a")
    assert result.exit_code == 0, result.output
    assert "wrote exploitability.png, flow.png, policy.png to" in result.output
    result = run("simulate", "queueing", *SMALL, "--pictures", tmp_path / "b")
    assert result.exit_code == 0, result.output
    written = {str(path.relative_to(tmp_path)): path for path in tmp_path.rglob("*.png")}
    assert set(written) == {"new/a/exploitability.png", "new/a/flow.png", "new/a/policy.png", "b/population.png"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written.values())


def test_pictures_that_cannot_be_made_are_refused_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for command in ("solve", "simulate"):
        result = run(command, "queueing", *SMALL, "--pictures", tmp_path / "file")
        assert (result.exit_code, len(result.output.splitlines())) == (2, 1)
        assert "cannot be written to" in result.output
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for command in ("solve", "simulate"):
        result = run(command, "queueing", *SMALL, "--pictures", tmp_path / "a")
        assert (result.exit_code, len(result.output.splitlines())) == (2, 1)
        assert "pip install 'tmfcore[app]'" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_table_of_many_observations_shows_the_largest():
    result = run("solve", "beach-bar", "--tolerance", "0.001")
    assert "(the 20 largest of 100)" in result.output
    shown = [int(line.split()[0]) for line in flow_table(result.output) if line.split()[:1] and line.split()[0].isdigit()]
    assert len(shown) == 20 and 50 in shown and 0 not in shown


def test_output_is_quiet_where_nobody_looks(tmp_path):
    result = process("solve", "queueing", *SMALL)
    assert result.returncode == 0
    assert result.stderr == ""


# ----------------------------------------------------------------------------------------------- reproduce and Ctrl-C


@pytest.mark.rest
def test_reproduce_writes_and_prints(tmp_path):
    result = run("reproduce", "--size", "tiny", "--out", tmp_path / "new" / "folder", "--seed", "1", "--threads", "1")
    assert result.exit_code == 0, result.output
    names = {path.name for path in (tmp_path / "new" / "folder").iterdir()}
    assert names == {"results.json", "summary.md", "exploitability.png", "returns.png", "mu.png", "convergence.png"}
    assert "Goals" in result.output
    assert "Queueing, 5 servers: TMF-PG" in result.output


# --------------------------------------------------------------------------------------------------------- wide tables


@pytest.mark.parametrize("columns", [40, 80, 160])
def test_a_table_of_thirty_columns_is_readable(columns, monkeypatch, capsys):
    """Whatever the width: no line is longer, no number is broken or cut, and every part names its rows and columns."""
    from tmfcore.cli.console import print_tables
    from tmfcore.reproduce.report import TextTable

    monkeypatch.setenv("COLUMNS", str(columns))
    heads = ("observation", *(f"t = {j}: mean field" for j in range(30)))
    rows = tuple((f"place {o}, east", *(f"{o}.{j:04d}" for j in range(30))) for o in range(3))
    print_tables([TextTable("shares", heads, rows)])
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= columns
    assert "…" not in text
    numbers = [word for line in text.splitlines() for word in line.split() if word[1:2] == "." and word[2:].isdigit()]
    assert sorted(numbers) == sorted(number for row in rows for number in row[1:])
    parts = text.split("(columns ")[1:]
    assert sum(int(b) - int(a) + 1 for a, b in (part.split(" of 30")[0].split(" to ") for part in parts)) == 30
    assert all(part.count("place") == 3 and "observation" in part.replace("\n", "") for part in parts if columns > 40)


def test_a_simulation_of_thirty_observations_fits_a_terminal():
    result = process(
        "simulate", "beach-bar", "--set", "n_places=30", "--n-agents", "30", "--horizon", "4",
        env={**os.environ, "COLUMNS": "80"},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "…" not in result.stdout
    assert "observation" in result.stdout
