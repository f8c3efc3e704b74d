"""The problems, and the checks of their answers.

    Population    N agents on a dense random kernel, or choosing among resources; answers are samples
    Limit         flow or values of the mean field of a dense random game
    BeachBar      a circle of S places, three moves and three shifts by the wind; flow or exploitability

A sample is correct if every count lies within 6 standard deviations of its mean. The mean is N times the mean field,
since policies and kernels here do not depend on mu and agents move independently (with exact batches the counts vary
less). False alarms: 2e-9 per count.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SIGMAS = 6.0


class Disagreement(AssertionError):
    """A contestant's answer is wrong."""


@dataclass(frozen=True)
class Answer:
    """A sampled population: counts (S,) after `steps` steps; decisions (S, A) of the last; mean reward per agent."""

    counts: npt.NDArray[Any]
    steps: int
    decisions: npt.NDArray[Any] | None = None
    reward: float | None = None


@dataclass(frozen=True, eq=False)
class Population:
    """N agents, of which a share acts at each step, with a constant policy and kernel; passive agents stay.

    Parameters
    ----------
    kind : str
        Key of the contestants' ENTRIES.
    n_agents, steps : int
        N and T.
    pi : (S, A) float64
    transition : (S, A, S) float64
    reward : (S, A) float64
    batch : int
        B, acting agents per step; with `probability`, their mean number.
    probability : float or None
        Bernoulli activation instead of a batch.
    values : (S,) float64 or None
        Resource selection instead of a dense kernel: v; congestion is 1, and a switch costs `SWITCHING`.
    """

    kind: str
    n_agents: int
    steps: int
    pi: Floats
    transition: Floats
    reward: Floats
    batch: int
    probability: float | None = None
    values: Floats | None = None

    SWITCHING = 0.05

    @property
    def size(self) -> int:
        return self.pi.shape[0]

    @property
    def n_actions(self) -> int:
        return self.pi.shape[1]

    @property
    def step(self) -> float:
        """dt of resource selection: the length of a step in sweeps."""
        return self.batch / self.n_agents

    @property
    def switching(self) -> float:
        """Cost of a switch in units of v, of which an agent gets `step` per step."""
        return self.SWITCHING / self.step

    @cached_property
    def initial(self) -> Ints:
        """Counts at the start (S,): falling from twice the average to nearly none."""
        weights = np.linspace(2.0, 0.02, self.size)
        counts = np.floor(weights / weights.sum() * self.n_agents).astype(np.int64)
        counts[0] += self.n_agents - counts.sum()
        return counts

    @cached_property
    def averaged(self) -> Floats:
        """K (S, S), the kernel of an acting agent averaged over the policy."""
        return np.einsum("oa,oax->ox", self.pi, self.transition)

    def population(self, dtype: Any) -> npt.NDArray[Any]:
        """Observations of the N agents at the start, (N,)."""
        return np.repeat(np.arange(self.size, dtype=dtype), self.initial)

    def law(self, steps: int) -> Floats:
        """Mean field after `steps` steps, (S,)."""
        share = self.batch / self.n_agents
        moved = share * self.averaged + (1.0 - share) * np.eye(self.size)
        return self.initial / self.n_agents @ np.linalg.matrix_power(moved, steps)

    def mean_reward(self, steps: int) -> float:
        """Mean reward per agent of resource selection over `steps` steps, by Simpson's rule over the flow."""
        assert self.values is not None, "only of resource selection"
        nodes = np.unique(np.linspace(0, steps, 101).round().astype(int))
        away = self.SWITCHING * self.step * (1.0 - np.diagonal(self.pi))
        rates = [mu @ (self.step * (self.values - mu) - away) for mu in map(self.law, nodes)]
        return float(np.trapezoid(rates, nodes))

    def check(self, answer: Answer) -> None:
        """Raise Disagreement unless the sample has the law of this population."""
        if int(np.sum(answer.counts)) != self.n_agents:
            raise Disagreement(f"counts sum to {int(np.sum(answer.counts))}; there are {self.n_agents} agents")
        self._near("counts", answer.counts, self.law(answer.steps))
        if answer.decisions is not None:
            acting = self.law(answer.steps - 1)[:, None] * self.pi * (self.batch / self.n_agents)
            self._near("decisions", answer.decisions, acting)
        if answer.reward is not None:
            mean = self.mean_reward(answer.steps)
            off = SIGMAS * answer.steps * self.step / np.sqrt(self.n_agents) + 0.01 * abs(mean)
            if not abs(answer.reward - mean) <= off:
                raise Disagreement(f"mean reward is {answer.reward:.6g}; must be {mean:.6g} within {off:.2g}")

    def _near(self, what: str, found: npt.NDArray[Any], law: Floats) -> None:
        mean = self.n_agents * law
        bound = SIGMAS * np.sqrt(mean * (1.0 - law)) + 1.0 + 1e-9 * mean
        off = np.abs(np.asarray(found, dtype=np.float64) - mean) / bound
        if not off.max() <= 1.0:
            where = np.unravel_index(int(off.argmax()), off.shape)
            raise Disagreement(
                f"{what}{[int(i) for i in where]} is {found[where]}; must be {mean[where]:.6g} within {bound[where]:.3g}"
            )


