"""One processor and one thread for all libraries, so that none gains by using two."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["ALL", "ONE_THREAD", "every", "libraries_on_one_thread", "one"]

#: One thread for all libraries. They read these variables when they are loaded.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "MPLBACKEND": "Agg",
}

#: Processors of this process, before it is restricted to one of them.
ALL: set[int] = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def libraries_on_one_thread() -> None:
    """Restart this program with ONE_THREAD, unless it has been started so: numpy, loaded before this, has read them."""
    if not ONE_THREAD.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **ONE_THREAD})


def one() -> None:
    """Restrict this process to one thread and one processor (Linux)."""
    libraries_on_one_thread()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(ALL)})


@contextmanager
def every() -> Iterator[None]:
    """Let this process and its threads use all its processors again, for workloads with threads."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    held = os.sched_getaffinity(0)
    os.sched_setaffinity(0, ALL)
    try:
        yield
    finally:
        os.sched_setaffinity(0, held)
