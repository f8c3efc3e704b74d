"""Poisson clocks on the command line: the same numbers as in Python."""

import numpy as np
import pytest

import tmfcore as tmf
from command_line import document, run

QUEUES = ["queueing", "--schedule", "poisson", "--horizon", "3"]


def test_solve_and_simulate(tmp_path):
    found = document("solve", *QUEUES, "--out", tmp_path / "a.npz")
    game, who = tmf.games.queueing(horizon=3), tmf.Poisson()
    solution, own = tmf.Solution.load(tmp_path / "a.npz"), tmf.solve(game, who, rng=0)
    assert solution.policy == own.policy and found["converged"] and found["schedule"] == "Poisson(1)"
    assert found["exploitability"] == pytest.approx(tmf.exploitability(game, solution, who), abs=1e-9)
    assert found["mean_return"] == pytest.approx(own.mean_return, rel=1e-9)
    assert found["discretisation"]["exploitability_error"] == pytest.approx(own.discretisation.exploitability_error, rel=1e-6)
    assert found["step"] == own.discretisation.step == 3 / found["horizon"] and found["coarse"] is None
    np.testing.assert_allclose(found["flow"], tmf.mean_field(game, solution, who).mu, atol=1e-9)
    options = ["--most", "1", "--times", "0.5", "--replicas", "3", "--n-agents", "40", "--policy", tmp_path / "a.npz", "--seed", "4"]
    played = document("simulate", *QUEUES, *options)
    runs = tmf.simulate(game, solution, tmf.Poisson(most=1.0), 40, replicas=3, rng=4, times=0.5)
    assert played["times"] == runs.times.tolist() and played["returns"] == runs.returns.tolist()
    np.testing.assert_allclose(played["mean_field"], tmf.mean_field(game, solution, who, times=0.5).mu)
    assert played["mean_field_return"] == pytest.approx(own.mean_return, rel=1e-9) and played["horizon"] == 3


def test_rates_by_observation_and_a_given_step():
    found = document("solve", "left-right", "--rate", "1,2,1", "--step", "0.1", "--solver", "mirror-descent", "--iterations", "5")
    with pytest.warns(tmf.ConvergenceWarning):
        own = tmf.solvers.MirrorDescent(iterations=5).solve(tmf.games.left_right(), tmf.Poisson([1, 2, 1]), step=0.1)
    assert found["schedule"] == own.schedule and found["exploitability"] == pytest.approx(own.exploitability, rel=1e-8)
    assert found["discretisation"]["step"] == own.discretisation.step == pytest.approx(0.1)


def test_a_game_file(tmp_path):
    (tmp_path / "mine.py").write_text("import tmfcore as tmf\ngame = tmf.games.left_right()\n")
    assert run("solve", tmp_path / "mine.py", "--schedule", "poisson", "--step", "0.5", "--iterations", "2").exit_code == 0
    stepped = tmp_path / "stepped.py"
    stepped.write_text("import tmfcore as tmf\ngame = tmf.games.left_right(step=0.5)\n")
    assert "must have no steps for --schedule poisson" in run("solve", stepped, "--schedule", "poisson").stderr


@pytest.mark.parametrize(("words", "error"), [
    ("simulate left-right --times 0.5", "--times belongs to --schedule poisson"),
    ("simulate left-right --schedule poisson --record-every 2", "--record-every cannot be used"),
    ("simulate left-right --schedule poisson --step 0.5", "--step cannot be used"),
    ("solve left-right --schedule poisson --coarse 5", "--coarse cannot be used"),
    ("solve left-right --most 2", "--most belongs to --schedule poisson"),
    ("solve left-right --rate 1,x", "is neither a number"),
    ("solve left-right --rate 0", "--rate: rate is 0.0; must be > 0"),
    ("solve left-right --rate 2 --batch 3", "--rate belongs to --schedule poisson; the schedule is batch"),
    ("solve left-right --rate 4 --step 0.5", "step is 0.5 at a rate of 4; must be at most 0.25"),
    ("solve left-right --rate 1,2", "rate has 2 entries"),
    ("solve braess --schedule poisson", "has its time in steps; must have no steps"),
])  # fmt: skip
def test_errors(words, error):
    result = run(*words.split())
    assert result.exit_code == 2 and error in " ".join(result.stderr.split())
