"""Populations that are coupled: one agent acts at each step, and meets another, so that its kernel depends on mu.

    Meeting    an affine kernel, P(x | o, a, mu) = constant[o, a, x] + sum_y meeting[o, a, x, y] mu(y); an epidemic, too
    Imitation  pairwise revision: the acting agent compares its payoff with that of an agent drawn at random

A sample is correct if every count lies within 6 standard deviations of its mean. Both are those of the linear noise
approximation: the mean follows dmu/dt = mu K(mu) - mu, with t in sweeps of N steps, and N times the covariance solves
C' = J C + C J' + B, with the Jacobian J of this drift and the covariance B of one jump.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .playing import SIGMAS, Answer, Disagreement, Floats, Ints, WithPolicy, near

__all__ = ["Coupled", "Imitation", "Meeting"]


@dataclass(frozen=True, eq=False)
class Coupled:
    """N agents, of whom one, drawn uniformly, acts at each step; those of `initial` are dealt out in order.

    The answer is an Answer with counts (S,) after its number of steps, or counts after all steps.
    """

    kind: str
    n_agents: int
    steps: int

    NODES = 40  # of the integration, in one sweep

    @property
    def size(self) -> int:
        """S."""
        raise NotImplementedError

    def kernel(self, mu: Floats) -> Floats:
        """K (S, S), the kernel of an acting agent, averaged over the policy."""
        raise NotImplementedError

    @cached_property
    def initial(self) -> Ints:
        """Counts at the start (S,): falling from twice the average to half of it."""
        weights = np.linspace(2.0, 0.5, self.size)
        counts: Ints = np.floor(weights / weights.sum() * self.n_agents).astype(np.int64)
        counts[0] += self.n_agents - counts.sum()
        return counts

    def population(self, dtype: Any) -> Any:
        """Observations of the N agents at the start, (N,)."""
        return np.asarray(np.repeat(np.arange(self.size, dtype=dtype), self.initial))

    def drift(self, mu: Floats) -> Floats:
        """The change of mu per sweep, (S,)."""
        return np.asarray(mu @ self.kernel(mu) - mu)

    def law(self, steps: int) -> tuple[Floats, Floats, float]:
        """Mean of mu (S,) after `steps` steps, N times its variance (S,), and the mean number of changes per agent."""
        nodes = max(1, round(self.NODES * steps / self.n_agents))
        dt = steps / self.n_agents / nodes
        mu = self.initial / self.n_agents
        covariance, changes = np.zeros((self.size, self.size)), 0.0
        for _ in range(nodes):
            first = self.drift(mu)
            middle = mu + 0.5 * dt * first
            second = self.drift(middle)
            third = self.drift(mu + 0.5 * dt * second)
            jacobian, noise, rate = self._linear(middle)
            half = covariance + 0.5 * dt * (jacobian @ covariance + covariance @ jacobian.T + noise)
            covariance = covariance + dt * (jacobian @ half + half @ jacobian.T + noise)
            changes += dt * rate
            mu = mu + dt / 6.0 * (first + 2.0 * second + 2.0 * third + self.drift(mu + dt * third))
        return mu, np.diagonal(covariance).clip(0.0), changes

    def _linear(self, mu: Floats) -> tuple[Floats, Floats, float]:
        """J, B and the share of acting agents that change their place, at mu."""
        h, units = 1e-5, np.eye(self.size)
        columns = [(self.drift(mu + h * e) - self.drift(mu - h * e)) / (2.0 * h) for e in units]
        flows = mu[:, None] * self.kernel(mu)
        noise = np.diag(flows.sum(axis=0) + flows.sum(axis=1)) - flows - flows.T
        return np.array(columns).T, noise, float(flows.sum() - np.trace(flows))

    @cached_property
    def changes(self) -> float:
        """Mean number of events that change the population, in all steps."""
        return self.n_agents * self.law(self.steps)[2]

    def check(self, answer: Any) -> None:
        """Raise Disagreement unless the counts have the law of this population."""
        if not isinstance(answer, Answer):
            answer = Answer(answer, self.steps)
        counts = np.asarray(answer.counts)
        if counts.shape != (self.size,):
            raise Disagreement(f"counts has shape {counts.shape}; must have {(self.size,)}")
        if int(counts.sum()) != self.n_agents:
            raise Disagreement(f"counts sum to {int(counts.sum())}; there are {self.n_agents} agents")
        mu, variance, _ = self.law(answer.steps)
        # beyond 6 deviations: 2 agents for the O(1) difference between mean and mean field
        near("counts", counts, self.n_agents * mu, SIGMAS * np.sqrt(self.n_agents * variance) + 2.0)


@dataclass(frozen=True, eq=False)
class Meeting(WithPolicy, Coupled):
    """Kernels that are affine in mu: the acting agent meets an agent y drawn uniformly from all N.

    Parameters
    ----------
    pi : (S, A) float64
    constant : (S, A, S) float64
        The part of the kernel without mu.
    meeting : (S, A, S, S) float64
        What an agent at y adds to P(x | o, a), at [o, a, x, y].
    """

    pi: Floats
    constant: Floats
    meeting: Floats

    @cached_property
    def corners(self) -> Floats:
        """The kernel of an acting agent whose partner is at y, averaged over the policy, (S, S, S) at [o, y, x]."""
        rows = self.constant[..., None] + self.meeting
        return np.ascontiguousarray(np.einsum("oa,oaxy->oyx", self.pi, rows).clip(0.0))

    def kernel(self, mu: Floats) -> Floats:
        """K (S, S) at mu."""
        return np.asarray(np.einsum("oyx,y->ox", self.corners, mu))


@dataclass(frozen=True, eq=False)
class Imitation(Coupled):
    """Pairwise revision by Fermi's rule, in a population game with payoffs u = M mu.

    The acting agent, with strategy o, meets an agent y drawn uniformly, and takes over its strategy with probability
    1 / (1 + exp(-selection (u_y - u_o))); with probability `mutation` it takes a strategy drawn uniformly instead.

    Parameters
    ----------
    payoffs : (S, S) float64
        M.
    selection : float
        Intensity of selection.
    mutation : float
    """

    payoffs: Floats
    selection: float
    mutation: float

    @property
    def size(self) -> int:
        """S."""
        return len(self.payoffs)

    def kernel(self, mu: Floats) -> Floats:
        """K (S, S) at mu."""
        u = self.payoffs @ mu
        taken = mu / (1.0 + np.exp(-self.selection * (u - u[:, None])))
        np.fill_diagonal(taken, 0.0)
        kept = taken + np.diag(1.0 - taken.sum(axis=1))
        return np.asarray((1.0 - self.mutation) * kept + self.mutation / self.size)
