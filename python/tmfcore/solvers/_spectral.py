"""Learning rates that are estimated during mirror descent: spectral rates, secant corrections, restarts.

SpectralRate    chooses the rate of each update, corrects updates by secants, and detects that a descent has stalled
LogitRule       base of the rules that move logits, at spectral or other rates
"""

from __future__ import annotations

import logging
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from tmfcore._base.validation import FloatArray
from tmfcore.solvers._descent import Iterate
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._rule import Arrays, E, Stuck, TableRule
from tmfcore.solvers._secants import Secants

__all__ = ["LogitRule", "SpectralRate", "first_rate"]

log = logging.getLogger(__name__)

FIRST = 4.0  # largest change of a log-odds in the first update
GROWTH, SHRINKAGE = 4.0, 0.02  # largest and smallest factor of the rate from update to update, in the first descent
SHORT = 0.8  # a short rate is used only below this multiple of the spectral rate
RECENT = 3  # number of recent updates whose smallest short rate is used
PAIRS, EARLY = 2, 12  # number of secants; number of updates of a descent before the first correction
DAMPING = 1e-8  # regularisation of nearly dependent secants, relative to their size
PATIENCE = 100  # a descent has stalled after this many iterates without a new best one
DESCENTS = 5
MOST = 1e100  # largest multiple of the first rate: logits must not overflow if Q does not respond


