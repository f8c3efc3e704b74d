"""The environments of tagged agents: a mean-field flow, or a finite population that includes the agent.

n tagged agents step together but do not interact: in a flow no single agent has an effect, and in finite populations
each of the n has its own N - 1 other agents.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.types import Clock, Start
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._limit.checks import full_flow, is_always
from tmfcore._limit.flows import Flow
from tmfcore._model.activation import ActingShares
from tmfcore._model.fingerprint import Fingerprint, same
from tmfcore._model.game import Game, in_steps
from tmfcore._model.policies import PolicyLike, TabularPolicy, as_policy
from tmfcore._model.schedules import Active, Schedule, as_schedule, share_at
from tmfcore._population import individuals
from tmfcore._population.capacity import check_batches, check_population
from tmfcore._population.starts import rounded_counts, sampled_counts
from tmfcore.interop._shared import Flags, Rows, categorical, encode


class World(ABC):
    """n tagged agents at step t of a game."""

    def __init__(self, game: Game, n: int, always: bool) -> None:
        self.game = game
        self.n = n
        self.always = always
        self.t = -1  # before the first reset
        self.observations: IntArray
        self.acts: Flags

    @property
    def over(self) -> bool:
        return self.t == self.game.n_steps

    @property
    @abstractmethod
    def mu(self) -> FloatArray:
        """The population: one for all agents (S,), or one for each (n, S)."""

    @abstractmethod
    def reset(self, rng: np.random.Generator) -> None:
        """Move all agents to the start of the game."""

    @abstractmethod
    def step(self, rng: np.random.Generator, actions: IntArray) -> FloatArray:
        """Move all agents; `actions` (n,) of passive agents are ignored. Returns the rewards (n,)."""

    @abstractmethod
    def _draw_acts(self, rng: np.random.Generator) -> Flags:
        """Draw which of the n agents act at step t."""

    def _look(self, rng: np.random.Generator) -> None:
        if self.over:
            self.acts = np.zeros(self.n, dtype=np.bool_)
        else:
            self.acts = np.ones(self.n, dtype=np.bool_) if self.always else self._draw_acts(rng)

    @abstractmethod
    def _kernels(self) -> dict[str, Any]:
        """What follows from the other attributes, and is made again for copies: compiled kernels have no copies."""

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in self._made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._make()

    def _make(self) -> None:
        made = self._kernels()
        self._made = frozenset(made) | {"_made"}
        vars(self).update(made)

    def rows(self) -> Rows:
        """The observations of all agents, (n, 2S+1)."""
        return encode(self.observations, self.mu, self.t, self.game.n_steps)


class InFlow(World):
    """Tagged agents in an infinite population, on which they have no effect."""

    kernel: individuals.Individuals

    def __init__(self, game: Game, flow: Flow, n: int, always: bool) -> None:
        super().__init__(game, n, always)
        self.flow = full_flow(flow, game)
        same("population", flow.fingerprint, Fingerprint.of(game), ("game",))
        self.active = _acting_along(flow, game)
        self._make()

    def _kernels(self) -> dict[str, Any]:
        return {"kernel": individuals.Individuals(self.game.model, None, self.game.n_steps)}

    @property
    def mu(self) -> FloatArray:
        row: FloatArray = self.flow[self.t]
        return row

    def reset(self, rng: np.random.Generator) -> None:
        self.observations = categorical(rng, self.game.initial, self.n)
        self.t = 0
        self._look(rng)

    def step(self, rng: np.random.Generator, actions: IntArray) -> FloatArray:
        arrived = np.empty(self.n, dtype=np.int64)
        rewards = np.empty(self.n)
        chosen = actions if self.acts.all() else np.where(self.acts, actions, -1)
        self.kernel.move(rng.bit_generator, self.t, self.mu, self.observations, chosen, arrived, rewards)
        self.observations = arrived
        self.t += 1
        self._look(rng)
        return rewards

    def _draw_acts(self, rng: np.random.Generator) -> Flags:
        row = self.active[self.t]
        acts: Flags = rng.random(self.n) < (row[0] if len(row) == 1 else row[self.observations])
        return acts


class InPopulation(World):
    """Tagged agents, each in its own population of N agents; the N - 1 others play a policy."""

    batch: IntArray | None  # (T,)
    probability: Active | None
    kernel: individuals.Individuals

    def __init__(
        self, game: Game, policy: PolicyLike, schedule: Schedule, n_agents: int, start: Start, n: int, always: bool
    ) -> None:
        super().__init__(game, n, always)
        self.n_agents = check.as_positive_int(n_agents, "n_agents")
        check_population(self.n_agents, "counts")
        self.start = check.as_choice(start, "start", Start)
        self.schedule = as_schedule(schedule)
        given: Any = policy  # an array is kept as a policy, so that copies do not see later changes of it
        is_table = check.is_array(given) and not callable(given)
        self.policy = TabularPolicy._named(given, "population") if is_table else policy
        self._make()
        check_batches(self.n_agents, self.batch, "counts")
        if always and self.batch is not None and 0 in self.batch:
            t = self.batch.tolist().index(0)
            raise ValueError(f"schedule has a batch of 0 at step {t}; must be >= 1 with clock='always'")
        self.counts: IntArray  # (n, S), the tagged agent included

    def _kernels(self) -> dict[str, Any]:
        game = self.game
        kernel = as_policy(self.policy, game, "population")
        batch, probability = self.schedule._kernel(game.n_steps, self.n_agents)
        acting = probability if isinstance(probability, ActingShares) else None
        return {
            "batch": None if batch is None else np.broadcast_to(batch, (game.n_steps,)),
            "probability": probability,
            "kernel": individuals.Individuals(game.model, kernel, game.n_steps, acting),
        }

    @property
    def mu(self) -> FloatArray:
        return self.counts / float(self.n_agents)

    def reset(self, rng: np.random.Generator) -> None:
        if self.start == "sampled":
            counts = sampled_counts(rng, self.game.initial, self.n_agents, self.n)
        else:
            counts = np.tile(rounded_counts(self.game.initial, self.n_agents), (self.n, 1))
        who = rng.integers(0, self.n_agents, size=(self.n, 1))  # index of the tagged agent, uniform over the N agents
        self.observations = (who >= counts.cumsum(axis=1)).sum(axis=1)
        self.counts = counts
        self.t = 0
        self._look(rng)

    def step(self, rng: np.random.Generator, actions: IntArray) -> FloatArray:
        arrived = np.empty(self.n, dtype=np.int64)
        rewards = np.empty(self.n)
        next_counts = np.empty_like(self.counts)
        chosen = np.where(self.acts, actions, -1)
        self.kernel.move_among(
            rng.bit_generator,
            self.t,
            -1 if self.batch is None else int(self.batch[self.t]),
            float(share_at(self.probability, self.game.initial, self.t)[0])
            if isinstance(self.probability, np.ndarray)
            else 0.0,
            self.counts,
            self.observations,
            chosen,
            next_counts,
            arrived,
            rewards,
        )
        self.observations, self.counts = arrived, next_counts
        self.t += 1
        self._look(rng)
        return rewards

    def _draw_acts(self, rng: np.random.Generator) -> Flags:
        acts: Flags
        if self.batch is not None:
            acts = rng.integers(0, self.n_agents, size=self.n) < self.batch[self.t]
        elif isinstance(self.probability, ActingShares):
            shares = np.stack([self.probability.shares(mu, self.t) for mu in self.mu])
            if self.probability.batches:  # rounded as the kernels round it
                size = np.minimum(self.n_agents, np.floor(shares[:, 0] * self.n_agents + 0.5))
                acts = rng.integers(0, self.n_agents, size=self.n) < size
            else:
                acts = rng.random(self.n) < shares[np.arange(self.n), self.observations]
        else:
            assert self.probability is not None, "a schedule has batches or probabilities"
            acts = rng.random(self.n) < share_at(self.probability, self.game.initial, self.t)
        return acts


def world(
    game: object,
    population: Flow | PolicyLike,
    schedule: Schedule | None,
    n_agents: int | None,
    *,
    clock: Clock,
    start: Start,
    n: int,
) -> World:
    """Check the user's arguments and make the world of n tagged agents."""
    given = check.as_instance(game, "game", Game)
    always = is_always(clock)
    if isinstance(population, Flow):
        if schedule is not None or n_agents is not None:
            raise TypeError(
                "schedule and n_agents must be omitted if population is a Flow, which has its own active fraction"
            )
        if check.as_choice(start, "start", Start) != "rounded":
            raise ValueError("start is 'sampled'; must be omitted if population is a Flow: it starts at game.initial")
        return InFlow(given._like(population.horizon, population.step), population, n, always)
    if schedule is None or n_agents is None:
        raise TypeError(
            "schedule and n_agents must be given if population is a policy, which N agents play; "
            "for the mean-field limit, pass mean_field(game, policy, schedule) as population"
        )
    return InPopulation(in_steps(given, schedule, n_agents), population, schedule, n_agents, start, n, always)


def _acting_along(flow: Flow, game: Game) -> FloatArray:
    """The probability of acting along a flow, (T, 1) or, by observation, (T, S)."""
    active = check.as_float_array(
        flow.active_fraction, "flow.active_fraction", shape=(game.n_steps,), letters="T", low=0.0, high=1.0
    )
    made = flow.fingerprint
    assert made is not None, "`same` has compared it"
    acting = made.acting(active)
    if isinstance(acting, ActingShares):
        return np.stack([acting.shares(mu, t) for t, mu in enumerate(flow.mu[:-1])])
    return active[:, np.newaxis]
