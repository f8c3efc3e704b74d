"""Runs of N agents with Poisson clocks by the kernels: what all replicas of a call share, and how each is played.

Contract   the events and the counts at the horizon depend on the seed alone: the events are one realisation of a
           Poisson process (arrivals.pyx), whatever times are recorded and however long it goes on. A replica has the
           same bits beside others as alone.

Notation: R replicas, G of them together, S observations, A actions, L stages of the policy, J record intervals,
E intervals between edges, which are record times and ends of stages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.continuous import Continuous, Timetable
from tmfcore._model.policy import CallablePolicy, Policy
from tmfcore._population import arrivals, jump_stage, lanes, skipping
from tmfcore._population.carried import words_of
from tmfcore._population.costs import seconds_of_samples
from tmfcore._population.jump_records import EventNumbers, Group, Records, State
from tmfcore._population.last_state import STREAM, LastState, heads
from tmfcore._population.pauses import Pauses
from tmfcore._population.runs import records
from tmfcore._population.uniformised import Events
from tmfcore._random import seeding

__all__ = ["JumpRun"]

MOST_EVENTS = 2.0**53  # of a stage, on average
FEWEST_EVENTS = 16  # in an interval, on average, for replicas side by side: each end of an interval stops all of them
SECONDS_PER_EVENT = 1e-8
SECONDS_PER_CALL = 3e-5  # of an event that calls a Python function
ONE = np.ones(1, np.int64)  # agents that act at an event

Keep: TypeAlias = Callable[[State], None]


@dataclass
class JumpRun:
    """What all replicas share: the events of a game, and the intervals in which they are recorded."""

    clocks: Continuous
    events: Events
    policy: Policy  # of all stages
    table: Timetable
    n_agents: int
    begun: list[State] | None = None  # of each replica the state from which it goes on: "carried", "events"

    def __post_init__(self) -> None:
        self.follow(self.table)
        # When each stage begins, and how long it is, of what is played; (L,) each. Also when events are intervals.
        times = self.table.edges[self.bounds]
        self.stage_times = times[:-1], times[1:] - times[:-1]

    def follow(self, table: Timetable) -> None:
        """Take these intervals; `bounds` has the first edge of each stage, and the last of all."""
        self.table, n = table, self.n_stages
        self.bounds: list[int] = [0, len(table.stage)]
        if n > 1:
            self.bounds = np.searchsorted(table.stage, np.arange(n + 1)).tolist()

    @property
    def span(self) -> float:
        """The time that is played."""
        return float(self.table.edges[-1] - self.table.edges[0])

    @property
    def expected(self) -> float:
        """Events of a replica, on average."""
        return (self.events.total + self.clocks.decay) * self.span

    def refuse_too_many(self) -> None:
        most = self.expected / (self.n_stages - self.first_stage)
        if most > MOST_EVENTS:
            raise ValueError(
                f"n_agents is {self.n_agents}, with {most:.4g} events within the horizon, or a stage of the policy; "
                f"must have at most {MOST_EVENTS:.4g}: use fewer agents, or a shorter horizon"
            )

    @cached_property
    def calls_python(self) -> bool:
        """Whether every event calls a Python function of the game or of the policy."""
        game = self.clocks.game
        tables = (game.reward, game.transition, game.passive_reward, game.passive_rates)
        return any(map(callable, tables)) or any(
            isinstance(policy, CallablePolicy) for policy in (self.policy, *self.events.policies)
        )

    @property
    def seconds(self) -> float:
        """Of a replica, to choose threads."""
        each = SECONDS_PER_CALL if self.calls_python else SECONDS_PER_EVENT
        return self.expected * (each + seconds_of_samples(self.policy, ONE))

    @property
    def n_words(self) -> int:
        """Of the state of a replica."""
        return words_of(self.events.model.n_observations, self.events.model.n_actions, False)

    def state_bytes(self, replicas: int) -> int:
        """What the states at the end take."""
        return replicas * (8 * self.n_words + STREAM)

    def needs(
        self, replicas: int, n_intervals: int, decisions: bool, workers: int, keeps: bool
    ) -> dict[str, tuple[int, ...]]:
        """What the outputs need, and the intervals between edges, of which each thread has those of its group."""
        model = self.events.model
        n_obs, n_act = model.n_observations, self.clocks.game.n_actions
        found = records(replicas, n_intervals, n_obs, n_act, decisions)
        edges = max(n_intervals, len(self.table.stage))
        of_stage = -(-edges // self.n_stages)
        beside = replicas >= lanes.fewest(n_obs) and self.expected >= FEWEST_EVENTS * edges
        played = workers * (min(lanes.MOST, -(-replicas // workers)) if beside else 1)
        each = n_obs + 1 + (n_obs * n_act if decisions else 0)
        inside = n_obs + 2 + (n_obs * model.n_actions if decisions else 0)
        found["numbers of events"] = (8, replicas, edges + 2 * self.n_stages)
        found["random streams"] = (2500 * replicas,)  # with the keys and the numbers of a replica
        found["intervals being played"] = (8 * played * (edges * each + of_stage * inside),)
        if keeps:
            found["states at the end"] = (self.state_bytes(replicas) - 1000 * replicas,)
        return found

    # ------------------------------------------------------------------------------------------ numbers of events

    def numbers(self, key: npt.NDArray[np.uint64]) -> EventNumbers:
        """The numbers of events of the replica whose events have this key."""
        before = arrivals.numbers(key, self.events.total, np.ascontiguousarray(self.table.edges))
        more = np.zeros(self.n_stages, np.int64)
        if self.clocks.decay > 0:
            begins, spans = self.stage_times
            more = arrivals.extras(key, begins, self.clocks.decay * spans)
        return EventNumbers(before[1:] - before[:-1], more, key)

    def at_each_event(self, numbers: EventNumbers) -> FloatArray:
        """Make every event an interval of its own; return the record times: those of all events, and both ends."""
        edges = self.table.edges
        times = arrivals.listed(numbers.key, self.events.total, float(edges[0]), float(edges[-1]))
        stage = self.table.stage[np.searchsorted(edges, times, side="right") - 1]
        grid = np.concatenate([edges[:1], times, edges[-1:]])
        numbers.lengths = np.append(np.ones(len(times), np.int64), 0)
        self.follow(Timetable(grid, np.arange(len(grid)), np.append(stage, self.table.stage[-1:])))
        return grid

    def sides(self, replicas: int, decisions: bool, longest: list[int]) -> list[lanes.Side] | None:
        """For each stage a kernel that plays replicas side by side; None if they are played one by one.

        longest : (L,)
            As `longest` returns it.
        """
        model, n_edges = self.events.model, len(self.table.stage)
        if replicas < lanes.fewest(model.n_observations) or self.expected < FEWEST_EVENTS * n_edges:
            return None
        if self.begun is not None:  # each is at another event
            return None
        if not 1 <= min(longest) <= max(longest) <= jump_stage.MOST_STEPS:
            return None
        if not decisions and skipping.applies(model, self.events.policies[0], longest[0], self.n_agents):
            return None
        made = []
        for policy, horizon in zip(self.events.policies, longest, strict=True):
            if (side := lanes.side(model, policy, horizon, self.n_agents, decisions)) is None:
                return None
            made.append(side)
        return made

    def longest(self, numbers: Sequence[EventNumbers]) -> list[int]:
        """The largest number of events of a replica in each stage."""
        bounds = self.bounds
        return [
            max(int(one.lengths[bounds[stage] : bounds[stage + 1]].sum() + one.more[stage]) for one in numbers)
            for stage in range(self.n_stages)
        ]

    @property
    def n_stages(self) -> int:
        """L."""
        return len(self.events.policies)

    @property
    def first_stage(self) -> int:
        """The stage that is played first."""
        return int(self.table.stage[0])

    def of_stage(self, numbers: EventNumbers, stage: int) -> IntArray:
        """Numbers of events in the intervals of a stage, and of those that only count for returns."""
        low, high = self.edges_of(stage)
        found = np.empty(high - low + 1, np.int64)
        found[:-1], found[-1] = numbers.lengths[low:high], numbers.more[stage]
        return found

    def edges_of(self, stage: int) -> tuple[int, int]:
        """The first and the last edge of a stage."""
        return self.bounds[stage], self.bounds[stage + 1]

    # -------------------------------------------------------------------------------------------------- play

    def play(
        self, replicas: range, streams: list[np.random.Generator], starts: IntArray, numbers: Sequence[EventNumbers],
        out: Records, sides: list[lanes.Side] | None, watch: IntArray, due: Callable[[], bool] | None = None,
        keep: Keep | None = None, found: State | None = None,
    ) -> None:  # fmt: skip
        """Play these replicas, side by side if there are `sides`, and write their rows of the outputs.

        watch : (L, R, P, 1), the events made in each stage, by each replica, in each run of a kernel, counted from the
        begin of that run. If an exception ends it, what has been played is written, and the counts are those of the
        last event in all intervals that were not begun. due, keep: as of Pauses; found: a state from which to go on.
        """
        n_obs, n_edges, n = starts.shape[1], len(self.table.stage), len(replicas)
        group = Group(
            replicas, np.empty((n, n_edges + 1, n_obs), np.int64),
            None if out.decisions is None else np.zeros((n, n_edges, *out.decisions.shape[2:]), np.int64),
            np.zeros((n, n_edges)), np.zeros(n), np.zeros(n, np.int64), self.first_stage,
        )  # fmt: skip
        group.rows[:, 0] = starts[group.own]
        kernel = None
        if found is not None:
            group.restore(found)
            for r, state in zip(replicas, found["streams"], strict=True):
                streams[r] = seeding.restored(state)
            kernel = found["kernel"]
        try:
            for stage in range(group.stage, self.n_stages):
                group.stage = stage
                self.play_stage(group, streams, numbers, out, sides, watch, due, keep, kernel)
                kernel = None
        finally:
            for i, last in enumerate(group.ended):
                group.rows[i, last + 1 :] = group.rows[i, last]
            first, own = self.table.first, group.own
            out.counts[own] = group.rows[:, first]
            merged = len(first) <= n_edges
            out.rewards[own] = np.add.reduceat(group.earned, first[:-1], axis=1) if merged else group.earned
            if out.decisions is not None and group.acted is not None:
                out.decisions[own] = np.add.reduceat(group.acted, first[:-1], axis=1) if merged else group.acted
            out.returns[own] = group.total

    def play_stage(
        self, group: Group, streams: list[np.random.Generator], numbers: Sequence[EventNumbers], out: Records,
        sides: list[lanes.Side] | None, watch: IntArray, due: Callable[[], bool] | None, keep: Keep | None, kernel: Any,
    ) -> None:  # fmt: skip
        """Play the present stage of a group, or the rest of it from the states `kernel`.

        The last interval, of events that only count for returns, is left out of what is recorded.
        """
        stage, n = group.stage, len(group.replicas)
        low, high = self.edges_of(stage)
        lengths = np.array([self.of_stage(numbers[r], stage) for r in group.replicas])
        n_intervals, n_obs = lengths.shape[1], group.rows.shape[2]
        found = np.empty((n, n_intervals + 1, n_obs), np.int64)
        made = None
        if group.acted is not None:
            made = np.zeros((n, n_intervals, n_obs, self.events.model.n_actions), np.int64)
        gains, values = np.zeros((n, n_intervals)), np.zeros(n)
        told = watch[stage, group.own]
        is_last = stage == self.n_stages - 1 and out.blocks is not None
        begun = self.begun if stage == self.first_stage else None

        def left(states: Any) -> None:
            assert keep is not None, "the caller has it"
            keep(group.state(low, streams, states))

        try:
            if sides is not None and lengths.sum(axis=1).all():
                ends = out.blocks[group.own] if is_last and out.blocks is not None else None
                self.beside(
                    stage, group, streams, lengths, found, made, gains, values, told, sides, ends, due, left, kernel
                )
                if is_last and out.events is not None:
                    out.events[group.own] = lengths[:, :-1].sum(axis=1)
            else:
                pauses = due is not None and n == 1
                for i, r in enumerate(group.replicas):
                    one = jump_stage.Stage(
                        self.events, self.n_words, stage, lengths[i], found[i], None if made is None else made[i],
                        gains[i], values[i : i + 1], told[i], None if begun is None else begun[r],
                    )  # fmt: skip
                    one.play(streams, r, group.rows[i, low], due if pauses else None, left, one.apart(kernel, i))
                    if is_last and out.blocks is not None and out.events is not None:
                        out.blocks[r], out.events[r] = one.block, one.reached
        finally:
            begins = self.stage_times[0]
            group.total += np.exp(-self.clocks.decay * begins[stage]) * self.events.discount * values
            group.rows[:, low + 1 : high + 1] = found[:, 1:-1]
            group.earned[:, low:high] = gains[:, :-1]
            if group.acted is not None and made is not None:
                group.acted[:, low:high] = made[:, :-1, :, : group.acted.shape[-1]]
            for i, r in enumerate(group.replicas):
                events = int(told[i].sum()) - self.made_before(stage, r)
                if events == lengths[i].sum():
                    group.ended[i] = high
                else:
                    passed, events = passed_of(lengths[i], events)
                    group.ended[i] = min(low + passed + bool(events), high)

    def beside(
        self, stage: int, group: Group, streams: list[np.random.Generator], lengths: IntArray, counts: IntArray,
        decisions: IntArray | None, rewards: FloatArray, values: FloatArray, told: IntArray, sides: list[lanes.Side],
        ends: npt.NDArray[np.uint64] | None, due: Callable[[], bool] | None, left: Callable[[Any], None], kernel: Any,
    ) -> None:  # fmt: skip
        """Play one stage of a group side by side, or the rest of it from the states `kernel`."""
        low, _ = self.edges_of(stage)
        states = None
        if kernel is None:
            keys = seeding.keys([streams[r] for r in group.replicas])
        else:
            states = kernel["states"]
            keys = np.ascontiguousarray(heads(np.stack([one["carried"] for one in states]))["key"])
            if ends is not None:
                ends[:] = kernel["ends"]
        pieces = None
        if due is not None:
            pieces = Pauses(
                int(lengths.sum(axis=1).max()), due,
                lambda states: left({"states": states, "ends": None if ends is None else ends.copy()}),
            )  # fmt: skip
        sides[stage].run_apart(
            keys, group.rows[:, low].copy(), self.events.discount, lengths, counts, decisions, rewards, values,
            told[:, 0], pieces, states, ends,
        )  # fmt: skip

    def made_before(self, stage: int, r: int) -> int:
        """The events that the first run of a kernel in this stage had made before."""
        if self.begun is None or stage != self.first_stage:
            return 0
        return jump_stage.begun_events(self.begun[r])

    # ------------------------------------------------------------------------------------- a run that ended early

    def so_far(
        self, out: Records, numbers: Sequence[EventNumbers], made: IntArray, grid: FloatArray, whole: bool
    ) -> tuple[Records, FloatArray] | None:
        """What is recorded of a run that ended early, and its record times.

        made : (L, R), the events made in each stage by each replica. The replicas that have made all events or, unless
        only the `whole` ones are wanted, the one that is furthest, up to its last event. None: there are none.
        """
        begun = np.flatnonzero(~np.isnan(out.returns)).tolist()
        finished = [r for r in begun if made[:, r].sum() == numbers[r].n_events]
        if finished:
            return out.of(np.array(finished), len(grid) - 1), grid
        if whole or not begun:
            return None
        places = {r: self.place(numbers[r], made[:, r]) for r in begun}
        r = max(begun, key=lambda r: places[r])
        edge, events = places[r]
        time = edges = float(self.table.edges[edge])
        if events:
            before = arrivals.numbers(numbers[r].key, self.events.total, np.array([edges]))
            time = arrivals.time_of(numbers[r].key, self.events.total, int(before[0]) + events - 1)
        n_intervals = int(np.searchsorted(self.table.first, edge + bool(events)))
        if n_intervals == 0:
            return None
        return out.of(np.array([r]), n_intervals), np.append(grid[:n_intervals], time)

    def place(self, numbers: EventNumbers, made: IntArray) -> tuple[int, int]:
        """The last edge that a replica has passed, and how many events it made after it."""
        stage = int(np.flatnonzero(made)[-1]) if made.any() else self.first_stage
        low, high = self.edges_of(stage)
        passed, events = passed_of(self.of_stage(numbers, stage), int(made[stage]))
        return (high, 0) if low + passed >= high else (low + passed, events)

    def last_state(
        self, out: Records, streams: Sequence[np.random.Generator], numbers: Sequence[EventNumbers]
    ) -> LastState | None:
        """The states at the end of all replicas, if they are kept."""
        if out.blocks is None or not all(map(seeding.has_state, streams)):
            return None
        keys = np.array([one.key for one in numbers])
        return LastState(
            out.blocks, list(streams), out.counts[:, 0], events=out.events, clocks=keys, rate=self.events.total
        )


def passed_of(lengths: IntArray, made: int) -> tuple[int, int]:
    """How many intervals of (J,) `lengths` have ended after that many events, and how many were made since."""
    ends = np.cumsum(lengths)
    passed = int(np.searchsorted(ends, made, side="right"))
    return passed, made - int(ends[passed - 1]) if passed else made
