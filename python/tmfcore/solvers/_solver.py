"""The base of all solvers: their common fields, and `solve`.

A solver is a frozen dataclass of settings. Each solver has its own rule (_rule); all share one loop (_loop).
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Generic

from tmfcore._base import bars, executors, options
from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.functions import SMALLER_GAME, fits_memory, takes_rng
from tmfcore._base.types import Clock
from tmfcore._base.validation import FloatArray
from tmfcore._limit.flows import Flow
from tmfcore._limit.pricing import refuse_altruism
from tmfcore._limit.sizes import Needs
from tmfcore._model.game import Game
from tmfcore._model.policies import PolicyLike, SoftmaxPolicy, TabularPolicy
from tmfcore._model.schedules import Schedule
from tmfcore._random import seeding
from tmfcore._results.checkpoint import CheckpointLike
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._resuming import end, ended, opened_for, seed_of
from tmfcore.solvers._turns import play
from tmfcore.solvers.base import Callback, P, Solution

__all__ = ["COUNT", "NOT_NEGATIVE", "POSITIVE", "SHARE", "Solver", "changed"]

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
        The largest number of updates.
    tolerance : float or None
        Stop, converged, when exploitability <= tolerance * |mean return|. For mean returns near 0, as in zero-sum
        games, |mean return| is replaced by 1e-5 R if that is larger; R is the largest reward times the sum of the
        discounts. Both follow the unit of reward: a game times a constant is the same game. None: never.
    absolute_tolerance : float or None
        Stop, converged, when exploitability <= absolute_tolerance, in units of return. None: never.
    patience : int or None
        Stop if the best exploitability has not fallen by the share `min_improvement` in this many iterations.
        None: never.
    min_improvement : float or None
        None: 0.01. Only with `patience`.
    clock : {"schedule", "always"}
        The clock on which values are computed (Theory, section 3).
    altruism : float
        In [0, 1]: the weight of what an agent does to the returns of all others (Theory, section 14). 0: a Nash
        equilibrium. 1: a stationary point of `welfare`. Not with clock="always".
    """

    iterations: int = field(default=10_000, metadata=COUNT)
    tolerance: float | None = field(default=1e-4, metadata=NOT_NEGATIVE)
    absolute_tolerance: float | None = field(default=None, metadata=NOT_NEGATIVE)
    patience: int | None = field(default=None, metadata=COUNT)
    min_improvement: float | None = field(
        default=None,
        metadata=options.of(check.as_float, low=0.0, high=1.0) | options.needs(0.01, patience=options.GIVEN),
    )
    clock: Clock = field(default="schedule", metadata=options.of(check.as_choice, choices=Clock))
    altruism: float = field(default=0.0, metadata=options.of(check.as_float, low=0.0, high=1.0))

    #: Why the solver cannot have altruism; empty if it can.
    _selfish: ClassVar[str] = ""

    # Parts of the fingerprint (_model.fingerprint) that must agree if a Solution is to be continued.
    _depends_on: ClassVar[tuple[str, ...]] = ("game", "fractions", "clock")

    def __post_init__(self) -> None:
        options.settle(self)
        if self._selfish:
            refuse_altruism(self.altruism, f"in {self.name}", self._selfish)
        options.resolved(self)  # raises if an option is given that has no effect

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Fields by name, with defaults that depend on other fields filled in; None if a field has no effect."""
        return options.resolved(self)

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={value!r}' for name, value in self.settings.items())})"

    @property
    def name(self) -> str:
        """The solver's name, as in Solution.solver."""
        return type(self).__name__

    @property
    def _every(self) -> int:
        """Iterations between evaluations."""
        return 1

    @property
    def _has_tolerance(self) -> bool:
        """Whether the caller asks for convergence."""
        return self.tolerance is not None or self.absolute_tolerance is not None

    #: Whether a solve plays populations, which an executor may do.
    _samples: ClassVar[bool] = False

    def _draws(self, problem: Problem) -> bool:
        """Whether a solve draws random numbers."""
        return False

    @abstractmethod
    def _needs(self, problem: Problem) -> Needs:
        """The memory of a solve, for `needs.ask`."""

    def _is_small(self, problem: Problem, n: int) -> bool:
        """Whether n such solves need so little that nobody has to be asked."""
        return False

    @abstractmethod
    def _start(self, problem: Problem, policy: object) -> FloatArray:
        """The parameters of the rule that represent `policy`, any policy of the game."""

    @abstractmethod
    def _policy(self, parameters: FloatArray, horizon: int, own: bool = False) -> P:
        """The policy with these parameters of the rule, for a game of `horizon` steps.

        `own`: it may take the array itself, which becomes read-only, instead of a copy.
        """

    @abstractmethod
    def _parameters(self, policy: TabularPolicy | SoftmaxPolicy) -> FloatArray:
        """The inverse of `_policy`, for policies that it made."""

    def _judge(self, problem: Problem, policy: TabularPolicy | SoftmaxPolicy) -> tuple[Flow, float, float]:
        """Flow, exploitability and mean return of a policy found, as tmf.exploitability computes them."""
        return problem.judge(policy)

    def _judge_in_steps(
        self, problem: Problem, policy: TabularPolicy | SoftmaxPolicy
    ) -> tuple[Flow, float, float]:
        """The same in the steps on which the solver works, also under Poisson clocks."""
        return problem.judge_in_steps(policy)

    def _flow(self, problem: Problem, mu: FloatArray) -> Flow:
        """The Flow of a rule's `mu`."""
        return problem.flow(mu)

    @takes_rng
    @fits_memory(SMALLER_GAME, asks=True)
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
        step: float | None = None,
        checkpoint: CheckpointLike | None = None,
        executor: Executor | None = None,
    ) -> Solution[P]:
        """Find a policy of `game` played under `schedule`.

        Parameters
        ----------
        game : Game
        schedule : Schedule
        n_agents : int or None, optional
            N. Exact solvers search for an equilibrium of the mean-field limit and use N only for the active fraction
            beta = B / N of a batch; schedules Synchronous, Fraction and Bernoulli need no N. TMFPG samples populations
            of N agents; None: it learns from the mean-field limit, with critic "model" only.
        rng : int, Generator, SeedSequence or None, optional
            Seed. TMFPG spawns one stream per iteration and replica; exact solvers draw no random numbers.
        initial : policy, array, Solution or None, optional
            The policy to start from. None: the uniform policy. A policy of the game, or its probabilities (S, A) or
            (L, S, A); softmax solvers mix a share of 1e-6 of the uniform policy into rows with an entry below 1e-6 / A.
            A Solution of the same solver for the same game, schedule, N and clock (by fingerprint), if its state fits,
            is continued bit for bit. From any other Solution only the policy is used; all else starts afresh.
        callback : callable, optional
            Called with an Iteration after each evaluation; the solve stops if it returns True.
        progress : bool or callable, optional
            True draws a bar over iterations, on a terminal or in a notebook (extra `app`); a callable receives
            (done, total).
        threads : int or None, optional
            Upper bound on the number of threads. None: up to the number of processors, if that is faster. Only TMFPG
            uses more than one thread. Results do not depend on it.
        time_limit : float or None, optional
            Seconds after which the solve ends at its next evaluation, with the best policy so far. The solve can be
            continued by passing its Solution as `initial`.
        step : float or None, optional
            Only with Poisson clocks: the solver works on steps of this length, in sweeps, in which an agent acts with
            probability rate * step; the horizon is cut into round(horizon / step) steps. None: steps begin at 1/16 of
            the mean time between events of an agent, and are refined, each time starting from the policy found, until
            the tolerance is met in continuous time, or a policy has more than 4 million entries.
        checkpoint : path, Checkpoint or None, optional
            A file that keeps the state of the solve, every minute or as often as a Checkpoint says, between iterations.
            A call that was stopped goes on from it: the Solution has the same bits, but for the seconds, which are
            those of all calls. TMFPG needs `rng`. A callback is not called again for iterations that are kept.
        executor : concurrent.futures.Executor or None, optional
            Only for TMFPG, without threads: where the populations of an iteration are played, and the iterate is
            judged, as in `sweep`; to the same bits. It pays where a population takes tens of milliseconds.

        Returns
        -------
        Solution
            Its policy is the evaluated policy with the smallest exploitability; `exploitability` is the value of
            tmf.exploitability for it. If the method fails (for instance, probabilities become NaN), the Solution so
            far is returned, and `reason` has the error's text.

        Raises
        ------
        TypeError, ValueError
            An argument is bad; a transition row of the game is no distribution; or a number is not finite at the first
            evaluation. Exceptions of the game or of a callback, and KeyboardInterrupt, are re-raised unchanged, with
            the Solution so far as their attribute `partial` (None before the first evaluation).
        FileError
            The checkpoint is damaged, or of a call with another game, schedule, solver, option, seed or version.

        Warns
        -----
        ConvergenceWarning
            The solver has a tolerance and ended without meeting it, unless a callback stopped it. There is no warning
            with tolerance=None (and absolute_tolerance not given).

        Notes
        -----
        Exact solvers: an iteration costs O(T S A K) and one evaluation of the game's tables at every (t, mu_t); memory
        is O(T S A), and the tables of all steps if they take up to 256 MB. TMFPG: an iteration costs one run per
        replica, and O(T S A K) each for the statistics of a run and for the evaluation; memory is O(R T S A) for the
        samples, and 2 T N bytes or more with critic "returns".
        """
        pool = executors.checked(executor)
        if pool is not None and not self._samples:
            raise ValueError(f"executor is given; must be None, since {self.name} plays no populations")
        if pool is not None and threads is not None:
            raise ValueError(f"threads is {say.show(threads)} with executor; must be None")
        seed, problem = seed_of(checkpoint, rng), Problem(game, schedule, n_agents, self.clock, step)
        options = {"time_limit": time_limit, "step": step}
        keeper = opened_for(checkpoint, [self], problem, seed, initial, options)
        before = ended(keeper, problem, rng, 1)
        if before is not None:
            return before
        (loop,) = play(
            [self], problem, rng=rng, initial=initial, callback=callback, progress=progress,
            threads=threads if pool is None else pool, time_limit=time_limit, name=self.name, keeper=keeper,
        )  # fmt: skip
        solution = loop.solution(last=True)
        warning = f"{self.name} has not converged: {solution.reason}" if loop.missed else None
        return end(keeper, solution, warning)

    @cached_property
    def _hyperparameters(self) -> dict[str, Any]:
        """Name and settings, as values that JSON can hold."""
        values = {name: getattr(v, "__name__", "callable") if callable(v) else v for name, v in self.settings.items()}
        return {"name": self.name, **values}


def changed(solver: Solver[P], **changes: Any) -> Solver[P]:
    """The solver with other values of some fields; itself if they are its own. The last ones made are cached."""
    if all(getattr(solver, name) is value for name, value in changes.items()):
        return solver
    try:
        made: Solver[P] = _replaced(solver, **changes)
        return made
    except TypeError:  # a value that has no hash, or is of a wrong type
        return dataclasses.replace(solver, **changes)


#: Types belong to the key: 1 == True.
_replaced = lru_cache(maxsize=64, typed=True)(dataclasses.replace)
