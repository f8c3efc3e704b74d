"""The command line: what it prints and writes, exit codes, refusals in one line, and Ctrl-C in a real process."""

import inspect
import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

import tmfcore as tmf
from tmfcore.cli import games
from tmfcore.cli.app import app

SMALL = ["--n-agents", "50", "--horizon", "4"]


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def process(*arguments, **options):
    command = [sys.executable, "-m", "tmfcore", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, **options)


# --------------------------------------------------------------------------------------------------------- the door


def test_help_names_the_commands():
    result = process("--help")
    assert result.returncode == 0
    for command in ("reproduce", "solve", "simulate", "games", "info"):
        assert f"  {command} " in result.stdout


@pytest.mark.parametrize("command", ["reproduce", "solve", "simulate", "games", "info"])
def test_each_command_explains_itself(command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_help_does_not_load_what_only_the_work_needs():
    code = (
        "import sys; sys.argv = ['tmfcore', '--help']\n"
        "from tmfcore.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert not {'matplotlib', 'scipy', 'rich.progress'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("command", "arguments", "short"),
    [
        ("simulate", ["queueing"], "tmfcore.simulate"),
        ("simulate", ["queueing"], "tmfcore.mean_field"),
        ("solve", ["queueing"], "tmfcore.solve"),
        ("solve", ["queueing", "--solver", "mirror-descent"], "tmfcore.solvers.MirrorDescent.solve"),
        ("reproduce", [], "tmfcore.reproduce.new_results"),
    ],
)
def test_where_memory_is_short_the_advice_is_of_the_command_s_own_options(monkeypatch, command, arguments, short):
    def full(*_, **__):
        raise MemoryError("Unable to allocate 9 TiB")

    monkeypatch.setattr(short, full)
    result = run(command, *arguments)
    assert result.exit_code == 1
    advice = result.output.partition("not enough memory (Unable to allocate 9 TiB); ")[2]
    named = re.findall(r"--[\w-]+", advice)
    assert named
    known = {option for parameter in app.commands[command].params for option in parameter.opts}
    assert set(named) <= known


def test_a_game_too_large_for_memory_says_which_parameter(tmp_path):
    large = run("solve", "beach-bar", "--set", f"n_places={2**40}")
    assert large.exit_code == 1
    assert "n_places must be smaller; parameters are given by --set NAME=VALUE" in large.output
    (tmp_path / "game.toml").write_text(f'[game]\nkind = "beach_bar"\nn_places = {2**40}', encoding="utf-8")
    large = run("simulate", tmp_path / "game.toml")
    assert large.exit_code == 1
    assert "n_places must be smaller; parameters are in" in large.output


def test_the_horizon_of_a_file_is_lowered_in_the_file(tmp_path, monkeypatch):
    def full(*_, **__):
        raise MemoryError

    file = tmp_path / "game.toml"
    file.write_text('[game]\nkind = "queueing"\ncapacities = [0.5, 0.4]', encoding="utf-8")
    monkeypatch.setattr("tmfcore.simulate", full)
    result = run("simulate", file)
    assert f"not enough memory; lower --replicas, the horizon in {file}" in result.output
    monkeypatch.setattr("tmfcore.Solution.load", full)
    result = run("simulate", file, "--policy", file)
    assert f"--policy {file} does not fit in memory" in result.output


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra_it_says_what_to_install(missing):
    code = f"import sys; sys.modules['{missing}'] = None; from tmfcore.cli import main; main()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr == "tmfcore: the command line needs click and rich: pip install 'tmfcore[app]'\n"


def test_without_matplotlib_reproduce_says_so_before_the_work(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = run("reproduce", "--quick", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "pip install 'tmfcore[app]'" in result.output
    assert not (tmp_path / "out").exists()


def test_version():
    assert run("--version").output == f"tmfcore, version {tmf.__version__}\n"


def test_a_terminal_without_the_signs_gets_others():
    result = process("solve", "queueing", *SMALL, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert result.returncode == 0, result.stderr


def test_info_shows_versions():
    result = run("info")
    assert result.exit_code == 0
    for name, value in (("tmfcore", tmf.__version__), ("numpy", np.__version__)):
        assert any(line.split()[:2] == [name, value] for line in result.output.splitlines())
    assert "processors available" in result.output


# ---------------------------------------------------------------------------------------------------------- refusals

REFUSED = [
    (["sole"], "did you mean solve?"),
    (["--bogus"], "--bogus"),
    (["solve", "queuing"], "did you mean queueing?"),
    (["solve", "chess"], "must be one of resource-selection, queueing"),
    (["solve"], "Missing argument 'GAME'"),
    (["solve", "queueing", "--batsh", "3"], "--batsh"),
    (["solve", "queueing", "--schedule", "sequentiel"], "did you mean sequential?"),
    (["solve", "queueing", "--schedule", "batch"], "--schedule batch needs --batch"),
    (["solve", "queueing", "--batch", "0"], "must be >= 1"),
    (["solve", "queueing", "--batch", "51", "--n-agents", "50"], "--batch is 51; must be <= --n-agents = 50"),
    (["solve", "queueing", "--batch", "5", "--schedule", "sequential"], "--batch belongs to --schedule batch"),
    (["solve", "queueing", "--batch", "5", "--fraction", "0.1"], "--fraction belongs to --schedule fraction"),
    (["solve", "queueing", "--fraction", "1.5"], "--fraction: beta is 1.5"),
    (["solve", "queueing", "--probability", "nan"], "--probability: p is nan"),
    (["solve", "queueing", "--fraction", "1e-9"], "--fraction: beta is 1e-09"),
    (["solve", "queueing", "--n-agents", "0"], "must be >= 1"),
    (["solve", "queueing", "--n-agents", "ten"], "'ten' is not a whole number"),
    (["solve", "queueing", "--n-agents", "1.5"], "'1.5' is not a whole number"),
    (["solve", "queueing", "--n-agents", "1e30"], "n_agents"),
    (["solve", "queueing", "--values", "1,2"], "--values belongs to resource-selection"),
    (["solve", "queueing", "--capacities", "0.1,x"], "entry 1"),
    (["solve", "queueing", "--capacities", "0.1,-1"], "capacities[1] is -1"),
    (["solve", "queueing", "--step", "soon"], "'soon' is neither a number nor auto"),
    (["solve", "queueing", "--step", "2"], "step is 2"),
    (["solve", "queueing", "--critic", "modell"], "did you mean model?"),
    (["solve", "queueing", "--tolerance", "-1"], "tolerance is -1"),
    (["solve", "queueing", "--solver", "mirror"], "'mirror' is unknown"),
    (["solve", "queueing", "--solver", "mfomo", "--critic", "model"], "--critic is no option of mfomo"),
    (["solve", "queueing", "--solver", "stationary", "--discount", "1"], "discount is 1; must be < 1"),
    (["solve", "queueing", "--seed", "-1"], "--seed"),
    (["solve", "queueing", "--iterations", "3"], "--iterations needs a --solver of that option"),
    (["solve", "queueing", "--critic", "model"], "--critic needs a --solver of that option"),
    (["solve", "beach-bar", "--capacities", "1,2"], "--capacities belongs to queueing; the game is beach-bar"),
    (["solve", "beach-bar", "--set", "n_plases=3"], "no such parameter (did you mean n_places?)"),
    (["solve", "beach-bar", "--set", "n_places=3.5"], "n_places: '3.5' is not a whole number"),
    (["solve", "beach-bar", "--set", "n_places=1"], "n_places is 1"),
    (["solve", "beach-bar", "--set", "crowding=much"], "crowding: 'much' is not a number"),
    (["solve", "beach-bar", "--set", "wrap=maybe"], "wrap: 'maybe' is neither true nor false"),
    (["solve", "beach-bar", "--set", "wind=1,b"], "wind: 'b' is not a number"),
    (["solve", "beach-bar", "--set", "wind=0.3,0.3,0.3"], "wind sums to 0.9"),
    (["solve", "beach-bar", "--set", "wind"], "must be NAME=VALUE"),
    (["solve", "beach-bar", "--set", "horizon=3", "--horizon", "4"], "horizon is given twice"),
    (["simulate", "beach-bar", "--set", "bar=3", "--set", "bar=4"], "bar is given twice"),
    (["games", "chess"], "must be one of resource-selection, queueing"),
    (["solve", "queueing", "--discount", "1.5"], "discount is 1.5"),
    (["solve", "resource-selection", "--values", "1,nan"], "values[1] is nan"),
    (["solve", "resource-selection", "--initial", "1,1"], "initial"),
    (["solve", "queueing", "--out", "missing-folder/a.npz"], "cannot be written"),
    (["solve", "queueing", "--out", "."], "is a folder"),
    (["simulate", "queueing", "--policy", "missing.npz"], "missing.npz"),
    (["simulate", "queueing", "--engine", "agent"], "did you mean agents?"),
    (["simulate", "queueing", "--engine", "agents", "--n-agents", "1e10"], "n_agents"),
    (["simulate", "queueing", "--replicas", "0"], "must be >= 1"),
    (["simulate", "queueing", "--threads", "0"], "must be >= 1"),
    (["reproduce", "--threads", "two"], "'two' is not a whole number"),
    (["reproduce", "--seed", "x"], "--seed"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED, ids=[" ".join(a) for a, _ in REFUSED])
def test_wrong_usage_is_one_line_and_code_2(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    (line,) = result.output.splitlines()
    assert line.startswith("Error: ")
    assert message in line
    assert not list(tmp_path.iterdir())


def test_an_unwritable_out_is_refused_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        result = run("reproduce", "--out", out)
        assert result.exit_code == 2
        assert "cannot be written to" in result.output
        assert len(result.output.splitlines()) == 1


def test_a_file_that_is_no_policy_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    path.write_text("not a policy")
    result = run("simulate", "queueing", "--policy", path)
    assert result.exit_code == 2
    assert "a.npz" in result.output
    assert len(result.output.splitlines()) == 1


# ---------------------------------------------------------------------------------------------------- solve, simulate


def test_solve_then_simulate(tmp_path):
    solution, simulation = tmp_path / "solution.npz", tmp_path / "simulation.npz"
    result = run("solve", "queueing", *SMALL, "--solver", "tmf-pg", "--batch", "10", "--iterations", "5", "--seed", "3", "--out", solution)
    assert result.exit_code == 0, result.output
    assert "exploitability" in result.output
    learned = tmf.Solution.load(solution)
    assert learned.schedule == "B=10"
    assert learned.flow.horizon == 20  # 4 sweeps of 5 steps
    game = tmf.games.queueing(horizon=4, step=0.2)
    assert "warning: not converged: iterations exhausted: best relative" in result.stderr
    solver = tmf.solvers.TMFPG(iterations=5, tolerance=None)
    np.testing.assert_array_equal(learned.policy.theta, solver.solve(game, tmf.Batch(10), 50, rng=3).policy.theta)

    options = ["--batch", "10", "--policy", solution, "--replicas", "7", "--seed", "5", "--out", simulation]
    result = run("simulate", "queueing", *SMALL, *options)
    assert result.exit_code == 0, result.output
    assert "95% interval" in result.output
    assert "server 3" in result.output
    played = tmf.Simulation.load(simulation)
    wanted = tmf.simulate(
        game, learned.policy, tmf.Batch(10), 50, replicas=7, rng=np.random.SeedSequence(5), record_every=5
    )
    np.testing.assert_array_equal(played.counts, wanted.counts)  # played in parts, and yet the same
    np.testing.assert_array_equal(played.returns, wanted.returns)
    assert "warning" not in result.stderr

    other = run("simulate", "queueing", *SMALL, "--schedule", "sequential", "--policy", solution, "--replicas", "2")
    assert other.exit_code == 0 and "warning: the policy was learnt for game 'queueing' under B=10 with" in other.stderr
    other = run("simulate", "resource-selection", *SMALL, "--policy", solution)
    assert other.exit_code == 2 and "was learnt for game 'queueing'" in other.output


@pytest.mark.parametrize("solver", ["mirror-descent", "Fictitious_Play", "fixed-point", "prior-descent", "mfomo", "stationary"])
def test_solve_with_an_exact_solver(solver, tmp_path):
    path = tmp_path / "solution.npz"
    result = run("solve", "queueing", *SMALL, "--solver", solver, "--tolerance", "0.05", "--batch", "25", "--out", path)
    assert result.exit_code == 0, result.output
    found = tmf.Solution.load(path)
    kind = getattr(tmf.solvers, found.solver["name"])
    assert kind.__name__.lower() == solver.replace("-", "").replace("_", "").lower()
    assert "queueing, B=25" in result.output
    assert f"{solver.lower().replace('_', '-')}, as asked" in result.output
    game = tmf.games.queueing(horizon=4, step=0.5)
    assert found.policy == kind(tolerance=0.05).solve(game, tmf.Batch(25), 50).policy


def test_a_policy_of_another_game_is_refused(tmp_path):
    path = tmp_path / "solution.npz"
    assert run("solve", "queueing", *SMALL, "--out", path).exit_code == 0
    result = run("simulate", "beach-bar", *SMALL, "--policy", path)
    assert result.exit_code == 2
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "schedule"),
    [
        ([], "B=N"),
        (["--schedule", "Synchronous"], "B=N"),
        (["--schedule", "sequential"], "B=1"),
        (["--batch", "10"], "B=10"),
        (["--schedule", "fraction", "--fraction", "0.1"], "B=0.1 N"),
        (["--probability", "0.2"], "p=0.2"),
    ],
)
def test_every_schedule(options, schedule, tmp_path):
    path = tmp_path / "a.npz"
    result = run("simulate", "resource_selection", *SMALL, *options, "--replicas", "2", "--out", path)
    assert result.exit_code == 0, result.output
    played = tmf.Simulation.load(path)
    assert played.schedule == schedule
    np.testing.assert_allclose(played.counts.sum(axis=-1), 50)
    assert len(played.steps) == 5  # the start and four sweeps


def test_game_parameters_reach_the_game(tmp_path):
    path = tmp_path / "a.npz"
    result = run("simulate", "resource-selection", "--values", "1,.8,.6", "--congestion", "1,2,3", "--initial", "0,0,1",
                 "--switching-cost", "0", "--power", "2", "--discount", "0.9", "--step", "0.5", "--horizon", "3",
                 "--engine", "agents", "--replicas", "1", "--n-agents", "1_000", "--out", path)  # fmt: skip
    assert result.exit_code == 0, result.output
    played = tmf.Simulation.load(path)
    assert (played.engine, played.horizon, played.n_agents) == ("agents", 6, 1000)
    assert played.discount == pytest.approx(0.9**0.5)
    assert played.counts[0, 0].tolist() == [0, 0, 1000]


def test_auto_is_the_default_and_says_what_it_picked(tmp_path):
    path = tmp_path / "a.npz"
    result = run("solve", "queueing", *SMALL, "--batch", "10", "--out", path)
    assert result.exit_code == 0, result.output
    found = tmf.Solution.load(path)
    game = tmf.games.queueing(horizon=4, step=0.2)
    wanted = tmf.solve(game, tmf.Batch(10), 50)
    assert found.policy == wanted.policy
    words = " ".join(result.output.split())  # however wide the terminal is
    assert "mirror-descent, picked by auto: the first to meet the tolerance" in words
    assert f"{wanted.exploitability:.3e}" in result.output
    assert wanted.reason in words or all(word in words for word in wanted.reason.split())
    result = run("solve", "queueing", *SMALL, "--tolerance", "0.05", "--out", path)
    assert tmf.Solution.load(path).solver["tolerance"] == 0.05


@pytest.mark.parametrize("name", sorted(tmf.games.BY_NAME))
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
                 "--set", "wind=0,1,0", "--set", "crowding=2", "--set", "epsilon=1e-3", "--set", "initial=0,0,1,0,0,0",
                 "--set", "attraction=0, 0, 0, 0, 0, 9", "--horizon", "3", "--seed", "4", "--replicas", "2", "--out", path)  # fmt: skip
    assert result.exit_code == 0, result.output
    game = tmf.games.beach_bar(6, wrap=False, wind=(0, 1, 0), crowding=2, epsilon=1e-3, initial=[0, 0, 1, 0, 0, 0],
                               attraction=[0, 0, 0, 0, 0, 9], horizon=3)  # fmt: skip
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
    (line,) = (line for line in result.output.splitlines() if line.split()[:1] == ["A->B"])
    assert [round(float(share), 2) for share in line.split()[1:]] == [0, 0.75, 0, 0, 0]
    (line,) = (line for line in result.output.splitlines() if line.split()[:3] == ["arrived", "at", "D->E"])
    assert [round(float(share), 2) for share in line.split()[3:]] == [0, 0, 0, 0, 1]


def test_a_table_leaves_out_what_it_would_show_as_zero():
    result = run("solve", "sioux-falls", "--horizon", "40", "--tolerance", "0.01")
    assert result.exit_code == 0
    table = result.output[result.output.index("mean-field flow") :].splitlines()
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
    (line,) = (line for line in result.output.splitlines() if line.split()[:1] == ["wind"])
    assert line.split()[1] == "0.25,0.5,0.25"


def test_pictures_are_written_to_the_folder(tmp_path):
    result = run("solve", "beach-bar", "--set", "n_places=12", "--horizon", "3", "--pictures", tmp_path / "new" / "a")
    assert result.exit_code == 0, result.output
    assert "wrote exploitability.png, flow.png to" in result.output
    result = run("simulate", "queueing", *SMALL, "--pictures", tmp_path / "b")
    assert result.exit_code == 0, result.output
    written = {str(path.relative_to(tmp_path)): path for path in tmp_path.rglob("*.png")}
    assert set(written) == {"new/a/exploitability.png", "new/a/flow.png", "b/population.png"}
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
    shown = [int(line.split()[0]) for line in result.output.splitlines() if line.split()[:1] and line.split()[0].isdigit()]
    assert len(shown) == 20 and 50 in shown and 0 not in shown


def test_output_is_quiet_where_nobody_looks(tmp_path):
    result = process("solve", "queueing", *SMALL)
    assert result.returncode == 0
    assert result.stderr == ""


# ----------------------------------------------------------------------------------------------- reproduce and Ctrl-C


def test_reproduce_writes_and_prints(tmp_path):
    result = run("reproduce", "--size", "tiny", "--out", tmp_path / "new" / "folder", "--seed", "1", "--threads", "1")
    assert result.exit_code == 0, result.output
    names = {path.name for path in (tmp_path / "new" / "folder").iterdir()}
    assert names == {"results.json", "summary.md", "exploitability.png", "returns.png", "mu.png", "convergence.png"}
    assert "Goals" in result.output
    assert "Queueing, 5 servers: TMF-PG" in result.output


# `python -m tmfcore`, but SIGINT interrupts it even where it is inherited as ignored (nohup, `pytest &`), and the process
# ends itself if whoever started it is gone. It sends itself SIGINT once it has been in solve() of a module for a while.
INTERRUPTED = """
import os, runpy, signal, sys, threading, time

signal.signal(signal.SIGINT, signal.default_int_handler)
signal.alarm(LIMIT)

def solving():
    frame = sys._current_frames()[threading.main_thread().ident]
    while frame and not (frame.f_code.co_name == "solve" and "MODULE" in frame.f_globals["__name__"]):
        frame = frame.f_back
    return frame

def interrupt():
    while not solving():
        time.sleep(0.01)
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
runpy.run_module("tmfcore", run_name="__main__", alter_sys=True)
"""


def interrupted_in(module, *arguments, cwd, limit=60):
    """Run the command line until Ctrl-C in a function solve() of `module`; return its code, output and errors."""
    code = INTERRUPTED.replace("MODULE", module).replace("LIMIT", str(limit))
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
    simulate, calls = tmf.simulate, []

    def interrupted(*arguments, replicas, **options):
        calls.append(replicas)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return simulate(*arguments, replicas=replicas, **options)

    monkeypatch.setattr(tmf, "simulate", interrupted)
    options = ("--replicas", "1e6", "--out", tmp_path / "a.npz", "--pictures", tmp_path)
    result = run("simulate", "queueing", *SMALL, *options)
    assert result.exit_code == 130
    assert tmf.Simulation.load(tmp_path / "a.npz").replicas == calls[0]

    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    calls.clear()
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
    solve = tmf.solvers.MirrorDescent.solve

    def interrupted(*arguments, **more):
        def once(now):
            raise KeyboardInterrupt

        return solve(*arguments, callback=once, **more)

    monkeypatch.setattr(tmf.solvers.MirrorDescent, "solve", interrupted)
    assert run("solve", "queueing", *options).exit_code == 130
    after = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert before.items() < after.items()
    assert {path.name for path in after.keys() - before.keys()} == {
        "a.unfinished.npz", "exploitability.unfinished.png", "flow.unfinished.png",
    }  # fmt: skip


def test_ctrl_c_with_nothing_finished_writes_nothing(tmp_path, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(tmf, "simulate", interrupted)
    result = run("simulate", "queueing", *SMALL, "--out", tmp_path / "a.npz")
    assert result.exit_code == 130
    assert not list(tmp_path.iterdir())


# --------------------------------------------------------------------------------------------------------- wide tables


@pytest.mark.parametrize("columns", [40, 80, 160])
def test_a_table_of_thirty_columns_is_readable(columns, monkeypatch, capsys):
    """Whatever the width: no line is longer, no number is broken or cut, and every part names its rows and columns."""
    from tmfcore.cli.console import print_tables
    from tmfcore.reproduce.report import Table

    monkeypatch.setenv("COLUMNS", str(columns))
    heads = ("observation", *(f"t = {j}: mean field" for j in range(30)))
    rows = tuple((f"place {o}, east", *(f"{o}.{j:04d}" for j in range(30))) for o in range(3))
    print_tables([Table("shares", heads, rows)])
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
