"""Pauses of a run: when a kernel pauses, and what takes its state then.

A kernel that is given Pauses asks `next(t)` up to which step to play, pauses at the first step from there on at which
it can, and gives its state to `keep` if that is `wanted`. It is not taken apart meanwhile: without a state that is
wanted, a pause costs a microsecond.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tmfcore._random import seeding

__all__ = ["SECONDS", "Pauses"]

SECONDS = 0.05  # of a piece, at least half of it


class Pauses:
    """The pauses of one run, about every SECONDS of work.

    Parameters
    ----------
    horizon : int
        T.
    due : callable
        due() says whether a state is wanted at a pause.
    keep : callable
        keep(states) takes those of the replicas that run side by side.
    """

    def __init__(self, horizon: int, due: Callable[[], bool], keep: Callable[[Any], None]) -> None:
        self.horizon, self.due, self.keep = horizon, due, keep
        self.size, self.since, self.took = 1, 0.0, 0.0

    def with_generator(self, generator: np.random.Generator) -> Pauses:
        """The same for a run of one replica that draws from `generator`; what is kept is a list of one state."""

        def keep(state: dict[str, Any]) -> None:
            self.keep([{**state, "generator": seeding.state(generator)}])

        return Pauses(self.horizon, self.due, keep)

    def next(self, t: int) -> int:
        """The step up to which to play from step t."""
        if self.took < SECONDS / 2:
            self.size *= 2
        elif self.took > 2 * SECONDS:
            self.size = max(1, self.size // 2)
        self.since = time.perf_counter()
        return min(self.horizon, t + self.size)

    def wanted(self, t: int) -> bool:
        """Whether the state before step t is to be kept."""
        self.took = time.perf_counter() - self.since  # of the piece, without what is written now
        return t < self.horizon and self.due()
