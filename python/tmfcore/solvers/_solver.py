"""What all solvers share: their fields, and `solve`.

A solver is a frozen dataclass of settings. What it has of its own is a rule (_rule); the loop is one for all (_loop).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar, cast

import numpy as np

from tmfcore._base import bars
from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.functions import SMALLER_GAME, fits_memory, noted, takes_rng, warn
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray
from tmfcore._limit.mean_field import CLOCKS, Flow
from tmfcore._model.game import Game
from tmfcore._model.policies import SoftmaxPolicy, TabularPolicy
from tmfcore._model.policy import Policy
from tmfcore._model.schedules import Schedule
from tmfcore._random import seeding
from tmfcore.solvers._loop import Loop
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._rule import Rule
from tmfcore.solvers.base import Callback, ConvergenceWarning, Solution

__all__ = ["Solver", "watcher"]


@dataclass(frozen=True, kw_only=True)
class Solver(ABC):
    """Fields and `solve` of every solver.

    Parameters
    ----------
    iterations : int
        Updates at most.
    tolerance : float or None
        Stop, converged, when exploitability <= tolerance * |mean return|. None: never.
    absolute_tolerance : float or None
        The same when exploitability <= absolute_tolerance, in units of return: for games whose mean return is 0.
    patience : int or None
        Stop when the best exploitability has not fallen by the share `min_improvement` over so many iterations.
        None: never.
    min_improvement : float
    clock : {"schedule", "always"}
        Whose values are learnt and judged, theory.md section 3.
    """

    iterations: int
    tolerance: float | None
    absolute_tolerance: float | None = 1e-9
    patience: int | None = None
    min_improvement: float = 0.01
    clock: str = "schedule"

    # In which parts (_model.fingerprint) the problem of a Solution must agree with the present one to go on from it.
    _depends_on: ClassVar[tuple[str, ...]] = ("game", "fractions", "clock")

    def __post_init__(self) -> None:
        self._store("iterations", check.as_positive_int(self.iterations, "iterations"))
        for name in ("tolerance", "absolute_tolerance"):
            if getattr(self, name) is not None:
                self._store(name, check.as_float(getattr(self, name), name, low=0.0))
        if self.patience is not None:
            self._store("patience", check.as_positive_int(self.patience, "patience"))
        self._store("min_improvement", check.as_float(self.min_improvement, "min_improvement", low=0.0, high=1.0))
        check.as_choice(self.clock, "clock", CLOCKS)

    def _store(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @property
    def name(self) -> str:
        """The solver's name, as Solution.solver has it."""
        return type(self).__name__

    @property
    def _every(self) -> int:
        """Iterations between evaluations."""
        return 1

    @property
    def _has_tolerance(self) -> bool:
        """Whether the caller waits for convergence: tolerance=None alone asks for all iterations."""
        default = Solver.__dataclass_fields__["absolute_tolerance"].default
        return self.tolerance is not None or self.absolute_tolerance not in (None, default)

    @abstractmethod
    def _rule(self, problem: Problem, generator: np.random.Generator, threads: int | None) -> Rule:
        """What one solve does."""

    @abstractmethod
    def _start(self, problem: Problem, policy: object) -> FloatArray:
        """Parameters at which the rule begins, of any policy of the game."""

    @abstractmethod
    def _policy(self, parameters: FloatArray, horizon: int) -> TabularPolicy | SoftmaxPolicy:
        """The policy of a rule's parameters, for a game of so many steps."""

    @abstractmethod
    def _parameters(self, policy: TabularPolicy | SoftmaxPolicy) -> FloatArray:
        """The inverse of `_policy`, for what it made."""

    def _judge(self, problem: Problem, policy: TabularPolicy | SoftmaxPolicy) -> tuple[Flow, float, float]:
        """Flow, exploitability and mean return of a policy found, as tmf.exploitability has them."""
        return problem.judge(policy)

    def _flow(self, problem: Problem, mu: FloatArray) -> Flow:
        """The flow that a rule has in its `mu`."""
        return problem.flow(mu)

    @takes_rng
    @fits_memory(SMALLER_GAME)
    def solve(
        self,
        game: Game,
        schedule: Schedule,
        n_agents: int | None = None,
        *,
        rng: seeding.RNG = None,
        initial: object = None,
        callback: Callback | None = None,
        progress: bars.Progress = False,
        threads: int | None = None,
    ) -> Solution:
        """Find a policy of `game` played under `schedule`.

        Parameters
        ----------
        game : Game
        schedule : Schedule
        n_agents : int or None, optional
            N. Exact solvers look for an equilibrium in the limit, where it turns batch sizes into fractions
            beta = B / N, and Synchronous, Fraction and Bernoulli do not need it. TMFPG learns from so many sampled
            agents; None: from the limit itself, critic "model" only.
        rng : int, Generator, SeedSequence or None, optional
            Seed; TMFPG spawns one stream per iteration and replica, the exact solvers draw nothing.
        initial : policy, array, Solution or None, optional
            Where to start. None: the uniform policy. Any policy of the game, or its probabilities, (S, A) or (L, S, A):
            solvers of the softmax kind mix a share of 1e-6 of the uniform policy into rows with an entry below
            1e-6 / A. A Solution of the same solver for the same game, schedule, N and clock, as its fingerprint tells:
            go on from where it stopped, to the bit as if it had not, where its state fits. Of any other Solution only
            the policy is taken: the best so far, iteration counts, rates and momentum begin anew.
        callback : callable, optional
            Called with an Iteration after each evaluation; returning True stops.
        progress : bool or callable, optional
            True draws a bar over iterations (extra `app`); a callable receives (done, total).
        threads : int or None, optional
            Upper bound on the threads used; None: as many as processors where that gains. Only TMFPG uses more than
            one. Results do not depend on it.

        Returns
        -------
        Solution
            Its policy is the one with the smallest exploitability; `exploitability` is what tmf.exploitability says
            of it. Where the method itself fails, with a policy that is no longer a number, say, it is the Solution so
            far, and `reason` has the error's text.

        Raises
        ------
        TypeError, ValueError
            Bad arguments; a row of the game that is no distribution; a number that is not finite at the first
            evaluation. What the game or a callback raises, and KeyboardInterrupt, come out unchanged, with the
            Solution so far as the attribute `partial` of the exception (None before the first evaluation).

        Warns
        -----
        ConvergenceWarning
            The solver has a tolerance and ends without meeting it, other than by a callback. None with tolerance=None
            (and absolute_tolerance not given).

        Notes
        -----
        Cost of an iteration of an exact solver: O(T S A K) and the tables of the game at every (t, mu_t). Memory:
        O(T S A), and the tables of all steps up to 256 MB. Of TMFPG: one run of each replica, and O(T S A K) each for
        its statistics and the evaluation; O(R T S A) for the samples, and 2 T N bytes or more with critic "returns".
        """
        loop = self._run(game, schedule, n_agents, rng, initial, callback, progress, threads)
        solution = loop.solution()
        if loop.missed:
            warn(f"{self.name} has not converged: {solution.reason}", ConvergenceWarning)
        return solution

    def _run(
        self,
        game: Game,
        schedule: Schedule,
        n_agents: int | None,
        rng: seeding.RNG = None,
        initial: object = None,
        callback: Callback | None = None,
        progress: bars.Progress = False,
        threads: int | None = None,
    ) -> Loop:
        """`solve`, without a warning: the loop when it has ended."""
        callback = watcher(callback, progress)
        threads = None if threads is None else check.as_positive_int(threads, "threads")
        problem = Problem.of(game, schedule, n_agents, self.clock)
        loop = self._loop(problem, initial, seeding.generators(rng, 1)[0], threads)
        try:
            with bars.reporter(progress, self.iterations, self.name) as report:
                loop.run(callback, report)
        finally:
            loop.rule.close()
        return loop

    def _loop(
        self, problem: Problem, initial: object, generator: np.random.Generator, threads: int | None = None
    ) -> Loop:
        """A solve that has not begun."""
        initial = _as_initial(initial)
        rule = self._rule(problem, generator, threads)
        try:
            return Loop(self, problem, rule, initial)
        except BaseException:
            rule.close()
            raise

    def _hyperparameters(self) -> dict[str, Any]:
        """Name and fields, as JSON can hold them."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, value in values.items():
            if callable(value):
                values[name] = getattr(value, "__name__", "callable")
        return {"name": self.name, **values}


def watcher(callback: Callback | None, progress: bars.Progress) -> Callback | None:
    """The callback, checked with `progress`; its errors say that they are its own."""
    bars.check(progress)
    return None if callback is None else noted(callback, "callback", "an Iteration")


def _as_initial(initial: object) -> object:
    """A policy, a Solution or None; arrays as the policies they are."""
    kinds = (Solution, TabularPolicy, SoftmaxPolicy, Policy)
    if initial is None or isinstance(initial, kinds) or callable(initial):
        return initial
    if check.is_array(initial):
        try:
            return TabularPolicy(cast(FloatsLike, initial))
        except (TypeError, ValueError) as error:
            raise type(error)(f"initial is no policy: {error}") from None
    raise TypeError(f"initial is {say.show(initial)}; must be None, a policy, its probabilities, or a Solution")
