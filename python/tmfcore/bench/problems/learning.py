"""Problems of learning: a gradient from a sampled population, and mirror descent.

    Gradient        REINFORCE's direction for a tabular softmax policy, with all agents acting
    Descent         iterations on the beach bar, with the exploitability of every iterate

Both are checked against numbers computed here, in plain numpy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .limit import BeachBar
from .playing import SIGMAS, Disagreement, Floats, Playing, near

__all__ = ["Descent", "Direction", "Gradient"]


@dataclass(frozen=True)
class Direction:
    """sum_t 1{o_t = o} (1{a_t = a} - pi(a | o)) G_t, per agent of `n_agents` agents; (S, A)."""

    value: npt.NDArray[Any]
    n_agents: int


@dataclass(frozen=True, eq=False)
class Gradient(Playing):
    """A population, and its ascent direction: the gradient of the return in the logits of its policy.

    G_t is the discounted return of an agent from step t on; contestants may subtract any baseline that does not change
    the mean. The answer is correct if every cell lies within 6 standard deviations of the mean. Both are computed:
    agents are independent, and the second moments of (direction, return) of one agent satisfy a backward recursion.
    """

    discount: float = 0.95

    def of(self, n_agents: int) -> Gradient:
        """The same with fewer agents, for slow contestants, whose time is also per agent and step."""
        return replace(self, n_agents=n_agents, batch=n_agents)

    @cached_property
    def moments(self) -> tuple[Floats, Floats]:
        """First and second moment of one agent's direction, by its cell and the first observation: (S * A, S)."""
        n_cells, size = self.size * self.n_actions, self.size
        flat, reward = self.transition.reshape(n_cells, size), self.reward.ravel()
        same = np.arange(n_cells)[:, None] // self.n_actions == np.arange(n_cells) // self.n_actions  # one observation
        score = np.eye(n_cells) - same * self.pi.reshape(-1, 1)  # d log pi(a | o) by the cell's logit, at (o, a)
        own = np.zeros((2, size))  # E G, E G^2
        cross = np.zeros((3, n_cells, size))  # E Z, E Z^2, E Z G of the direction Z from here on
        for _ in range(self.steps):
            g, gg = (own @ flat.T) * np.array([[self.discount], [self.discount**2]])
            z, zz, zg = cross @ flat.T
            zg = self.discount * zg
            total = reward + g  # E G given (o, a)
            square = reward**2 + 2.0 * reward * g + gg
            with_score = (
                z + score * total,
                zz + 2.0 * score * (reward * z + zg) + score**2 * square,
                reward * z + zg + score * square,
            )
            own = self._over_actions(np.array([total, square]))
            cross = self._over_actions(np.array(with_score))
        return cross[0], cross[1]

    def _over_actions(self, of_pairs: Floats) -> Floats:
        """(..., S * A) averaged over the policy, (..., S)."""
        rows = of_pairs.reshape(*of_pairs.shape[:-1], self.size, self.n_actions)
        return np.asarray(np.einsum("...oa,oa->...o", rows, self.pi))

    def check(self, answer: Any) -> None:
        """Raise Disagreement unless the direction is that of this population, up to sampling error."""
        first, second = self.moments
        start = self.of(answer.n_agents).initial / answer.n_agents
        mean = (first @ start).reshape(self.pi.shape)
        deviation = np.sqrt(((second - first**2) @ start).reshape(self.pi.shape) / answer.n_agents)
        found = np.asarray(answer.value, dtype=np.float64)
        if found.shape != mean.shape:
            raise Disagreement(f"direction has shape {found.shape}; must have {mean.shape}")
        near("direction", found, mean, SIGMAS * deviation + 1e-6 * np.abs(mean).max())


@dataclass(frozen=True, eq=False)
class Descent(BeachBar):
    """Online mirror descent on the beach bar: y += rate * Q of the policy along its own flow, policy = softmax(y).

    The answer is the exploitability of the policies 0 (uniform), 1, ... `iterations`, or, for slow contestants, a
    mapping from the numbers of some of them to their exploitability.
    """

    iterations: int = 50
    rate: float = 0.1

    @cached_property
    def trace(self) -> Floats:
        """Exploitability of each iterate, (iterations + 1,)."""
        wind, found = np.array(self.WIND), []
        total = np.zeros((self.steps, self.size, 3))
        for _ in range(self.iterations + 1):
            weights = np.exp(total - total.max(axis=2, keepdims=True))
            policy = weights / weights.sum(axis=2, keepdims=True)
            mu = [self.initial]
            for now in policy[:-1]:
                moved = (mu[-1][:, None] * now)[:, :, None] * wind
                following = np.bincount(self.successors.ravel(), weights=moved.ravel(), minlength=self.size)
                mu.append(np.asarray(following, np.float64))
            best, own = np.zeros(self.size), np.zeros(self.size)
            for t in range(self.steps - 1, -1, -1):
                reward = self.reward(mu[t])
                best = (reward + best[self.successors] @ wind).max(axis=1)
                q = reward + own[self.successors] @ wind
                own = (policy[t] * q).sum(axis=1)
                total[t] += self.rate * q
            found.append(float(self.initial @ (best - own)))
        return np.array(found)

    def check(self, answer: Any) -> None:
        """Raise Disagreement unless the trace agrees to 1e-8 of the first (1e-4 in float32)."""
        which = list(answer) if isinstance(answer, dict) else list(range(self.iterations + 1))
        found = np.asarray([*answer.values()] if isinstance(answer, dict) else answer)
        if found.shape != (len(which),) or max(which) < 1:
            raise Disagreement(f"trace has shape {found.shape}; must have ({self.iterations + 1},)")
        off = np.abs(found - self.trace[which])
        within = (1e-4 if found.dtype == np.float32 else 1e-8) * self.trace[0]
        if not off.max() <= within:
            i = int(off.argmax())
            wanted = self.trace[which[i]]
            raise Disagreement(f"exploitability[{which[i]}] is {found[i]}; must be {wanted:.10g} within {within:.1g}")