class SpectralRate:
    """Spectral step lengths (Barzilai and Borwein, IMA J. Numer. Anal. 8, 1988) in the geometry of the entropy.

    If an update changes the logits by dy, the policy by d pi and the action values by dQ, the stiffness of the game
    along it is l = -<dQ, d pi> / <dy, d pi>, and the next rate is 1 / l. The first rate is
    4 / max_{t,o} (max_a Q - min_a Q). From one update to the next the rate grows at most fourfold (exactly fourfold if
    l <= 0) and falls at most to a fiftieth. After an iterate that is not the best of its descent the next rate is
    short: the smallest -<dQ, d pi> / Var(dQ) of the last three updates.

    From the 13th update on, updates that start at the best iterate so far are corrected by secants (`correct`).

    Exploitability need not fall in every update. After 100 iterates without a new best one the descent has stalled. The
    next descent starts from the first policy again, with growth limited to 2, then sqrt 2, and so on, and uses neither
    short rates nor secants: slow growth finds equilibria that long steps miss. After five descents the rule is stuck.
    """

    def __init__(self, iterate: Iterate) -> None:
        self.iterate = iterate
        self.now, self.first, self.least, self.waited, self.descents = 0.0, 0.0, inf, 0, 1  # rate 0: not chosen yet
        self.updates = 0  # of this descent
        self.caution = 1.0  # factor of the first rate from one descent to the next
        self.first_logits = np.zeros(iterate.policy.shape)
        self.secants = Secants(iterate, PAIRS)
        self.short = [inf] * RECENT  # rates, the latest last
        self.chosen: tuple[float, float] | None = None  # rate and short rate: the history and the update both read them

    def start(self, logits: FloatArray) -> None:
        """Set the logits at which every descent begins."""
        np.copyto(self.first_logits, logits)

    def state(self) -> dict[str, npt.NDArray[np.float64]]:
        """Copies of all state."""
        numbers = np.array([self.now, self.first, self.least, self.waited, self.descents, self.updates])
        return {
            "rate": numbers, "first_logits": self.first_logits.copy(), "pairs": self.secants.pairs.copy(),
            "short": np.array(self.short), "last_policy": self.secants.policy.copy(),
            "last_q": self.secants.q.copy(), "last_mu": self.secants.mu.copy(),
        }  # fmt: skip

    def restore(self, state: Arrays) -> None:
        """The inverse of `state`."""
        self.now, self.first, self.least, waited, descents, updates = (float(number) for number in state["rate"])
        self.waited, self.descents, self.updates = int(waited), int(descents), int(updates)
        self.first_logits[...], self.short, last = state["first_logits"], state["short"].tolist(), self.secants
        last.pairs[...] = state["pairs"]
        last.policy[...], last.q[...], last.mu[...] = state["last_policy"], state["last_q"], state["last_mu"]

    def rate(self, gap: float) -> float:
        """The rate of the next update from the iterate just evaluated; 0 if a new descent begins."""
        if self.chosen is None:
            self.chosen = self.choose(gap)
        return self.chosen[0]

    def choose(self, gap: float) -> tuple[float, float]:
        """Compute the rate of the next update, and the short rate; O(T S A)."""
        if self.stalled(gap):
            return 0.0, inf
        if self.now == 0.0:
            return first_rate(self.iterate) * self.caution ** (self.descents - 1), inf
        answer, gain, spread = self.secants.answer(self.updates - 1)
        longest: float = min(self.now * GROWTH ** (0.5 ** (self.descents - 1)), MOST * self.first)
        if answer <= 0:
            return longest, inf
        rate, short = gain / answer, inf
        if self.descents == 1:
            short = answer / spread if spread > 0 else inf
            if gap >= self.least and short < SHORT * rate:
                rate = min(short, *self.short[1:])
        return min(max(self.now * SHRINKAGE, rate), longest), short

    def stalled(self, gap: float) -> bool:
        """Whether the descent ends at an iterate of this exploitability."""
        return gap >= self.least and self.waited + 1 >= PATIENCE

    def take(self, gap: float, logits: FloatArray) -> bool:
        """Store the iterate from which an update starts; return whether secants are to correct the update."""
        best = gap < self.least
        secants = best and self.descents == 1 and self.updates >= EARLY
        assert self.chosen is not None, "a rate is chosen before it is taken"
        if self.chosen[1] < inf:
            self.short = [*self.short[1:], self.chosen[1]]
        self.chosen = None
        self.waited = 0 if best else self.waited + 1
        self.least = min(gap, self.least)
        self.secants.begin(logits)
        return secants

    def moved(self, rate: float, logits: FloatArray) -> None:
        """Store the logits at which the update with this rate ended."""
        self.secants.end(logits, self.updates)
        self.now, self.first, self.updates = rate, self.first or rate, self.updates + 1

    def correct(self, rate: float, logits: FloatArray) -> None:
        """Subtract sum_i c_i (dy_i + rate dQ_i) from the logits, before the update adds rate Q to them.

        Extrapolating the last updates, Q becomes Q - sum_i c_i dQ_i if y moves by -sum_i c_i dy_i. The c_i make it
        orthogonal to every dy_i: <dy_i, Q - sum_j c_j dQ_j> = 0, the condition of conjugate gradients in games with a
        potential. If that makes it larger than Q, they make it as small as possible (Anderson, J. ACM 12, 1965). Inner
        products are covariances under pi and mu. O(T S A).
        """
        products, pairs = self.secants.covariances(), self.secants.pairs
        answers = products[1:-1:2, 1:-1:2]
        try:
            c = np.linalg.solve(products[0:-1:2, 1:-1:2], products[0:-1:2, -1])
            if not c @ answers @ c <= 2 * c @ products[1:-1:2, -1]:
                c = np.linalg.solve(answers + DAMPING * np.trace(answers) * np.eye(PAIRS), products[1:-1:2, -1])
        except np.linalg.LinAlgError:
            return
        if np.isfinite(c).all():
            for i, share in enumerate(c):
                logits -= share * pairs[2 * i]
                logits -= share * rate * pairs[2 * i + 1]

    def begin_again(self, logits: FloatArray) -> None:
        """Begin the next descent, whose largest growth is the square root of the last; raise Stuck after the fifth."""
        if self.descents == DESCENTS:
            raise Stuck(f"each of {DESCENTS} descents ended with {PATIENCE} iterations without a better policy")
        self.now, self.first, self.least, self.waited, self.descents = 0.0, 0.0, inf, 0, self.descents + 1
        log.debug("no better policy in %d updates; restart from the first policy: descent %d", PATIENCE, self.descents)
        self.updates, self.chosen = 0, None
        np.copyto(logits, self.first_logits)


def first_rate(iterate: Iterate) -> float:
    """4 / max_{t,o} (max_a Q - min_a Q), or 1 if all actions have the same value everywhere."""
    spread = iterate.spread()
    return FIRST / spread if spread > 0 else 1.0


class LogitRule(TableRule[E]):
    """A rule whose policy is the softmax of logits (T, S, A); `spectral` is None if its rates are given.

    Every action has a positive probability, also in the policy it starts from.
    """

    def __init__(self, solver: E, problem: Problem) -> None:
        super().__init__(solver, problem)
        self.logits = np.zeros(self.policy.shape)
        self.spectral: SpectralRate | None = None

    def start(self, policy: FloatArray | None) -> None:
        if policy is not None:
            self.logits[...] = np.log(policy)
            self.iterate.soften(self.logits)
            if self.spectral is not None:
                self.spectral.start(self.logits)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        return {"logits": self.logits.copy()} | ({} if self.spectral is None else self.spectral.state())

    def restore(self, state: Arrays) -> None:
        self.logits[...] = state["logits"]
        if self.spectral is not None:
            self.spectral.restore(state)
        self.iterate.soften(self.logits)
