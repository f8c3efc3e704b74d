"""Measure how much a process grows over many calls of every public callable: python -m tests.resident.

    --calls N       calls of each kind (default 10,000)
    --all           pictures, files, tables and comparisons of results, too, a tenth as often
    --seconds S     at most, for each kind of call (default 20); slower ones make fewer calls
    --only TEXT     callables whose name holds it
    --processes P   at a time (default 1)
    --write         write docs/measured/resident.md
"""

import argparse
import os
import sys
import tempfile
import time
from collections import deque
from functools import partial
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")] if str(ROOT / "tests") not in sys.path else []
os.environ.setdefault("MPLBACKEND", "Agg")

from processes import Child  # noqa: E402

from resident import calls  # noqa: E402
from resident.growth import grown  # noqa: E402
from resident.report import BOUND, page  # noqa: E402

PAGE = ROOT / "docs" / "measured" / "resident.md"
ASIDE = (".plot", ".save", ".load", ".to_pandas", ".to_polars", ".to_xarray", ".render", ".equals")
PICTURES = ".plotting."
FORKS = get_context("fork")  # of this process, which has imported everything


def told(says, work):
    """Send what work() returns."""
    says.send(work())


def measured(make, calls, seconds):
    """(calls, bytes of growth, calls a second) of what `make`() returns; empty if it makes nothing, or needs an extra."""
    try:
        call = make()
    except ModuleNotFoundError as error:
        print(f"left out: {error}", file=sys.stderr)
        return ()
    if call is None:
        return ()
    found = grown(call, calls, seconds)
    if found[1] >= BOUND:  # again: what a process takes once, and keeps, is no growth
        found = grown(call, calls, seconds)
    return found


def rows(works, arguments):
    """For each callable (name, {kind: what was measured}), in order; so many processes run at a time."""
    waiting = [(name, kind) for name, kinds in works.items() for kind in kinds]
    running, found = deque(), {name: {} for name in works}
    while waiting or running:
        while waiting and len(running) < arguments.processes:
            name, kind = waiting.pop(0)
            n = arguments.calls // 10 if is_aside(name) else arguments.calls
            running.append((name, kind, Child(FORKS, told, partial(measured, works[name][kind], n, arguments.seconds))))
        name, kind, child = running.popleft()
        with child:
            found[name][kind] = child.said.recv()  # EOFError if it failed, which it has printed
        if len(found[name]) == len(works[name]):
            yield name, found[name]


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.resident", description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    os.chdir(tempfile.mkdtemp(prefix="tmfcore-resident-"))  # whatever is written by a bad path
    began, found = time.monotonic(), []
    chosen = {
        name: kinds for name, kinds in works().items()
        if arguments.only in name and (arguments.all or arguments.only or not is_aside(name))
    }  # fmt: skip
    for name, kinds in rows(chosen, arguments):
        found.append((name.removeprefix("tmfcore."), kinds))
        print(f"{found[-1][0]:60s} {'  '.join(said(kinds.get(kind)) for kind in calls.KINDS)}", flush=True)
    every = [each for _, kinds in found for each in kinds.values() if each]
    late = sum(each[1] >= BOUND for each in every)
    print(
        f"{sum(each[0] for each in every):,} calls, {late} of {len(every)} grew by 1 MiB or more, "
        f"{time.monotonic() - began:.0f} s"
    )
    if arguments.write:
        PAGE.write_text(page(found, arguments), encoding="utf-8")
    return bool(late)


def is_aside(name):
    """Whether it makes pictures, files or tables, or compares results."""
    return name.endswith(ASIDE) or PICTURES in name


def works():
    """What makes each kind of call, by callable."""
    found = {name: {kind: partial(getattr(calls, kind), name) for kind in calls.KINDS} for name in calls.EXAMPLES}
    return found | {name: {"good": lambda call=call: call} for name, call in calls.more().items()}


def said(found):
    """A cell of the printed table: kilobytes over calls."""
    return f"{'':>20}" if not found else f"{found[1] / 1024:8.0f} kB /{found[0]:7,}"


if __name__ == "__main__":
    sys.exit(main())
