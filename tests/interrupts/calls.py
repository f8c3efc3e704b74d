"""Calls that take many seconds: every verb, solver and analysis, for Ctrl-C to end.

Each function makes what a call needs, and returns the call; `threads` is passed on where there is such an argument.
"""

import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import tmfcore as tmf

CALLS = {}
THREADED = set()  # names of calls that take `threads`


def call(name):
    """Register a call; the function takes `threads` or nothing."""

    def register(make):
        CALLS[name] = make
        if make.__code__.co_argcount:
            THREADED.add(name)
        return make

    return register


def resources(n_places=8, horizon=20.0, step=None, **options):
    """A game whose kernels do not depend on mu."""
    return tmf.games.resource_selection(np.linspace(1, 0.5, n_places), congestion=1.0, horizon=horizon, step=step, **options)


def dense(n_observations, n_actions, horizon, seed=1):
    """A game of arrays without structure."""
    rng = np.random.default_rng(seed)
    rows = rng.random((n_observations, n_actions, n_observations))
    rows /= rows.sum(axis=-1, keepdims=True)
    initial = np.full(n_observations, 1 / n_observations)
    return tmf.Game(n_observations, n_actions, horizon, 0.99, initial, rng.random((n_observations, n_actions)), rows)


def of_functions(horizon, n_observations=20):
    """A game of Python functions."""

    def reward(mu, t):
        return np.repeat(-mu[:, None], 2, axis=1)

    def transition(mu, t):
        rows = np.empty((n_observations, 2, n_observations))
        rows[:, 0] = 0.5 * np.eye(n_observations) + 0.5 * mu
        rows[:, 1] = 1 / n_observations
        return rows

    initial = np.full(n_observations, 1 / n_observations)
    return tmf.Game(n_observations, 2, horizon, 0.99, initial, reward, transition)


def uniform(game):
    return tmf.TabularPolicy.uniform(game)


def simulated(make, schedule, n_agents, **options):
    """A call of simulate; `make` makes the game."""

    def build(threads):
        game = make()
        policy = uniform(game)
        return lambda: tmf.simulate(game, policy, schedule, n_agents, rng=1, threads=threads, **options)

    return build


