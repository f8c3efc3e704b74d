"""The exact solvers: one iteration is the reference's, what they report is true, they resume to the bit, they converge."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tmfcore as tmf
from solver_cases import N_AGENTS, clock_of, queueing, quick, resource_selection, rock_paper_scissors
from strategies import games, random_game, schedules
from tmfcore import solvers
from tmfcore.solvers import MFOMO, FictitiousPlay, FixedPoint, MirrorDescent, PriorDescent, mfomo


def same(one: tmf.Solution, two: tmf.Solution) -> bool:
    columns = set(one.history) - {"seconds"}
    return one.policy == two.policy and all(np.array_equal(one.history[c], two.history[c]) for c in columns)


# ------------------------------------------------------------------------------------------------- what is reported


@quick
@settings(max_examples=25)
@given(data=st.data(), spec=games())
@pytest.mark.broad(6)
def test_reported_exploitability_is_that_of_the_policy(solver, data, spec):
    schedule = data.draw(schedules(spec.horizon, N_AGENTS)).build()
    game = spec.build()
    found = solver.solve(game, schedule, N_AGENTS)
    gap = tmf.exploitability(game, found.policy, schedule, N_AGENTS, clock=clock_of(solver))
    assert found.exploitability == gap
    value = tmf.evaluate(game, found.policy, schedule, N_AGENTS, clock=clock_of(solver)).mean_return
    assert found.mean_return == pytest.approx(value, abs=1e-12)
    np.testing.assert_array_equal(found.flow.mu, tmf.mean_field(game, found.policy, schedule, N_AGENTS).mu)
    history = found.history
    assert history["iteration"].tolist() == list(range(len(history["iteration"])))
    assert gap == pytest.approx(history["exploitability"].min(), abs=1e-11)
    assert history["exploitability"][found.best_iteration] == history["exploitability"].min()
    assert found.policy.table.shape == (game.horizon, game.n_observations, game.n_actions)


@quick
@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Batch(3), tmf.Bernoulli(0.2)])
@pytest.mark.broad
def test_resuming_is_going_on(solver, schedule):
    """Ten iterations, and five of which five are made later: the same to the bit, also through a file."""
    game = random_game(4, 4, 3, 6, dependence="mu", sparse=True, passive="dense").build()
    first = solver.solve(game, schedule, N_AGENTS)
    whole = dataclasses.replace(solver, iterations=10).solve(game, schedule, N_AGENTS)
    second = solver.solve(game, schedule, N_AGENTS, initial=first)
    assert second.policy == whole.policy
    assert second.exploitability == whole.exploitability
    assert second.best_iteration == whole.best_iteration
    for name, array in whole.state.items():
        np.testing.assert_array_equal(second.state[name], array)
    assert (whole.history["residual"] == 0).all()
    for column in ("iteration", "exploitability", "mean_return"):
        np.testing.assert_array_equal(second.history[column], whole.history[column][5:])


@quick
def test_same_again(solver, tmp_path):
    game = queueing(horizon=5, step=1).at()
    one, two = solver.solve(game, tmf.Fraction(0.5), rng=1), solver.solve(game, tmf.Fraction(0.5), rng=2)
    assert same(one, two)
    one.save(tmp_path / "s.npz")
    back = tmf.Solution.load(tmp_path / "s.npz")
    assert same(one, back)
    assert back.solver == one.solver and one.solver["name"] == type(solver).__name__
    onward = [solver.solve(game, tmf.Fraction(0.5), initial=each) for each in (one, back)]
    assert same(*onward)


@quick
def test_callbacks_and_progress(solver):
    game = queueing(horizon=5, step=1).at()
    seen, done = [], []
    found = solver.solve(
        game, tmf.Synchronous(), callback=lambda now: seen.append(now) or now.iteration == 3,
        progress=lambda *pair: done.append(pair),
    )  # fmt: skip
    assert [now.iteration for now in seen] == [0, 1, 2, 3]
    assert found.reason == "stopped by callback at iteration 3" and not found.converged
    assert [now.exploitability for now in seen] == found.history["exploitability"].tolist()
    assert seen[1].relative_exploitability == seen[1].exploitability / seen[1].mean_return
    assert done == [(1, 5), (2, 5), (3, 5)]

    def fail(now):
        if now.iteration == 2:
            seen.append(now)
            raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        solver.solve(game, tmf.Synchronous(), callback=fail)
    assert caught.value.__notes__ == [
        "raised by callback, called as a function of an Iteration", f"in iteration 2 of {solver.name}",
    ]  # fmt: skip
    assert len(seen[-1].solution().history["iteration"]) == 3


@quick
def test_starting_from_a_policy(solver):
    game = queueing(horizon=5, step=1).at()
    rng = np.random.default_rng(0)
    for initial in (
        tmf.TabularPolicy(rng.dirichlet(np.ones(4), size=(5, 4))),
        tmf.SoftmaxPolicy(rng.normal(size=(2, 4, 4))),
        tmf.SoftmaxPolicy(rng.normal(size=(1, 4, 4, 5))),
        lambda mu, t: np.full((4, 4), 0.25) + 0.01 * t * np.outer(np.ones(4), [1, -1, 0, 0]),
    ):
        found = solver.solve(game, tmf.Fraction(0.3), initial=initial)
        gap = tmf.exploitability(game, initial, tmf.Fraction(0.3), clock=clock_of(solver))
        assert found.history["exploitability"][0] == pytest.approx(gap, rel=1e-9)
        assert found.exploitability <= gap * (1 + 1e-9)


# --------------------------------------------------------------------------------------------------- when it stops


@quick
def test_tolerances(solver):
    still = tmf.Game(2, 2, 3, 1.0, [1, 0], np.zeros((2, 2)), np.full((2, 2, 2), 0.5))
    found = dataclasses.replace(solver, tolerance=0.0).solve(still, tmf.Synchronous())
    assert found.converged and found.exploitability == 0 and found.relative_exploitability == 0
    assert found.reason == "absolute exploitability 0 <= tolerance 0 of 1e-05 of the scale of returns, 0, at iteration 0"
    found = dataclasses.replace(solver, absolute_tolerance=1e-9).solve(still, tmf.Synchronous())
    assert found.converged and found.reason == "absolute exploitability 0 <= absolute_tolerance 1e-09 at iteration 0"
    found = solver.solve(still, tmf.Synchronous())
    assert not found.converged
    assert found.reason == "iterations exhausted: best absolute exploitability 0 at iteration 0, after 5 iterations"
    assert found.history["iteration"][-1] == 5


# ------------------------------------------------------------------------------------------------------- equilibria


@pytest.mark.parametrize("solver", [MirrorDescent, FictitiousPlay, FixedPoint, PriorDescent])
@pytest.mark.parametrize("clock", ["schedule", "always"])
@pytest.mark.parametrize("step", [1.0, 0.1])
@pytest.mark.parametrize("build", [resource_selection, queueing, lambda **o: tmf.games.beach_bar(10, **{"step": 1} | o).at()])
@pytest.mark.broad
def test_every_solver_reaches_equilibrium(solver, build, step, clock):
    """Monotone games, synchronous and a tenth at a time: one ten-thousandth of the return, by default."""
    game = build(step=step)
    found = solver(clock=clock, iterations=40_000).solve(game, tmf.Fraction(step))
    assert found.converged and found.relative_exploitability <= 1e-4


@pytest.mark.parametrize("clock", ["schedule", "always"])
@pytest.mark.parametrize("build", [resource_selection, queueing])
@pytest.mark.broad
def test_mfomo_reaches_equilibrium(build, clock):
    for schedule in (tmf.Synchronous(), tmf.Fraction(0.5)):
        found = MFOMO(clock=clock).solve(build(horizon=10), schedule)
        assert found.converged and found.relative_exploitability <= 1e-4


def test_mfomo_needs_no_monotonicity():
    """Where every hand beats another mirror descent goes round; at the equilibrium all hands pay the same."""
    game = rock_paper_scissors()
    pay = np.array([[0, -1, 2], [4, 0, -2], [-3, 6, 0]])
    system = np.vstack([pay[0] - pay[1], pay[1] - pay[2], np.ones(3)])
    shares = np.linalg.solve(system, [0, 0, 1])
    found = MFOMO(tolerance=None, absolute_tolerance=1e-9).solve(game, tmf.Synchronous())
    assert found.converged and found.exploitability <= 1e-9
    np.testing.assert_allclose(found.flow.mu[1, 1:], shares, atol=1e-4)


def epidemic():
    return tmf.games.susceptible_infected(horizon=10)


@pytest.mark.parametrize(
    ("game", "largest", "why"),
    [(epidemic(), 1e6, "a minimum above 0"), (queueing(horizon=6, step=1).at(), 1e-3, "the penalty has grown from 100")],
    ids=["progress", "penalty"],
)
def test_mfomo_says_when_it_is_stuck(monkeypatch, game, largest, why):
    """What makes no more progress stops with a reason, and goes on to the same words; so does too large a penalty."""
    monkeypatch.setattr(mfomo, "LARGEST", largest)
    solver = MFOMO(iterations=1500, steps=2, tolerance=1e-9)
    with pytest.warns(tmf.ConvergenceWarning, match="MFOMO has not converged: stuck at iteration "):
        found = solver.solve(game, tmf.Synchronous())
    assert not found.converged and found.reason.startswith("stuck at iteration ") and why in found.reason
    assert found.history["learning_rate"].max() <= largest * solver.penalty and len(found.history["seconds"]) < 1500
    with pytest.warns(tmf.ConvergenceWarning):
        assert solver.solve(game, tmf.Synchronous(), initial=found).reason == found.reason


def test_free_switching_ends_at_the_water_level():
    """The flow in mid-game is Wardrop's, in closed form."""
    found = MirrorDescent(tolerance=1e-9).solve(resource_selection(step=1).at(), tmf.Synchronous())
    np.testing.assert_allclose(found.flow.mu[10], tmf.games.wardrop((1.0, 0.8, 0.6, 0.4), congestion=1.0), atol=1e-4)


