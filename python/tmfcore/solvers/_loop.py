"""The loop of every solver: its start, stopping tests, history, best policy, and Solution, also after an error.

    Loop(solver, problem, rule, initial).run(callback, report)
    Loop.solution()                                                 the Solution so far, at any time
    Loop.kept(), go_on(kept)                                        all of it, for a checkpoint between two iterations

The rule of a solver (_rule) makes the policies; the loop does everything else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf, isfinite, nan
from typing import TYPE_CHECKING, Any, Generic

import numpy as np

from tmfcore._base import pieces
from tmfcore._base.validation import FloatArray
from tmfcore._limit.exploitability import exploitability
from tmfcore._model.fingerprint import differences
from tmfcore._model.policies import SoftmaxPolicy, TabularPolicy
from tmfcore.solvers._grid import Discretisation
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._rule import Diverged, Evaluated, Rule, Stuck, Verdict, fitting
from tmfcore.solvers.base import Callback, Iteration, P, Solution, relative, row_arrays

if TYPE_CHECKING:
    from tmfcore.solvers._solver import Solver

__all__ = ["Limit", "Loop"]

COLUMNS = (
    "iteration", "exploitability", "mean_return", "sampled_return", "learning_rate", "seconds", "residual",
)  # fmt: skip
KEPT = (  # fields of a Loop that a checkpoint has as they are
    "iteration", "first", "last", "gap", "best", "best_return", "best_iteration", "reference", "reference_iteration",
    "usable", "ended", "seconds", "doubted", "reason", "begin",
)  # fmt: skip
GRID_SHARE = 0.25  # of exploitability under Poisson clocks: with less in steps, the steps are too long
AGAIN = 0.1  # by which exploitability in steps must fall before continuous time is asked again
FLOOR = 1e-5  # tolerances are shares of |mean return|, or of this share of the scale of returns if that is larger
GAP, RATE = COLUMNS.index("exploitability"), COLUMNS.index("learning_rate")


@dataclass
class Limit:
    """A limit that several solves share: seconds since it was made, and updates of all of them."""

    seconds: float | None = None
    updates: int | None = None
    began: float = field(default_factory=lambda: time.perf_counter())
    made: int = 0  # updates

    def kept(self) -> dict[str, Any]:
        """The seconds since it was made, and the updates."""
        return {"seconds": time.perf_counter() - self.began, "made": self.made}

    def go_on(self, kept: Mapping[str, Any]) -> None:
        """Go on from what `kept` returned."""
        self.began, self.made = time.perf_counter() - kept["seconds"], kept["made"]

    @property
    def late(self) -> bool:
        """Whether time is up."""
        return self.seconds is not None and time.perf_counter() - self.began >= self.seconds

    @property
    def spent(self) -> bool:
        """Whether no update is left."""
        return self.updates is not None and self.made >= self.updates

    @property
    def reached(self) -> bool:
        """Whether solves must end at their next evaluation."""
        return (self.seconds is not None and self.late) or (self.updates is not None and self.spent)


class Loop(Generic[P]):
    """One solve: its iteration, history, and the best policy so far."""

    def __init__(
        self, solver: Solver[P], problem: Problem, rule: Rule[Any], initial: object, limit: Limit | None = None
    ) -> None:
        self.solver, self.problem, self.rule = solver, problem, rule
        self.limit = Limit() if limit is None else limit
        patience, share = solver.settings["patience"], solver.settings["min_improvement"]
        self.patience = inf if patience is None else patience
        self.share = 0.0 if share is None else share  # for the stall test: the best must fall by this share of itself
        self.iteration = 0
        self.gap = nan  # of the last evaluation
        self.best, self.best_return, self.best_iteration = inf, nan, 0
        self.reference, self.reference_iteration = inf, 0  # for the stall test
        self.usable = True  # whether the rule can go on from its state
        self.present = False  # whether the best policy is the rule's, and not copied yet
        if isinstance(initial, Solution) and self.belongs(initial):
            self.resume(initial)
        else:
            policy = initial.policy if isinstance(initial, Solution) else initial
            rule.start(None if policy is None else solver._start(problem, policy))
            self.best_policy, self.best_mu = np.empty_like(rule.policy), np.empty_like(rule.mu)  # see `store`
        self.first, self.last = self.iteration, self.iteration + solver.iterations
        rule.last = self.last
        self.begin: FloatArray | None = pieces.copied(rule.policy)  # until exploitability has changed, see `unmoved`
        self.rows: list[list[float]] = []  # in the order of COLUMNS
        self.converged, self.stopped, self.ended, self.seconds = False, False, False, 0.0
        self.cut = False  # whether the limit ended the solve
        self.coarse = 0.0  # exploitability under Poisson clocks, in tolerances, if the steps of the grid are too long
        self.doubted = inf  # the gap on the grid when continuous time last disagreed
        self.reason = "stopped before the first evaluation"
        self.verdict: Verdict | None = None  # of the policy that met the tolerance
        self.final: Solution[P] | None = None  # the last Solution, after which there is no rule any more

    # ------------------------------------------------------------------------------------------------------ start

    def belongs(self, initial: Solution) -> bool:
        """Whether this solve can continue `initial`: same solver, same problem, same shapes of the state."""
        found, own = initial.fingerprint, self.problem.fingerprint
        altruism = initial.solver.get("altruism", 0.0)
        if initial.solver.get("name") != self.solver.name or found is None or altruism != self.solver.altruism:
            return False
        if differences(found, own, self.solver._depends_on):
            return False
        wanted = {name: array.shape for name, array in self.rule.state().items()} | {"iteration": (), "best": (5,)}
        have = {name: array.shape for name, array in initial.state.items()}
        same_policy = self.solver._parameters(initial.policy).shape == self.rule.policy.shape
        return have == wanted and same_policy and initial.flow.mu.shape == self.rule.mu.shape

    def resume(self, initial: Solution) -> None:
        """Restore the state in which `initial` ended."""
        self.rule.restore(initial.state)
        self.iteration = int(initial.state["iteration"])
        self.best, self.best_return, best_iteration, self.reference, reference_iteration = map(
            float, initial.state["best"]
        )
        self.best_iteration, self.reference_iteration = int(best_iteration), int(reference_iteration)
        self.best_policy = pieces.copied(self.solver._parameters(initial.policy))
        self.best_mu = initial.flow.mu.copy()

    def kept(self) -> dict[str, Any]:
        """All of the loop and its rule between two iterations, not copied."""
        best_policy, best_mu = self.best_parameters()
        return {
            **{name: getattr(self, name) for name in KEPT}, "best_policy": best_policy, "best_mu": best_mu,
            "rows": np.array(self.rows, dtype=np.float64).reshape(-1, len(COLUMNS)),
            "rule": self.rule.kept() if self.usable else None,
        }  # fmt: skip

    def go_on(self, kept: Mapping[str, Any]) -> None:
        """Go on from what `kept` returned, instead of from the start: the rest of the solve is the same to the bit."""
        best = {name: kept[name] for name in ("best_policy", "best_mu")}
        fitting(best, {"best_policy": self.rule.policy, "best_mu": self.rule.mu})
        self.best_policy, self.best_mu = best.values()
        for name in KEPT:
            setattr(self, name, kept[name])
        self.rows = kept["rows"].tolist()
        self.rule.last = self.last
        if self.usable:
            self.rule.go_on(kept["rule"])

    # -------------------------------------------------------------------------------------------------------- run

    def run(
        self, callback: Callback | None, report: Callable[[int], None], pause: Callable[[], bool] | None = None,
        keep: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        """Iterate until a stopping test holds (the loop has then `ended`), or until `pause()`, to be run again later.

        `keep` is called between iterations, to write a checkpoint if it is time.
        An exception of the game, a callback or the user (Ctrl-C) carries the Solution so far as its `partial`.
        """
        began = time.perf_counter() - self.seconds
        try:
            self.ended = self.iterate(callback, report, pause, keep, began)
        except BaseException as error:
            if isinstance(error, Exception):
                error.add_note(f"in iteration {self.iteration} of {self.solver.name}")
                self.reason = f"interrupted in iteration {self.iteration}: {type(error).__name__}: {error}"
            else:
                self.reason = f"interrupted after iteration {self.iteration}"
            error.partial = self.left()  # type: ignore[attr-defined]  # ours
            raise
        finally:
            self.seconds = time.perf_counter() - began

    def iterate(
        self,
        callback: Callback | None,
        report: Callable[[int], None],
        pause: Callable[[], bool] | None,
        keep: Callable[[], None] | None,
        began: float,
    ) -> bool:
        """Run the iterations; False if they paused."""
        every = self.solver._every
        while pause is None or not pause():
            k = self.iteration
            try:
                planned = k == self.last or (k - self.first) % every == 0
                judged = self.rule.evaluate(planned or self.limit.reached)
                if judged is not None:
                    self.gap = judged.gap
                    self.record(judged, time.perf_counter() - began)
                    stop = self.stops(judged)
                    if callback is not None and callback(self.report()) is True and not stop:
                        self.reason, self.stopped, stop = f"stopped by callback at iteration {k}", True, True
                    if stop:
                        return True
                self.store()
                self.usable = False  # until the update is complete
                rate = self.rule.update(k, self.gap)
                self.usable = True
            except Stuck as error:
                self.usable = not isinstance(error, Diverged)
                if not isfinite(self.best):
                    self.refuse_overflow()
                    raise ValueError(str(error)) from None
                self.reason = f"stuck at iteration {k}: {error}; {self.best_words()}{self.unmoved()}"
                return True
            if judged is not None:
                self.rows[-1][RATE] = rate
            self.iteration = k + 1
            self.limit.made += 1
            report(k + 1 - self.first)
            if keep is not None:
                self.seconds = time.perf_counter() - began
                keep()
        self.reason = f"paused after iteration {self.iteration}"
        return False

    def refuse_overflow(self) -> None:
        """Raise if values of the present policy are not finite; the error names the step and the observation."""
        problem = self.problem
        exploitability(
            problem.game, self.policy(self.rule.policy), problem.schedule, problem.n_agents, clock=problem.clock,
            altruism=problem.altruism,
        )

    def record(self, judged: Evaluated, seconds: float) -> None:
        """Add a row to the history, and keep the policy if it is the best so far."""
        k, gap, value = self.iteration, judged.gap, judged.value
        usable, self.usable = self.usable, False  # until the rate is computed, which the rule may note
        rate = self.rule.rate(k, gap) if isfinite(gap) and isfinite(value) else nan
        self.usable = usable
        row = [k, gap, value, judged.sampled, rate, seconds, judged.residual]
        if not all(map(isfinite, row)):
            name, number = next(pair for pair in zip(COLUMNS, row, strict=True) if not isfinite(pair[1]))
            raise Diverged(f"{name} is {number} at iteration {k}; must be finite")
        self.rows.append(row)
        if gap != self.rows[0][GAP]:
            self.begin = None
        self.reason = f"interrupted after iteration {k}"
        if gap < self.best:
            self.keep(gap, value)
        if gap < self.reference * (1 - self.share) or self.reference == inf:
            self.reference, self.reference_iteration = gap, k

    def keep(self, gap: float, value: float) -> None:
        """Note the policy just judged as the best."""
        self.best, self.best_return, self.best_iteration, self.present = gap, value, self.iteration, True

    def store(self) -> None:
        """Copy the best policy, if it is the rule's, which is about to change."""
        if self.present:
            pieces.copy(self.rule.policy, self.best_policy)
            pieces.copy(self.rule.mu, self.best_mu)
            self.present = False  # last: an interrupt before leaves the rule's

    # ------------------------------------------------------------------------------------------------------- stop

    def stops(self, judged: Evaluated) -> bool:
        """Whether the solve ends with the policy just recorded; sets `reason`."""
        k, verdict = self.iteration, judged.verdict
        met = self.met(judged.gap, judged.value)
        if met and judged.gap <= (1 - AGAIN) * self.doubted:
            # Convergence is decided by what tmf.exploitability says of the policy that is returned.
            if verdict is None:
                verdict = self.rule.verdict()
                met = self.met(verdict.gap, verdict.value)
            if met:
                if self.best_iteration != k:
                    self.keep(judged.gap, judged.value)
                self.converged, self.verdict, self.reason = True, verdict, met
                return True
            if self.problem.grid is not None:
                self.doubted = judged.gap
                if judged.gap <= GRID_SHARE * verdict.gap:
                    self.coarse, self.cut = verdict.gap / self.allowed(verdict.value), True
                    self.reason = (
                        f"steps too long: exploitability is {judged.gap:.3g} in steps of {self.problem.grid.step:.3g} "
                        f"and {verdict.gap:.3g} under the clocks at iteration {k}; {self.problem.grid.advice()}"
                    )
                    return True
        if verdict is not None:
            self.rule.policy.flags.writeable = True  # that it owned
        if k - self.reference_iteration >= self.patience:
            self.reason = (
                f"stalled: {self.best_words()}; it has not fallen by the share {self.share:g} (min_improvement) in the "
                f"{self.patience} iterations up to {k}{self.unmoved()}"
            )
        elif k == self.last or self.limit.spent:
            self.cut = self.limit.spent
            self.reason = f"iterations exhausted: {self.best_words()}, after {k} iterations{self.unmoved()}"
        elif self.limit.late:
            self.cut = True
            self.reason = f"time limit of {self.limit.seconds:g} s reached: {self.best_words()}, after {k} iterations"
        else:
            return False
        return True

    def met(self, gap: float, value: float) -> str:
        """A sentence naming the tolerance that these numbers meet; empty if they meet none."""
        solver, k = self.solver, self.iteration
        if solver.tolerance is not None:
            if gap <= solver.tolerance * abs(value) and value != 0:
                share = relative(max(gap, 0.0), value)
                return f"relative exploitability {share:.3g} <= tolerance {solver.tolerance:g} at iteration {k}"
            scale = self.problem.scale
            if gap <= solver.tolerance * (FLOOR * scale):
                bound = f"tolerance {solver.tolerance:g} of {FLOOR:g} of the scale of returns, {scale:.3g}"
                return f"absolute exploitability {gap:.3g} <= {bound}, at iteration {k}"
        if solver.absolute_tolerance is not None and gap <= solver.absolute_tolerance:
            bound = f"absolute_tolerance {solver.absolute_tolerance:g}"
            return f"absolute exploitability {gap:.3g} <= {bound} at iteration {k}"
        return ""

    def allowed(self, value: float) -> float:
        """The largest exploitability that meets a tolerance, at a mean return."""
        relative_one, absolute_one = self.solver.tolerance, self.solver.absolute_tolerance
        share = 0.0 if relative_one is None else relative_one
        return max(share * abs(value), share * (FLOOR * self.problem.scale), absolute_one or 0.0, 1e-300)

    @property
    def missed(self) -> bool:
        """Whether the solve ended without meeting a tolerance that the caller asked for, or failed."""
        return not (self.converged or self.stopped) and (self.solver._has_tolerance or not self.usable)

    def best_words(self) -> str:
        """The best exploitability in words, relative to the mean return if that is not 0."""
        if self.best_return == 0:
            return f"best absolute exploitability {self.best:.3g} at iteration {self.best_iteration}"
        share = relative(self.best, self.best_return)
        return f"best relative exploitability {share:.3g} at iteration {self.best_iteration}"

    def unmoved(self) -> str:
        """A remark for a solve whose updates have changed nothing; else empty."""
        if self.best <= 0 or self.iteration == self.first or self.begin is None:
            return ""
        if not np.array_equal(self.probabilities(self.begin), self.probabilities(self.rule.policy)):
            return ""
        return f"; the policy has not changed: it is still the first one after {self.iteration - self.first} updates"

    def policy(self, parameters: FloatArray) -> P:
        """The policy with these parameters of the rule."""
        return self.solver._policy(parameters, self.problem.game.n_steps)

    def probabilities(self, parameters: FloatArray) -> FloatArray:
        """The probabilities of a policy along the best flow, at every step, (T, S, A)."""
        kernel, mu = self.policy(parameters).kernel, self.best_parameters()[1]
        return np.stack([kernel.probabilities(mu[t], t, len(mu) - 1) for t in range(len(mu) - 1)])

    # -------------------------------------------------------------------------------------------------------- out

    def best_parameters(self) -> tuple[FloatArray, FloatArray]:
        """Parameters and flow of the best policy."""
        return (self.rule.policy, self.rule.mu) if self.present else (self.best_policy, self.best_mu)

    def left(self) -> Solution[P] | None:
        """What a solve that is broken off hands over, at once: the Solution so far, made of the loop's own arrays."""
        return self.solution(again=False, last=True) if isfinite(self.best) else None

    def report(self) -> Iteration:
        """What a callback receives."""
        _, gap, value, sampled, rate, seconds, _ = self.rows[-1]
        return Iteration(self.iteration, gap, value, sampled, rate, seconds, self.solution)

    def solution(self, again: bool = True, last: bool = False) -> Solution[P]:
        """The Solution so far: the best policy, judged again by the kernels of tmf.exploitability if possible.

        `last`: the loop will not run again, so that the Solution takes the arrays of its state without copies.
        """
        if self.final is not None:
            return self.final
        solver, problem = self.solver, self.problem
        take: Callable[[Any], Any] = (lambda array: array) if last else pieces.copied
        parameters, mu = map(take, self.best_parameters())
        state = {
            **{name: take(array) for name, array in (self.rule.state() if self.usable else {}).items()},
            "iteration": np.array(self.iteration),
            "best": np.array(
                [self.best, self.best_return, self.best_iteration, self.reference, self.reference_iteration]
            ),
        }
        if again and last:
            self.present = False
            del self.rule  # and all of its memory that is no state
        if self.verdict is not None:
            policy, flow, gap, value = self.verdict
        else:
            policy = solver._policy(parameters, problem.game.n_steps, own=True)
            flow, gap, value = solver._flow(problem, mu), self.best, self.best_return
        if again and self.verdict is None:
            with suppress(Exception):  # if the game fails now, the earlier evaluation of this policy is returned
                verdict = solver._judge(problem, policy)
                if isfinite(verdict[1]) and isfinite(verdict[2]):
                    flow, gap, value = verdict
        found: Solution[P] = Solution._made(
            policy=policy,
            flow=flow,
            history=row_arrays(self.rows, COLUMNS),
            converged=self.converged,
            reason=self.reason,
            best_iteration=self.best_iteration,
            exploitability=float(gap),
            mean_return=float(value),
            game=problem.game.name,
            schedule=problem.label,
            n_agents=problem.n_agents,
            clock=problem.clock,
            solver=dict(solver._hyperparameters),
            state=state if self.usable else {},
            discretisation=self.discretisation(policy, gap, value) if again else None,
            fingerprint=problem.fingerprint,
        )
        found = problem.finished(found)
        if last:
            self.final = found
        return found

    def discretisation(self, policy: SoftmaxPolicy | TabularPolicy, gap: float, value: float) -> Discretisation | None:
        """What the grid says of a policy judged in continuous time, under Poisson clocks."""
        if self.problem.grid is None:
            return None
        _, on_grid, earned = self.solver._judge_in_steps(self.problem, policy)
        return Discretisation(self.problem.grid.step, on_grid, earned, on_grid - gap, earned - value)
