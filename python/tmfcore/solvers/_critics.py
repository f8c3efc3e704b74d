"""The update directions of TMF-PG: each critic samples a population and estimates the advantages of its decisions.

    MeanFieldCritic      no sampling: the mean-field flow, values from the model
    ModelCritic          sampled counts, Q from the model along the sampled flow
    EmpiricalCritic      sampled counts, the same recursion on observed rewards and transition frequencies
    ReturnsCritic        sampled individuals, Monte-Carlo returns

A critic plays one policy (`sample`), then computes the update direction for that policy or, in inner updates, for
the policies that follow it (`learn`). The kernels _gradient and _observed define the arrays: direction (L, S, A, F),
visits (L, S, A), F = 1 or 1 + S. The last two critics compare with PastSamples, tables of earlier samples that all
populations of a solve share. Buffers are allocated once per solve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from tmfcore._base import pieces
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._limit import flow as flow_kernel
from tmfcore._limit.pricing import extra_of
from tmfcore._model.model import Model
from tmfcore._model.policy import Policy
from tmfcore._model.schedules import Active, share_at
from tmfcore._population import agents as agents_kernel
from tmfcore._population import counts as counts_kernel
from tmfcore._random import seeding
from tmfcore.solvers import _gradient, _observed

_Flows: TypeAlias = tuple[IntArray, FloatArray, IntArray, FloatArray]

__all__ = [
    "Critic",
    "CriticName",
    "EmpiricalCritic",
    "MeanFieldCritic",
    "ModelCritic",
    "Observed",
    "PastSamples",
    "Plan",
    "ReturnsCritic",
    "populations",
    "probabilities",
    "settle",
    "stages_of",
]


CriticName: TypeAlias = Literal["model", "empirical", "returns"]


@dataclass(frozen=True)
class Plan:
    """How a solve samples populations and learns from them: everything that does not change during the solve."""

    model: Model
    horizon: int
    discount: float
    initial: FloatArray  # (S,)
    active: Active
    batch: IntArray | None  # (1 or T,); exactly one of batch and probability, unless n_agents is None
    probability: Active | None
    n_agents: int | None
    start: IntArray  # (S,) counts
    always: bool
    natural: bool
    n_stages: int
    pool: int  # steps per interval: the empirical critic pools them, and they share one row of PastSamples
    altruism: float = 0.0

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, S, A)."""
        return self.horizon, self.model.n_observations, self.model.n_actions

    def extra(self, policy: Policy, mu: FloatArray) -> FloatArray | None:
        """What altruism adds to rewards along a flow (T+1, S) of the policy."""
        return extra_of(self.altruism, self.model, self.discount, policy, mu, self.active)


class Critic(Protocol):
    """A source of update directions."""

    weight: float  # number of agents sampled, by which sums over agents are divided
    direction: FloatArray  # (L, S, A, F) of the last `learn`
    visits: FloatArray  # (L, S, A)
    record_every: int  # steps of an interval of the sample
    mu: FloatArray  # (J + 1, S), at the ends of the J intervals of the last sample

    @property
    def decisions(self) -> IntArray | None:
        """Decisions (J, S, A) of the last sample; None if they are those of the mean field."""

    def sample(self, policy: Policy, theta: FloatArray, generator: np.random.Generator) -> float:
        """Play the policy and return the discounted return per agent (NaN if nothing is sampled)."""

    def learn(self, policy: Policy) -> None:
        """Compute `direction` and `visits` for `policy` from the last sample."""

    def occupied(self) -> tuple[FloatArray, npt.NDArray[Any], IntArray]:
        """The last sample in J <= T intervals: mu at their starts (J, S), decisions (J, S, A), stages (J,)."""


