"""tmfcore at single rows: threads, engines, clocks, TMF-PG, games in Python, games compiled by numba, small calls."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

import tmfcore as tmf
from bench.peers.own_problems import Call, CrowdedGame, Learned, Learning
from tmfcore.bench import Answer, Entry
from tmfcore.bench.own import dense_game, resource_game, simulated
from tmfcore.bench.problems import Meeting, Playing


def two_threads(problem: Playing) -> list[Entry]:
    """Every step recorded, by two threads and by one."""
    game = dense_game(problem)
    return [
        simulated(problem, game, tmf.Synchronous(), "agents", True, 1, label, threads)
        for label, threads in (("tmfcore, 2 threads", 2), ("tmfcore, 1 thread", 1))
    ]


def any_n(problem: Playing) -> list[Entry]:
    """Counts of the population, and of a population of 10^8."""
    game, fewer = dense_game(problem), replace(problem, n_agents=10**8, batch=10**8)
    small = simulated(fewer, game, tmf.Synchronous(), "counts", False, 1, "tmfcore, N=1e+08")
    return [
        simulated(problem, game, tmf.Synchronous(), "counts", False, 1, "tmfcore"),
        replace(small, run=lambda: fewer.check(small.run())),
    ]


def chosen_engine(problem: Playing) -> list[Entry]:
    game = dense_game(problem)
    return [
        simulated(problem, game, tmf.Synchronous(), engine, False, 1, label)
        for engine, label in (("auto", "tmfcore"), ("counts", "tmfcore, counts"), ("agents", "tmfcore, agents"))
    ]


def clocks(problem: Meeting) -> Entry:
    """games.affine with Poisson clocks; one record per run."""
    game = tmf.games.affine(
        np.zeros(problem.pi.shape), reward_mu=None, transition0=problem.constant, transition_mu=problem.meeting, time="sweeps",
        horizon=problem.steps / problem.n_agents, discount=1.0, initial=problem.initial / problem.n_agents,
    )  # fmt: skip
    policy = tmf.TabularPolicy(problem.pi)

    def run() -> Answer:
        found = tmf.simulate(game, policy, tmf.Poisson(), problem.n_agents, start=problem.initial, rng=1, threads=1, decisions=False)
        return Answer(found.counts[0, -1], problem.steps)

    return Entry("tmfcore", run, problem.changes, ours=True)


def learning(problem: Learning) -> list[Entry]:
    share = 1.0 / problem.n_agents
    settings = {"horizon": problem.SWEEPS, "discount": problem.DISCOUNT, "step": share, "initial": np.full(5, 0.2)}
    if problem.game == "resource selection":
        game = tmf.games.resource_selection(problem.VALUES, congestion=1.0, switching_cost=problem.COST, **{"step": 1} | settings).at()
    else:
        game = tmf.games.queueing(problem.CAPACITIES, jockeying_cost=problem.COST, **{"step": 1} | settings).at()
    solver = tmf.solvers.TMFPG(iterations=problem.iterations, replicas=1, tolerance=None)

    def run(threads: int) -> Learned:
        found = solver.solve(game, tmf.Sequential(), problem.n_agents, rng=1, threads=threads)
        weights = np.exp(found.policy.theta)
        return Learned(weights / weights.sum(axis=-1, keepdims=True), found.exploitability)

    return [
        Entry("tmfcore", partial(run, 1), problem.iterations + 1, "exploitability of every iterate included", ours=True),
        Entry("tmfcore, 2 threads", partial(run, 2), problem.iterations + 1, "playing and judging side by side", ours=True),
    ]


def functions_alone(problem: CrowdedGame) -> Entry:
    """The same number of calls of the game's own Python functions, on one population."""
    mu = problem.initial.copy()
    mu.setflags(write=False)

    def run() -> None:
        for _ in range(problem.steps):
            problem.reward(mu)
            problem.transition(mu)

    return Entry("the game's own functions", run, problem.steps, "reward and transition, called as often", ours=True)


def crowded_game(problem: CrowdedGame) -> tmf.Game:
    return tmf.Game(8, 4, problem.steps, 1.0, problem.initial, problem.reward, problem.transition)


def python_flow(problem: CrowdedGame) -> list[Entry]:
    game, policy = crowded_game(problem), tmf.TabularPolicy(problem.pi)
    run = lambda: tmf.mean_field(game, policy, tmf.Synchronous()).mu
    return [Entry("tmfcore", run, problem.steps, "its functions included", ours=True), functions_alone(problem)]


def python_counts(problem: CrowdedGame) -> list[Entry]:
    game, policy = crowded_game(problem), tmf.TabularPolicy(problem.pi)

    def run() -> Answer:
        found = tmf.simulate(game, policy, tmf.Sequential(), problem.n_agents, engine="counts", rng=1, threads=1)
        return Answer(found.counts[0, -1], problem.steps)

    return [Entry("tmfcore", run, problem.steps, "its functions included", ours=True), functions_alone(problem)]


def compiled_game(problem: Playing) -> Entry:
    return simulated(problem, resource_game(problem), tmf.Sequential(), "agents", True, problem.steps, "tmfcore, built-in game")


def call(problem: Call) -> Entry:
    """One call of a verb, or the construction of a game from arrays."""
    game, policy, small = problem.game(), tmf.TabularPolicy(problem.pi), tmf.games.left_right()
    runs = {
        "simulate": lambda: tmf.simulate(game, policy, tmf.Sequential(), problem.N_AGENTS, rng=1).counts[0, -1],
        "mean_field": lambda: tmf.mean_field(game, policy, tmf.Synchronous()).mu[-1],
        "exploitability": lambda: tmf.exploitability(game, policy, tmf.Synchronous()),
        "solve": lambda: tmf.solve(small, tmf.Synchronous()).exploitability,
        "Game": problem.game,
    }
    return Entry("tmfcore", runs[problem.what], 1.0, ours=True)


class OwnRows:
    name, version = "tmfcore", tmf.__version__

    agents_threads = staticmethod(two_threads)
    counts_any_n = staticmethod(any_n)
    engine_auto = staticmethod(chosen_engine)
    clocks = staticmethod(clocks)
    tmfpg = staticmethod(learning)
    python_flow = staticmethod(python_flow)
    python_counts = staticmethod(python_counts)
    compiled_game = staticmethod(compiled_game)
    call = staticmethod(call)
