"""tmf.tune with the real Optuna: it finds what is better, says what it tried, and draws from the seed alone."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore import solvers
from tmfcore.solvers import TMFPG, FictitiousPlay, FixedPoint, MirrorDescent, PriorDescent, StationaryTMFPG
from tmfcore.solvers._registry import SOLVERS


@pytest.fixture
def optuna():
    return pytest.importorskip("optuna", reason="extra `tune`")


def beach() -> tmf.Game:
    return tmf.games.beach_bar(20, horizon=10, step=1).at()


def queueing(**options) -> tmf.Game:
    return tmf.games.queueing((0.1, 0.2, 0.3), **{"step": 1} | options).at()


def same(one: tmf.solvers.Tuning, two: tmf.solvers.Tuning) -> bool:
    names = set(one.trials) - {"seconds"}
    return one.solver == two.solver and all(np.array_equal(one.trials[n], two.trials[n]) for n in names)


def test_a_bad_rate_is_mended(optuna):
    """From a rate at which hardly anything moves to one that meets the tolerance; the value is what solving again gives."""
    game, schedule = beach(), tmf.Synchronous()
    slow = MirrorDescent(learning_rate=1e-3, iterations=40, tolerance=0.001)
    found = tmf.tune(game, schedule, solver=slow, metric="exploitability", trials=25, rng=1)
    assert found.value < 0.02 * found.trials["value"][0] and found.best_trial > 0
    again = dataclasses.replace(found.solver, tolerance=None).solve(game, schedule)
    assert again.exploitability == found.value == found.solution.exploitability
    assert found.solver.iterations == 40 and found.solver.tolerance == slow.tolerance
    assert len(found.study.trials) == 25 and found.study.best_value == found.value
    assert {found.study.best_params[name] for name in ("learning_rate", "momentum")} == {
        found.solver.learning_rate, found.solver.momentum
    }  # fmt: skip


def test_all_trials_can_be_looked_at(optuna):
    found = tmf.tune(beach(), tmf.Fraction(0.5), solver=FixedPoint(iterations=20), metric="exploitability", trials=6, rng=0)
    trials = found.trials
    assert set(trials) == {
        "value", "seconds", "exploitability", "iterations", "converged", "weight", "weight_decay", "decay_iterations"
    }  # fmt: skip
    assert all(len(column) == 7 for column in trials.values()) and len(found.errors) == 7
    assert (trials["weight"][0], trials["weight_decay"][0], trials["decay_iterations"][0]) == (1.0, "harmonic", 2)
    assert trials["decay_iterations"].dtype.kind == "i" and trials["weight"].dtype == np.float64
    assert found.value == trials["value"].min() == trials["value"][found.best_trial]
    for k in range(7):
        settings = {name: trials[name][k] for name in ("weight", "weight_decay")}
        decay_iterations = int(trials["decay_iterations"][k])
        solver = FixedPoint(iterations=20, tolerance=None, decay_iterations=decay_iterations, **settings)
        assert solver.solve(beach(), tmf.Fraction(0.5)).exploitability == pytest.approx(trials["value"][k])
    assert repr(found).endswith(f", 7 trials, best trial {found.best_trial})") and "array" not in repr(found)


def test_the_seed_alone_decides(optuna):
    def search(rng):
        return tmf.tune(beach(), tmf.Synchronous(), solver=MirrorDescent(iterations=10), trials=12, rng=rng)

    one = search(5)
    assert same(one, search(5)) and same(one, search(np.random.default_rng(5)))
    assert not same(one, search(6))
    noisy = [
        tmf.tune(queueing(horizon=4), tmf.Batch(5), 50, solver=TMFPG(iterations=2, replicas=1), trials=2, rng=3)
        for _ in range(2)
    ]
    assert same(*noisy)


def test_several_games_count_as_their_geometric_mean(optuna):
    games, schedules, numbers = [beach(), queueing(step=0.1)], [tmf.Fraction(0.5), tmf.Batch(10)], [None, 100]
    solver = FictitiousPlay(iterations=15, tolerance=None)
    found = tmf.tune(games, schedules, numbers, solver=solver, metric="exploitability", trials=3, rng=0)
    reached = found.trials["exploitability"]
    assert reached.shape == (4, 2)
    np.testing.assert_allclose(found.trials["value"], np.sqrt(reached.prod(axis=1)), rtol=1e-12)
    alone = [
        found.solver.solve(*problem).exploitability for problem in zip(games, schedules, numbers, strict=True)
    ]  # fmt: skip
    assert [each.exploitability for each in found.solutions] == alone == reached[found.best_trial].tolist()


def test_iterations_to_the_tolerance(optuna):
    """Evaluations made, times how far a solve remains above the tolerance."""
    solver = PriorDescent(iterations=30, tolerance=0.002, absolute_tolerance=None)
    found = tmf.tune(beach(), tmf.Synchronous(), solver=solver, metric="iterations", trials=15, rng=2)
    trials = found.trials
    assert trials["converged"].any() and not trials["converged"].all()
    for k, met in enumerate(trials["converged"][:, 0]):
        made = trials["iterations"][k, 0] + 1
        assert trials["value"][k] == pytest.approx(made) if met else trials["value"][k] > made == 31
    k = int(np.argmin(trials["converged"][:, 0]))
    settings = {"temperature": trials["temperature"][k], "prior_every": trials["prior_every"][k], "weight": trials["weight"][k]}
    if k > 0:
        solver = PriorDescent(iterations=30, tolerance=0.002, absolute_tolerance=None, **settings)
    with pytest.warns(tmf.ConvergenceWarning):
        missed = solver.solve(beach(), tmf.Synchronous())
    assert trials["value"][k] == pytest.approx(31 * missed.relative_exploitability / 0.002)
    assert (found.failures == ~trials["converged"][:, 0]).all()
    assert found.solution.converged and found.value == found.solution.history["iteration"][-1] + 1


def test_trials_end_where_they_cannot_win(optuna):
    """At four times the iterations of the best; what comes out needs no more of them than the solver as it was given."""
    for game in (tmf.games.beach_bar(40, step=1).at(), tmf.games.left_right(step=1).at()):
        found = tmf.tune(game, tmf.Synchronous(), trials=12, rng=3)
        updates = found.trials["iterations"][:, 0]
        default = MirrorDescent().solve(game, tmf.Synchronous()).history["iteration"][-1]
        assert updates[0] == default and (updates <= 4 * default + 10).all()
        again = found.solver.solve(game, tmf.Synchronous())
        assert again.converged and again.history["iteration"][-1] == found.value - 1 <= default


def test_seconds_and_a_metric_of_ones_own(optuna):
    found = tmf.tune(beach(), tmf.Synchronous(), solver="MirrorDescent", metric="seconds", trials=3, rng=0)
    # On a busy machine a trial that was cut short may count less, as many times more as it misses the tolerance by.
    excess = max(1.0, found.solution.exploitability / (1e-4 * abs(found.solution.mean_return)))
    assert found.value == pytest.approx(excess * found.solution.history["seconds"][-1], rel=1e-12)

    def last(solutions):
        return solutions[0].history["exploitability"][-1]

    found = tmf.tune(beach(), tmf.Synchronous(), solver=MirrorDescent(iterations=3), metric=last, trials=3, rng=0)
    assert found.metric == "last" and found.value == last(found.solutions)


def test_trials_that_raise_have_failed(optuna):
    """A weight with an average is an error of FictitiousPlay, one the search goes past."""
    space = {"average": [None, 1.0], "weight": [None, 0.5]}
    found = tmf.tune(beach(), tmf.Synchronous(), solver=FictitiousPlay(iterations=5), space=space, trials=20, rng=0)
    failed = np.array([error != "" for error in found.errors])
    assert failed.any() and not failed.all()
    assert (np.isinf(found.trials["value"]) == failed).all() and np.isnan(found.trials["exploitability"][failed]).all()
    assert (found.trials["iterations"][failed] == -1).all() and not found.trials["converged"][failed].any()
    assert all("must be omitted if weight is 0.5" in error for error in found.errors if error)
    states = [trial.state.name == "FAIL" for trial in found.study.trials]
    assert states == failed[1:].tolist()

    broken = tmf.Game(2, 2, 3, 1.0, [1, 0], lambda mu: np.full((2, 2), np.nan if mu[0] < 1 else 0.0), np.full((2, 2, 2), 0.5))
    with pytest.raises(ValueError, match=r"reward\(mu, t=1\)\[0, 0\] is nan"):
        tmf.tune(broken, tmf.Synchronous(), space={"momentum": (0.0, 0.5)}, trials=2)


@pytest.mark.parametrize(
    "solver",
    [entry.solver for entry in SOLVERS.values()],
    ids=lambda kind: kind.__name__,
)
def test_every_solver_has_a_space(optuna, solver):
    """Whose names are its settings, also in another unit of reward; by name as by instance."""
    game = queueing(horizon=3)
    few = solver(iterations=2)
    found = tmf.tune(game, tmf.Fraction(0.5), 20 if solver in (TMFPG, StationaryTMFPG) else None, solver=few, trials=2, rng=1)
    assert set(solvers.default_space(few)) <= set(found.trials) and np.isfinite(found.value)
    space = solvers.default_space(few, 100.0)
    for name, change in {"learning_rate": 0.01, "temperature": 100.0}.items():
        if name in space and solver not in (TMFPG, StationaryTMFPG):
            assert space[name][0] == pytest.approx(change * solvers.default_space(few)[name][0])


def test_the_unit_of_reward_does_not_matter(optuna):
    """A game paid in thousandths is searched at rates a thousand times higher, to the same end."""
    values = []
    for unit in (1.0, 1e-3):
        game = tmf.games.resource_selection(unit * np.array((1.0, 0.8, 0.6, 0.4)), congestion=unit, horizon=5, step=1).at()
        found = tmf.tune(game, tmf.Synchronous(), solver=MirrorDescent(iterations=5), metric="exploitability", trials=6, rng=4)
        values.append(found.trials["value"] / unit)
    np.testing.assert_allclose(*values, rtol=1e-6)


def test_choices_need_not_be_numbers(optuna):
    def slowly(k):
        return 1 / (1 + k)

    space = {"betas": [(0.5, 0.99), (0.9, 0.999)], "learning_rate_decay": ["sqrt", slowly]}
    found = tmf.tune(queueing(horizon=3), tmf.Synchronous(), solver=TMFPG(iterations=2), space=space, trials=6, rng=0)
    assert set(found.trials["betas"]) == set(space["betas"]) and slowly in found.trials["learning_rate_decay"].tolist()


def test_when_it_stops(optuna):
    seen, done = [], []
    found = tmf.tune(
        beach(), tmf.Synchronous(), solver=MirrorDescent(iterations=2), trials=9, rng=0,
        callback=lambda now: seen.append(len(now.trials["value"])) or len(seen) == 3, progress=lambda *pair: done.append(pair),
    )  # fmt: skip
    assert seen == [1, 2, 3] and len(found.errors) == 3 and done == [(1, 10), (2, 10), (3, 10)]
    found = tmf.tune(beach(), tmf.Synchronous(), solver=MirrorDescent(iterations=2), trials=9, time_limit=0.0)
    assert len(found.errors) == 1 and found.best_trial == 0 and found.solver == MirrorDescent(iterations=2)


def test_nothing_is_printed_and_no_verbosity_changed(optuna, capfd):
    before = optuna.logging.get_verbosity()
    tmf.tune(beach(), tmf.Synchronous(), solver=MirrorDescent(iterations=2), trials=3, rng=0)
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr() == ("", "")


def test_another_sampler(optuna):
    sampler = optuna.samplers.GridSampler({"average": [0.0, 1.0, 2.0]}, seed=0)
    space = {"average": (0.0, 2.0)}
    found = tmf.tune(beach(), tmf.Synchronous(), solver=FictitiousPlay(iterations=9), space=space, trials=3, sampler=sampler)
    assert sorted(found.trials["average"][1:]) == [0.0, 1.0, 2.0]


def test_without_optuna_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"tune needs optuna, which is not installed; pip install 'tmfcore\[tune\]'"):
        tmf.tune(beach(), tmf.Synchronous())


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"solver": "MirorDescent"}, ValueError, r"solver is 'MirorDescent'; must be one of .*did you mean 'MirrorDescent'"),
        ({"solver": 3}, TypeError, r"solver is 3 \(int\); must be a solver, its class, or one of 'FictitiousPlay'"),
        ({"trials": 0}, ValueError, "trials is 0; must be >= 1"),
        ({"time_limit": -1}, ValueError, "time_limit is -1.0; must be >= 0"),
        ({"metric": "second"}, ValueError, "metric is 'second'; must be one of"),
        ({"callback": 1}, TypeError, "callback is 1"),
        ({"sampler": 1}, TypeError, "sampler is 1"),
        ({"rng": "x"}, TypeError, "rng is 'x'"),
        ({"schedule": []}, ValueError, "schedule is empty; must have at least one"),
        ({"schedule": [tmf.Synchronous()] * 3}, ValueError, "schedule has 3 entries; must be one for all 1 games"),
        ({"n_agents": [2.5]}, TypeError, r"n_agents\[0\] is 2.5"),
        ({"space": {}}, ValueError, "space is empty"),
        ({"space": []}, TypeError, "space is a list; must be a dict"),
        ({"space": {"rate": (0, 1)}}, ValueError, "a setting of space is 'rate'; must be one of 'learning_rate'"),
        ({"space": {"tolerance": (0, 1)}}, ValueError, r"space\['tolerance'\] cannot be searched"),
        ({"space": {"momentum": 0.5}}, TypeError, r"space\['momentum'\] is 0.5 \(float\); must be \(low, high\)"),
        ({"space": {"momentum": (0, 0.5, "lg")}}, TypeError, r"space\['momentum'\] is \(0, 0.5, 'lg'\); must be"),
        ({"space": {"momentum": (0.5, 0)}}, ValueError, r"space\['momentum'\]\[1\] is 0.0; must be >= 0.5"),
        ({"space": {"momentum": (0, 0.5, "log")}}, ValueError, r"space\['momentum'\]\[0\] is 0.0; must be > 0"),
        ({"space": {"momentum": (0, 1.5)}}, ValueError, r"momentum is 1.5; must be in \[0, 1\)"),
        ({"space": {"momentum": []}}, ValueError, r"space\['momentum'\] is empty"),
        ({"space": {"learning_rate_decay": ("sqrt", "linear")}}, TypeError, "must be a list of choices, because learning_rate"),
        ({"space": {"decay_iterations": (1, 2.5)}}, TypeError, r"space\['decay_iterations'\]\[1\] is 2.5"),
        ({"space": {"decay_iterations": (1, 9)}}, ValueError, "decay_iterations is 1; must be omitted if learning_rate_decay"),
        (
            {"solver": "FictitiousPlay", "space": {"average": [0.0, 1.0], "weight": [None, 0.5]}}, ValueError,
            "average is 0.0; must be omitted if weight is 0.5",
        ),
        ({"solver": MirrorDescent(tolerance=None, absolute_tolerance=None), "metric": "seconds"}, ValueError, "needs a solver with"),
    ],
)  # fmt: skip
def test_arguments_are_checked(optuna, changes, error, text):
    arguments = {"schedule": tmf.Synchronous(), **changes}
    with pytest.raises(error, match=text):
        tmf.tune(beach(), **arguments)
    made = MirrorDescent(iterations=1, tolerance=None).solve(beach(), tmf.Synchronous())
    with pytest.raises(TypeError, match="initial is a Solution; must be a policy"):
        tmf.tune(beach(), tmf.Synchronous(), initial=made)
