"""`tmfcore solve --coarse`: solved with few steps a sweep, judged under the schedule."""

import json

import numpy as np
import pytest

import tmfcore as tmf
from command_line import document, run

MANY = ["solve", "queueing", "--n-agents", "2000", "--schedule", "sequential", "--horizon", "5"]


def test_the_policy_is_judged_where_it_is_played(tmp_path):
    found = document(*MANY, "--coarse", "20", "--out", tmp_path / "a.npz")
    solution = tmf.Solution.load(tmp_path / "a.npz")
    coarse = tmf.solve(tmf.games.queueing(horizon=5, step=1 / 20), tmf.Fraction(1 / 20))
    assert solution.policy == coarse.policy and solution.policy.n_stages == 100
    assert found["coarse"] == {
        "schedule": coarse.schedule,
        "exploitability": coarse.exploitability,
        "relative_exploitability": coarse.relative_exploitability,
        "mean_return": coarse.mean_return,
    }
    fine = tmf.games.queueing(horizon=5, step=1 / 2000)
    assert found["schedule"] == "B=1" and found["horizon"] == 10_000
    assert found["exploitability"] == tmf.exploitability(fine, solution.policy, tmf.Sequential(), 2000)
    wanted = tmf.evaluate(fine, solution.policy, tmf.Sequential(), 2000)
    assert found["mean_return"] == pytest.approx(wanted.mean_return, rel=1e-12)
    assert found["relative_exploitability"] == found["exploitability"] / abs(found["mean_return"])
    assert found["flow_steps"] == [0, 2000, 4000, 6000, 8000, 10_000]
    np.testing.assert_array_equal(found["flow"], wanted.flow.mu[::2000])
    assert found["policy_steps"] == [0, 5000]
    np.testing.assert_array_equal(found["policy"], solution.policy.table[[0, 50]])


def test_the_tables_say_so():
    text = run(*MANY, "--coarse", "20").stdout
    assert "under B=0.05 N, then judged under B=1" in text
    table = text[text.index("exploitability of the policy") : text.index("mean-field flow")].splitlines()
    assert table[2].startswith("under B=0.05 N") and table[3].startswith("under B=1")
    assert document(*MANY[:4], "--horizon", "5")["coarse"] is None


def test_the_coarse_policy_plays_finely(tmp_path):
    run(*MANY, "--coarse", "20", "--out", tmp_path / "a.npz")
    options = ["--n-agents", "2000", "--schedule", "sequential", "--horizon", "5", "--replicas", "2", "--json"]
    result = run("simulate", "queueing", *options, "--policy", tmp_path / "a.npz")
    assert result.exit_code == 0, result.output
    assert "the policy was learnt for game 'queueing' under B=0.05 N" in result.stderr
    assert json.loads(result.stdout)["horizon"] == 10_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--coarse", "1"], "--coarse 1 gives 20 steps; must give fewer than the 20 steps of B=N"),
        (["--coarse", "5", "--batch", "500"], "must give fewer than the 40 steps of B=500"),
        (["--coarse", "5", "--step", "0.1"], "--step and --coarse both set the length of a step; give only one of them"),
        (["--coarse", "0"], "must be >= 1"),
    ],
)
def test_what_makes_nothing_coarser_is_refused(options, message):
    result = run("solve", "queueing", *options)
    assert result.exit_code == 2
    assert message in result.output


def test_a_game_in_steps_has_no_coarser_ones(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[game]\nkind = "arrays"\nn_observations = 1\nn_actions = 1\nhorizon = 5\ndiscount = 1.0\n'
                    "initial = [1]\nreward = [[0]]\ntransition = [[[1]]]\n", encoding="utf-8")  # fmt: skip
    result = run("solve", file, "--coarse", "2", "--schedule", "sequential")
    assert result.exit_code == 2 and "gives 5 steps; must give fewer than the 5 steps of B=1" in result.output
    result = run("solve", file, "--step", "0.5")
    assert result.exit_code == 2 and "omit --step" in result.output


def test_a_game_of_many_steps_names_the_option(monkeypatch):
    monkeypatch.setattr("tmfcore.cli.solve.LARGE", 1000)
    result = run("solve", "queueing", "--n-agents", "100", "--schedule", "sequential")
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: the policy has 3.2e+04 entries, for 2,000 steps; --coarse 100 solves with 100")
