"""The command line of `python -m bench.scaling`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tmfcore.bench.processors import libraries_on_one_thread

DOCS = Path(__file__).resolve().parents[2] / "docs" / "measured"


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description="Measure how cost grows.")
    parser.add_argument("--quick", action="store_true", help="small ranges, one repeat; writes nothing unless --output")
    parser.add_argument("--only", action="append", metavar="NAME", help="studies whose name starts so (repeatable)")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for the page (default: docs/measured)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    chosen = options(arguments)
    libraries_on_one_thread()
    from bench.scaling import page, studies

    wanted = {name: study for name, study in studies.STUDIES.items() if name.startswith(tuple(chosen.only or [""]))}
    if not wanted:
        print(f"unknown: {', '.join(chosen.only)}; there are {', '.join(studies.STUDIES)}", file=sys.stderr)
        return 2
    ranges = studies.QUICK if chosen.quick else studies.FULL
    say = lambda text: print(text, file=sys.stderr, flush=True)
    began = time.perf_counter()
    found = []
    for name, study in wanted.items():
        say(f"{name}, {time.perf_counter() - began:.0f} s")
        found.append(study(ranges, say))
    seconds = time.perf_counter() - began
    whole = not chosen.quick and len(wanted) == len(studies.STUDIES)
    folder = chosen.output or (DOCS if whole else None)
    if folder is None:
        print(page.text(found, whole, seconds))
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    for path in page.write(found, folder, whole, seconds):
        say(f"written: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
