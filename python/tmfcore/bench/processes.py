"""Processes of contestants: one for tmfcore and all that can share it, one for each file that must be alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .contest import Line, Results
from .contestants import is_alone
from .measure import Timing
from .processors import ONE_THREAD
from .workloads import Workload

__all__ = ["compete"]


def compete(
    wanted: Sequence[Workload], size: str, files: Sequence[Path], progress: Callable[[int, int], None] | None = None
) -> Results:
    """Measure tmfcore and the contestants of Python files.

    Parameters
    ----------
    wanted : sequence of Workload
    size : {"full", "quick", "tiny"}
    files : sequence of Path
        Read for `alone = True` in a class, which is run in a process of its own; the others share one with tmfcore.
    progress : callable, optional
        Of (done, total) workloads, over all processes.

    Returns
    -------
    Results
        tmfcore's line of a workload is first. After Ctrl-C those of finished workloads, and `interrupted`.

    Raises
    ------
    OSError, SyntaxError
        A file that cannot be read.
    ValueError
        A file that cannot be run, or has no contestant.
    RuntimeError
        A process that ended early.
    """
    alone = [path for path in files if is_alone(path)]
    shared = [path for path in files if path not in alone]
    jobs = [(shared, True), *(([path], False) for path in alone)]
    results, done = Results(), 0
    by_name = {workload.name: workload for workload in wanted}
    try:
        for paths, own in jobs:
            names = [str(path) for path in paths]
            job = {"workloads": list(by_name), "size": size, "files": names, "own": own}
            wrong, skipped = list(results.wrong), dict(results.skipped)
            for found in _finished(job, ", ".join(names) or "tmfcore"):
                workload, lines = by_name[found["workload"]], [_line(each) for each in found["lines"]]
                if lines and (own or workload in results.lines):
                    results.lines.setdefault(workload, []).extend(lines)
                results.wrong, results.skipped = wrong + found["wrong"], skipped | found["skipped"]
                done += 1
                if progress is not None:
                    progress(done, len(jobs) * len(wanted))
    except KeyboardInterrupt:
        results.interrupted = True
    return results


def _finished(job: dict[str, Any], what: str) -> Iterator[dict[str, Any]]:
    """Run a worker, and yield what it sends after each workload; RuntimeError if it ends before it is done."""
    command = [sys.executable, "-m", "tmfcore.bench.worker"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **ONE_THREAD}
    ) as worker:
        assert worker.stdin is not None and worker.stdout is not None, "both are pipes"
        try:
            worker.stdin.write(json.dumps(job))
            worker.stdin.close()
            for text in worker.stdout:
                document = json.loads(text)
                if "done" in document:
                    return
                if "error" in document:
                    raise ValueError(f"{what}: {document['error']}")
                yield document
        except BaseException:
            worker.kill()
            raise
    raise RuntimeError(f"{what}: the process ended early, with exit code {worker.returncode}")


def _line(found: dict[str, Any]) -> Line:
    timing = found.pop("timing")
    return Line(timing=Timing(tuple(timing["cpu"]), tuple(timing["wall"]), timing["calls"]), **found)
