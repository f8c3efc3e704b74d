"""tmf.solve goes from one solver to the next, and Homotopy, to which it comes last."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
import tmfcore as tmf
from solver_cases import queueing, rock_paper_scissors
from strategies import games, random_game, schedules
from tmfcore.solvers import FictitiousPlay, Homotopy, MirrorDescent
from tmfcore.solvers._registry import SOLVERS, Turn

# ------------------------------------------------------------------------------------------- one call, and agreement


def test_solve_says_what_it_used():
    found = tmf.solve(queueing(step=1).at(), tmf.Batch(100), 1000)
    assert found.converged and found.solver["name"] == "MirrorDescent"
    assert found.reason.startswith("MirrorDescent: relative exploitability ") and found.n_agents == 1000
    again = tmf.solve(queueing(step=1).at(), tmf.Fraction(0.1), initial=found)
    assert again.best_iteration == found.best_iteration and again.converged and again.policy == found.policy


def test_solve_goes_on_where_mirror_descent_fails():
    found = tmf.solve(rock_paper_scissors(), tmf.Synchronous())
    assert found.converged and found.relative_exploitability <= 1e-4 and found.solver["name"] == "Homotopy"
    assert found.reason.startswith("MirrorDescent: paused after") and "; Homotopy: relative expl" in found.reason


def test_solve_stops_for_a_callback():
    found = tmf.solve(queueing(step=1).at(), tmf.Synchronous(), tolerance=None, callback=lambda now: now.iteration == 3)
    assert found.reason == "MirrorDescent: stopped by callback at iteration 3"


def test_solvers_take_turns(monkeypatch):
    """Of 200 flows and twice 100, then twice as many; not Homotopy in large games; all that were tried are named."""
    game = rock_paper_scissors()
    start = tmf.TabularPolicy(np.array([[[0.5, 0.3, 0.2]] * 4]))
    shorten(monkeypatch, {"MirrorDescent": Turn(1, 40), "Homotopy": Turn(2, 20, 0), "FictitiousPlay": Turn(3, 20)})
    calls = []
    with pytest.warns(tmf.ConvergenceWarning, match="MirrorDescent: .*; FictitiousPlay: ") as caught:
        found = tmf.solve(game, tmf.Synchronous(), initial=start, callback=lambda now: calls.append(now.iteration))
    assert caught[0].filename == __file__
    assert calls[:40] == list(range(40)) and calls[40:60] == list(range(20))
    assert calls[60:140] == list(range(40, 120)) and calls[140:180] == list(range(20, 60))
    assert not found.converged and found.reason.count("; ") >= 1 and "Homotopy" not in found.reason
    least = min(solver().solve(game, tmf.Synchronous(), initial=start).exploitability for solver in quiet_pair())
    assert found.exploitability == least
    shorten(monkeypatch, {"Homotopy": Turn(2, 20, 1000)})
    found = tmf.solve(game, tmf.Synchronous(), initial=start)
    assert found.converged and found.solver["name"] == "Homotopy"
    names = [part.split(":")[0] for part in found.reason.split("; ") if part.split(":")[0] in ("MirrorDescent", "Homotopy")]
    assert names == ["MirrorDescent", "Homotopy"]


def shorten(monkeypatch, turns):
    """Other turns of tmf.solve."""
    for name, turn in turns.items():
        monkeypatch.setitem(SOLVERS._entries, name, dataclasses.replace(SOLVERS[name], turn=turn))


def quiet_pair():
    """MirrorDescent and FictitiousPlay, without a warning."""
    return [
        lambda kind=kind: dataclasses.replace(kind(), tolerance=None)
        for kind in (MirrorDescent, FictitiousPlay)
    ]


# ------------------------------------------------------------------------------------------------ path following


@pytest.mark.parametrize("clock", ["schedule", "always"])
def test_homotopy_follows_regularised_equilibria(clock):
    """Its policies answer themselves: pi = softmax(Q~ / tau), at the temperatures that history shows."""
    spec = random_game(3, 4, 3, 5, dependence="mu")
    solver = Homotopy(iterations=4, tolerance=None, absolute_tolerance=None, clock=clock)
    seen = []
    solver.solve(spec.build(), tmf.Fraction(0.7), callback=lambda now: seen.append(now.solution().state))
    assert len(seen) == 5
    taus = [state["temperature"][0] for state in seen[1:]]
    assert all(later < earlier for earlier, later in pairwise(taus))
    for tau, state in zip(taus, seen[1:]):
        logits = state["logits"]
        answer = reference.prior_step(spec.reference(), logits, np.ones_like(logits), np.full(5, 0.7), clock, tau, 1.0)
        np.testing.assert_allclose(reference.softmax(answer), reference.softmax(logits), atol=2e-3)


def test_homotopy_options():
    game = rock_paper_scissors()
    found = Homotopy(temperature=0.5, iterations=1, tolerance=None).solve(game, tmf.Synchronous())
    assert found.history["learning_rate"][0] == 2.0 and found.state["temperature"][0] == 0.5
    with pytest.raises(ValueError, match=r"temperature is 0\.0; must be > 0"):
        Homotopy(temperature=0)
    with pytest.raises(ValueError, match="krylov is 0; must be >= 1"):
        Homotopy(krylov=0)


def test_homotopy_is_not_fooled_by_actions_that_nobody_plays():
    """A crowd at one place, all of whom gain by leaving, is no equilibrium, however small its share elsewhere."""
    for costs, horizon in (((2.723, 1.805), 9), ((2.422, 0.111), 4), ((1.044, 3.969), 6)):
        found = Homotopy().solve(tmf.games.left_right(costs, horizon=horizon, step=1).at(), tmf.Synchronous())
        assert found.converged and len(found.history["iteration"]) < 40


@settings(max_examples=30, deadline=None)
@given(data=st.data(), spec=games(dependences=("fixed",), compiled=False), always=st.booleans())
def test_a_decision_process_is_solved_by_backward_induction(data, spec, always):
    """One policy is judged: a best response to every flow, with ties at the lowest action, whatever the schedule."""
    game = spec.build()
    assert game.model.constant
    schedule, clock = data.draw(schedules(spec.horizon, 20)).build(), "always" if always else "schedule"
    found = tmf.solve(game, schedule, 20, clock=clock)
    assert found.converged and found.solver["name"] == "FixedPoint" and found.history["iteration"].tolist() == [0]
    assert found.exploitability == tmf.exploitability(game, found.policy, schedule, 20, clock=clock)
    for policy in (tmf.TabularPolicy.uniform(game), found.policy):
        flow = tmf.mean_field(game, policy, schedule, 20)
        best = tmf.best_response(game, flow, schedule, 20, clock=clock)
        np.testing.assert_allclose(found.mean_return, game.initial @ best.values[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(found.flow.mu, tmf.mean_field(game, found.policy, schedule, 20).mu)


def test_a_decision_process_by_hand():
    """Two places, and a move to the other costs 1: stay at 0, which pays 0; leave 1, which pays -2, unless it is late."""
    reward, transition = [[0, -1], [-2, -3]], [[[1, 0], [0, 1]], [[0, 1], [1, 0]]]
    game = tmf.Game(2, 2, 3, 1.0, [0.25, 0.75], reward, transition)
    found = tmf.solve(game, tmf.Synchronous())
    np.testing.assert_array_equal(found.policy.table.argmax(axis=2), [[0, 1], [0, 1], [0, 0]])
    assert found.exploitability == 0 and found.mean_return == -0.75 * 3
    start = tmf.TabularPolicy.uniform(game)
    again = tmf.solve(game, tmf.Synchronous(), initial=start)
    assert again.policy == found.policy and again.history["iteration"].tolist() == [0, 1]
    assert again.history["exploitability"][0] == tmf.exploitability(game, start, tmf.Synchronous())
    listed = tmf.solve(game, tmf.Synchronous(), solver=["MirrorDescent", "FixedPoint"])
    assert listed.converged and "MirrorDescent" in listed.reason


def test_without_a_tolerance_a_decision_process_takes_all_iterations():
    game = tmf.Game(2, 2, 3, 1.0, [0.5, 0.5], [[0.1, 0.2], [0.3, 0.1]], np.full((2, 2, 2), 0.5))
    found = tmf.solvers.FixedPoint(iterations=3, tolerance=None, absolute_tolerance=None).solve(game, tmf.Synchronous())
    assert not found.converged and found.history["iteration"].tolist() == [0, 1, 2, 3]
    assert found.exploitability == 0 and "iterations exhausted" in found.reason
