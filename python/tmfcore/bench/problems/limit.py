"""Problems of the mean field: flow, values and exploitability, whose answers are numbers.

    DenseGame    flow or values of a dense random game
    BeachBar     a circle of S places, three moves and three shifts by the wind: push-forward or exploitability
    JostledBar   the push-forward with wind only in crowded places, so that the kernel depends on mu

An answer is correct if it agrees to 1e-8 of its scale, or to 1e-5 in float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .playing import Disagreement, Floats, Ints, WithPolicy

__all__ = ["BeachBar", "DenseGame", "JostledBar", "close"]


@dataclass(frozen=True, eq=False)
class DenseGame(WithPolicy):
    """Forward flow or backward values over T steps of a dense random game, with all agents acting.

    The answer is mu (T+1, S) of kind "flow", V (T+1, S) of kind "values" (along the flow, discount `discount`).
    """

    kind: str
    steps: int
    pi: Floats
    transition: Floats
    reward: Floats
    discount: float = 0.95

    @cached_property
    def initial(self) -> Floats:
        weights: Floats = np.linspace(2.0, 0.02, self.size)
        return np.asarray(weights / weights.sum())

    @cached_property
    def flow(self) -> Floats:
        mu = [self.initial]
        for _ in range(self.steps):
            mu.append(np.einsum("o,oa,oax->x", mu[-1], self.pi, self.transition))
        return np.array(mu)

    @cached_property
    def values(self) -> Floats:
        value = [np.zeros(self.size)]
        for _ in range(self.steps):
            q = self.reward + self.discount * np.einsum("oax,x->oa", self.transition, value[-1])
            value.append((self.pi * q).sum(axis=1))
        return np.array(value[::-1])

    def check(self, answer: Any) -> None:
        """Raise Disagreement unless the answer is the flow, or the values, to 1e-8 (1e-5 in float32)."""
        close(answer, self.flow if self.kind == "flow" else self.values, self.kind)


@dataclass(frozen=True, eq=False)
class BeachBar:
    """A circle of S places with a bar in the middle; T decision times.

    A move a in {-1, 0, 1} and a shift by the wind, -1, 0 or 1 with probability 1/4, 1/2, 1/4, which makes three
    successors. Reward 1 - |x - S//2| / (S//2) - |a| / S - log(mu(x) + 1e-6), undiscounted. The answer is the
    distribution after `steps` moves of kind "push_forward", the exploitability of `pi` of kind "exploitability".
    """

    kind: str
    size: int
    steps: int
    seed: int = 5

    WIND = (0.25, 0.5, 0.25)
    EPSILON = 1e-6
    n_actions = 3

    @cached_property
    def pi(self) -> Floats:
        return np.random.default_rng(self.seed).dirichlet(np.ones(3), size=self.size)

    @cached_property
    def initial(self) -> Floats:
        if "push_forward" not in self.kind:
            return np.full(self.size, 1.0 / self.size)
        weights: Floats = np.linspace(2.0, 0.02, self.size)
        return np.asarray(weights / weights.sum())

    @cached_property
    def successors(self) -> Ints:
        """(S, A, 3): the successors by move and shift."""
        x = np.arange(self.size)
        return (x[:, None, None] + np.arange(-1, 2)[:, None] + np.arange(-1, 2)) % self.size

    @cached_property
    def fixed_reward(self) -> Floats:
        """(S, A), the part without mu."""
        x = np.arange(self.size)
        bar = 1.0 - np.abs(x - self.size // 2) / (self.size // 2)
        return bar[:, None] - np.abs(np.arange(-1, 2)) / self.size

    def reward(self, mu: Floats) -> Floats:
        return self.fixed_reward - np.log(mu + self.EPSILON)[:, None]

    def push(self, mu: Floats) -> Floats:
        """The distribution one step later."""
        moved = (mu[:, None] * self.pi)[:, :, None] * np.array(self.WIND)
        return np.asarray(np.bincount(self.successors.ravel(), weights=moved.ravel(), minlength=self.size), np.float64)

    @cached_property
    def flow(self) -> Floats:
        mu = [self.initial]
        for _ in range(self.steps):
            mu.append(self.push(mu[-1]))
        return np.array(mu)

    @cached_property
    def returns(self) -> tuple[float, float]:
        """Mean return of the best response, and of pi."""
        best, own = np.zeros(self.size), np.zeros(self.size)
        wind = np.array(self.WIND)
        for mu in self.flow[-2::-1]:
            best = (self.reward(mu) + best[self.successors] @ wind).max(axis=1)
            own = (self.pi * (self.reward(mu) + own[self.successors] @ wind)).sum(axis=1)
        return float(self.initial @ best), float(self.initial @ own)

    def check(self, answer: Any) -> None:
        """Raise Disagreement unless the answer agrees to 1e-8 (1e-5 in float32) of what it was computed from."""
        if self.kind == "push_forward":
            close(answer, self.flow[-1], "mu")
            return
        best, own = self.returns
        off = (1e-5 if isinstance(answer, np.float32) else 1e-8) * abs(best)
        if not abs(float(answer) - (best - own)) <= off:
            raise Disagreement(f"exploitability is {answer}; must be {best - own:.10g} within {off:.1g}")


@dataclass(frozen=True, eq=False)
class JostledBar(BeachBar):
    """The beach bar with wind only in crowded places: where mu(x) > 1 / S. The distribution after `steps` moves.

    Bench-MFG supports no other dependence of the kernel on mu with three successors: the weights of its noise are
    fixed, and only the successors depend on mu.
    """

    def push(self, mu: Floats) -> Floats:
        wind = np.where((mu > 1.0 / self.size)[:, None], self.WIND, (0.0, 1.0, 0.0))
        moved = (mu[:, None] * self.pi)[:, :, None] * wind[:, None, :]
        return np.asarray(np.bincount(self.successors.ravel(), weights=moved.ravel(), minlength=self.size), np.float64)

    def check(self, answer: Any) -> None:
        close(answer, self.flow[-1], "mu")


def close(found: Any, wanted: Floats, what: str) -> None:
    """Raise Disagreement unless found equals wanted to 1e-8 of its scale (1e-5 in float32)."""
    found = np.asarray(found)
    tolerance = (1e-5 if found.dtype == np.float32 else 1e-8) * max(1e-300, float(np.abs(wanted).max()))
    if found.shape != wanted.shape:
        raise Disagreement(f"{what} has shape {found.shape}; must have {wanted.shape}")
    worst = float(np.abs(found - wanted).max())
    if not worst <= tolerance:
        raise Disagreement(f"{what} is off by {worst:.2g}; must agree within {tolerance:.1g}")
