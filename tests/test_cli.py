"""The command line: what it prints and writes, exit codes, refusals in one line, and Ctrl-C in a real process."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import tmfcore as tmf
from command_line import SMALL, process, run
from tmfcore.cli.app import app

# --------------------------------------------------------------------------------------------------------- the door


def test_help_names_the_commands():
    result = process("--help")
    assert result.returncode == 0
    for command in ("reproduce", "solve", "simulate", "games", "bench", "info"):
        assert f"  {command} " in result.stdout


@pytest.mark.parametrize("command", ["reproduce", "solve", "simulate", "games", "bench", "info"])
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
        ("solve", ["queueing", "--solver", "mirror-descent"], "tmfcore.solve"),
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
    assert "n_places must be smaller; set smaller parameters with --set NAME=VALUE" in large.output
    (tmp_path / "game.toml").write_text(f'[game]\nkind = "beach_bar"\nn_places = {2**40}', encoding="utf-8")
    large = run("simulate", tmp_path / "game.toml")
    assert large.exit_code == 1
    assert "n_places must be smaller; set smaller parameters in" in large.output


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
    (["solve", "chess"], "must be one of beach-bar, braess"),
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
    (["solve", "queueing", "--probability", "0.1,2"], "--probability: p[0, 1] is 2; must be in [0, 1]"),
    (["solve", "queueing", "--probability", "0.1,x"], "'0.1,x' is neither a number nor numbers with commas"),
    (["solve", "queueing", "--step", "0.1", "--probability", "0.1,0.2"], "p has 2 columns; must have one per observation, 4"),
    (["solve", "queueing", "--fraction", "1e-9"], "--fraction: beta is 1e-09"),
    (["solve", "queueing", "--n-agents", "0"], "must be >= 1"),
    (["solve", "queueing", "--n-agents", "ten"], "'ten' is not a whole number"),
    (["solve", "queueing", "--n-agents", "1.5"], "'1.5' is not a whole number"),
    (["solve", "queueing", "--n-agents", "1e30"], "n_agents"),
    (["solve", "queueing", "--worth", "1,2"], "--worth belongs to resource-selection"),
    (["solve", "queueing", "--capacities", "0.1,x"], "entry 1"),
    (["solve", "queueing", "--capacities", "0.1,-1"], "capacities[1] is -1"),
    (["solve", "queueing", "--step", "soon"], "'soon' is neither a number nor auto"),
    (["solve", "queueing", "--step", "2"], "step is 2"),
    (["solve", "queueing", "--critic", "modell"], "did you mean model?"),
    (["solve", "queueing", "--tolerance", "-1"], "tolerance is -1"),
    (["solve", "queueing", "--solver", "mirror"], "'mirror' is unknown"),
    (["solve", "queueing", "--solver", "mfomo", "--critic", "model"], "--critic is not an option of mfomo"),
    (["solve", "queueing", "--seed", "-1"], "--seed"),
    (["solve", "queueing", "--learning-rate", "3"], "--learning-rate needs a --solver that has it, such as tmf-pg"),
    (["solve", "queueing", "--critic", "model"], "--critic needs a --solver that has it, such as tmf-pg"),
    (["solve", "beach-bar", "--capacities", "1,2"], "--capacities belongs to queueing; the game is beach-bar"),
    (["solve", "beach-bar", "--set", "n_plases=3"], "no such parameter (did you mean n_places?)"),
    (["solve", "beach-bar", "--set", "n_places=3.5"], "n_places: '3.5' is not a whole number"),
    (["solve", "beach-bar", "--set", "n_places=1"], "n_places is 1"),
    (["solve", "beach-bar", "--set", "congestion=much"], "congestion: 'much' is not a number"),
    (["solve", "beach-bar", "--set", "wrap=maybe"], "wrap: 'maybe' is neither true nor false"),
    (["solve", "beach-bar", "--set", "noise=1,b"], "noise: 'b' is not a number"),
    (["solve", "beach-bar", "--set", "noise=0.3,0.3,0.3"], "noise sums to 0.9"),
    (["solve", "beach-bar", "--set", "noise"], "must be NAME=VALUE"),
    (["solve", "beach-bar", "--set", "horizon=3", "--horizon", "4"], "horizon is given twice"),
    (["simulate", "beach-bar", "--set", "bar=3", "--set", "bar=4"], "bar is given twice"),
    (["games", "chess"], "must be one of beach-bar, braess"),
    (["solve", "queueing", "--discount", "1.5"], "discount is 1.5"),
    (["solve", "resource-selection", "--worth", "1,nan"], "worth[1] is nan"),
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
    game = tmf.games.queueing(horizon=4, step=0.2).at()
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
    assert f"{solver.lower().replace('_', '-')}, as requested" in result.output
    game = tmf.games.queueing(horizon=4, step=0.5).at()
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
        (["--step", "0.2", "--probability", "0.2,0.1,0.1,0.4"], "p=0.1..0.4"),
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


def test_auto_is_the_default_and_says_what_it_picked(tmp_path):
    path = tmp_path / "a.npz"
    result = run("solve", "queueing", *SMALL, "--batch", "10", "--out", path)
    assert result.exit_code == 0, result.output
    found = tmf.Solution.load(path)
    game = tmf.games.queueing(horizon=4, step=0.2).at()
    wanted = tmf.solve(game, tmf.Batch(10), 50)
    assert found.policy == wanted.policy
    words = " ".join(result.output.split())  # however wide the terminal is
    assert "mirror-descent, chosen by auto: the first to meet the tolerance" in words
    assert f"{wanted.exploitability:.3e}" in result.output
    assert wanted.reason in words or all(word in words for word in wanted.reason.split())
    result = run("solve", "queueing", *SMALL, "--tolerance", "0.05", "--out", path)
    assert tmf.Solution.load(path).solver["tolerance"] == 0.05
