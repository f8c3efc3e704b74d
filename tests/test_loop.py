"""The loop under all solvers: where it starts, what it claims, what it keeps whatever happens, what it says of it."""

import dataclasses
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tmfcore as tmf
from solver_cases import cases
from strategies import games, random_game, schedules
from tmfcore.solvers import MFOMO, TMFPG, FictitiousPlay, FixedPoint, Homotopy, MirrorDescent, PriorDescent, Stationary
from tmfcore.solvers._problem import Problem

N = 20
SOLVERS = cases(variants=1)
every = pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)


def queueing(*capacities, **options):
    return tmf.games.queueing(capacities or (0.1, 0.2, 0.3), **{"step": 1} | {"horizon": 5} | options).at()


def run(solver, game=None, schedule=None, **options):
    """Without a tolerance, so that nothing is warned of; changes of the solver's settings among the options."""
    names = {field.name for field in dataclasses.fields(solver)}
    settings = {"iterations": 4, "tolerance": None, "absolute_tolerance": None}
    changes = settings | {name: options.pop(name) for name in list(options) if name in names}
    n_agents = options.pop("n_agents", N)
    solver = dataclasses.replace(solver, **changes)
    return solver.solve(game or queueing(), schedule or tmf.Fraction(0.5), n_agents, rng=1, **options)


# ------------------------------------------------------------------------------------------------------------ claims


@every
@settings(max_examples=15, deadline=None)
@given(data=st.data(), spec=games())
@pytest.mark.broad(6)
def test_converged_means_that_the_policy_meets_the_tolerance(solver, data, spec):
    """Whatever the game, the schedule, the tolerance, and where it starts: tmf.exploitability has the last word."""
    game = spec.build()
    other = random_game(7, spec.n_observations, spec.n_actions, spec.horizon).build()
    schedule = data.draw(schedules(spec.horizon, N)).build()
    tolerance = data.draw(st.sampled_from([0.0, 1e-3, 0.05, 0.3, 1.0]))
    start = data.draw(st.sampled_from(["uniform", "pure", "same", "other game", "other solver", "other schedule"]))
    shape = (spec.horizon, spec.n_observations, spec.n_actions)
    pure = tmf.TabularPolicy(np.eye(shape[2])[np.random.default_rng(3).integers(shape[2], size=shape[:2])])
    initial = {
        "uniform": lambda: None,
        "pure": lambda: pure,
        "same": lambda: run(solver, game, schedule),
        "other game": lambda: run(solver, other, schedule),
        "other solver": lambda: run(FictitiousPlay(), game, schedule),
        "other schedule": lambda: run(solver, game, tmf.Synchronous()),
    }[start]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tmf.ConvergenceWarning)
        chosen = dataclasses.replace(solver, iterations=10, tolerance=tolerance)
        found = chosen.solve(game, schedule, N, initial=initial, rng=2)
    gap = tmf.exploitability(game, found.policy, schedule, N)
    value = tmf.evaluate(game, found.policy, schedule, N).mean_return
    scale = Problem(game, schedule, N, "schedule").scale
    assert found.exploitability == pytest.approx(gap, rel=1e-9, abs=1e-12)
    if found.converged:
        assert gap <= tolerance * max(abs(value), 1e-5 * scale) * (1 + 1e-12)
    else:
        assert found.history["iteration"][-1] == found.history["iteration"][0] + 10 or "stuck" in found.reason


@every
def test_the_best_by_share_is_returned_where_the_tolerance_is_met(solver):
    """The returned policy is the one that met it, not one with a smaller gap and a smaller return."""
    found = run(solver, queueing(), tolerance=0.5, iterations=50)
    assert found.converged and found.relative_exploitability <= 0.5
    assert found.best_iteration == found.history["iteration"][-1]


# ------------------------------------------------------------------------------------------------------------ resume


@every
def test_a_solution_of_another_problem_is_a_warm_start(solver):
    """Best, counts and rates of the old problem are forgotten: the first row is what its policy is worth here."""
    first = run(solver, iterations=6)
    cases = {
        "game": (queueing(0.3, 0.2, 0.1), tmf.Fraction(0.5), {}),
        "discount": (queueing(discount=0.5), tmf.Fraction(0.5), {}),
        "schedule": (queueing(), tmf.Fraction(0.25), {}),
        "clock": (queueing(), tmf.Fraction(0.5), {"clock": "always"}),
    }
    for game, schedule, changes in cases.values():
        found = run(solver, game, schedule, initial=first, **changes)
        assert found.history["iteration"].tolist() == [0, 1, 2, 3, 4]
        gap = tmf.exploitability(game, first.policy, schedule, N, clock=found.clock)
        assert found.history["exploitability"][0] == pytest.approx(gap, rel=1e-4)
        assert found.exploitability == tmf.exploitability(game, found.policy, schedule, N, clock=found.clock)
        assert found.exploitability <= gap * (1 + 1e-4)


