"""Run one solver, or several that take turns; called by `Solver.solve`, `tmf.solve` and `tune`.

    play(solvers, problem, ...)      returns the finished loops (_loop) of the solvers that have started

Under Poisson clocks they play on one grid of steps after another, until one is fine enough.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from math import inf
from typing import TYPE_CHECKING, Generic, cast

from tmfcore._base import bars, needs
from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.functions import noted
from tmfcore._base.types import FloatsLike
from tmfcore._model.played import SeesNoise
from tmfcore._model.policies import SoftmaxPolicy, TabularPolicy
from tmfcore._model.policy import Policy
from tmfcore._random import seeding
from tmfcore.solvers._loop import Limit, Loop
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._registry import entry_of
from tmfcore.solvers.base import Callback, P, Solution

if TYPE_CHECKING:
    from tmfcore.solvers._solver import Solver

__all__ = ["play"]

FLOWS = 100  # length of the first turn of a solver that is registered without a Turn

log = logging.getLogger(__name__)


def play(
    solvers: Sequence[Solver[P]],
    problem: Problem,
    *,
    rng: seeding.RNG = None,
    initial: object = None,
    callback: Callback | None = None,
    progress: bars.Progress = False,
    threads: int | None = None,
    time_limit: float | None = None,
    iterations: int | None = None,
    name: str = "solve",
) -> list[Loop[P]]:
    """Run one solver, or several in turns, until one has converged or was stopped, or all have ended.

    A turn lasts a number of flows, which doubles from round to round. An exception carries the best Solution of all
    solvers as `partial`. `iterations` bounds the sum of the updates of all solvers.
    """
    bars.check(progress)
    callback = None if callback is None else noted(callback, "callback", "an Iteration")
    threads = None if threads is None else check.as_positive_int(threads, "threads")
    if time_limit is not None:
        time_limit = check.as_float(time_limit, "time_limit", low=0.0)
    begin = _as_initial(initial), seeding.seeds(rng, len(solvers)), threads, Limit(time_limit, iterations)
    loops = _play(solvers, problem, *begin, callback, progress, name)
    gap = inf
    while (finer := _finer(problem, loops)) is not None:
        found = min((loop.solution(last=True) for loop in loops), key=lambda each: each.exploitability)
        if found.exploitability >= gap:  # shorter steps have not helped
            break
        gap, problem = found.exploitability, finer
        log.debug("exploitability %.3g under the clocks; going on with %d steps", gap, problem.game.n_steps)
        try:
            loops = _play(solvers, problem, found.policy, *begin[1:], callback, progress, name)
        except BaseException as error:
            if getattr(error, "partial", None) is None:
                error.partial = found  # type: ignore[attr-defined]  # ours
            raise
    return loops


def _finer(problem: Problem, loops: Sequence[Loop[P]]) -> Problem | None:
    """The problem on a finer grid, if the steps of this one are too long, and nothing else has ended the loops."""
    excess = max((loop.coarse for loop in loops), default=0.0)
    return problem.finer(excess) if excess > 0 else None


def _play(
    solvers: Sequence[Solver[P]], problem: Problem, initial: object, seeds: Sequence[seeding.Stream],
    threads: int | None, limit: Limit, callback: Callback | None, progress: bars.Progress, name: str,
) -> list[Loop[P]]:  # fmt: skip
    """`play` on one grid."""
    problems = {clock: problem.on(clock) for clock in {each.clock for each in solvers}}
    iterations = None if limit.updates is None else limit.updates - limit.made
    turns = [_Turn(each, len(solvers) == 1) for each in solvers]
    alone = len(solvers) == 1
    needs.ask({
        what if alone else f"{what} ({each.name})": shape
        for each in solvers for what, shape in each._needs(problems[each.clock]).items()
    })  # fmt: skip
    most = 0 if progress is False else sum(each.iterations for each in solvers)
    before = limit.made
    with bars.reporter(progress, most if iterations is None else min(most, iterations), name) as report:
        try:
            over = False
            while not (over or all(turn.ended for turn in turns)):
                for turn, seed in zip(turns, seeds, strict=True):
                    if not (turn.ended or over):
                        begin = (problems[turn.solver.clock], initial, seed, threads, limit)
                        over = turn.play(begin, callback, lambda _: report(limit.made - before))
        except BaseException as error:
            loops = [turn.loop for turn in turns if turn.loop is not None and turn.loop.rows]
            best = min(loops, key=lambda each: each.best, default=None)
            error.partial = None if best is None else best.left()  # type: ignore[attr-defined]  # ours
            raise
        finally:
            for turn in turns:
                if turn.loop is not None:
                    turn.loop.rule.close()
    return [turn.loop for turn in turns if turn.loop is not None and turn.loop.rows]


class _Turn(Generic[P]):
    """One solver and its loop; a solver that runs `alone` is never interrupted for the turn of another."""

    def __init__(self, solver: Solver[P], alone: bool) -> None:
        self.solver, self.alone, self.allowed, self.entry = solver, alone, 0, entry_of(type(solver))
        self.flows = FLOWS if self.entry.turn is None else self.entry.turn.flows
        self.loop: Loop[P] | None = None

    @property
    def ended(self) -> bool:
        """Whether the solver's loop has ended."""
        return self.loop is not None and self.loop.ended

    def play(
        self,
        begin: tuple[Problem, object, seeding.Stream, int | None, Limit],
        callback: Callback | None,
        report: Callable[[int], None],
    ) -> bool:
        """Run one turn, twice as long as the turn before; whether no other solver is to be tried.

        That is so if the solver has converged or was stopped, or the common limit was reached.
        """
        if self.loop is None:
            self.loop = self.begun(*begin)
        loop, rule, said = self.loop, self.loop.rule, log.isEnabledFor(logging.DEBUG)
        self.allowed += self.flows
        if said:
            log.debug("trying %s, up to %s flows", self.solver, "any number of" if self.alone else self.allowed)
        loop.run(callback, report, None if self.alone else lambda: rule.flows >= self.allowed)
        if said:
            log.debug("%s: %s; %s", self.solver.name, loop.reason, loop.best_words())
        self.flows *= 2
        return loop.converged or loop.stopped or loop.cut

    def begun(
        self, problem: Problem, initial: object, seed: seeding.Stream, threads: int | None, limit: Limit
    ) -> Loop[P]:
        """A new loop, before its first iteration."""
        rule = self.entry.rule(self.solver, problem)
        try:
            rule.sample_from(seed, threads)
            return Loop(self.solver, problem, rule, initial, limit)
        except BaseException:
            rule.close()
            raise


def _as_initial(initial: object) -> object:
    """Check `initial`: a policy, a Solution or None; an array becomes a TabularPolicy."""
    kinds = (Solution, TabularPolicy, SoftmaxPolicy, SeesNoise, Policy)
    if initial is None or isinstance(initial, kinds) or callable(initial):
        return initial
    if check.is_array(initial):
        try:
            return TabularPolicy(cast(FloatsLike, initial))
        except (TypeError, ValueError) as error:
            raise type(error)(f"initial is not a policy: {error}") from None
    raise TypeError(f"initial is {say.show(initial)}; must be None, a policy, its probabilities, or a Solution")
