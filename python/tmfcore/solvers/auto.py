"""`solve`: an equilibrium by whatever solver finds it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from tmfcore._base import bars
from tmfcore._base.functions import SMALLER_GAME, fits_memory, takes_rng, warn
from tmfcore._model.game import Game
from tmfcore._model.schedules import Schedule
from tmfcore._random import seeding
from tmfcore.solvers._exact import ExactSolver
from tmfcore.solvers._loop import Loop
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._rule import TableRule
from tmfcore.solvers._solver import watcher
from tmfcore.solvers.base import Callback, ConvergenceWarning, Solution
from tmfcore.solvers.best_response import FictitiousPlay
from tmfcore.solvers.homotopy import Homotopy
from tmfcore.solvers.mirror_descent import MirrorDescent

__all__ = ["solve"]

LARGE = 200_000  # entries T S A of a policy beyond which Homotopy would need gigabytes
FLOWS = {MirrorDescent: 200, Homotopy: 100, FictitiousPlay: 100}  # of the first turn


@takes_rng
@fits_memory(SMALLER_GAME)
def solve(
    game: Game,
    schedule: Schedule,
    n_agents: int | None = None,
    *,
    clock: str = "schedule",
    tolerance: float | None = 1e-4,
    absolute_tolerance: float | None = 1e-9,
    rng: seeding.RNG = None,
    initial: object = None,
    callback: Callback | None = None,
    progress: bars.Progress = False,
) -> Solution:
    """An equilibrium of `game` played under `schedule`, by the exact solver that is the first to find one.

    Three solvers take turns: MirrorDescent, which is fast where the game is monotone; Homotopy, which needs no
    monotonicity, in games of up to 200,000 policy entries T S A; and FictitiousPlay. A turn lasts until a solver has
    computed a number of flows, 200 of MirrorDescent and 100 of the others in the first round and twice as many in
    each that follows, so that the whole takes a few times as long as the solver that wins. The least exploitable policy
    of all is returned where none meets the tolerance.

    Parameters
    ----------
    game : Game
    schedule : Schedule
    n_agents : int or None, optional
        Turns batch sizes into fractions beta = B / N; not needed by Synchronous, Fraction and Bernoulli.
    clock : {"schedule", "always"}, optional
        Whose values are learnt and judged, theory.md section 3.
    tolerance : float or None, optional
        Stop, converged, when exploitability <= tolerance * |mean return|. None: never.
    absolute_tolerance : float or None, optional
        The same when exploitability <= absolute_tolerance, in units of return.
    rng : int, Generator, SeedSequence or None, optional
        As every solver takes it; nothing is drawn.
    initial : policy, Solution or None, optional
        Where to start, as every solver takes it.
    callback : callable, optional
        Called with an Iteration after each evaluation of each solver; returning True stops.
    progress : bool or callable, optional
        True draws one bar (extra `app`); a callable receives (done, total), updates of all solvers together.

    Returns
    -------
    Solution
        `solver` holds the name and hyperparameters of the solver that found the policy, `reason` all that were tried.

    Raises
    ------
    TypeError, ValueError
        As every solver does; `partial` of what the game or a callback raises is the best Solution of all solvers.

    Warns
    -----
    ConvergenceWarning
        None of the solvers meets the tolerance.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0)
    >>> solution = tmf.solve(game, tmf.Synchronous())
    >>> solution.solver["name"], solution.converged
    ('MirrorDescent', True)
    """
    callback = watcher(callback, progress)
    problem = Problem.of(game, schedule, n_agents, clock)
    generator = seeding.generators(rng, 1)[0]
    size = problem.game.n_steps * problem.game.n_observations * problem.game.n_actions
    kinds: list[type[ExactSolver]] = [MirrorDescent, Homotopy, FictitiousPlay]
    if size > LARGE:
        kinds.remove(Homotopy)
    options = {"clock": clock, "tolerance": tolerance, "absolute_tolerance": absolute_tolerance}
    turns = [_Contender(kind(**options), FLOWS[kind]) for kind in kinds]  # type: ignore[arg-type]  # clock is checked
    with bars.reporter(progress, sum(turn.solver.iterations for turn in turns), "solve") as report:
        try:
            while not (_over(turns) or all(turn.ended for turn in turns)):
                for turn in turns:
                    if not (turn.ended or _over(turns)):
                        turn.play(problem, initial, generator, callback, lambda _: report(sum(t.done for t in turns)))
        except BaseException as error:
            found = [each.loop.solution(again=False) for each in turns if each.loop is not None and each.loop.rows]
            error.partial = min(found, key=_exploitability, default=None)  # type: ignore[attr-defined]  # as Loop.run
            raise
    loops = [turn.loop for turn in turns if turn.loop is not None and turn.loop.rows]
    found = [loop.solution() for loop in loops]
    converged = [solution for solution in found if solution.converged]
    best = converged[0] if converged else min(found, key=_exploitability)
    reason = "; ".join(f"{solution.solver['name']}: {solution.reason}" for solution in found)
    solution = dataclasses.replace(best, reason=reason)
    if not converged and all(loop.missed for loop in loops):
        warn(f"solve has not converged: {reason}", ConvergenceWarning)
    return solution


class _Contender:
    """One solver, and how far it got."""

    def __init__(self, solver: ExactSolver, flows: int) -> None:
        self.solver, self.flows, self.allowed = solver, flows, 0
        self.loop: Loop | None = None

    @property
    def ended(self) -> bool:
        """Whether it will not play again."""
        return self.loop is not None and self.loop.ended

    @property
    def done(self) -> int:
        """Updates made."""
        return 0 if self.loop is None else self.loop.iteration - self.loop.first

    def play(
        self, problem: Problem, initial: object, generator: np.random.Generator, callback: Callback | None,
        report: Callable[[int], None],
    ) -> None:  # fmt: skip
        """One turn, twice as long as the one before."""
        if self.loop is None:
            self.loop = self.solver._loop(problem, initial, generator)
        rule = self.loop.rule
        assert isinstance(rule, TableRule), "exact solvers move tables"
        self.allowed += self.flows
        self.loop.run(callback, report, lambda: rule.iterate.flows >= self.allowed)
        self.flows *= 2


def _over(turns: list[_Contender]) -> bool:
    """Whether one of them has converged, or was stopped."""
    return any(turn.loop is not None and (turn.loop.converged or turn.loop.stopped) for turn in turns)


def _exploitability(solution: Solution) -> float:
    return solution.exploitability
