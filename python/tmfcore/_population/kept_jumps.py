"""A JumpRun whose replicas go on from a checkpoint, and leave their states for the next one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tmfcore._base.validation import IntArray
from tmfcore._population import lanes
from tmfcore._population.jump_records import EventNumbers, Records
from tmfcore._population.jump_runs import JumpRun
from tmfcore._population.kept_runs import KeptCall
from tmfcore._results.checkpoint import Keeper

__all__ = ["KeptJumps"]


class KeptJumps(KeptCall):
    """What is left to play of a JumpRun.

    Parameters
    ----------
    plan : JumpRun
    out : Records
    streams : list of R Generators
        Those of replicas that have ended, or run, are replaced by those of the checkpoint.
    numbers : sequence of R EventNumbers
    words : (L, R, P, 1) int64
        Events made, for reports; written for what is restored.
    """

    def __init__(
        self, plan: JumpRun, out: Records, streams: list[np.random.Generator], numbers: Sequence[EventNumbers],
        words: IntArray, keeper: Keeper, workers: int, fewest: int,
    ) -> None:  # fmt: skip
        self.jumps, self.records, self.numbers, self.words = plan, out, numbers, words
        super().__init__(out, keeper, workers, fewest, [] if out.blocks is None else streams)

    def rows(self, which: slice | list[int]) -> dict[str, Any]:
        out = self.records
        if out.blocks is None or out.events is None:
            return super().rows(which)
        return {**super().rows(which), "blocks": out.blocks[which], "events": out.events[which]}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        for r in np.flatnonzero(self.done).tolist():
            self.told(r, self.jumps.n_stages)

    def told(self, r: int, stages: int) -> None:
        """The first stages of a replica have been played."""
        for stage in range(self.jumps.first_stage, stages):
            made = self.jumps.of_stage(self.numbers[r], stage).sum() + self.jumps.made_before(stage, r)
            self.words[stage, r, 0] = made

    def plan(self, found: dict[str, Any], fewest: int) -> None:
        n = len(found["total"])
        replicas = self.check(range(found["first"], found["first"] + n))
        if not 1 <= n <= lanes.MOST or not self.jumps.first_stage <= found["stage"] < self.jumps.n_stages:
            raise ValueError(f"{n} replicas in stage {found['stage']} cannot run")
        for r in replicas:
            self.told(r, found["stage"])
        self.jobs.append((replicas, found))
