"""What the exact solvers share: they know the game, so that nothing is sampled and every iterate is judged.

    ExactSolver     the fields and the `solve` of all of them
    Rule            how one of them gets from an iterate to the next
    Descent         one solve: the loop, where it starts, when it stops, what it remembers

An iterate is a table (T, S, A), one stage a step. Its exploitability is measured at its own mean-field flow, recomputed
from the table at every iteration in float64. The column `residual` of history is the l1 distance of that flow from its
own image under the policy: 0 by construction over a finite horizon.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tmfcore import _flow, _progress, _rng
from tmfcore import _validation as check
from tmfcore._descent import Iterate
from tmfcore._evaluator import keep_kernels
from tmfcore._fingerprint import Fingerprint
from tmfcore._validation import FloatArray
from tmfcore.game import Game
from tmfcore.meanfield import CLOCKS, Flow, active_fractions, flow_of
from tmfcore.policy import TabularPolicy, as_policy
from tmfcore.schedule import Schedule
from tmfcore.solvers._ascent import DECAYS, decay_factor
from tmfcore.solvers.base import Callback, Iteration, Solution, relative, row_arrays

__all__ = ["Descent", "ExactSolver", "Problem", "Rule", "Stuck", "check_decay", "logits_of", "next_rate"]

_Arrays = Mapping[str, npt.NDArray[Any]]


class Stuck(Exception):
    """A rule has no better iterate to offer; its text says why, and the rule is as it was."""


class Rule(Protocol):
    """How a solver gets from the iterate just judged to the next; it owns what it remembers between them."""

    def start(self, table: FloatArray | None) -> None:
        """Write the first policy into the iterate: uniform, or from the caller's table (T, S, A)."""

    def restore(self, state: _Arrays) -> None:
        """Go on from the state of another solve, and write its policy into the iterate."""

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """What `restore` needs, copied; the same names and shapes at any time."""

    def rate(self, iteration: int) -> float:
        """Step length of the next update, as history shows it."""

    def update(self, iteration: int, gap: float) -> bool:
        """Write the next policy into the iterate; False when it is no policy (NaN). Raises Stuck to stop."""


