"""Calls on a `concurrent.futures.Executor`: processes, Dask, MPI, loky, threads.

    checked(executor)                   the argument `executor` of public functions
    over(executor, function, jobs)      (number, outcome) of each job, in the order in which they end
    workers(executor)                   how many jobs it does at a time
    begun()                             initializer of processes that are started here
    Died                                the outcome of a job whose process died whenever it was tried

A job is a number and the arguments of its call; arguments of many jobs are `parcels.Shared`. The function is one of
this package, at the top level of a module: processes find it by its name.

An executor gets few more jobs than it has workers, so that a million jobs take no memory. If a process of a
ProcessPoolExecutor, or of joblib's loky, dies, its pool is broken: a new one of the same settings takes its place, and
the jobs that were under way are tried again one by one, so that a job that kills its process is known. Dask tries
again by itself; jobs that it gives up are tried once more, alone. Any other failure of an executor is raised; what came
before has been yielded. A result that Dask loses because its worker dies when it has come is computed again.

The futures of a Dask client that has closed, or of a cluster that has lost its last worker, may never end. So whoever
waits looks at the client once a second. No job has a limit of time.
"""

from __future__ import annotations

import contextvars
import logging
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

from tmfcore._base import needs
from tmfcore._base import wording as say
from tmfcore._base.interrupts import StopFlag
from tmfcore._base.parcels import Lacking, Shared, called

__all__ = ["Died", "Job", "begun", "checked", "over", "workers"]

log = logging.getLogger(__name__)

Job: TypeAlias = tuple[int, tuple[Any, ...]]
Outcomes: TypeAlias = Generator[tuple[int, Any], None, None]

UNKNOWN = 1024  # jobs under way on an executor that does not say how many workers it has
TRIES = 3  # times that a job may be alone with a process that dies
BARREN = 30  # pools that broke one after another without finishing a job: it is not the jobs
LOOK = 1.0  # seconds without an outcome after which an executor is looked at
WORKERLESS = 300.0  # seconds that a cluster of Dask may have no worker after it had some
PROCESSES = "concurrent.futures.process"  # not imported here: it takes time


@dataclass(frozen=True)
class Died:
    """The outcome of a job that has none; `why` is the error of the executor."""

    why: str


def checked(executor: object) -> Executor | None:
    """`executor`, or an error that says what it must be."""
    if executor is not None and (isinstance(executor, type) or not isinstance(executor, Executor)):
        hint = " (of a Dask Client: client.get_executor())" if hasattr(executor, "get_executor") else ""
        raise TypeError(f"executor is {say.show(executor)}; must be a concurrent.futures.Executor or None{hint}")
    return executor


def over(executor: Executor, function: Callable[..., Any], jobs: Iterable[Job]) -> Outcomes:
    """Call function(*arguments) for each job, and yield (number, what it returned) as they end.

    Raises
    ------
    TypeError
        An argument cannot be pickled.
    concurrent.futures.BrokenExecutor
        The executor broke, and it is not known how to make another one like it.
    Exception
        What the function raises, and what the executor does. Jobs that have not begun are cancelled, also if the caller
        stops iterating.
    """
    flight = _Flight(executor, function)
    try:
        yield from flight.run(iter(jobs))
    finally:
        flight.end()


@dataclass(eq=False)
class _Flying:
    """A job under way."""

    number: int
    arguments: tuple[Any, ...]
    contents: dict[bytes, bytes] = field(default_factory=dict)  # bytes of parcels that a process lacked
    alone: int = 0  # times that it was tried alone


