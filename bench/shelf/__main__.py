"""The command line of `python -m bench.shelf`."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

from tmfcore.bench import processors

DOCS = Path(__file__).resolve().parents[2] / "docs" / "measured"
LIBRARIES = {"MFGLib": "with_mfglib", "OpenSpiel": "with_openspiel"}


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.shelf", description="Solve every built-in game.")
    parser.add_argument("--quick", action="store_true", help="small games; writes nothing unless --output")
    parser.add_argument("--only", action="append", metavar="NAME", help="games whose name starts so (repeatable)")
    parser.add_argument("--alone", action="store_true", help="without the other libraries")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where shelf.md goes (default: docs/measured)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    chosen = options(arguments)
    processors.one()
    from bench.shelf import FULL, QUICK, ours, page, pairs
    from tmfcore.games import BY_NAME, SHELF

    limits = QUICK if chosen.quick else FULL
    prefixes = tuple(chosen.only or [""])
    say = lambda line: print(line, file=sys.stderr, flush=True)
    began = time.perf_counter()
    rows, beside, skipped = [], [], {}
    for name in BY_NAME:
        if name.startswith(prefixes):
            game = (SHELF[name].small() if chosen.quick else BY_NAME[name]()).at(step=1)
            rows.append(ours.shelf_row(name, game, limits))
            say(f"{name}: {rows[-1].chosen}, {page.relative(rows[-1])}, {page.reached(rows[-1].runs[0], -1)}")
    for library, module in {} if chosen.alone else LIBRARIES.items():
        try:
            theirs = importlib.import_module(f"bench.shelf.{module}")
        except ImportError as error:
            skipped[library] = str(error)
            continue
        for entry in theirs.ENTRIES:
            if entry.name.startswith(prefixes):
                beside.append(pairs.pair(entry, library, theirs, limits))
                say(f"{entry.name}, {library}, {beside[-1].size}: {beside[-1].ratio(-1)}")
    if not rows and not beside:
        print(f"unknown: {', '.join(prefixes)}; there are {', '.join(BY_NAME)}", file=sys.stderr)
        return 2
    whole = not (chosen.quick or chosen.only or chosen.alone or skipped)
    parts = rows, beside, skipped, whole, time.perf_counter() - began
    folder = chosen.output or (DOCS if whole else None)
    if folder is None:
        print(page.text(*parts))
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    page.write(folder / "shelf.md", *parts)
    say(f"written: {folder / 'shelf.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
