"""Runs whose replicas go on from a checkpoint, and leave their states for the next one.

    opened_for(checkpoint, ...)    the Keeper of a call of simulate
    KeptCall(out, keeper)          restores the outputs that a checkpoint has, plans and plays the jobs that are left
    KeptRun                        of a Run, in steps; that of clocks is KeptJumps (kept_jumps)

A replica alone and one beside others have the same states, so that a call with other threads may go on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np

from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.fingerprint import Fingerprint
from tmfcore._population import lanes
from tmfcore._population.agents import observation_dtype
from tmfcore._population.journal import Journal
from tmfcore._population.kept_on_ranks import KeptOnRanks
from tmfcore._population.pauses import Pauses
from tmfcore._population.runs import Run, groups_of
from tmfcore._random import seeding
from tmfcore._results.checkpoint import Checkpoint, CheckpointLike, Keeper, digest, opened

__all__ = ["KeptCall", "KeptRun", "opened_for"]

Streams: TypeAlias = "list[np.random.Generator] | list[np.random.Generator | None]"
Job: TypeAlias = "tuple[range, Any]"  # replicas, and the state from which they go on, or None


def opened_for(
    checkpoint: CheckpointLike | Keeper | None, fingerprint: Fingerprint, rng: seeding.RNG, start: IntArray | None,
    options: dict[str, Any], states: list[dict[str, Any]] | None = None, first: float = 0, run: Run | None = None,
) -> Keeper | None:  # fmt: skip
    """The Keeper of a call of simulate.

    start (1 or R, S): the counts given, or None if they are drawn; states: those from which it goes on, which have the
    streams; first: the step or the time at which it begins; run: for one on ranks, which must all make the same call.
    """
    ranks = None if run is None else run.ranks
    if (checkpoint is None and ranks is None) or isinstance(checkpoint, Keeper):
        return checkpoint
    counts = {} if start is None else {"counts at the start": digest(start)}
    streams = seeding.described(rng) if states is None else digest(np.array([one["carried"] for one in states]))
    task = {**fingerprint.task(), **options, **counts, "first": first, "rng": streams}
    if ranks is None or run is None or run.shard is None:
        return opened(checkpoint, "simulate", task)
    path = checkpoint.path if isinstance(checkpoint, Checkpoint) else checkpoint
    ranks.agree({"counts at the start": None, **task, "checkpoint": None if path is None else str(path)})
    keeper = opened(checkpoint, "simulate", {**task, "comm": True})
    if keeper is None:
        return None
    return KeptOnRanks(keeper, ranks, run.shard, observation_dtype(run.model.n_observations))


class Outputs(Protocol):
    """What a call fills in: the outputs of R replicas."""

    counts: IntArray
    decisions: IntArray | None
    rewards: FloatArray
    returns: FloatArray


class KeptCall:
    """What is left to play of a call, with a checkpoint.

    Parameters
    ----------
    out : Outputs
        Filled with what the checkpoint has.
    keeper : Keeper
    workers, fewest : int
        As for `groups_of`.
    streams : list of R Generators or None
        Written for those replicas that have ended; none if states at the end are not kept.
    """

    def __init__(self, out: Outputs, keeper: Keeper, workers: int, fewest: int, streams: Streams) -> None:
        self.out, self.keeper, self.streams = out, keeper, streams
        self.done = np.zeros(len(out.returns), dtype=bool)
        self.jobs: list[Job] = []
        self.journal = Journal(keeper, self.finished)
        if keeper.state is not None:
            with keeper.restoring():
                self.restore(keeper.state)
                for found in keeper.state["running"]:
                    self.plan(found, fewest)
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
        return {"ended": self.rows(slice(0, first)), "others": others, "apart": self.rows(others), **self.more()}

    def rows(self, which: slice | list[int]) -> dict[str, Any]:
        out = self.out
        return {
            "counts": out.counts[which], "decisions": None if out.decisions is None else out.decisions[which],
            "rewards": out.rewards[which], "returns": out.returns[which],
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Fill the outputs."""
        first = len(state["ended"]["returns"])
        for which, rows in ((slice(0, first), state["ended"]), (state["others"], state["apart"])):
            for name, array in rows.items():
                if array is not None:
                    getattr(self.out, name)[which] = array
            self.done[which] = True
        for r, one in state["streams"].items():
            self.streams[int(r)] = seeding.restored(one)

    def more(self) -> dict[str, Any]:
        """What else is written of what has ended; no array that a thread still changes."""
        kept = ((r, one) for r, one in enumerate(self.streams) if self.done[r] and one is not None)
        return {"streams": {str(r): seeding.state(one) for r, one in kept}}

    def plan(self, found: dict[str, Any], fewest: int) -> None:
        """Plan the replicas of a state."""
        raise NotImplementedError

    def check(self, replicas: range) -> range:
        """Raise unless these replicas can run."""
        inside = 0 <= replicas.start < replicas.stop <= len(self.done)
        if not inside or self.done[replicas.start : replicas.stop].any():
            raise ValueError(f"replicas {replicas} cannot run")
        return replicas

    # ---------------------------------------------------------------------------------------------------- play

    def begin(self, number: int) -> tuple[range, Any, Callable[[], bool]]:
        """A job begins: its replicas, its state, and whether another state is due."""
        replicas, found = self.jobs[number]
        self.journal.begin(number, self.written(replicas, found))
        return replicas, found, lambda: number not in self.journal.left and self.journal.due()

    def written(self, replicas: range, found: Any) -> Any:
        """What the file has of the state of a job."""
        return found

    def end(self, number: int) -> None:
        """A job has ended; the file has it as ended or as running, never as both."""
        replicas, _ = self.jobs[number]
        with self.journal.lock:
            self.done[replicas.start : replicas.stop] = True
            self.jobs[number] = replicas, None
            self.journal.end(number)