def test_a_warm_start_converges():
    for solver in (MirrorDescent(), PriorDescent(), FictitiousPlay(tolerance=1e-3), FixedPoint(tolerance=1e-3), Homotopy(), MFOMO()):
        first = solver.solve(queueing(0.1, 0.2, 0.3, horizon=10), tmf.Synchronous())
        game = queueing(0.3, 0.2, 0.1, horizon=10)
        found = solver.solve(game, tmf.Synchronous(), initial=first)
        assert found.converged
        assert tmf.exploitability(game, found.policy, tmf.Synchronous()) <= solver.tolerance * abs(found.mean_return)


@every
def test_the_same_problem_goes_on_where_it_stopped(solver, tmp_path):
    """However the game and the schedule are written, and through a file."""
    first = run(solver)
    first.save(tmp_path / "first.npz")
    for initial, game, schedule in (
        (first, queueing(), tmf.Fraction(np.full(5, 0.5))),
        (tmf.Solution.load(tmp_path / "first.npz"), queueing(), tmf.Batch(10)),
    ):
        found = run(solver, game, schedule, initial=initial)
        assert found.history["iteration"].tolist() == [4, 5, 6, 7, 8]
        assert found.exploitability <= first.exploitability, "the best so far is not forgotten"


def test_the_limit_does_not_depend_on_n_but_samples_do():
    for solver, resumed in ((MirrorDescent(), True), (TMFPG(), False)):
        first = run(solver)
        found = run(solver, initial=first, n_agents=10 * N)
        assert (found.history["iteration"][0] == 4) == resumed


@every
@pytest.mark.parametrize("other", ["Homotopy", "MFOMO", "FictitiousPlay", "MirrorDescent", "TMFPG"])
@pytest.mark.broad
def test_any_solver_starts_from_any_solution(solver, other):
    first = run(SOLVERS[other], iterations=6)
    found = run(solver, initial=first, iterations=6)
    start = 6 if solver is SOLVERS[other] else 0
    if solver.name == other and start == 0:
        return  # the same solver with other settings: either way is right
    assert found.history["iteration"][0] == start
    assert found.exploitability <= first.exploitability + 1e-5 * abs(first.mean_return)


def test_solve_starts_from_what_solve_found():
    reward = np.array([[0, -1, 2], [4, 0, -2], [-3, 6, 0]])
    game = tmf.Game(
        4, 3, 2, 1.0, [1, 0, 0, 0], lambda mu: np.concatenate([[0], reward @ mu[1:]])[:, None].repeat(3, axis=1),
        np.tile(np.eye(4)[1:], (4, 1, 1)),
    )  # fmt: skip
    found = tmf.solve(game, tmf.Synchronous())
    again = tmf.solve(game, tmf.Synchronous(), initial=found)
    assert found.converged and again.converged and again.exploitability <= 1e-4 * abs(again.mean_return)


@pytest.mark.parametrize(
    "solver",
    [
        MirrorDescent(learning_rate=1.0, learning_rate_decay="linear"),
        FixedPoint(weight_decay="linear"),
        TMFPG(learning_rate_decay="linear"),
    ],
    ids=lambda solver: solver.name,
)
def test_a_linear_decay_goes_on(solver):
    first = run(solver)
    found = run(solver, initial=first)
    np.testing.assert_allclose(first.history["learning_rate"], first.history["learning_rate"][0] * np.linspace(1, 0, 5))
    whole = first.history["learning_rate"][0]
    np.testing.assert_allclose(found.history["learning_rate"], whole * (1 - np.arange(4, 9) / 8))


def test_tmfpg_keeps_the_best_so_far():
    solver = TMFPG(learning_rate=5.0, average=None, optimizer="sgd", learning_rate_decay="constant")
    first = run(solver, iterations=10)
    found = run(solver, initial=first, iterations=2)
    assert found.exploitability == min(first.exploitability, found.history["exploitability"].min())
    assert found.policy == first.policy or found.best_iteration > first.best_iteration


# ---------------------------------------------------------------------------------------------------------- what is kept


