"""Memory is asked for before it is taken: estimates beside what is measured, errors before work, limits."""

import os
import subprocess
import sys
import tracemalloc
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore._base import needs
from tmfcore._model.noise_tree import NoiseTree

RNG = np.random.default_rng(0)


def dense(S, A, T):
    return tmf.Game(S, A, T, 1.0, np.full(S, 1 / S), RNG.random((S, A)), RNG.dirichlet(np.ones(S), (S, A)))


def uniform(S, A):
    return np.full((S, A), 1 / A)


CHAIN = tmf.NoiseChain([0.5, 0.5], [[0.5, 0.5], [0.5, 0.5]])
BIG, WIDE, SHORT = dense(20, 4, 4000), dense(250, 3, 30), dense(30, 4, 3)
CLOCKED = tmf.Game(
    20, 4, 40.0, 1.0, np.full(20, 0.05), RNG.random((20, 4)), RNG.dirichlet(np.ones(20), (20, 4)), time="sweeps"
)  # fmt: skip
NOISY = tmf.Game(
    40, 2, 200, 1.0, np.full(40, 1 / 40), lambda mu, t, z: np.full((40, 2), z), RNG.dirichlet(np.ones(40), (40, 2)),
    noise=CHAIN,
)  # fmt: skip
ROWS = np.array([[[1, 0], [0, 1]]] * 2)
TREE = tmf.Game(2, 2, 14, 1.0, [1, 0], np.zeros((2, 2)), ROWS, noise=CHAIN)
FLOW = tmf.mean_field(BIG, uniform(20, 4), tmf.Synchronous())
ALL, TENTH = tmf.Synchronous(), tmf.Fraction(0.1)

LONG = tmf.games.resource_selection(tuple(np.linspace(1, 0.3, 10)), congestion=1.0, horizon=1500, step=1).at()
SOLVERS = [
    tmf.solvers.MirrorDescent(iterations=16, tolerance=None),
    tmf.solvers.MirrorDescent(iterations=16, tolerance=None, momentum=0.5),
    tmf.solvers.MirrorDescent(iterations=3, tolerance=None, learning_rate=0.01),
    tmf.solvers.FictitiousPlay(iterations=3, tolerance=None),
    tmf.solvers.FixedPoint(iterations=3, tolerance=None),
    tmf.solvers.PriorDescent(iterations=16, tolerance=None),
    tmf.solvers.PriorDescent(iterations=3, tolerance=None, temperature=0.5),
    tmf.solvers.Homotopy(iterations=2, tolerance=None, krylov=10),
    tmf.solvers.TMFPG(iterations=3, tolerance=None, stages=20),
    tmf.solvers.TMFPG(iterations=3, tolerance=None, stages=1500),
    tmf.solvers.TMFPG(iterations=3, tolerance=None, stages=20, critic="empirical"),
    tmf.solvers.TMFPG(iterations=3, tolerance=None, stages=20, critic="returns"),
]

LOGS = tmf.simulate(dense(20, 3, 40), uniform(20, 3), TENTH, 5000, rng=1, trajectories=True).trajectories
COUNTED = tmf.simulate(dense(10, 3, 100), uniform(10, 3), TENTH, 1000, rng=1, replicas=100)


def affine(S, A, T):
    rewards, rows = RNG.random((S, A, S)), RNG.dirichlet(np.ones(S), (S, A, S)).swapaxes(2, 3)
    return tmf.games.affine(
        RNG.random((S, A)), reward_mu=rewards, transition0=np.zeros((S, A, S)), transition_mu=rows, horizon=T,
        discount=1.0, initial=np.full(S, 1 / S),
    )  # fmt: skip


def bent(S, A, T):
    """Rewards and rows that are functions of mu, and not affine."""
    rows, other = RNG.dirichlet(np.ones(S), (2, S, A))

    def transition(mu, t):
        weight = np.tanh(3 * mu[0] + mu[1])
        return weight * rows + (1 - weight) * other

    def reward(mu, t):
        return np.tanh(5 * mu)[:, None] * np.ones(A)

    return tmf.Game(S, A, T, 1.0, np.full(S, 1 / S), reward, transition)


