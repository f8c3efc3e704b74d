"""The process in which contestants are checked and timed: python -m tmfcore.bench.worker.

A job comes on standard input as one JSON document: names of `workloads`, `size`, `files`, whether tmfcore takes part
(`own`). On standard output come JSON documents, one per line: after each workload its name, its lines, and all wrong
answers and missing libraries so far; {"done": true} at the end, or {"error": text}. What contestants print goes to
standard error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import contest, processors
from .contestants import Supply, of_file
from .own import KINDS, Tmfcore
from .workloads import SIZES, WORKLOADS, Workload

__all__: list[str] = []


def main() -> None:
    """Do the job."""
    processors.one()
    job = json.load(sys.stdin)
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)

        def send(document: dict[str, Any]) -> None:
            out.write(json.dumps(document) + "\n")
            out.flush()

        try:
            _measure(job, send)
        except KeyboardInterrupt:
            raise SystemExit(130) from None
        except Exception as error:
            send({"error": contest.where(error)})
            raise SystemExit(1) from None
        send({"done": True})


def _measure(job: dict[str, Any], send: Callable[[dict[str, Any]], None]) -> None:
    supplies = [of_file(Path(name), KINDS) for name in job["files"]]
    if job["own"]:
        supplies.insert(0, Supply("tmfcore", lambda: [Tmfcore]))
    wanted = [workload for workload in WORKLOADS if workload.name in job["workloads"]]

    def finished(workload: Workload, results: contest.Results) -> None:
        lines = [asdict(line) for line in results.lines.get(workload, ())]
        send({"workload": workload.name, "lines": lines, "wrong": results.wrong, "skipped": results.skipped})

    contest.run(wanted, SIZES[job["size"]], supplies, lambda line: None, own=job["own"], finished=finished)


if __name__ == "__main__":
    main()
