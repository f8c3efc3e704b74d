"""The result of each mutant: one line of JSON each, written immediately."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from . import REASONS, RESULTS, ROOT, WORK
from .operators import Mutant, chosen, mutants
from .selection import path_of

#: Environment variable with the path of the results, for processes in a copy of the tree.
VARIABLE = "TMFCORE_MUTATION_RESULTS"


def identity(text: str, mutant: Mutant) -> dict[str, Any]:
    """The identity of a mutant within its module, which does not depend on the text above its line."""
    start = text.rfind("\n", 0, mutant.start) + 1
    line = text[start : text.find("\n", mutant.start)]
    above = text[:start].splitlines()
    return {
        "kind": mutant.kind,
        "text": line.strip(),
        "column": mutant.start - start - (len(line) - len(line.lstrip())),
        "before": text[mutant.start : mutant.end],
        "after": mutant.after,
        "twin": sum(other.strip() == line.strip() for other in above),
    }


def key(module: str, told: dict[str, Any]) -> str:
    """A short name of a mutant, which does not depend on its line number."""
    parts = [module, *(str(told[name]) for name in ("text", "column", "before", "after", "twin"))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def stored() -> dict[str, dict[str, Any]]:
    """Results by key, the last one for each mutant; without mutants that are marked to be tried again."""
    return {name: row for name, row in _all().items() if row["outcome"] != "again"}


def _all() -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in _read(RESULTS) + _read(path()) if "key" in row}


def _read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def bare() -> list[dict[str, Any]]:
    """Rows of RESULTS without details: module, seed, outcome and number of mutants."""
    return [row for row in _read(RESULTS) if "key" not in row]


def keep(rows: list[dict[str, Any]]) -> None:
    """Rewrite RESULTS: these rows, and those without details."""
    RESULTS.write_text("".join(json.dumps(row) + "\n" for row in bare() + rows), encoding="utf-8")


def standing(modules: list[str]) -> list[dict[str, Any]]:
    """Results of mutants whose line still exists, in the order of the modules and of their lines."""
    known, found = stored(), []
    for module in modules:
        text = (ROOT / path_of(module)).read_text(encoding="utf-8")
        names = {key(module, identity(text, mutant)): mutant.line for mutant in mutants(text, c=module.endswith(".h"))}
        found += [known[name] | {"line": line} for name, line in names.items() if name in known]
    return found


def missing(module: str, text: str, count: int, seed: str) -> list[Mutant]:
    """The chosen mutants without a result, and the mutants that are marked to be tried again."""
    known, every = _all(), mutants(text, c=module.endswith(".h"))
    names = {key(module, identity(text, mutant)): mutant for mutant in every}
    picked = {key(module, identity(text, mutant)): mutant for mutant in chosen(every, count, f"{seed} {module}")}
    again = [mutant for name, mutant in names.items() if name in known and known[name]["outcome"] == "again"]
    return again + [mutant for name, mutant in picked.items() if name not in known]


def store(module: str, text: str, mutant: Mutant, found: dict[str, Any], seed: str) -> None:
    """Append a result; `first` is the outcome of the first try, which later tries keep."""
    told = identity(text, mutant)
    name = key(module, told)
    known = _all().get(name, {})
    killed = f"the process ends: {found['died']}" if "died" in found else found.get("answer")
    outcome = "invalid" if "invalid" in found else "killed" if killed else "survived"
    row = {"key": name, "module": module, **told, "seed": known.get("seed", seed), "outcome": outcome,
           "first": known.get("first", outcome), "by": killed}  # fmt: skip
    with path().open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def forget_survivors(modules: list[str]) -> list[str]:
    """Mark the survivors of these modules to be tried again; return the modules that have any."""
    rows = [row for row in _all().values() if row["module"] in modules and row["outcome"] in ("survived", "again")]
    with path().open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row | {"outcome": "again"}) + "\n" for row in rows)
    return [name for name in modules if any(row["module"] == name for row in rows)]


def reasons() -> dict[str, dict[str, Any]]:
    """Why a mutant survives, by key: {"equivalent": bool, "reason": text}."""
    return dict(json.loads(REASONS.read_text(encoding="utf-8"))) if REASONS.exists() else {}


def path() -> Path:
    """The file of results."""
    return Path(os.environ.get(VARIABLE, WORK / "results.jsonl"))
