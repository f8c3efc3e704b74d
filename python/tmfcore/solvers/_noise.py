"""`solve` of a game with random noise: one policy for all paths (Theory, section 13)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tmfcore._base import validation as check
from tmfcore._base.types import Clock
from tmfcore._limit.over_paths import gain_over
from tmfcore._model.game import Game
from tmfcore._model.noise import NoiseChain
from tmfcore._model.noise_information import Information
from tmfcore._model.noise_paths import Paths
from tmfcore._model.noise_tree import NoiseTree
from tmfcore._model.schedules import Schedule
from tmfcore._random import seeding
from tmfcore.solvers._exact import ExactSolver
from tmfcore.solvers._loop import Loop
from tmfcore.solvers._noise_problems import PathProblem, TreeProblem, fresh_paths
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._registry import entry_of
from tmfcore.solvers._solver import Solver
from tmfcore.solvers.base import Solution

__all__ = ["NoisySolve"]

PATHS = 64  # default number of paths on which a policy is found
TOLERANCE = 0.005  # relative, of the gain on fresh paths; a fifth of it on those of the solve
PATIENCE = 30  # of solvers that are not given with settings of their own: on paths an iteration is dear
ON_PATHS = ("MirrorDescent", "FictitiousPlay", "FixedPoint")  # solvers that need nothing of the game but Q and flows


class NoisySolve:
    """What is searched for, and on what: the tree of a chain if it fits and nothing else is asked for, else paths.

    Parameters
    ----------
    game : Game
        In steps, with random noise.
    schedule, n_agents, paths, memory, rng
        As in `solve`.
    """

    def __init__(
        self, game: Game, schedule: Schedule, n_agents: int | None, paths: object, memory: object, rng: seeding.RNG
    ) -> None:
        self.game, self.schedule = game, schedule
        self.n_agents = None if n_agents is None else check.as_positive_int(n_agents, "n_agents")
        self.tree: NoiseTree | None = None
        if paths is None and memory is None and isinstance(game.noise, NoiseChain):
            try:
                self.tree = NoiseTree(game)
            except ValueError as error:
                if "must be at most" not in str(error):
                    raise
        if self.tree is None:
            of_paths, self.fresh = seeding.generators(rng, 2)
            self.paths = Paths.of(game, PATHS if paths is None else check.as_int(paths, "paths", low=1), of_paths)
            self.information = Information.of(self.paths, 1 if memory is None else memory)

    def problem(self, clock: Clock) -> Problem:
        """The problem of a solve."""
        if self.tree is not None:
            return TreeProblem(self.tree, self.schedule, self.n_agents, clock)
        return PathProblem(self.paths, self.information, self.schedule, self.n_agents, clock)

    def check(self, solvers: list[tuple[Solver[Any], bool]], asked: bool) -> list[tuple[Solver[Any], bool]]:
        """Those of `solvers` that can solve the problem; an error if they were `asked` for by name."""
        fit = []
        for solver, kept in solvers:
            entry = entry_of(type(solver))
            exact = isinstance(solver, ExactSolver) and not entry.endless
            if exact and (self.tree is not None or entry.name in ON_PATHS):
                fit.append((solver, kept))
            elif asked:
                fitting = "an exact solver of finite horizons" if self.tree else f"one of {', '.join(ON_PATHS)}"
                raise ValueError(f"solver is {solver.name}; must be {fitting} for {self.game!r}")
        return fit

    def tolerances(self, changes: dict[str, Any], chosen: list[tuple[Solver[Any], bool]]) -> dict[str, Any]:
        """Changes of the solvers' tolerances: on the paths of the solve, a fifth of the tolerance on fresh ones."""
        if self.tree is not None:
            return {}
        kept = [solver for solver, own in chosen if own]
        self.absolute = changes.get("absolute_tolerance", chosen[0][0].absolute_tolerance)
        if "tolerance" not in changes and kept:
            self.tolerance = kept[0].tolerance
        else:
            value = changes.get("tolerance", TOLERANCE)
            self.tolerance = None if value is None else check.as_float(value, "tolerance", low=0.0)
        changed: dict[str, Any] = {"tolerance": None if self.tolerance is None else self.tolerance / 5}
        if "absolute_tolerance" in changes:
            self.absolute = self.absolute and check.as_float(self.absolute, "absolute_tolerance", low=0.0)
            changed["absolute_tolerance"] = self.absolute and self.absolute / 5
        return changed if kept else {**changed, "patience": PATIENCE}

    def best(self, loops: list[Loop[Any]], why: str) -> tuple[Solution[Any], str | None]:
        """The best Solution of loops on paths, which ended because of `why`, judged on fresh paths; and a warning."""
        found = min((loop.solution() for loop in loops), key=lambda each: (not each.converged, each.exploitability))
        judged = gain_over(
            self.game, found.policy, self.schedule, self.n_agents, found.clock, fresh_paths(len(self.paths)),
            self.information.memory, self.fresh, None, found.solver.get("altruism", 0.0),
        )  # fmt: skip
        high = judged.interval().high
        bounds = [] if self.tolerance is None else [self.tolerance * abs(judged.mean_return)]
        bounds += [] if self.absolute is None else [self.absolute]
        reason = (
            f"on {len(judged.gains)} fresh paths deviations that see {judged.deviations} gain {judged.value:.3g}, at "
            f"most {high:.3g} at 95%; on the {len(self.paths)} paths of the solve: {why}"
        )
        solution = replace(
            found, exploitability=judged.value, mean_return=judged.mean_return, reason=reason, judgement=judged,
            converged=any(high <= bound for bound in bounds),
        )  # fmt: skip
        wanted = not any(loop.stopped for loop in loops) and all(loop.solver._has_tolerance for loop in loops)
        missed = wanted and not solution.converged
        return solution, f"solve has not converged: {reason}" if missed else None
