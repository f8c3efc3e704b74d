"""The rule of StationaryTMFPG: play on, learn values by TD(0), move theta, judge its running average."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.policy import TablePolicy, softmax
from tmfcore._model.schedules import Active
from tmfcore._random import seeding
from tmfcore.solvers import _td
from tmfcore.solvers._problem import Problem, no_logits
from tmfcore.solvers._rule import Arrays, Diverged, Evaluated, Rule, Stuck
from tmfcore.solvers._step_rules import Normalized, averaging_weight

if TYPE_CHECKING:
    from tmfcore.solvers.stationary_tmfpg import StationaryTMFPG

__all__ = ["RunPlan", "Walking"]


@dataclass(frozen=True)
class RunPlan:
    """How the population of a solve is played."""

    batch: IntArray | None  # (1,); exactly one of batch and probability
    probability: Active | None
    active: Active
    start: IntArray  # (S,) counts
    n_steps: int  # of an iteration


class TdCritic:
    """Values of acting and of waiting, and the gains that are subtracted from rewards.

    Attributes
    ----------
    q, w : ndarrays of float64, shapes (S, A) and (S,)
    acted, waited : ndarrays of int64, shapes (S, A) and (S,)
        Samples of each so far.
    gains : ndarray of float64, shape (S,)
        0 unless the discount is 1.
    groups : ndarray of int32, shape (S,)
        The lowest number of those observations that agents go between.
    """

    def __init__(self, n_observations: int, n_actions: int) -> None:
        pair = n_observations, n_actions
        self.q, self.w = np.zeros(pair), np.zeros(n_observations)
        self.acted, self.waited = np.zeros(pair, dtype=np.int64), np.zeros(n_observations, dtype=np.int64)
        self.gains, self.groups = np.zeros(n_observations), np.arange(n_observations, dtype=np.int32)
        self.decisions = np.zeros(pair, dtype=np.int64)  # of the last iteration
        self.earned, self.people = np.zeros(n_observations), np.zeros(n_observations)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """All that is learnt, not copied."""
        names = ("q", "w", "acted", "waited", "gains", "groups")
        return {name: getattr(self, name) for name in names}

    def advantages(self, pi: FloatArray) -> FloatArray:
        """(S, A): q less its mean under pi over the actions that have samples; 0 where nobody acted."""
        known = self.acted > 0
        weights = np.where(known, pi, 0.0)
        total = weights.sum(axis=1, keepdims=True)
        mean = (weights * self.q).sum(axis=1, keepdims=True) / np.where(total > 0, total, 1.0)
        seen = self.decisions.any(axis=1, keepdims=True)
        return np.where(known & seen & (total > 0), self.q - mean, 0.0)

    def learn_gains(self, rate: float) -> None:
        """Move the gain of every group towards the mean reward of its agents in the last iteration."""
        while (self.groups[self.groups] != self.groups).any():
            self.groups[...] = self.groups[self.groups]
        size = len(self.groups)
        people = np.bincount(self.groups, self.people, size)
        there = np.where(people > 0, people, 1.0)
        found = np.bincount(self.groups, self.earned, size) / there
        before = np.bincount(self.groups, self.people * self.gains, size) / there  # of groups that were joined
        new = found if not self.gains.any() else before + rate * (found - before)
        self.gains[...] = np.where(people > 0, new, 0.0)[self.groups]


class Walking(Rule["StationaryTMFPG"]):
    """Theta, its running average, the population, and its critic."""

    def __init__(self, solver: StationaryTMFPG, problem: Problem) -> None:
        super().__init__(solver, problem)
        game = problem.game
        self.plan, self.iterate = solver._plan(problem), solver._lasting(problem)
        self.theta = no_logits((1, game.n_observations, game.n_actions), game.legal)
        self.policy = self.theta.copy()  # the running average, which is judged
        self.mu = np.zeros((2, game.n_observations))
        self.counts = self.plan.start.copy()
        self.critic = TdCritic(game.n_observations, game.n_actions)
        self.optimizer = Normalized()
        self.earned = np.zeros(())  # mean reward per agent and step in the last iteration
        self.played = 0

    def sample_from(self, seed: seeding.Stream, threads: int | Executor | None) -> None:
        self.generator = seeding.generator(seed)

    @property
    def flows(self) -> int:
        return self.earlier + self.played

    def start(self, policy: FloatArray | None) -> None:
        if policy is not None:
            self.theta[...] = self.policy[...] = policy

    def state(self) -> dict[str, npt.NDArray[Any]]:
        own = {"theta": self.theta, "average": self.policy, "counts": self.counts, "earned": self.earned}
        return {**own, **self.critic.state(), **self.optimizer.state()}

    def restore(self, state: Arrays) -> None:
        self.optimizer.restore(state)
        for name, array in self.state().items():
            if name not in ("size", "count"):
                array[...] = state[name]

    def evaluate(self, due: bool) -> Evaluated | None:
        """Exploitability and mean return of the running average at its stationary distribution."""
        if not due:
            return None
        iterate, game = self.iterate, self.problem.game
        iterate.policy[...] = softmax(self.policy)
        self.played += 1
        if not iterate.settles():
            raise Stuck(
                f"the distribution of the policy does not converge: it changes by {iterate.residual:.3g} per step; "
                "raise distribution_steps"
            )
        gap, _, value = iterate.evaluate()
        self.mu[...] = iterate.mu
        sampled = float(self.earned) / (game.dt if game.discount == 1 else 1 - game.discount)
        return Evaluated(gap, value, sampled if self.critic.acted.any() else value, iterate.residual)

    def rate(self, iteration: int, gap: float) -> float:
        return self.scheduled("learning_rate", iteration)

    def update(self, iteration: int, gap: float) -> float:
        """Play on for an iteration, then move theta and its average."""
        rate, critic = self.rate(iteration, gap), self.critic
        pi = softmax(self.theta)
        self.play(TablePolicy(pi), self.generator.spawn(1)[0])
        step = critic.advantages(pi[0])[np.newaxis]
        if self.problem.legal is not None:
            step[:, ~self.problem.legal] = 0.0
        if not np.isfinite(step).all():
            raise Diverged(f"values are not finite after update {iteration}")
        self.optimizer.step(self.theta, step, rate)
        if not np.isfinite(self.theta).all():
            raise Diverged(f"theta is not finite after update {iteration}; lower learning_rate")
        self.policy += averaging_weight(self.solver.average, iteration + 1) * (self.theta - self.policy)
        return rate

    def play(self, policy: TablePolicy, generator: np.random.Generator) -> None:
        """One iteration of the run."""
        p, plan, critic, game = self.problem, self.plan, self.critic, self.problem.game
        self.earned[...] = _td.run(
            game.model, policy, generator.bit_generator, self.counts, plan.n_steps, plan.batch, plan.probability,
            plan.active, game.discount, p.always, self.solver.critic_rate, critic.q, critic.w, critic.acted,
            critic.waited, critic.gains, critic.groups, critic.decisions, critic.earned, critic.people,
        )  # fmt: skip
        self.played += 1
        if game.discount == 1:
            critic.learn_gains(self.solver.critic_rate)
