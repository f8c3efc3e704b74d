"""Games in Python files of one's own, as the command line plays them."""

import json
import subprocess
import sys

import numpy as np
import pytest

import tmfcore as tmf
from command_line import document, run

MINE = """\
import numpy as np

import tmfcore as tmf
from rates import MOVES


def reward(mu):
    return np.eye(2) - mu[:, None]


def of_size(horizon=5, crowding=1.0):
    if crowding > 5:
        raise ValueError(f"crowding is {crowding}; must be <= 5")
    return tmf.Game(2, 2, horizon, 0.9, [1, 0], lambda mu: np.eye(2) - crowding * mu[:, None], MOVES, name="sized")


game = tmf.Game(2, 2, 6, 0.9, [1, 0], reward, MOVES, name="mine")
other = tmf.Game(2, 2, 3, 0.9, [0, 1], reward, MOVES, name="other")
size = 3
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    (tmp_path / "rates.py").write_text("MOVES = [[[1, 0], [0, 1]]] * 2\n", encoding="utf-8")
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in [*sys.modules]:
        if name == "rates" or name.startswith("tmfcore_file_"):
            del sys.modules[name]


@pytest.mark.parametrize("command", ["solve", "simulate"])
@pytest.mark.parametrize(
    ("argument", "name", "horizon"),
    [("mine.py", "mine", 6), ("mine.py:game", "mine", 6), ("mine.py:other", "other", 3), ("mine.py:of_size", "sized", 5)],
)
def test_the_object_that_is_played(command, argument, name, horizon):
    found = document(command, argument, "--n-agents", "20")
    assert (found["game"], found["horizon"]) == (name, horizon)


def test_a_game_is_played_as_in_python(tmp_path):
    found = document("solve", tmp_path / "mine.py")
    sys.path.insert(0, str(tmp_path))
    scope = {}
    exec(compile(MINE, "mine.py", "exec"), scope)
    wanted = tmf.solve(scope["game"], tmf.Synchronous())
    assert found["exploitability"] == wanted.exploitability
    np.testing.assert_array_equal(found["flow"], wanted.flow.mu)


def test_a_function_takes_parameters_like_a_game_of_the_shelf():
    found = document("simulate", "mine.py:of_size", "--horizon", "7", "--set", "crowding=0", "--policy", _solved("mine.py:of_size"))
    assert found["horizon"] == 7
    refused = run("solve", "mine.py:of_size", "--set", "crowdin=2")
    assert refused.exit_code == 2 and "did you mean crowding?" in refused.output


def _solved(game):
    document("solve", game, "--horizon", "7", "--set", "crowding=0", "--out", "a.npz")
    return "a.npz"


def test_the_only_game_needs_no_name(tmp_path):
    (tmp_path / "one.py").write_text("import tmfcore as tmf\nqueue = tmf.games.queueing()\n", encoding="utf-8")
    assert document("solve", "one.py")["game"] == "queueing"


BROKEN = {
    "missing.py": (None, "missing.py: No such file or directory"),
    "mine.py:nobody": (None, "mine.py does not define 'nobody'; it has game, other: use mine.py:game"),
    "mine.py:size": (None, "mine.py, line 19: size is int; must be a tmfcore.Game, or a function that returns one"),
    "empty.py": ("", "empty.py does not define 'game'; write game = tmfcore.Game(...)"),
    "two.py": ("import tmfcore as tmf\na = tmf.games.queueing()\nb = a\n", "it has a, b: use two.py:a"),
    "syntax.py": ("x = 1\ny = = 2\n", "syntax.py, line 2: invalid syntax; correct that line"),
    "zero.py": ("\n\nx = 1 / 0\n", "zero.py, line 3: ZeroDivisionError: division by zero; correct that line"),
    "absent.py": ("import no_such_module\n", "absent.py, line 1: ModuleNotFoundError: No module named"),
    "leaves.py": ("import sys\nsys.exit()\n", "leaves.py, line 2: SystemExit; correct that line"),
    "wrong.py": ("import tmfcore as tmf\n\ngame = tmf.Game(\n    2, 2, 3, 2.0, [1, 0], [[0, 0]] * 2, [[[1, 0]] * 2] * 2)\n",
                 "wrong.py, line 3: ValueError: discount is 2"),
    "none.py": ("def game():\n    pass\n", "none.py returns NoneType; must return a tmfcore.Game"),
    "kind.py": ("class game:\n    pass\n", "kind.py, line 1: game is type; must be a tmfcore.Game"),
    "late.py": ("""import numpy as np
