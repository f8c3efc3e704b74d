"""Runs of N agents with Poisson clocks by the kernels: what all replicas of a call share, and how each is played.

Contract   the events and the counts at the horizon depend on the seed alone. Numbers of events between record times are
           drawn from a stream of their own, given those of a stage. A replica has the same bits beside others as alone.

Notation: R replicas, S observations, A actions, L stages of the policy, J record intervals, E intervals between edges,
which are record times and ends of stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.continuous import Continuous, Timetable
from tmfcore._model.policy import CallablePolicy, Policy
from tmfcore._model.schedules import ONE
from tmfcore._population import counts as counts_kernel
from tmfcore._population import lanes, skipping
from tmfcore._population.runs import records
from tmfcore._population.uniformised import Events
from tmfcore._random import sampling, seeding

__all__ = ["SECONDS_PER_EVENT", "JumpRun", "Records", "runs_of"]

MOST_EVENTS = 2.0**53  # of a stage, on average
MOST_STEPS = 2**30  # events of one run of a kernel, whose steps are C ints; a stage of more is played in several
FEWEST_EVENTS = 16  # in an interval, on average, for replicas side by side: each end of an interval stops all of them
SECONDS_PER_EVENT = 1e-8
SECONDS_PER_CALL = 3e-5  # of an event that calls a Python function


@dataclass
class EventNumbers:
    """Numbers of events of one replica: (E,) in each interval between edges; (L,) more in each stage, for returns.

    Those of a stage are played after its last interval, and count for its return only.
    """

    lengths: IntArray
    more: IntArray
    words: tuple[int, int]  # key of the stream that divides the events of a stage

    @property
    def n_events(self) -> int:
        """All that are played."""
        return int(self.lengths.sum() + self.more.sum())


@dataclass
class Records:
    """Outputs of all replicas: (R, J+1, S), (R, J, S, A) or None, (R, J) and (R,)."""

    counts: IntArray
    decisions: IntArray | None
    rewards: FloatArray
    returns: FloatArray

    @classmethod
    def empty(cls, replicas: int, n_intervals: int, n_obs: int, n_act: int, decisions: bool) -> Records:
        """To be filled by `JumpRun.play`; returns are NaN until then."""
        return cls(
            np.empty((replicas, n_intervals + 1, n_obs), np.int64),
            np.empty((replicas, n_intervals, n_obs, n_act), np.int64) if decisions else None,
            np.empty((replicas, n_intervals)),
            np.full(replicas, np.nan),
        )

    def of(self, rows: IntArray, n_intervals: int) -> Records:
        """The first intervals of some replicas."""
        made = None if self.decisions is None else self.decisions[rows, :n_intervals]
        counts, rewards = self.counts[rows, : n_intervals + 1], self.rewards[rows, :n_intervals]
        return Records(counts, made, rewards, self.returns[rows])


@dataclass
class JumpRun:
    """What all replicas share: the events of a game, and the intervals in which they are recorded."""

    clocks: Continuous
    events: Events
    policy: Policy  # of all stages
    table: Timetable
    n_agents: int

    @property
    def expected(self) -> float:
        """Events of a replica, on average."""
        return (self.events.total + self.clocks.decay) * float(self.table.edges[-1])

    @cached_property
    def shares(self) -> list[tuple[slice, FloatArray]]:
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
        return self.expected * (SECONDS_PER_CALL if self.calls_python else SECONDS_PER_EVENT)

    def needs(self, replicas: int, n_intervals: int, decisions: bool, workers: int) -> dict[str, tuple[int, ...]]:
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
        found["random streams"] = (1000 * replicas,)
        found["intervals being played"] = (8 * played * (edges * each + of_stage * inside),)
        return found

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
            inside, shares = self.shares[stage]
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

    def sides(self, replicas: int, decisions: bool, numbers: Sequence[EventNumbers]) -> list[lanes.Side] | None:
        """For each stage a kernel that plays replicas side by side; None if they are played one by one."""
        model, n_edges = self.events.model, len(self.table.stage)
        longest = self.longest(numbers)
        if replicas < lanes.fewest(model.n_observations) or self.expected < FEWEST_EVENTS * n_edges:
            return None
        if not 1 <= min(longest) <= max(longest) <= MOST_STEPS:
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
        return [max(int(self.of_stage(one, stage).sum()) for one in numbers) for stage in range(self.n_stages)]

    @property
    def n_stages(self) -> int:
        """L."""
        return len(self.events.policies)

    def of_stage(self, numbers: EventNumbers, stage: int) -> IntArray:
        """Numbers of events in the intervals of a stage, and of those that only count for returns."""
        low, high = self.edges_of(stage)
        return np.append(numbers.lengths[low:high], numbers.more[stage])

    def edges_of(self, stage: int) -> tuple[int, int]:
        """The first and the last edge of a stage."""
        low, high = np.searchsorted(self.table.stage, [stage, stage + 1])
        return int(low), int(high)

    def play(
        self, group: range, streams: Sequence[np.random.Generator], starts: IntArray, numbers: Sequence[EventNumbers],
        out: Records, sides: list[lanes.Side] | None, watch: IntArray,
    ) -> None:  # fmt: skip
        """Play the replicas of `group`, side by side if there are `sides`, and write their rows of the outputs.

        watch : (L, R, P, 1), the events made in each stage, by each replica, in each run. If an exception ends it, what
        has been played is written, and the counts are those of the last event in all intervals that were not begun.
        """
        n_obs, n_edges = starts.shape[1], len(self.table.stage)
        rows = np.empty((len(group), n_edges + 1, n_obs), np.int64)
        acted = None
        if out.decisions is not None:
            acted = np.zeros((len(group), n_edges, *out.decisions.shape[2:]), np.int64)
        earned, total = np.zeros((len(group), n_edges)), np.zeros(len(group))
        rows[:, 0] = starts[group.start : group.stop]
        ended = np.zeros(len(group), np.int64)  # the last edge whose counts are known
        try:
            for stage in range(self.n_stages):
                self.play_stage(stage, group, streams, numbers, sides, watch, rows, acted, earned, total, ended)
        finally:
            for i, last in enumerate(ended):
                rows[i, last + 1 :] = rows[i, last]
            first, here = self.table.first, slice(group.start, group.stop)
            out.counts[here] = rows[:, first]
            merged = len(first) <= n_edges
            out.rewards[here] = np.add.reduceat(earned, first[:-1], axis=1) if merged else earned
            if out.decisions is not None and acted is not None:
                out.decisions[here] = np.add.reduceat(acted, first[:-1], axis=1) if merged else acted
            out.returns[here] = total

    def play_stage(
        self, stage: int, group: range, streams: Sequence[np.random.Generator], numbers: Sequence[EventNumbers],
        sides: list[lanes.Side] | None, watch: IntArray, rows: IntArray, acted: IntArray | None, earned: FloatArray,
        total: FloatArray, ended: IntArray,
    ) -> None:  # fmt: skip
        """Play one stage of a group; `total` and `ended` (R,) are updated, the others filled at the edges of the stage.

        The last interval, of events that only count for returns, is left out.
        """
        low, high = self.edges_of(stage)
        lengths = np.stack([self.of_stage(numbers[r], stage) for r in group])
        n_intervals, n_obs = lengths.shape[1], rows.shape[2]
        found = np.empty((len(group), n_intervals + 1, n_obs), np.int64)
        made = None
        if acted is not None:
            made = np.zeros((len(group), n_intervals, n_obs, self.events.model.n_actions), np.int64)
        gains, values = np.zeros((len(group), n_intervals)), np.zeros(len(group))
        told = watch[stage, group.start : group.stop]
        try:
            if sides is not None and lengths.sum(axis=1).all():
                sides[stage].run_apart(
                    seeding.keys([streams[r] for r in group]), rows[:, low].copy(), self.events.discount, lengths,
                    found, made, gains, values, told[:, 0],
                )  # fmt: skip
            else:
                for i, r in enumerate(group):
                    self.alone(
                        stage, streams[r], rows[i, low], lengths[i], found[i], None if made is None else made[i],
                        gains[i], values[i : i + 1], told[i],
                    )  # fmt: skip
        finally:
            span = self.table.edges[-1] / self.n_stages
            total += np.exp(-self.clocks.decay * span * stage) * self.events.discount * values
            rows[:, low + 1 : high + 1] = found[:, 1:-1]
            earned[:, low:high] = gains[:, :-1]
            if acted is not None and made is not None:
                acted[:, low:high] = made[:, :-1, :, : acted.shape[-1]]
            for i in range(len(group)):
                passed, events = passed_of(lengths[i], int(told[i].sum()))
                ended[i] = min(low + passed + bool(events), high)

    def alone(
        self, stage: int, stream: np.random.Generator, start: IntArray, lengths: IntArray, counts: IntArray,
        decisions: IntArray | None, rewards: FloatArray, value: FloatArray, told: IntArray,
    ) -> None:  # fmt: skip
        """Play one stage of one replica, in runs of at most MOST_STEPS events; write its return to `value` (1,)."""
        events, so_far, now = self.events, np.zeros(1), start.copy()
        counts[:] = start
        ends = np.cumsum(lengths)
        if 0 < ends[-1] <= MOST_STEPS:
            value[0] = counts_kernel.run(
                events.model, events.policies[stage], stream.bit_generator, now, int(ends[-1]), events.discount, ONE,
                None, 1, counts, decisions, rewards, None, told[0], lengths, value,
            )  # fmt: skip
            return
        for part in range(runs_of(ends[-1]) if ends[-1] else 0):
            before = part * MOST_STEPS
            inside = np.minimum(ends, before + MOST_STEPS).clip(before)
            inside = np.diff(inside, prepend=before)
            found, gains = np.empty_like(counts), np.zeros_like(rewards)
            made = None if decisions is None else np.zeros_like(decisions)
            so_far[0] = 0
            try:
                so_far[0] = counts_kernel.run(
                    events.model, events.policies[stage], stream.bit_generator, now, int(inside.sum()),
                    events.discount, ONE, None, 1, found, made, gains, None, told[part], inside, so_far,
                )  # fmt: skip
            finally:
                later = ends >= before
                counts[1:][later] = found[1:][later]
                rewards += gains
                if decisions is not None and made is not None:
                    decisions += made
                value += events.discount**before * so_far
            now = found[-1].copy()

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
        edge, events, most = places[r]
        edges, time = self.table.edges, 0.0
        if events:  # the time of one of `most` events in an interval, in order
            stream = np.random.Generator(np.random.Philox(key=list(numbers[r].words), counter=[0, 0, 0, 1]))
            time = (edges[edge + 1] - edges[edge]) * stream.beta(events, most + 1 - events)
        n_intervals = int(np.searchsorted(self.table.first, edge + bool(events)))
        if n_intervals == 0:
            return None
        return out.of(np.array([r]), n_intervals), np.append(grid[:n_intervals], edges[edge] + time)

    def place(self, numbers: EventNumbers, made: IntArray) -> tuple[int, int, int]:
        """The last edge that a replica has passed, and how many events it made after it, of how many."""
        stage = int(np.flatnonzero(made)[-1]) if made.any() else 0
        low, high = self.edges_of(stage)
        lengths = self.of_stage(numbers, stage)
        passed, events = passed_of(lengths, int(made[stage]))
        if low + passed >= high:
            return high, 0, 0
        return low + passed, events, int(lengths[passed])


def runs_of(events: int) -> int:
    """The number of runs in which that many events are played."""
    return max(1, -(-int(events) // MOST_STEPS))


def passed_of(lengths: IntArray, made: int) -> tuple[int, int]:
    """How many intervals of (J,) `lengths` have ended after that many events, and how many were made since."""
    ends = np.cumsum(lengths)
    passed = int(np.searchsorted(ends, made, side="right"))
    return passed, made - int(ends[passed - 1]) if passed else made
