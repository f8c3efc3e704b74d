"""Problems of single rows: TMF-PG, which no other library has, games whose tables are Python functions of mu, rare mutation,
and single calls."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

import tmfcore as tmf
from tmfcore.bench.problems import SIGMAS, Answer, Disagreement, Floats, Imitation, close


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


@dataclass(frozen=True, eq=False)
class RareMutation(Imitation):
    """Two strategies, few agents and very rare mutants: nearly always all agents are alike.

    The answer is correct if its count has a probability, by the matrix of the chain, that is not below that of all but
    1e-8 of the law.
    """

    RULE = (np.array([[1.0, 1.4], [0.9, 1.2]]), 1.0, 1e-5)  # payoffs, selection, mutation

    @cached_property
    def matrix(self) -> Floats:
        """The chain of the number of agents with strategy 0, (N+1, N+1), one step."""
        n = self.n_agents
        steps = np.zeros((n + 1, n + 1))
        for k in range(n + 1):
            mu = np.array([k, n - k]) / n
            kernel = self.kernel(mu)
            if k < n:
                steps[k, k + 1] = mu[1] * kernel[1, 0]
            if k:
                steps[k, k - 1] = mu[0] * kernel[0, 1]
            steps[k, k] = 1.0 - steps[k].sum()
        return steps

    def check(self, answer: Any) -> None:
        """Raise Disagreement if the counts are too improbable."""
        law = np.linalg.matrix_power(self.matrix, answer.steps)[int(self.initial[0])]
        k = int(answer.counts[0])
        unlikely = float(law[law <= law[k] * (1.0 + 1e-9)].sum())
        if int(np.sum(answer.counts)) != self.n_agents or not unlikely > 1e-8:
            raise Disagreement(f"counts is {answer.counts}; has probability {law[k]:.2g}, less than all but {unlikely:.2g}")


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a verb for a game of one step, S = 8 and A = 4, from arrays; or tmf.solve of games.left_right.

    The answer is counts (S,), mu (S,), an exploitability, or the game.
    """

    kind: str
    what: str

    N_AGENTS = 1000

    @cached_property
    def pi(self) -> Floats:
        return np.random.default_rng(7).dirichlet(np.ones(4), size=8)

    @cached_property
    def arrays(self) -> tuple[Floats, Floats, Floats]:
        """mu_0 (S,), rewards (S, A) and transitions (S, A, S)."""
        rng = np.random.default_rng(8)
        return np.full(8, 0.125), rng.random((8, 4)), rng.dirichlet(np.ones(8), size=(8, 4))

    def game(self) -> tmf.Game:
        return tmf.Game(8, 4, 1, 1.0, *self.arrays)

    def check(self, answer: Any) -> None:
        initial, reward, transition = self.arrays
        if self.what == "simulate":
            if not (answer.sum() == self.N_AGENTS and np.abs(answer - 125).sum() in (0, 2)):
                raise Disagreement(f"counts is {answer}; one of {self.N_AGENTS} agents moves, from 125 at each place")
        elif self.what == "mean_field":
            close(answer, np.einsum("o,oa,oax->x", initial, self.pi, transition), "mu")
        elif self.what == "exploitability":
            close(answer, np.asarray(initial @ (reward.max(axis=1) - (self.pi * reward).sum(axis=1))), "exploitability")
        elif self.what == "solve":
            if not 0.0 <= answer <= 1e-4:
                raise Disagreement(f"exploitability is {answer:.3g}; must be at most 1e-4")
        elif not (isinstance(answer, tmf.Game) and answer.n_observations == 8):
            raise Disagreement(f"made {answer!r}; must be a game of 8 observations")
