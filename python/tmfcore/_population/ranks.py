"""One population on several processes, its ranks, by MPI (extra `mpi`): simulate(comm=).

    on_ranks                       decorator: `comm=` of the user becomes a Ranks; an error ends the call on all ranks
    Ranks.shard(n_agents)          the agents of this rank, for the kernel
    Ranks.agree(task)              raises unless all ranks make the same call
    Ranks.of_first(number)         a number of rank 0, on all ranks
    Ranks.all_or_none(error)       raises on all ranks if one has an error

Every rank plays every step, with the same random words and tables; `shards` says what they exchange. Nothing else than
sums of integers is exchanged, so that results do not depend on the order in which ranks arrive.
"""

from __future__ import annotations

import functools
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from tmfcore._base import bars
from tmfcore._base import wording as say
from tmfcore._population.shards import Shard
from tmfcore._results.checkpoint import digest

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

__all__ = ["Ranks", "on_ranks"]

PATIENCE = 5.0  # seconds that a rank with an error waits for the others to have one, too
WORDS = 32  # most entries of a task, and one more

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Ranks:
    """The processes of a communicator of mpi4py, between whom one population is divided.

    Parameters
    ----------
    comm : mpi4py.MPI.Intracomm
        Duplicated twice, so that messages of the caller are not mixed with those of the run.
    """

    def __init__(self, comm: Intracomm) -> None:
        self.mpi: Any = sys.modules["mpi4py.MPI"]
        self.comm: Any = comm.Dup()
        self.errors: Any = comm.Dup()
        self.rank: int = self.comm.Get_rank()
        self.size: int = self.comm.Get_size()
        self.types = {1: self.mpi.UINT8_T, 2: self.mpi.UINT16_T, 4: self.mpi.UINT32_T, 8: self.mpi.INT64_T}

    def add(self, buffer: Any, width: int) -> None:
        """Sum integers of `width` bytes over all ranks, in place; signed ones if they have 8."""
        self.comm.Allreduce(self.mpi.IN_PLACE, [buffer, self.types[width]])

    def shard(self, n_agents: int) -> Shard:
        """The agents of this rank: whole tiles of 2,048; ranks beyond them have none."""
        if n_agents < self.size:
            raise ValueError(f"n_agents is {n_agents}; must be >= {self.size}, the number of ranks of comm")
        return Shard(self.rank, self.size, n_agents, self.add)

    def of_first(self, number: int) -> int:
        """The number that rank 0 gives, < 2**63."""
        word = np.array([number if self.rank == 0 else 0], np.int64)
        self.add(word, 8)
        return int(word[0])

    def all_or_none(self, error: Exception | None, what: str) -> None:
        """Raise `error`, or, if it is that of other ranks, an OSError that says `what` they could not do."""
        word = np.array([error is not None], np.int64)
        self.add(word, 8)
        if error is not None:
            raise error
        if word[0]:
            raise OSError(f"{word[0]} of {self.size} ranks could not {what}; their errors say why")

    def agree(self, task: Mapping[str, Any]) -> None:
        """Raise ValueError unless `task`, of values that JSON holds, is the same on all ranks: one Allreduce."""
        names = sorted(task)
        if len(names) >= WORDS:
            raise ValueError(f"a task has {len(names)} entries; must have fewer than {WORDS}")
        words = np.zeros((2, WORDS), np.int64)
        for i, entry in enumerate([names, *(task[name] for name in names)]):
            words[0, i] = int(digest(json.dumps(entry, sort_keys=True, default=str))[:15], 16)
        words[1] = -words[0]
        largest = np.empty_like(words)
        self.comm.Allreduce(words, largest, self.mpi.MAX)
        differ = np.flatnonzero(largest[0] != -largest[1])
        if len(differ) == 0:
            return
        said = "the arguments given" if differ[0] == 0 else ", ".join(
            f"{names[i - 1]} (here {say.short(json.dumps(task[names[i - 1]], default=str))})" for i in differ
        )  # fmt: skip
        raise ValueError(f"the ranks of comm make different calls: {said} differ; all ranks must make the same call")

    def reporting(self, progress: bars.Progress) -> bars.Progress:
        """The argument `progress`, checked; False on all ranks but 0, which reports."""
        if progress is not False and self.mpi.Query_thread() < self.mpi.THREAD_SERIALIZED:
            raise ValueError(
                "progress is given; must be False with comm if MPI was initialised for one thread: see mpi4py.rc"
            )
        return progress if self.rank == 0 else False

    def end_alike(self, error: BaseException) -> None:
        """Return if all ranks have an error; otherwise end the run on all, since the others would wait for ever."""
        if self.size == 1:
            return
        arrived = self.errors.Ibarrier()
        end = time.monotonic() + PATIENCE
        while not arrived.Test():
            if time.monotonic() > end:
                traceback.print_exception(error, file=sys.__stderr__)
                print(
                    f"tmfcore: rank {self.rank} of {self.size} has this error alone, which ends the run on all ranks",
                    file=sys.__stderr__, flush=True,
                )  # fmt: skip
                self.comm.Abort(1)
            time.sleep(1e-3)

    def close(self) -> None:
        """Free the communicators, on all ranks."""
        self.comm.Free()
        self.errors.Free()


@contextmanager
def opened(comm: Intracomm) -> Iterator[Ranks]:
    """The Ranks of a communicator; what is raised in the block is raised on all ranks, or ends the program on all."""
    ranks = Ranks(comm)
    try:
        yield ranks
    except BaseException as error:
        ranks.end_alike(error)
        raise
    finally:
        ranks.close()


def on_ranks(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorator of a function with a keyword argument `comm`, which gets a Ranks instead of a communicator, or None."""

    @functools.wraps(function)
    def called(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        comm: Any = kwargs.get("comm")
        if comm is None:
            return function(*args, **kwargs)
        mpi = sys.modules.get("mpi4py.MPI")  # whoever has a communicator has imported it
        if mpi is None or not isinstance(comm, mpi.Intracomm):
            raise TypeError(
                f"comm is {say.show(comm)}; must be a communicator of mpi4py (extra `mpi`), such as MPI.COMM_WORLD"
            )
        with opened(comm) as ranks:
            kwargs["comm"] = ranks
            return function(*args, **kwargs)

    return called
