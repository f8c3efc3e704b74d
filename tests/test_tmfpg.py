"""TMF-PG: it finds equilibria with every critic and schedule, stops for the reasons it gives, resumes, and is reproducible.

The statistics its kernels compute are tested in test_gradient.
"""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore.solvers import TMFPG, Iteration, Solution
from tmfcore.solvers._critics import probabilities
from tmfcore.solvers._step_rules import Adam, Sgd, averaging_weight, decay_factor
from tmfcore.solvers.base import relative
from tmfpg_cases import N, same, small

# ------------------------------------------------------------------------------------------------------- how it stops


def test_tolerance():
    solution = TMFPG(tolerance=0.05).solve(small(), tmf.Synchronous(), N, rng=0)
    share = solution.history["exploitability"] / np.abs(solution.history["mean_return"])
    k = int(solution.history["iteration"][-1])
    assert solution.converged
    assert solution.reason == f"relative exploitability {share[-1]:.3g} <= tolerance 0.05 at iteration {k}"
    assert share[-1] <= 0.05 < share[:-1].min()
    assert solution.best_iteration == k


def test_iterations_exhausted():
    solution = TMFPG(tolerance=None, iterations=7).solve(small(), tmf.Synchronous(), N, rng=0)
    assert not solution.converged
    assert solution.reason.startswith("iterations exhausted: best relative exploitability ")
    assert solution.reason.endswith("after 7 iterations")
    assert solution.history["iteration"].tolist() == list(range(8))
    assert set(solution.history) == {
        "iteration", "exploitability", "mean_return", "sampled_return", "learning_rate", "seconds", "residual"
    }  # fmt: skip
    assert all(len(column) == 8 for column in solution.history.values())
    best = int(np.argmin(solution.history["exploitability"]))
    assert solution.best_iteration == best
    assert solution.exploitability == solution.history["exploitability"][best]
    assert (np.diff(solution.history["seconds"]) >= 0).all()


def test_stall():
    solver = TMFPG(tolerance=None, patience=5, min_improvement=0.5)
    solution = solver.solve(small(), tmf.Synchronous(), N, rng=0)
    assert not solution.converged
    assert solution.reason.startswith("stalled: best relative exploitability ")
    assert len(solution.history["iteration"]) < 40


def test_callback_stops():
    seen: list[Iteration] = []

    def callback(iteration):
        seen.append(iteration)
        return iteration.iteration == 3

    solution = TMFPG(tolerance=None).solve(small(), tmf.Synchronous(), N, rng=0, callback=callback)
    assert solution.reason == "stopped by callback at iteration 3"
    assert [i.iteration for i in seen] == [0, 1, 2, 3]
    assert [i.exploitability for i in seen] == solution.history["exploitability"].tolist()
    assert seen[-1].relative_exploitability == pytest.approx(seen[-1].exploitability / abs(seen[-1].mean_return))


def test_a_truthy_number_does_not_stop():
    solution = TMFPG(tolerance=None, iterations=3).solve(small(), tmf.Synchronous(), N, rng=0, callback=lambda i: 1)
    assert solution.history["iteration"][-1] == 3


def test_an_interrupt_passes_through_and_leaves_the_solution_so_far():
    kept: list[Iteration] = []

    def callback(iteration):
        kept.append(iteration)
        if iteration.iteration == 4:
            raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        TMFPG(tolerance=None).solve(small(), tmf.Synchronous(), N, rng=0, callback=callback, threads=2)
    assert threading.active_count() == before
    so_far = kept[-1].solution()
    assert so_far.reason == "interrupted after iteration 4"
    assert not so_far.converged
    assert so_far.history["iteration"].tolist() == [0, 1, 2, 3, 4]
    assert so_far.exploitability == min(i.exploitability for i in kept)


@pytest.mark.parametrize("every", [1, 4, 100])
def test_evaluate_every(every):
    solution = TMFPG(tolerance=None, iterations=10, evaluate_every=every).solve(small(), tmf.Synchronous(), N, rng=0)
    assert solution.history["iteration"].tolist() == sorted({*range(0, 11, every), 10})
    full = TMFPG(tolerance=None, iterations=10).solve(small(), tmf.Synchronous(), N, rng=0)
    assert solution.history["exploitability"][-1] == full.history["exploitability"][-1]


