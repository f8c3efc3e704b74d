"""The step length of mirror descent that the game itself tells: a spectral step, and descents that begin again.

SpectralRate    chooses the rate of each update, and says when a descent has stalled
"""

from __future__ import annotations

from math import inf

import numpy as np
import numpy.typing as npt

from tmfcore._descent import Iterate
from tmfcore._validation import FloatArray
from tmfcore.solvers._rule import Arrays, Stuck

__all__ = ["SpectralRate", "first_rate"]

FIRST = 4.0  # log-odds that the first update moves at most
GROWTH, SHRINKAGE = 4.0, 0.02  # of the rate from one update to the next, at most and at least, in the first descent
PATIENCE = 100  # iterates without a best one after which a descent has stalled
DESCENTS = 5
MOST = 1e100  # times the first rate: where nothing answers, logits must not overflow


class SpectralRate:
    """Spectral step lengths (Barzilai and Borwein, IMA J. Numer. Anal. 8, 1988) in the geometry of the entropy.

    Where an update moved the policy by d pi and the action values answered by d Q, the population resists with the
    stiffness l = -<dQ, d pi> / <d y, d pi>, d y what the logits moved by, and the next rate is 1 / l. The first is
    4 / max_{t,o} (max_a Q - min_a Q). From one update to the next the rate grows at most fourfold, also where l <= 0,
    and falls at most to a fiftieth.

    Exploitability need not fall in every update. After 100 iterates without a best one the descent has stalled, and the
    next begins where the first did with a growth of at most 2, then sqrt 2, and so on: slow growth follows equilibria
    that a long step leaps over. After five descents the rule is stuck.
    """

    def __init__(self, iterate: Iterate) -> None:
        self.iterate = iterate
        self.now, self.first, self.least, self.waited, self.descents = 0.0, 0.0, inf, 0, 1  # rate 0: not chosen yet
        self.policy, self.q = np.zeros_like(iterate.policy), np.zeros_like(iterate.q)
        self.mu = np.zeros_like(iterate.mu)
        self.chosen: float | None = None  # the rate from the present iterate: history asks for it, and then the update

    def state(self) -> dict[str, npt.NDArray[np.float64]]:
        """Where it stands, copied."""
        numbers = np.array([self.now, self.first, self.least, self.waited, self.descents])
        return {
            "rate": numbers,
            "last_policy": self.policy.copy(), "last_q": self.q.copy(), "last_mu": self.mu.copy(),
        }  # fmt: skip

    def restore(self, state: Arrays) -> None:
        """The inverse of `state`."""
        self.now, self.first, self.least, waited, descents = (float(number) for number in state["rate"])
        self.waited, self.descents = int(waited), int(descents)
        self.policy[...], self.q[...], self.mu[...] = state["last_policy"], state["last_q"], state["last_mu"]

    def rate(self, gap: float, moved: FloatArray) -> float:
        """Of the next update, from an iterate just evaluated; 0 where a descent begins again.

        `moved` is what the last update moved the logits by, per rate, up to a constant a row: Q, where that is all.
        """
        if self.chosen is None:
            self.chosen = self.choose(gap, moved)
        return self.chosen

    def choose(self, gap: float, moved: FloatArray) -> float:
        """The same, found anew; O(T S A)."""
        if self.stalled(gap):
            return 0.0
        if self.now == 0.0:
            return first_rate(self.iterate)
        stiffness = self.iterate.stiffness(self.policy, self.q, self.mu, moved) / self.now
        longest: float = min(self.now * GROWTH ** (0.5 ** (self.descents - 1)), MOST * self.first)
        if stiffness * longest <= 1:
            return longest
        return max(self.now * SHRINKAGE, 1 / stiffness)

    def stalled(self, gap: float) -> bool:
        """Whether an iterate of this exploitability ends its descent."""
        return gap >= self.least and self.waited + 1 >= PATIENCE

    def take(self, rate: float, gap: float) -> None:
        """Remember the iterate that an update of this rate starts from."""
        self.now, self.first, self.chosen = rate, self.first or rate, None
        self.waited = 0 if gap < self.least else self.waited + 1
        self.least = min(gap, self.least)
        np.copyto(self.policy, self.iterate.policy)
        np.copyto(self.q, self.iterate.q)
        np.copyto(self.mu, self.iterate.mu)

    def begin_again(self) -> None:
        """The next descent, with half the growth in logarithms; raises Stuck after the last."""
        if self.descents == DESCENTS:
            raise Stuck(f"none of {DESCENTS} descents found a better policy in its last {PATIENCE} iterations")
        self.now, self.first, self.least, self.waited, self.descents = 0.0, 0.0, inf, 0, self.descents + 1
        self.chosen = None


def first_rate(iterate: Iterate) -> float:
    """4 / max_{t,o} (max_a Q - min_a Q), or 1 where all actions are worth the same."""
    spread = float(np.ptp(iterate.q, axis=-1).max())
    return FIRST / spread if spread > 0 else 1.0
