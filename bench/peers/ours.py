"""tmfcore, through its public verbs: tables, recording and checks included; making the Game is not."""

from __future__ import annotations

from functools import partial

import numpy as np

import tmfcore as tmf
from bench.peers.measure import Entry
from bench.peers.problems import Answer, BeachBar, Limit, Population


def dense_game(problem: Population | Limit) -> tmf.Game:
    initial = np.asarray(problem.initial, dtype=np.float64)
    discount = problem.discount if isinstance(problem, Limit) else 1.0
    return tmf.Game(
        problem.size, problem.n_actions, problem.steps, discount, initial / initial.sum(), problem.reward,
        problem.transition,
    )


def resource_game(problem: Population) -> tmf.Game:
    return tmf.games.resource_selection(
        problem.values, 1.0, switching_cost=problem.SWITCHING, horizon=problem.steps * problem.step, discount=1.0,
        initial=problem.initial / problem.n_agents, step=problem.step,
    )


def simulated(problem: Population, game: tmf.Game, schedule, engine: str, decisions: bool, every: int, label: str):
    policy = tmf.TabularPolicy(problem.pi)

    def run() -> Answer:
        found = tmf.simulate(
            game, policy, schedule, problem.n_agents, engine=engine, start=problem.initial, rng=1, threads=1,
            record_every=every, decisions=decisions,
        )
        last = found.decisions[0, -1] if decisions and every == 1 else None
        reward = float(found.rewards.sum()) if problem.values is not None and every >= problem.steps else None
        return Answer(found.counts[0, -1], game.horizon, last, reward)

    units = game.horizon * (problem.batch if problem.kind.startswith(("agents", "batch")) else 1)
    return Entry(label, run, units, ours=True)


def dense(engine: str, decisions: bool, problem: Population) -> list[Entry]:
    """Every step recorded."""
    game = dense_game(problem)
    return [simulated(problem, game, tmf.Synchronous(), engine, decisions, 1, "tmfcore")]


def sequential(engine: str, problem: Population) -> list[Entry]:
    """One record a run, rewards and decisions summed over it."""
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
    """V and Q along the flow, which is computed beforehand."""
    game, policy, schedule = dense_game(problem), tmf.TabularPolicy(problem.pi), tmf.Synchronous()
    along = tmf.mean_field(game, policy, schedule)
    run = lambda: tmf.evaluate(game, policy, schedule, flow=along).values
    return [Entry("tmfcore", run, problem.steps, ours=True)]


def beach_game(problem: BeachBar, reward) -> tmf.Game:
    wind = np.broadcast_to(problem.WIND, (problem.size, 3, 3))
    return tmf.Game(
        problem.size, 3, problem.steps, 1.0, problem.initial, reward, wind, successors=problem.successors
    )


def beach_bar(problem: BeachBar) -> list[Entry]:
    game, policy = beach_game(problem, problem.reward), tmf.TabularPolicy(problem.pi)
    run = lambda: tmf.exploitability(game, policy, tmf.Synchronous())
    return [Entry("tmfcore", run, 1.0, "the reward is a Python function of mu", ours=True)]


def push_forward(problem: BeachBar) -> list[Entry]:
    policy = tmf.TabularPolicy(problem.pi)
    game = beach_game(problem, problem.fixed_reward)
    wind = np.broadcast_to(problem.WIND, (problem.size, 3, 3)).copy()
    moving = tmf.Game(
        problem.size, 3, problem.steps, 1.0, problem.initial, problem.fixed_reward, lambda mu: wind,
        successors=problem.successors,
    )

    def run(which: tmf.Game):
        return tmf.mean_field(which, policy, tmf.Synchronous(), record_every=problem.steps).mu[-1]

    return [
        Entry("tmfcore", partial(run, game), problem.steps, ours=True),
        Entry(
            "tmfcore, kernel of mu", partial(run, moving), problem.steps,
            "the kernel is a Python function of mu, called and checked at every step", ours=True,
        ),
    ]


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
}
