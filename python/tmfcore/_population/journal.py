"""The checkpoint of a simulation: what is finished, and the states of the replicas that run now.

    Journal(keeper, finished)       for jobs on threads; a job leaves its state when one is due, the last one writes all
    Journal.part(job, state)        the Keeper of a job, for a call that it makes

With threads, each job leaves its state at its next pause after a state is due. When all that run have, one of them
writes the file, and the others go on meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from tmfcore._results.checkpoint import Keeper, Part

__all__ = ["Journal"]

SHARE = 0.01  # of the time, for writing


class Journal:
    """What is written to a checkpoint while jobs run.

    Parameters
    ----------
    keeper : Keeper
    finished : callable
        finished() is what is written of the jobs that have ended, a dict.
    """

    def __init__(self, keeper: Keeper, finished: Callable[[], dict[str, Any]]) -> None:
        self.keeper, self.finished = keeper, finished
        self.lock = threading.RLock()
        self.running: dict[int, Any] = {}  # the last state of each job that runs, None before the first
        self.left: set[int] = set()  # jobs that have left one since the last writing
        self.rest = 0.0  # no writing before

    def due(self) -> bool:
        """Whether a state is due."""
        return self.keeper.due() and time.perf_counter() >= self.rest

    def begin(self, job: int, state: Any) -> None:
        """A job begins, or goes on from a state."""
        with self.lock:
            self.running[job] = state

    def leave(self, job: int, state: Any) -> None:
        """A job leaves its state."""
        with self.lock:
            self.running[job] = state
            self.left.add(job)
            self._settle()

    def end(self, job: int) -> None:
        """A job has ended; `finished` has it from now on."""
        with self.lock:
            del self.running[job]
            self.left.discard(job)
            if self.due():
                self._settle()

    def _settle(self) -> None:
        if self.left.issuperset(self.running):
            self.write()

    def write(self) -> None:
        """Write the file."""
        with self.lock:
            begun = time.perf_counter()
            self.left.clear()
            running = [state for state in self.running.values() if state is not None]
            self.keeper.save({**self.finished(), "running": running})
            if self.keeper.checkpoint.every > 0:
                self.rest = time.perf_counter() + (time.perf_counter() - begun) / SHARE

    def part(self, job: int, state: dict[str, Any] | None, tagged: Callable[[Mapping[str, Any]], Any]) -> Keeper:
        """The Keeper of one job, for a call that it makes; `tagged` makes of its state what the journal holds."""
        return Part(
            self.keeper,
            state,
            lambda: self.due() and job not in self.left,
            lambda found: self.leave(job, tagged(found)),
        )
