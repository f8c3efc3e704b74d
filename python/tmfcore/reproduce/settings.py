"""Settings of the reproduction: the two games, the sizes of the full and the quick version, and the goals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import tmfcore as tmf

#: Discount per sweep, and horizon in sweeps, of both games.
DISCOUNT = 0.95
HORIZON = 20


@dataclass(frozen=True)
class GameSpec:
    """A game in sweeps.

    Attributes
    ----------
    builder : str
        Name of a function of ``tmfcore.games``.
    title : str
        Name for headings.
    parameters : mapping
        Keyword arguments of the builder.
    labels : tuple of str
        Names of the observations, for legends.
    """

    builder: str
    title: str
    parameters: Mapping[str, Any]
    labels: tuple[str, ...]

    def build(self) -> tmf.Game:
        """Return the game."""
        game: tmf.Game = getattr(tmf.games, self.builder)(**self.parameters)
        return game


_WORTH = (1.0, 0.97, 0.94, 0.92, 0.9, 0.88, 0.7, 0.6, 0.5, 0.4)
_CAPACITIES = (0.2, 0.3, 0.4, 0.5, 0.6)

#: The two games of the paper in the sizes of this reproduction.
GAMES: dict[str, GameSpec] = {
    "resource_selection": GameSpec(
        "resource_selection",
        "Resource selection, 10 resources",
        {
            "worth": _WORTH,
            "congestion": 0.5,
            "switching_cost": 0.2,
            "horizon": HORIZON,
            "discount": DISCOUNT,
            "initial": (0.0, 0.0, 0.0, 0.05, 0.05, 0.1, 0.1, 0.15, 0.2, 0.35),
        },
        tuple(f"resource {o + 1}, v = {v:g}" for o, v in enumerate(_WORTH)),
    ),
    "queueing": GameSpec(
        "queueing",
        "Queueing, 5 servers",
        {
            "capacities": _CAPACITIES,
            "service_reward": 1.0,
            "waiting_cost": 0.1,
            "jockeying_cost": 0.2,
            "horizon": HORIZON,
            "discount": DISCOUNT,
        },
        ("idle", *(f"server {j + 1}, s = {s:g}" for j, s in enumerate(_CAPACITIES))),
    ),
}


@dataclass(frozen=True)
class Goals:
    """The goals of the reproduction, as fractions."""

    exploitability: float = 0.005
    n_agents_return: float = 0.01
    return_across_batches: float = 0.04
    slope: float = -0.5
    slope_tolerance: float = 0.03


@dataclass(frozen=True)
class Settings:
    """Sizes of one reproduction.

    Attributes
    ----------
    name : str
    n_agents : int
        N of the solved games.
    batches : tuple of int
        Values of B, the number of agents that act at each step; the last one is N.
    aware : int
        One of `batches`: that of a further run, whose policy sees the population, as the paper's does.
    iterations : int
        Largest number of TMF-PG iterations.
    tolerance : float
        Exploitability / abs(mean return) at which TMF-PG stops: well below the goal, so that the figure shows both.
    return_replicas : int
        Number of populations per N-agent return.
    ladder, ladder_sequential : tuple of int
        Population sizes of the convergence study, and those for B = 1 (whose cost is proportional to N).
    convergence_replicas : int
        Number of populations per size.
    """

    name: str
    n_agents: int
    batches: tuple[int, ...]
    aware: int
    iterations: int
    tolerance: float
    return_replicas: int
    ladder: tuple[int, ...]
    ladder_sequential: tuple[int, ...]
    convergence_replicas: int
    games: tuple[str, ...] = tuple(GAMES)
    goals: Goals = field(default_factory=Goals)

    def cases(self) -> tuple[tuple[int, bool], ...]:
        """Return what is solved in each game: B, and whether the policy sees the population."""
        return (*((batch, False) for batch in self.batches), (self.aware, True))

    def solver(self, aware: bool = False) -> tmf.solvers.TMFPG:
        """Return TMF-PG for both games and every B: default settings except iterations and tolerance."""
        return tmf.solvers.TMFPG(iterations=self.iterations, tolerance=self.tolerance, population_aware=aware)

    def as_dict(self) -> dict[str, Any]:
        """Return everything above as plain values, for results.json."""
        return {**asdict(self), "horizon": HORIZON, "discount": DISCOUNT, "solver": repr(self.solver())}


SETTINGS: dict[str, Settings] = {
    each.name: each
    for each in (
        Settings(
            name="full",
            n_agents=1000,
            batches=(1, 10, 100, 1000),
            aware=100,
            iterations=200,
            tolerance=0.001,
            return_replicas=200,
            ladder=(100, 1_000, 10_000, 100_000, 1_000_000),
            ladder_sequential=(100, 1_000, 10_000, 100_000),
            convergence_replicas=200,
        ),
        Settings(
            name="quick",
            n_agents=1000,
            batches=(1, 10, 100, 1000),
            aware=100,
            iterations=80,
            tolerance=0.002,
            return_replicas=200,
            ladder=(100, 300, 1_000, 3_000, 10_000),
            ladder_sequential=(100, 300, 1_000, 3_000),
            convergence_replicas=200,
        ),
        # For the tests: takes seconds, and is too small for the goals.
        Settings(
            name="tiny",
            n_agents=50,
            batches=(5, 50),
            aware=5,
            iterations=5,
            tolerance=0.001,
            return_replicas=4,
            ladder=(20, 40, 80),
            ladder_sequential=(20, 40),
            convergence_replicas=4,
        ),
    )
}
