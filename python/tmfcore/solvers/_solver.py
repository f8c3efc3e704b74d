"""What all solvers share: their fields, and `solve`.

A solver is a frozen dataclass of settings. What it has of its own is a rule (_rule); the loop is one for all (_loop).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Generic

from tmfcore._base import bars, options
from tmfcore._base import validation as check
from tmfcore._base.functions import SMALLER_GAME, fits_memory, takes_rng, warn
from tmfcore._base.types import Clock
from tmfcore._base.validation import FloatArray
from tmfcore._limit.mean_field import Flow
from tmfcore._model.game import Game
from tmfcore._model.policies import PolicyLike, SoftmaxPolicy, TabularPolicy
from tmfcore._model.schedules import Schedule
from tmfcore._random import seeding
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._turns import play
from tmfcore.solvers.base import Callback, ConvergenceWarning, P, Solution

__all__ = ["COUNT", "NOT_NEGATIVE", "POSITIVE", "SHARE", "Solver"]

COUNT = options.of(check.as_positive_int)
NOT_NEGATIVE = options.of(check.as_float, low=0.0)
POSITIVE = options.of(check.as_float, low=0.0, low_open=True)
SHARE = options.of(check.as_float, low=0.0, high=1.0, low_open=True)


@dataclass(frozen=True, kw_only=True, repr=False)
class Solver(ABC, Generic[P]):
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
    min_improvement : float or None
        None: 0.01. Only beside patience.
    clock : {"schedule", "always"}
        Whose values are learnt and judged, Theory, section 3.
    """

    iterations: int = field(default=10_000, metadata=COUNT)
    tolerance: float | None = field(default=1e-4, metadata=NOT_NEGATIVE)
    absolute_tolerance: float | None = field(default=1e-9, metadata=NOT_NEGATIVE)
    patience: int | None = field(default=None, metadata=COUNT)
    min_improvement: float | None = field(
        default=None,
        metadata=options.of(check.as_float, low=0.0, high=1.0) | options.needs(0.01, patience=options.GIVEN),
    )
    clock: Clock = field(default="schedule", metadata=options.of(check.as_choice, choices=Clock))

    # In which parts (_model.fingerprint) the problem of a Solution must agree with the present one to go on from it.
    _depends_on: ClassVar[tuple[str, ...]] = ("game", "fractions", "clock")

    def __post_init__(self) -> None:
        options.settle(self)
        options.resolved(self)  # raises where an option is given that has no effect

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Fields by name, with what they amount to where they are not given; None where they have no effect."""
        return options.resolved(self)

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={value!r}' for name, value in self.settings.items())})"

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
    def _start(self, problem: Problem, policy: object) -> FloatArray:
        """Parameters at which the rule begins, of any policy of the game."""

    @abstractmethod
    def _policy(self, parameters: FloatArray, horizon: int) -> P:
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
        initial: PolicyLike | None = None,
        callback: Callback | None = None,
        progress: bars.Progress = False,
        threads: int | None = None,
        time_limit: float | None = None,
    ) -> Solution[P]:
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
            True draws a bar over iterations, on a terminal or in a notebook (extra `app`); a callable receives
            (done, total).
        threads : int or None, optional
            Upper bound on the threads used; None: as many as processors where that gains. Only TMFPG uses more than
            one. Results do not depend on it.
        time_limit : float or None, optional
            Seconds after which the solve ends at its next evaluation, with the best policy so far; the Solution can be
            gone on from.

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
        (loop,) = play(
            [self], game, schedule, n_agents, rng=rng, initial=initial, callback=callback, progress=progress,
            threads=threads, time_limit=time_limit, name=self.name,
        )  # fmt: skip
        solution = loop.solution()
        if loop.missed:
            warn(f"{self.name} has not converged: {solution.reason}", ConvergenceWarning)
        return solution

    def _hyperparameters(self) -> dict[str, Any]:
        """Name and settings, as JSON can hold them."""
        values = {name: getattr(v, "__name__", "callable") if callable(v) else v for name, v in self.settings.items()}
        return {"name": self.name, **values}
