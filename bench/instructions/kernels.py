"""The counted kernels, each called by its public verb, on problems so large that Python's share is below 2%.

Gradients are called directly, since their verb is a whole solver. Calls of Population are so short that the counts are
mostly Python's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import tmfcore as tmf
from tmfcore.bench import own, workloads
from tmfcore.bench.contestants import entries
from tmfcore.bench.problems import BeachBar
from tmfcore.learn._distances import View, all_pairs, distances
from tmfcore.solvers import _gradient, _observed, _td
from tmfcore.solvers._one_run import TdCritic


class Work(NamedTuple):
    """A call, and the units of work that it does."""

    run: Callable[[], Any]
    units: float
    unit: str


def of_workload(unit: str, make: Callable[[], Any], which: int = 0) -> Work:
    """An entry of tmfcore for a problem of tmfcore.bench."""
    problem = make()
    entry = entries(own.Tmfcore(), problem, "run")[which]
    return Work(entry.run, entry.units, unit)


def population_aware() -> Work:
    """A policy that depends on mu: alias tables are rebuilt at every step, for few agents."""
    game = own.dense_game(workloads.dense("agents", 64, 4, 2_000, 50))
    policy = tmf.SoftmaxPolicy(np.random.default_rng(3).normal(size=(1, 64, 4, 65)))
    run = lambda: tmf.simulate(game, policy, tmf.Synchronous(), 2_000, engine="agents", rng=1, threads=1)
    return Work(run, game.horizon, "step")


def by_chance() -> Work:
    """Few agents under Bernoulli on a kernel that depends on mu: rows are scanned, since tables would not pay."""
    game = tmf.games.garnet(100, n_actions=5, horizon=200, coupling=0.5, step=1).at()
    policy = tmf.TabularPolicy.uniform(game)
    run = lambda: tmf.simulate(game, policy, tmf.Bernoulli(0.5), 200, engine="agents", rng=1, threads=1)
    return Work(run, game.horizon, "step")


def sampled(kappa: int) -> Any:
    """A policy of agents that see kappa others at 3 observations."""
    histograms = tmf.SampledPolicy.histograms(kappa, 3)
    return tmf.SampledPolicy(np.random.default_rng(6).dirichlet(np.ones(3), (len(histograms), 3)), kappa)


def averaged() -> Work:
    """The flow of agents that see 60 others: the sum over 1,891 histograms at every step."""
    game, policy = tmf.games.robotics(horizon=500), sampled(60)
    return Work(lambda: tmf.mean_field(game, policy, tmf.Synchronous()), game.horizon, "step")


def on_graph() -> Work:
    """5,000 agents with 20 neighbours each, of which they see 8."""
    n_agents, degree = 5_000, 20
    game, policy = tmf.games.robotics(horizon=20), sampled(8)
    graph = (
        np.arange(n_agents + 1) * degree, np.random.default_rng(7).integers(0, n_agents, n_agents * degree),
    )  # fmt: skip
    run = lambda: tmf.simulate(game, policy, tmf.Synchronous(), n_agents, rng=1, graph=graph, threads=1)
    return Work(run, n_agents * game.horizon, "agent")


def clocks() -> Work:
    """64 replicas under Poisson clocks, with a constant kernel, decisions recorded."""
    n_agents, replicas = 2_000, 64
    rng = np.random.default_rng(5)
    rows, reward = rng.dirichlet(np.ones(8), (8, 2)), rng.normal(size=(8, 2))
    game = tmf.Game(8, 2, 10.0, 0.9, np.full(8, 1 / 8), reward, rows, time="sweeps")
    policy = tmf.TabularPolicy.uniform(game)
    run = lambda: tmf.simulate(game, policy, tmf.Poisson(), n_agents, replicas=replicas, rng=1, times=10.0, threads=1)
    return Work(run, 10 * n_agents * replicas, "event")


def owned(call: str, engine: Any = "counts") -> Work:
    """Calls of Population, Python's share included: one step with a policy, given decisions, or a short episode."""
    n_agents, calls = (10**6, 500) if engine == "counts" else (1_000, 100)
    game = own.dense_game(workloads.dense("counts", 8, 4, n_agents, 10)).replace(horizon=10**9)
    policy = tmf.TabularPolicy.uniform(game)
    population = tmf.Population(game, tmf.Synchronous(), n_agents, engine=engine, rng=1)
    first = np.arange(4) == 0
    actions = np.zeros(n_agents if engine == "agents" else 0, dtype=np.int64)

    def step() -> None:
        population.step(policy)

    def act() -> None:
        population.act(actions if engine == "agents" else population.draw()[..., None] * first)

    def episode() -> None:
        population.restart()
        population.step(policy, 2)

    one = {"step": step, "act": act, "episode": episode}[call]
    return Work(lambda: [one() for _ in range(calls)], calls, call)


