"""What solvers of infinite horizons share: one policy for all steps, judged at its stationary distribution."""

from __future__ import annotations

from typing import Any

import numpy as np

from tmfcore._base.validation import FloatArray
from tmfcore._limit.flows import Flow
from tmfcore._limit.pricing import refuse_altruism
from tmfcore._model import appearance as _appearance
from tmfcore._model.activation import ActingShares
from tmfcore._model.game import Game
from tmfcore._model.policies import SoftmaxPolicy, TabularPolicy, as_policy
from tmfcore._model.schedules import Active, share_at
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._stationary import StationaryIterate

__all__ = ["Endless"]


class Endless:
    """Base of solvers with the fields `distribution_tolerance`, `distribution_steps` and `altruism`."""

    def _still(self, problem: Problem) -> Active:
        """Check that neither the game nor the schedule depends on t; return the active fraction of every step."""
        active = problem.active
        rows = active.table if isinstance(active, ActingShares) else active
        if rows is not None and (rows != rows[0]).any():
            t = int(np.argwhere(rows != rows[0])[0, 0])
            raise ValueError(
                f"the active fraction is {_shown(rows[t])} at t={t} and {_shown(rows[0])} at t=0; must not depend on t"
            )
        refuse_time(problem.game, problem.game.initial)
        if not isinstance(active, ActingShares):
            return active[:1].copy()
        return active if rows is None else ActingShares(rows[:1].copy(), None, active.name)

    def _lasting(self, problem: Problem) -> StationaryIterate:
        """The uniform policy, for ever."""
        own: Any = self
        game, active = problem.game, self._still(problem)
        if game.discount == 1:
            what = "with discount 1 over an infinite horizon"
            refuse_altruism(problem.altruism, what, "discount below 1")
            if problem.grid is not None:
                raise ValueError(
                    "game.discount is 1; must be < 1 under Poisson clocks over an infinite horizon: average rewards "
                    "need a schedule in steps, such as Bernoulli"
                )
        iterate = StationaryIterate(
            game.model, game.initial, active, 1, game.discount, problem.always, altruism=problem.altruism
        )
        iterate.tolerance, iterate.max_steps = own.distribution_tolerance, own.distribution_steps
        if game.discount == 1:
            iterate.unit = game.dt
        return iterate

    def _row(self, problem: Problem, policy: object) -> FloatArray:
        """The table (1, S, A) of a policy of one stage."""
        kernel = as_policy(policy, problem.game, "initial")
        if kernel.n_stages != 1:
            raise ValueError(f"initial has {kernel.n_stages} stages; must have 1: a stationary policy is one for all t")
        return kernel.probabilities(problem.game.initial, 0, 1)[np.newaxis]

    def _judge(self, problem: Problem, policy: TabularPolicy | SoftmaxPolicy) -> tuple[Flow, float, float]:
        flow, gap, value = self._judge_in_steps(problem, policy)
        if problem.grid is None:
            return flow, gap, value
        pi = self._row(problem, policy)[0]
        mu = problem.grid.settled(pi, flow.mu[0])
        return self._flow(problem, np.stack([mu, mu])), *problem.grid.judge_stationary(pi, mu, problem.altruism)

    def _judge_in_steps(
        self, problem: Problem, policy: TabularPolicy | SoftmaxPolicy
    ) -> tuple[Flow, float, float]:
        iterate = self._lasting(problem)
        iterate.policy[...] = self._row(problem, policy)
        gap, _, value = iterate.evaluate()
        refuse_time(problem.game, iterate.mu[0].copy())
        return self._flow(problem, iterate.mu.copy()), gap, value

    def _flow(self, problem: Problem, mu: FloatArray) -> Flow:
        appearance = _appearance.appearance_of(problem.game)
        share = share_at(problem.active, mu[0], 0)
        active = share.copy() if len(share) == 1 else np.array([mu[0] @ share])
        return Flow(
            mu, np.arange(2), active, 1, problem.game.name, **appearance, fingerprint=problem.fingerprint.on("")
        )


def _shown(fraction: FloatArray) -> str:
    return f"{fraction:g}" if fraction.ndim == 0 else str(fraction)


def refuse_time(game: Game, mu: FloatArray) -> None:
    """Raise ValueError if the game's tables at mu depend on t. O(T) tables; none if the game is declared free of t."""
    if game.model.affine:
        return
    mu, model = mu / mu.sum(), game.model
    first = model.tables(mu, 0)
    for t in range(1, game.n_steps):
        if any((now != then).any() for now, then in zip(model.tables(mu, t), first, strict=True)):
            raise ValueError(f"the game's tables at t={t} differ from those at t=0; must not depend on t")