import tmfcore as tmf

def reward(mu):
    if mu[1] > 0:
        raise ValueError("too many")
    return np.eye(2)

game = tmf.Game(2, 2, 6, 0.9, [1, 0], reward, [[[1, 0], [0, 1]]] * 2)
""", "late.py, line 6: ValueError: too many; correct that line"),
    "shape.py": ("""import numpy as np
import tmfcore as tmf
game = tmf.Game(2, 2, 6, 0.9, [1, 0], lambda mu: np.eye(3 if mu[1] else 2), [[[1, 0], [0, 1]]] * 2)
""", "shape.py: reward(mu, t="),
}  # fmt: skip


@pytest.mark.parametrize("command", ["solve", "simulate"])
@pytest.mark.parametrize("argument", BROKEN)
def test_what_is_wrong_with_a_file_is_one_line(argument, command, tmp_path):
    text, message = BROKEN[argument]
    if text is not None:
        (tmp_path / argument).write_text(text, encoding="utf-8")
    result = run(command, argument)
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ") and message in line


@pytest.mark.parametrize("options", [["--horizon", "3"], ["--discount", "0.5"], ["--set", "a=1"], ["--capacities", "1,2"]])
def test_parameters_of_a_game_that_is_made_are_refused(options):
    result = run("solve", "mine.py", *options)
    assert result.exit_code == 2
    assert f"{options[0]} cannot be used with mine.py: set the parameter in the file" in result.output


SWEEPS = """\
import tmfcore as tmf

game = tmf.Game(2, 2, 4.0, 0.9, [1, 0], [[0, 0], [0, 0]], [[[1, 0], [0, 1]]] * 2,
                passive_reward=lambda mu: -mu, time="sweeps", name="roads")
"""


def test_a_game_in_sweeps_is_played_in_the_steps_of_the_schedule(tmp_path):
    (tmp_path / "roads.py").write_text(SWEEPS, encoding="utf-8")
    for options, horizon, step in (([], 4, 1), (["--batch", "10"], 40, 0.1), (["--step", "0.5"], 8, 0.5)):
        found = document("solve", "roads.py", "--n-agents", "100", *options)
        assert (found["horizon"], found["step"]) == (horizon, step)
    assert found["flow_steps"] == [0, 2, 4, 6, 8]
    text = run("solve", "roads.py", "--n-agents", "100", "--batch", "10").stdout
    assert "mean-field flow of the policy, t in sweeps" in text and "t=4" in text
    coarse = document("solve", "roads.py", "--n-agents", "100", "--schedule", "sequential", "--coarse", "5")
    assert coarse["horizon"] == 400 and coarse["coarse"]["schedule"] == "B=0.2 N"


def test_a_step_belongs_to_games_in_sweeps():
    result = run("solve", "mine.py", "--step", "0.5")
    assert result.exit_code == 2
    assert "--step is 0.5, but mine.py has its time in steps: omit --step" in result.output


def test_an_error_of_another_option_does_not_blame_the_file(tmp_path):
    (tmp_path / "a.npz").write_text("no policy")
    result = run("simulate", "mine.py", "--policy", "a.npz")
    assert result.exit_code == 2 and "a.npz" in result.output and "correct that line" not in result.output


def test_a_file_may_bear_the_name_of_a_module(tmp_path):
    (tmp_path / "json.py").write_text("import tmfcore as tmf\ngame = tmf.games.queueing()\n", encoding="utf-8")
    command = [sys.executable, "-P", "-m", "tmfcore", "solve", "json.py", "--json"]  # -P: as the installed script
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["game"] == "queueing"
