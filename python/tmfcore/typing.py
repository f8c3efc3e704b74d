"""Types of tmfcore's arguments, for annotations in code that uses it.

    import tmfcore as tmf
    from tmfcore.typing import Engine

    def play(game: tmf.Game, engine: Engine = "auto") -> tmf.Simulation: ...

Clock           "schedule" or "always": values of an agent under the schedule, or of one that acts at every step
Engine          "auto", "counts" or "agents"
Start           "rounded" or "sampled"
Time            "steps" or "sweeps"
FloatsLike      numbers, nested sequences of numbers, and objects with `__array__` (numpy, pandas, jax, torch)
TableLike       the same, or a function of (mu), (mu, t) or (mu, t, z) that returns the same: rewards, kernels
PolicyLike      values of a policy argument; a PolicyFunction maps (mu) or (mu, t) to an (S, A) table
RNG             values of `rng=`
CheckpointLike  values of `checkpoint=`: a path or a tmf.Checkpoint
Progress        values of `progress=`
SolverLike      any object with a method `solve` like the solvers of tmfcore.solvers
Callback        values of `callback=`: a function of an Iteration; returning True stops the solver

Type checkers (mypy --strict, pyright) reject unknown words; at run time the same lists are checked, and the error
suggests the closest word.
"""

from __future__ import annotations

from typing import Any, Protocol

from tmfcore._base.bars import Progress
from tmfcore._base.types import Clock, Engine, FloatsLike, Start, TableFunction, TableLike, Time
from tmfcore._model.game import Game
from tmfcore._model.policies import PolicyFunction, PolicyLike
from tmfcore._model.schedules import Schedule
from tmfcore._random.seeding import RNG
from tmfcore._results.checkpoint import CheckpointLike
from tmfcore.solvers.base import Callback, Solution

__all__ = [
    "RNG", "Callback", "CheckpointLike", "Clock", "Engine", "FloatsLike", "PolicyFunction", "PolicyLike", "Progress",
    "SolverLike", "Start", "TableFunction", "TableLike", "Time",
]  # fmt: skip


class SolverLike(Protocol):
    """Any object with a method `solve` like the solvers of tmfcore.solvers."""

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
        """Compute an equilibrium policy of `game` under `schedule`."""
        ...
