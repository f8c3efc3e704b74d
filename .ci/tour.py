"""Call every kernel of the installed or built package at small sizes: what .ci/sanitize runs under valgrind and TSan.

    python .ci/tour.py                   every game, engine, schedule, solver and analysis, on one thread
    python .ci/tour.py --threads 3       what runs on threads, three of them: populations, replicas, restarts

There is nothing to compare here, except that threads change no result; the last line counts the calls.
"""

import sys
import threading
import warnings

import numpy as np
import scipy.sparse as sp

import tmfcore as tmf
from tmfcore._random import sampling
from tmfcore.games import SHELF
from tmfcore.solvers._registry import SOLVERS
from tmfcore.testing import _doors

N = 300
SCHEDULES = [
    tmf.Synchronous(), tmf.Sequential(), tmf.Batch(7), tmf.Batch(200), tmf.Fraction(0.5), tmf.Bernoulli(0.3),
    tmf.Batch(lambda mu, t: 3 + t % 2), tmf.Bernoulli(lambda mu, t: 0.2 + 0.5 * mu),
]  # fmt: skip
calls = 0


def call(function, *arguments, **options):
    """The result, or the error by which a game or a schedule is refused."""
    global calls
    calls += 1
    try:
        return function(*arguments, **options)
    except ValueError as error:
        return error


