"""Plain threads over kernels that release the GIL. How many there are is never visible in a result.

    workers_for(threads, jobs, seconds)    how many to use: one where threads lose
    over_replicas(job, n, ...)             job(r) for every replica; the first error ends the rest
    Together(workers)                      a few jobs side by side, again and again

Every job writes to arrays of its own and draws from a stream of its own. Where the system starts fewer threads than
asked for, those there are do the work; without any, the caller's does.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeAlias, TypeVar

__all__ = ["Together", "available_processors", "over_replicas", "workers_for"]

log = logging.getLogger(__name__)

_P = ParamSpec("_P")
_T = TypeVar("_T")


_Jobs: TypeAlias = "SimpleQueue[tuple[Future[Any], Callable[[], None]] | None]"


def _work(jobs: _Jobs) -> None:
    while (found := jobs.get()) is not None:
        found[1]()
        del found  # a result lives no longer than its future


def _dismiss(jobs: _Jobs, workers: int) -> None:
    for _ in range(workers):
        jobs.put(None)


class _Pool(Executor):
    """Threads that take jobs from one queue: `workers` of them, or as many as the system starts.

    A ThreadPoolExecutor that cannot start a thread raises, though it has put the job in its queue. Threads of a pool
    that is forgotten go home.
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
        """The future of fn(*args, **kwargs): done on return where there is no thread."""
        future: Future[_T] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
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
        """End the threads after the jobs in the queue, which `cancel_futures` takes out."""
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


def over_replicas(
    job: Callable[[int], None], replicas: int, workers: int, seconds: float, report: Callable[[int], None]
) -> None:
    """Call job(r) for every replica, on `workers` threads; the first error ends the rest and is raised.

    Replicas go out in contiguous chunks of about two milliseconds or more, so that short ones do not drown in
    the executor's own work.
    """
    if workers == 1:
        for r in range(replicas):
            job(r)
            report(r + 1)
        return

    stop = threading.Event()

    def chunk(first: int, last: int) -> int:
        for r in range(first, last):
            if stop.is_set():
                return r - first
            job(r)
        return last - first

    size = max(1, min(int(2e-3 / seconds), -(-replicas // (4 * workers))))
    done = 0
    with _Pool(workers) as pool:
        try:
            pending: set[Future[int]] = {
                pool.submit(chunk, first, min(first + size, replicas)) for first in range(0, replicas, size)
            }
            while pending:
                finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                done += sum(future.result() for future in finished)
                report(done)
        except BaseException:  # KeyboardInterrupt and errors in `report` as well
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def workers_for(
    threads: int | None, jobs: int, seconds: float, *, python: bool, worthwhile: float = 5e-3
) -> int:
    """Threads to use for so many jobs of so many seconds, at most `threads`.

    None: the processors this process may use, where each has at least `worthwhile` seconds to do; but one if the
    kernels call back into Python, where threads would only queue for the GIL.
    """
    if threads is not None:
        workers, why = min(threads, jobs), f"threads={threads}"
    elif python:
        workers, why = 1, "they call into Python"
    else:
        workers, why = max(1, min(available_processors(), jobs, int(jobs * seconds / worthwhile))), "while that gains"
    log.debug("threads: %d for %d jobs of about %.1e s (%s)", workers, jobs, seconds, why)
    return workers


def available_processors() -> int:
    """Processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Together:
    """Runs independent jobs on a fixed number of threads, the caller's own with one, until it is closed."""

    def __init__(self, workers: int) -> None:
        self.pool = _Pool(workers) if workers > 1 else None

    def close(self) -> None:
        """Wait for what still runs, and end the threads."""
        if self.pool is not None:
            self.pool.shutdown(wait=True, cancel_futures=True)

    def __call__(self, jobs: Sequence[Callable[[], _T]], aside: Callable[[], None] | None) -> list[_T]:
        """Results of `jobs`, in their order, with `aside` done as well; the first error in that order is raised."""
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