LONG = 2_000_000_000  # steps
FEW = {"record_every": LONG // 20, "decisions": False}


def steps(horizon=LONG, **options):
    return lambda: resources(horizon=horizon, step=1.0, **options)


call("simulate, 10^8 agents one by one, all act")(
    simulated(steps(1000), tmf.Synchronous(), 10**8, engine="agents", record_every=10)
)
call("simulate, 10^8 agents one by one, half of them act")(
    simulated(steps(1000), tmf.Batch(5 * 10**7), 10**8, engine="agents", record_every=10)
)
call("simulate, agents, batches of 10")(simulated(steps(), tmf.Batch(10), 1000, engine="agents", **FEW))
call("simulate, agents, sequential")(simulated(steps(), tmf.Sequential(), 10**6, engine="agents", **FEW))
call("simulate, counts, sequential")(simulated(steps(), tmf.Sequential(), 10**6, engine="counts", record_every=LONG // 20))
call("simulate, counts, batches of 100")(simulated(steps(10**8), tmf.Batch(100), 10**6, engine="counts", **FEW))
call("simulate, counts, all act")(simulated(steps(), tmf.Synchronous(), 10**6, engine="counts", **FEW))
call("simulate, 64 replicas side by side")(
    simulated(steps(), tmf.Sequential(), 1000, replicas=64, engine="counts", record_every=LONG // 20)
)
call("simulate, 10^6 short replicas")(
    simulated(lambda: resources(horizon=50, step=1.0), tmf.Synchronous(), 1000, replicas=10**6, decisions=False)
)
call("simulate, rare mutation")(
    simulated(
        lambda: tmf.games.pairwise_revision(mutation=1e-4, horizon=LONG, step=1.0), tmf.Sequential(), 100, **FEW
    )
)
call("simulate, trajectories")(
    simulated(steps(400), tmf.Synchronous(), 10**6, engine="agents", trajectories=True)
)
call("simulate, dense rows, S = 2,000")(simulated(lambda: dense(2000, 2, 10_000), tmf.Fraction(0.5), 10**6, engine="counts", **FEW))
call("simulate, Python functions")(
    simulated(lambda: of_functions(10**6), tmf.Synchronous(), 1000, replicas=8, record_every=1000)
)
call("simulate, Poisson clocks")(
    simulated(lambda: resources(horizon=5000.0), tmf.Poisson(), 4 * 10**5, replicas=2)
)
call("simulate, Poisson clocks, many replicas")(
    simulated(lambda: resources(horizon=100.0), tmf.Poisson(), 10**5, replicas=2000)
)
call("simulate, Poisson clocks, Python functions")(
    simulated(lambda: tmf.Game(3, 2, 1000.0, 0.99, [1, 0, 0], lambda mu: np.repeat(-mu[:, None], 2, axis=1), np.full((3, 2, 3), 1 / 3), time="sweeps"), tmf.Poisson(), 1000)
)


@call("simulate, a policy of Python")
def _(threads):
    game = resources(horizon=10**6, step=1.0)
    rows = np.full((8, 8), 1 / 8)
    return lambda: tmf.simulate(game, lambda mu, t: rows, tmf.Batch(10), 1000, replicas=8, rng=1, threads=threads, decisions=False)


@call("simulate, with progress")
def _(threads):
    game = steps()()
    return lambda: tmf.simulate(game, uniform(game), tmf.Sequential(), 1000, replicas=4, rng=1, threads=threads, progress=lambda done, total: None, **FEW)


@call("Population.step, counts")
def _():
    game = steps()()
    population = tmf.Population(game, tmf.Batch(100), 10**6, rng=1, engine="counts")
    return lambda: population.step(uniform(game), LONG // 2)


@call("Population.step, agents")
def _():
    game = steps(10**6)()
    population = tmf.Population(game, tmf.Synchronous(), 10**7, rng=1, engine="agents")
    return lambda: population.step(uniform(game), 10**5)


@call("mean_field, dense, S = 2,000")
def _():
    game = dense(2000, 3, 100_000)
    policy = tmf.TabularPolicy(np.random.default_rng(1).dirichlet(np.ones(3), (1000, 2000)))
    return lambda: tmf.mean_field(game, policy, tmf.Synchronous(), record_every=1000)


@call("mean_field, 10^9 steps")
def _():
    game = steps(10**9)()
    return lambda: tmf.mean_field(game, uniform(game), tmf.Synchronous(), record_every=10**8)


@call("mean_field, Python functions")
def _():
    game = of_functions(10**7)
    return lambda: tmf.mean_field(game, uniform(game), tmf.Synchronous(), record_every=10**5)


@call("mean_field, Poisson clocks")
def _():
    game = tmf.games.crowd_motion((40, 40), horizon=10_000.0)
    return lambda: [tmf.mean_field(game, uniform(game), tmf.Poisson()) and None for _ in range(100)]


def of_limit(name, verb):
    @call(f"{name}, dense, S = 1,000")
    def _():
        game = dense(1000, 5, 20_000)
        policy = uniform(game)
        return lambda: verb(game, policy, tmf.Fraction(0.5))

    @call(f"{name}, many steps")
    def _():
        game = resources(horizon=10**7, step=1.0)
        policy = uniform(game)
        return lambda: [verb(game, policy, tmf.Fraction(0.5)) for _ in range(10)]


of_limit("evaluate", tmf.evaluate)
of_limit("exploitability", tmf.exploitability)


@call("best_response, dense, S = 1,000")
def _():
    game = dense(1000, 5, 3000)
    flow = tmf.mean_field(game, uniform(game), tmf.Fraction(0.5))
    return lambda: [tmf.best_response(game, flow, tmf.Fraction(0.5)) for _ in range(100)]


@call("finite_exploitability")
def _(threads):
    game = dense(100, 4, 2000)
    return lambda: tmf.finite_exploitability(game, uniform(game), tmf.Fraction(0.1), 10_000, replicas=2000, rng=1, threads=threads)


def in_weather(horizon=3000):
    """A game with common noise."""

    def reward(mu, t, rain):
        return np.repeat(-(mu + np.array([0.0, rain]))[:, None], 2, axis=1)

    weather = tmf.NoiseChain([0.5, 0.5], [[0.9, 0.1], [0.1, 0.9]])
    return tmf.Game(2, 2, horizon, 1.0, [1, 0], reward, [[[1, 0], [0, 1]]] * 2, noise=weather)


def of_noise(name, verb, **options):
    @call(f"paths of noise, {name}")
    def _():
        game = in_weather()
        return lambda: verb(game, uniform(game), tmf.Synchronous(), paths=10_000, rng=1, **options)


of_noise("mean_field", tmf.mean_field)
of_noise("evaluate", tmf.evaluate)
of_noise("exploitability", tmf.exploitability)


@call("paths of noise, simulate")
def _(threads):
    game = in_weather(100_000)
    return lambda: tmf.simulate(game, uniform(game), tmf.Batch(10), 1000, replicas=100, rng=1, threads=threads, decisions=False, record_every=1000)


@call("paths of noise, all of a chain")
def _():
    game = in_weather(11)
    return lambda: [tmf.evaluate(game, uniform(game), tmf.Synchronous()) for _ in range(1000)]


@call("paths of noise, solve")
def _():
    game = in_weather(8)
    return lambda: [tmf.solve(game, tmf.Synchronous(), rng=1) and None for _ in range(1000)]


@call("solve")
def _(threads):
    game = tmf.games.crowd_motion((60, 60), horizon=400.0)
    return lambda: tmf.solve(game, tmf.Synchronous(), tolerance=1e-15, absolute_tolerance=None, iterations=10**6, threads=threads)


def solver(name, make, **options):
    @call(f"{name}")
    def _():
        game = make()
        chosen = getattr(tmf.solvers, name.partition(",")[0])(tolerance=1e-15, absolute_tolerance=None, iterations=10**6, **options)
        return lambda: [chosen.solve(game, tmf.Synchronous(), rng=1) and None for _ in range(1000)]


def motion():
    return tmf.games.crowd_motion((60, 60), horizon=400.0)


for _name in ("FictitiousPlay", "FixedPoint", "MirrorDescent", "PriorDescent", "MFOMO", "Homotopy"):
    solver(_name, motion)
    if _name != "FixedPoint":  # which ends after one pass
        solver(f"{_name}, dense, S = 1,000", lambda: dense(1000, 5, 200))
    solver(f"{_name}, Python functions", lambda: of_functions(2000))
solver("MirrorDescent, S A T = 10^8", lambda: tmf.games.crowd_motion((400, 400), horizon=120.0))
solver("Stationary", lambda: tmf.games.crowd_motion((60, 60), horizon=400.0, discount=0.9999))
solver("Stationary, dense, S = 1,000", lambda: dense(1000, 5, 200))


@call("StationaryTMFPG")
def _():
    game, chosen = resources(discount=0.999), tmf.solvers.StationaryTMFPG(tolerance=1e-15, iterations=10**6, sweeps=10.0)
    return lambda: chosen.solve(game, tmf.Sequential(), 100_000, rng=1)


def policy_gradient(name, n_agents=10_000, horizon=200.0, **options):
    @call(f"TMFPG, {name}")
    def _(threads):
        game = resources(horizon=horizon, discount=0.999)
        chosen = tmf.solvers.TMFPG(tolerance=1e-15, absolute_tolerance=None, iterations=10**6, **options)
        return lambda: chosen.solve(game, tmf.Sequential(), n_agents, rng=1, threads=threads)


policy_gradient("critic of the model")
policy_gradient("critic of samples", critic="empirical", replicas=64)
policy_gradient("critic of returns", n_agents=1000, horizon=20.0, critic="returns", replicas=8)


@call("tune")
def _():
    game = motion()
    return lambda: tmf.tune(game, tmf.Synchronous(), solver="MirrorDescent", trials=1000, rng=1)


@call("convergence")
def _(threads):
    game = resources(horizon=100.0)
    return lambda: tmf.analysis.convergence(game, uniform(game), tmf.Sequential(), [100, 1000, 10_000, 100_000, 10**6], replicas=1000, rng=1, threads=threads)


@call("fluctuations, S = 800")
def _():
    game = dense(800, 2, 1000)
    return lambda: tmf.analysis.fluctuations(game, uniform(game), tmf.Fraction(0.5), 1000, record_every=1000)


@call("fluctuations, rows that depend on mu")
def _():
    game = of_functions(10_000, 100)
    return lambda: tmf.analysis.fluctuations(game, uniform(game), tmf.Fraction(0.5), 1000, record_every=10_000)


@call("fluctuations, affine rows")
def _():
    rng = np.random.default_rng(1)
    game = tmf.games.garnet(300, n_actions=3, n_successors=10, coupling=0.5, horizon=10_000, step=1.0)
    policy = tmf.TabularPolicy(rng.dirichlet(np.ones(3), 300))
    return lambda: tmf.analysis.fluctuations(game, policy, tmf.Fraction(0.5), 1000, record_every=10_000)


@call("lipschitz")
def _():
    game = of_functions(2000, 100)
    return lambda: tmf.analysis.lipschitz(game, uniform(game), tmf.Fraction(0.5), trials=10**6, rng=1)


@call("lipschitz, dense, S = 1,000")
def _():
    game = dense(1000, 5, 20_000)
    return lambda: [tmf.analysis.lipschitz(game, uniform(game), tmf.Fraction(0.5), trials=10**4, rng=1) for _ in range(100)]


@call("monotonicity")
def _():
    game = of_functions(200, 300)
    return lambda: tmf.analysis.monotonicity(game, tmf.Fraction(0.5), trials=10**6, rng=1)


@call("bound")
def _(threads):
    game = of_functions(1000, 30)
    return lambda: tmf.analysis.bound(game, uniform(game), tmf.Fraction(0.5), 1000, replicas=1000, trials=10**5, rng=1, threads=threads)


@call("fit")
def _():
    game = dense(60, 3, 300)
    run = tmf.simulate(game, uniform(game), tmf.Fraction(0.5), 1000, replicas=20, rng=1)
    return lambda: [tmf.learn.fit(run) for _ in range(1000)]


@call("fit, individuals, affine in mu")
def _():
    game = dense(40, 3, 200)
    run = tmf.simulate(game, uniform(game), tmf.Fraction(0.5), 3000, trajectories=True, rng=1)
    return lambda: [tmf.learn.fit(run.trajectories, n_observations=40, n_actions=3, kind="affine", discount=0.99) for _ in range(1000)]


@call("bound, dense, S = 300")
def _(threads):
    game = dense(300, 3, 300)
    return lambda: [tmf.analysis.bound(game, uniform(game), tmf.Fraction(0.5), 1000, replicas=200, trials=1000, rng=1, threads=threads) for _ in range(100)]


@call("monotonicity, dense, S = 700")
def _():
    game = tmf.games.garnet(700, n_actions=2, n_successors=10, horizon=10, step=1.0, rng=1)
    return lambda: [tmf.analysis.monotonicity(game, tmf.Fraction(0.5), rng=1) for _ in range(100)]


@call("Game of arrays, S = 1,500")
def _():
    rows = np.full((1500, 5, 1500), 1 / 1500)
    initial, reward = np.full(1500, 1 / 1500), np.zeros((1500, 5))
    return lambda: [tmf.Game(1500, 5, 100, 0.99, initial, reward, rows) for _ in range(1000)]


@call("games.affine, S = 100")
def _():
    size = 100
    rows, slopes = np.full((size, 2, size), 1 / size), np.zeros((size, 2, size, size))
    slopes[:, 0], slopes[:, 1] = np.eye(size)[:, :, None] * 1e-3, 0.0
    slopes[:, 0] -= 1e-3 / size
    return lambda: [
        tmf.games.affine(
            np.zeros((size, 2)), reward_mu=None, transition0=rows, transition_mu=slopes, horizon=10, discount=0.9,
            initial=np.full(size, 1 / size),
        )
        for _ in range(1000)
    ]  # fmt: skip


@call("save, a simulation of 1 GB")
def _():
    run = large_run()

    def save():
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(100):
                run.save(Path(folder) / "run.npz")

    return save


@call("load, a simulation of 1 GB")
def _():
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "run.npz"
    large_run().save(path)
    return lambda: [(folder, tmf.load(path)) and None for _ in range(100)]


def large_run():
    game = resources(horizon=100_000, step=1.0)
    return tmf.simulate(game, uniform(game), tmf.Batch(5), 100, replicas=15, rng=1)


if find_spec("gymnasium") and find_spec("pettingzoo"):  # the extra envs

    @call("environment, ParallelEnv of 3,000 agents")
    def _():
        env = tmf.interop.pettingzoo.parallel_env(resources(horizon=10**6, step=1.0), tmf.Synchronous(), 3000)
        env.reset(seed=1)
        actions = dict.fromkeys(env.agents, 0)
        return lambda: [env.step(actions) and None for _ in range(10**6)]


@call("check_game")
def _():
    game = of_functions(1000, 10)
    return lambda: tmf.testing.check_game(game, trials=10**5, rng=1)


@call("user_equilibrium")
def _():
    rng, side = np.random.default_rng(1), 45
    edges = [(i * side + j, k * side + m) for i in range(side) for j in range(side) for k, m in ((i + 1, j), (i, j + 1), (i - 1, j), (i, j - 1)) if 0 <= k < side and 0 <= m < side]
    ends = {(int(a), int(b)) for a, b in rng.choice(side * side, (40_000, 2)) if a != b}
    trips = [(a, b, 10.0) for a, b in sorted(ends)]
    network = tmf.games.RoadNetwork(edges, rng.random(len(edges)) + 0.5, 100.0, 0.15, 4.0, trips=trips)
    return lambda: tmf.games.user_equilibrium(network, tolerance=1e-14, iterations=10**6)


@call("garnet, S = 3,000")
def _():
    return lambda: [tmf.games.garnet(3000, n_actions=5, n_successors=50) for _ in range(1000)]
