"""Types for code that uses tmfcore: what its arguments take, for annotations of one's own.

    import tmfcore as tmf
    from tmfcore.typing import Engine

    def play(game: tmf.Game, engine: Engine = "auto") -> tmf.Simulation: ...

Clock           "schedule" or "always": whose values are meant
Engine          "auto", "counts" or "agents"
Start           "rounded" or "sampled"
Time            "steps" or "sweeps"
FloatsLike      numbers, nested sequences of them, and whatever has `__array__` (numpy, pandas, jax, torch)
TableLike       the same, or a function of (mu), (mu, t) or (mu, t, z) that returns the same: rewards, kernels
PolicyLike      what is taken for a policy; PolicyFunction is a function of (mu) or (mu, t) that returns (S, A) numbers
RNG             what `rng=` takes
Progress        what `progress=` takes
SolverLike      whatever has a method `solve` like those of tmfcore.solvers
Callback        what `callback=` takes: a function of an Iteration; returning True stops

Checkers of types (mypy --strict, pyright) refuse words that are no choice; at run time the same lists are checked, and
the error suggests the closest.
"""

from __future__ import annotations

from typing import Any, Protocol

from tmfcore._base.bars import Progress
from tmfcore._base.types import Clock, Engine, FloatsLike, Start, TableFunction, TableLike, Time
from tmfcore._model.game import Game
from tmfcore._model.policies import PolicyFunction, PolicyLike
from tmfcore._model.schedules import Schedule
from tmfcore._random.seeding import RNG
from tmfcore.solvers.base import Callback, Solution

__all__ = [
    "RNG", "Callback", "Clock", "Engine", "FloatsLike", "PolicyFunction", "PolicyLike", "Progress", "SolverLike",
    "Start", "TableFunction", "TableLike", "Time",
]  # fmt: skip


class SolverLike(Protocol):
    """Whatever has a method `solve` like those of tmfcore.solvers, for functions that take any."""

    def solve(
        self,
        game: Game,
        schedule: Schedule,
        n_agents: int | None = None,
        *,
        rng: RNG = None,
        initial: PolicyLike | None = None,
        callback: Callback | None = None,
        progress: Progress = False,
    ) -> Solution[Any]:
        """A policy of `game` played under `schedule`."""
        ...
