"""Problems of learning: a gradient from a sampled population, TMF-PG, and mirror descent; and games written in Python.

    Gradient        REINFORCE's direction for a tabular softmax policy, with all agents acting
    Learning        iterations of TMF-PG in the two games of the paper
    MirrorDescent   iterations on the beach bar, with the exploitability of every iterate
    CrowdedGame     flow, or a sampled population, of a game whose tables are Python functions of mu
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.peers.problems import SIGMAS, Answer, BeachBar, Disagreement, Floats, Population, close


@dataclass(frozen=True)
class Direction:
    """sum_t 1{o_t = o} (1{a_t = a} - pi(a | o)) G_t, per agent of `n_agents` agents; (S, A)."""

    value: npt.NDArray[Any]
    n_agents: int


@dataclass(frozen=True, eq=False)
class Gradient(Population):
    """A population, and its ascent direction: the gradient of the return in the logits of its policy.

    G_t is the discounted return of an agent from step t on; contestants may subtract any baseline that does not change
    the mean. The answer is correct if every cell lies within 6 standard deviations of the mean. Both are computed: agents
    are independent, and the second moments of (direction, return) of one agent satisfy a backward recursion.
    """

    discount: float = 0.95

    def of(self, n_agents: int) -> Gradient:
        """The same with fewer agents, for slow contestants, whose time is also per agent and step."""
        return replace(self, n_agents=n_agents, batch=n_agents)

    @cached_property
    def moments(self) -> tuple[Floats, Floats]:
        """First and second moment of one agent's direction, by cell of the direction and first observation: (S * A, S)."""
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
        return np.einsum("...oa,oa->...o", of_pairs.reshape(*of_pairs.shape[:-1], self.size, self.n_actions), self.pi)

    def check(self, answer: Any) -> None:
        """Raise Disagreement unless the direction is that of this population, up to sampling error."""
        first, second = self.moments
        start = self.of(answer.n_agents).initial / answer.n_agents
        mean = (first @ start).reshape(self.pi.shape)
        deviation = np.sqrt(((second - first**2) @ start).reshape(self.pi.shape) / answer.n_agents)
        found = np.asarray(answer.value, dtype=np.float64)
        if found.shape != mean.shape:
            raise Disagreement(f"direction has shape {found.shape}; must have {mean.shape}")
        bound = SIGMAS * deviation + 1e-6 * np.abs(mean).max()
        off = np.abs(found - mean) / bound
        if not off.max() <= 1.0:
            where = np.unravel_index(int(off.argmax()), off.shape)
            raise Disagreement(
                f"direction{[int(i) for i in where]} is {found[where]:.6g}; must be {mean[where]:.6g} within {bound[where]:.2g}"
            )


@dataclass(frozen=True)
class Learned:
    """The result of an algorithm: policy (L, S, A), and the exploitability that it reports."""

    policy: Floats
    exploitability: float


