"""The search of `tune`: its trials, the best of them, and its checkpoint.

On an executor, trials that follow are solved beside the present one: those that the sampler would suggest if it learnt
nothing meanwhile. They are guesses: a trial takes what was solved for its settings, if it was, and is solved otherwise.
So the search is the same, whatever the sampler is.

A search that goes on from a checkpoint asks the sampler for the settings of all trials again, and takes the results of
those that are finished from the file: the sampler then is in the state in which it was, whatever it is.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from math import exp, isfinite
from typing import Any, Literal, TypeAlias

import numpy as np

from tmfcore._base import executors
from tmfcore._base import validation as check
from tmfcore._base.files import FileError
from tmfcore._base.functions import noted
from tmfcore._base.parcels import Shared
from tmfcore._population.elsewhere import outcomes
from tmfcore._results.checkpoint import Keeper
from tmfcore.solvers._loop import FLOOR
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._resuming import of_problem
from tmfcore.solvers._solver import Solver
from tmfcore.solvers._turns import play
from tmfcore.solvers.base import Solution

__all__ = ["Metric", "Search", "named"]

Metric: TypeAlias = Literal["iterations", "seconds", "exploitability"]
Guesses: TypeAlias = Callable[[int], list[dict[str, Any]]]
_Solve: TypeAlias = "tuple[Solution | None, float, ValueError | None, float]"
LEAST = 1e-15  # smaller exploitabilities count as this share of R: a zero would make the geometric mean 0


@dataclass
class _Trial:
    """A trial under way: the Solutions so far, and what a checkpoint left of the solve that comes next."""

    solutions: list[Solution] = field(default_factory=list)
    scales: list[float] = field(default_factory=list)
    began: float = field(default_factory=lambda: time.perf_counter())
    left: dict[str, Any] | None = None
    elsewhere: float | None = None  # seconds of solves in other processes


class Search:
    """The trials of a search, and the best of them.

    Attributes
    ----------
    rows, errors : list
        Of the trials that are finished.
    best : (value, trial, solver, Solutions) or None
    scales : list of float
        Of the returns of each game, as the best trial has them.
    again : bool
        Whether the last trial was one of the checkpoint, and was not run.
    at_end : bool
        Whether that was the last trial of a search that had ended.
    """

    def __init__(
        self, base: Solver[Any], problems: list[Problem],
        metric: Metric | Callable[[tuple[Solution, ...]], float], names: tuple[str, ...], seeds: list[int],
        initial: Any, keeper: Keeper | None, elsewhere: tuple[Executor, list[Shared], Shared] | None = None,
    ) -> None:  # fmt: skip
        self.elsewhere = elsewhere  # an executor, the arguments of each Problem, and those of `initial`
        self.base, self.problems, self.metric, self.names, self.seeds = base, problems, metric, names, seeds
        self.initial, self.keeper = initial, keeper
        self.rows: list[dict[str, Any]] = []
        self.errors: list[ValueError | None] = []
        self.best: tuple[float, int, Solver[Any], tuple[Solution, ...]] | None = None
        self.scales: list[float] = []
        self.settings: list[str] = []  # of each trial, in words
        self.now: _Trial | None = None  # under way
        self.left: dict[str, Any] = {}  # the checkpoint
        self.ahead: list[tuple[int, Solver[Any], _Solve]] = []  # solves in other processes, some of them guessed
        self.guessed: list[str] = []  # the settings of trials that were guessed last, in words
        self.right = False  # whether the sampler has suggested one of them
        self.learns = False  # whether it has suggested none
        self.again, self.at_end, self.began = False, False, time.perf_counter()
        if keeper is not None and keeper.state is not None:
            with keeper.restoring():
                self.left, keeper.state = dict(keeper.state), None
                self.began -= self.left["seconds"]
                if not len(self.left["rows"]) == len(self.left["errors"]) <= len(self.left["settings"]):
                    raise ValueError("trials without a row")

    def attempt(self, settings: Mapping[str, Any], guesses: Guesses) -> float:
        """Run one trial; return the metric of these settings, infinite if they fail.

        guesses(n) are the settings of up to n trials that may follow.
        """
        solver, value, error = self.base, np.inf, None
        before = self.recalled(settings)
        if before is not None:
            return before
        now = self.now = self.begun()
        try:
            solver = dataclasses.replace(self.base, **settings)
            if self.elsewhere is not None:
                self.solve_elsewhere(solver, now, settings, guesses)
            for i in range(len(now.solutions), len(self.problems)):
                self.solve(i, self.limited(solver, i), now)
        except FileError:
            raise
        except ValueError as raised:
            error = raised
        solutions, scales = now.solutions, now.scales
        seconds = time.perf_counter() - now.began if now.elsewhere is None else now.elsewhere
        if error is None:
            if callable(self.metric):
                value = _number(noted(self.metric, "metric", "a tuple of Solutions")(tuple(solutions)))
            else:
                costs = [self.cost(found, scale) for found, scale in zip(solutions, scales, strict=True)]
                value = costs[0] if len(costs) == 1 else exp(float(np.mean(np.log(costs))))
        missing = len(self.problems) - len(solutions)
        done = [self.excess(*one) <= 1 for one in zip(solutions, scales, strict=True)]
        self.add(settings, {
            "value": value if isfinite(value) else np.inf,
            "seconds": seconds,
            "exploitability": [found.exploitability for found in solutions] + [np.nan] * missing,
            "iterations": [_updates(found) for found in solutions] + [-1] * missing,
            "converged": done + [False] * missing,
        }, error)  # fmt: skip
        if isfinite(value) and (self.best is None or value < self.best[0]):
            self.best, self.scales = (value, len(self.rows) - 1, solver, tuple(solutions)), scales
        self.now = None
        return value

    def add(self, settings: Mapping[str, Any], found: Mapping[str, Any], error: ValueError | None) -> None:
        """Add a finished trial."""
        self.rows.append({name: settings.get(name, self.base.settings[name]) for name in self.names} | dict(found))
        self.errors.append(error)

    def solve(self, i: int, solver: Solver[Any], now: _Trial) -> None:
        """Solve game i in a trial."""
        problem, part = self.problems[i].of(solver), None
        if self.keeper is not None:
            part = self.keeper.part(self.kept, now.left)
        now.left = None
        (loop,) = play([solver], problem, rng=self.seeds[i], initial=self.initial, keeper=part)
        now.solutions.append(loop.solution(last=True))
        now.scales.append(loop.problem.scale)

    def solve_elsewhere(
        self, solver: Solver[Any], now: _Trial, settings: Mapping[str, Any], guesses: Guesses
    ) -> None:  # fmt: skip
        """Solve all games in a trial at the same time; as if one after another, also if one of them fails."""
        now.left = None
        self.right = self.right or json.dumps(named(dict(settings))) in self.guessed
        own = [(i, self.limited(solver, i)) for i in range(len(now.solutions), len(self.problems))]
        if any(self.solved(*each) is None for each in own):
            self.solve_ahead(own, guesses)
        now.elsewhere = 0.0
        for i, one in own:
            found = self.solved(i, one)
            assert found is not None, "it was solved ahead"
            solution, scale, error, seconds = found
            now.elsewhere += seconds
            if error is not None:
                raise error
            now.solutions.append(of_problem(solution, self.problems[i]))
            now.scales.append(scale)

    def solved(self, i: int, solver: Solver[Any]) -> _Solve | None:
        """What a solve has found that was made ahead; None if it was not."""
        return next((found for j, other, found in self.ahead if (i, solver) == (j, other)), None)

    def solve_ahead(self, own: list[tuple[int, Solver[Any]]], guesses: Guesses) -> None:
        """Make these solves of a trial, and, on workers that are left, those of trials that may follow."""
        assert self.elsewhere is not None, "the caller asked"
        executor, systems, initial = self.elsewhere
        self.learns = self.learns or (bool(self.guessed) and not self.right)
        free = executors.workers(executor) // len(self.problems) - 1
        # Solves that are timed are not made beside others, and the first trial sets a limit to all that follow.
        alone = self.metric == "seconds" or (self.metric == "iterations" and self.best is None)
        guessed = guesses(free) if free > 0 and not alone and not self.learns else []
        self.guessed, self.right = [json.dumps(named(each)) for each in guessed], False
        tasks = list(own)
        for each in guessed:
            with suppress(ValueError):  # it is raised when its trial comes
                other = dataclasses.replace(self.base, **each)
                tasks += [(i, self.limited(other, i)) for i in range(len(self.problems))]
        tasks = [each for k, each in enumerate(tasks) if each not in tasks[:k]]
        jobs = [(systems[i], one, self.seeds[i], initial) for i, one in tasks]
        with closing(outcomes(executor, _solved, jobs)) as ended:
            found = dict(ended)
        self.ahead = [(i, one, found[k]) for k, (i, one) in enumerate(tasks)]

    def limited(self, solver: Solver[Any], i: int) -> Solver[Any]:
        """The solver that a trial runs on game i, with `iterations` lowered so that hopeless trials end early."""
        if self.metric == "exploitability":
            return dataclasses.replace(solver, tolerance=None)
        if callable(self.metric) or self.best is None or self.excess(self.best[3][i], self.scales[i]) > 1:
            return solver
        return dataclasses.replace(solver, iterations=min(solver.iterations, 4 * _updates(self.best[3][i]) + 10))

    def cost(self, found: Solution, scale: float) -> float:
        """The metric of one solve, > 0; `scale` is that of the returns."""
        if self.metric == "exploitability":
            return max(found.exploitability, LEAST * (scale or 1.0))
        factor = max(1.0, self.excess(found, scale))
        return factor * (float(found.history["seconds"][-1]) if self.metric == "seconds" else _updates(found) + 1)

    def excess(self, found: Solution, scale: float) -> float:
        """The exploitability of a solve divided by the tolerance."""
        share, absolute = self.base.tolerance or 0.0, self.base.absolute_tolerance or 0.0
        bound = max(share * abs(found.mean_return), share * (FLOOR * scale), absolute, LEAST * (scale or 1.0))
        return max(found.exploitability, 0.0) / bound

    # -------------------------------------------------------------------------------------------------- checkpoint

    @property
    def seconds(self) -> float:
        """Seconds of work, of all calls."""
        return time.perf_counter() - self.began

    def recalled(self, settings: Mapping[str, Any]) -> float | None:
        """Add the next trial of the checkpoint; return its metric, or None if it is to be run."""
        n, words = len(self.rows), json.dumps(named(dict(settings)))
        self.again, self.at_end = False, False
        self.settings.append(words)
        if self.keeper is None or not self.left:
            return None
        with self.keeper.restoring():
            known, rows = self.left["settings"], self.left["rows"]
            if n < len(known) and known[n] != words:
                raise FileError(
                    f"trial {n} of {str(self.keeper.checkpoint.path)!r} had the settings {known[n]}, and the sampler "
                    f"now suggests {words}; must be a new sampler of the same seed"
                )
            if n >= len(rows):
                return None
            text, best = self.left["errors"][n], self.left["best"]
            self.add(settings, rows[n], None if text is None else ValueError(text))
            if best is not None and best["trial"] == n:
                solver = dataclasses.replace(self.base, **settings)
                found = tuple(map(of_problem, best["solutions"], self.problems))
                self.best, self.scales = (rows[n]["value"], n, solver, found), list(best["scales"])
            self.again, self.at_end = True, bool(self.left["over"]) and n == len(rows) - 1
            return float(rows[n]["value"])

    def begun(self) -> _Trial:
        """The next trial, from its beginning or where the checkpoint was taken."""
        trial, self.left = self.left.get("trial"), {}
        if trial is None or self.keeper is None:
            return _Trial()
        with self.keeper.restoring():
            solutions = list(map(of_problem, trial["solutions"], self.problems))
            return _Trial(solutions, list(trial["scales"]), time.perf_counter() - trial["seconds"], trial["solve"])

    def kept(self, solve: Mapping[str, Any] | None = None, over: bool = False) -> dict[str, Any]:
        """What the checkpoint has: finished trials, the best, and the trial under way with the state of its solve."""
        now, best = self.now, None
        if self.best is not None:
            best = {"trial": self.best[1], "solutions": list(self.best[3]), "scales": self.scales}
        trial = None if now is None else {
            "solutions": now.solutions, "scales": now.scales, "solve": solve,
            "seconds": time.perf_counter() - now.began,
        }  # fmt: skip
        rows = [{name: row[name] for name in row if name not in self.names} for row in self.rows]
        errors = [None if error is None else str(error) for error in self.errors]
        return {
            "rows": rows, "errors": errors, "settings": self.settings, "best": best, "trial": trial,
            "seconds": self.seconds, "over": over,
        }  # fmt: skip

    def keep(self) -> None:
        """Write a checkpoint between two trials, if it is time."""
        if self.keeper is not None and self.keeper.due():
            self.keeper.save(self.kept())

    def end(self) -> None:
        """Write the end of the search, unless the checkpoint has it."""
        if self.keeper is not None and not self.again:
            self.keeper.save(self.kept(over=True))


def _solved(system: tuple[Any, ...], solver: Solver[Any], seed: int, initial: Any) -> _Solve:
    """Solve one game in another process: the Solution and the scale of returns, or the error, and the seconds."""
    began = time.perf_counter()
    problem = Problem(*system).fixed().of(solver)
    try:
        (loop,) = play([solver], problem, rng=seed, initial=initial, threads=1)
        return loop.solution(last=True), loop.problem.scale, None, time.perf_counter() - began
    except ValueError as error:
        return None, 0.0, error, time.perf_counter() - began


def named(value: Any) -> Any:
    """A value of JSON; functions and classes by their names, other objects by their types."""
    if isinstance(value, (list, tuple)):
        return [named(each) for each in value]
    if isinstance(value, Mapping):
        return {str(key): named(each) for key, each in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(getattr(value, "__name__", type(value).__name__))


def _number(value: object) -> float:
    """Check that a metric returned a number; NaN and infinity mark failed trials."""
    array = check.as_real_array(value, "metric(solutions)")
    if array.ndim:
        raise ValueError(f"metric(solutions) has shape {array.shape}; must be a number")
    return float(array)


def _updates(found: Solution) -> int:
    """The number of updates of a solve."""
    return int(found.history["iteration"][-1])
