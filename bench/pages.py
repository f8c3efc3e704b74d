"""What programs share that measure one page of docs/measured: options, progress, and where the page goes.

    is_quick(about, smaller)      the option --quick of a script, which then writes nothing
    shown(rows)                   rows, each printed as soon as it is measured
    options(arguments, ...)       --quick and --output of a program
    put(text, name, chosen)       the page, in its place or on the terminal
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

MEASURED = Path(__file__).resolve().parents[1] / "docs" / "measured"


def is_quick(about: str | None, smaller: str) -> bool:
    """Whether --quick is given; `about` is the docstring of the script."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{smaller}; writes nothing")
    return bool(parser.parse_args().quick)


def shown(rows: Iterable[str]) -> list[str]:
    """The rows of a table, each printed when it comes."""
    found = []
    for row in rows:
        print(row, flush=True)
        found.append(row)
    return found


def options(arguments: list[str] | None, prog: str, about: str | None, smaller: str) -> argparse.Namespace:
    """`quick` and `output` of a program."""
    parser = argparse.ArgumentParser(prog=prog, description=about)
    parser.add_argument("--quick", action="store_true", help=f"{smaller}; writes nothing unless --output")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for the page (default: docs/measured)")
    return parser.parse_args(arguments)


def put(text: str, name: str, chosen: argparse.Namespace) -> None:
    """Write the page to the folder that is given, or to its place; print it if the run is quick and none is given."""
    folder = chosen.output or (None if chosen.quick else MEASURED)
    if folder is None:
        print(text)
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    print(f"written: {folder / name}", file=sys.stderr)