def test_the_rate_does_not_depend_on_how_rarely_one_acts():
    """The same rate on steps of 1, 1/10 and 1/50 sweep reaches the tolerance after about as many iterations."""
    needed = []
    for step in (1.0, 0.1, 0.02):
        found = MirrorDescent(learning_rate=1.0).solve(queueing(step=step).at(), tmf.Fraction(step))
        assert found.converged
        needed.append(found.best_iteration)
    assert max(needed) <= 1.2 * min(needed)


def test_sampled_agents_learn_the_same_equilibrium():
    """TMF-PG, which knows only what a thousand agents did, and the exact solvers end at the same flow and return."""
    for game in (resource_selection(switching_cost=0.05, step=1).at(), queueing(step=1).at()):
        exact = tmf.solve(game, tmf.Synchronous(), tolerance=1e-7)
        learnt = solvers.TMFPG(tolerance=0.002, iterations=400).solve(game, tmf.Synchronous(), 1000, rng=3)
        assert learnt.converged
        assert learnt.mean_return == pytest.approx(exact.mean_return, rel=0.005)
        assert np.abs(learnt.flow.mu - exact.flow.mu)[:-1].sum(axis=-1).max() < 0.06
        gap = tmf.exploitability(game, learnt.policy, tmf.Synchronous())
        assert exact.exploitability < 0.01 * gap


