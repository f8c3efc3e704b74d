"""Run one solver, or several that take turns; called by `Solver.solve`, `tmf.solve` and `tune`.

    play(solvers, problem, ...)      returns the finished loops (_loop) of the solvers that have started
    as_initial(initial)              what to start from, checked

Under Poisson clocks they play on one grid of steps after another, until one is fine enough.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Generic, cast

from tmfcore._base import bars, needs
from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.functions import noted
from tmfcore._base.types import FloatsLike
from tmfcore._model.played import Sees
from tmfcore._model.policies import SoftmaxPolicy, TabularPolicy
from tmfcore._model.policy import Policy
from tmfcore._random import seeding
from tmfcore._results.checkpoint import Keeper
from tmfcore.solvers._loop import Limit, Loop
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._registry import entry_of
from tmfcore.solvers.base import Callback, P, Solution

if TYPE_CHECKING:
    from tmfcore.solvers._solver import Solver

__all__ = ["as_initial", "play"]

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
    threads: int | Executor | None = None,
    time_limit: float | None = None,
    iterations: int | None = None,
    name: str = "solve",
    keeper: Keeper | None = None,
) -> list[Loop[P]]:
    """Run one solver, or several in turns, until one has converged or was stopped, or all have ended.

    A turn lasts a number of flows, which doubles from round to round. An exception carries the best Solution of all
    solvers as `partial`. `iterations` bounds the sum of the updates of all solvers. With a `keeper` the run goes on
    from its state, and writes it between iterations.
    """
    bars.check(progress)
    callback = None if callback is None else noted(callback, "callback", "an Iteration")
    if threads is not None and not isinstance(threads, Executor):
        threads = check.as_positive_int(threads, "threads")
    if time_limit is not None:
        time_limit = check.as_float(time_limit, "time_limit", low=0.0)
    begin = as_initial(initial), seeding.seeds(rng, len(solvers)), threads, Limit(time_limit, iterations)
    run = _Run(solvers, problem, *begin, callback, progress, name, keeper)
    while True:
        try:
            loops = run.play()
        except BaseException as error:
            if run.found is not None and getattr(error, "partial", None) is None:
                error.partial = run.found  # type: ignore[attr-defined]  # ours
            raise
        finer = _finer(run.problem, loops)
        if finer is None:
            return loops
        found = min((loop.solution(last=True) for loop in loops), key=lambda each: each.exploitability)
        if run.found is not None and found.exploitability >= run.found.exploitability:  # shorter steps have not helped
            return loops
        run.found, run.problem, run.turn = found, finer, 0
        n_steps = finer.game.n_steps
        log.debug("exploitability %.3g under the clocks; going on with %d steps", found.exploitability, n_steps)


def _finer(problem: Problem, loops: Sequence[Loop[P]]) -> Problem | None:
    """The problem on a finer grid, if the steps of this one are too long, and nothing else has ended the loops."""
    excess = max((loop.coarse for loop in loops), default=0.0)
    return problem.finer(excess) if excess > 0 else None


class _Run(Generic[P]):
    """The solvers on one grid after another; all that a checkpoint has of them.

    Attributes
    ----------
    found : Solution or None
        The best one of the last grid, from whose policy the solvers start on this one.
    turns : list of _Turn
        Of this grid, in the order of the solvers.
    turn : int
        Whose turn it is.
    """

    def __init__(
        self, solvers: Sequence[Solver[P]], problem: Problem, initial: object, seeds: Sequence[seeding.Stream],
        threads: int | Executor | None, limit: Limit, callback: Callback | None, progress: bars.Progress, name: str,
        keeper: Keeper | None,
    ) -> None:  # fmt: skip
        self.solvers, self.problem, self.initial, self.seeds, self.threads = solvers, problem, initial, seeds, threads
        self.limit, self.callback, self.progress, self.name, self.keeper = limit, callback, progress, name, keeper
        self.found: Solution[P] | None = None
        self.turns: list[_Turn[P]] = []
        self.turn = 0
        self.left: list[Any] = []  # the turns in the checkpoint
        if keeper is not None and keeper.state is not None:
            with keeper.restoring():
                self.go_on(keeper.state)
            keeper.state = None

    def play(self) -> list[Loop[P]]:
        """Play on one grid, to the end or from where a checkpoint was taken."""
        problems = {_kind(each): self.problem.of(each) for each in self.solvers}
        initial = self.initial if self.found is None else self.found.policy
        alone, limit = len(self.solvers) == 1, self.limit
        if not all(each._is_small(problems[_kind(each)], len(self.solvers)) for each in self.solvers):
            needs.ask({
                what if alone else f"{what} ({each.name})": shape
                for each in self.solvers for what, shape in each._needs(problems[_kind(each)]).items()
            } | self.problem.needs(), self.problem.advice)  # fmt: skip
        turns = self.turns = [_Turn(each, alone) for each in self.solvers]
        most = 0 if self.progress is False else sum(each.iterations for each in self.solvers)
        keep = None if self.keeper is None else self.keep
        try:
            if self.keeper is not None and self.left:
                for turn, seed, kept in zip(turns, self.seeds, self.left, strict=True):
                    turn.go_on((problems[_kind(turn.solver)], None, seed, self.threads, limit), kept, self.keeper)
                self.left = []
            before = limit.made - sum(turn.made for turn in turns)
            iterations = most if limit.updates is None else min(most, limit.updates - before)
            with bars.reporter(self.progress, iterations, self.name) as report:
                over = False
                while not (over or all(turn.ended for turn in turns)):
                    turn, seed = turns[self.turn], self.seeds[self.turn]
                    if not turn.ended:
                        begin = (problems[_kind(turn.solver)], initial, seed, self.threads, limit)
                        over = turn.play(begin, self.callback, lambda _: report(limit.made - before), keep)
                    self.turn = (self.turn + 1) % len(turns)
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

    def keep(self) -> None:
        """Write a checkpoint, if it is time."""
        if self.keeper is not None and self.keeper.due():
            grid = self.problem.grid
            self.keeper.save({
                "n_steps": None if grid is None else grid.n_steps, "found": self.found, "limit": self.limit.kept(),
                "spawned": [seeding.spawned(seed) for seed in self.seeds], "turn": self.turn,
                "turns": [turn.kept() for turn in self.turns],
            })  # fmt: skip

    def go_on(self, kept: Mapping[str, Any]) -> None:
        """Go on from what `keep` wrote."""
        if self.problem.grid is not None:
            self.problem = self.problem.in_steps_of(kept["n_steps"])
        self.found, self.turn = kept["found"], kept["turn"]
        self.limit.go_on(kept["limit"])
        for seed, n in zip(self.seeds, kept["spawned"], strict=True):
            seeding.skip(seed, n)
        self.left = list(kept["turns"])


def _kind(solver: Solver[Any]) -> tuple[str, float]:
    """Solvers of one kind solve one problem."""
    return solver.clock, solver.altruism


class _Turn(Generic[P]):
    """One solver and its loop; a solver that runs `alone` is never interrupted for the turn of another."""

    def __init__(self, solver: Solver[P], alone: bool) -> None:
        self.solver, self.alone, self.allowed, self.entry = solver, alone, 0, entry_of(type(solver))
        self.flows = FLOWS if self.entry.turn is None else self.entry.turn.flows
        self.loop: Loop[P] | None = None
        self.under_way = False  # whether a checkpoint was taken in a turn, which is to be played to its end

    @property
    def made(self) -> int:
        """Updates made."""
        return 0 if self.loop is None else self.loop.iteration - self.loop.first

    @property
    def ended(self) -> bool:
        """Whether the solver's loop has ended."""
        return self.loop is not None and self.loop.ended

    def play(
        self,
        begin: tuple[Problem, object, seeding.Stream, int | Executor | None, Limit],
        callback: Callback | None,
        report: Callable[[int], None],
        keep: Callable[[], None] | None,
    ) -> bool:
        """Run one turn, twice as long as the turn before; whether no other solver is to be tried.

        That is so if the solver has converged or was stopped, or the common limit was reached.
        """
        if self.loop is None:
            self.loop = self.begun(*begin)
        loop, rule, said = self.loop, self.loop.rule, log.isEnabledFor(logging.DEBUG)
        if not self.under_way:
            self.allowed += self.flows
        self.under_way = True
        if said:
            log.debug("trying %s, up to %s flows", self.solver, "any number of" if self.alone else self.allowed)
        loop.run(callback, report, None if self.alone else lambda: rule.flows >= self.allowed, keep)
        if said:
            log.debug("%s: %s; %s", self.solver.name, loop.reason, loop.best_words())
        self.flows *= 2
        self.under_way = False
        return loop.converged or loop.stopped or loop.cut

    def begun(
        self, problem: Problem, initial: object, seed: seeding.Stream, threads: int | Executor | None, limit: Limit
    ) -> Loop[P]:
        """A new loop, before its first iteration."""
        rule = self.entry.rule(self.solver, problem)
        try:
            rule.sample_from(seed, threads)
            return Loop(self.solver, problem, rule, initial, limit)
        except BaseException:
            rule.close()
            raise

    def kept(self) -> dict[str, Any]:
        """What a checkpoint has of the turn."""
        loop = None if self.loop is None else self.loop.kept()
        return {"allowed": self.allowed, "flows": self.flows, "under_way": self.under_way, "loop": loop}

    def go_on(
        self, begin: tuple[Problem, object, seeding.Stream, int | Executor | None, Limit], kept: Mapping[str, Any],
        keeper: Keeper,
    ) -> None:  # fmt: skip
        """Go on from what `kept` returned."""
        with keeper.restoring():
            self.allowed, self.flows, self.under_way = kept["allowed"], kept["flows"], kept["under_way"]
            found = kept["loop"]
        if found is not None:
            self.loop = self.begun(*begin)
            with keeper.restoring():
                self.loop.go_on(found)


def as_initial(initial: object) -> object:
    """Check `initial`: a policy, a Solution or None; an array becomes a TabularPolicy."""
    kinds = (Solution, TabularPolicy, SoftmaxPolicy, Sees, Policy)
    if initial is None or isinstance(initial, kinds) or callable(initial):
        return initial
    if check.is_array(initial):
        try:
            return TabularPolicy(cast(FloatsLike, initial))
        except (TypeError, ValueError) as error:
            raise type(error)(f"initial is not a policy: {error}") from None
    raise TypeError(f"initial is {say.show(initial)}; must be None, a policy, its probabilities, or a Solution")
