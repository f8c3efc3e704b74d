"""Who solves, for how many updates and how long: tmf.solve(solver=, iterations=, time_limit=), and what goes on from there."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest

import tmfcore as tmf
from command_line import run
from solver_cases import cases, queueing, rock_paper_scissors
from tmfcore.solvers import TMFPG, FictitiousPlay, FixedPoint, Homotopy, MirrorDescent, Stationary

SYNCHRONOUS = tmf.Synchronous()
NEVER = {"tolerance": None, "absolute_tolerance": None}


@pytest.mark.parametrize("solver", ["FixedPoint", "fixed-point", FixedPoint, FixedPoint()], ids=str)
def test_a_solver_by_name_word_class_and_settings(solver):
    found = tmf.solve(queueing(horizon=3), SYNCHRONOUS, solver=solver, tolerance=0.01)
    alone = FixedPoint(tolerance=0.01).solve(queueing(horizon=3), SYNCHRONOUS)
    assert found.policy == alone.policy and found.solver == alone.solver and found.reason == alone.reason


def test_settings_are_kept_and_what_is_given_replaces_them():
    solver = MirrorDescent(learning_rate=0.5, iterations=7, **NEVER, clock="always")
    found = tmf.solve(queueing(), SYNCHRONOUS, solver=solver)
    assert found.solver["learning_rate"] == 0.5 and found.clock == "always" and found.history["iteration"][-1] == 7
    assert found.solver["tolerance"] is None and found.solver["absolute_tolerance"] is None
    found = tmf.solve(queueing(), SYNCHRONOUS, solver=solver, clock="schedule", tolerance=0.9)
    assert found.converged and found.clock == "schedule" and found.solver["tolerance"] == 0.9
    with pytest.warns(tmf.ConvergenceWarning, match="TMFPG has not converged"):  # its own tolerance, 0.005
        found = tmf.solve(queueing(horizon=3), SYNCHRONOUS, 10, solver="TMFPG", iterations=1, rng=1)
    assert found.solver["tolerance"] == 0.005


@pytest.mark.parametrize("iterations", [3, 300])
def test_iterations_bound_the_updates_of_all_together(iterations):
    """Beyond one turn, too: of 200 flows of MirrorDescent, then of the next."""
    made, last = [], [0, 0]
    found = tmf.solve(
        rock_paper_scissors(), SYNCHRONOUS, iterations=iterations, **NEVER, progress=lambda *pair: made.append(pair),
        callback=lambda now: last.__setitem__(0, now.iteration),
    )  # fmt: skip
    assert made[-1] == (iterations, iterations) and [done for done, _ in made] == list(range(1, iterations + 1))
    assert "iterations exhausted: best relative exploitability" in found.reason
    names = found.reason.count("Homotopy: ")
    assert names == (iterations > 200)


def test_iterations_of_one_are_its_updates_and_settings_keep_their_own():
    found = tmf.solve(queueing(), SYNCHRONOUS, solver="FictitiousPlay", iterations=12_000, **NEVER, time_limit=0.0)
    assert found.solver["iterations"] == 12_000
    few = FictitiousPlay(iterations=3, **NEVER)
    for allowed, made in ((2, 2), (100, 3)):
        assert tmf.solve(queueing(), SYNCHRONOUS, solver=few, iterations=allowed).history["iteration"][-1] == made


@pytest.mark.filterwarnings("ignore::tmfcore.ConvergenceWarning")
@pytest.mark.parametrize("solver", cases(variants=0).values(), ids=lambda solver: solver.name)
def test_a_time_limit_ends_every_solver_at_its_next_evaluation(solver):
    """With the best so far, and to be gone on from."""
    game = queueing(horizon=5)
    found = solver.solve(game, tmf.Fraction(0.5), 20, rng=1, time_limit=0.0)
    assert found.history["iteration"].tolist() == [0]
    assert found.reason.startswith("time limit of 0 s reached: best relative exploitability ")
    assert found.reason.endswith(", after 0 iterations") and not found.converged
    onward = solver.solve(game, tmf.Fraction(0.5), 20, rng=1, initial=found, callback=lambda now: now.iteration == 2)
    assert onward.history["iteration"][0] == 0 and onward.exploitability <= found.exploitability


def test_time_runs_out_between_planned_evaluations():
    """TMFPG judges every 1000 updates; a limit is an evaluation of its own."""
    solver = TMFPG(replicas=1, evaluate_every=1000, iterations=100_000, **NEVER)
    began = time.perf_counter()
    found = solver.solve(queueing(horizon=3), SYNCHRONOUS, 20, rng=1, time_limit=0.1)
    assert time.perf_counter() - began < 5 and found.reason.startswith("time limit of 0.1 s reached: ")
    assert found.history["iteration"][-1] == found.state["iteration"]


def test_what_was_stopped_goes_on_as_if_it_had_not():
    game = tmf.games.beach_bar(20, horizon=10)
    whole = MirrorDescent(tolerance=1e-9).solve(game, SYNCHRONOUS)
    with pytest.warns(tmf.ConvergenceWarning, match="time limit of 0 s reached"):
        part = MirrorDescent(tolerance=1e-9).solve(game, SYNCHRONOUS, time_limit=0.0)
    found = tmf.solve(game, SYNCHRONOUS, solver=MirrorDescent(tolerance=1e-9), initial=part)
    assert found.policy == whole.policy and found.converged and found.best_iteration == whole.best_iteration


def test_time_is_up_for_all_solvers_together():
    with pytest.warns(tmf.ConvergenceWarning, match=r"solve has not converged: MirrorDescent: time limit of 0 s reached") as seen:
        found = tmf.solve(queueing(), SYNCHRONOUS, tolerance=0.0, absolute_tolerance=0.0, time_limit=0.0)
    assert len(seen) == 1 and "Homotopy" not in found.reason
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tmf.solve(queueing(), SYNCHRONOUS, tolerance=0.9, time_limit=0.0).converged, "what is met is met"
        assert tmf.solve(queueing(), SYNCHRONOUS, **NEVER, time_limit=0.0).reason.startswith("MirrorDescent: time limit")


def test_several_take_turns_in_their_order():
    start = tmf.TabularPolicy(np.array([[[0.5, 0.3, 0.2]] * 4]))
    found = tmf.solve(rock_paper_scissors(), SYNCHRONOUS, solver=["fictitious-play", Homotopy()], initial=start)
    assert found.converged and found.solver["name"] == "Homotopy"
    assert found.reason.startswith("FictitiousPlay: paused after iteration ") and "; Homotopy: relative" in found.reason
    both = tmf.solve(queueing(horizon=5), SYNCHRONOUS, 50, solver=(MirrorDescent, TMFPG(tolerance=0.5)), rng=1)
    assert both.converged and both.reason.startswith("MirrorDescent: relative")
    clocks = [MirrorDescent(clock="always", iterations=2, **NEVER), FixedPoint(iterations=2, **NEVER)]
    assert tmf.solve(queueing(horizon=5), tmf.Fraction(0.5), solver=clocks).clock in ("always", "schedule")


def test_an_endless_game_is_solved_by_name():
    assert tmf.solve(queueing(), SYNCHRONOUS, solver="stationary").policy == Stationary().solve(queueing(), SYNCHRONOUS).policy


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"solver": "Mirror"}, ValueError, "solver is 'Mirror'; must be one of 'FictitiousPlay', 'FixedPoint'"),
        ({"solver": 3}, TypeError, r"solver is 3 \(int\); must be a solver, its class, or one of"),
        ({"solver": []}, ValueError, "solver is empty; must name at least one solver"),
        ({"solver": ["homotopy", None]}, TypeError, r"solver\[1\] is None; must be a solver, its class, or one of"),
        ({"solver": tmf.Game}, TypeError, "solver is the class Game; must be a solver"),
        ({"iterations": 0}, ValueError, "iterations is 0; must be >= 1"),
        ({"iterations": "x"}, TypeError, "iterations is 'x'"),
        ({"time_limit": -1}, ValueError, "time_limit is -1.0; must be >= 0"),
        ({"time_limit": "soon"}, TypeError, "time_limit is 'soon'"),
        ({"tolerance": "none"}, ValueError, "tolerance is 'none'; must be a number, None or \"own\""),
        ({"absolute_tolerance": -1}, ValueError, "absolute_tolerance is -1.0; must be >= 0"),
        ({"clock": "never"}, ValueError, "clock is 'never'; must be one of"),
        ({"threads": 0}, ValueError, "threads is 0; must be >= 1"),
    ],
    ids=str,
)
def test_arguments_are_checked(options, error, text):
    with pytest.raises(error, match=text):
        tmf.solve(queueing(horizon=3), SYNCHRONOUS, **options)


def test_the_command_line_has_the_same(tmp_path):
    for options in (["--iterations", "2"], ["--solver", "fixed-point", "--iterations", "2"], ["--time-limit", "0"]):
        result = run("solve", "queueing", "--horizon", "3", "--tolerance", "1e-12", *options, "--out", tmp_path / "a.npz")
        assert result.exit_code == 0, result.output
        found = tmf.Solution.load(tmp_path / "a.npz")
        if options[0] == "--time-limit":
            assert "time limit of 0 s reached" in found.reason and found.history["iteration"].tolist() == [0]
        else:
            assert "iterations exhausted" in found.reason and found.history["iteration"][-1] == 2
        (tmp_path / "a.npz").unlink()
    result = run("solve", "queueing", "--time-limit", "-1")
    assert result.exit_code == 2 and "time_limit is -1.0; must be >= 0" in result.output