class _Flight:
    """The jobs of one call on an executor."""

    def __init__(self, executor: Executor, function: Callable[..., Any]) -> None:
        self.executor, self.function = executor, function
        self.threads = isinstance(executor, ThreadPoolExecutor)
        self.limit = needs.limit()
        self.stop = StopFlag()  # for threads, whose kernels look at it
        workers = getattr(executor, "_max_workers", None)
        self.most = 2 * workers + 2 if isinstance(workers, int) else UNKNOWN
        client = getattr(executor, "_client", None)
        self.watch = _DaskWatch(client) if hasattr(client, "scheduler_info") else None
        self.flying: dict[Future[Any], _Flying] = {}
        self.finished: SimpleQueue[Future[Any]] = SimpleQueue()
        self.suspects: deque[_Flying] = deque()  # were under way when a pool broke; tried one by one
        self.own = False  # whether the executor was made here, in place of a broken one
        self.barren = 0
        self.alone = False  # whether the job under way is tried alone
        self.at_end = False

    def run(self, jobs: Iterator[Job]) -> Iterator[tuple[int, Any]]:
        while self.fill(jobs):
            future = self.next_ended()
            job = self.flying.pop(future, None)
            if job is None:  # of a pool that is broken, and tried again
                continue
            try:
                if future.cancelled():
                    raise CancelledError("the executor has cancelled calls: it was shut down, or lost its workers")
                outcome = future.result()
            except BrokenExecutor as error:
                died = self.broken(job, error)
                if died is not None:
                    yield died
                continue
            except Exception as error:
                lost = _lost_by_dask(error) and job.alone < TRIES
                if not lost and type(error).__name__ != "KilledWorker":  # of Dask, after its own tries
                    raise
                self.barren = 0
                if job.alone and not lost:
                    yield job.number, Died(say.short(" ".join(str(error).split())))
                else:  # Dask suspects all jobs of a worker that dies
                    self.suspects.append(job)
                continue
            self.barren = 0
            if type(outcome) is Lacking:
                self.supply(job, outcome)
            else:
                yield job.number, outcome
        self.at_end = True

    def next_ended(self) -> Future[Any]:
        """The next future that has ended; BrokenExecutor if none will, since the executor is dead."""
        while True:
            try:
                return self.finished.get(timeout=None if self.watch is None else LOOK)
            except Empty:
                why = self.watch.why_dead()  # type: ignore[union-attr]  # without one, there is no timeout
            if why and self.finished.empty():
                raise BrokenExecutor(why)

    def fill(self, jobs: Iterator[Job]) -> bool:
        """Submit as many jobs as may be under way; False if there are none, and none is left."""
        if self.alone and self.flying:
            return True
        self.alone = False
        if self.suspects:
            if not self.flying:
                job = self.suspects.popleft()
                job.alone += 1
                self.alone = True
                self.submit(job)
            return True
        while len(self.flying) < self.most:
            following = next(jobs, None)
            if following is None:
                break
            self.submit(_Flying(*following))
        return bool(self.flying)

    def submit(self, job: _Flying) -> None:
        try:
            if self.threads:
                plain = [each.value if type(each) is Shared else each for each in job.arguments]
                call = partial(self.stop.heeded, partial(self.function, *plain))
                future = self.executor.submit(contextvars.copy_context().run, call)
            else:
                packed = tuple(each.parcel() if type(each) is Shared else each for each in job.arguments)
                future = self.executor.submit(called, self.function, packed, job.contents, self.limit, job.alone)
        except BrokenExecutor as error:  # it broke while nobody looked
            future = Future()
            future.set_exception(error)
        self.flying[future] = job
        future.add_done_callback(self.finished.put)

    def supply(self, job: _Flying, lacking: Lacking) -> None:
        """Submit a job again, with the bytes of parcels that its process lacked."""
        for each in job.arguments:
            if type(each) is Shared and each.digest in lacking.digests:
                job.contents[each.digest] = each.content
        self.submit(job)

    def broken(self, job: _Flying, error: BrokenExecutor) -> tuple[int, Died] | None:
        """Put a new pool in the place of a broken one; the outcome of the job if it is the one that breaks pools."""
        self.barren += 1
        fresh = _renewed(self.executor) if self.barren <= BARREN else None
        if fresh is None:
            raise error
        log.debug("executor: a process died (%s); a new pool goes on", error)
        lost = [job]
        for future, other in list(self.flying.items()):
            if not (future.done() and not future.cancelled() and future.exception() is None):
                del self.flying[future]
                lost.append(other)
        if self.own:
            self.executor.shutdown(wait=False)
        self.executor, self.own = fresh, type(fresh).__module__ == PROCESSES  # that of loky is shared by all
        alone = job.alone
        if alone >= TRIES:
            return job.number, Died(f"the process died ({alone} times while it did this alone)")
        self.suspects.extend(lost)
        return None

    def end(self) -> None:
        """Cancel what has not begun; end threads at their next look, and the processes that were started here."""
        if not self.at_end:
            self.stop.set()
        for future in self.flying:
            future.cancel()
        interrupt: KeyboardInterrupt | None = None
        while self.threads and self.flying:  # they look at the flag of this call: it must outlive them
            try:
                self.flying.pop(self.finished.get(), None)
            except KeyboardInterrupt as error:
                interrupt = error
        if interrupt is not None:
            raise interrupt
        if self.own:
            self.executor.shutdown(wait=self.at_end, cancel_futures=True)