@dataclass(frozen=True, kw_only=True)
class ExactSolver(ABC):
    """Fields and `solve` of the exact solvers.

    Parameters
    ----------
    iterations : int
        Updates at most.
    tolerance : float or None
        Stop, converged, when exploitability <= tolerance * |mean return|. None: never.
    absolute_tolerance : float or None
        The same when exploitability <= absolute_tolerance, in units of return: for games whose mean return is 0.
    clock : {"schedule", "always"}
        Whose values are learnt and judged, theory.md section 3.
    """

    iterations: int = 10_000
    tolerance: float | None = 1e-4
    absolute_tolerance: float | None = 1e-9
    clock: str = "schedule"

    def __post_init__(self) -> None:
        self._store("iterations", check.as_positive_int(self.iterations, "iterations"))
        for name in ("tolerance", "absolute_tolerance"):
            if getattr(self, name) is not None:
                self._store(name, check.as_float(getattr(self, name), name, low=0.0))
        check.as_choice(self.clock, "clock", CLOCKS)

    def _store(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @property
    def name(self) -> str:
        """The solver's name, as Solution.solver has it."""
        return type(self).__name__

    def _iterate(self, problem: Problem) -> Iterate:
        """The uniform policy of the problem."""
        game = problem.game
        always = problem.clock == "always"
        return Iterate(game.model, game.initial, problem.active, game.horizon, game.discount, always)

    def _table(self, problem: Problem, initial: object) -> FloatArray:
        """The policy `initial` at every step of its own flow, (T, S, A)."""
        game = problem.game
        kernel = as_policy(initial, game)
        mu = np.empty((game.horizon + 1, game.n_observations))
        _flow.forward(game.model, kernel, game.initial, problem.active, game.horizon, 1, mu)
        return np.stack([kernel.probabilities(mu[t], t, game.horizon) for t in range(game.horizon)])

    def _judge(self, problem: Problem, policy: TabularPolicy) -> tuple[Flow, float, float]:
        """Flow, exploitability and mean return of a policy found, by the kernels of tmf.exploitability."""
        game, active = problem.game, problem.active
        mu = np.empty((game.horizon + 1, game.n_observations))
        always, kept = problem.clock == "always", keep_kernels(game.model, game.horizon)
        _flow.forward(game.model, policy.kernel, game.initial, active, game.horizon, 1, mu, kept)
        gap, _, value = _flow.gaps(game.model, policy.kernel, mu, active, game.discount, always, kept)
        steps = np.arange(game.horizon + 1, dtype=np.int64)
        return flow_of(game, mu, steps, active, problem.fingerprint.on("")), gap, value

    @abstractmethod
    def _rule(self, iterate: Iterate, problem: Problem) -> Rule:
        """The update rule of one solve."""

    def solve(
        self,
        game: Game,
        schedule: Schedule,
        n_agents: int | None = None,
        *,
        rng: _rng.RNG = None,
        initial: object = None,
        callback: Callback | None = None,
        progress: _progress.Progress = False,
    ) -> Solution:
        """Find a policy of `game` played under `schedule` in the limit of many agents.

        Parameters
        ----------
        game : Game
        schedule : Schedule
        n_agents : int or None, optional
            Turns batch sizes into fractions beta = B / N; not needed by Synchronous, Fraction and Bernoulli.
        rng : int, Generator, SeedSequence or None, optional
            As every solver takes it; the exact ones draw nothing, so no result depends on it.
        initial : policy, Solution or None, optional
            Where to start: None, the uniform policy; any policy of the game; or a Solution of the same solver,
            to go on from where it stopped, to the bit as if it had not.
        callback : callable, optional
            Called with an Iteration after each evaluation; returning True stops. An exception,
            KeyboardInterrupt included, passes through solve: what was found until then is in
            `iteration.solution()`.
        progress : bool or callable, optional
            True draws a bar over iterations (extra `app`); a callable receives (done, total).

        Returns
        -------
        Solution
            Its policy, a TabularPolicy of one stage a step, is the iterate with the smallest exploitability;
            `exploitability` is what tmf.exploitability says of it.

        Raises
        ------
        TypeError, ValueError
            Bad arguments; a row of the game that is no distribution; a number that is not finite, naming the
            iteration.

        Notes
        -----
        Cost of an iteration: O(T S A K) and the tables of the game at every (t, mu_t). Memory: O(T S A), and the
        tables of all steps up to 256 MB.
        """
        _progress.check(progress)
        if callback is not None and not callable(callback):
            raise TypeError(f"callback is {callback!r}; must be a function of an Iteration")
        _rng.generators(rng, 1)
        check.as_instance(game, "game", Game)
        problem = Problem(game, schedule, n_agents, active_fractions(game, schedule, n_agents), self.clock)
        descent = Descent(self, problem, initial)
        with _progress.reporter(progress, self.iterations, self.name) as report:
            try:
                descent.run(callback, report)
            except Exception as error:
                error.add_note(f"in iteration {descent.iteration} of {self.name}")
                raise
        return descent.solution()

    def _hyperparameters(self) -> dict[str, Any]:
        """Name and fields, as JSON can hold them."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, value in values.items():
            if callable(value):
                values[name] = getattr(value, "__name__", "callable")
        return {"name": self.name, **values}


@dataclass(frozen=True)
class Problem:
    """What a solve holds fixed."""

    game: Game
    schedule: Schedule
    n_agents: int | None
    active: FloatArray  # (1 or T,)
    clock: str

    @property
    def fingerprint(self) -> Fingerprint:
        """What results of the solve belong to."""
        return Fingerprint.of(self.game, self.schedule, self.n_agents, self.clock)


class Descent:
    """One solve: the iterate, its history, and the best so far."""

    def __init__(self, solver: ExactSolver, problem: Problem, initial: object) -> None:
        self.solver, self.problem = solver, problem
        self.iterate = solver._iterate(problem)
        self.rule = solver._rule(self.iterate, problem)
        self.iteration = 0
        self.best, self.best_return, self.best_iteration = np.inf, np.nan, 0
        if isinstance(initial, Solution):
            self.resume(initial)
        else:
            self.rule.start(None if initial is None else solver._table(problem, initial))
            self.best_policy = self.iterate.policy.copy()
        self.last_iteration = self.iteration + solver.iterations
        self.first_iteration = self.iteration
        self.rows: list[tuple[float, ...]] = []
        self.converged, self.reason = False, "stopped before the first evaluation"

    def resume(self, initial: Solution) -> None:
        """Stand where `initial` stood."""
        found, name = initial.state, self.solver.name
        if initial.solver.get("name") != name:
            raise ValueError(
                f"initial is a Solution of {initial.solver.get('name')}; must be one of {name} to go on from it "
                "(initial.policy starts from its policy)"
            )
        for key, wanted in self.rule.state().items():
            shape = found[key].shape if key in found else None
            if shape != wanted.shape:
                raise ValueError(f"initial.state[{key!r}] has shape {shape}; must be {wanted.shape} to go on with it")
        self.rule.restore(found)
        self.iteration = int(found["iteration"])
        self.best, self.best_return = float(found["best"][0]), float(found["best"][1])
        self.best_iteration = initial.best_iteration
        assert isinstance(initial.policy, TabularPolicy), "solvers of this kind return tables"
        self.best_policy = initial.policy.table.copy()

    def run(self, callback: Callback | None, report: Callable[[int], None]) -> None:
        """Iterate until something says stop."""
        began = time.perf_counter()
        while True:
            k = self.iteration
            gap, _, value = self.iterate.evaluate()
            self.record(gap, value, time.perf_counter() - began)
            stop = self.stops(gap, value)
            if callback is not None and callback(self.report()) is True and not stop:
                self.reason, stop = f"stopped by callback at iteration {k}", True
            if stop:
                return
            try:
                fine = self.rule.update(k, gap)
            except Stuck as error:
                best = f"best exploitability {relative(self.best, self.best_return):.3g}, of iteration "
                self.reason = f"stuck at iteration {k}: {error}; {best}{self.best_iteration}"
                return
            if not fine:
                raise ValueError(f"the policy is not a number after update {k}; must be finite (a smaller step helps)")
            self.iteration = k + 1
            report(k + 1 - self.first_iteration)

    def record(self, gap: float, value: float, seconds: float) -> None:
        """What was judged, as a row of history; keep the best."""
        k = self.iteration
        rate = self.rule.rate(k)
        if not (isfinite(gap) and isfinite(value) and isfinite(rate)):
            row = {"exploitability": gap, "mean_return": value, "learning_rate": rate}
            name = next(name for name, number in row.items() if not isfinite(number))
            raise ValueError(f"{name} is {row[name]} at iteration {k}; must be finite")
        self.rows.append((k, gap, value, value, rate, seconds, self.iterate.residual))
        if gap < self.best:
            self.best, self.best_return, self.best_iteration = gap, value, k
            np.copyto(self.best_policy, self.iterate.policy)

    def stops(self, gap: float, value: float) -> bool:
        """Whether the iterate just recorded is the last; sets `reason`."""
        k, solver = self.iteration, self.solver
        if solver.tolerance is not None and gap <= solver.tolerance * abs(value):
            self.converged = True
            self.reason = (
                f"exploitability {relative(gap, value):.3g} <= tolerance {solver.tolerance:g} at iteration {k}"
            )
        elif solver.absolute_tolerance is not None and gap <= solver.absolute_tolerance:
            self.converged = True
            self.reason = (
                f"exploitability {gap:.3g} <= absolute_tolerance {solver.absolute_tolerance:g} at iteration {k}"
            )
        elif k == self.last_iteration:
            self.reason = (
                f"iterations exhausted: best exploitability {relative(self.best, self.best_return):.3g}, of "
                f"iteration {self.best_iteration}, after {k} iterations"
            )
        else:
            return False
        return True

    def report(self) -> Iteration:
        """What a callback sees."""
        k, gap, value, _, rate, seconds, _ = self.rows[-1]
        return Iteration(int(k), gap, value, value, rate, seconds, self.solution)

    def solution(self) -> Solution:
        """The Solution so far: the best policy, judged by the kernels of tmf.exploitability."""
        game = self.problem.game
        policy = TabularPolicy(self.best_policy)
        flow, gap, value = self.solver._judge(self.problem, policy)
        names = (
            "iteration", "exploitability", "mean_return", "sampled_return", "learning_rate", "seconds", "residual",
        )  # fmt: skip
        state = {
            **self.rule.state(),
            "iteration": np.array(self.iteration),
            "best": np.array([self.best, self.best_return]),
        }
        reason = self.reason
        if not self.converged and reason.startswith("stopped before"):
            reason = f"interrupted after iteration {self.iteration}" if self.rows else reason
        return Solution(
            policy=policy,
            flow=flow,
            history=row_arrays([dict(zip(names, row, strict=True)) for row in self.rows]),
            converged=self.converged,
            reason=reason,
            best_iteration=self.best_iteration,
            exploitability=float(gap),
            mean_return=float(value),
            game=game.name,
            schedule=self.problem.schedule.label,
            n_agents=self.problem.n_agents,
            clock=self.problem.clock,
            solver=self.solver._hyperparameters(),
            state=state,
            fingerprint=self.problem.fingerprint,
        )


def check_decay(decay: object, name: str) -> None:
    """Raise unless `decay` is one of the decays or a function of the iteration."""
    if not callable(decay):
        check.as_choice(decay, name, DECAYS)


def next_rate(
    rate: float, decay: str | Callable[[int], float], name: str, iteration: int, decay_iterations: int, last: int
) -> float:
    """The rate of update k times its decay, checked."""
    factor = decay_factor(decay, iteration, decay_iterations, last)
    if not (isfinite(factor) and factor >= 0):
        raise ValueError(f"{name}({iteration}) is {factor}; must be finite and >= 0")
    return rate * factor


def logits_of(table: FloatArray) -> FloatArray:
    """Log probabilities of a policy that a softmax can give."""
    if (table <= 0).any():
        where = tuple(int(i) for i in np.argwhere(table <= 0)[0])
        raise ValueError(
            f"initial is 0 at [t, observation, action] = {list(where)}; must be > 0: a softmax gives every action some "
            f"probability ({int((table <= 0).sum())} of {table.size} entries are bad)"
        )
    return np.asarray(np.log(table))
