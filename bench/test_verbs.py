"""The cost of one call of each verb on a small game, including its Python layer."""

import numpy as np
import pytest

import tmfcore as tmf

GAME = tmf.games.resource_selection([1.0, 0.8, 0.6, 0.4], congestion=np.ones(4), step=1).at()
POLICY = tmf.TabularPolicy.uniform(GAME)
SCHEDULE = tmf.Fraction(0.5)


def simulate():
    run = tmf.simulate(GAME, POLICY, SCHEDULE, 1000, rng=1)
    return run.counts[0, -1].sum() == 1000


def simulate_replicas():
    run = tmf.simulate(GAME, POLICY, SCHEDULE, 1000, replicas=100, rng=1)
    return (run.counts.sum(-1) == 1000).all()


def mean_field():
    return np.isclose(tmf.mean_field(GAME, POLICY, SCHEDULE).mu[-1].sum(), 1.0)


def evaluate():
    return np.isfinite(tmf.evaluate(GAME, POLICY, SCHEDULE).mean_return)


def best_response():
    flow = tmf.mean_field(GAME, POLICY, SCHEDULE)
    return tmf.best_response(GAME, flow, SCHEDULE)[1].shape == (GAME.horizon + 1, 4)


def exploitability():
    return tmf.exploitability(GAME, POLICY, SCHEDULE) > 0


def solve():
    solver = tmf.solvers.TMFPG(iterations=3, tolerance=None)
    return np.isfinite(solver.solve(GAME, SCHEDULE, 1000, rng=1).history["exploitability"]).all()


def new_game():
    return tmf.games.resource_selection([1.0, 0.8, 0.6, 0.4], congestion=np.ones(4), step=1).at().n_actions == 4


def new_typed():
    return tmf.games.typed([GAME, GAME], shares=[0.3, 0.7], rates=[1.0, 0.5]).n_observations == 8


PRICES = np.linspace(1.0, 0.4, 4)
JOINT = tmf.games.joint(
    4, n_actions=4, horizon=20, discount=0.95, initial=np.full(4, 0.25), reward=lambda law, mu, t: PRICES - law,
    transition=np.full((4, 4, 4), 0.25),
)  # fmt: skip
JOINT_POLICY = tmf.TabularPolicy.uniform(JOINT)


def joint_exploitability():
    return tmf.exploitability(JOINT, JOINT_POLICY, SCHEDULE) > 0


ONE_STEP = tmf.Game(
    4, 2, 1, 1.0, np.full(4, 0.25), np.arange(8.0).reshape(4, 2),
    np.random.default_rng(0).dirichlet(np.ones(4), size=(4, 2)),
)  # fmt: skip
ONE_STEP_POLICY = tmf.TabularPolicy.uniform(ONE_STEP)
SIDES = tmf.games.left_right()
SIDES_POLICY = tmf.TabularPolicy.uniform(SIDES)
SIDES_FLOW = tmf.mean_field(SIDES, SIDES_POLICY, tmf.Synchronous())
TABLES = np.arange(8.0).reshape(4, 2), np.random.default_rng(0).dirichlet(np.ones(4), size=(4, 2))
PROBABILITIES = np.full((4, 2), 0.5)


def one_step(schedule):
    run = tmf.simulate(ONE_STEP, ONE_STEP_POLICY, schedule, 1000, rng=1)
    return run.counts[0, -1].sum() == 1000


SMALL_CALLS = {
    "simulate, B=N": lambda: one_step(tmf.Synchronous()),
    "simulate, B=1": lambda: one_step(tmf.Sequential()),
    "simulate, B=100": lambda: one_step(tmf.Batch(100)),
    "mean_field": lambda: len(tmf.mean_field(SIDES, SIDES_POLICY, tmf.Synchronous()).mu) == 3,
    "evaluate": lambda: tmf.evaluate(SIDES, SIDES_POLICY, tmf.Synchronous()).mean_return < 0,
    "best_response": lambda: len(tmf.best_response(SIDES, SIDES_FLOW, tmf.Synchronous()).values) == 3,
    "exploitability": lambda: tmf.exploitability(SIDES, SIDES_POLICY, tmf.Synchronous()) > 0,
    "solve": lambda: tmf.solve(SIDES, tmf.Synchronous()).converged,
    "Solver.solve": lambda: tmf.solvers.MirrorDescent().solve(SIDES, tmf.Synchronous()).converged,
    "Game": lambda: tmf.Game(4, 2, 20, 0.9, np.full(4, 0.25), *TABLES).n_actions == 2,
    "left_right": lambda: tmf.games.left_right().n_actions == 2,
    "resource_selection": lambda: tmf.games.resource_selection().n_actions == 4,
    "TabularPolicy": lambda: tmf.TabularPolicy(PROBABILITIES).n_stages == 1,
}


