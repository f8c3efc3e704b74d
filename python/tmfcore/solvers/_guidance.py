"""Guidance of TMF-PG: a reference population that the sampled ones are drawn to (Theory, section 7).

as_guidance, as_weight      check the settings `guidance` and `guidance_weight`
Guide                       of one solve: the weight at an iteration, and the direction for a sample
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.functions import n_arguments, noted
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray
from tmfcore._limit.flows import Flow
from tmfcore._model.policy import Policy
from tmfcore._results.checkpoint import digest
from tmfcore.solvers import _critics
from tmfcore.solvers._guided import guided_direction
from tmfcore.solvers._problem import Problem

if TYPE_CHECKING:
    from tmfcore.solvers.tmfpg import TMFPG

__all__ = ["Guidance", "Guide", "Shares", "as_guidance", "as_weight"]

Guidance: TypeAlias = "Shares | Flow | Callable[..., FloatsLike] | FloatsLike"


@dataclass(frozen=True, eq=False)
class Shares:
    """A reference given as an array (S,) or (T + 1, S), checked, with the equality of its entries."""

    mu: FloatArray

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shares) and np.array_equal(self.mu, other.mu)

    def __hash__(self) -> int:
        return hash((self.mu.shape, self.mu.tobytes()))

    def __repr__(self) -> str:
        return f"array of shape {self.mu.shape}"


def as_guidance(value: object, name: str) -> object:
    """A Flow, a function, or an array of distributions as Shares."""
    if isinstance(value, (Flow, Shares)):
        return value
    if callable(value) and not isinstance(value, type):
        n_arguments(value, name)
        return value
    shape = [(None,), (None, None)]
    return Shares(check.frozen(check.as_probabilities(value, name, shape=shape, letters=["S", "T + 1, S"])))


def as_weight(value: object, name: str) -> object:
    """A number in [0, 1], or a function of the iteration."""
    if callable(value) and not isinstance(value, type):
        return value
    return check.as_float(value, name, low=0.0, high=1.0)


def described(value: Any) -> str:
    """What a file says of a guidance that is no function."""
    return f"{type(value).__name__} {digest(value.mu)}"


class Guide:
    """The reference of one solve, and the buffers of its directions."""

    def __init__(self, solver: TMFPG, problem: Problem, plan: _critics.Plan, shape: tuple[int, int, int, int]) -> None:
        self.plan, self.shape = plan, shape
        self.share = solver.settings["guidance_weight"]
        self.step = problem.game.dt
        self.all_actions = solver.critic == "model"
        self.function: Callable[..., Any] | None = None
        self.mu = np.empty((0, 0))
        given: Any = solver.guidance
        if isinstance(given, Flow):
            self.mu = _interpolated(given, problem)
        elif isinstance(given, Shares):
            self.mu = _rows(given.mu, plan.horizon, shape[1])
        else:
            self.function = _called(given)

    def weight(self, iteration: int) -> float:
        """The weight at an update."""
        if not callable(self.share):
            return float(self.share)
        found = noted(self.share, "guidance_weight", "the iteration")(iteration)
        return check.as_float(found, f"guidance_weight({iteration})", low=0.0, high=1.0)

    def direction(self, critic: _critics.Critic, policy: Policy) -> FloatArray:
        """The direction (L, S, A, F) towards the reference, for the last sample of a critic."""
        p, mu, every = self.plan, critic.mu, critic.record_every
        direction, visits = np.empty(self.shape), np.empty(self.shape[:3])
        ends = np.minimum(np.arange(1, len(mu)) * every, p.horizon)
        guided_direction(
            p.model, policy, mu, critic.decisions, float(p.n_agents or 1), p.active,
            mu[1:] - self.reference(mu[1:], ends), p.horizon, every, p.natural, self.all_actions, direction, visits,
        )  # fmt: skip
        return direction

    def reference(self, mu: FloatArray, steps: Any) -> FloatArray:
        """The reference (J, S) at these steps, where the populations are mu (J, S)."""
        if self.function is None:
            return np.asarray(self.mu[steps])
        size = mu.shape[1]
        rows = [
            check.as_probabilities(self.function(check.frozen(row.copy()), t * self.step), f"guidance at step {t}",
                                   shape=(size,), letters="S")
            for row, t in zip(mu, steps.tolist(), strict=True)
        ]  # fmt: skip
        return np.array(rows)


def _called(function: Callable[..., Any]) -> Callable[..., Any]:
    """As a function of (mu, t)."""
    named = noted(function, "guidance", "(mu, t)")
    return named if n_arguments(function, "guidance") == 2 else partial(_without_time, named)


def _without_time(function: Callable[..., Any], mu: FloatArray, t: float) -> Any:
    return function(mu)


def _rows(mu: FloatArray, horizon: int, n_observations: int) -> FloatArray:
    """(T + 1, S), from one distribution for all times, or from all."""
    wanted = (horizon + 1, n_observations)
    if mu.shape not in ((n_observations,), wanted):
        raise ValueError(f"guidance has shape {mu.shape}; must be (S,) = ({n_observations},) or (T + 1, S) = {wanted}")
    return np.broadcast_to(mu, wanted)


def _interpolated(flow: Flow, problem: Problem) -> FloatArray:
    """The populations of a flow at the steps of the problem, (T + 1, S)."""
    game = problem.game
    if flow.mu.shape[1] != game.n_observations:
        raise ValueError(
            f"guidance is a Flow of {flow.mu.shape[1]} observations; must be of {game.n_observations}, as the game has"
        )
    times = np.arange(game.n_steps + 1) * game.dt
    known = flow.times
    if known[-1] < times[-1] - 1e-9 * max(1.0, times[-1]):
        raise ValueError(f"guidance is a Flow that ends at {known[-1]:g}; must last as long as the game, {times[-1]:g}")
    return np.stack([np.interp(times, known, row) for row in flow.mu.T], axis=1)
