"""The command line of `python -m bench.peers`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from bench.peers import page, rows
from tmfcore.bench import contest, processors
from tmfcore.bench.workloads import FULL, QUICK, TINY

DOCS = Path(__file__).resolve().parents[2] / "docs" / "measured"


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description="Compare tmfcore with other libraries.")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small sizes, few repeats; writes nothing unless --output")
    size.add_argument("--tiny", action="store_true", help="smallest sizes, one repeat: only checks the answers")
    parser.add_argument("--only", action="append", metavar="NAME", help="workloads whose name starts so (repeatable)")
    parser.add_argument("--peers", metavar="A,B", help="families of contestants, such as plain_numpy,with_numba")
    parser.add_argument("--list", action="store_true", help="print workloads and families, measure nothing")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for benchmarks.md and .png (default: docs/measured)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Return 0 if all answers agree, 1 if one does not, 2 for a name that is unknown."""
    chosen = options(arguments)
    processors.one()
    if chosen.list:
        print("\n".join(f"{w.name:22} {w.title}" for w in rows.WORKLOADS))
        print("families:", ", ".join(rows.FAMILIES))
        return 0
    size = TINY if chosen.tiny else QUICK if chosen.quick else FULL
    names = tuple(chosen.only or [""])
    wanted = [w for w in rows.WORKLOADS if w.name.startswith(names)]
    families = list(rows.FAMILIES) if chosen.peers is None else chosen.peers.split(",")
    unknown = set(families) - set(rows.FAMILIES)
    if unknown or not wanted:
        print(f"unknown: {', '.join(unknown) or ', '.join(names)}; see --list", file=sys.stderr)
        return 2

    began = time.perf_counter()
    results = contest.run(wanted, size, rows.sources(families), lambda line: print(line, file=sys.stderr, flush=True))
    seconds = time.perf_counter() - began
    whole = size is FULL and not chosen.only and chosen.peers is None
    folder = chosen.output or (DOCS if whole and not results.wrong else None)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for path in page.write(results, size, folder, whole, seconds):
            print(f"written: {path}", file=sys.stderr)
    else:
        print(page.text(results, size, whole, seconds, pictured=False))
    for line in results.wrong:
        print(f"WRONG: {line}", file=sys.stderr)
    return 1 if results.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