def streets(n, n_trips):
    """A grid of n by n crossings, and trips between random ones."""
    steps, rng, trips = ((0, 1), (1, 0), (0, -1), (-1, 0)), np.random.default_rng(1), {}
    edges = [
        (f"{i},{j}", f"{i + x},{j + y}")
        for i in range(n) for j in range(n) for x, y in steps if 0 <= i + x < n and 0 <= j + y < n
    ]  # fmt: skip
    while len(trips) < n_trips:
        ends = tuple(f"{i},{j}" for i, j in rng.integers(n, size=(2, 2)))
        if ends[0] != ends[1]:
            trips[ends] = (*ends, 0.5 + rng.random())
    times = 1 + rng.random(len(edges))
    return tmf.games.RoadNetwork(edges, times, n_trips / n, 0.15, 4.0, trips=list(trips.values()))


WET = tmf.Game(
    200, 2, 2, 1.0, np.full(200, 1 / 200), lambda mu, t, z: np.full((200, 2), z) - mu[:, None],
    RNG.dirichlet(np.ones(200), (200, 2)), noise=CHAIN,
)  # fmt: skip
BRIEF = tmf.Game(
    3, 2, 4, 1.0, np.full(3, 1 / 3), lambda mu, t, z: np.full((3, 2), z), RNG.dirichlet(np.ones(3), (3, 2)), noise=CHAIN,
)  # fmt: skip
RAINY = tmf.Game(
    10, 2, 30, 1.0, np.full(10, 0.1), lambda mu, t, z: np.full((10, 2), z) - mu[:, None],
    RNG.dirichlet(np.ones(10), (10, 2)), noise=CHAIN,
)  # fmt: skip
WINDY = RAINY.replace(transition=lambda mu, t, z: RAINY.transition)
ON_PATHS = {"iterations": 1, "tolerance": None, "paths": 100, "rng": 1}

