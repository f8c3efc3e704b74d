"""Where TMF-PG's update directions come from: a population to learn from, and a critic of what it did.

    MeanFieldCritic      no sampling: the flow itself, model values
    ModelCritic          sampled counts, Q of the model along the sampled flow
    EmpiricalCritic      sampled counts, the same recursion on observed rewards and transition frequencies
    ReturnsCritic        sampled individuals, Monte-Carlo returns over a baseline

Each `sample`s with one policy and then gives the `direction` for it (or, in inner updates, for its
successors) as the kernels of tmfcore._gradient define it: direction (L, S, A, F), visits (L, S, A), F = 1 or
1 + S. Buffers are allocated once per solve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from tmfcore import _agents, _counts, _flow, _gradient, _rng
from tmfcore._model import Model
from tmfcore._policy import Policy
from tmfcore._validation import FloatArray, IntArray

_Flows: TypeAlias = tuple[IntArray, FloatArray, IntArray, FloatArray]

__all__ = [
    "Critic",
    "EmpiricalCritic",
    "MeanFieldCritic",
    "ModelCritic",
    "Problem",
    "ReturnsCritic",
    "probabilities",
    "stages_of",
]


@dataclass(frozen=True)
class Problem:
    """What a solve holds fixed."""

    model: Model
    horizon: int
    discount: float
    initial: FloatArray  # (S,)
    active: FloatArray  # (1 or T,)
    batch: IntArray | None  # (1 or T,); exactly one of batch and probability, unless n_agents is None
    probability: FloatArray | None
    n_agents: int | None
    start: IntArray  # (S,) counts
    always: bool
    natural: bool
    n_stages: int
    pool: int  # steps pooled by the empirical critic and the baseline of returns

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, S, A)."""
        return self.horizon, self.model.n_observations, self.model.n_actions


class Critic(Protocol):
    """A source of update directions."""

    weight: float  # agents behind the statistics: what sums over agents are divided by
    direction: FloatArray  # (L, S, A, F) of the last learn
    visits: FloatArray  # (L, S, A)

    def sample(self, policy: Policy, theta: FloatArray, generator: np.random.Generator) -> float:
        """Play the policy; the discounted return per agent (NaN where nothing is sampled)."""

    def learn(self, policy: Policy) -> None:
        """Direction and visits of the last sample for `policy`."""

    def occupied(self) -> tuple[FloatArray, npt.NDArray[Any], IntArray]:
        """Of the last sample in J <= T intervals: mu at their starts (J, S), decisions (J, S, A), stages (J,)."""


