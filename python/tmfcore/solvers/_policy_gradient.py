"""The rule of TMF-PG: play theta, compute an update direction from the samples, judge the running average of theta.

Playing and judging do not depend on each other and run in parallel.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tmfcore._base import pieces
from tmfcore._base.threads import Together, workers_for
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._limit.exploitability import judged
from tmfcore._model.game import Game
from tmfcore._model.policy import Policy
from tmfcore._population.costs import calls_python
from tmfcore._random import seeding
from tmfcore.solvers import _critics
from tmfcore.solvers._features import Features
from tmfcore.solvers._guidance import Guide
from tmfcore.solvers._players import Players, compiled
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._rule import Arrays, Diverged, Evaluated, Rule, fitting
from tmfcore.solvers._step_rules import averaging_weight

if TYPE_CHECKING:
    from tmfcore.solvers.tmfpg import TMFPG

__all__ = ["Learning"]


class Learning(Rule["TMFPG"]):
    """Parameters, their running average, the optimiser, and the critics with their populations."""

    features: Features | None = None

    def __init__(self, solver: TMFPG, problem: Problem) -> None:
        super().__init__(solver, problem)
        self.plan = solver._plan(problem)
        shape = solver._shape(problem.game)
        self.features = solver._basis
        self.theta = solver._zero(problem.game)
        self.policy = self.theta.copy()  # the running average, which is judged
        self.mu = np.empty((problem.game.n_steps + 1, shape[1]))
        self.gap = self.value = np.nan
        self.optimizer = solver._step_rule(self.theta)
        self.critics = _critics.populations(self.plan, shape, solver.critic, self.settings["replicas"])
        self.observed = [critic for critic in self.critics if isinstance(critic, _critics.Observed)]
        self.guide = None if solver.guidance is None else Guide(solver, problem, self.plan, shape)
        self.played = 0

    def sample_from(self, seed: seeding.Stream, threads: int | Executor | None) -> None:
        self.generator, game = seeding.generator(seed), self.problem.game
        self.players = None
        if isinstance(threads, Executor):
            self.players, threads = Players(threads, self.solver, self.problem), 1
        python = calls_python(game, self.kernel(self.theta), self.problem.schedule)
        workers = workers_for(threads, 1 + len(self.critics), _seconds_per_job(game), python=python, worthwhile=5e-4)
        self.together = Together(workers)

    @property
    def flows(self) -> int:
        return self.earlier + self.played

    def close(self) -> None:
        self.together.close()

    def start(self, policy: FloatArray | None) -> None:
        if policy is not None:
            self.theta[...] = self.policy[...] = policy

    def state(self) -> dict[str, npt.NDArray[Any]]:
        return {"theta": self.theta, "average": self.policy, **self.optimizer.state()}

    def restore(self, state: Arrays) -> None:
        self.theta[...], self.policy[...] = state["theta"], state["average"]
        self.optimizer.restore(state)

    def kept(self) -> dict[str, Any]:
        return super().kept() | ({"memory": self.observed[0].memory.state()} if self.observed else {})

    def go_on(self, kept: Mapping[str, Any]) -> None:
        super().go_on(kept)
        if self.observed:
            memory = self.observed[0].memory
            memory.restore(fitting(kept["memory"], memory.state()))

    def evaluate(self, due: bool) -> Evaluated | None:
        policy = self.kernel(self.theta)
        if self.observed and self.observed[0].memory.empty:
            # One population fills the tables first: a sample must be compared with earlier samples only.
            self.learn(self.observed[0], self.generator.spawn(1)[0], policy)
            self.observed[0].memory.keep(self.observed[:1])
        streams = self.generator.spawn(len(self.critics))
        jobs = [partial(self.learn, *pair, policy) for pair in zip(self.critics, streams, strict=True)]
        if self.players is not None:
            returns, verdict = self.players.play(
                self.critics, streams, self.logits(self.theta), self.logits(self.policy) if due else None
            )
            if verdict is not None:
                self.gap, self.value, self.mu[...] = verdict
        else:
            returns = self.together(jobs, self.judge if due else None)
        self.played += len(jobs) + due
        if not due:
            return None
        sampled = self.value if self.plan.n_agents is None else float(np.mean(returns))
        return Evaluated(self.gap, self.value, sampled)

    def learn(self, critic: _critics.Critic, generator: np.random.Generator, policy: Policy) -> float:
        """Play one population and compute its update direction; return its discounted return per agent."""
        value = critic.sample(policy, self.logits(self.theta), generator)
        critic.learn(policy)
        return value

    def judge(self) -> None:
        """Exploitability and mean return of the averaged iterate, in its own mean field."""
        p = self.problem
        self.gap, _, self.value = judged(p.game, self.kernel(self.policy), p.active, p.always, self.mu, p.altruism)

    def kernel(self, theta: FloatArray) -> Policy:
        """The compiled policy at theta."""
        return compiled(self.logits(theta))

    def rate(self, iteration: int, gap: float) -> float:
        return self.scheduled("learning_rate", iteration)

    def update(self, iteration: int, gap: float) -> float:
        """Move theta `inner_updates` times along the same samples, then update the average."""
        rate, legal = self.rate(iteration, gap), self.problem.game.legal
        for inner in range(self.solver.inner_updates):
            if inner:
                policy = self.kernel(self.theta)
                for critic in self.critics:
                    critic.learn(policy)
            if self.observed:
                _critics.settle(self.observed)
            total = np.sum([critic.direction for critic in self.critics], axis=0)
            if self.guide is not None:
                total = self.guided(self.guide, total, iteration)
            weight = sum(critic.weight for critic in self.critics)
            step = self.natural_step(total) if self.plan.natural else self.plain_step(total / weight)
            if self.solver.entropy > 0:
                step += self.solver.entropy * self.entropy_step(weight)
            if legal is not None:
                step[:, ~legal] = 0.0
            if not np.isfinite(step).all():
                raise Diverged(f"the update direction is not finite at iteration {iteration}")
            self.optimizer.step(self.theta, step, rate)
            if not np.isfinite(self.theta).all():
                raise Diverged(f"theta is not finite after update {iteration}; lower learning_rate")
        if self.observed:
            self.observed[0].memory.keep(self.observed)
        self.policy += averaging_weight(self.solver.average, iteration + 1) * (self.theta - self.policy)
        return rate

    def guided(self, guide: Guide, total: FloatArray, iteration: int) -> FloatArray:
        """The sum of the directions of all samples, mixed with those towards the reference."""
        share = guide.weight(iteration)
        if share == 0:
            return total
        policy = self.kernel(self.theta)
        pull = self.together([partial(guide.direction, critic, policy) for critic in self.critics], None)
        return np.asarray((1 - share) * total + share * np.sum(pull, axis=0))

    def logits(self, theta: FloatArray) -> FloatArray:
        """The table (L, S, A, F) that theta stands for: itself, or that of its features."""
        return theta if self.features is None else self.features.logits(theta)

    def plain_step(self, direction: FloatArray) -> FloatArray:
        """The direction of theta, from that of the table (L, S, A, F)."""
        return direction if self.features is None else self.features.summed(direction)

    def natural_step(self, total: FloatArray) -> FloatArray:
        """Visit-weighted mean advantages, 0 where nobody acted."""
        return self.mean_step(total, np.sum([critic.visits for critic in self.critics], axis=0))

    def mean_step(self, total: FloatArray, visits: FloatArray) -> FloatArray:
        """Sums (L, S, A, F) divided by visits (L, S, A), 0 where there are none; with features, their fit to this."""
        if self.features is not None:
            return self.features.fitted(total, visits)
        seen = visits > 0
        return np.asarray(total / np.where(seen, visits, 1.0)[..., np.newaxis] * seen[..., np.newaxis])

    def entropy_step(self, weight: float) -> FloatArray:
        """Ascent direction of the policy's entropy along the samples, in the metric that `gradient` names."""
        table = self.logits(self.theta)
        step, row_visits = np.zeros_like(table), np.zeros(table.shape[:2])
        for critic in self.critics:
            mu, decisions, stages = critic.occupied()
            for part in pieces.parts(len(mu), step[0, :, :, 0].size):
                self.add_entropy_step(table, mu[part], decisions[part], stages[part], step, row_visits)
        if not self.plan.natural:
            return self.plain_step(step / weight)
        return self.mean_step(step, np.broadcast_to(row_visits[..., np.newaxis], table.shape[:3]))

    def add_entropy_step(
        self, table: FloatArray, mu: FloatArray, decisions: npt.NDArray[Any], stages: IntArray, step: FloatArray,
        row_visits: FloatArray,
    ) -> None:  # fmt: skip
        """Add what some intervals of a sample contribute to the direction, and their visits."""
        pi = _critics.probabilities(table, mu, stages)
        visits = decisions.sum(axis=-1)
        logs = np.log(np.maximum(pi, np.finfo(np.float64).tiny))
        bonus = -(logs - (pi * logs).sum(axis=-1, keepdims=True))
        bonus *= visits[..., np.newaxis] if self.plan.natural else visits[..., np.newaxis] * pi
        features = np.ones((len(mu), 1))
        if table.shape[-1] > 1:
            features = np.concatenate([features, mu], axis=1)
        for stage in np.unique(stages):
            here = stages == stage
            step[stage] += np.einsum("joa,jf->oaf", bonus[here], features[here])
            row_visits[stage] += visits[here].sum(axis=0)


def _seconds_per_job(game: Game) -> float:
    """A rough estimate of the time of one pass over the horizon; only decides the number of threads."""
    cells = game.n_observations * (10 + game.n_actions * min(game.model.n_successors, game.n_observations))
    return 2e-9 * game.n_steps * cells
