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
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias, TypeVar

import numpy as np

from tmfcore._base.interrupts import StopFlag, Stopped

__all__ = ["Together", "Watch", "available_processors", "over_replicas", "workers_for"]

log = logging.getLogger(__name__)

PERIOD = 0.05  # seconds between reports of a Watch

_T = TypeVar("_T")


_Jobs: TypeAlias = "SimpleQueue[Callable[[], None] | None]"


def _work(jobs: _Jobs) -> None:
    while (job := jobs.get()) is not None:
        job()
        del job  # and with it what it refers to


def _dismiss(jobs: _Jobs, workers: int) -> None:
    for _ in range(workers):
        jobs.put(None)


class _Pool:
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

    def submit(self, job: Callable[[], None]) -> None:
        """Run job(), which raises nothing, in the caller's context; without threads, before this returns."""
        context = contextvars.copy_context()  # numpy.errstate is part of it
        if self.threads:
            self.jobs.put(partial(context.run, job))
        else:
            context.run(job)

    def close(self) -> None:
        """End the threads after the jobs in the queue."""

        def end() -> None:
            _dismiss(self.jobs, len(self.threads))
            for thread in self.threads:
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


def _run(
    pool: _Pool, jobs: Sequence[Callable[[], _T]], stop: StopFlag, watch: Watch | None = None
) -> list[_T]:
    """The results of `jobs`, which heed `stop`. The first error ends the others, and is raised when none runs."""
    results: list[Any] = [None] * len(jobs)
    errors: list[BaseException] = []
    # Lists that only grow: an interrupt cannot lose an entry, as it can what a queue has given. Nobody waits for a
    # thread by its join, which CPython < 3.13 takes for ended if it is interrupted.
    begun: list[int] = []
    ended: list[int] = []
    wake: SimpleQueue[None] = SimpleQueue()

    def work(i: int) -> None:
        begun.append(i)
        try:
            if stop.is_set():
                raise Stopped
            results[i] = stop.heeded(jobs[i])
        except BaseException as error:
            errors.append(error)
            stop.set()
        ended.append(i)
        wake.put(None)

    def settle() -> None:
        stop.set()
        while len(ended) < len(begun):  # what begins later finds the flag
            with suppress(Empty):
                wake.get(timeout=PERIOD)

    try:
        for i in range(len(jobs)):
            pool.submit(partial(work, i))
        last = not jobs
        while not last:
            with suppress(Empty):
                wake.get(timeout=PERIOD)
            last = len(ended) == len(jobs)
            if watch is not None and not errors:
                watch.tell(last=last)
    except BaseException:  # KeyboardInterrupt, and errors in `report`
        try:
            _insist(settle)
        finally:  # again, if a second interrupt came before `settle` was guarded
            _insist(settle)
        raise
    try:
        if errors:
            raise errors[0]
    finally:
        errors.clear()  # which is in the frames of its entries
    return results


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

    Each thread takes contiguous chunks of about two milliseconds (single replicas if they take longer) until there are
    none, so that the overhead stays small. With a `watch` the caller's thread waits and reports, even for one worker.
    """
    if workers == 1 and watch is None:
        for r in range(replicas):
            job(r)
        return

    size = max(1, min(int(2e-3 / seconds), -(-replicas // (4 * workers))))
    chunks, lock, stop = iter(range(0, replicas, size)), threading.Lock(), StopFlag()

    def work() -> None:
        while True:
            with lock:
                first = next(chunks, None)
            if first is None:
                return
            for r in range(first, min(first + size, replicas)):
                job(r)
            if stop.is_set():
                raise Stopped

    pool = _Pool(workers)
    try:
        _run(pool, [work] * workers, stop, watch)
    finally:
        pool.close()


def workers_for(
    threads: int | None, jobs: int, seconds: float, *, python: bool | Callable[[], bool], worthwhile: float = 5e-3
) -> int:
    """The number of threads for `jobs` jobs of `seconds` seconds each, at most `threads`.

    threads=None: as many as this process may use processors, but few enough that each has at least `worthwhile`
    seconds of work; and one if the kernels call back into Python, where threads would wait for the GIL: `python`, or a
    function that says so, which is called only if there is work for several.
    """
    if threads is not None:
        workers, why = min(threads, jobs), f"threads={threads}"
    else:
        workers, why = max(1, min(jobs, int(jobs * seconds / worthwhile))), "chosen by cost"
        if workers > 1 and (python if isinstance(python, bool) else python()):
            workers, why = 1, "the jobs call into Python"
        elif workers > 1:
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
        """End the threads."""
        if self.pool is not None:
            self.pool.close()

    def __call__(self, jobs: Sequence[Callable[[], _T]], aside: Callable[[], None] | None) -> list[_T]:
        """Run `jobs` and `aside`; return the results of `jobs` in order. An error ends the other jobs."""
        everything: list[Callable[[], Any]] = [*jobs, *([] if aside is None else [aside])]
        results = [job() for job in everything] if self.pool is None else _run(self.pool, everything, StopFlag())
        return results[: len(jobs)]