def _lost_by_dask(error: Exception) -> bool:
    """Whether a result came from a Dask worker that died just then: Dask takes it for an exception, and unpacks it."""
    inner = error.__traceback__
    while inner is not None and inner.tb_next is not None:
        inner = inner.tb_next
    return (
        isinstance(error, (TypeError, ValueError, AttributeError))
        and inner is not None
        and inner.tb_frame.f_code.co_name == "_cascade_future"
    )


class _DaskWatch:
    """A client of Dask, looked at while nothing ends."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.had_workers = False  # since the call began
        self.since: float | None = None  # when workers were first found to be gone
        self.why_dead()

    def why_dead(self) -> str:
        """Why no future will end; empty if they may.

        A client that tries to connect again is alive: it closes by itself when its `timeout` is over.
        """
        if self.client.status in ("closing", "closed"):
            return (
                "the Dask client is closed: its scheduler was stopped or cannot be reached; start it again, and make a "
                "new Client"
            )
        if self.client.status != "running":
            return ""
        try:
            alive = bool(self.client.nthreads())
        except Exception:  # the scheduler went away meanwhile: the next look finds what became of the client
            return ""
        self.had_workers |= alive
        if alive or not self.had_workers:  # a cluster may wait in a queue for its first one
            self.since = None
            return ""
        now = time.monotonic()
        self.since = now if self.since is None else self.since
        if now - self.since < WORKERLESS:
            return ""
        return f"all workers of the Dask cluster are gone, for {WORKERLESS:g} s; start some, and call again"


def _renewed(executor: Any) -> Executor | None:
    """A new executor with the settings of a broken one; None if it is not known how."""
    kind = type(executor)
    if kind.__module__ == PROCESSES and kind.__name__ == "ProcessPoolExecutor":
        more = {} if executor._max_tasks_per_child is None else {"max_tasks_per_child": executor._max_tasks_per_child}
        made: Executor = kind(
            executor._max_workers, executor._mp_context, executor._initializer, executor._initargs, **more
        )
        return made
    package = kind.__module__.rpartition(".")[0]
    if package in ("loky", "joblib.externals.loky"):
        again: Executor = sys.modules[package].get_reusable_executor(executor._max_workers)
        return again if again is not executor else None
    return None


def workers(executor: Executor) -> int:
    """How many jobs an executor does at a time, as far as it says."""
    found = getattr(executor, "_max_workers", None)
    client = getattr(executor, "_client", None)  # of Dask
    if found is None and client is not None:
        found = sum(client.nthreads().values())
    if found is None:
        found = getattr(executor, "num_workers", None)  # of mpi4py
    return found if isinstance(found, int) and found > 0 else 8


def begun() -> None:
    """Initializer of a process of a pool: Ctrl-C is for the one that started it, and it ends with that one.

    A process of a pool waits for work for ever if the one that started it is killed by -9.
    """
    from multiprocessing import parent_process

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()

    def follow() -> None:
        parent.join()  # type: ignore[union-attr]  # a process of a pool has one
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