def test_all_solvers_end_at_the_same_flow():
    for game in (resource_selection(switching_cost=0.05, horizon=8, step=1).at(), queueing(horizon=8, step=1).at()):
        flows = [
            solver(tolerance=1e-5, iterations=100_000).solve(game, tmf.Fraction(0.5)).flow.mu
            for solver in (MirrorDescent, FictitiousPlay, PriorDescent, MFOMO)
        ]
        for mu in flows[1:]:
            assert np.abs(mu - flows[0])[:-1].max() < 0.02  # the last decision pays nobody


# ------------------------------------------------------------------------------------------------------------ errors


def test_a_number_that_is_not_finite_ends_the_solve_with_what_was_found():
    calls = []

    def reward(mu, t):
        calls.append(t)
        return np.full((2, 2), 1e308 if len(calls) > 7 else 1.0)

    game = tmf.Game(2, 2, 3, 1.0, [1, 0], reward, np.full((2, 2, 2), 0.5))
    calls.clear()
    solver = MirrorDescent(tolerance=None, absolute_tolerance=None)
    with pytest.warns(tmf.ConvergenceWarning, match=r"exploitability is (inf|nan) at iteration 2; must be finite"):
        found = solver.solve(game, tmf.Synchronous())
    assert not found.converged and found.reason.startswith("stuck at iteration 2: exploitability is ")
    assert found.exploitability == 0 and found.history["iteration"].tolist() == [0, 1] and not found.state
    with pytest.raises(ValueError, match=r"the value at step t = \d+, observation \d+ is (inf|nan); must be finite") as caught:
        solver.solve(game, tmf.Synchronous())
    assert caught.value.__notes__ == ["in iteration 0 of MirrorDescent"] and caught.value.partial is None


@quick
def test_a_broken_game_is_an_error(solver):
    game = tmf.Game(2, 2, 3, 1.0, [1, 0], lambda mu: np.full((2, 2), np.nan if mu[0] < 1 else 0.0), np.full((2, 2, 2), 0.5))
    with pytest.raises(ValueError, match=r"reward\(mu, t=1\)\[0, 0\] is nan; must be finite"):
        solver.solve(game, tmf.Synchronous())


