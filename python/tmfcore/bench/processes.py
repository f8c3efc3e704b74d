"""Processes of contestants: one for tmfcore and all that can share it, one for each file that must be alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
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
        tmfcore's line of a workload is first.

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

    def step(name: str) -> None:
        nonlocal done
        if progress is not None:
            progress(done, len(jobs) * len(wanted))
        done += 1

    for paths, own in jobs:
        names = [str(path) for path in paths]
        job = {"workloads": [w.name for w in wanted], "size": size, "files": names, "own": own}
        found = _run(job, ", ".join(names) or "tmfcore", step)
        for workload in wanted:
            lines = [_line(each) for each in found["lines"].get(workload.name, ())]
            if lines and (own or workload in results.lines):
                results.lines.setdefault(workload, []).extend(lines)
        results.wrong += found["wrong"]
        results.skipped |= found["skipped"]
    return results


def _run(job: dict[str, Any], what: str, step: Callable[[str], None]) -> dict[str, Any]:
    """Run a worker; RuntimeError if it fails."""
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
                    found: dict[str, Any] = document["done"]
                    return found
                if "error" in document:
                    raise ValueError(f"{what}: {document['error']}")
                step(document["workload"])
        except BaseException:
            worker.kill()
            raise
    raise RuntimeError(f"{what}: the process ended early, with exit code {worker.returncode}")


def _line(found: dict[str, Any]) -> Line:
    timing = found.pop("timing")
    return Line(timing=Timing(tuple(timing["cpu"]), tuple(timing["wall"]), timing["calls"]), **found)