def apart() -> Work:
    """Distances of all pairs of 12 candidates, whose rows depend on mu by features, on one thread."""
    games = [tmf.games.linear_features(40, n_actions=20, candidate=k).at(step=1) for k in range(12)]
    policy = tmf.TabularPolicy.uniform(games[0])
    views = [View(each, tmf.mean_field(each, policy, tmf.Synchronous()).mu, np.ones(1)) for each in games]
    return Work(lambda: distances(views, all_pairs(12), 1), 66, "pair")


def gaps() -> Work:
    """Exploitability: one forward pass, and one backward pass for both values."""
    problem = workloads.limit("flow", 64, 500)
    game, policy = own.dense_game(problem), tmf.TabularPolicy(problem.pi)
    return Work(lambda: tmf.exploitability(game, policy, tmf.Synchronous()), problem.steps, "step")


def prices(kind: str) -> Work:
    """Exploitability with altruism: by known derivatives, by differences, and under Poisson clocks."""
    games = {
        "known": (_dense_affine(200), tmf.Synchronous(), 200),
        "differences": (tmf.games.demand(16, horizon=500, step=1).at(), tmf.Synchronous(), 500),
        "clocks": (tmf.games.queueing((0.1, 0.2, 0.3), horizon=50), tmf.Poisson(), 50),
    }
    game, schedule, steps = games[kind]
    policy = tmf.TabularPolicy.uniform(game)
    return Work(lambda: tmf.exploitability(game, policy, schedule, altruism=1.0), steps, "step")


def sparse(verb: str) -> Work:
    """Three successors per row: forward, backward, or both with the best response."""
    problem = BeachBar("push_forward", 400, 300)
    game, policy = own.beach_game(problem, problem.fixed_reward), tmf.TabularPolicy(problem.pi)
    flow = tmf.mean_field(game, policy, tmf.Synchronous())
    run = {
        "flow": lambda: tmf.mean_field(game, policy, tmf.Synchronous()),
        "values": lambda: tmf.evaluate(game, policy, tmf.Synchronous(), flow=flow),
        "gaps": lambda: tmf.exploitability(game, policy, tmf.Synchronous()),
    }[verb]
    return Work(run, problem.steps, "step")


