"""docs/measured/mutation.md."""

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
time, instead of the 50 of `pytest`. A mutant that does not compile, or compiles to the same object, is not counted.

The first try of a mutant of a kernel or header uses 30 to 60 seconds of its quickest tests, so that some survive which
the whole suite would kill. If tests were added or listed for a survivor, it and similar mutants were tried again. For
the first seed the results of the first try were not stored. For the second seed, eight mutants of games/_coupling.py
survived because the listed tests did not reach that module; the list was corrected, and the next try counts as their
first. Counting the earlier try instead, the first try killed 85 of 108 (78.7%).
"""


def counted(rows: Iterable[dict[str, Any]], module: str) -> str:
    """The result for a module in a few words."""
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
        f"{same} of these are equivalent (no input distinguishes them from the module); of the other mutants "
        f"{killed / max(1, len(tried) - same):.1%} are killed."
    )


def every(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """These rows and those without details, each repeated by its count."""
    return [*rows, *(row for row in results.bare() for _ in range(row["count"]))]


def by_seed(tried: list[dict[str, Any]]) -> list[str]:
    """Lines of the table of results per seed: at the first try, and now."""
    lines = ["| seed | mutants | killed at the first try | killed now |", "| :-- | --: | --: | --: |"]
    for seed in sorted({row["seed"] for row in tried}):
        mine = [row for row in tried if row["seed"] == seed]
        killed = [sum(row.get(when) == "killed" for row in mine) for when in ("first", "outcome")]
        shares = [f"{n} ({n / len(mine):.1%})" for n in killed]
        known = all(row.get("first") for row in mine)
        lines.append(f"| {seed} | {len(mine)} | {shares[0] if known else 'not stored'} | {shares[1]} |")
    return lines


def write() -> str:
    """Write the page from the stored results, and copy these beside this file; return the page's figures."""
    why = results.reasons()
    order = modules()
    kept = [row for row in results.standing(order) if row["outcome"] != "invalid"]
    results.keep([{name: value for name, value in row.items() if name != "line"} for row in kept])
    tried = every(kept)
    survivors = [row for row in tried if row["outcome"] == "survived"]
    told = figures(tried)
    parts = [HEAD, told + "\n", *by_seed(tried), ""]
    parts += ["| module | mutants | killed | survived |", "| :-- | --: | --: | --: |"]
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
