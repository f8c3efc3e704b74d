"""Populations of N independent agents, whose answers are samples.

    Playing       N agents on a dense random kernel, or choosing among resources
    Replicas      many populations of the same law, one agent of each acting per step

A sample is correct if every count lies within 6 standard deviations of its mean. The mean is N times the mean field,
since policies and kernels do not depend on mu here and agents move independently (with exact batches the counts vary
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

__all__ = ["SIGMAS", "Answer", "Disagreement", "Floats", "Ints", "Playing", "Replicas", "near"]

SIGMAS = 6.0


class Disagreement(AssertionError):
    """A contestant's answer is wrong."""


@dataclass(frozen=True)
class Answer:
    """A sampled population.

    Parameters
    ----------
    counts : (S,) integers
        Agents at each observation after `steps` steps; of Replicas (R, S).
    steps : int
        Steps simulated; fewer than the problem asks for if the contestant is slow.
    decisions : (S, A) integers, optional
        Acting agents by observation and action, of the last step.
    reward : float, optional
        Mean reward per agent, summed over the steps.
    """

    counts: npt.NDArray[Any]
    steps: int
    decisions: npt.NDArray[Any] | None = None
    reward: float | None = None


class WithPolicy:
    """A problem with a given policy, pi (S, A)."""

    pi: Floats

    @property
    def size(self) -> int:
        """S."""
        return len(self.pi)

    @property
    def n_actions(self) -> int:
        """A."""
        return int(self.pi.shape[1])


@dataclass(frozen=True, eq=False)
class Playing(WithPolicy):
    """N agents, of which a share acts at each step, with a constant policy and kernel; passive agents stay.

    The answer is an Answer, or counts (S,) after all steps.

    Parameters
    ----------
    kind : str
        Name of the contestants' method.
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
    def step(self) -> float:
        """The dt of resource selection: the length of a step in sweeps."""
        return self.batch / self.n_agents

    @property
    def switching(self) -> float:
        """Cost of a switch in units of v, of which an agent gets `step` per step."""
        return self.SWITCHING / self.step

    @cached_property
    def initial(self) -> Ints:
        """Counts at the start (S,): falling from twice the average to nearly none."""
        weights = np.linspace(2.0, 0.02, self.size)
        counts: Ints = np.floor(weights / weights.sum() * self.n_agents).astype(np.int64)
        counts[0] += self.n_agents - counts.sum()
        return counts

    @cached_property
    def averaged(self) -> Floats:
        """K (S, S), the kernel of an acting agent averaged over the policy."""
        return np.asarray(np.einsum("oa,oax->ox", self.pi, self.transition))

    def population(self, dtype: Any) -> npt.NDArray[Any]:
        """Observations of the N agents at the start, (N,)."""
        return np.asarray(np.repeat(np.arange(self.size, dtype=dtype), self.initial))

    def law(self, steps: int) -> Floats:
        """Mean field after `steps` steps, (S,)."""
        share = self.batch / self.n_agents
        moved = share * self.averaged + (1.0 - share) * np.eye(self.size)
        return np.asarray(self.initial / self.n_agents @ np.linalg.matrix_power(moved, steps))

    def mean_reward(self, steps: int) -> float:
        """Mean reward per agent of resource selection over `steps` steps, by Simpson's rule over the flow."""
        assert self.values is not None, "only of resource selection"
        nodes = np.unique(np.linspace(0, steps, 101).round().astype(int))
        away = self.SWITCHING * self.step * (1.0 - np.diagonal(self.pi))
        rates = [mu @ (self.step * (self.values - mu) - away) for mu in map(self.law, nodes)]
        return float(np.trapezoid(rates, nodes))

    def check(self, answer: Any) -> None:
        """Raise Disagreement unless the sample has the law of this population."""
        answer = self.sampled(answer)
        self.check_counts(answer.counts, self.law(answer.steps))
        if answer.decisions is not None:
            acting = self.law(answer.steps - 1)[:, None] * self.pi * (self.batch / self.n_agents)
            self._near("decisions", answer.decisions, acting)
        if answer.reward is not None:
            mean = self.mean_reward(answer.steps)
            off = SIGMAS * answer.steps * self.step / np.sqrt(self.n_agents) + 0.01 * abs(mean)
            if not abs(answer.reward - mean) <= off:
                raise Disagreement(f"mean reward is {answer.reward:.6g}; must be {mean:.6g} within {off:.2g}")

    def sampled(self, answer: Any) -> Answer:
        """The answer as an Answer, of arrays of the right shapes."""
        sample = answer if isinstance(answer, Answer) else Answer(answer, self.steps)
        shapes = {"counts": (self.size,), "decisions": (self.size, self.n_actions)}
        for name, shape in shapes.items():
            found = getattr(sample, name)
            if found is not None and np.shape(found) != shape:
                raise Disagreement(f"{name} has shape {np.shape(found)}; must have {shape}")
        return sample

    def check_counts(self, counts: npt.NDArray[Any], law: Floats) -> None:
        """Raise Disagreement unless counts (S,) are a sample of N agents of this law."""
        if int(np.sum(counts)) != self.n_agents:
            raise Disagreement(f"counts sum to {int(np.sum(counts))}; there are {self.n_agents} agents")
        self._near("counts", counts, law)

    def _near(self, what: str, found: npt.NDArray[Any], law: Floats) -> None:
        mean = self.n_agents * law
        bound = SIGMAS * np.sqrt(mean * (1.0 - law)) + 1.0 + 1e-9 * mean
        near(what, np.asarray(found), mean, bound)


@dataclass(frozen=True, eq=False)
class Replicas(Playing):
    """`replicas` populations that start alike, are independent of each other, and play `steps` steps each.

    The answer is an Answer with counts (R, S) after the last step, or these counts.
    """

    replicas: int = 64

    def check(self, answer: Any) -> None:
        """Raise Disagreement unless every population has the law, and their sum has that of R N agents."""
        counts = np.asarray(answer.counts if isinstance(answer, Answer) else answer)
        if counts.shape != (self.replicas, self.size):
            raise Disagreement(f"counts has shape {counts.shape}; must have {(self.replicas, self.size)}")
        law = self.law(self.steps)
        for own in counts:
            self.check_counts(own, law)
        mean = self.n_agents * self.replicas * law
        near("counts, summed over replicas,", counts.sum(axis=0), mean, SIGMAS * np.sqrt(mean * (1.0 - law)) + 1.0)


def near(what: str, found: npt.NDArray[Any], mean: Floats, bound: Floats) -> None:
    """Raise Disagreement unless |found - mean| <= bound in every entry."""
    off = np.abs(found.astype(np.float64) - mean) / bound
    if not off.max() <= 1.0:
        where = np.unravel_index(int(off.argmax()), off.shape)
        raise Disagreement(
            f"{what}{[int(i) for i in where]} is {found[where]:.9g}; must be {mean[where]:.6g} within "
            f"{bound[where]:.3g}"
        )
