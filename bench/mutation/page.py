"""docs/mutation.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from . import PAGE, results
from .selection import modules

HEAD = """\
# Mutation testing

Written by `python -m bench.mutation --page`. A mutant is one small change of one line: a comparison, a boundary, an
operator, a constant, a condition, a statement, an argument, a return value. It is killed if a test of its module fails,
runs out of time, or ends the process. Mutants are chosen by a seed. Properties run with 25 examples, the same each
time, instead of the 50 of `pytest`. A mutant that does not compile is not counted.
"""


def counted(rows: Iterable[dict[str, Any]], module: str) -> str:
    """In a few words, what was found of a module."""
    found = Counter(row["outcome"] for row in rows if row["module"] == module)
    return f"killed {found['killed']} of {found['killed'] + found['survived']}"


def figures(rows: Iterable[dict[str, Any]]) -> str:
    """How many mutants were tried and killed, in two lines."""
    tried = [row for row in rows if row["outcome"] != "invalid"]
    survivors = [row for row in tried if row["outcome"] == "survived"]
    why = results.reasons()
    same = sum(bool(why.get(row["key"], {}).get("equivalent")) for row in survivors)
    killed = len(tried) - len(survivors)
    return (
        f"{len(tried)} mutants, {killed} killed ({killed / max(1, len(tried)):.1%}), {len(survivors)} survived.\n"
        f"{same} of these are equivalent (no input tells them from the module); of the others "
        f"{killed / max(1, len(tried) - same):.1%} are killed."
    )


def write() -> str:
    """Write the page from what is stored; return its figures."""
    why = results.reasons()
    order = modules()
    tried = [row for row in results.standing(order) if row["outcome"] != "invalid"]
    survivors = [row for row in tried if row["outcome"] == "survived"]
    told = figures(tried)
    parts = [HEAD, told + "\n", "| module | mutants | killed | survived |", "| :-- | --: | --: | --: |"]
    for name in order:
        mine = [row for row in tried if row["module"] == name]
        if mine:
            left = sum(row["outcome"] == "survived" for row in mine)
            parts.append(f"| {name} | {len(mine)} | {len(mine) - left} | {left} |")
    parts += ["", "## Survivors", ""]
    for row in survivors:
        known = why.get(row["key"], {})
        reason = ("equivalent: " if known.get("equivalent") else "") + known.get("reason", "no reason given yet")
        parts += [
            f"* `{row['module']}`, {row['kind']}, `{_short(row['before'])}` to `{_short(row['after'])}` in",
            f"  `{_short(row['text'])}`",
            f"  ({row['key']}): {reason}",
        ]
    PAGE.write_text("\n".join(parts) + "\n", encoding="utf-8")
    return told


def _short(text: str) -> str:
    text = " ".join(text.split()).replace("`", "'")
    return text if len(text) <= 100 else text[:97] + "..."