@dataclass(frozen=True, eq=False)
class Learning:
    """TMF-PG with one acting agent of N per step, twenty sweeps, S = 5; `game` is one of the paper's two games.

    The answer is correct if the reported exploitability is that of the policy, by a recursion written here from the
    formulas of the games, and at most a tenth of the uniform policy's.
    """

    kind: str
    game: str
    n_agents: int
    iterations: int = 30

    SWEEPS, DISCOUNT = 20, 0.95
    VALUES = (1.0, 0.85, 0.7, 0.55, 0.4)
    CAPACITIES = (0.1, 0.15, 0.2, 0.25)
    COST = 0.05  # of a switch
    SHARE = 0.1  # largest exploitability, as a share of the uniform policy's

    @property
    def steps(self) -> int:
        return self.SWEEPS * self.n_agents

    def tables(self, mu: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Reward (S, A), transition (S, A, S), passive reward (S,) and passive transition (S, S), at one population."""
        dt, place = 1.0 / self.n_agents, np.eye(5)
        if self.game == "resource selection":
            waiting, staying = dt * (np.array(self.VALUES) - mu), place
            target = np.broadcast_to(place, (5, 5, 5))
            moved = ~np.eye(5, dtype=bool)
        else:
            capacity = np.array(self.CAPACITIES)
            done = np.concatenate([[0.0], dt * capacity / (capacity + mu[1:])])
            waiting = np.concatenate([[0.0], done[1:] - 0.1 * dt])
            staying = (1.0 - done)[:, None] * place + done[:, None] * place[0]
            goes = np.array([[o if a == 0 else a for a in range(5)] for o in range(5)])
            target = (1.0 - done)[:, None, None] * place[goes] + done[:, None, None] * place[0]
            moved = (goes != np.arange(5)[:, None]) & (np.arange(5)[:, None] != 0)
        return waiting[:, None] - self.COST * moved, target, waiting, staying

    def exploitability(self, policy: Floats) -> float:
        """Exploitability of a policy (L, S, A), in the mean field with one acting agent of N per step."""
        share, gamma = 1.0 / self.n_agents, self.DISCOUNT ** (1.0 / self.n_agents)
        mu = np.full(5, 0.2)
        stages = np.arange(self.steps) * len(policy) // self.steps
        path = []
        for stage in stages:
            made = self.tables(mu)
            path.append(made)
            acted = ((mu[:, None] * policy[stage])[:, :, None] * made[1]).sum(axis=(0, 1))
            mu = share * acted + (1.0 - share) * (mu @ made[3])
        best, own = np.zeros(5), np.zeros(5)
        for stage, (reward, moves, waiting, staying) in zip(stages[::-1], path[::-1], strict=True):
            q = (reward + gamma * (moves @ best)).max(axis=1)
            mine = (policy[stage] * (reward + gamma * (moves @ own))).sum(axis=1)
            best = share * q + (1.0 - share) * (waiting + gamma * (staying @ best))
            own = share * mine + (1.0 - share) * (waiting + gamma * (staying @ own))
        return float((best - own).mean())

    def check(self, answer: Learned) -> None:
        """Raise Disagreement unless the policy is good enough and the reported exploitability is correct."""
        gap, uniform = self.exploitability(answer.policy), self.exploitability(np.full((1, 5, 5), 0.2))
        if not abs(answer.exploitability - gap) <= 1e-8:
            raise Disagreement(f"exploitability is said to be {answer.exploitability:.10g}; it is {gap:.10g}")
        if not gap <= self.SHARE * uniform:
            raise Disagreement(f"exploitability is {gap:.3g}; must be at most {self.SHARE:g} of {uniform:.3g}, the uniform policy's")


@dataclass(frozen=True, eq=False)
class MirrorDescent(BeachBar):
    """Online mirror descent on the beach bar: y += rate * Q of the policy along its own flow, policy = softmax(y).

    The answer is the exploitability of the policies 0 (uniform), 1, ... `iterations`, or, for slow contestants, a mapping
    from the numbers of some of them to their exploitability.
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
                mu.append(np.bincount(self.successors.ravel(), weights=moved.ravel(), minlength=self.size))
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


@dataclass(frozen=True, eq=False)
class JostledBar(BeachBar):
    """The beach bar with wind only in crowded places: where mu(x) > 1 / S. The distribution after `steps` moves.

    Bench-MFG supports no other dependence of the kernel on mu with three successors: the weights of its noise are fixed,
    and only the successors depend on mu.
    """

    def push(self, mu: Floats) -> Floats:
        wind = np.where((mu > 1.0 / self.size)[:, None], self.WIND, (0.0, 1.0, 0.0))
        moved = (mu[:, None] * self.pi)[:, :, None] * wind[:, None, :]
        return np.bincount(self.successors.ravel(), weights=moved.ravel(), minlength=self.size)

    def check(self, answer: Any) -> None:
        close(answer, self.flow[-1], "mu")


@dataclass(frozen=True, eq=False)
class CrowdedGame:
    """A dense game whose two tables are Python functions of mu, as a user writes them; a share `share` acts per step.

    The answer is the flow (T+1, S), or an Answer with the counts of N agents. Agents are not independent here; shares must
    lie within 12 standard deviations of N independent agents.
    """

    kind: str
    steps: int
    n_agents: int
    share: float

    size, n_actions = 8, 4

    @cached_property
    def rows(self) -> Floats:
        """The two kernels that mu mixes, (2, S, A, S)."""
        return np.random.default_rng(7).dirichlet(np.ones(8), size=(2, 8, 4))

    @cached_property
    def pi(self) -> Floats:
        return np.random.default_rng(8).dirichlet(np.ones(4), size=8)

    @cached_property
    def initial(self) -> Floats:
        weights = np.linspace(2.0, 0.02, 8)
        counts = np.floor(weights / weights.sum() * self.n_agents)
        counts[0] += self.n_agents - counts.sum()
        return counts / self.n_agents

    @cached_property
    def fixed_reward(self) -> Floats:
        return np.random.default_rng(9).random((8, 4))

    def reward(self, mu: Floats) -> Floats:
        return self.fixed_reward - mu[:, None]

    def transition(self, mu: Floats) -> Floats:
        first, second = self.rows
        return first + mu[0] * (second - first)

    @cached_property
    def flow(self) -> Floats:
        mu = [self.initial]
        for _ in range(self.steps):
            acted = np.einsum("o,oa,oax->x", mu[-1], self.pi, self.transition(mu[-1]))
            mu.append(self.share * acted + (1.0 - self.share) * mu[-1])
        return np.array(mu)

    def check(self, answer: Any) -> None:
        if not isinstance(answer, Answer):
            close(answer, self.flow, "mu")
            return
        law = self.flow[-1]
        bound = 2.0 * SIGMAS * np.sqrt(law * (1.0 - law) / self.n_agents) + 1.0 / self.n_agents
        off = np.abs(answer.counts / self.n_agents - law) / bound
        if not off.max() <= 1.0:
            o = int(off.argmax())
            raise Disagreement(f"mu[{o}] is {answer.counts[o] / self.n_agents:.6g}; must be {law[o]:.6g} within {bound[o]:.2g}")