def test_progress():
    seen = []
    solver = TMFPG(tolerance=None, iterations=5)
    solver.solve(small(), tmf.Synchronous(), N, rng=0, progress=lambda *args: seen.append(args))
    assert seen == [(k, 5) for k in range(1, 6)]


# ------------------------------------------------------------------------------------------- reproducible, resumable


@pytest.mark.parametrize("options", [{}, {"critic": "empirical"}, {"critic": "returns"}], ids=str)
def test_seeds_and_threads(options):
    def solve(rng, threads=None):
        solver = TMFPG(tolerance=None, iterations=4, **options)
        return solver.solve(small(0.1), tmf.Batch(100), N, rng=rng, threads=threads)

    one = solve(3)
    assert same(one, solve(3))
    assert same(one, solve(np.random.default_rng(3)))
    assert same(one, solve(3, threads=1))
    assert same(one, solve(3, threads=4))
    assert not same(one, solve(4))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("average", [None, 2.0])
def test_resuming_goes_on_where_it_stopped(optimizer, average):
    """In the mean-field limit nothing is drawn: 4 + 6 iterations are 10, to the bit."""

    def solve(iterations, initial=None):
        solver = TMFPG(tolerance=None, iterations=iterations, optimizer=optimizer, average=average)
        return solver.solve(small(), tmf.Synchronous(), initial=initial)

    whole, half = solve(10), solve(4)
    rest = solve(6, initial=half)
    assert rest.history["iteration"].tolist() == list(range(4, 11))
    for column in ("exploitability", "mean_return", "learning_rate"):
        np.testing.assert_array_equal(rest.history[column], whole.history[column][4:])
    for name, array in whole.state.items():
        np.testing.assert_array_equal(rest.state[name], array)


def test_resuming_from_a_file(tmp_path):
    solver = TMFPG(tolerance=None, iterations=4)
    half = solver.solve(small(), tmf.Synchronous(), N, rng=0)
    half.save(tmp_path / "half.npz")
    back = Solution.load(tmp_path / "half.npz")
    one, two = (solver.solve(small(), tmf.Synchronous(), N, rng=1, initial=start) for start in (half, back))
    assert same(one, two)


