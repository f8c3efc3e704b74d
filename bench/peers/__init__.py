"""tmfcore beside its peers: the same work in one process, the same answer, then the clock.

    python -m bench.peers                  everything, then docs/measured/benchmarks.md and docs/measured/benchmarks.png
    python -m bench.peers --quick          small sizes and few repeats; prints, writes nothing
    python -m bench.peers --only NAME      workloads whose name starts with NAME; may be given again; writes nothing

    __main__                the command line
    page, picture           docs/measured/benchmarks.md and .png from what was measured; notes.md is copied into the page
    workloads               which problems, what is wanted of each, and who takes part
    ours, with_*, plain_*   one family of contestants each: ENTRIES maps the kind of a problem to the code that does it
    problems, learning      what is to be computed, and the check that an answer has the right law or value
    tables                  cumulative and alias tables, which several contestants draw from
    measure                 repeats, minima and medians of processor and wall time

A module of contestants is imported when a problem it knows comes up, and skipped with a line where its library is missing.
Each does the work as well as its author could make it; where the usual way of writing it is slower, both are timed.
Notation: N agents, S observations, A actions, K successors, T steps.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

#: One thread for everybody. Read by the libraries when they are loaded, so set before that.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "MPLBACKEND": "Agg",
}

#: Processors this process was given, before it is held to one of them.
PROCESSORS = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))



def one_thread() -> None:
    """Hold this process to one thread and one processor (Linux), so that nobody gains by taking two."""
    os.environ.update(ONE_THREAD)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(PROCESSORS)})


@contextmanager
def every_processor() -> Iterator[None]:
    """Let this process, and the threads it starts, use every processor it was given, for the rows about threads."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    held = os.sched_getaffinity(0)
    os.sched_setaffinity(0, PROCESSORS)
    try:
        yield
    finally:
        os.sched_setaffinity(0, held)
