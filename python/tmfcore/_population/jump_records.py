"""What is recorded of replicas under Poisson clocks: their numbers of events, the outputs, and groups that are played.

Notation: R replicas, G of them together, S observations, A actions, L stages of the policy, J record intervals,
E intervals between edges, which are record times and ends of stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._random import seeding

__all__ = ["UNBEGUN", "EventNumbers", "Group", "Records", "State"]

UNBEGUN = -1  # in place of the number of events of a kernel that has not begun

State: TypeAlias = dict[str, Any]


@dataclass
class EventNumbers:
    """Numbers of events of one replica: (E,) in each interval between edges; (L,) more in each stage, for returns.

    Those of a stage are played after its last interval, and count for its return only.
    """

    lengths: IntArray
    more: IntArray
    key: npt.NDArray[np.uint64]  # (4,) of the events

    @property
    def n_events(self) -> int:
        """All that are played."""
        return int(self.lengths.sum() + self.more.sum())


@dataclass
class Records:
    """Outputs of all replicas: (R, J+1, S), (R, J, S, A) or None, (R, J) and (R,).

    Beside them the states at the end, if they are kept: blocks (R, words), and the events (R,) that the last run of a
    kernel has made.
    """

    counts: IntArray
    decisions: IntArray | None
    rewards: FloatArray
    returns: FloatArray
    blocks: npt.NDArray[np.uint64] | None = None
    events: IntArray | None = None

    @classmethod
    def empty(
        cls, replicas: int, n_intervals: int, n_obs: int, n_act: int, decisions: bool, n_words: int = 0
    ) -> Records:
        """To be filled by `JumpRun.play`; returns are NaN until then."""
        returns, events = np.empty(replicas), np.empty(replicas, np.int64)
        returns.fill(np.nan)
        events.fill(UNBEGUN)
        return cls(
            np.empty((replicas, n_intervals + 1, n_obs), np.int64),
            np.empty((replicas, n_intervals, n_obs, n_act), np.int64) if decisions else None,
            np.empty((replicas, n_intervals)),
            returns,
            np.zeros((replicas, n_words), np.uint64) if n_words else None,
            events if n_words else None,
        )

    def of(self, rows: IntArray, n_intervals: int) -> Records:
        """The first intervals of some replicas."""
        made = None if self.decisions is None else self.decisions[rows, :n_intervals]
        counts, rewards = self.counts[rows, : n_intervals + 1], self.rewards[rows, :n_intervals]
        return Records(counts, made, rewards, self.returns[rows])


@dataclass
class Group:
    """Replicas that are played together, and what is known of them at the edges so far."""

    replicas: range
    rows: IntArray  # (G, E+1, S)
    acted: IntArray | None  # (G, E, S, A)
    earned: FloatArray  # (G, E)
    total: FloatArray  # (G,) returns
    ended: IntArray  # (G,) the last edge whose counts are known
    stage: int

    @property
    def own(self) -> slice:
        return slice(self.replicas.start, self.replicas.stop)

    def state(self, low: int, streams: Sequence[np.random.Generator], kernel: Any) -> State:
        """What is written of it within a stage that begins at edge `low`."""
        return {
            "first": self.replicas.start, "stage": self.stage, "rows": self.rows[:, : low + 1].copy(),
            "acted": None if self.acted is None else self.acted[:, :low].copy(),
            "earned": self.earned[:, :low].copy(), "total": self.total.copy(),
            "streams": [seeding.state(streams[r]) for r in self.replicas], "kernel": kernel,
        }  # fmt: skip

    def restore(self, found: State) -> None:
        self.stage = int(found["stage"])
        low = found["earned"].shape[1]
        self.rows[:, : low + 1] = found["rows"]
        self.earned[:, :low], self.total[:], self.ended[:] = found["earned"], found["total"], low
        if self.acted is not None:
            self.acted[:, :low] = found["acted"]
