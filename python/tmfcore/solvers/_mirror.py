"""The rule of mirror descent: logits follow the action values, at given or spectral rates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tmfcore.solvers._problem import Problem
from tmfcore.solvers._rule import NOT_A_NUMBER, Arrays, Diverged
from tmfcore.solvers._secants import SpectralRate
from tmfcore.solvers._spectral import LogitRule

if TYPE_CHECKING:
    from tmfcore.solvers.mirror_descent import MirrorDescent

__all__ = ["Climbing"]


class Climbing(LogitRule["MirrorDescent"]):
    """Logits, their velocity if there is momentum, and the spectral rate unless rates are given."""

    def __init__(self, solver: MirrorDescent, problem: Problem) -> None:
        super().__init__(solver, problem)
        self.velocity = np.zeros_like(self.logits) if solver.momentum > 0 else None
        self.spectral = SpectralRate(self.iterate) if solver.learning_rate is None else None

    def state(self) -> dict[str, npt.NDArray[Any]]:
        return super().state() | ({} if self.velocity is None else {"velocity": self.velocity})

    def restore(self, state: Arrays) -> None:
        super().restore(state)
        if self.velocity is not None:
            self.velocity[...] = state["velocity"]

    def rate(self, iteration: int, gap: float) -> float:
        return self.scheduled("learning_rate", iteration) if self.spectral is None else self.spectral.rate(gap)

    def update(self, iteration: int, gap: float) -> float:
        rate = self.rate(iteration, gap)
        if self.spectral is not None:
            if self.spectral.stalled(gap):
                self.spectral.begin_again(self.logits)
                if self.velocity is not None:
                    self.velocity.fill(0.0)
                self.iterate.soften(self.logits)
                return rate
            self.spectral.take(gap, self.logits, rate, self.velocity is None)
        rate, fine = self.climb(rate)
        if not fine:
            raise Diverged(NOT_A_NUMBER.format(iteration))
        if self.spectral is not None:
            self.spectral.moved(rate, self.logits)
        return rate

    def climb(self, rate: float) -> tuple[float, bool]:
        """Make the next policy; return the rate that was used, and whether all probabilities are finite."""
        return rate, self.iterate.ascend(self.logits, self.velocity, rate, self.solver.momentum)