class _Sampled:
    """What the critics of a sampled population share: its counts, recorded every `record_every` steps."""

    def __init__(self, problem: Problem, shape: tuple[int, int, int, int], record_every: int = 1) -> None:
        assert problem.n_agents is not None, "without agents there is only the mean field"
        _, n_obs, n_act = problem.shape
        n_intervals = -(-problem.horizon // record_every)
        self.problem = problem
        self.record_every = record_every
        self.weight = float(problem.n_agents)
        self.direction, self.visits = np.zeros(shape), np.zeros(shape[:3])
        self.counts = np.zeros((n_intervals + 1, n_obs), dtype=np.int64)
        self.decisions = np.zeros((n_intervals, n_obs, n_act), dtype=np.int64)
        self.rewards = np.zeros(n_intervals)
        self.mu = np.zeros((n_intervals + 1, n_obs))
        self.flows: _Flows | None = None

    def sample(self, policy: Policy, theta: FloatArray, generator: np.random.Generator) -> float:
        """Play the policy with the counts engine."""
        p = self.problem
        value = _counts.run(
            p.model, policy, generator.bit_generator, p.start, p.horizon, p.discount, p.batch, p.probability,
            self.record_every, self.counts, self.decisions, self.rewards, self.flows,
        )  # fmt: skip
        np.divide(self.counts, self.weight, out=self.mu)
        return value

    def occupied(self) -> tuple[FloatArray, npt.NDArray[Any], IntArray]:
        """The sample, in the intervals of its recording."""
        return self.mu[:-1], self.decisions, stages_of(self.problem, self.record_every)


class ModelCritic(_Sampled):
    """Counts of one sampled population; Q along its flow by the model."""

    def learn(self, policy: Policy) -> None:
        """Model Q along the sampled flow."""
        p = self.problem
        _gradient.model_direction(
            p.model, policy, self.mu, self.decisions, p.active, p.discount, p.always, p.natural,
            self.direction, self.visits,
        )  # fmt: skip


class EmpiricalCritic(_Sampled):
    """Counts and flows of one sampled population, by sweep; Q by observed rewards and transition frequencies."""

    def __init__(self, problem: Problem, shape: tuple[int, int, int, int]) -> None:
        super().__init__(problem, shape, problem.pool)
        n_pools, n_obs, n_act = self.decisions.shape
        self.flows = (
            np.zeros((n_pools, n_obs, n_act, problem.model.n_successors), dtype=np.int64),
            np.zeros((n_pools, n_obs, n_act)),
            np.zeros((n_pools, n_obs, problem.model.n_passive_successors), dtype=np.int64),
            np.zeros((n_pools, n_obs)),
        )

    def learn(self, policy: Policy) -> None:
        """Empirical Q along the sampled flow."""
        p = self.problem
        assert self.flows is not None, "made in __init__"
        _gradient.empirical_direction(
            policy, self.mu, self.flows, p.model.successors, p.model.passive_successors, p.horizon, p.pool,
            p.active, p.discount, p.always, p.natural, self.direction, self.visits,
        )  # fmt: skip


class ReturnsCritic(_Sampled):
    """Individuals of one sampled population; their own returns over the mean return at (o, sweep)."""

    def __init__(self, problem: Problem, shape: tuple[int, int, int, int]) -> None:
        super().__init__(problem, shape)
        n_steps, n_obs, n_act = problem.shape
        table = (n_steps, int(self.weight))
        self.observations = np.zeros(table, dtype=_agents.observation_dtype(n_obs))
        self.actions = np.zeros(table, dtype=_agents.action_dtype(n_act))

    def sample(self, policy: Policy, theta: FloatArray, generator: np.random.Generator) -> float:
        """Play the policy with the agents engine."""
        p = self.problem
        value = _agents.run(
            p.model, policy, _rng.key(generator), p.start, p.horizon, p.discount, p.batch, p.probability,
            self.record_every, self.counts, self.decisions, self.rewards, self.observations, self.actions, None,
        )  # fmt: skip
        np.divide(self.counts, self.weight, out=self.mu)
        return value

    def learn(self, policy: Policy) -> None:
        """Monte-Carlo advantages."""
        p = self.problem
        _gradient.returns_direction(
            p.model, policy, self.mu, self.observations, self.actions, p.discount, p.pool, p.natural,
            self.direction, self.visits,
        )  # fmt: skip


class MeanFieldCritic:
    """The limit N -> infinity: the policy's own flow, decisions mu beta pi, model values."""

    weight = 1.0

    def __init__(self, problem: Problem, shape: tuple[int, int, int, int]) -> None:
        self.problem = problem
        self.direction, self.visits = np.zeros(shape), np.zeros(shape[:3])
        self.mu = np.zeros((problem.horizon + 1, problem.model.n_observations))
        self.theta = np.zeros(shape)

    def sample(self, policy: Policy, theta: FloatArray, generator: np.random.Generator) -> float:
        """The flow of the policy."""
        p = self.problem
        self.theta[...] = theta
        _flow.forward(p.model, policy, p.initial, p.active, p.horizon, 1, self.mu)
        return np.nan

    def learn(self, policy: Policy) -> None:
        """Model Q along the flow."""
        p = self.problem
        _gradient.model_direction(
            p.model, policy, self.mu, None, p.active, p.discount, p.always, p.natural, self.direction, self.visits
        )

    def occupied(self) -> tuple[FloatArray, npt.NDArray[Any], IntArray]:
        """The flow, and the expected decisions along it."""
        mu, stages = self.mu[:-1], stages_of(self.problem, 1)
        decisions = probabilities(self.theta, mu, stages)
        decisions *= (mu * self.problem.active[:, np.newaxis])[..., np.newaxis]
        return mu, decisions, stages


def probabilities(theta: FloatArray, mu: FloatArray, stages: IntArray) -> FloatArray:
    """Softmax of logits theta (L, S, A, F) at each of J populations mu (J, S), met in stages (J,); (J, S, A)."""
    logits = theta[stages, :, :, 0]
    if theta.shape[-1] > 1:
        for stage in np.unique(stages):
            here = stages == stage
            logits[here] += np.einsum("jx,oax->joa", mu[here], theta[stage, :, :, 1:])
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def stages_of(problem: Problem, record_every: int) -> IntArray:
    """Stage t * L // T of the first step t of each interval; (J,) int64."""
    return np.arange(0, problem.horizon, record_every, dtype=np.int64) * problem.n_stages // problem.horizon
