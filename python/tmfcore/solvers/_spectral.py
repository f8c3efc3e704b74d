"""Mirror descent whose steps the game itself tells: spectral rates, secants, and descents that begin again.

SpectralRate    chooses the rate of each update, corrects it along the last two, and says when a descent has stalled
LogitRule       a rule that moves logits, at such rates or others
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

__all__ = ["LogitRule", "SpectralRate", "first_rate"]

log = logging.getLogger(__name__)

FIRST = 4.0  # log-odds that the first update moves at most
GROWTH, SHRINKAGE = 4.0, 0.02  # of the rate from one update to the next, at most and at least, in the first descent
SHORT = 0.8  # times the rate of the stiffness, above which a short rate makes no difference
RECENT = 3  # updates of whose short rates the shortest is taken
PAIRS, EARLY = 2, 12  # updates that secants are drawn through, and those of a descent that none corrects
DAMPING = 1e-8  # of nearly dependent secants, in shares of their size
PATIENCE = 100  # iterates without a best one after which a descent has stalled
DESCENTS = 5
MOST = 1e100  # times the first rate: where nothing answers, logits must not overflow


class SpectralRate:
    """Spectral step lengths (Barzilai and Borwein, IMA J. Numer. Anal. 8, 1988) in the geometry of the entropy.

    Where an update moved the logits by dy and the policy by d pi and the action values answered by dQ, the population
    resists with the stiffness l = -<dQ, d pi> / <dy, d pi>, and the next rate is 1 / l. The first is
    4 / max_{t,o} (max_a Q - min_a Q). From one update to the next the rate grows at most fourfold, also where l <= 0,
    and falls at most to a fiftieth. After an iterate that is not the best of its descent the next rate is a short one:
    the least -<dQ, d pi> / Var(dQ) of the last three updates.

    From the 13th update on one that starts at the best iterate so far is corrected by secants (`correct`).

    Exploitability need not fall in every update. After 100 iterates without a best one the descent has stalled, and the
    next begins where the first did with a growth of at most 2, then sqrt 2, and so on: slow growth follows equilibria
    that a long step leaps over. It takes neither short rates nor secants. After five descents the rule is stuck.
    """

    def __init__(self, iterate: Iterate) -> None:
        self.iterate = iterate
        self.now, self.first, self.least, self.waited, self.descents = 0.0, 0.0, inf, 0, 1  # rate 0: not chosen yet
        self.updates = 0  # of this descent
        self.caution = 1.0  # the first rate of a descent, in shares of the one before
        self.policy, self.q = np.zeros_like(iterate.policy), np.zeros_like(iterate.q)
        self.mu = np.zeros_like(iterate.mu)
        self.first_logits = np.zeros_like(iterate.policy)
        # What the last updates moved the logits by, and how Q answered: dy, dQ, dy, dQ, the oldest overwritten.
        self.pairs = np.zeros((2 * PAIRS, *iterate.policy.shape))
        self.short = np.full(RECENT, inf)  # rates, the latest last
        self.chosen: tuple[float, float] | None = None  # rate and short rate: history asks for it, then the update

    def start(self, logits: FloatArray) -> None:
        """Remember where descents begin."""
        np.copyto(self.first_logits, logits)

    def state(self) -> dict[str, npt.NDArray[np.float64]]:
        """Where it stands, copied."""
        numbers = np.array([self.now, self.first, self.least, self.waited, self.descents, self.updates])
        return {
            "rate": numbers, "first_logits": self.first_logits.copy(), "pairs": self.pairs.copy(),
            "short": self.short.copy(), "last_policy": self.policy.copy(), "last_q": self.q.copy(),
            "last_mu": self.mu.copy(),
        }  # fmt: skip

    def restore(self, state: Arrays) -> None:
        """The inverse of `state`."""
        self.now, self.first, self.least, waited, descents, updates = (float(number) for number in state["rate"])
        self.waited, self.descents, self.updates = int(waited), int(descents), int(updates)
        self.first_logits[...], self.pairs[...], self.short[...] = (
            state["first_logits"], state["pairs"], state["short"],
        )  # fmt: skip
        self.policy[...], self.q[...], self.mu[...] = state["last_policy"], state["last_q"], state["last_mu"]

    def rate(self, gap: float) -> float:
        """Of the next update, from an iterate just evaluated; 0 where a descent begins again."""
        if self.chosen is None:
            self.chosen = self.choose(gap)
        return self.chosen[0]

    def choose(self, gap: float) -> tuple[float, float]:
        """The same, found anew, and the short rate; O(T S A)."""
        if self.stalled(gap):
            return 0.0, inf
        if self.now == 0.0:
            return first_rate(self.iterate) * self.caution ** (self.descents - 1), inf
        last = 2 * ((self.updates - 1) % PAIRS)
        np.subtract(self.iterate.q, self.q, out=self.pairs[last + 1])
        answer, gain = self.iterate.stiffness(self.policy, self.q, self.mu, self.pairs[last])
        longest: float = min(self.now * GROWTH ** (0.5 ** (self.descents - 1)), MOST * self.first)
        if answer <= 0:
            return longest, inf
        rate, short = gain / answer, inf
        if self.descents == 1:
            spread = self.iterate.covariances(self.pairs[last + 1 : last + 2])[0, 0]
            short = answer / spread if spread > 0 else inf
            if gap >= self.least and short < SHORT * rate:
                rate = min(short, float(self.short[1:].min()))
        return min(max(self.now * SHRINKAGE, rate), longest), short

    def stalled(self, gap: float) -> bool:
        """Whether an iterate of this exploitability ends its descent."""
        return gap >= self.least and self.waited + 1 >= PATIENCE

    def take(self, gap: float, logits: FloatArray) -> bool:
        """Remember the iterate that an update starts from, and whether secants are to correct it."""
        best = gap < self.least
        secants = best and self.descents == 1 and self.updates >= EARLY
        assert self.chosen is not None, "a rate is chosen before it is taken"
        if self.chosen[1] < inf:
            self.short = np.append(self.short[1:], self.chosen[1])
        self.chosen = None
        self.waited = 0 if best else self.waited + 1
        self.least = min(gap, self.least)
        np.copyto(self.policy, self.iterate.policy)
        np.copyto(self.q, self.iterate.q)
        np.copyto(self.mu, self.iterate.mu)
        self.before = logits.copy()
        return secants

    def moved(self, rate: float, logits: FloatArray) -> None:
        """The update of that rate has arrived at these logits."""
        np.subtract(logits, self.before, out=self.pairs[2 * (self.updates % PAIRS)])
        self.now, self.first, self.updates = rate, self.first or rate, self.updates + 1

    def correct(self, rate: float, logits: FloatArray) -> None:
        """Subtract sum_i c_i (dy_i + rate dQ_i) from logits that the update will add rate Q to.

        Q - sum_i c_i dQ_i is what Q will be after y moves by -sum_i c_i dy_i, if the last updates tell. It shall have
        no part along any dy_i: <dy_i, Q - sum_j c_j dQ_j> = 0, as conjugate gradients have it where the game has a
        potential, or, where that makes it larger than Q, be as small as it can (Anderson, J. ACM 12, 1965). Inner
        products are covariances under pi and mu. O(T S A).
        """
        products = self.iterate.covariances(self.pairs)
        answers = products[1:-1:2, 1:-1:2]
        try:
            c = np.linalg.solve(products[0:-1:2, 1:-1:2], products[0:-1:2, -1])
            if not c @ answers @ c <= 2 * c @ products[1:-1:2, -1]:
                c = np.linalg.solve(answers + DAMPING * np.trace(answers) * np.eye(PAIRS), products[1:-1:2, -1])
        except np.linalg.LinAlgError:
            return
        if np.isfinite(c).all():
            for i, share in enumerate(c):
                logits -= share * self.pairs[2 * i]
                logits -= share * rate * self.pairs[2 * i + 1]

    def begin_again(self, logits: FloatArray) -> None:
        """The next descent, with half the growth in logarithms; raises Stuck after the last."""
        if self.descents == DESCENTS:
            raise Stuck(f"none of {DESCENTS} descents found a better policy in its last {PATIENCE} iterations")
        self.now, self.first, self.least, self.waited, self.descents = 0.0, 0.0, inf, 0, self.descents + 1
        log.debug("rates begin again: no better policy in %d updates; descent %d", PATIENCE, self.descents)
        self.updates, self.chosen = 0, None
        np.copyto(logits, self.first_logits)


def first_rate(iterate: Iterate) -> float:
    """4 / max_{t,o} (max_a Q - min_a Q), or 1 where all actions are worth the same."""
    spread = float(np.ptp(iterate.q, axis=-1).max())
    return FIRST / spread if spread > 0 else 1.0


class LogitRule(TableRule[E]):
    """A rule whose policy is the softmax of logits (T, S, A), moved at spectral rates where there are some.

    Its policies give every action some probability, and it starts from such.
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
