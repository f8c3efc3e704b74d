"""The base of the rules that move logits, at spectral rates (_secants.SpectralRate) or others."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from tmfcore._base import pieces
from tmfcore._base.validation import FloatArray
from tmfcore.solvers._problem import Problem, logits_of, no_logits
from tmfcore.solvers._rule import Arrays, E, TableRule
from tmfcore.solvers._secants import SpectralRate

__all__ = ["LogitRule"]


class LogitRule(TableRule[E]):
    """A rule whose policy is the softmax of logits (T, S, A); `spectral` is None if its rates are given.

    Every legal action has a positive probability, also in the policy it starts from.
    """

    def __init__(self, solver: E, problem: Problem) -> None:
        super().__init__(solver, problem)
        self.logits = no_logits(self.policy.shape, problem.legal)
        self.spectral: SpectralRate | None = None

    def start(self, policy: FloatArray | None) -> None:
        if policy is not None:
            pieces.copy(logits_of(policy), self.logits)
            self.iterate.soften(self.logits)
        if self.spectral is not None:
            self.spectral.start(self.logits)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        return {"logits": self.logits} | ({} if self.spectral is None else self.spectral.state())

    def restore(self, state: Arrays) -> None:
        pieces.copy(state["logits"], self.logits)
        if self.spectral is not None:
            self.spectral.restore(state)
        self.iterate.soften(self.logits)
