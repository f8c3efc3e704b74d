"""Write the lists of solvers from their registry: python -m bench.solvers.

These are the table of docs/theory.md, section 9, the classes of docs/reference/solvers.rst, and the names for type
checkers in python/tmfcore/solvers/__init__.py. tests/test_solver_registry.py fails if a file differs from what this
script writes.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tmfcore.solvers._exact import ExactSolver
from tmfcore.solvers._registry import SOLVERS, SolverEntry

ROOT = Path(__file__).resolve().parents[1]


def theory(entries: list[SolverEntry]) -> str:
    """The table of section 9."""
    rows = (f"| `{entry.name}` | {entry.update} | {entry.source} |" for entry in entries)
    return "\n".join(("| solver | next iterate | source |", "|---|---|---|", *rows))


def reference(entries: list[SolverEntry]) -> str:
    """The classes of the reference."""
    return "\n\n".join(f".. autoclass:: tmfcore.solvers.{entry.name}" for entry in entries)


def names(entries: list[SolverEntry]) -> str:
    """Imports and names for type checkers."""
    modules: dict[str, list[str]] = {}
    for entry in entries:
        modules.setdefault(entry.solver.__module__, []).append(entry.name)
    lines = ["from typing import Literal, TypeAlias", ""]
    for module, there in sorted(modules.items()):
        lines += [f"from {module} import {name} as {name}" for name in there]
    exact = [entry.name for entry in entries if issubclass(entry.solver, ExactSolver)]
    others = [entry.name for entry in entries if entry.name not in exact]
    for alias, listed in (("ExactName", exact), ("SoftmaxName", others)):
        words = [SOLVERS[name].word for name in listed]
        lines += ["", f"{alias}: TypeAlias = Literal["]
        lines += [f'    "{name}", "{word}",' for name, word in zip(listed, words, strict=True)] + ["]  # fmt: skip"]
    return "\n".join(f"    {line}".rstrip() for line in lines)


MARK = "<!-- written by python -m bench.solvers -->"

#: File, the text before and after the written part, and the function that makes this part.
PLACES = (
    ("docs/theory.md", f"{MARK}\n", "\n\n", theory),
    ("docs/reference/solvers.rst", ".. written by python -m bench.solvers\n\n", "\n\n.. end", reference),
    ("python/tmfcore/solvers/__init__.py", "# written by python -m bench.solvers\n", "\n\ndiscover(", names),
)


def written(entries: list[SolverEntry] | None = None) -> dict[Path, str]:
    """The new text of each file."""
    entries = list(SOLVERS.values()) if entries is None else entries
    texts = {}
    for file, before, behind, make in PLACES:
        text = (ROOT / file).read_text(encoding="utf-8")
        place = re.compile(f"(?<={re.escape(before)}).*?(?={re.escape(behind)})", re.DOTALL)
        texts[ROOT / file], found = place.subn(lambda _, make=make: make(entries), text, count=1)
        if found != 1:
            raise ValueError(f"{file} has no place for solvers: {before.strip()!r} is missing")
    return texts


def main() -> int:
    """Write the files whose text has changed, and print their names."""
    for path, text in written().items():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
