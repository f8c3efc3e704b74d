"""tmfcore compared with other libraries: the same work in one process, the same answer, then timing.

    python -m bench.peers                  everything, then docs/measured/benchmarks.md and docs/measured/benchmarks.png
    python -m bench.peers --quick          small sizes and few repeats; prints, writes nothing
    python -m bench.peers --only NAME      workloads whose name starts with NAME; repeatable; writes nothing

    __main__                the command line
    page, picture           write docs/measured/benchmarks.md and .png; notes.md is copied into the page
    workloads               the problems, their goals, and the contestants
    ours, with_*, plain_*   one family of contestants each: ENTRIES maps the kind of a problem to code that solves it
    problems, learning      the problems, and checks that an answer has the right law or value
    tables                  cumulative and alias tables, from which several contestants draw
    measure                 repeats, minima and medians of processor and wall time

A module of contestants is imported for the first problem that it knows, and skipped with a message if its library is missing.
Each contestant is as fast as its author could make it; if the usual way to write it is slower, both are timed.
Notation: N agents, S observations, A actions, K successors, T steps.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

#: One thread for all libraries. They read these variables when they are loaded, so set them before.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "MPLBACKEND": "Agg",
}

#: Processors of this process, before it is restricted to one of them.
PROCESSORS = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))



def one_thread() -> None:
    """Restrict this process to one thread and one processor (Linux), so that no library gains by using two."""
    os.environ.update(ONE_THREAD)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(PROCESSORS)})


@contextmanager
def every_processor() -> Iterator[None]:
    """Let this process and its threads use all its processors again, for the rows about threads."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    held = os.sched_getaffinity(0)
    os.sched_setaffinity(0, PROCESSORS)
    try:
        yield
    finally:
        os.sched_setaffinity(0, held)
