"""Games in files: what is read, what is refused and how it is said, and the commands that take them."""

import runpy

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore.games import gamefile

ARRAYS = """
[game]
kind = "arrays"
n_observations = 2
n_actions = 2
horizon = 20
discount = 0.95
initial = [1, 0.0]
reward = [[0.0, 1.0], [0.5, 0.0]]
transition = [[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]]
action_labels = ["a", "b"]
"""


def written(tmp_path, text):
    path = tmp_path / "game.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_arrays(tmp_path):
    game = gamefile.read(written(tmp_path, ARRAYS))
    assert (game.n_observations, game.horizon, game.discount, game.action_labels) == (2, 20, 0.95, ("a", "b"))
    np.testing.assert_array_equal(game.tables([1, 0])[0], [[0, 1], [0.5, 0]])


@pytest.mark.parametrize("kind", ["queueing", "beach_bar", "beach-bar", "resource-selection"])
def test_games_of_the_shelf(tmp_path, kind):
    game = gamefile.read(written(tmp_path, f'[game]\nkind = "{kind}"\nhorizon = 7\nstep = 0.5'))
    wanted = tmf.games.BY_NAME[kind.replace("-", "_")](horizon=7, step=0.5)
    assert (repr(game), game.horizon) == (repr(wanted), 7)
    for one, other in zip(game.tables(game.initial), wanted.tables(game.initial), strict=True):
        np.testing.assert_array_equal(one, other)
    assert gamefile.read(written(tmp_path, f'[game]\nkind = "{kind}"')).step is None


def test_arrays_in_sweeps(tmp_path):
    text = ARRAYS + 'time = "sweeps"\npassive_rates = [[-0.5, 0.5], [0.25, -0.25]]\n'
    game = gamefile.read(written(tmp_path, text))
    assert (game.time, game.horizon, game.at(tmf.Batch(5), 20).n_steps) == ("sweeps", 20.0, 80)
    np.testing.assert_array_equal(game.at(step=0.5).tables([1, 0])[3], [[0.75, 0.25], [0.125, 0.875]])


def test_affine_games(tmp_path):
    text = ARRAYS.replace('"arrays"', '"affine"').replace("reward =", "reward0 =").replace("transition =", "transition0 =")
    text = text.replace("n_observations = 2\nn_actions = 2\n", "reward_mu = [[[-1, 0], [-1, 0]], [[0, -1], [0, -1]]]\n")
    text += "transition_mu = [[[[0, 0], [0, 0]], [[0, 0], [0, 0]]], [[[0, 0], [0, 0]], [[0, 0], [0, 0]]]]"
    game = gamefile.read(written(tmp_path, text))
    np.testing.assert_allclose(game.tables([0.25, 0.75])[0], [[-0.25, 0.75], [-0.25, -0.75]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[game\nx = 1", r"game\.toml is not a TOML file: .*line 1"),
        ("x = 1", r"game\.toml has no table \[game\]"),
        ("game = 1", r"game\.toml has no table \[game\]"),
        (ARRAYS + "[solver]", r"game\.toml: \[solver\] is unknown"),
        ("[game]", r"game\.toml: game\.kind is missing; must be one of arrays, "),
        ("[game]\nkind = 3", r"game\.toml: game\.kind is 3; must be one of"),
        ('[game]\nkind = "queuing"', r"game\.toml: game\.kind is 'queuing'; must be .*\(did you mean queueing\?\)"),
        ('[game]\nkind = "queueing"\ncapacity = [1]', r"game\.toml: game\.capacity is not a parameter of queueing \(did you mean capacities\?\)"),
        ('[game]\nkind = "queueing"\ncapacities = [-1.0]', r"game\.toml: game\.capacities\[0\] is -1"),
        ('[game]\nkind = "queueing"\ncapacities = "x"', r"game\.toml: game\.capacities is 'x'"),
        (ARRAYS.replace("horizon = 20", ""), r"game\.toml: game\.horizon is missing; arrays needs it"),
        (ARRAYS.replace("[[0.0, 1.0], [0.5, 0.0]]", "[[0.0, 1.0], [0.5]]"), r"game\.toml: game\.reward is ragged"),
        (ARRAYS.replace("[0.0, 1.0]], [[1.0", "[0.0, 0.5]], [[1.0"), r"game\.toml: game\.transition\[0, 1\] sums to 0.5"),
    ],
)  # fmt: skip
def test_what_is_wrong_names_the_file_and_the_key(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        gamefile.read(written(tmp_path, text))


def test_templates_run(tmp_path, capsys):
    game = gamefile.read(written(tmp_path, gamefile.TEMPLATE.format(name="mine")))
    assert tmf.testing.check_game(game, rng=1).ok and game.name == "mine"
    (tmp_path / "mine.py").write_text(gamefile.PYTHON_TEMPLATE.format(name="mine"), encoding="utf-8")
    runpy.run_path(str(tmp_path / "mine.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert "0 errors and 0 remarks" in printed and "exploitability" in printed


def test_commands(tmp_path, monkeypatch):
    pytest.importorskip("click")
    from command_line import run

    monkeypatch.chdir(tmp_path)
    assert "wrote mine.py and mine.toml" in run("new", "mine").stdout
    assert "mine.py exists" in run("new", "mine").stderr
    assert run("new", "not/a name").exit_code == 2
    for command in ("solve", "simulate"):
        done = run(command, "mine.toml", "--n-agents", "100", "--batch", "10", "--schedule", "batch")
        assert done.exit_code == 0 and "here" in done.stdout, done.stderr
    done = run("solve", "mine.toml", "--n-agents", "100", "--capacities", "1,2")
    assert done.exit_code == 2 and "--capacities" in done.stderr
    (tmp_path / "mine.toml").write_text("[game]\nkind = 'none'", encoding="utf-8")
    done = run("solve", "mine.toml")
    assert done.exit_code == 2 and "mine.toml: game.kind" in done.stderr and len(done.stderr.splitlines()) == 1
    assert "no such file" in run("solve", "absent.toml").stderr.lower()
