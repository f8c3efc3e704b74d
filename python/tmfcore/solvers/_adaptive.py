"""An adaptive rate: grow while iterates improve, shrink where they do not. And a momentum that goes with it."""

from __future__ import annotations

from copy import copy
from math import inf

import numpy as np

from tmfcore._validation import FloatArray

__all__ = ["AdaptiveRate", "growing_momentum"]

FIRST_GROWTH, GROWTH, SHRINKAGE, SLACK, PATIENCE = 1.2, 1.05, 0.5, 1.5, 50
WARM_UP, MOST_MOMENTUM = 10, 0.95


def growing_momentum(iteration: int) -> float:
    """Of update k: k / (k + 10), up to 0.95.

    On a beach of 400 places and 100 steps 8,800 iterations of mirror descent without it are as good as 540 with it.
    """
    return min(iteration / (iteration + WARM_UP), MOST_MOMENTUM)


class AdaptiveRate:
    """A step length, and whether to go back to the best iterate.

    It grows with every iterate that is the best so far: by 20% until it has been too long for the first time, which
    finds the right order of magnitude in a few iterations, and by 5% from then on. An iterate more than `slack` times
    as exploitable as the best is dropped, the rate halves and the slack, 1.5 after a best iterate, grows by half: some
    descents must climb first. After 50 iterates none of which is best the rate halves where it stands.
    """

    def __init__(self) -> None:
        self.now = 0.0  # not chosen yet
        self.reference, self.slack, self.waited = inf, SLACK, 0.0
        self.growth = FIRST_GROWTH

    def state(self) -> FloatArray:
        """Its numbers, (5,)."""
        return np.array([self.now, self.reference, self.slack, self.waited, self.growth])

    def restore(self, state: FloatArray) -> None:
        """The inverse of `state`."""
        self.now, self.reference, self.slack, self.waited, self.growth = (float(number) for number in state)

    def after(self, gap: float, first: float) -> float:
        """What `judge` is going to make of the rate, or of `first` where none is chosen yet."""
        trial = copy(self)
        trial.now = trial.now or first
        trial.judge(gap)
        return trial.now

    def judge(self, gap: float) -> str:
        """What to do with an iterate of this exploitability: "keep" it as the best, "go back" to that, or "go on"."""
        if gap <= self.reference:
            self.now *= self.growth
            self.reference, self.slack, self.waited = gap, SLACK, 0.0
            return "keep"
        self.waited += 1
        if gap > self.slack * self.reference:
            self.shrink()
            self.slack *= SLACK
            return "go back"
        if self.waited >= PATIENCE:
            self.shrink()
        return "go on"

    def shrink(self) -> None:
        """The rate has been too long."""
        self.now *= SHRINKAGE
        self.growth, self.waited = GROWTH, 0.0