@quick
def test_arguments_are_checked(solver):
    game, schedule = resource_selection(horizon=3, step=1).at(), tmf.Synchronous()
    for changes, error, text in (
        ({"initial": 3}, TypeError, r"initial is 3 \(int\); must be None, a policy, its probabilities, or a Solution"),
        ({"initial": tmf.TabularPolicy([[0.5, 0.5]])}, ValueError, r"initial has \(S, A\) = \(1, 2\); must be"),
        ({"callback": 3}, TypeError, r"callback is 3 \(int\); must be a function"),
        ({"progress": 3}, TypeError, "progress is 3"),
        ({"rng": "seed"}, TypeError, "rng is 'seed'"),
    ):
        with pytest.raises(error, match=text):
            solver.solve(game, schedule, **changes)
    with pytest.raises(ValueError, match="n_agents"):
        solver.solve(game, tmf.Sequential())
    with pytest.raises(TypeError, match="game is None"):
        solver.solve(None, schedule)
    longer = solver.solve(resource_selection(horizon=4, step=1).at(), schedule)
    with pytest.raises(ValueError, match="initial has 4 stages; must have at most one per step, horizon = 3"):
        solver.solve(game, schedule, initial=longer)


@pytest.mark.parametrize(
    ("solver", "changes", "error", "text"),
    [
        (FictitiousPlay, {"average": -1}, ValueError, "average is -1.0; must be >= 0"),
        (FictitiousPlay, {"weight": 0}, ValueError, r"weight is 0.0; must be in \(0, 1\]"),
        (FictitiousPlay, {"weight": 0.5, "average": 1}, ValueError, "average is 1.0; must be omitted if weight is 0.5"),
        (FixedPoint, {"weight": 2}, ValueError, r"weight is 2.0; must be in \(0, 1\]"),
        (FixedPoint, {"weight_decay": "sqr"}, ValueError, "weight_decay is 'sqr'; must be one of"),
        (FixedPoint, {"decay_iterations": 0}, ValueError, "decay_iterations is 0; must be >= 1"),
        (PriorDescent, {"temperature": 0}, ValueError, "temperature is 0.0; must be > 0"),
        (PriorDescent, {"prior_every": 0}, ValueError, "prior_every is 0; must be >= 1"),
        (MFOMO, {"penalty": 0}, ValueError, "penalty is 0.0; must be > 0"),
        (MFOMO, {"steps": 0}, ValueError, "steps is 0; must be >= 1"),
        (PriorDescent, {"weight": 0}, ValueError, r"weight is 0.0; must be in \(0, 1\]"),
    ],
)
def test_hyperparameters(solver, changes, error, text):
    with pytest.raises(error, match=text):
        solver(**changes)


def test_a_weight_above_one_is_an_error():
    solver = FixedPoint(weight=0.5, weight_decay=lambda k: 3.0)
    with pytest.raises(ValueError, match=r"weight \* weight_decay\(0\) is 1.5; must be <= 1"):
        solver.solve(resource_selection(horizon=3, step=1).at(), tmf.Synchronous())


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"iterations": 0}, ValueError, "iterations is 0; must be >= 1"),
        ({"tolerance": -1}, ValueError, "tolerance is -1.0; must be >= 0"),
        ({"absolute_tolerance": "x"}, TypeError, "absolute_tolerance is 'x'"),
        ({"clock": "never"}, ValueError, "clock is 'never'"),
        ({"learning_rate": 0}, ValueError, "learning_rate is 0.0; must be > 0"),
        ({"learning_rate": 1, "learning_rate_decay": "sqr"}, ValueError, "learning_rate_decay is 'sqr'; must be one of"),
        ({"learning_rate_decay": "sqrt"}, ValueError, "learning_rate_decay is 'sqrt'; must be omitted if learning_rate is None"),
        ({"momentum": 1}, ValueError, r"momentum is 1.0; must be in \[0, 1\)"),
        ({"decay_iterations": 0}, ValueError, "decay_iterations is 0; must be >= 1"),
    ],
)
def test_mirror_descent_hyperparameters(changes, error, text):
    with pytest.raises(error, match=text):
        MirrorDescent(**changes)


def test_a_decay_below_zero_is_an_error():
    game = resource_selection(horizon=3, step=1).at()
    with pytest.raises(ValueError, match=r"learning_rate_decay\(0\) is -1.0; must be >= 0"):
        MirrorDescent(learning_rate=1.0, learning_rate_decay=lambda k: -1.0).solve(game, tmf.Synchronous())