@pytest.mark.benchmark(group="small calls")
@pytest.mark.parametrize("name", SMALL_CALLS)
def test_small_call(measure, name):
    """us of the smallest call of each kind: what its Python costs. One step of S = 4, or left_right of two steps."""
    assert measure(SMALL_CALLS[name], units=1, unit="call")


LOG = tmf.simulate(GAME, POLICY, SCHEDULE, 1000, trajectories=True, rng=1).trajectories


def fit():
    found = tmf.learn.fit(LOG, n_observations=4, n_actions=4, discount=0.95)
    return found.visits.sum() + found.passive_visits.sum() == LOG.observations.size


@pytest.mark.benchmark(group="verbs")
@pytest.mark.parametrize(
    "verb",
    [
        new_game, simulate, simulate_replicas, mean_field, evaluate, best_response, exploitability, solve, new_typed,
        joint_exploitability, fit,
    ],
    ids=lambda verb: verb.__name__,
)  # fmt: skip
def test_verb(measure, verb):
    """us of one call; horizon 20, S = 4."""
    assert measure(verb, units=1, unit="call")


@pytest.mark.benchmark(group="tune")
def test_tune(measure):
    """ms per trial of a search with solves of three iterations; the default settings are one of the trials."""
    pytest.importorskip("optuna", reason="optuna (extra `tune`) is not installed")
    solver = tmf.solvers.MirrorDescent(iterations=3, tolerance=None)
    found = measure(
        lambda: tmf.solvers.tune(GAME, SCHEDULE, solver=solver, metric="exploitability", trials=5, rng=1),
        units=6, unit="trial", rounds=3,
    )
    assert len(found.trials["value"]) == 6


@pytest.mark.benchmark(group="convergence")
def test_convergence(measure):
    """ns per step of the convergence study: two sizes, two schedules, 20 replicas."""
    study = measure(
        lambda: tmf.analysis.convergence(
            GAME, POLICY, {"B=N": tmf.Synchronous(), "B=N/2": tmf.Fraction(0.5)}, n_agents=[100, 1000], replicas=20,
            rng=1, threads=1,
        ),
        units=2 * 2 * 20 * GAME.horizon, unit="step", rounds=3,
    )
    assert len(study.labels) == 2


@pytest.mark.benchmark(group="files of a simulation")
@pytest.mark.parametrize("way", ["save", "load"])
def test_files(measure, tmp_path, way):
    """us of writing and reading a run of 20 steps and 100 replicas."""
    run = tmf.simulate(GAME, POLICY, SCHEDULE, 1000, replicas=100, rng=1)
    path = tmp_path / "run.npz"
    run.save(path)
    assert (tmf.Simulation.load(path).counts == run.counts).all()
    measure(lambda: run.save(path) if way == "save" else tmf.Simulation.load(path), units=1, unit="call")


@pytest.mark.benchmark(group="files of a solution")
@pytest.mark.parametrize("way", ["save", "load"])
def test_solution_files(measure, tmp_path, way):
    """us of writing and reading a solution of three iterations."""
    solution = tmf.solvers.TMFPG(iterations=3, tolerance=None).solve(GAME, SCHEDULE, 1000, rng=1)
    path = tmp_path / "solution.npz"
    solution.save(path)
    np.testing.assert_array_equal(tmf.Solution.load(path).flow.mu, solution.flow.mu)
    measure(lambda: solution.save(path) if way == "save" else tmf.Solution.load(path), units=1, unit="call")