#: Calls that need 3 to 100 MB, each in few ways.
CALLS = {
    "simulate": (tmf.simulate, BIG, uniform(20, 4), tmf.Batch(100), 1000, {"rng": 1, "engine": "counts"}),
    "replicas": (tmf.simulate, SHORT, uniform(30, 4), ALL, 100, {"rng": 1, "replicas": 5000}),
    "no decisions": (tmf.simulate, BIG, uniform(20, 4), ALL, 50, {"rng": 1, "replicas": 5, "decisions": False}),
    "trajectories": (tmf.simulate, dense(30, 4, 30), uniform(30, 4), ALL, 50_000, {"rng": 1, "trajectories": True}),
    "agents": (tmf.simulate, SHORT, uniform(30, 4), ALL, 2 * 10**7, {"rng": 1, "engine": "agents", "threads": 1}),
    "clocks": (tmf.simulate, CLOCKED, uniform(20, 4), tmf.Poisson(), 100, {"rng": 1, "times": 0.01}),
    "events": (tmf.simulate, CLOCKED, uniform(20, 4), tmf.Poisson(), 100, {"rng": 1, "times": "events"}),
    "stages of clocks": (
        tmf.simulate, CLOCKED, np.full((8, 20, 4), 0.25), tmf.Poisson(), 1000,
        {"rng": 1, "times": 0.1, "replicas": 64, "threads": 1},
    ),
    "replicas of clocks": (
        tmf.simulate, CLOCKED, uniform(20, 4), tmf.Poisson(), 1, {"rng": 1, "times": 40.0, "replicas": 4000}
    ),
    "mean_field": (tmf.mean_field, dense(100, 2, 20_000), uniform(100, 2), ALL, {}),
    "evaluate": (tmf.evaluate, BIG, uniform(20, 4), TENTH, {}),
    "best_response": (tmf.best_response, BIG, FLOW, ALL, {}),
    "exploitability": (tmf.exploitability, dense(100, 2, 20_000), uniform(100, 2), ALL, {}),
    "Population": (tmf.Population, SHORT, ALL, 2 * 10**7, {"engine": "agents", "rng": 1}),
    "finite_exploitability": (
        tmf.finite_exploitability, dense(20, 2, 500), uniform(20, 2), ALL, 100, {"replicas": 50, "rng": 1}
    ),
    "flows on paths": (tmf.mean_field, NOISY, uniform(40, 2), ALL, {"paths": 50, "rng": 1}),
    "values on paths": (tmf.evaluate, NOISY, uniform(40, 2), ALL, {"paths": 50, "rng": 1}),
    "gains on paths": (tmf.exploitability, NOISY, uniform(40, 2), ALL, {"paths": 50, "rng": 1}),
    "replicas on paths": (tmf.simulate, NOISY, uniform(40, 2), ALL, 100, {"replicas": 30, "rng": 1}),
    "NoiseTree": (NoiseTree, TREE, {}),
    "fluctuations": (tmf.analysis.fluctuations, dense(100, 3, 100), uniform(100, 3), ALL, 100, {}),
    "convergence": (
        tmf.analysis.convergence, dense(100, 3, 100), uniform(100, 3), ALL, [100, 1000], {"replicas": 100, "rng": 1}
    ),
    "bound": (
        tmf.analysis.bound, dense(80, 3, 200), uniform(80, 3), ALL, 100, {"replicas": 20, "rng": 1, "trials": 3}
    ),
    "solve": (partial(tmf.solve, LONG, ALL, solver="MirrorDescent", iterations=16, tolerance=None), {}),
    **{
        f"{type(solver).__name__} {i}": (solver.solve, LONG, ALL, 50, {"rng": 1})
        for i, solver in enumerate(SOLVERS)
    },
    "solve on paths": (tmf.solve, RAINY, ALL, {"solver": "FictitiousPlay", **ON_PATHS}),
    "solve on paths, wide": (tmf.solve, WET, ALL, {"solver": "FictitiousPlay", **ON_PATHS | {"paths": 20}}),
    "gains on paths, wide": (tmf.exploitability, WET, uniform(200, 2), ALL, {"paths": 50, "rng": 1}),
    "flows on many paths": (tmf.mean_field, BRIEF, uniform(3, 2), ALL, {"paths": 800, "rng": 1}),
    "gains on many paths": (tmf.exploitability, BRIEF, uniform(3, 2), ALL, {"paths": 800, "rng": 1}),
    "replicas on many paths": (tmf.simulate, BRIEF, uniform(3, 2), ALL, 10, {"replicas": 500, "rng": 1}),
    "solve on paths, rows": (tmf.solve, WINDY, ALL, {"solver": "MirrorDescent", **ON_PATHS}),
    "solve, long memory": (tmf.solve, RAINY, ALL, {"solver": "MirrorDescent", "memory": 9, **ON_PATHS | {"paths": 20}}),
    "gains on paths, rows": (tmf.exploitability, WINDY, uniform(10, 2), ALL, {"paths": 100, "rng": 1}),
    "tune": (
        tmf.tune, LONG, ALL,
        {"solver": SOLVERS[1], "space": {"momentum": (0.1, 0.9)}, "trials": 1, "metric": "exploitability", "rng": 1},
    ),
    "fit": (tmf.learn.fit, LOGS, {"n_observations": 20, "n_actions": 3, "discount": 1.0}),
    "fit, affine": (tmf.learn.fit, LOGS, {"n_observations": 20, "n_actions": 3, "discount": 1.0, "kind": "affine"}),
    "fit, counts": (tmf.learn.fit, COUNTED, {}),
    "lipschitz, affine": (tmf.analysis.lipschitz, affine(40, 4, 10), uniform(40, 4), ALL, {}),
    "lipschitz, corners": (tmf.analysis.lipschitz, bent(60, 3, 2), uniform(60, 3), ALL, {"trials": 130, "rng": 1}),
    "lipschitz, lines": (tmf.analysis.lipschitz, bent(120, 2, 2), uniform(120, 2), ALL, {"trials": 60, "rng": 1}),
    "monotonicity, form": (tmf.analysis.monotonicity, affine(150, 1, 5), ALL, {"rng": 1}),
    "monotonicity, form and flows": (tmf.analysis.monotonicity, affine(30, 4, 100), ALL, {"trials": 4, "rng": 1}),
    "monotonicity, flows": (tmf.analysis.monotonicity, bent(20, 3, 200), ALL, {"trials": 40, "rng": 1}),
    "user_equilibrium": (tmf.games.user_equilibrium, streets(30, 4000), {"tolerance": 1e-4}),
    "check_game": (tmf.testing.check_game, bent(60, 3, 20), {"rng": 1}),
    "sample": (CHAIN.sample, 1000, {"paths": 1000, "rng": 1}),
    "paths": (CHAIN.paths, 16, {}),
    "TabularPolicy": (tmf.TabularPolicy.uniform, BIG, 4000, {}),
    "SoftmaxPolicy": (tmf.SoftmaxPolicy.uniform, BIG, 4000, {}),
    "histograms": (tmf.SampledPolicy.histograms, 40, 5, {}),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::tmfcore.ConvergenceWarning")
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.broad(24)
def test_estimates_are_what_calls_take(name):
    """Arrays of numpy are seen by tracemalloc; small things, and tables that a call has no use for, are the rest."""
    function, *arguments, options = CALLS[name]
    found = tmf.estimate(function, *arguments, **options)
    if isinstance(function, partial):  # the first Solution needs modules that are loaded at first use
        function(*arguments, **options)
    tracemalloc.start()
    try:
        result = function(*arguments, **options)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    del result
    assert 2e6 < found.bytes
    assert peak / 1.4 < found.bytes < peak * 2.2, f"{found}\npeak {peak / 1e6:.4g} MB"


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs /proc")
def test_memory_that_numpy_does_not_know():
    """The populations of the counts engine, by the peak of a process."""
    program = """
import numpy as np
import tmfcore as tmf
game = tmf.Game(30, 4, 3, 1.0, np.full(30, 1 / 30), np.zeros((30, 4)), np.random.default_rng(0).dirichlet(np.ones(30), (30, 4)))
call = lambda function: function(tmf.Population, game, tmf.Synchronous(), 1000, replicas=20_000, engine="counts", rng=1)
def now(key):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key)) * 1024
call(lambda kind, *a, **k: kind(*a, **k | {"replicas": 1}))
before = now("VmRSS")
open("/proc/self/clear_refs", "w").write("5")
kept = call(lambda kind, *a, **k: kind(*a, **k))
kept.step(np.full((30, 4), 0.25))
print(call(tmf.estimate).bytes / (now("VmHWM") - before))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert 1 / 1.4 < float(done.stdout) < 2.2


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_does_not_fit_ends_before_it_starts(name):
    """Nothing of the game is asked after the arguments were checked, and next to nothing is allocated."""
    function, *arguments, options = CALLS[name]
    found = tmf.estimate(function, *arguments, **options)
    tracemalloc.start()
    try:
        with tmf.max_memory(found.bytes - 1), pytest.raises(MemoryError) as caught:
            function(*arguments, **options)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.1 * found.bytes + 1e6
    text = str(caught.value)
    assert f"() needs {needs.size(found.bytes)} of memory, max_memory is " in text
    assert f": {found.needs[0].name} " in text and "; " in text
    with tmf.max_memory(found.bytes):
        if name in ("simulate", "mean_field"):
            function(*arguments, **options)


def test_functions_of_the_game_are_not_called():
    calls = []

    def reward(mu, t):
        calls.append(t)
        return np.zeros((2, 2))

    game = tmf.Game(2, 2, 10**6, 1.0, [1, 0], reward, ROWS)
    before = len(calls)
    with tmf.max_memory("1 MB"):
        for verb in (tmf.mean_field, tmf.evaluate, tmf.exploitability):
            with pytest.raises(MemoryError, match=r"needs .* MB of memory"):
                verb(game, uniform(2, 2), ALL)
        with pytest.raises(MemoryError):
            tmf.simulate(game, uniform(2, 2), ALL, 10)
    assert tmf.estimate(tmf.simulate, game, uniform(2, 2), ALL, 10).needs[0].shape == (1, 10**6, 2, 2)
    assert len(calls) == before


def test_solvers_in_turns_ask_for_all_of_them():
    need = tmf.estimate(tmf.solve, LONG, ALL)
    assert {"9 tables of the solver (MirrorDescent)", "4 tables of the solver (FictitiousPlay)"} <= {n.name for n in need.needs}
    with tmf.max_memory(need.bytes - 1), pytest.raises(MemoryError, match=r"^solve\(\) needs .* MB of memory"):
        tmf.solve(LONG, ALL)
    mirror = tmf.estimate(tmf.solvers.MirrorDescent().solve, LONG, ALL)
    assert mirror.bytes < need.bytes


def test_a_solution_shares_its_arrays_with_nothing_that_changes():
    """The last Solution takes the arrays of the rule; those that a callback sees are copies."""
    seen = []

    def look(now):
        if now.iteration == 14:
            seen.append(now.solution())
            seen.append({name: array.copy() for name, array in seen[0].state.items()})
            seen.append(seen[0].policy.table.copy())

    solver = tmf.solvers.MirrorDescent(iterations=20, tolerance=None)
    found = solver.solve(LONG, ALL, callback=look)
    before, state, table = seen
    assert all((before.state[name] == array).all() for name, array in state.items())
    assert (before.policy.table == table).all() and not found.policy.table.flags.writeable
    assert not any(array.flags.writeable for array in found.state.values())
    onward = tmf.solvers.MirrorDescent(iterations=6, tolerance=None).solve(LONG, ALL, initial=before)
    assert onward.policy == found.policy and all((onward.state[k] == v).all() for k, v in found.state.items())


def test_words_name_the_largest_and_what_shrinks_them():
    with tmf.max_memory("3 MB"), pytest.raises(MemoryError) as caught:
        tmf.simulate(BIG, uniform(20, 4), ALL, 100, rng=1)
    assert str(caught.value) == (
        "simulate() needs 3.25 MB of memory, max_memory is 3 MB: decisions 2.56 MB, counts 640 kB, rewards 32 kB; "
        "record_every must be larger, decisions False, or game must have fewer steps (horizon), observations or actions"
    )
    with tmf.max_memory(10), pytest.raises(MemoryError, match=r"; replicas must be fewer, or game must have fewer"):
        tmf.simulate(BIG, uniform(20, 4), ALL, 100, replicas=2, record_every=4000, decisions=False)
    with tmf.max_memory(10), pytest.raises(MemoryError, match=r"; engine must be 'counts', record_every larger, dec"):
        tmf.simulate(BIG, uniform(20, 4), ALL, 10**8, engine="agents")
    with tmf.max_memory(10), pytest.raises(
        MemoryError, match=r"; times must be fewer, decisions False, replicas fewer, or game must have fewer"
    ):
        tmf.simulate(CLOCKED, uniform(20, 4), tmf.Poisson(), 10, replicas=2)
    with tmf.max_memory(10), pytest.raises(MemoryError, match=r"; times must be a number, not 'events', decisions False, or"):
        tmf.simulate(CLOCKED, uniform(20, 4), tmf.Poisson(), 10, times="events")
    with tmf.max_memory(10), pytest.raises(MemoryError, match=r"^convergence\(\) needs .*; replicas must be fewer"):
        tmf.analysis.convergence(BIG, uniform(20, 4), ALL, [10, 100])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fit", r"^fit\(\) needs .*: logs .* MB.*; data must have fewer agents, steps or replicas, or n_observations"),
        ("user_equilibrium", r"^user_equilibrium\(\) needs .*: links of all paths .*; network must have fewer trips or links$"),
        ("lipschitz, lines", r"^lipschitz\(\) needs .*: tables at the populations compared .*; trials must be fewer, or game"),
        ("monotonicity, flows", r"^monotonicity\(\) needs .*: policies and rewards of 20 flows .*; trials must be fewer, or game"),
        ("solve on paths", r"^solve\(\) needs .*: flows and values on 356 paths .*; paths must be fewer, memory smaller, or game"),
        ("gains on paths, rows", r"^exploitability\(\) needs .*: rows on 100 paths .*; paths must be fewer, or game"),
        ("sample", r"^sample\(\) needs .*; paths or n_steps must be smaller$"),
        ("paths", r"^paths\(\) needs .*: states .*; n_steps must be smaller$"),
        ("tune", r"^tune\(\) needs .*; game must have fewer"),
    ],
)
def test_words_of_each_verb_name_what_shrinks_it(name, words):
    function, *arguments, options = CALLS[name]
    most = tmf.estimate(function, *arguments, **options).bytes - 1
    with tmf.max_memory(most), pytest.raises(MemoryError, match=words):
        function(*arguments, **options)




#: Functions that take a game and do not ask, and why.
SMALL = {
    "tmfcore.games.by_half_step": "as large as its argument", "tmfcore.games.by_type": "as large as its argument",
    "tmfcore.Population.load": "as large as its file", "tmfcore.TabularPolicy.plot": "a picture",
    "tmfcore.SoftmaxPolicy.plot": "a picture", "tmfcore.LinearSoftmax.plot": "a picture",
    "tmfcore.analysis.Tolls.charge": "as large as the prices", "tmfcore.learn.Episodes.estimated": "as large as its rows",
}  # fmt: skip


def test_every_verb_of_a_game_asks():
    from inputs.doors import doors

    silent = set()
    for name, door in doors().items():
        record = isinstance(door.function, type)  # holds what it is given
        if "game" in door.parameters and not (record or getattr(door.function, "asks_for_memory", False)):
            silent.add(name)
    assert silent == set(SMALL)


def test_what_is_free_is_the_limit_without_one(monkeypatch):
    monkeypatch.setattr(needs, "free", lambda: 70_000_000)
    game = dense(20, 4, 100_000)
    with pytest.raises(MemoryError, match=r"^simulate\(\) needs 80.8 MB of memory, 70 MB are free: decisions 64 MB"):
        tmf.simulate(game, uniform(20, 4), ALL, 100)
    assert tmf.estimate(tmf.simulate, game, uniform(20, 4), ALL, 100).free == 70_000_000
    with tmf.max_memory(float("inf")):
        assert tmf.simulate(game, uniform(20, 4), ALL, 100, rng=1).decisions.shape == (1, 100_000, 20, 4)
    monkeypatch.setattr(needs, "free", lambda: 0)  # small calls never look
    tmf.simulate(SHORT, uniform(30, 4), ALL, 100)
    monkeypatch.setattr(needs, "free", lambda: None)
    assert tmf.estimate(tmf.simulate, game, uniform(20, 4), ALL, 100).fits


def test_limits_nest_and_hold_in_threads_of_the_package():
    with tmf.max_memory("1 kB"):
        with tmf.max_memory("1 GB"):
            tmf.simulate(SHORT, uniform(30, 4), ALL, 100)
        with pytest.raises(MemoryError, match="max_memory is 1 kB"):
            tmf.simulate(SHORT, uniform(30, 4), ALL, 100)
        found = tmf.estimate(tmf.simulate, SHORT, uniform(30, 4), ALL, 100)
        assert found.free == 1000 and not found.fits
    tmf.simulate(SHORT, uniform(30, 4), ALL, 100)
    small = tmf.max_memory(1000)
    with small, small, pytest.raises(MemoryError):  # used again
        tmf.mean_field(SHORT, uniform(30, 4), ALL)


@pytest.mark.parametrize(
    ("text", "value"), [("4 GB", 4e9), ("500MiB", 500 * 2**20), (" 1.5 kb ", 1500), (7, 7), (2.5e9, 2.5e9)]
)
def test_units(text, value):
    assert tmf.max_memory(text).limit == value


@pytest.mark.parametrize("bad", ["4", "GB", "4 XB", "-1 GB", "0 GB", "", "1e400 GB", ". GB", "nan GB"])
def test_bad_units(bad):
    with pytest.raises(ValueError, match=r"limit is .*; must be a number > 0 with a unit"):
        tmf.max_memory(bad)


@pytest.mark.parametrize("bad", [0, -1, float("nan"), True, None, [1]])
def test_bad_limits(bad):
    with pytest.raises((TypeError, ValueError), match=r"^limit is"):
        tmf.max_memory(bad)


@pytest.mark.parametrize("bad", [print, 3, tmf.Game, tmf.games.left_right, np.zeros, "simulate"])
def test_only_functions_that_ask_can_be_estimated(bad):
    with pytest.raises(TypeError, match=r"^function is .*must be one of the package whose memory grows"):
        tmf.estimate(bad)


def test_arguments_are_checked_as_in_the_call():
    with pytest.raises(ValueError, match="n_agents is 0"):
        tmf.estimate(tmf.simulate, SHORT, uniform(30, 4), ALL, 0)
    with pytest.raises(TypeError, match="missing"):
        tmf.estimate(tmf.simulate)


def test_an_estimate_prints_a_table():
    found = tmf.estimate(tmf.simulate, BIG, uniform(20, 4), ALL, 100, replicas=10)
    lines = str(found).splitlines()
    assert lines[0].split() == ["decisions", "(10,", "4000,", "20,", "4)", "25.6", "MB"]
    assert lines[-1] == repr(found) and "about" in repr(found) and found.bytes == sum(n.bytes for n in found.needs)
    assert [n.bytes for n in found.needs] == sorted((n.bytes for n in found.needs), reverse=True)
    seconds = found.seconds
    assert tmf.estimate(tmf.simulate, BIG, uniform(20, 4), ALL, 100, replicas=20).seconds == pytest.approx(2 * seconds)