class KeptRun(KeptCall):
    """What is left to play of a Run.

    Parameters
    ----------
    watch : (R, 1) int64
        Steps made, for reports; written for what is restored.
    """

    def __init__(self, run: Run, keeper: Keeper, workers: int, fewest: int, watch: IntArray) -> None:
        self.run, self.watch = run, watch
        super().__init__(run, keeper, workers, fewest, run.streams)

    def more(self) -> dict[str, Any]:
        whole = self.run.individuals if self.done.all() else None
        return {**super().more(), "individuals": None if whole is None else list(whole)}

    def rows(self, which: slice | list[int]) -> dict[str, Any]:
        return {**super().rows(which), **self.run.kept_ends(which)}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        if state["individuals"] is not None and self.run.individuals is not None:
            for own, kept in zip(self.run.individuals, state["individuals"], strict=True):
                own[:] = kept
        self.watch[self.done] = self.run.horizon

    def plan(self, found: dict[str, Any], fewest: int) -> None:
        states = found["states"]
        replicas = self.check(range(found["first"], found["first"] + len(states)))
        self.watch[replicas.start : replicas.stop] = states[0]["t"]
        if fewest <= len(states) <= lanes.MOST:
            self.jobs.append((replicas, states))
        else:
            self.jobs += [(range(r, r + 1), [one]) for r, one in zip(replicas, states, strict=True)]

    def written(self, replicas: range, found: Any) -> Any:
        return None if found is None else {"first": replicas.start, "states": found}

    def play(self, number: int, seeds: Sequence[seeding.Stream], threads: int) -> None:
        """Play job `number`."""
        replicas, states, due = self.begin(number)
        first = replicas.start
        pieces = Pauses(
            self.run.horizon, due, lambda states: self.journal.leave(number, {"first": first, "states": states})
        )
        if len(replicas) > 1:
            self.run.side_by_side(replicas, seeds, self.watch, pieces, states)
        else:
            self.run.alone(first, seeds[first], threads, self.watch, pieces, None if states is None else states[0])
        self.end(number)
