"""`executor=` of verbs: the bits of this process, from replicas that others have played."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from processes import forking, start_server

import tmfcore as tmf
from sweep_cases import crowded, drifting, many, weather, windy

GAME = tmf.games.queueing(horizon=4)
UNIFORM = tmf.TabularPolicy.uniform(GAME)


@pytest.fixture(scope="module")
def pool():
    context = forking("tmfcore", "sweep_cases")
    start_server()
    with ProcessPoolExecutor(2, mp_context=context) as made:
        yield made


@pytest.fixture(params=["processes", "threads"])
def executor(request, pool):
    if request.param == "processes":
        yield pool
    else:
        with ThreadPoolExecutor(3) as made:
            yield made


OWN = tmf.Game(2, 2, 6, 0.9, [0.5, 0.5], crowded, [[[1, 0], [0, 1]]] * 2)


@pytest.mark.parametrize(
    ("schedule", "options"),
    [
        (tmf.Batch(5), {"replicas": 40}),
        (tmf.Batch(5), {"replicas": 7, "engine": "agents", "record_every": 3}),
        (tmf.Sequential(), {"replicas": 33, "decisions": False, "start": "sampled"}),
        (tmf.Bernoulli(0.3), {"replicas": 3, "start": [[10, 10, 10, 20], [50, 0, 0, 0], [20, 20, 5, 5]]}),
        (tmf.Batch(5), {"replicas": 1, "trajectories": True}),
        (tmf.Bernoulli(0.3), {"replicas": 2, "engine": "agents", "threads": 2}),
        (tmf.Poisson(1.0, 1.0), {"replicas": 20, "times": 0.5}),
    ],
)
def test_simulate(executor, schedule, options):
    here = tmf.simulate(GAME, UNIFORM, schedule, 50, rng=3, **options)
    there = tmf.simulate(GAME, UNIFORM, schedule, 50, rng=3, executor=executor, **options)
    assert there.equals(here)


def test_simulate_goes_on_from_states_of_other_processes(pool):
    short = tmf.simulate(GAME.replace(horizon=2), UNIFORM, tmf.Batch(5), 50, replicas=5, rng=1, keep_state=True, executor=pool)
    rest = tmf.simulate(GAME, UNIFORM, tmf.Batch(5), 50, replicas=5, start=short)
    assert (rest.counts == tmf.simulate(GAME, UNIFORM, tmf.Batch(5), 50, replicas=5, rng=1).counts[:, short.horizon :]).all()


def test_simulate_of_python_functions_on_threads():
    with ThreadPoolExecutor(2) as executor:
        there = tmf.simulate(OWN, [[0.5, 0.5]] * 2, tmf.Fraction(0.5), 20, replicas=5, rng=1, executor=executor)
    assert there.equals(tmf.simulate(OWN, [[0.5, 0.5]] * 2, tmf.Fraction(0.5), 20, replicas=5, rng=1))


def test_progress_and_what_is_left_of_an_interrupt(pool):
    seen = []
    run = tmf.simulate(GAME, UNIFORM, tmf.Batch(5), 50, replicas=40, rng=3, executor=pool, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (40 * run.horizon, 40 * run.horizon) and len(seen) > 1

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        tmf.simulate(GAME, UNIFORM, tmf.Batch(5), 50, replicas=40, rng=3, executor=pool, progress=stop)
    partial = caught.value.partial
    assert 0 < partial.replicas < 40
    assert any((partial.counts[0] == run.counts[r]).all() for r in range(40))


def test_finite_exploitability(executor):
    policy = tmf.SoftmaxPolicy(np.arange(16.0).reshape(4, 4))
    for options in ({}, {"start": "sampled", "deviation": UNIFORM, "engine": "agents"}, {"altruism": 0.5}):
        here = tmf.finite_exploitability(GAME, policy, tmf.Fraction(0.2), 30, replicas=37, rng=2, **options)
        there = tmf.finite_exploitability(GAME, policy, tmf.Fraction(0.2), 30, replicas=37, rng=2, executor=executor, **options)
        assert there.equals(here)


def test_convergence(executor):
    schedules = {"B=N": tmf.Synchronous(), "p=0.3": tmf.Bernoulli(0.3)}
    here = tmf.analysis.convergence(GAME, UNIFORM, schedules, [10, 30, 100], replicas=21, rng=5)
    seen = []
    there = tmf.analysis.convergence(
        GAME, UNIFORM, schedules, [10, 30, 100], replicas=21, rng=5, executor=executor, progress=lambda done, total: seen.append((done, total))
    )  # fmt: skip
    assert there.equals(here)
    assert seen[-1][0] == seen[-1][1]


def test_an_interrupted_study_hands_over_whole_points(pool):
    def stop(done, total):
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        tmf.analysis.convergence(GAME, UNIFORM, tmf.Synchronous(), [10, 30, 100, 300], replicas=21, rng=5, executor=pool, progress=stop)
    whole = tmf.analysis.convergence(GAME, UNIFORM, tmf.Synchronous(), [10, 30, 100, 300], replicas=21, rng=5)
    found = caught.value.partial
    if found is not None:
        n = len(found.n_agents["B=N"])
        assert (found.errors["B=N"] == whole.errors["B=N"][:n]).all()


def test_the_limit_of_memory_travels(pool):
    with tmf.max_memory("1 MB"):
        study = tmf.sweep(many, {"replicas": [10, 10**5]}, executor=pool)
    assert study.errors[0] == "" and "max_memory is 1 MB" in study.errors[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"executor": 3}, r"executor is 3 \(int\)"),
        ({"threads": 0}, "threads is 0"),
        ({"checkpoint": "run.npz"}, "checkpoint is given with executor; must be None: cells of tmf.sweep with store= are kept"),
        ({"replicas": 0}, "replicas is 0"),
        ({"replicas": 2, "trajectories": True}, "replicas is 2; must be 1 with trajectories"),
        ({"n_agents": -1}, "n_agents is -1"),
        ({"start": [1, 2]}, "start"),
        ({"engine": "both"}, "engine is 'both'"),
    ],
)
def test_mistakes_are_named(pool, change, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"n_agents": 50, "executor": pool, "rng": 1} | change
    with pytest.raises((TypeError, ValueError), match=message):
        tmf.simulate(GAME, UNIFORM, tmf.Batch(5), **given)


CHAIN = tmf.NoiseChain([0.7, 0.3], [[0.9, 0.1], [0.2, 0.8]])


def noisy(noise, horizon=8):
    return tmf.Game(2, 2, horizon, 1.0, [0.5, 0.5], windy, drifting, noise=noise)


@pytest.mark.parametrize("noise", [CHAIN, weather], ids=["chain", "function"])
@pytest.mark.parametrize("options", [{}, {"start": "sampled", "engine": "agents"}, {"start": [[5, 15]] * 7, "record_every": 3, "decisions": False}])
def test_random_noise(executor, noise, options):
    call = dict(replicas=7, rng=1, **options)
    here = tmf.simulate(noisy(noise), [[0.5, 0.5]] * 2, tmf.Batch(5), 20, **call)
    there = tmf.simulate(noisy(noise), [[0.5, 0.5]] * 2, tmf.Batch(5), 20, executor=executor, **call)
    assert there.equals(here) and len(np.unique(here.noise, axis=0)) > 1


@pytest.mark.parametrize("engine", ["counts", "agents", "noise", "clocks"])
def test_a_run_that_goes_on(executor, engine):
    """From states that replicas of this process have left, to the bits of this process; and once more from there."""
    policy, who, n = [[0.5, 0.5]] * 2, tmf.Batch(5), 20
    if engine == "noise":
        games, options = [noisy(CHAIN, T) for T in (5, 8, 11)], {}
    elif engine == "clocks":
        games, policy, who, n = [GAME.replace(horizon=T) for T in (2, 4, 6)], UNIFORM, tmf.Poisson(1.0, 1.0), 50
        options = {}
    else:
        games, options = [OWN.replace(horizon=T) for T in (5, 8, 11)], {"engine": engine}
    first = tmf.simulate(games[0], policy, who, n, replicas=9, rng=3, **options)
    here = tmf.simulate(games[1], policy, who, n, replicas=9, start=first, **options)
    there = tmf.simulate(games[1], policy, who, n, replicas=9, start=first, executor=executor, **options)
    assert there.equals(here)
    again = tmf.simulate(games[2], policy, who, n, replicas=9, start=there, **options)
    assert again.equals(tmf.simulate(games[2], policy, who, n, replicas=9, start=here, **options))
    with pytest.raises(ValueError, match="replicas is 8; must be 9"):
        tmf.simulate(games[1], policy, who, n, replicas=8, start=first, executor=executor, **options)
    with pytest.raises(ValueError, match="rng is given; must be None if start is a Simulation"):
        tmf.simulate(games[1], policy, who, n, replicas=9, start=first, rng=1, executor=executor, **options)


def test_states_that_are_too_large_are_not_kept(monkeypatch):
    """As without an executor, of which each job alone would keep its own."""
    from tmfcore._population import elsewhere

    monkeypatch.setattr(elsewhere, "MOST", 2000)
    with ThreadPoolExecutor(2) as made:
        run = tmf.simulate(GAME, UNIFORM, tmf.Batch(5), 50, replicas=20, rng=1, executor=made)
        kept = tmf.simulate(GAME, UNIFORM, tmf.Batch(5), 50, replicas=20, rng=1, executor=made, keep_state=True)
    assert run.ends is None and kept.ends is not None


# ------------------------------------------------------------------------------------------------------------ solvers


@pytest.mark.parametrize(
    "settings",
    [
        {}, {"critic": "empirical", "replicas": 3}, {"critic": "returns", "replicas": 2}, {"population_aware": True, "inner_updates": 2},
        {"critic": "empirical", "inner_updates": 3, "entropy": 0.01}, {"evaluate_every": 2, "gradient": "plain", "entropy": 0.01},
    ],
)  # fmt: skip
def test_tmfpg(executor, settings):
    solver = tmf.solvers.TMFPG(iterations=4, tolerance=None, **settings)
    here = solver.solve(GAME, tmf.Fraction(0.2), 40, rng=4)
    there = solver.solve(GAME, tmf.Fraction(0.2), 40, rng=4, executor=executor)
    assert there.policy == here.policy
    for name, values in here.history.items():
        if name != "seconds":
            np.testing.assert_array_equal(there.history[name], values)


def test_tmfpg_in_the_limit_and_from_a_checkpoint(pool, tmp_path):
    solver = tmf.solvers.TMFPG(iterations=4, tolerance=None)
    assert solver.solve(GAME, tmf.Fraction(0.2), executor=pool).policy == solver.solve(GAME, tmf.Fraction(0.2)).policy

    def stop(now):
        if now.iteration == 2:
            raise KeyboardInterrupt

    solver = tmf.solvers.TMFPG(iterations=5, tolerance=None, critic="empirical", replicas=2)
    kept = tmf.Checkpoint(tmp_path / "kept.npz", every=0)
    with pytest.raises(KeyboardInterrupt):
        solver.solve(GAME, tmf.Fraction(0.2), 40, rng=4, callback=stop, checkpoint=kept, executor=pool)
    onward = solver.solve(GAME, tmf.Fraction(0.2), 40, rng=4, checkpoint=kept)  # with another executor: none
    assert onward.policy == solver.solve(GAME, tmf.Fraction(0.2), 40, rng=4).policy


def test_exact_solvers_take_no_executor(pool):
    with pytest.raises(ValueError, match="executor is given; must be None, since MirrorDescent plays no populations"):
        tmf.solvers.MirrorDescent().solve(GAME, tmf.Fraction(0.2), executor=pool)
    with pytest.raises(ValueError, match=r"threads is 2 \(int\) with executor"):
        tmf.solvers.TMFPG().solve(GAME, tmf.Fraction(0.2), 40, executor=pool, threads=2)


def test_tune(pool):
    pytest.importorskip("optuna", reason="extra `tune`")
    games = [tmf.games.left_right(horizon=3), tmf.games.queueing(horizon=2)]
    solver = tmf.solvers.MirrorDescent(iterations=20)
    here = tmf.tune(games, tmf.Fraction(0.5), solver=solver, trials=4, rng=2)
    there = tmf.tune(games, tmf.Fraction(0.5), solver=solver, trials=4, rng=2, executor=pool)
    assert there.solver == here.solver and there.value == here.value and there.errors == here.errors
    for name in set(here.trials) - {"seconds"}:
        np.testing.assert_array_equal(there.trials[name], here.trials[name])
    assert [one.policy for one in there.solutions] == [one.policy for one in here.solutions]
    for one, other in zip(there.solutions, here.solutions):
        assert one.fingerprint == other.fingerprint


SEARCHES = {
    "random": {"sampler": "RandomSampler", "metric": "exploitability", "trials": 8},
    "default": {"metric": "exploitability", "trials": 14},
    "iterations": {"trials": 8},
    "iterations, random": {"trials": 8, "sampler": "RandomSampler"},
    "own metric": {"metric": lambda found: found[0].history["exploitability"][-1], "trials": 6},
    "failures": {"trials": 8, "metric": "exploitability", "space": {"learning_rate": (1e-3, 1e300, "log")}},
    "several games": {"trials": 6, "metric": "exploitability", "n_games": 2},
}


@pytest.mark.parametrize("name", SEARCHES)
def test_trials_are_solved_side_by_side(name, monkeypatch):
    """On four threads: to the Tuning of trials that follow each other, in fewer rounds where the sampler does not learn."""
    optuna = pytest.importorskip("optuna", reason="extra `tune`")
    from tmfcore.solvers import _search

    rounds, real = [], _search.outcomes

    def counted(executor, function, jobs):
        rounds.append(len(jobs))
        return real(executor, function, jobs)

    monkeypatch.setattr(_search, "outcomes", counted)
    options = dict(SEARCHES[name])
    games = [tmf.games.left_right(horizon=3), tmf.games.queueing(horizon=2)][: options.pop("n_games", 1)]

    def call(executor):
        sampler = getattr(optuna.samplers, options["sampler"])(seed=3) if "sampler" in options else None
        solver = tmf.solvers.MirrorDescent(iterations=8, tolerance=1e-3)
        return tmf.tune(games, tmf.Fraction(0.5), solver=solver, rng=2, executor=executor, **options | {"sampler": sampler})

    here = call(None)
    with ThreadPoolExecutor(4) as made:
        there = call(made)
    assert there.solver == here.solver and there.value == here.value and there.errors == here.errors
    for column in set(here.trials) - {"seconds"}:
        np.testing.assert_array_equal(there.trials[column], here.trials[column])
    assert [one.policy for one in there.solutions] == [one.policy for one in here.solutions]
    drawn = [[(trial.params, trial.value) for trial in each.study.trials] for each in (there, here)]
    assert drawn[0] == drawn[1]
    assert (there.trials["seconds"] > 0).all()
    n = options["trials"] + 1
    if name == "random":
        assert rounds == [4, 4, 1]
    elif name in ("own metric", "several games"):
        assert len(rounds) <= -(-n // 2) and max(rounds) == 4
    elif name == "default":
        assert rounds[:2] == [4, 4] and len(rounds) < n and max(rounds[-3:]) == 1  # it learns, and is not guessed any more


def test_trials_that_are_timed_follow_each_other(monkeypatch):
    pytest.importorskip("optuna", reason="extra `tune`")
    from tmfcore.solvers import _search

    rounds, real = [], _search.outcomes
    monkeypatch.setattr(_search, "outcomes", lambda executor, function, jobs: rounds.append(len(jobs)) or real(executor, function, jobs))
    with ThreadPoolExecutor(4) as made:
        tmf.tune(tmf.games.left_right(horizon=3), tmf.Fraction(0.5), solver=tmf.solvers.MirrorDescent(iterations=5), metric="seconds", trials=3, rng=2, executor=made)
    assert rounds == [1] * 4