class Fragile:
    """A reward that fails after so many calls."""

    def __init__(self, error):
        self.error, self.left = error, np.inf

    def __call__(self, mu):
        self.left -= 1
        if self.left < 0:
            raise self.error
        return np.repeat(-mu[:, None], 2, axis=1)


@every
@pytest.mark.parametrize("error", [RuntimeError("mine"), KeyboardInterrupt()], ids=lambda error: type(error).__name__)
def test_what_was_found_rides_on_what_the_game_raises(solver, error):
    reward = Fragile(error)
    game = tmf.Game(2, 2, 3, 1.0, [1, 0], reward, np.eye(2)[None].repeat(2, 0))
    seen = []

    def callback(now):
        seen.append(now.exploitability)
        if now.iteration == 2:
            reward.left = 4

    with pytest.raises(type(error)) as raised:
        run(solver, game, iterations=50, callback=callback)
    partial = raised.value.partial
    assert isinstance(partial, tmf.Solution) and not partial.converged
    assert partial.history["exploitability"].tolist() == seen and partial.exploitability == min(seen)
    assert partial.reason.startswith("interrupted ") and partial.flow.mu.shape == (4, 2)
    reward.left = np.inf
    assert tmf.exploitability(game, partial.policy, tmf.Fraction(0.5), N) == pytest.approx(min(seen), abs=1e-12)
    onward = run(solver, game, initial=partial)
    assert onward.exploitability <= partial.exploitability + 1e-5


@every
def test_what_was_found_rides_on_what_a_callback_raises(solver):
    def callback(now):
        if now.iteration == 2:
            raise KeyError("mine")

    with pytest.raises(KeyError) as raised:
        run(solver, callback=callback)
    partial = raised.value.partial
    assert partial.history["iteration"].tolist() == [0, 1, 2] and "KeyError: 'mine'" in partial.reason
    whole, rest = run(solver), run(solver, initial=partial, iterations=2)
    if solver.name != "TMFPG":  # which draws anew
        assert rest.policy == whole.policy


def test_solve_hands_over_the_best_of_all_solvers():
    game = tmf.games.beach_bar(101, horizon=3, step=1).at()
    calls = []

    def callback(now):
        calls.append(now)
        if len(calls) > 3 and now.iteration == 0:
            raise KeyboardInterrupt
        return None

    with pytest.raises(KeyboardInterrupt) as raised:
        tmf.solve(game, tmf.Synchronous(), tolerance=0.0, absolute_tolerance=None, callback=callback)
    assert raised.value.partial.exploitability <= min(now.exploitability for now in calls) + 1e-12


def test_nothing_is_found_before_the_first_evaluation():
    def reward(mu, t):
        if t:
            raise RuntimeError("at once")
        return np.zeros((2, 2))

    game = tmf.Game(2, 2, 3, 1.0, [1, 0], reward, np.eye(2)[None].repeat(2, 0))
    with pytest.raises(RuntimeError, match="at once") as raised:
        MirrorDescent().solve(game, tmf.Synchronous())
    assert raised.value.partial is None


# --------------------------------------------------------------------------------------------------------- what it says


@every
def test_row_k_has_the_rate_of_update_k(solver):
    """What history shows of k updates is what a solve of k updates shows, and what resuming goes on with."""
    whole = run(solver, iterations=6).history["learning_rate"]
    assert (whole > 0).all()
    for k in range(1, 6):
        part = run(solver, iterations=k).history["learning_rate"]
        # Homotopy learns in the update itself how far it gets: without one, the row has where it would have begun.
        known = k if isinstance(solver, Homotopy) else k + 1
        np.testing.assert_array_equal(part[:known], whole[:known])


def test_the_rate_in_history_is_the_one_used():
    """Logits of one update, over Q: plain mirror descent at the rate that row 0 shows."""
    game = queueing()
    found = run(MirrorDescent(momentum=0.0), game, tmf.Synchronous(), iterations=1)
    q = tmf.evaluate(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous()).q
    logits = found.history["learning_rate"][0] * q
    np.testing.assert_allclose(found.state["logits"], logits - logits.max(axis=-1, keepdims=True), atol=1e-12)