def gradient(critic: str) -> Work:
    """Direction of the plain gradient from a run of queueing with every step recorded."""
    steps, n_agents, active = 10_000, 1_000, np.array([0.1])
    game = tmf.games.queueing([0.1, 0.15, 0.2, 0.25], horizon=steps * 0.1, step=0.1).at()
    policy = tmf.TabularPolicy(np.random.default_rng(5).dirichlet(np.ones(5), size=5))
    run = tmf.simulate(game, policy, tmf.Batch(n_agents // 10), n_agents, rng=1)
    mu, decisions = np.ascontiguousarray(run.mu[0]), np.ascontiguousarray(run.decisions[0])
    direction, visits = np.empty((1, 5, 5, 1)), np.empty((1, 5, 5))
    if critic == "model":
        learn = partial(
            _gradient.model_direction, game.model, policy.kernel, mu, decisions, active, game.discount, False, False,
            direction, visits,
        )
    else:
        model = game.model
        cells, passive_cells = model.n_successors, model.n_passive_successors
        shares = np.random.default_rng(6)
        acted = np.stack([shares.multinomial(n, np.full(cells, 1 / cells)) for n in decisions])
        resting = np.full((steps, 5), 180)
        waited = shares.multinomial(resting, np.full(passive_cells, 1 / passive_cells))
        flows = (acted, decisions * 0.5, waited, resting * 0.25)
        tables = np.zeros((steps, 5, 5)), np.zeros((steps, 5))
        sums = np.empty((2, steps, 5, 5)), np.empty((2, steps, 5))
        learn = partial(
            _observed.empirical_direction, policy.kernel, mu, flows, model.successors, model.passive_successors,
            steps, 1, active, game.discount, False, tables, sums, False, direction, visits, np.empty((1, 5, 5, 1)),
            np.empty((1, 5)),
        )
    return Work(learn, steps, "step")


def differences(schedule: tmf.Schedule, steps: int) -> Work:
    """TD(0) along a run of queueing, S=5, A=5, N=1000."""
    game = tmf.games.queueing([0.1, 0.15, 0.2, 0.25], horizon=20, step=1e-3, discount=0.95).at()
    policy = tmf.TabularPolicy(np.random.default_rng(5).dirichlet(np.ones(5), size=5))
    critic, counts = TdCritic(5, 5), np.full(5, 200)
    batch, _ = schedule._kernel(1, 1000)
    learn = partial(
        _td.run, game.model, policy.kernel, np.random.PCG64(1), counts, steps, batch, None, np.array([batch[0] / 1000]),
        game.discount, False, 0.5, critic.q, critic.w, critic.acted, critic.waited, critic.gains, critic.groups,
        critic.decisions, critic.earned, critic.people,
    )  # fmt: skip
    return Work(learn, steps, "step")


def iteration() -> Work:
    """One iteration of TMF-PG, N=1000, B=1, 20 sweeps, S=5: rollout, gradient, update, exploitability."""
    game = tmf.games.queueing([0.1, 0.15, 0.2, 0.25], horizon=20, step=1e-3).at()
    solver = tmf.solvers.TMFPG(critic="model", replicas=1, iterations=1, tolerance=None)
    return Work(lambda: solver.solve(game, tmf.Sequential(), 1000, rng=1), game.horizon, "step")


def descent(kind: str, solver: Any = None) -> Work:
    """Iterations of an exact solver: flow, values of the policy and of its best response, the next policy."""
    problem = workloads.limit("flow", 64, 100) if kind == "dense" else BeachBar("push_forward", 400, 100)
    game = own.dense_game(problem) if kind == "dense" else own.beach_game(problem, problem.fixed_reward)
    solver = solver or tmf.solvers.MirrorDescent(iterations=20, tolerance=None)
    return Work(lambda: solver.solve(game, tmf.Synchronous()), 20 * game.horizon, "step")


def shelf(make: Callable[[float], tmf.Game], horizon: int, verb: str) -> Work:
    """A game of tmf.games: its tables at every step of an exploitability, or its rows under Sequential."""
    game = make(horizon)
    policy = tmf.TabularPolicy.uniform(game)
    if verb == "gaps":
        return Work(lambda: tmf.exploitability(game, policy, tmf.Synchronous()), game.horizon, "step")
    run = lambda: tmf.simulate(
        game, policy, tmf.Sequential(), 1_000, rng=1, threads=1, decisions=False, record_every=game.horizon
    )
    return Work(run, game.horizon, "event")


def _dense_affine(horizon: float) -> tmf.Game:
    """Every reward and every row depends on all of mu."""
    rng = np.random.default_rng(8)
    corners = rng.dirichlet(np.ones(16), size=(16, 4, 16)).swapaxes(2, 3)
    return tmf.games.affine(
        rng.normal(size=(16, 4)), reward_mu=rng.normal(size=(16, 4, 16)), transition0=np.zeros((16, 4, 16)),
        transition_mu=corners,
        passive_reward_mu=rng.normal(size=(16, 16)), horizon=horizon, discount=0.95, initial=np.full(16, 1 / 16),
    )  # fmt: skip


def _types(horizon: float) -> tmf.Game:
    """Three types: one with padded tables, one with a rate below 1, and one whose tables are filled in place."""
    kinds = [
        tmf.games.resource_selection(
            [1, 0.7, 0.3], congestion=np.ones(3), switching_cost=0.05, horizon=horizon, step=1
        ).at(),
        tmf.games.queueing([0.1, 0.2, 0.3], horizon=horizon, step=1).at(),
        tmf.games.beach_bar(12, horizon=horizon, discount=0.95, step=1).at(),
    ]
    sizes = [kind.n_observations for kind in kinds]
    coupling = np.eye(sum(sizes)) + 0.01
    return tmf.games.typed(kinds, shares=[0.2, 0.3, 0.5], coupling=coupling, rates=[1, 0.7, 1])


#: Games of tmf.games, and the steps of the counted exploitability and of the counted sequential run.
SHELF: dict[str, tuple[Callable[[float], tmf.Game], int, int]] = {
    "crowd": (lambda T: tmf.games.beach_bar(100, horizon=T, step=1).at(), 2_000, 50_000),
    "crowd of changing worth": (
        lambda T: tmf.games.beach_bar(32, worth=np.linspace(1, 2, 32 * int(T)).reshape(-1, 32), horizon=T, step=1).at(),
        4_000, 30_000,
    ),
    "linear-quadratic": (lambda T: tmf.games.linear_quadratic(horizon=T, step=1).at(), 1_000, 1_000),
    "routing": (lambda T: tmf.games.braess(horizon=int(T)), 2_000, 10_000),
    "affine, dense": (_dense_affine, 2_000, 30_000),
    "affine, sparse": (lambda T: tmf.games.garnet(horizon=T, coupling=0.3, step=1).at(), 4_000, 30_000),
    "types": (_types, 4_000, 5_000),
}  # fmt: skip


def _dense(kind: str, size: int, n_agents: int, steps: int, unit: str) -> Callable[[], Work]:
    return partial(of_workload, unit, partial(workloads.dense, kind, size, 4, n_agents, steps))


def _resources(kind: str, batch: int, steps: int, unit: str, which: int = 0) -> Callable[[], Work]:
    return partial(of_workload, unit, partial(workloads.resources, kind, 8, 1_000_000, batch, steps), which)


def _limit(kind: str, size: int, steps: int) -> Callable[[], Work]:
    return partial(of_workload, "step", partial(workloads.limit, kind, size, steps))


KERNELS: dict[str, Callable[[], Work]] = {
    "agents, S=8": _dense("agents", 8, 200_000, 20, "agent-step"),
    "agents, S=64": _dense("agents", 64, 200_000, 20, "agent-step"),
    "agents, S=512": _dense("agents", 512, 200_000, 10, "agent-step"),
    "agents, mu only, S=8": _dense("agents_mu", 8, 200_000, 20, "agent-step"),
    "agents, mu only, S=64": _dense("agents_mu", 64, 200_000, 20, "agent-step"),
    "agents, mu only, S=512": _dense("agents_mu", 512, 200_000, 10, "agent-step"),
    "agents, sequential": _resources("sequential_agents", 1, 500_000, "event"),
    "agents, batch of 32": _resources("batch", 32, 5_000, "acting agent", 1),
    "agents, batch of 1024": _resources("batch", 1024, 200, "acting agent", 1),
    "agents, tables of a policy that sees mu": population_aware,
    "agents, Bernoulli, kernel of mu": by_chance,
    "counts, S=8": _dense("counts", 8, 10**8, 500, "step"),
    "counts, S=64": _dense("counts", 64, 10**8, 20, "step"),
    "counts, mu only, S=8": _dense("counts_mu", 8, 10**8, 3_000, "step"),
    "counts, mu only, S=64": _dense("counts_mu", 64, 10**8, 50, "step"),
    "counts, batch of 2": _resources("batch", 2, 50_000, "acting agent"),
    "counts, batch of 100": _resources("batch", 100, 1_000, "acting agent"),
    "counts, sequential": _resources("sequential_counts", 1, 200_000, "event"),
    "counts, sequential, 64 replicas": partial(of_workload, "event", lambda: workloads.replicas(8, 20_000, 20_000)),
    "counts, batch of 8, 64 replicas": partial(
        of_workload, "acting agent", lambda: workloads.replicas(8, 20_000, 2_500, batch=8)
    ),
    "counts, clocks, 64 replicas": clocks,
    "meetings, affine, S=8": partial(of_workload, "event", lambda: workloads.meeting(8, 100_000, 200_000)),
    "meetings, imitation, S=5": partial(of_workload, "event", lambda: workloads.imitation(5, 100_000, 200_000)),
    "counts, Bernoulli": partial(of_workload, "run", partial(workloads.dense, "bernoulli", 64, 4, 10**12, 50, 0.01)),
    "agents, on a graph": on_graph,
    "flow, samples of 60": averaged,
    "population, step": partial(owned, "step"),
    "population, act": partial(owned, "act"),
    "population, act, 1000 individuals": partial(owned, "act", "agents"),
    "population, restart and two steps": partial(owned, "episode"),
    "flow, S=8": _limit("flow", 8, 20_000),
    "flow, S=64": _limit("flow", 64, 1_000),
    "flow, sparse": partial(sparse, "flow"),
    "values, S=8": _limit("values", 8, 20_000),
    "values, S=64": _limit("values", 64, 1_000),
    "values, sparse": partial(sparse, "values"),
    "gaps, S=64": gaps,
    "candidates told apart": apart,
    "gaps, sparse": partial(sparse, "gaps"),
    "gradient, model": partial(gradient, "model"),
    "gradient, empirical": partial(gradient, "empirical"),
    "TD(0), one agent at a time": partial(differences, tmf.Sequential(), 100_000),
    "TD(0), a tenth at a time": partial(differences, tmf.Fraction(0.1), 20_000),
    "TMF-PG, one iteration": iteration,
    "descent, dense": partial(descent, "dense"),
    "descent, sparse": partial(descent, "sparse"),
    "projection, sparse": partial(descent, "sparse", tmf.solvers.ProjectedGradient(iterations=20, tolerance=None)),
    **{f"gaps, {name}": partial(shelf, make, steps, "gaps") for name, (make, steps, _) in SHELF.items()},
    **{f"sequential, {name}": partial(shelf, make, events, "play") for name, (make, _, events) in SHELF.items()},
    "prices, known": partial(prices, "known"),
    "prices, differences": partial(prices, "differences"),
    "prices, clocks": partial(prices, "clocks"),
}
