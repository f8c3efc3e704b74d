"""One of N agents that plays a policy of its own: its values, and what it and the others earn (Theory, section 10).

respond(...)      values of one agent in sampled populations, and its best actions
surprises(...)    differences between returns and foreseen values
Others            what one agent does to all others, as it is foreseen
Alone             populations with one deviating agent, played
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tmfcore._base.parcels import Shared
from tmfcore._base.types import Engine, Start
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._limit import flow as flow_kernel
from tmfcore._limit.checks import active_fractions
from tmfcore._limit.pricing import extra_of, refuse_rounding
from tmfcore._model.game import Game
from tmfcore._model.policies import PolicyLike, TabularPolicy, as_policy
from tmfcore._model.policy import Policy
from tmfcore._model.schedules import Active, Schedule
from tmfcore._population import tagged as tagged_kernel
from tmfcore._population.elsewhere import outcomes, ranges
from tmfcore._population.simulate import simulate
from tmfcore._population.starts import rounded_counts, sampled_counts
from tmfcore._random import seeding

__all__ = ["Alone", "Others", "respond", "surprises"]

CHUNK_BYTES = 64 << 20  # memory for paths of the deviating agent


def respond(
    game: Game, policy: Policy | None, counts: IntArray, n_agents: int, active: Active, extra: FloatArray | None = None
) -> tuple[FloatArray, IntArray]:
    """Values (T+1, S) of one agent in sampled populations; its best actions (T, S) if policy is None.

    `extra` (T, S) is a reward of the agent at (t, o).
    """
    values = np.empty((game.n_steps + 1, game.n_observations))
    greedy = np.zeros((game.n_steps, game.n_observations), np.int64)
    tagged_kernel.respond(
        game.model, policy, counts, float(n_agents), active, game.discount, values, greedy, extra
    )
    return values, greedy


def surprises(
    game: Game,
    policy: Policy,
    counts: IntArray,
    valued: IntArray,
    n_agents: int,
    active: Active,
    foreseen: FloatArray,
) -> FloatArray:
    """Difference between the returns of the evaluated agents and the values predicted at their start, (R,)."""
    out = np.empty(len(counts))
    tagged_kernel.surprises(game.model, policy, counts, valued, float(n_agents), active, game.discount, foreseen, out)
    return out


@dataclass(frozen=True)
class Others:
    """What one agent does to the returns of all others, as it is foreseen near the flow of their policy.

    externality: (T, S), E_t(o) of Theory, section 14, less by 1/N, as N - 1 of N agents are others; values: (T+1, S),
    the derivative of welfare.
    """

    externality: FloatArray
    values: FloatArray

    @classmethod
    def of(cls, altruism: float, game: Game, policy: Policy, active: Active, n_agents: int) -> Others | None:
        """None: altruism is 0."""
        if altruism == 0:
            return None
        refuse_rounding(altruism, active)
        mu = np.empty((game.n_steps + 1, game.n_observations))
        values = np.empty_like(mu)
        flow_kernel.forward(game.model, policy, game.initial, active, game.n_steps, 1, mu)
        found = extra_of(1.0, game.model, game.discount, policy, mu, active)
        assert found is not None, "altruism is 1"
        flow_kernel.backward(
            game.model, policy, mu, active, game.discount, False, values, None, None, None, found
        )
        return cls((1 - 1 / n_agents) * found, values)


@dataclass(frozen=True)
class Alone:
    """Populations with one deviating agent: its observations are 0..S-1, those of the others are S..2S-1.

    foreseen: (T+1, S), its own return to go. With `others` also `together`: (T+1, S), that and what it does to them.
    """

    game: Game
    kept: PolicyLike  # by the others
    own: TabularPolicy
    schedule: Schedule
    n_agents: int
    start: Start
    engine: Engine
    threads: int | None
    foreseen: FloatArray
    others: Others | None = None
    together: FloatArray | None = None

    def returns(
        self,
        active: Active,
        replicas: int,
        generator: np.random.Generator,
        tagging: np.random.Generator,
        executor: Executor | None = None,
    ) -> FloatArray:
        """(1, R) or, with `others`, (2, R): unbiased estimates of the deviating agent's return, and of all others' sum.

        Sums of the others lack what the mean value of their starts is, the same with and without a deviating agent.
        """
        game, n = self.game, self.n_agents
        size = game.n_observations
        if self.start == "sampled":
            first = sampled_counts(tagging, game.initial, n, replicas)
        else:
            first = np.tile(rounded_counts(game.initial, n), (replicas, 1))
        who = np.array([tagging.choice(size, p=row / n) for row in first])
        tagged = np.zeros((replicas, 2 * size), np.int64)
        tagged[:, size:] = first
        rows = np.arange(replicas)
        tagged[rows, size + who] -= 1
        tagged[rows, who] += 1
        values = [self.foreseen[0]]
        if self.together is not None:
            values.append(self.together[0] - self.foreseen[0])
        found = np.empty((len(values), replicas))
        chunk = max(1, CHUNK_BYTES // (32 * size * (game.n_steps + 1)))
        streams = generator.spawn(-(-replicas // chunk))
        pieces = [slice(i * chunk, min((i + 1) * chunk, replicas)) for i in range(len(streams))]
        for piece, stream in zip(pieces, streams, strict=True):
            # The deviating agent is drawn uniformly at the start: use the mean over all agents, not the one drawn.
            for k, value in enumerate(values):
                found[k, piece] = first[piece] @ value / n
            if executor is None:
                found[:, piece] += self.surprises(active, tagged[piece], stream)
        if executor is None:
            return found
        whole = Shared(self, "game, policy or schedule")
        jobs, places = [], []
        for piece, stream in zip(pieces, streams, strict=True):
            own = seeding.seeds(stream, piece.stop - piece.start)
            for part in ranges(executor, piece.stop - piece.start):
                place = slice(piece.start + part.start, piece.start + part.stop)
                jobs.append((whole, tagged[place], own[part.start : part.stop]))
                places.append(place)
        with closing(outcomes(executor, _surprises_elsewhere, jobs)) as ended:
            for number, more in ended:
                found[:, places[number]] += more
        return found

    def surprises(self, active: Active, tagged: IntArray, rng: Any) -> FloatArray:
        """Differences between what is earned and foreseen, of replicas that start with the counts `tagged` (n, 2 S)."""
        game, n = self.game, self.n_agents
        size = game.n_observations
        own_kernel, kept = self.own.kernel, as_policy(self.kept, game)
        split = np.concatenate([game.initial / n, game.initial * (1 - 1 / n)])
        pair = Game.from_model(tagged_kernel.TaggedModel(game.model), game.n_steps, game.discount, split)
        run = simulate(
            pair, tagged_kernel.TaggedPolicy(own_kernel, kept), self.schedule._tagged(), n, replicas=len(tagged),
            engine=self.engine, start=tagged, rng=rng, threads=self.threads, decisions=False,
        )  # fmt: skip
        own = np.ascontiguousarray(run.counts[..., :size])
        rest = np.ascontiguousarray(run.counts[..., size:])
        everybody = own + rest
        earned = surprises(game, own_kernel, everybody, own, n, active, self.foreseen)
        if self.others is None or self.together is None:
            return earned[np.newaxis]
        done = surprises(game, own_kernel, everybody, own, n, active, self.together) - earned
        if n > 1:
            done += (n - 1) * surprises(game, kept, everybody, rest, n, active, self.others.values)
        return np.stack([earned, done])


def _surprises_elsewhere(whole: Alone, tagged: IntArray, streams: Sequence[seeding.Stream]) -> FloatArray:
    """`Alone.surprises` in another process, given the streams."""
    active = active_fractions(whole.game, whole.schedule, whole.n_agents)
    return replace(whole, threads=1).surprises(active, tagged, seeding.Handed(streams))