def test_a_reason_says_what_its_number_is_relative_to():
    game = queueing()
    assert run(MirrorDescent(), game, tolerance=0.5, iterations=99).reason.startswith("relative exploitability ")
    found = run(MirrorDescent(), game, absolute_tolerance=0.5, iterations=99)
    assert found.reason.startswith("absolute exploitability ") and found.converged
    found = run(MirrorDescent(), game)
    share = found.exploitability / found.mean_return
    assert f"best relative exploitability {share:.3g} at iteration 4" in found.reason
    zero = tmf.Game(2, 2, 3, 1.0, [1, 0], [[1, -1], [1, -1]], np.eye(2)[None].repeat(2, 0))
    found = run(MirrorDescent(learning_rate=1e-300), zero)
    assert "best absolute exploitability 1.5 at iteration 0" in found.reason, found.reason


@every
def test_patience_ends_every_solve(solver):
    found = run(solver, patience=3, min_improvement=1.0, iterations=50)
    assert found.reason.startswith("stalled: best relative exploitability ") and len(found.history["iteration"]) == 4
    resumed = run(solver, patience=3, min_improvement=1.0, iterations=50, initial=found)
    assert resumed.history["iteration"].tolist() == [3]


@pytest.mark.parametrize("solver", [MirrorDescent(), TMFPG(optimizer="sgd")], ids=lambda solver: solver.name)
def test_a_solve_in_which_nothing_moved_says_so(solver):
    for ends in ({}, {"patience": 4}):
        found = run(solver, learning_rate=1e-300, **ends)
        assert found.reason.endswith("; the policy has not changed: it is still the first one after 4 updates")
    assert "has not changed" not in run(solver, learning_rate=0.1).reason
    done = tmf.Game(2, 1, 3, 1.0, [1, 0], [[1], [1]], np.eye(2)[:, None])
    assert "has not changed" not in run(solver, done).reason, "there was nothing to gain"


# -------------------------------------------------------------------------------------------------------------- warnings


@every
def test_not_converged_is_a_warning(solver):
    with pytest.warns(tmf.ConvergenceWarning, match=f"{solver.name} has not converged: iterations exhausted: ") as seen:
        run(solver, tolerance=1e-12, iterations=1)
    assert seen[0].filename == __file__ or "strategies" not in seen[0].filename
    with pytest.warns(tmf.ConvergenceWarning):
        run(solver, absolute_tolerance=1e-12, iterations=1)
    run(solver, tolerance=1e-12, callback=lambda now: True)
    run(solver, tolerance=None, iterations=1)


def test_solve_warns_once_and_only_if_no_solver_converges():
    with pytest.warns(tmf.ConvergenceWarning, match="solve has not converged: MirrorDescent: ") as seen:
        tmf.solve(tmf.games.beach_bar(31, horizon=2, step=1).at(), tmf.Synchronous(), tolerance=0.0, absolute_tolerance=0.0, iterations=30)
    assert len(seen) == 1 and seen[0].filename == __file__


def test_threads_and_progress_are_arguments_of_every_solver():
    for solver in SOLVERS.values():
        done = []
        found = run(solver, threads=2, progress=lambda *pair, done=done: done.append(pair))
        assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
        assert found.policy == run(solver, threads=1).policy
        with pytest.raises(ValueError, match="threads is 0"):
            run(solver, threads=0)


def test_a_stationary_solution_is_a_start_of_stationary():
    first = Stationary().solve(queueing(), tmf.Synchronous())
    again = Stationary().solve(queueing(), tmf.Synchronous(), initial=first)
    assert again.converged and again.best_iteration == first.best_iteration
    other = Stationary().solve(queueing(0.3, 0.2, 0.1), tmf.Synchronous(), initial=first)
    assert other.converged and other.history["iteration"][0] == 0


@pytest.mark.parametrize("aware", [False, True])
def test_policies_that_solvers_return_know_their_horizon(aware, tmp_path):
    """Twelve stages over 240 steps: step 120 is in stage 6, with or without being told the horizon."""
    game = tmf.games.queueing((0.1, 0.2, 0.3), horizon=12, step=0.05).at()
    found = run(TMFPG(population_aware=aware), game, tmf.Fraction(0.05))
    found.save(tmp_path / "found.npz")
    mu = [0.2, 0.3, 0.4, 0.1]
    for policy in (found.policy, tmf.Solution.load(tmp_path / "found.npz").policy):
        assert (policy.n_stages, policy.horizon) == (12, 240)
        for t in (0, 5, 120, 239):
            np.testing.assert_array_equal(policy.probabilities(mu, t), policy.kernel.probabilities(np.array(mu), t, 240))
        with pytest.raises(ValueError, match=r"t is 240; must be in \[0, 239\]"):
            policy.probabilities(mu, 240)
