"""Threads for kernels that release the GIL. Results never depend on the number of threads.

    workers_for(threads, jobs, seconds)    how many threads to use: one if more would be slower
    over_replicas(job, n, ...)             job(r) for every replica; the first error stops the rest
    Watch(n, report)                       how many steps the replicas have made; reports it while they run
    Together(workers)                      a few jobs in parallel, repeatedly

Every job writes to its own arrays and draws from its own random stream. If the system starts fewer threads than
requested, those that were started do all the work; if it starts none, the caller's thread does it. An error or an
interrupt of the caller's thread ends all jobs at their next look (interrupts), and is raised when none runs any more;
a second interrupt waits for them, too.
"""

from __future__ import annotations

import contextvars
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Executor, Future, wait
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeAlias, TypeVar

import numpy as np

from tmfcore._base.interrupts import StopFlag, Stopped

__all__ = ["Together", "Watch", "available_processors", "over_replicas", "workers_for"]

log = logging.getLogger(__name__)

PERIOD = 0.05  # seconds between reports of a Watch

_P = ParamSpec("_P")
_T = TypeVar("_T")


_Jobs: TypeAlias = "SimpleQueue[tuple[Future[Any], Callable[[], None]] | None]"


def _work(jobs: _Jobs) -> None:
    while (found := jobs.get()) is not None:
        found[1]()
        del found  # otherwise the result would outlive its future


def _dismiss(jobs: _Jobs, workers: int) -> None:
    for _ in range(workers):
        jobs.put(None)


class _Pool(Executor):
    """`workers` threads, or as many as the system starts, that take jobs from one queue.

    Used instead of ThreadPoolExecutor, which raises if it cannot start a thread although the job is in its queue.
    Threads end when their pool is garbage-collected.
    """

    def __init__(self, workers: int) -> None:
        self.jobs: _Jobs = SimpleQueue()
        self.threads: list[threading.Thread] = []
        weakref.finalize(self, _dismiss, self.jobs, workers)
        for number in range(workers):
            thread = threading.Thread(target=_work, args=(self.jobs,), name=f"tmfcore-{number}", daemon=True)
            try:
                thread.start()
            except (RuntimeError, MemoryError):
                break
            self.threads.append(thread)

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """The future of fn(*args, **kwargs), run in the caller's context; without threads, before this returns."""
        future: Future[_T] = Future()
        context = contextvars.copy_context()  # numpy.errstate is part of it

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = context.run(fn, *args, **kwargs)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        if self.threads:
            self.jobs.put((future, job))
        else:
            job()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads after the jobs in the queue; `cancel_futures` cancels these jobs first."""

        def end() -> None:
            while cancel_futures:
                try:
                    found = self.jobs.get_nowait()
                except Empty:
                    break
                if found is not None:
                    found[0].cancel()
            _dismiss(self.jobs, len(self.threads))
            for thread in self.threads if wait else ():
                thread.join()

        _insist(end)


def _insist(end: Callable[[], object]) -> None:
    """Call `end` until it is not interrupted; raise the last interrupt then."""
    interrupt: KeyboardInterrupt | None = None
    while True:
        try:
            end()
        except KeyboardInterrupt as error:
            interrupt = error
        else:
            break
    if interrupt is not None:
        raise interrupt


class Watch:
    """Counts the steps of running replicas, for the thread that waits for them and reports.

    words : (R, 1) int64, for each replica the `watch` of its kernel: steps made.
    """

    def __init__(self, replicas: int, report: Callable[[int], None]) -> None:
        self.words = np.zeros((replicas, 1), dtype=np.int64)
        self.report = report
        self.due = 0.0

    def tell(self, *, last: bool) -> None:
        """Report the steps of all replicas together, at most once in PERIOD except for the `last` report."""
        now = time.monotonic()
        if last or now >= self.due:
            self.due = now + PERIOD
            self.report(int(self.words.sum()))


def over_replicas(
    job: Callable[[int], None], replicas: int, workers: int, seconds: float, watch: Watch | None = None
) -> None:
    """Call job(r) for every replica, on `workers` threads; the first error stops the rest and is raised.

    Replicas are submitted in contiguous chunks of about two milliseconds (single replicas if they take longer), so that
    the executor's overhead stays small. With a `watch` the caller's thread waits and reports, even for one worker.
    """
    if workers == 1 and watch is None:
        for r in range(replicas):
            job(r)
        return

    stop = StopFlag()

    def chunk(first: int, last: int) -> None:
        for r in range(first, last):
            job(r)

    size = max(1, min(int(2e-3 / seconds), -(-replicas // (4 * workers))))
    pool = _Pool(workers)
    # Not futures.wait, which holds a lock of every future; an interrupt there would leave them locked.
    finished: SimpleQueue[Future[None]] = SimpleQueue()

    def end() -> None:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)

    try:
        pending = 0
        for first in range(0, replicas, size):
            future = pool.submit(stop.heeded, partial(chunk, first, min(first + size, replicas)))
            future.add_done_callback(finished.put)
            pending += 1
        while pending:
            with suppress(Empty):
                finished.get(timeout=PERIOD).result()
                pending -= 1
            if stop.is_set():  # by a call that this one is a part of
                raise Stopped
            if watch is not None:
                watch.tell(last=not pending)
    except BaseException:  # KeyboardInterrupt and errors in `report` as well
        try:
            end()
        finally:  # again, if a second interrupt came before `end` was guarded
            end()
        raise
    end()


def workers_for(
    threads: int | None, jobs: int, seconds: float, *, python: bool, worthwhile: float = 5e-3
) -> int:
    """The number of threads for `jobs` jobs of `seconds` seconds each, at most `threads`.

    threads=None: as many as this process may use processors, but few enough that each has at least `worthwhile`
    seconds of work; and one if the kernels call back into Python, where threads would wait for the GIL.
    """
    if threads is not None:
        workers, why = min(threads, jobs), f"threads={threads}"
    elif python:
        workers, why = 1, "the jobs call into Python"
    else:
        workers, why = max(1, min(jobs, int(jobs * seconds / worthwhile))), "chosen by cost"
        if workers > 1:
            workers = min(workers, available_processors())
    log.debug("threads: %d for %d jobs of about %.1e s (%s)", workers, jobs, seconds, why)
    return workers


def available_processors() -> int:
    """Processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Together:
    """Runs independent jobs on a fixed number of threads until it is closed; one worker is the caller's thread."""

    def __init__(self, workers: int) -> None:
        self.pool = _Pool(workers) if workers > 1 else None

    def close(self) -> None:
        """Wait for running jobs, and end the threads."""
        if self.pool is not None:
            self.pool.shutdown(wait=True, cancel_futures=True)

    def __call__(self, jobs: Sequence[Callable[[], _T]], aside: Callable[[], None] | None) -> list[_T]:
        """Run `jobs` and `aside`; return the results of `jobs` in order. An error ends the other jobs."""
        if self.pool is None:
            results = [job() for job in jobs]
            if aside is not None:
                aside()
            return results
        stop = StopFlag()
        futures = [self.pool.submit(stop.heeded, job) for job in jobs]
        everything: list[Future[Any]] = [*futures]
        if aside is not None:
            everything.append(self.pool.submit(stop.heeded, aside))
        try:
            wait(everything, return_when=FIRST_EXCEPTION)
            for future in everything:
                if future.done():
                    future.result()
        except BaseException:
            stop.set()
            _insist(lambda: wait(everything))
            raise
        return [future.result() for future in futures]