def test_starting_from_a_policy():
    def start(initial, **options):
        solver = TMFPG(tolerance=None, iterations=1, **options)
        solution = solver.solve(small(), tmf.Synchronous(), N, rng=0, initial=initial)
        return solution.history["exploitability"][0]

    table = np.array([[[0.9, 0.1], [0.4, 0.6]], [[0.7, 0.3], [0.2, 0.8]]])
    tabular = tmf.TabularPolicy(table)
    expected = tmf.exploitability(small(), tabular, tmf.Synchronous())
    assert start(tabular) == pytest.approx(expected)
    assert start(tmf.SoftmaxPolicy(np.log(table))) == pytest.approx(expected)
    assert start(tabular, population_aware=True) == pytest.approx(expected)
    theta = np.random.default_rng(0).normal(size=(2, 2, 2, 3))
    expected = tmf.exploitability(small(), tmf.SoftmaxPolicy(theta), tmf.Synchronous())
    assert start(tmf.SoftmaxPolicy(theta), population_aware=True) == pytest.approx(expected)
    # What does not fit the parameters is taken along its own flow, stage by stage; zeros get a little.
    assert start(tmf.SoftmaxPolicy(theta)) == pytest.approx(expected)
    assert start(table) == pytest.approx(tmf.exploitability(small(), tabular, tmf.Synchronous()))
    assert start(lambda mu, t: table[int(t) // 2]) == pytest.approx(tmf.exploitability(small(), tabular, tmf.Synchronous()))
    pure = tmf.TabularPolicy([[1.0, 0.0], [0.5, 0.5]])
    assert start(pure) == pytest.approx(tmf.exploitability(small(), pure, tmf.Synchronous()), abs=1e-5)


@pytest.mark.parametrize(
    ("initial", "options", "error", "message"),
    [
        (tmf.TabularPolicy(np.full((3, 3), 1 / 3)), {}, ValueError, r"\(S, A\) = \(3, 3\); must be the game's, \(2, 2\)"),
        (tmf.SoftmaxPolicy(np.zeros((5, 2, 2))), {}, ValueError, "5 stages; must have at most one per step, horizon = 4"),
        (np.full((2, 2), 0.6), {}, ValueError, "initial is not a policy: .* sums to 1.2"),
        ("uniform", {}, TypeError, "initial is 'uniform' "),
    ],
)
def test_bad_starts(initial, options, error, message):
    with pytest.raises(error, match=message):
        TMFPG(**options).solve(small(), tmf.Synchronous(), N, initial=initial)


def test_a_solution_whose_state_does_not_fit_lends_its_policy():
    other = TMFPG(iterations=3, tolerance=None, stages=2).solve(small(), tmf.Synchronous(), N, rng=0)
    stateless = Solution(**{**vars(other), "state": {}})
    for initial in (other, stateless):
        found = TMFPG(tolerance=None, iterations=1).solve(small(), tmf.Synchronous(), N, initial=initial)
        assert found.history["exploitability"][0] == pytest.approx(other.exploitability, rel=1e-9)
        assert found.history["iteration"].tolist() == [0, 1]


# --------------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("options", [{}, {"population_aware": True, "optimizer": "sgd"}], ids=str)
def test_save_and_load(tmp_path, options):
    solver = TMFPG(tolerance=None, iterations=3, learning_rate_decay=lambda k: 0.5, **options)
    solution = solver.solve(small(0.5), tmf.Bernoulli(0.5), N, rng=0)
    solution.save(tmp_path / "solution.npz")
    back = Solution.load(tmp_path / "solution.npz")
    assert same(solution, back)
    for group in ("history", "state"):
        assert set(getattr(back, group)) == set(getattr(solution, group))
        for name, array in getattr(solution, group).items():
            np.testing.assert_array_equal(getattr(back, group)[name], array)
    np.testing.assert_array_equal(back.flow.mu, solution.flow.mu)
    np.testing.assert_array_equal(back.flow.active_fraction, solution.flow.active_fraction)
    for name in ("converged", "reason", "best_iteration", "exploitability", "mean_return", "game", "schedule", "n_agents"):
        assert getattr(back, name) == getattr(solution, name)
    assert back.solver == solution.solver and json.dumps(back.solver)
    assert back.solver["learning_rate_decay"] == "<lambda>"


def test_a_tabular_solution_is_saved_as_well(tmp_path):
    solution = TMFPG(tolerance=None, iterations=1).solve(small(), tmf.Synchronous(), N, rng=0)
    tabular = Solution(**{**vars(solution), "policy": tmf.TabularPolicy.uniform(small())})
    tabular.save(tmp_path / "solution.npz")
    assert Solution.load(tmp_path / "solution.npz").policy == tabular.policy


# -------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"iterations": 0}, ValueError, "iterations is 0; must be >= 1"),
        ({"iterations": 1.5}, TypeError, "iterations is 1.5"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate is 0.0; must be > 0"),
        ({"learning_rate": float("nan")}, ValueError, "learning_rate is nan; must be finite"),
        ({"learning_rate_decay": "sqr"}, ValueError, "learning_rate_decay is 'sqr'; must be one of"),
        ({"decay_iterations": 0}, ValueError, "decay_iterations is 0"),
        ({"critic": "td"}, ValueError, "critic is 'td'; must be one of 'model', 'empirical', 'returns'"),
        ({"gradient": "policy"}, ValueError, "gradient is 'policy'"),
        ({"optimizer": "rmsprop"}, ValueError, "optimizer is 'rmsprop'"),
        ({"betas": (0.9, 1.0)}, ValueError, r"betas\[1\] is 1; must be in \[0, 1\)"),
        ({"betas": 0.9}, ValueError, "betas"),
        ({"average": -1.0}, ValueError, "average is -1.0; must be >= 0"),
        ({"stages": 0}, ValueError, "stages is 0"),
        ({"population_aware": 1}, TypeError, "population_aware is 1"),
        ({"entropy": -0.1}, ValueError, "entropy is -0.1; must be >= 0"),
        ({"inner_updates": 0}, ValueError, "inner_updates is 0"),
        ({"replicas": 0}, ValueError, "replicas is 0"),
        ({"clock": "never"}, ValueError, "clock is 'never'"),
        ({"tolerance": -1.0}, ValueError, "tolerance is -1.0; must be >= 0"),
        ({"patience": 0}, ValueError, "patience is 0"),
        ({"min_improvement": 2.0}, ValueError, "min_improvement is 2.0"),
        ({"evaluate_every": 0}, ValueError, "evaluate_every is 0"),
        ({"inner_updates": 2, "critic": "returns"}, ValueError, "inner_updates is 2; must be 1 with critic='returns'"),
    ],
)
def test_bad_hyperparameters(options, error, message):
    with pytest.raises(error, match=message):
        TMFPG(**options)


@pytest.mark.parametrize(
    ("solver", "arguments", "error", "message"),
    [
        ({"critic": "returns", "clock": "always"}, {"schedule": tmf.Sequential()}, ValueError, "needs all agents to act"),
        ({"critic": "returns"}, {"n_agents": None}, ValueError, "n_agents is None; critic='returns'"),
        ({"critic": "empirical"}, {"n_agents": None}, ValueError, "n_agents is None; critic='empirical'"),
        ({}, {"n_agents": None, "schedule": tmf.Batch(2)}, ValueError, "n_agents is None"),
        ({}, {"n_agents": 0}, ValueError, "n_agents is 0; must be >= 1"),
        ({}, {"n_agents": 2**62}, ValueError, "the limit of the counts engine"),
        ({"critic": "returns"}, {"n_agents": 2**32}, ValueError, "the limit of the agents engine"),
        ({}, {"n_agents": 10**13, "schedule": tmf.Batch(7)}, ValueError, "batches of 1 < B < n_agents"),
        ({}, {"schedule": tmf.Batch(N + 1)}, ValueError, "size is 1001; must be <= n_agents = 1000"),
        ({}, {"schedule": 1}, TypeError, "schedule"),
        ({}, {"game": 1}, TypeError, "game"),
        ({}, {"callback": 1}, TypeError, r"callback is 1 \(int\); must be a function"),
        ({}, {"progress": 1}, TypeError, "progress is 1"),
        ({}, {"threads": 0}, ValueError, "threads is 0"),
        ({}, {"rng": "x"}, TypeError, "rng"),
        ({"learning_rate_decay": lambda k: -1.0}, {}, ValueError, r"learning_rate_decay\(0\) is -1.0"),
    ],
)
def test_bad_arguments(solver, arguments, error, message):
    given = {"game": small(), "schedule": tmf.Synchronous(), "n_agents": N, "rng": 0} | arguments
    with pytest.raises(error, match=message):
        TMFPG(**solver).solve(**given)


def test_returns_with_clock_always_is_fine_where_everybody_acts():
    one, two = (
        TMFPG(critic="returns", clock=clock, iterations=2, tolerance=None).solve(small(), tmf.Synchronous(), N, rng=0)
        for clock in ("always", "schedule")
    )
    assert same(one, two)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_bad_row_of_the_game_ends_the_solve(threads):
    def reward(mu, t):
        return np.full((2, 2), np.nan if t == 2 else 1.0)

    game = tmf.Game(2, 2, 4, 0.9, [0.5, 0.5], reward, np.full((2, 2, 2), 0.5))
    with pytest.raises(ValueError, match="reward") as raised:
        TMFPG().solve(game, tmf.Synchronous(), N, threads=threads)
    assert raised.value.__notes__ == ["in iteration 0 of TMFPG"] and raised.value.partial is None


def test_a_step_too_long_ends_the_solve_with_what_was_found():
    solver = TMFPG(learning_rate=1e308, optimizer="sgd")
    with pytest.warns(tmf.ConvergenceWarning, match="finite"), np.errstate(all="ignore"):
        found = solver.solve(small(), tmf.Synchronous(), N, rng=0)
    assert found.exploitability == found.history["exploitability"][0] and not found.state


# --------------------------------------------------------------------------------------------------------------- parts


def test_stages_by_default_are_sweeps():
    def stages(game, **options):
        solver = TMFPG(iterations=1, tolerance=None, **options)
        return solver.solve(game, tmf.Bernoulli(0.1), 50, rng=0).policy.n_stages

    assert stages(small()) == 4
    assert stages(small(0.1)) == 4
    assert stages(small(0.1), stages=8) == 8
    assert stages(small(), stages=100) == 4


@pytest.mark.parametrize("features", [1, 3])
def test_probabilities_are_those_of_the_policy(features):
    rng = np.random.default_rng(0)
    theta, mu = rng.normal(size=(3, 2, 2, features)), rng.dirichlet(np.ones(2), size=7)
    stages = np.arange(7) * 3 // 7
    policy = tmf.SoftmaxPolicy(theta if features > 1 else theta[..., 0])
    expected = [policy.probabilities(mu[t], t, 7) for t in range(7)]
    np.testing.assert_allclose(probabilities(theta, mu, stages), expected)


@pytest.mark.parametrize("critic", ["model", "empirical", "returns"])
def test_every_stage_learns(critic):
    """More stages than sweeps: none is left where it started."""
    solver = TMFPG(critic=critic, stages=16, iterations=5, tolerance=None, entropy=0.01)
    theta = solver.solve(small(0.05), tmf.Batch(50), N, rng=0).state["theta"]
    assert (np.abs(theta).max(axis=(1, 2, 3)) > 0).all()


def test_relative():
    assert relative(0.1, -2.0) == 0.05
    assert relative(0.1, 0.0) == np.inf
    assert relative(0.0, 0.0) == 0.0


def test_decay_factors():
    assert [decay_factor("constant", "rate", k, 10, 100) for k in (0, 50)] == [1, 1]
    assert decay_factor("sqrt", "rate", 30, 10, 100) == pytest.approx(0.5)
    assert decay_factor("harmonic", "rate", 30, 10, 100) == pytest.approx(0.25)
    assert [decay_factor("linear", "rate", k, 10, 100) for k in (0, 50, 100, 150)] == [1, 0.5, 0, 0]
    assert decay_factor(lambda k: 1 / (1 + k), "rate", 3, 10, 100) == 0.25


def test_averages_weight_iterates_as_powers():
    """Exact for whole a: iterate j has weight (j+1)...(j+a) over their sum."""
    for a in (0, 1, 2):
        weights = np.zeros(6)
        for k in range(6):
            weights *= 1 - averaging_weight(a, k)
            weights[k] += averaging_weight(a, k)
        expected = np.array([np.prod([j + i for i in range(1, a + 1)]) for j in range(6)], dtype=float)
        np.testing.assert_allclose(weights, expected / expected.sum())
    assert averaging_weight(None, 5) == 1


def test_adam_and_sgd_by_hand():
    theta, direction = np.array([1.0, 2.0]), np.array([0.5, -4.0])
    Sgd().step(theta, direction, 0.1)
    np.testing.assert_allclose(theta, [1.05, 1.6])
    adam = Adam.like(theta, (0.5, 0.99))
    adam.step(theta, direction, 0.1)
    np.testing.assert_allclose(theta, [1.15, 1.5])  # the first step is the sign
    adam.step(theta, -direction, 0.1)
    first = (0.5 * 0.5 - 0.5) * direction / 0.75
    np.testing.assert_allclose(theta, [1.15, 1.5] + 0.1 * first / np.abs(direction), rtol=1e-7)


def test_the_solver_is_frozen_and_comparable():
    assert TMFPG() == TMFPG()
    assert TMFPG() != TMFPG(replicas=2)
    with pytest.raises(AttributeError):
        TMFPG().replicas = 2
