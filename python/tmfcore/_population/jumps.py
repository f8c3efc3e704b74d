"""Simulation of N agents with Poisson clocks: exact in continuous time (Theory, section 12).

The events of all agents form a Poisson process; which agent has one, and what it does, is sequential play. So each
stage of the policy draws the numbers of its events up to each record time, and plays them with the counts engine.

Contract   the events and the counts at the horizon depend on the seed alone. Numbers of events between record times are
           drawn from a stream of their own, given those of a stage.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from tmfcore._base import bars, needs
from tmfcore._base import validation as check
from tmfcore._base.entries import all_finite
from tmfcore._base.threads import Watch, over_replicas, workers_for
from tmfcore._base.types import Engine
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model import appearance
from tmfcore._model.continuous import Continuous, Stages, Timetable, record_times, refuse_steps
from tmfcore._model.fingerprint import Fingerprint
from tmfcore._model.game import Game
from tmfcore._model.poisson import Poisson
from tmfcore._model.policies import PolicyLike
from tmfcore._model.schedules import ONE
from tmfcore._population import counts as counts_kernel
from tmfcore._population.runs import records
from tmfcore._population.simulation import Simulation
from tmfcore._population.starts import start_of
from tmfcore._population.uniformised import Events, uniformised
from tmfcore._random import sampling, seeding

__all__ = ["Times", "simulated"]

Times: TypeAlias = Literal["events"]
MOST_EVENTS = 2.14e9  # of a stage, on average: steps are C ints in the kernels
SECONDS_PER_EVENT = 1e-8  # of events that are played, to choose threads
SECONDS_PER_CALL = 3e-5  # of events that call a Python function


def simulated(
    game: Game, policy: PolicyLike, schedule: Poisson, n_agents: int, *, replicas: int, engine: Engine, start: object,
    rng: seeding.RNG, threads: int | None, record_every: int, decisions: bool, trajectories: bool,
    progress: bars.Progress, times: object,
) -> Simulation:  # fmt: skip
    """`simulate` under Poisson clocks; the arguments are those of simulate."""
    clocks = Continuous.of(game, schedule)
    stages = Stages.of(policy, game)
    n_agents = check.as_positive_int(n_agents, "n_agents", high=counts_kernel.MAX_AGENTS)
    replicas = check.as_positive_int(replicas, "replicas")
    decisions = check.as_bool(decisions, "decisions")
    if check.as_choice(engine, "engine", Engine) == "agents":
        raise ValueError("engine is 'agents'; must be 'auto' or 'counts' with Poisson clocks")
    if check.as_bool(trajectories, "trajectories"):
        raise ValueError("trajectories is True; must be False with Poisson clocks: individuals are not recorded")
    refuse_steps(record_every)
    threads = None if threads is None else check.as_positive_int(threads, "threads")
    bars.check(progress)
    given, start_name = start_of(start, n_agents, replicas, game)
    each = isinstance(times, str)
    if each:
        check.as_choice(times, "times", Times)
        if replicas != 1:
            raise ValueError(f"replicas is {replicas}; must be 1 with times='events', which are those of one replica")
    grid = np.array([0.0, game.horizon]) if each else record_times(times, game.horizon)
    plan = JumpRun(clocks, uniformised(clocks, stages, n_agents), Timetable.of(grid, stages.n_stages), n_agents)
    plan.refuse_too_many()
    recorded = round(plan.expected) + 1 if each else len(grid) - 1
    made_of = records(replicas, recorded, game.n_observations, game.n_actions, decisions)
    needs.ask(made_of, seconds=plan.expected * replicas * SECONDS_PER_EVENT)

    streams = [seeding.generator(seed) for seed in seeding.seeds(rng, replicas)]
    if given is None:
        starts = np.array([sampling.multinomial(one.bit_generator, n_agents, game.initial) for one in streams])
    else:
        starts = np.broadcast_to(given, (replicas, game.n_observations))
    numbers = [plan.numbers(one) for one in streams]
    if each:
        grid = plan.at_each_event(numbers[0])
    n_obs, n_act, n_intervals = game.n_observations, game.n_actions, len(grid) - 1
    counts = np.empty((replicas, n_intervals + 1, n_obs), np.int64)
    made = np.empty((replicas, n_intervals, n_obs, n_act), np.int64) if decisions else None
    rewards = np.empty((replicas, n_intervals))
    returns = np.empty(replicas)

    per_event = SECONDS_PER_CALL if plan.calls_python(stages) else SECONDS_PER_EVENT
    seconds = plan.expected * per_event
    workers = workers_for(threads, replicas, seconds, python=per_event == SECONDS_PER_CALL)
    total = sum(int(one.lengths.sum() + one.more.sum()) for one in numbers)
    with bars.reporter(progress, total, "events") as report:
        watch = None if progress is False else Watch(replicas * stages.n_stages, report)

        def play(r: int) -> None:
            told = None if watch is None else watch.words[r * stages.n_stages : (r + 1) * stages.n_stages]
            own = None if made is None else made[r]
            returns[r] = plan.play(streams[r], starts[r], numbers[r], counts[r], own, rewards[r], told)

        over_replicas(play, replicas, workers, seconds, watch)

    if not (all_finite(rewards) and all_finite(returns)):
        raise ValueError("the sum of the rewards overflows; rewards must be smaller")
    return Simulation._made(
        counts=counts,
        decisions=made,
        rewards=rewards,
        returns=returns,
        steps=np.arange(n_intervals + 1),
        n_agents=n_agents,
        discount=game.discount,
        horizon=n_intervals,
        record_every=1,
        engine="counts",
        schedule=schedule.label,
        game=game.name,
        **appearance.appearance_in_time(game, grid),
        fingerprint=Fingerprint.of(game, schedule, n_agents, policy=stages.kernel, start=start_name),
    )


@dataclass
class EventNumbers:
    """Numbers of events of one replica: (E,) in each interval between edges; (L,) more in each stage, for returns."""

    lengths: IntArray
    more: IntArray
    words: tuple[int, int]  # key of the stream that divides the events of a stage


@dataclass
class JumpRun:
    """What all replicas share: the events of a game, and the intervals in which they are recorded."""

    clocks: Continuous
    events: Events
    table: Timetable
    n_agents: int

    @property
    def expected(self) -> float:
        """Events of a replica, on average."""
        return (self.events.total + self.clocks.decay) * float(self.table.edges[-1])

    @cached_property
    def parts(self) -> list[tuple[slice, FloatArray]]:
        """For each stage its intervals between edges, and their shares of its length."""
        found, spans = [], np.diff(self.table.edges)
        for stage in range(len(self.events.policies)):
            low, high = np.searchsorted(self.table.stage, [stage, stage + 1])
            found.append((slice(int(low), int(high)), spans[low:high] / spans[low:high].sum()))
        return found

    def refuse_too_many(self) -> None:
        most = self.expected / len(self.events.policies)
        if most > MOST_EVENTS:
            raise ValueError(
                f"n_agents is {self.n_agents}, with {most:.4g} events within the horizon, or a stage of the policy; "
                f"must have at most {MOST_EVENTS:.4g}: use fewer agents, or a shorter horizon"
            )

    def calls_python(self, stages: Stages) -> bool:
        """Whether every event calls a Python function of the game or of the policy."""
        game = self.clocks.game
        tables = (game.reward, game.transition, game.passive_reward, game.passive_rates)
        policies = [type(policy).__name__ == "CallablePolicy" for policy in (stages.kernel, *self.events.policies)]
        return any(map(callable, tables)) or any(policies)

    def numbers(self, stream: np.random.Generator) -> EventNumbers:
        """Draw the numbers of events of one replica."""
        n_stages = len(self.events.policies)
        span = self.table.edges[-1] / n_stages
        totals = stream.poisson(self.events.total * span, n_stages)
        more = stream.poisson(self.clocks.decay * span, n_stages)
        first, second = (int(word) for word in sampling.words(stream.bit_generator, 2))
        lengths = np.empty(len(self.table.stage), np.int64)
        divide = None
        for stage in range(n_stages):
            inside, shares = self.parts[stage]
            if len(shares) == 1:
                lengths[inside] = totals[stage]
                continue
            if divide is None:
                divide = np.random.Generator(np.random.Philox(key=[first, second]))
            lengths[inside] = divide.multinomial(totals[stage], shares)
        return EventNumbers(lengths, more.astype(np.int64), (first, second))

    def at_each_event(self, numbers: EventNumbers) -> FloatArray:
        """Make every event an interval of its own; return the record times: 0, those of all events, and the horizon."""
        divide = np.random.Generator(np.random.Philox(key=list(numbers.words)))
        edges = self.table.edges
        times, stage = [np.zeros(1)], []
        for j, n in enumerate(numbers.lengths.tolist()):
            times.append(np.sort(edges[j] + (edges[j + 1] - edges[j]) * divide.random(n)))
            stage.append(np.full(n, self.table.stage[j]))
        grid = np.concatenate([*times, edges[-1:]])
        numbers.lengths = np.append(np.ones(len(grid) - 2, np.int64), 0)
        self.table = Timetable(
            grid, np.arange(len(grid)), np.concatenate([*stage, self.table.stage[-1:]])
        )
        return grid

    def play(
        self, stream: np.random.Generator, start: IntArray, numbers: EventNumbers, counts: IntArray,
        decisions: IntArray | None, rewards: FloatArray, told: IntArray | None,
    ) -> float:  # fmt: skip
        """Play one replica from `start` (S,), and write its rows of the outputs; return its discounted return."""
        events, n_obs = self.events, len(start)
        n_edges = len(self.table.stage)
        rows = np.empty((n_edges + 1, n_obs), np.int64)
        acted = None if decisions is None else np.empty((n_edges, *decisions.shape[1:]), np.int64)
        earned = np.empty(n_edges)
        rows[0] = start
        total, span = 0.0, self.table.edges[-1] / len(events.policies)
        for stage, policy in enumerate(events.policies):
            low, high = np.searchsorted(self.table.stage, [stage, stage + 1])
            lengths = np.append(numbers.lengths[low:high], numbers.more[stage])
            shape = (len(lengths), n_obs, events.model.n_actions)
            made = None if acted is None else np.zeros(shape, np.int64)
            found, gains, value = np.empty((len(lengths) + 1, n_obs), np.int64), np.zeros(len(lengths)), 0.0
            if lengths.any():
                value = counts_kernel.run(
                    events.model, policy, stream.bit_generator, rows[low].copy(), int(lengths.sum()), events.discount,
                    ONE, None, 1, found, made, gains, None, None if told is None else told[stage], lengths,
                )  # fmt: skip
            else:
                found[:] = rows[low]
            rows[low : high + 1] = found[:-1]
            earned[low:high] = gains[:-1]
            if acted is not None and made is not None:
                acted[low:high] = made[:-1, :, : acted.shape[2]]
            total += np.exp(-self.clocks.decay * span * stage) * events.discount * value
        first = self.table.first
        counts[:] = rows[first]
        rewards[:] = np.add.reduceat(earned, first[:-1])
        if decisions is not None and acted is not None:
            decisions[:] = np.add.reduceat(acted, first[:-1])
        return float(total)
