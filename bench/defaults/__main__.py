"""The command line of `python -m bench.defaults`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tmfcore.bench import processors

PAGE = Path(__file__).resolve().parents[2] / "docs" / "measured" / "defaults.md"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.defaults", description="Solve all sizes by the defaults.")
    parser.add_argument("--only", action="append", metavar="FAMILY", help="games of this name (repeatable)")
    chosen = parser.parse_args(arguments)
    processors.one()
    from bench.defaults import page
    from bench.defaults.instances import instances
    from bench.defaults.measure import measure

    began, rows = time.perf_counter(), []
    picked = [each for each in instances() if not chosen.only or each.family in chosen.only]
    if not picked:
        print(f"unknown: {', '.join(chosen.only)}", file=sys.stderr)
        return 2
    for each in picked:
        row = measure(each)
        rows.append(row)
        if not row.converged:
            print(f"{each.family}({each.label}): {row.gap:.2e}", file=sys.stderr, flush=True)
    parts = rows, not chosen.only, time.perf_counter() - began
    if chosen.only:
        print(page.text(*parts))
    else:
        page.write(PAGE, *parts)
    return 0 if all(row.converged for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