@dataclass(frozen=True, eq=False)
class Limit:
    """Forward flow or backward values over T steps of a dense random game, with all agents acting.

    The answer is mu (T+1, S) of kind "flow", V (T+1, S) of kind "values" (along the flow, discount `discount`).
    """

    kind: str
    steps: int
    pi: Floats
    transition: Floats
    reward: Floats
    discount: float = 0.95

    @property
    def size(self) -> int:
        return self.pi.shape[0]

    @property
    def n_actions(self) -> int:
        return self.pi.shape[1]

    @cached_property
    def initial(self) -> Floats:
        weights = np.linspace(2.0, 0.02, self.size)
        return weights / weights.sum()

    @cached_property
    def flow(self) -> Floats:
        mu = [self.initial]
        for _ in range(self.steps):
            mu.append(np.einsum("o,oa,oax->x", mu[-1], self.pi, self.transition))
        return np.array(mu)

    @cached_property
    def values(self) -> Floats:
        value = [np.zeros(self.size)]
        for _ in range(self.steps):
            q = self.reward + self.discount * np.einsum("oax,x->oa", self.transition, value[-1])
            value.append((self.pi * q).sum(axis=1))
        return np.array(value[::-1])

    def check(self, answer: npt.NDArray[Any]) -> None:
        """Raise Disagreement unless the answer is the flow, or the values, to 1e-8 (1e-5 in float32)."""
        close(answer, self.flow if self.kind == "flow" else self.values, self.kind)


@dataclass(frozen=True, eq=False)
class BeachBar:
    """A circle of S places with a bar in the middle; T decision times.

    A move a in {-1, 0, 1} and a shift by the wind, -1, 0 or 1 with probability 1/4, 1/2, 1/4, which makes three
    successors. Reward 1 - |x - S//2| / (S//2) - |a| / S - log(mu(x) + 1e-6), undiscounted. The answer is the
    distribution after `steps` moves of kind "push-forward", the exploitability of `pi` of kind "beach bar".
    """

    kind: str
    size: int
    steps: int
    seed: int = 5

    WIND = (0.25, 0.5, 0.25)
    EPSILON = 1e-6
    n_actions = 3

    @cached_property
    def pi(self) -> Floats:
        return np.random.default_rng(self.seed).dirichlet(np.ones(3), size=self.size)

    @cached_property
    def initial(self) -> Floats:
        if not self.kind.endswith("push-forward"):
            return np.full(self.size, 1.0 / self.size)
        weights = np.linspace(2.0, 0.02, self.size)
        return weights / weights.sum()

    @cached_property
    def successors(self) -> Ints:
        """(S, A, 3): the successors by move and shift."""
        x = np.arange(self.size)
        return (x[:, None, None] + np.arange(-1, 2)[:, None] + np.arange(-1, 2)) % self.size

    @cached_property
    def fixed_reward(self) -> Floats:
        """(S, A), the part without mu."""
        x = np.arange(self.size)
        bar = 1.0 - np.abs(x - self.size // 2) / (self.size // 2)
        return bar[:, None] - np.abs(np.arange(-1, 2)) / self.size

    def reward(self, mu: Floats) -> Floats:
        return self.fixed_reward - np.log(mu + self.EPSILON)[:, None]

    def push(self, mu: Floats) -> Floats:
        """The distribution one step later."""
        moved = (mu[:, None] * self.pi)[:, :, None] * np.array(self.WIND)
        return np.bincount(self.successors.ravel(), weights=moved.ravel(), minlength=self.size)

    @cached_property
    def flow(self) -> Floats:
        mu = [self.initial]
        for _ in range(self.steps):
            mu.append(self.push(mu[-1]))
        return np.array(mu)

    @cached_property
    def returns(self) -> tuple[float, float]:
        """Mean return of the best response, and of pi."""
        best, own = np.zeros(self.size), np.zeros(self.size)
        wind = np.array(self.WIND)
        for mu in self.flow[-2::-1]:
            best = (self.reward(mu) + best[self.successors] @ wind).max(axis=1)
            own = (self.pi * (self.reward(mu) + own[self.successors] @ wind)).sum(axis=1)
        return float(self.initial @ best), float(self.initial @ own)

    def check(self, answer: Any) -> None:
        """Raise Disagreement unless the answer agrees to 1e-8 (1e-5 in float32) of what it was computed from."""
        if self.kind == "push-forward":
            close(answer, self.flow[-1], "mu")
            return
        best, own = self.returns
        off = (1e-5 if isinstance(answer, np.float32) else 1e-8) * abs(best)
        if not abs(float(answer) - (best - own)) <= off:
            raise Disagreement(f"exploitability is {answer}; must be {best - own:.10g} within {off:.1g}")


Problem = Population | Limit | BeachBar


def close(found: Any, wanted: Floats, what: str) -> None:
    """Raise Disagreement unless found equals wanted to 1e-8 of its scale (1e-5 in float32)."""
    found = np.asarray(found)
    tolerance = (1e-5 if found.dtype == np.float32 else 1e-8) * max(1e-300, float(np.abs(wanted).max()))
    if found.shape != wanted.shape:
        raise Disagreement(f"{what} has shape {found.shape}; must have {wanted.shape}")
    worst = float(np.abs(found - wanted).max())
    if not worst <= tolerance:
        raise Disagreement(f"{what} is off by {worst:.2g}; must agree within {tolerance:.1g}")
