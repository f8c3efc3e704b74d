"""One stage of a policy in a run of one replica under Poisson clocks, in as many runs of a kernel as it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.schedules import ONE
from tmfcore._population import counts as counts_kernel
from tmfcore._population.jump_records import UNBEGUN, State
from tmfcore._population.pauses import Pauses
from tmfcore._population.uniformised import Events
from tmfcore._random import seeding

__all__ = ["MOST_STEPS", "Stage", "begun_events", "runs_of"]

MOST_STEPS = 2**30  # events of one run of a kernel, whose steps are C ints; a stage of more is played in several


@dataclass
class Stage:
    """One stage of one replica, played in runs of a kernel of at most MOST_STEPS events each.

    counts (J+1, S), decisions (J, S, A) or None, rewards (J,) and value (1,), its return, are filled in place.
    """

    events: Events
    n_words: int  # of a state
    stage: int
    lengths: IntArray  # (J,)
    counts: IntArray
    decisions: IntArray | None
    rewards: FloatArray
    value: FloatArray
    told: IntArray
    begun: State | None  # the state from which it goes on, of another call

    def __post_init__(self) -> None:
        self.reached = UNBEGUN if self.begun is None else int(self.begun["events"])
        self.block = np.zeros(self.n_words, np.uint64)  # of the state before the last interval
        if self.begun is not None:
            self.block[:] = self.begun["carried"]
        if not 0 <= self.reached < MOST_STEPS:  # the next run of the kernel draws a key
            self.begun = None
        self.first = begun_events(self.begun)
        self.ends = self.first + np.cumsum(self.lengths)

    def play(
        self, streams: list[np.random.Generator], r: int, start: IntArray, due: Callable[[], bool] | None,
        left: Callable[[Any], None], kernel: Any,
    ) -> None:  # fmt: skip
        """Play from the counts at the start, or from the state `kernel`."""
        self.counts[:] = start
        part, state, now = 0, None, start.copy()
        if kernel is not None:
            part, state, now = int(kernel["part"]), kernel["state"], kernel["start"].copy()
            self.counts[:], self.rewards[:], self.value[:] = kernel["counts"], kernel["rewards"], kernel["value"]
            if self.decisions is not None and kernel["decisions"] is not None:
                self.decisions[:] = kernel["decisions"]
            self.block[:], self.reached = kernel["block"], int(kernel["reached"])
            self.told[:part] = MOST_STEPS
        elif self.ends[-1] > self.first:
            self.block = np.zeros_like(self.block)
            if self.begun is not None:
                state = {"t": self.first, "first": self.first, "carried": self.begun["carried"], "now": now}
        if state is not None and "returned" in state:
            self.ended(state)
            return
        while max(part * MOST_STEPS, self.first) < self.ends[-1]:
            now = self.play_part(part, streams, r, now, due, left, state)
            part, state = part + 1, None

    def apart(self, kernel: Any, i: int) -> Any:
        """The state of replica i of those that were played side by side, as one of its own."""
        if kernel is None or "states" not in kernel:
            return kernel
        one, ends = kernel["states"][i], kernel["ends"]
        return {
            "part": 0, "state": {**one, "first": 0}, "start": one["record"]["counts"][0], "value": 0.0,
            "counts": np.zeros_like(self.counts), "rewards": np.zeros_like(self.rewards), "decisions": None,
            "block": self.block if ends is None else ends[i], "reached": UNBEGUN,
        }  # fmt: skip

    def ended(self, state: State) -> None:
        """Take what is recorded of a replica that had ended beside others."""
        record = state["record"]
        self.counts[:], self.rewards[:], self.value[0] = record["counts"], record["rewards"], state["returned"]
        if self.decisions is not None:
            self.decisions[:] = record["decisions"]
        self.reached = int(self.ends[-2])

    def play_part(
        self, part: int, streams: list[np.random.Generator], r: int, start: IntArray, due: Callable[[], bool] | None,
        left: Callable[[Any], None], state: State | None,
    ) -> IntArray:  # fmt: skip
        """One run of the kernel; return the counts at its end."""
        events, before = self.events, part * MOST_STEPS
        after, first = before + MOST_STEPS, max(before, self.first)
        whole = part == 0 and self.ends[-1] <= after
        inside = self.lengths if whole else np.diff(self.ends.clip(first, after), prepend=first)
        found, made, gains = self.counts, self.decisions, self.rewards
        if not whole:
            found, gains = np.empty_like(self.counts), np.zeros_like(self.rewards)
            made = None if self.decisions is None else np.zeros_like(self.decisions)
        recorded = int(self.ends[-2]) if len(self.ends) > 1 else self.first
        holds = first < recorded <= after or (part == 0 and recorded == first)
        stream = streams[r]
        if recorded < first or (recorded == first and part > 0):  # of events for returns only: the stream stays
            stream = seeding.restored(seeding.state(stream)) if seeding.has_state(stream) else stream
        value = self.value.copy()

        def keep(kernel: State) -> None:
            left({
                "part": part, "state": {**kernel, "first": first - before}, "start": start, "value": value,
                "counts": np.zeros_like(self.counts) if whole else self.counts.copy(),
                "rewards": np.zeros_like(self.rewards) if whole else self.rewards.copy(),
                "decisions": None if self.decisions is None or whole else self.decisions.copy(),
                "block": self.block.copy(), "reached": self.reached,
            })  # fmt: skip

        horizon, so_far = int(inside.sum()) + first - before, np.zeros(1)
        try:
            so_far[0] = counts_kernel.run(
                events.model, events.policies[self.stage], stream.bit_generator, start, horizon, events.discount, ONE,
                None, 1, found, made, gains, None, self.told[part], inside, so_far,
                None if due is None else Pauses(horizon, due, keep), state,
                self.block if holds else None, recorded - before if holds else -1,
            )  # fmt: skip
        finally:
            if not whole:
                later = self.ends >= before
                self.counts[1:][later] = found[1:][later]
                self.rewards += gains
                if self.decisions is not None and made is not None:
                    self.decisions += made
            self.value[:] = value + events.discount ** float(first - self.first) * so_far
        if holds:
            self.reached = recorded - before
        now: IntArray = found[-1].copy()
        return now


def begun_events(begun: State | None) -> int:
    """The events of a run of a kernel that another call has made, if it is not at its end."""
    events = 0 if begun is None else int(begun["events"])
    return events if 0 <= events < MOST_STEPS else 0


def runs_of(events: int) -> int:
    """The number of runs in which that many events are played."""
    return max(1, -(-int(events) // MOST_STEPS))
