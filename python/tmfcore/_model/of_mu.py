"""Functions of mu that users give to schedules, as the kernels call them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.functions import of_mu_and_t
from tmfcore._base.rows import within
from tmfcore._base.validation import FloatArray

__all__ = ["ForBoth", "ShareOf"]


class ForBoth:
    """A function of mu, where the observations of a tagged agent come before those of the others.

    each: it returns one value per observation, or one for all; otherwise one value, of a batch.
    """

    def __init__(self, function: Callable[[FloatArray, int], Any], each: bool = False) -> None:
        self.function, self.each = function, each

    def __call__(self, mu: FloatArray, t: int) -> Any:
        size = len(mu) // 2
        found = self.function(mu[:size] + mu[size:], t)
        return np.tile(np.broadcast_to(found, (size,)), 2) if self.each else found


class ShareOf:
    """The share of N agents that a batch is, whose size or share a user's function returns, checked at every call."""

    def __init__(self, function: Callable[..., Any], name: str, n_agents: int | None) -> None:
        read = check.as_real_array if name == "size" else check.as_shares
        self.function, self.name, self.n_agents = of_mu_and_t(function, name, read=read), name, n_agents

    def __call__(self, mu: FloatArray, t: int) -> float:
        value, name = self.function(mu, t), f"{self.name}(mu, t={t})"
        if self.name == "size":
            assert self.n_agents is not None, "a size is no share without it"
            return check.as_int(value, name, low=0, high=self.n_agents) / self.n_agents
        if value.ndim == 0 and not 0 <= value <= 1:
            value = within(value)
        share = check.as_float(value, name, low=0.0, high=1.0)
        return share if self.n_agents is None else min(int(share * self.n_agents + 0.5) / self.n_agents, 1.0)