def samplers():
    """Every door to the samplers, on either side of each switch."""
    for seed, n in enumerate((0, 1, 7, 60, 1000, 10**6, 2**50, 10**18)):
        bits = np.random.PCG64(seed)
        for p in (0.0, 1e-300, 1e-12, 0.3, 0.5, 1 - 2**-53, 1.0):
            call(_doors.binomials, bits, n, p, 20)
            if n <= 2**50:
                call(_doors.binomials_abreast, bits, np.full(37, n), np.full(37, p))
        for row in ([1.0], [0.0, 1.0], [0.25] * 4, [0.0] * 5 + [0.2] * 5, [1 / 64] * 64):
            call(sampling.multinomial, bits, n, np.array(row))
            call(sampling.multinomials, bits, np.full(13, n), np.tile(row, (13, 1)))
            call(sampling.categorical, bits, np.array(row), 50)
            call(_doors.alias_draws, bits, np.array(row), 50)
        call(_doors.hypergeometric_split, bits, np.array([n // 3, 0, n - n // 3]), n // 2)
        call(_doors.bounded, bits, max(1, n), 50, True)
    for n in (1, 5, 32):
        call(_doors.small_batches, np.arange(4, dtype=np.uint64), 64, n, 20)


def games():
    """Every built-in game: N agents in every way, the limit, analysis."""
    for entry in SHELF.values():
        whole = game = entry.small()
        policy = tmf.TabularPolicy.uniform(game)
        affine = np.random.default_rng(1).normal(size=(1, game.n_observations, game.n_actions, 1 + game.n_observations))
        for schedule in SCHEDULES:
            if callable(getattr(schedule, "size", None)) or callable(getattr(schedule, "p", None)):
                game = whole.at(step=1) if whole.time == "sweeps" else whole
            for engine in ("counts", "agents"):
                for plays in (policy, tmf.SoftmaxPolicy(affine)):
                    for decisions in (True, False):
                        options = {"engine": engine, "decisions": decisions, "rng": 1, "threads": 1}
                        call(tmf.simulate, game, plays, schedule, N, **options)
                population = call(tmf.Population, game, schedule, N, engine=engine, replicas=2, rng=1)
                if isinstance(population, tmf.Population):
                    call(population.step, policy, n_steps=2)
            call(tmf.simulate, game, policy, schedule, N, replicas=17, rng=1, threads=1)
            call(tmf.simulate, game, policy, schedule, N, engine="agents", trajectories=True, rng=1)
            call(tmf.evaluate, game, policy, schedule, n_agents=N)
            call(tmf.exploitability, game, policy, schedule, n_agents=N)
        call(tmf.simulate, whole, policy, tmf.Poisson(), N, rng=1)
        half = tmf.Fraction(0.5)
        call(tmf.best_response, whole, tmf.mean_field(whole, policy, half, n_agents=N), half, N)
        call(tmf.analysis.fluctuations, whole, policy, tmf.Batch(7), N)
        call(tmf.finite_exploitability, whole, policy, tmf.Batch(7), 20, replicas=4, rng=1, threads=1)


def solvers():
    """A few iterations of every solver."""
    critics = ("model", "returns", "empirical")
    gradients = [{"critic": critic, "population_aware": aware} for critic in critics for aware in (False, True)]
    for entry in (SHELF["queueing"], SHELF["garnet"], SHELF["routing"]):
        game = entry.small()
        for name in SOLVERS:
            call(SOLVERS[name].solver(iterations=5).solve, game, tmf.Fraction(0.5), N)
        for options in gradients:
            call(tmf.solvers.TMFPG(iterations=3, **options).solve, game, tmf.Fraction(0.5), N, rng=1)
    road = tmf.games.RoadNetwork(
        [("o", "a"), ("a", "d"), ("o", "d")], free_flow_time=[1.0, 2.0, 3.0], capacity=1.0, trips=[("o", "d", 2.0)]
    )
    call(tmf.games.user_equilibrium, road)


def samples_and_graphs():
    """Agents that see samples of the population, or their neighbours on a graph."""
    game = SHELF["robotics"].small()
    table = np.random.default_rng(1).dirichlet(np.ones(3), size=(2, 15, 3))
    polls = tmf.SampledPolicy(table, 4)
    blocks = tmf.games.graphon(game, positions=np.linspace(0, 1, 6), weights=np.add, blocks=3)
    one, few = (np.arange(N + 1) * degree for degree in (1, 2))
    rng = np.random.default_rng(1)
    weights = sp.random_array((N, N), density=0.05, rng=1) + sp.eye_array(N)
    graphs = [
        (one, np.arange(N)), (few, rng.integers(N, size=2 * N)), (np.arange(N + 1) * N, np.tile(np.arange(N), N)),
        weights.tocsr(),
    ]  # fmt: skip
    for schedule in SCHEDULES[:6]:
        for plays in (game, blocks):
            for engine in ("counts", "agents"):
                call(tmf.simulate, plays, polls, schedule, N, engine=engine, rng=1, threads=1)
            call(tmf.exploitability, plays, polls, schedule, n_agents=N)
        for graph in graphs:
            for plays in (polls, tmf.TabularPolicy.uniform(game), lambda mu: np.tile(mu, (3, 1))):
                call(tmf.simulate, game, plays, schedule, N, graph=graph, rng=1, trajectories=True)
    for neighbours in ("average", "greedy"):
        call(tmf.solvers.Subsampled(3, iterations=5, neighbours=neighbours).solve, game, SCHEDULES[0], rng=1)


def learners():
    """Without a model, from one run, for a team, with features, and among several models."""
    for name in ("resource_selection", "cyber_security", "queueing"):
        game = SHELF[name].small()
        features = np.random.default_rng(1).normal(size=(game.n_observations, game.n_actions, 2))
        call(tmf.solvers.TMFPG(iterations=3, features=features).solve, game, tmf.Fraction(0.5), N, rng=1)
        for critic in ("model", "returns", "empirical"):
            learner = tmf.solvers.TMFPG(iterations=3, critic=critic, guidance=game.initial, guidance_weight=0.5)
            call(learner.solve, game, tmf.Fraction(0.5), N, rng=1)
            learner = tmf.solvers.TMFPG(iterations=3, critic=critic, altruism=0.5)
            call(learner.solve, game, tmf.Fraction(0.5), N, rng=1)
        for discount in (0.9, 1.0):
            long = game.replace(discount=discount)
            for schedule in (tmf.Synchronous(), tmf.Batch(7), tmf.Bernoulli(0.3)):
                call(tmf.solvers.StationaryTMFPG(iterations=5).solve, long, schedule, N, rng=1)
            call(tmf.solvers.Stationary(iterations=5).solve, long, tmf.Fraction(0.5), N)
        call(tmf.solvers.ProjectedGradient(iterations=5, noise=0.5).solve, game, tmf.Fraction(0.5), N, rng=1)
        call(tmf.solve, game, tmf.Fraction(0.5), N, altruism=1.0)
        call(tmf.evaluate, game, tmf.TabularPolicy.uniform(game), tmf.Poisson(), altruism=0.5)
    games_ = [tmf.games.linear_features(10, n_actions=3, candidate=k, perturbation=0.5, rng=1) for k in range(4)]
    oracle = tmf.learn.Oracle(games_[2], tmf.Synchronous(), n_agents=50, finite=True, rng=1)
    call(tmf.learn.eliminate, games_, oracle, tmf.Synchronous(), n_agents=50, rng=1)


def on_threads(threads):
    """Populations whose agents, and runs whose replicas, are shared by threads: the results of one thread."""
    sweeps = SHELF["resource_selection"].make([1.0, 0.7, 0.3], congestion=np.ones(3), horizon=6)
    game = sweeps.at(step=1)
    moving = tmf.Game(
        3, 2, 6, 1.0, [0.5, 0.3, 0.2], np.zeros((3, 2)), np.full((3, 2, 3), 1 / 3),
        passive_transition=np.full((3, 3), 1 / 3),
    )  # fmt: skip
    by_observation = tmf.Bernoulli(np.array([[0.1, 0.9, 0.5]]))
    for plays in (game, moving):
        policy = tmf.TabularPolicy.uniform(plays)
        for schedule in (tmf.Synchronous(), tmf.Fraction(0.5), tmf.Bernoulli(0.3), by_observation):
            for n_agents, replicas, engine in ((350_000, 1, "agents"), (500, 40, "agents"), (500, 64, "counts")):
                options = {"replicas": replicas, "engine": engine, "rng": 1}
                many, one = (
                    call(tmf.simulate, plays, policy, schedule, n_agents, threads=k, **options) for k in (threads, 1)
                )
                if not (many.counts == one.counts).all():
                    raise SystemExit(f"{schedule}, {engine}: {threads} threads change the result")
        options = {"rng": 1, "threads": threads}
        for schedule in (tmf.Sequential(), tmf.Batch(7)):
            call(tmf.simulate, plays, policy, schedule, 200, replicas=64, progress=lambda done, total: None, **options)
        call(tmf.simulate, sweeps, np.full((3, 3), 1 / 3), tmf.Poisson(), 200, replicas=64, **options)
        call(tmf.finite_exploitability, plays, policy, tmf.Batch(7), 20, replicas=40, **options)
        call(tmf.analysis.convergence, plays, policy, {"half": tmf.Fraction(0.5)}, [20, 80], replicas=10, **options)
    call(tmf.solvers.TMFPG(iterations=3).solve, game, tmf.Fraction(0.5), N, **options)

    shared = tmf.TabularPolicy.uniform(game)  # and callers that are threads themselves, on the same objects
    callers = [
        threading.Thread(target=call, args=(tmf.simulate, game, shared, tmf.Batch(7), 1000), kwargs={"rng": k})
        for k in range(threads)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()


def main():
    warnings.simplefilter("ignore")
    if "--threads" in sys.argv:
        on_threads(int(sys.argv[sys.argv.index("--threads") + 1]))
    else:
        samplers()
        games()
        solvers()
        samples_and_graphs()
        learners()
    print(f"{calls} calls")


if __name__ == "__main__":
    main()
