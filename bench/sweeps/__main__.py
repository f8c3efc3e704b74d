"""The command line of `python -m bench.sweeps`: what sweeps cost, and stores of a million cells."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tmfcore.bench.processors import libraries_on_one_thread

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.sweeps", description=__doc__.partition(": ")[2])
    parser.add_argument("--quick", action="store_true", help="small sizes; writes nothing unless --output")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for the page (default: docs/measured)")
    chosen = parser.parse_args(arguments)
    libraries_on_one_thread()
    from bench.sweeps import measure, page

    begun = time.perf_counter()
    found = measure.measured(
        measure.QUICK if chosen.quick else measure.FULL, lambda text: print(text, file=sys.stderr, flush=True)
    )
    text = page.text(found, time.perf_counter() - begun, whole=not chosen.quick)
    folder = chosen.output or (None if chosen.quick else ROOT / "docs" / "measured")
    if folder is None:
        print(text)
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sweeps.md").write_text(text, encoding="utf-8")
    print(f"written: {folder / 'sweeps.md'}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