class _Sampled:
    """Base of the critics that sample a population; its counts are recorded every `record_every` steps."""

    def __init__(self, plan: Plan, shape: tuple[int, int, int, int], record_every: int = 1) -> None:
        assert plan.n_agents is not None, "without agents there is only the mean field"
        _, n_obs, n_act = plan.shape
        n_intervals = -(-plan.horizon // record_every)
        self.plan = plan
        self.record_every = record_every
        self.weight = float(plan.n_agents)
        self.direction, self.visits = np.zeros(shape), np.zeros(shape[:3])
        self.counts = np.zeros((n_intervals + 1, n_obs), dtype=np.int64)
        self.decisions = np.zeros((n_intervals, n_obs, n_act), dtype=np.int64)
        self.rewards = np.zeros(n_intervals)
        self.mu = np.zeros((n_intervals + 1, n_obs))
        self.flows: _Flows | None = None

    def sample(self, policy: Policy, theta: FloatArray, generator: np.random.Generator) -> float:
        """Play the policy with the counts engine."""
        p = self.plan
        value = counts_kernel.run(
            p.model, policy, generator.bit_generator, p.start, p.horizon, p.discount, p.batch, p.probability,
            self.record_every, self.counts, self.decisions, self.rewards, self.flows,
        )  # fmt: skip
        self.divide()
        return value

    def divide(self) -> None:
        """Compute mu from the counts."""
        for part in pieces.parts(*self.mu.shape):
            np.divide(self.counts[part], self.weight, out=self.mu[part])

    def occupied(self) -> tuple[FloatArray, npt.NDArray[Any], IntArray]:
        """The sample, in intervals of `record_every` steps."""
        return self.mu[:-1], self.decisions, stages_of(self.plan, self.record_every)


class ModelCritic(_Sampled):
    """Counts of one sampled population; Q along its flow from the model."""

    def learn(self, policy: Policy) -> None:
        """Q of the model along the sampled flow."""
        p = self.plan
        _gradient.model_direction(
            p.model, policy, self.mu, self.decisions, p.active, p.discount, p.always, p.natural,
            self.direction, self.visits, p.extra(policy, self.mu),
        )  # fmt: skip


class PastSamples:
    """Tables of the values of acting and of waiting in earlier samples, by interval, observation and action.

    Averages over the decisions of all samples so far. Decisions before the last sample count as MEMORY at most. As the
    policy changes, the averages are shifted by the mean change at (interval, observation), so that entries of rare
    actions stay up to date. The value of an action is shrunk, with the weight of PRIOR decisions, towards the mean over
    decisions at (interval, observation); without decisions, over agents there; without agents, over the interval.

    Attributes
    ----------
    tables : (ndarray of float64 (J, S, A), ndarray of float64 (J, S))
        q and w of tmfcore.solvers._observed; 0 before the first sample.
    """

    MEMORY = 30.0
    PRIOR = 1.0

    def __init__(self, plan: Plan) -> None:
        _, n_obs, n_act = plan.shape
        n_intervals = -(-plan.horizon // plan.pool)
        self.acted = np.zeros((2, n_intervals, n_obs, n_act))  # sums and counts
        self.waited = np.zeros((2, n_intervals, n_obs))
        self.tables = np.zeros(self.acted.shape[1:]), np.zeros(self.waited.shape[1:])

    @property
    def empty(self) -> bool:
        """Whether no sample was added yet."""
        return not (self.acted[1].any() or self.waited[1].any())

    def state(self) -> dict[str, FloatArray]:
        """The sums, counts and tables, not copied."""
        return {"acted": self.acted, "waited": self.waited, "acting": self.tables[0], "waiting": self.tables[1]}

    def restore(self, state: Mapping[str, FloatArray]) -> None:
        """The inverse of `state`."""
        for name, array in self.state().items():
            array[...] = state[name]

    def keep(self, samples: Sequence[Observed]) -> None:
        """Add these samples, all of one policy, to the tables."""
        for part in pieces.parts(len(self.tables[0]), self.tables[0][:1].size):
            self._keep(samples, part)

    def _keep(self, samples: Sequence[Observed], part: slice) -> None:
        """The same, in some intervals."""
        acting, waiting = (table[part] for table in self.tables)
        all_acted, all_waited = self.acted[:, part], self.waited[:, part]
        acted = np.sum([sample.acted[:, part] for sample in samples], axis=0)
        waited = np.sum([sample.waited[:, part] for sample in samples], axis=0)
        unforeseen = (acted[0] - acted[1] * acting).sum(axis=-1) + waited[0] - waited[1] * waiting
        lag = unforeseen / (acted[1].sum(axis=-1) + waited[1] + self.PRIOR)
        for kept, new, behind in ((all_acted, acted, lag[..., np.newaxis]), (all_waited, waited, lag)):
            kept[0] += kept[1] * behind
            kept *= np.minimum(1.0, self.MEMORY / np.maximum(kept[1], 1.0))
            kept += new
        everybody = all_acted.sum(axis=-1) + all_waited
        mean = _mean(everybody, _mean(everybody.sum(axis=-1), 0.0)[:, np.newaxis])
        prior = _mean(all_acted.sum(axis=-1), mean)[..., np.newaxis]
        acting[...] = (all_acted[0] + self.PRIOR * prior) / (all_acted[1] + self.PRIOR)
        waiting[...] = _mean(all_waited, mean)


def _mean(total: FloatArray, otherwise: FloatArray | float) -> FloatArray:
    """Sums total[0] divided by counts total[1]; `otherwise` where a count is 0."""
    return np.where(total[1] > 0, total[0] / np.maximum(total[1], 1.0), otherwise)


class Observed(_Sampled):
    """A sample whose decisions are compared with the tables of earlier samples."""

    def __init__(
        self, plan: Plan, shape: tuple[int, int, int, int], memory: PastSamples, record_every: int = 1
    ) -> None:
        super().__init__(plan, shape, record_every)
        self.memory = memory
        self.acted, self.waited = np.zeros_like(memory.acted), np.zeros_like(memory.waited)
        self.level, self.surplus = np.zeros(shape), np.zeros(shape[:2])


class EmpiricalCritic(Observed):
    """Counts and transitions of one sampled population, by interval; Q from observed rewards and frequencies."""

    def __init__(self, plan: Plan, shape: tuple[int, int, int, int], memory: PastSamples) -> None:
        super().__init__(plan, shape, memory, plan.pool)
        n_pools, n_obs, n_act = self.decisions.shape
        self.flows = (
            np.zeros((n_pools, n_obs, n_act, plan.model.n_successors), dtype=np.int64),
            np.zeros((n_pools, n_obs, n_act)),
            np.zeros((n_pools, n_obs, plan.model.n_passive_successors), dtype=np.int64),
            np.zeros((n_pools, n_obs)),
        )

    def learn(self, policy: Policy) -> None:
        """Empirical Q along the sampled flow."""
        p = self.plan
        assert self.flows is not None, "made in __init__"
        _observed.empirical_direction(
            policy, self.mu, self.flows, p.model.successors, p.model.passive_successors, p.horizon, p.pool,
            p.active, p.discount, p.always, self.memory.tables, (self.acted, self.waited), p.natural,
            self.direction, self.visits, self.level, self.surplus, p.altruism,
        )  # fmt: skip


class ReturnsCritic(Observed):
    """Individuals of one sampled population, and the return of each."""

    def __init__(self, plan: Plan, shape: tuple[int, int, int, int], memory: PastSamples) -> None:
        super().__init__(plan, shape, memory)
        n_steps, n_obs, n_act = plan.shape
        table = (n_steps, int(self.weight))
        self.observations = np.zeros(table, dtype=agents_kernel.observation_dtype(n_obs))
        self.actions = np.zeros(table, dtype=agents_kernel.action_dtype(n_act))

    def sample(self, policy: Policy, theta: FloatArray, generator: np.random.Generator) -> float:
        """Play the policy with the agents engine."""
        p = self.plan
        value = agents_kernel.run(
            p.model, policy, seeding.key(generator), p.start, p.horizon, p.discount, p.batch, p.probability,
            self.record_every, self.counts, self.decisions, self.rewards, self.observations, self.actions, None,
        )  # fmt: skip
        self.divide()
        return value

    def learn(self, policy: Policy) -> None:
        """Monte-Carlo advantages."""
        p = self.plan
        _observed.returns_direction(
            p.model, policy, self.mu, self.observations, self.actions, p.active, p.discount, p.pool,
            self.memory.tables, (self.acted, self.waited), p.natural, self.direction, self.visits, self.level,
            self.surplus, p.altruism,
        )  # fmt: skip


class MeanFieldCritic:
    """The limit N -> infinity: the policy's own flow, decisions mu beta pi, values from the model."""

    weight = 1.0
    record_every = 1
    decisions: IntArray | None = None

    def __init__(self, plan: Plan, shape: tuple[int, int, int, int]) -> None:
        self.plan = plan
        self.direction, self.visits = np.zeros(shape), np.zeros(shape[:3])
        self.mu = np.zeros((plan.horizon + 1, plan.model.n_observations))
        self.theta = np.zeros(shape)

    def sample(self, policy: Policy, theta: FloatArray, generator: np.random.Generator) -> float:
        """The flow of the policy."""
        p = self.plan
        self.theta[...] = theta
        flow_kernel.forward(p.model, policy, p.initial, p.active, p.horizon, 1, self.mu)
        return np.nan

    def learn(self, policy: Policy) -> None:
        """Q of the model along the flow."""
        p = self.plan
        _gradient.model_direction(
            p.model, policy, self.mu, None, p.active, p.discount, p.always, p.natural, self.direction, self.visits,
            p.extra(policy, self.mu),
        )  # fmt: skip

    def occupied(self) -> tuple[FloatArray, npt.NDArray[Any], IntArray]:
        """The flow, and the expected decisions along it."""
        mu, stages = self.mu[:-1], stages_of(self.plan, 1)
        decisions = probabilities(self.theta, mu, stages)
        acting = np.stack([share_at(self.plan.active, row, t) for t, row in enumerate(mu)])
        for part in pieces.parts(len(mu), decisions[:1].size):
            decisions[part] *= (mu[part] * acting[part])[..., np.newaxis]
        return mu, decisions, stages


def settle(samples: Sequence[Observed]) -> None:
    """Correct the advantages of each sample by the other samples of the iteration: tables may lag behind the policy.

    Subtract from every advantage of a sample the mean advantage that the other samples have at (stage, observation),
    where the tables count as MEMORY decisions of mean 0. It does not depend on the sample itself, so there is no bias.
    """
    surplus = np.sum([sample.surplus for sample in samples], axis=0)
    visits = np.sum([sample.visits for sample in samples], axis=(0, -1))
    for sample in samples:
        others = visits - sample.visits.sum(axis=-1)
        lack = (surplus - sample.surplus) / (others + PastSamples.MEMORY)
        sample.direction -= lack[..., np.newaxis, np.newaxis] * sample.level


def populations(plan: Plan, shape: tuple[int, int, int, int], critic: CriticName, n: int) -> list[Critic]:
    """The critics of one solve: n populations that share their tables, or the mean field if N is None."""
    if plan.n_agents is None:
        return [MeanFieldCritic(plan, shape)]
    if critic == "model":
        return [ModelCritic(plan, shape) for _ in range(n)]
    memory = PastSamples(plan)
    kind = EmpiricalCritic if critic == "empirical" else ReturnsCritic
    return [kind(plan, shape, memory) for _ in range(n)]


def probabilities(theta: FloatArray, mu: FloatArray, stages: IntArray) -> FloatArray:
    """Softmax (J, S, A) of logits theta (L, S, A, F) at J populations mu (J, S) of the given stages (J,)."""
    found = np.empty((len(mu), *theta.shape[1:3]))
    for part in pieces.parts(len(mu), theta[0, :, :, 0].size):
        found[part] = _probabilities(theta, mu[part], stages[part])
    return found


def _probabilities(theta: FloatArray, mu: FloatArray, stages: IntArray) -> FloatArray:
    logits = theta[stages, :, :, 0]
    if theta.shape[-1] > 1:
        for stage in np.unique(stages):
            here = stages == stage
            logits[here] += np.einsum("jx,oax->joa", mu[here], theta[stage, :, :, 1:])
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def stages_of(plan: Plan, record_every: int) -> IntArray:
    """Stage t * L // T of the middle step t of each interval; (J,) int64."""
    first = np.arange(0, plan.horizon, record_every, dtype=np.int64)
    middle = (first + np.minimum(first + record_every, plan.horizon)) // 2
    return middle * plan.n_stages // plan.horizon
