"""One solve of TMF-PG: the loop over iterations, where it starts, when it stops, what it remembers.

    Ascent(solver, game, schedule, problem, initial).run(...)
    Ascent.solution()                                               the Solution so far, at any time

An iteration plays theta, learns a direction from what was played, and judges the running average of theta; the first
and the last do not wait for each other, so they go side by side.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tmfcore import _flow, _policy
from tmfcore._evaluator import keep_kernels
from tmfcore._fingerprint import Fingerprint
from tmfcore._policy import Policy
from tmfcore._threads import Together
from tmfcore._validation import FloatArray
from tmfcore.game import Game
from tmfcore.meanfield import flow_of
from tmfcore.policy import SoftmaxPolicy, TabularPolicy
from tmfcore.schedule import Schedule
from tmfcore.solvers import _critics
from tmfcore.solvers._ascent import Adam, Sgd, averaging_weight, decay_factor
from tmfcore.solvers.base import Callback, Iteration, Solution, relative, row_arrays

if TYPE_CHECKING:
    from tmfcore.solvers.tmfpg import TMFPG

__all__ = ["CRITICS", "Ascent"]

CRITICS: dict[str, type[_critics.ModelCritic] | type[_critics.EmpiricalCritic] | type[_critics.ReturnsCritic]] = {
    "model": _critics.ModelCritic,
    "empirical": _critics.EmpiricalCritic,
    "returns": _critics.ReturnsCritic,
}


class Ascent:
    """One solve: parameters, samples, history, and the best iterate so far."""

    def __init__(
        self, solver: TMFPG, game: Game, schedule: Schedule, problem: _critics.Problem, initial: object
    ) -> None:
        self.solver, self.game, self.schedule, self.problem = solver, game, schedule, problem
        _, n_obs, n_act = problem.shape
        shape = (problem.n_stages, n_obs, n_act, 1 + n_obs if solver.population_aware else 1)
        self.theta, self.average, self.iteration = _initial_theta(initial, shape)
        self.first_iteration, self.last_iteration = self.iteration, self.iteration + solver.iterations
        self.optimizer = _optimizer(solver, self.theta, initial)
        kind = _critics.MeanFieldCritic if problem.n_agents is None else CRITICS[solver.critic]
        n_critics = 1 if problem.n_agents is None else solver.replicas
        self.critics: list[_critics.Critic] = [kind(problem, shape) for _ in range(n_critics)]
        self.mu = np.empty((problem.horizon + 1, n_obs))
        self.gap = self.value = np.nan

        self.rows: list[dict[str, float]] = []
        self.best_theta, self.best = self.average.copy(), np.inf
        self.best_iteration, self.best_return = self.iteration, np.nan
        self.reference, self.reference_iteration = np.inf, self.iteration  # for the stall test
        self.converged, self.reason = False, "stopped before the first evaluation"

    def run(
        self,
        generator: np.random.Generator,
        callback: Callback | None,
        report: Callable[[int], None],
        together: Together,
    ) -> None:
        """Iterate until something says stop."""
        began = time.perf_counter()
        while True:
            k = self.iteration
            due = k == self.last_iteration or (k - self.first_iteration) % self.solver.evaluate_every == 0
            policy = self.kernel(self.theta)
            streams = generator.spawn(len(self.critics))
            jobs = [partial(self.learn, *pair, policy) for pair in zip(self.critics, streams, strict=True)]
            sampled = together(jobs, self.judge if due else None)
            if due:
                self.record(float(np.mean(sampled)), time.perf_counter() - began)
                stop = self.stops()
                if callback is not None and callback(self.report()) is True and not stop:
                    self.reason, stop = f"stopped by callback at iteration {k}", True
                if stop:
                    return
            self.update()
            self.iteration = k + 1
            self.average += averaging_weight(self.solver.average, k + 1) * (self.theta - self.average)
            report(self.iteration - self.first_iteration)

    def learn(self, critic: _critics.Critic, generator: np.random.Generator, policy: Policy) -> float:
        """One population played, and what is to be learnt from it."""
        value = critic.sample(policy, self.theta, generator)
        critic.learn(policy)
        return value

    def kernel(self, theta: FloatArray) -> Policy:
        """The compiled policy at theta."""
        if theta.shape[-1] > 1:
            return _policy.AffinePolicy(theta)
        return _policy.TablePolicy(_policy.softmax(theta[..., 0]))

    def rate(self) -> float:
        """Learning rate of the next update."""
        solver, k = self.solver, self.iteration
        factor = decay_factor(solver.learning_rate_decay, k, solver.decay_iterations, self.last_iteration)
        if not (np.isfinite(factor) and factor >= 0):
            raise ValueError(f"learning_rate_decay({k}) is {factor}; must be finite and >= 0")
        return solver.learning_rate * factor

    def judge(self) -> None:
        """Exploitability and mean return of the averaged iterate in its mean field."""
        p, policy = self.problem, self.kernel(self.average)
        kept = keep_kernels(p.model, p.horizon)
        _flow.forward(p.model, policy, p.initial, p.active, p.horizon, 1, self.mu, kept)
        self.gap, _, self.value = _flow.gaps(p.model, policy, self.mu, p.active, p.discount, p.always, kept)

    def record(self, sampled: float, seconds: float) -> None:
        """What was judged, as a row of history; keep the best."""
        k, gap, value = self.iteration, self.gap, self.value
        row = {
            "iteration": float(k),
            "exploitability": gap,
            "mean_return": value,
            "sampled_return": value if self.problem.n_agents is None else sampled,
            "learning_rate": self.rate(),
            "seconds": seconds,
        }
        for name, number in row.items():
            if not np.isfinite(number):
                raise ValueError(f"{name} is {number} at iteration {k}; must be finite")
        self.rows.append(row)
        if gap < self.best:
            self.best, self.best_return, self.best_iteration = gap, value, k
            self.best_theta[...] = self.average
        if gap < self.reference * (1 - self.solver.min_improvement) or np.isinf(self.reference):
            self.reference, self.reference_iteration = gap, k

    def stops(self) -> bool:
        """Whether the iterate just recorded is the last; sets `reason`."""
        k, tolerance, patience = self.iteration, self.solver.tolerance, self.solver.patience
        row = self.rows[-1]
        share = relative(row["exploitability"], row["mean_return"])
        best = relative(self.best, self.best_return)
        if tolerance is not None and share <= tolerance:
            self.converged = True
            self.reason = f"exploitability {share:.3g} <= tolerance {tolerance:g} at iteration {k}"
        elif patience is not None and k - self.reference_iteration >= patience:
            self.reason = (
                f"stalled: best exploitability {best:.3g} has not fallen by {self.solver.min_improvement:g} "
                f"of itself in the {patience} iterations up to {k}"
            )
        elif k == self.last_iteration:
            self.reason = (
                f"iterations exhausted: best exploitability {best:.3g}, of iteration {self.best_iteration}, "
                f"after {k} iterations"
            )
        else:
            self.reason = f"interrupted after iteration {k}"
            return False
        return True

    def update(self) -> None:
        """Move theta, `inner_updates` times along the same samples."""
        for inner in range(self.solver.inner_updates):
            if inner:
                policy = self.kernel(self.theta)
                for critic in self.critics:
                    critic.learn(policy)
            total = np.sum([critic.direction for critic in self.critics], axis=0)
            weight = sum(critic.weight for critic in self.critics)
            step = self.natural_step(total) if self.problem.natural else total / weight
            if self.solver.entropy > 0:
                step += self.solver.entropy * self.entropy_step(weight)
            if not np.isfinite(step).all():
                raise ValueError(f"the update direction is not finite at iteration {self.iteration}")
            self.optimizer.step(self.theta, step, self.rate())
            if not np.isfinite(self.theta).all():
                raise ValueError(f"theta is not finite after update {self.iteration}; lower learning_rate")

    def natural_step(self, total: FloatArray) -> FloatArray:
        """Visit-weighted mean advantages, 0 where nobody acted."""
        visits = np.sum([critic.visits for critic in self.critics], axis=0)
        seen = visits > 0
        return np.asarray(total / np.where(seen, visits, 1.0)[..., np.newaxis] * seen[..., np.newaxis])

    def entropy_step(self, weight: float) -> FloatArray:
        """Ascent direction of the entropy of the policy along the samples, in the metric of the gradient."""
        step, row_visits = np.zeros_like(self.theta), np.zeros(self.theta.shape[:2])
        for critic in self.critics:
            mu, decisions, stages = critic.occupied()
            pi = _critics.probabilities(self.theta, mu, stages)
            visits = decisions.sum(axis=-1)
            logs = np.log(np.maximum(pi, np.finfo(np.float64).tiny))
            bonus = -(logs - (pi * logs).sum(axis=-1, keepdims=True))
            bonus *= visits[..., np.newaxis] if self.problem.natural else visits[..., np.newaxis] * pi
            features = np.ones((len(mu), 1))
            if self.theta.shape[-1] > 1:
                features = np.concatenate([features, mu], axis=1)
            for stage in np.unique(stages):
                here = stages == stage
                step[stage] += np.einsum("joa,jf->oaf", bonus[here], features[here])
                row_visits[stage] += visits[here].sum(axis=0)
        if not self.problem.natural:
            return step / weight
        seen = row_visits > 0
        return step / np.where(seen, row_visits, 1.0)[..., np.newaxis, np.newaxis]

    def report(self) -> Iteration:
        """What a callback sees."""
        row = {name: value for name, value in self.rows[-1].items() if name != "iteration"}
        return Iteration(iteration=self.iteration, solution=self.solution, **row)

    def solution(self) -> Solution:
        """The Solution so far."""
        p, theta = self.problem, self.best_theta
        policy = SoftmaxPolicy(theta if theta.shape[-1] > 1 else theta[..., 0])
        mu = np.empty_like(self.mu)
        _flow.forward(p.model, policy.kernel, p.initial, p.active, p.horizon, 1, mu)
        steps = np.arange(p.horizon + 1, dtype=np.int64)
        fingerprint = Fingerprint.of(self.game, self.schedule, p.n_agents, self.solver.clock)
        flow = flow_of(self.game, mu, steps, p.active, fingerprint.on(""))
        state = {
            "theta": self.theta.copy(),
            "average": self.average.copy(),
            "iteration": np.array(self.iteration),
            **self.optimizer.state(),
        }
        return Solution(
            policy=policy,
            flow=flow,
            history=row_arrays(self.rows),
            converged=self.converged,
            reason=self.reason,
            best_iteration=self.best_iteration,
            exploitability=float(self.best),
            mean_return=float(self.best_return),
            game=self.game.name,
            schedule=self.schedule.label,
            n_agents=p.n_agents,
            clock=self.solver.clock,
            solver=self.solver._hyperparameters(),
            state=state,
            fingerprint=fingerprint,
        )


def _initial_theta(initial: object, shape: tuple[int, int, int, int]) -> tuple[FloatArray, FloatArray, int]:
    """(theta (L, S, A, F), its running average, iteration) to start from."""
    theta = np.zeros(shape)
    if initial is None:
        return theta, theta.copy(), 0
    if isinstance(initial, Solution):
        if "theta" not in initial.state or "iteration" not in initial.state:
            raise ValueError("initial is a Solution of another solver; pass initial.policy to start from its policy")
        found = initial.state["theta"]
        if found.shape != shape:
            raise ValueError(
                f"initial.state['theta'] has shape {found.shape}; must be {shape} to go on with it "
                "(initial.policy starts from its policy and fits the stages)"
            )
        return found.copy(), initial.state["average"].copy(), int(initial.state["iteration"])
    if isinstance(initial, SoftmaxPolicy):
        given = initial.theta
        given = given[..., np.newaxis] if given.ndim == 3 else given
    elif isinstance(initial, TabularPolicy):
        table = initial.table
        if (table <= 0).any():
            where = tuple(int(i) for i in np.argwhere(table <= 0)[0])
            raise ValueError(
                f"initial.probabilities{list(where)} is 0; must be > 0: a softmax policy gives every action some "
                f"probability ({int((table <= 0).sum())} of {table.size} entries are bad)"
            )
        given = np.log(table)[..., np.newaxis]
    else:
        raise TypeError(f"initial is {type(initial).__name__}; must be a SoftmaxPolicy, TabularPolicy or Solution")
    if given.shape[1:3] != shape[1:3]:
        raise ValueError(f"initial has (S, A) = {given.shape[1:3]}; the game has {shape[1:3]}")
    if given.shape[-1] > shape[-1]:
        raise ValueError("initial is population-aware; must not be with population_aware=False")
    if shape[0] % given.shape[0] != 0:
        raise ValueError(f"initial has L = {given.shape[0]} stages; must divide the solver's, {shape[0]}")
    theta[..., : given.shape[-1]] = np.repeat(given, shape[0] // given.shape[0], axis=0)
    return theta, theta.copy(), 0


def _optimizer(solver: TMFPG, theta: FloatArray, initial: object) -> Sgd | Adam:
    """The step rule, where possible as the Solution `initial` left it."""
    if solver.optimizer == "sgd":
        return Sgd()
    adam = Adam.like(theta, solver.betas)
    if isinstance(initial, Solution) and "first" in initial.state:
        adam.first[...] = initial.state["first"]
        adam.second[...] = initial.state["second"]
        adam.count = int(initial.state["count"])
    return adam
