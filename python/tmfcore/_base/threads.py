"""Threads for kernels that release the GIL. Results never depend on the number of threads.

    workers_for(threads, jobs, seconds)    how many threads to use: one if more would be slower
    over_replicas(job, n, ...)             job(r) for every replica; the first error stops the rest
    Watch(n, report)                       reports how many steps the replicas have made, while they run
    Together(workers)                      a few jobs in parallel, repeatedly

Every job writes to its own arrays and draws from its own random stream. If the system starts fewer threads than
requested, those that were started do all the work; if it starts none, the caller's thread does it.
"""

from __future__ import annotations

import contextvars
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeAlias, TypeVar

import numpy as np

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


class Watch:
    """Counts the steps of running replicas for the thread that waits for them, and stops them on request.

    words : (R, 2) int64, for each replica the `watch` of its kernel: steps made; nonzero to stop it.
    """

    def __init__(self, replicas: int, report: Callable[[int], None]) -> None:
        self.words = np.zeros((replicas, 2), dtype=np.int64)
        self.report = report
        self.due = 0.0

    def tell(self, *, last: bool) -> None:
        """Report the steps of all replicas together, at most once in PERIOD except for the `last` report."""
        now = time.monotonic()
        if last or now >= self.due:
            self.due = now + PERIOD
            self.report(int(self.words[:, 0].sum()))

    def stop(self) -> None:
        """Make all replicas stop after their current step."""
        self.words[:, 1] = 1


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

    stop = threading.Event()

    def chunk(first: int, last: int) -> None:
        for r in range(first, last):
            if stop.is_set():
                return
            job(r)

    size = max(1, min(int(2e-3 / seconds), -(-replicas // (4 * workers))))
    with _Pool(workers) as pool:
        try:
            pending: set[Future[None]] = {
                pool.submit(chunk, first, min(first + size, replicas)) for first in range(0, replicas, size)
            }
            while pending:
                finished, pending = wait(pending, None if watch is None else PERIOD, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()
                if watch is not None:
                    watch.tell(last=not pending)
        except BaseException:  # KeyboardInterrupt and errors in `report` as well
            stop.set()
            if watch is not None:
                watch.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


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
        """Run `jobs` and `aside`; return the results of `jobs` in order. The first error in this order is raised."""
        if self.pool is None:
            results = [job() for job in jobs]
            if aside is not None:
                aside()
            return results
        futures = [self.pool.submit(job) for job in jobs]
        beside = None if aside is None else self.pool.submit(aside)
        results = [future.result() for future in futures]
        if beside is not None:
            beside.result()
        return results
