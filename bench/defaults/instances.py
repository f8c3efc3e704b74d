"""The instances: every built-in game over its sizes, horizons and parameters, under every kind of schedule and step.

The list is fixed: random parameters come from one seed. Two further games are typical first games of users, written
with callables: routes with BPR costs, and an epidemic with vaccination.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

import tmfcore as tmf

SEED = 20260218


@dataclass(frozen=True)
class Instance:
    """One problem to solve."""

    family: str
    label: str
    build: Callable[[], tmf.Game]
    schedule: tmf.Schedule
    n_agents: int | None = None


def with_step(step: float, kind: int) -> tuple[tmf.Schedule, int | None]:
    """A schedule under which a share `step` of the agents acts at each step; `kind` selects it."""
    if step == 1.0:
        return tmf.Synchronous(), None
    agents = round(1 / step)
    choices = [
        (tmf.Sequential(), agents),
        (tmf.Fraction(step), None),
        (tmf.Bernoulli(step), None),
        (tmf.Batch(10), 10 * agents),
    ]
    return choices[kind % len(choices)]


def instances() -> Iterator[Instance]:
    """All instances, the same at every call: those below, and the small instance of every other game."""
    written = list(_written())
    yield from written
    for name in sorted(set(tmf.games.BY_NAME) - {each.family for each in written}):
        yield Instance(name, "small", tmf.games.SHELF[name].small, tmf.Synchronous())


def _written() -> Iterator[Instance]:
    rng = np.random.default_rng(SEED)
    steps = (1.0, 0.5, 0.1, 0.02)

    def number(low: float, high: float, digits: int = 3) -> float:
        return round(float(rng.uniform(low, high)), digits)

    def numbers(n: int, low: float, high: float) -> list[float]:
        return [number(low, high) for _ in range(n)]

    def add(family: str, build: Callable[..., tmf.Game], step: float, kind: int, **arguments) -> Instance:
        schedule, n_agents = with_step(step, kind)
        if step != 1.0:
            arguments["step"] = step
        label = ", ".join(f"{name}={value}" for name, value in arguments.items())
        return Instance(family, label, partial(build, **arguments), schedule, n_agents)

    games = tmf.games
    for n in range(5, 61):
        yield add("beach_bar", games.beach_bar, 1.0, 0, n_places=n)
    for horizon in range(5, 41, 2):
        yield add("beach_bar", games.beach_bar, 1.0, 0, n_places=20, horizon=horizon)
    for i in range(30):
        yield add(
            "beach_bar", games.beach_bar, steps[i % 3], i, n_places=int(rng.integers(4, 40)),
            horizon=int(rng.integers(3, 25)), wrap=bool(i % 2), congestion=number(0.2, 3.0),
            noise=[(0.25, 0.5, 0.25), (0.0, 1.0, 0.0), (0.1, 0.8, 0.1)][i % 3], discount=[1.0, 0.95][i % 2],
        )  # fmt: skip
    for i in range(70):
        m = int(rng.integers(2, 12))
        yield add(
            "resource_selection", games.resource_selection, steps[i % 4], i, worth=numbers(m, 0.1, 2.0),
            congestion=number(0.2, 3.0), switching_cost=[0.0, 0.05, 0.3][i % 3], power=[1.0, 2.0, 0.5][i % 3],
            horizon=int(rng.integers(2, 30)), discount=[0.95, 1.0, 0.8][i % 3],
        )  # fmt: skip
    yield add("resource_selection", games.resource_selection, 0.001, 0)
    for i in range(80):
        k = int(rng.integers(1, 7))
        yield add(
            "queueing", games.queueing, steps[i % 4], i, capacities=numbers(k, 0.02, 0.8),
            waiting_cost=[0.1, 0.02, 0.3][i % 3], jockeying_cost=[0.05, 0.0, 0.2][i % 3],
            horizon=int(rng.integers(2, 40)), discount=[0.95, 1.0][i % 2],
        )  # fmt: skip
    yield add("queueing", games.queueing, 1.0, 0, capacities=[0.057, 0.505])
    yield add("queueing", games.queueing, 0.001, 0)
    for i in range(16):
        yield add(
            "left_right", games.left_right, steps[i % 3], i, costs=tuple(numbers(2, 0.1, 5.0)),
            horizon=int(rng.integers(2, 10)),
        )  # fmt: skip
    for i in range(16):
        yield add(
            "rock_paper_scissors", games.rock_paper_scissors, steps[i % 3], i, stakes=tuple(numbers(3, 0.5, 3.0)),
            win=[2.0, 1.0, 1.5][i % 3], horizon=int(rng.integers(2, 8)),
        )  # fmt: skip
    yield add("rock_paper_scissors", games.rock_paper_scissors, 1.0, 0)
    for i in range(30):
        infected = number(0.05, 0.9)
        arguments = {
            "infection": number(0.3, 0.95), "recovery": number(0.1, 0.5), "distancing_cost": number(0.1, 0.8),
            "horizon": int(rng.integers(5, 70)), "initial": (1 - infected, infected),
        }  # fmt: skip
        schedule = [tmf.Synchronous(), tmf.Fraction(0.5), tmf.Bernoulli(0.2)][i % 3]
        label = ", ".join(f"{name}={value}" for name, value in arguments.items())
        yield Instance("susceptible_infected", label, partial(games.susceptible_infected, **arguments), schedule)
    yield Instance("susceptible_infected", "", games.susceptible_infected, tmf.Synchronous())
    for i in range(70):
        yield add(
            "garnet", games.garnet, steps[i % 3], i, n_observations=int(rng.integers(3, 30)),
            n_actions=int(rng.integers(2, 7)), rng=i, congestion=number(0.3, 3.0), coupling=[0.0, 0.3, 0.7][i % 3],
            monotone=bool(i % 5), horizon=int(rng.integers(2, 30)), discount=[0.95, 1.0][i % 2],
        )  # fmt: skip
    for i in range(30):
        shape = int(rng.integers(2, 9)), int(rng.integers(2, 9))
        yield add(
            "crowd_motion", games.crowd_motion, steps[i % 3], i, shape=shape,
            wrap=bool(i % 2), congestion=number(0.3, 2.0), horizon=int(rng.integers(3, 15)),
        )  # fmt: skip
    for i in range(20):
        yield add(
            "building_evacuation", games.building_evacuation, steps[i % 3], i, n_floors=int(rng.integers(1, 5)),
            length=int(rng.integers(2, 7)), width=int(rng.integers(2, 7)), congestion=number(0.3, 2.0),
            horizon=int(rng.integers(3, 10)),
        )  # fmt: skip
    for i in range(40):
        yield add(
            "linear_quadratic", games.linear_quadratic, steps[i % 3], i, n_positions=2 * int(rng.integers(2, 16)) + 1,
            kappa=number(0.1, 1.0), cross=number(0.0, 0.3), terminal_cost=number(0.2, 2.0),
            horizon=int(rng.integers(3, 25)),
        )  # fmt: skip
    for i in range(16):
        arguments = {"shortcut": bool(i % 2), "step": [0.25, 0.5, 1.0][i % 3], "horizon": [20, 12, 30][i % 3]}
        schedule = [tmf.Synchronous(), tmf.Fraction(0.5)][i // 8]
        label = ", ".join(f"{name}={value}" for name, value in arguments.items())
        yield Instance("braess", label, partial(games.braess, **arguments), schedule)
    yield Instance("sioux_falls", "", games.sioux_falls, tmf.Synchronous())
    for i in range(12):
        first, second = (
            games.garnet(
                4, n_actions=3, rng=50 + i + j, horizon=8, congestion=number(0.3, 2.0), discount=1.0, step=1
            ).at()
            for j in (0, 1)
        )
        share = number(0.2, 0.8)
        build = partial(games.typed, [first, second], shares=[share, 1 - share], coupling=[[0.7, 0.3], [0.4, 0.6]])
        yield Instance("typed", f"{i}", build, [tmf.Synchronous(), tmf.Fraction(0.3)][i % 2])
    for i in range(8):
        arguments = {"power": [4, 4, 2, 1][i % 4], "horizon": [20, 10][i % 2], "time": [1.0, 1 + 0.1 * i][i // 4]}
        label = ", ".join(f"{name}={value}" for name, value in arguments.items())
        yield Instance("BPR routes", label, partial(bpr_routes, **arguments), tmf.Synchronous())
    for i in range(8):
        arguments = {"cost": [0.3, 0.1, 0.6, 0.2][i % 4], "horizon": [40, 20][i % 2], "infection": [0.6, 0.4][i // 4]}
        label = ", ".join(f"{name}={value}" for name, value in arguments.items())
        yield Instance("vaccination", label, partial(vaccination, **arguments), tmf.Synchronous())


def bpr_routes(power: float = 4, horizon: int = 20, time: float = 1.0) -> tmf.Game:
    """Three routes with travel times of the Bureau of Public Roads; all agents start on the first."""
    free, capacity = np.array([time, 1.5, 2.0]), np.array([0.3, 0.4, 0.5])

    def reward(mu: np.ndarray) -> np.ndarray:
        cost = free * (1 + 0.15 * (mu / capacity) ** power)
        return -np.broadcast_to(cost[:, None], (3, 3))

    return tmf.Game(
        3, 3, horizon=horizon, discount=1.0, initial=[1, 0, 0], reward=reward,
        transition=np.broadcast_to(np.eye(3), (3, 3, 3)),
    )  # fmt: skip


def vaccination(cost: float = 0.3, horizon: int = 40, infection: float = 0.6) -> tmf.Game:
    """Susceptible, infected, vaccinated: action 1 vaccinates a susceptible agent, at a cost."""
    recovery, waning = 0.2, 0.02

    def transition(mu: np.ndarray) -> np.ndarray:
        p = np.zeros((3, 2, 3))
        p[0, 0, 1] = infection * mu[1]
        p[0, 0, 0] = 1 - p[0, 0, 1]
        p[0, 1, 2] = 1.0
        p[1, :, 0], p[1, :, 1] = recovery, 1 - recovery
        p[2, :, 0], p[2, :, 2] = waning, 1 - waning
        return p

    reward = np.array([[0.0, -cost], [-1.0, -1.0], [0.0, 0.0]])
    return tmf.Game(
        3, 2, horizon=horizon, discount=1.0, initial=[0.9, 0.1, 0.0], reward=reward, transition=transition
    )  # fmt: skip
