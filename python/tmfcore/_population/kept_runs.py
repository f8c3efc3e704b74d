"""A Run whose replicas go on from a checkpoint, and leave their states for the next one.

    KeptRun(run, keeper)       restores what a checkpoint has; plans the jobs that are left; plays them

A replica alone and one beside others have the same states, so that a call with other threads may go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tmfcore._base.validation import IntArray
from tmfcore._model.fingerprint import Fingerprint
from tmfcore._population import lanes
from tmfcore._population.agents import observation_dtype
from tmfcore._population.journal import Journal
from tmfcore._population.kept_on_ranks import KeptOnRanks
from tmfcore._population.pauses import Pauses
from tmfcore._population.runs import Run, groups_of
from tmfcore._random import seeding
from tmfcore._results.checkpoint import Checkpoint, CheckpointLike, Keeper, digest, opened

__all__ = ["KeptRun", "opened_for"]

Job: TypeAlias = "tuple[range, list[dict[str, Any]] | None]"  # replicas, and the states from which they go on


def opened_for(
    checkpoint: CheckpointLike | Keeper | None, fingerprint: Fingerprint, rng: seeding.RNG, start: IntArray | None,
    options: dict[str, Any], states: list[dict[str, Any]] | None = None, run: Run | None = None,
) -> Keeper | None:  # fmt: skip
    """The Keeper of a call of simulate.

    start (1 or R, S): the counts given, or None if they are drawn; states: those from which it goes on, which have the
    streams; run: for one on ranks, which must all make the same call.
    """
    ranks = None if run is None else run.ranks
    if (checkpoint is None and ranks is None) or isinstance(checkpoint, Keeper):
        return checkpoint
    counts = {} if start is None else {"counts at the start": digest(start)}
    streams = seeding.described(rng) if states is None else digest(np.array([one["key"] for one in states]))
    first = 0 if states is None else states[0]["t"]
    task = {**fingerprint.task(), **options, **counts, "first": first, "rng": streams}
    if ranks is None or run is None or run.shard is None:
        return opened(checkpoint, "simulate", task)
    path = checkpoint.path if isinstance(checkpoint, Checkpoint) else checkpoint
    ranks.agree({"counts at the start": None, **task, "checkpoint": None if path is None else str(path)})
    keeper = opened(checkpoint, "simulate", {**task, "comm": True})
    if keeper is None:
        return None
    return KeptOnRanks(keeper, ranks, run.shard, observation_dtype(run.model.n_observations))


class KeptRun:
    """What is left to play of a Run, with a checkpoint.

    Parameters
    ----------
    run : Run
        Its outputs are filled with what the checkpoint has.
    keeper : Keeper
    workers, fewest : int
        As for `groups_of`.
    watch : (R, 1) int64
        Steps made, for reports; written for what is restored.
    """

    def __init__(self, run: Run, keeper: Keeper, workers: int, fewest: int, watch: IntArray) -> None:
        self.run, self.keeper, self.watch = run, keeper, watch
        self.done = np.zeros(len(run.returns), dtype=bool)
        self.jobs: list[Job] = []
        self.journal = Journal(keeper, self.finished)
        if keeper.state is not None:
            with keeper.restoring():
                self.restore(keeper.state, fewest)
            keeper.state = None
        free = ~self.done
        for replicas, _ in self.jobs:
            free[replicas.start : replicas.stop] = False
        edges = np.flatnonzero(np.diff(np.concatenate([[0], free.astype(np.int8), [0]])))
        for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            for group in groups_of(last - first, workers, fewest):
                self.jobs.append((range(first + group.start, first + group.stop), None))

    # ------------------------------------------------------------------------------------------------- the file

    def finished(self) -> dict[str, Any]:
        """The outputs of the replicas that have ended: those before the first that has not, and the others."""
        ended = np.flatnonzero(~self.done)
        first = int(ended[0]) if len(ended) else len(self.done)
        others = [int(r) for r in np.flatnonzero(self.done) if r >= first]
        found = {"ended": self.rows(slice(0, first)), "others": others, "apart": self.rows(others)}
        whole = self.run.individuals if len(ended) == 0 else None
        return found | {"individuals": None if whole is None else list(whole), "ends": self.run.ends}

    def rows(self, which: slice | list[int]) -> dict[str, Any]:
        run = self.run
        return {
            "counts": run.counts[which], "decisions": None if run.decisions is None else run.decisions[which],
            "rewards": run.rewards[which], "returns": run.returns[which],
        }  # fmt: skip

    def restore(self, state: dict[str, Any], fewest: int) -> None:
        """Fill the outputs, and plan the replicas that have states."""
        run = self.run
        first = len(state["ended"]["returns"])
        for which, rows in ((slice(0, first), state["ended"]), (state["others"], state["apart"])):
            for name, array in rows.items():
                if array is not None:
                    getattr(run, name)[which] = array
            self.done[which] = True
        if state["individuals"] is not None and run.individuals is not None:
            for own, kept in zip(run.individuals, state["individuals"], strict=True):
                own[:] = kept
        run.ends.update({int(r): one for r, one in state["ends"].items()})
        self.watch[self.done] = run.horizon
        for found in state["running"]:
            replicas, states = range(found["first"], found["first"] + len(found["states"])), found["states"]
            inside = 0 <= replicas.start < replicas.stop <= len(self.done)
            if not inside or self.done[replicas.start : replicas.stop].any():
                raise ValueError(f"replicas {replicas} cannot run")
            self.watch[replicas.start : replicas.stop] = states[0]["t"]
            if fewest <= len(states) <= lanes.MOST:
                self.jobs.append((replicas, states))
            else:
                self.jobs += [(range(r, r + 1), [one]) for r, one in zip(replicas, states, strict=True)]

    # ---------------------------------------------------------------------------------------------------- play

    def play(self, number: int, seeds: Sequence[seeding.Stream], threads: int) -> None:
        """Play job `number`."""
        replicas, states = self.jobs[number]
        journal, first = self.journal, replicas.start
        journal.begin(number, None if states is None else {"first": first, "states": states})

        def keep(states: list[dict[str, Any]]) -> None:
            if states[0]["t"] == self.run.horizon:
                self.run.end(first, states)
            else:
                journal.leave(number, {"first": first, "states": states})

        pieces = Pauses(
            self.run.horizon, lambda: number not in journal.left and journal.due(), keep, at_end=self.run.keep_state
        )
        if len(replicas) > 1:
            self.run.side_by_side(replicas, seeds, self.watch, pieces, states)
        else:
            self.run.alone(first, seeds[first], threads, self.watch, pieces, None if states is None else states[0])
        self.done[first : replicas.stop] = True
        self.jobs[number] = replicas, None
        journal.end(number)
