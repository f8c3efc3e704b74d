"""tmfcore, by its public verbs, including tables, recording and checks; the Game is made before."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

import tmfcore as tmf
from bench.peers.learning import CrowdedGame, Direction, Gradient, JostledBar, Learned, Learning, MirrorDescent
from bench.peers.measure import Entry
from bench.peers.problems import Answer, BeachBar, Limit, Population

try:
    from bench.peers import numba_games
except ImportError:  # without numba there are no games in numba
    numba_games = None


def dense_game(problem: Population | Limit) -> tmf.Game:
    initial = np.asarray(problem.initial, dtype=np.float64)
    discount = problem.discount if isinstance(problem, Limit | Gradient) else 1.0
    return tmf.Game(
        problem.size, problem.n_actions, problem.steps, discount, initial / initial.sum(), problem.reward,
        problem.transition,
    )


def resource_game(problem: Population) -> tmf.Game:
    return tmf.games.resource_selection(
        problem.values, congestion=1.0, switching_cost=problem.SWITCHING, horizon=problem.steps * problem.step, discount=1.0,
        initial=problem.initial / problem.n_agents, step=problem.step,
    ).at()


def simulated(
    problem: Population, game: tmf.Game, schedule, engine: str, decisions: bool, every: int, label: str, threads: int = 1,
    note: str = "",
) -> Entry:
    policy = tmf.TabularPolicy(problem.pi)

    def run() -> Answer:
        found = tmf.simulate(
            game, policy, schedule, problem.n_agents, engine=engine, start=problem.initial, rng=1, threads=threads,
            record_every=every, decisions=decisions,
        )
        last = found.decisions[0, -1] if decisions and every == 1 else None
        reward = float(found.rewards.sum()) if problem.values is not None and every >= problem.steps else None
        return Answer(found.counts[0, -1], game.horizon, last, reward)

    units = game.horizon * (problem.batch if problem.kind.startswith(("agents", "batch")) else 1)
    return Entry(label, run, units, note, ours=True)


def two_threads(problem: Population) -> list[Entry]:
    """Every step recorded, by two threads and by one."""
    game = dense_game(problem)
    return [
        simulated(problem, game, tmf.Synchronous(), "agents", True, 1, label, threads)
        for label, threads in (("tmfcore, 2 threads", 2), ("tmfcore, 1 thread", 1))
    ]


def any_n(problem: Population) -> list[Entry]:
    """Counts of the population, and of a population of 10^8."""
    game, fewer = dense_game(problem), replace(problem, n_agents=10**8, batch=10**8)
    small = simulated(fewer, game, tmf.Synchronous(), "counts", False, 1, "tmfcore, N=1e+08")
    return [
        simulated(problem, game, tmf.Synchronous(), "counts", False, 1, "tmfcore"),
        replace(small, run=lambda: fewer.check(small.run())),
    ]


def chosen_engine(problem: Population) -> list[Entry]:
    game = dense_game(problem)
    return [
        simulated(problem, game, tmf.Synchronous(), engine, False, 1, label)
        for engine, label in (("auto", "tmfcore"), ("counts", "tmfcore, counts"), ("agents", "tmfcore, agents"))
    ]


def dense(engine: str, decisions: bool, problem: Population) -> list[Entry]:
    """Every step recorded."""
    game = dense_game(problem)
    return [simulated(problem, game, tmf.Synchronous(), engine, decisions, 1, "tmfcore")]


def sequential(engine: str, problem: Population) -> list[Entry]:
    """One record per run, with rewards and decisions summed over it."""
    game = resource_game(problem)
    return [simulated(problem, game, tmf.Sequential(), engine, True, game.horizon, "tmfcore")]


def small(problem: Population) -> list[Entry]:
    game = resource_game(problem)
    return [
        simulated(problem, game, tmf.Sequential(), engine, True, game.horizon, f"tmfcore{more}")
        for engine, more in (("counts", ""), ("agents", ", agents"))
    ]


def batches(problem: Population) -> list[Entry]:
    game = resource_game(problem)
    return [simulated(problem, game, tmf.Batch(problem.batch), "agents", True, game.horizon, "tmfcore")]


def bernoulli(problem: Population) -> list[Entry]:
    game = dense_game(problem)
    entry = simulated(problem, game, tmf.Bernoulli(problem.probability), "counts", True, game.horizon, "tmfcore")
    return [Entry(entry.label, entry.run, 1.0, ours=True)]


def flow(problem: Limit) -> list[Entry]:
    game, policy = dense_game(problem), tmf.TabularPolicy(problem.pi)
    return [Entry("tmfcore", lambda: tmf.mean_field(game, policy, tmf.Synchronous()).mu, problem.steps, ours=True)]


def values(problem: Limit) -> list[Entry]:
    """V and Q along the flow, which is computed before."""
    game, policy, schedule = dense_game(problem), tmf.TabularPolicy(problem.pi), tmf.Synchronous()
    along = tmf.mean_field(game, policy, schedule)
    run = lambda: tmf.evaluate(game, policy, schedule, flow=along).values
    return [Entry("tmfcore", run, problem.steps, ours=True)]


def beach_game(problem: BeachBar, reward) -> tmf.Game:
    wind = np.broadcast_to(problem.WIND, (problem.size, 3, 3))
    return tmf.Game(
        problem.size, 3, problem.steps, 1.0, problem.initial, reward, wind, successors=problem.successors
    )


def beach_games(problem: BeachBar) -> list[tuple[str, str, tmf.Game]]:
    """Label, note and game: built in, if this tmfcore has it, and with the reward in Python."""
    found = []
    if hasattr(tmf.games, "beach_bar"):
        found.append(("tmfcore", "", tmf.games.beach_bar(problem.size, horizon=problem.steps, step=1).at()))
    label = "tmfcore, Python game" if found else "tmfcore"
    return [*found, (label, "the reward is a Python function of mu", beach_game(problem, problem.reward))]


def beach_bar(problem: BeachBar) -> list[Entry]:
    policy = tmf.TabularPolicy(problem.pi)
    return [
        Entry(label, partial(tmf.exploitability, game, policy, tmf.Synchronous()), 1.0, note, ours=True)
        for label, note, game in beach_games(problem)
    ]


def pushed(problem: BeachBar, game: tmf.Game, label: str, note: str = "") -> Entry:
    policy, schedule, steps = tmf.TabularPolicy(problem.pi), tmf.Synchronous(), problem.steps
    run = lambda: tmf.mean_field(game, policy, schedule, record_every=steps).mu[-1]
    return Entry(label, run, steps, note, ours=True)


def push_forward(problem: BeachBar) -> list[Entry]:
    return [pushed(problem, beach_game(problem, problem.fixed_reward), "tmfcore")]


def jostled(problem: JostledBar) -> list[Entry]:
    """The kernel compiled by numba, if it is installed, as whole tables and by rows; and in Python."""
    still, windy = np.array([0.0, 1.0, 0.0]), np.array(problem.WIND)
    shape = (problem.size, 3, 3)

    def transition(mu):
        return np.broadcast_to(np.where((mu > 1.0 / problem.size)[:, None, None], windy, still), shape)

    def game(kernel):
        return tmf.Game(
            problem.size, 3, problem.steps, 1.0, problem.initial, problem.fixed_reward, kernel,
            successors=problem.successors,
        )

    found = []
    if numba_games is not None:
        found.append(pushed(problem, game(numba_games.jostled_kernel(problem)), "tmfcore", "the kernel is a numba function of mu"))
        found.append(pushed(problem, numba_games.jostled_bar(problem), "tmfcore, numba game", "every row by a numba cfunc"))
    note = "the kernel is a Python function of mu, called and checked at every step"
    return [*found, pushed(problem, game(transition), "tmfcore, Python game" if found else "tmfcore", note)]


def gradient(problem: Gradient) -> list[Entry]:
    """Iterations of TMF-PG on samples of the counts engine: simulation, gradient, exploitability, update.

    A plain step of length one moves the policy by the direction. A solve of one iteration simulates and evaluates twice,
    before and after the step, and counts as two.
    """
    game, policy = dense_game(problem), tmf.TabularPolicy(problem.pi)
    solver = tmf.solvers.TMFPG(
        iterations=1, learning_rate=1.0, learning_rate_decay="constant", critic="empirical", gradient="plain",
        optimizer="sgd", average=None, stages=1, replicas=1, tolerance=None,
    )
    start = np.log(problem.pi)

    def run() -> Direction:
        found = solver.solve(game, tmf.Synchronous(), problem.n_agents, rng=1, initial=policy, threads=1)
        return Direction(found.state["theta"][0, :, :, 0] - start, problem.n_agents)

    units = 2 * problem.steps * problem.n_agents
    return [Entry("tmfcore", run, units, "flow statistics by counts; exploitability of every iterate included", ours=True)]


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


def mirror_descent(problem: MirrorDescent) -> list[Entry]:
    """Exploitability of every iterate; no entry if this tmfcore has no such solver."""
    kind = getattr(tmf.solvers, "MirrorDescent", None)
    if kind is None:
        return []
    solver = kind(learning_rate=problem.rate, iterations=problem.iterations, tolerance=None)
    run = lambda game: solver.solve(game, tmf.Synchronous()).history["exploitability"]
    return [
        Entry(label, partial(run, game), problem.iterations + 1, note, ours=True)
        for label, note, game in beach_games(problem)
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


def compiled_game(problem: Population) -> list[Entry]:
    """Resource selection as a user's cfunc, and built in."""
    own, every = resource_game(problem), problem.steps
    built_in = simulated(problem, own, tmf.Sequential(), "agents", True, every, "tmfcore, built-in game")
    if numba_games is None:
        return [built_in]
    theirs = simulated(problem, numba_games.resources(problem, own), tmf.Sequential(), "agents", True, every, "tmfcore, numba game")
    return [theirs, built_in]


ENTRIES = {
    "agents": partial(dense, "agents", True),
    "agents, mu only": partial(dense, "agents", False),
    "counts": partial(dense, "counts", True),
    "counts, mu only": partial(dense, "counts", False),
    "sequential agents": partial(sequential, "agents"),
    "sequential counts": partial(sequential, "counts"),
    "sequential small": small,
    "batch": batches,
    "bernoulli": bernoulli,
    "flow": flow,
    "values": values,
    "beach bar": beach_bar,
    "push-forward": push_forward,
    "jostled push-forward": jostled,
    "agents, 2 threads": two_threads,
    "counts, any N": any_n,
    "engine auto": chosen_engine,
    "gradient": gradient,
    "learning": learning,
    "mirror descent": mirror_descent,
    "python game, flow": python_flow,
    "python game, counts": python_counts,
    "compiled game": compiled_game,
}
