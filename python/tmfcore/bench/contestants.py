"""Contestants: classes with a name, and a method for each kind of problem that they solve.

A method receives a problem, prepares what is not timed, and returns the function to be timed, whose return value is the
answer. It may also return an Entry, which has its own label, units and note, or a list of functions and entries.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from .measure import Entry
from .workloads import UNITS

__all__ = ["Supply", "classes_of", "entries", "is_alone", "of_file"]


@dataclass(frozen=True)
class Supply:
    """Where contestants come from, loaded when a problem is of one of its kinds.

    Parameters
    ----------
    name : str
        The library, for messages if it is missing.
    load : callable
        Returns the contestants' classes; may raise ImportError.
    kinds : sequence of str or None
        Kinds of problems; None: to be seen from the classes.
    """

    name: str
    load: Callable[[], Sequence[type]]
    kinds: Sequence[str] | None = None


def classes_of(module: ModuleType, kinds: Iterable[str]) -> list[type]:
    """The contestants that a module defines: public classes with a str `name`. ValueError if there are none."""
    kinds = tuple(kinds)
    found = [
        value
        for key, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and not key.startswith("_")
        and isinstance(getattr(value, "name", None), str)
    ]  # fmt: skip
    found = [value for value in found if any(callable(getattr(value, kind, None)) for kind in kinds)]
    if not found:
        raise ValueError(
            f"{module.__file__} defines no contestant; must define a class with `name`, a str, and at least one of the "
            f"methods {', '.join(kinds)}"
        )
    return found


def of_file(path: Path, kinds: Iterable[str]) -> Supply:
    """The contestants of a Python file, which is run as a module."""

    def load() -> list[type]:
        place = path.resolve()
        name = f"tmfcore_contestants_{place.stem}"  # the plain name may be that of the library
        if str(place.parent) not in sys.path:
            sys.path.append(str(place.parent))
        spec = importlib.util.spec_from_file_location(name, place)
        if spec is None or spec.loader is None:
            raise ValueError(f"{path} is not a Python file; its name must end in .py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return classes_of(module, kinds)

    return Supply(str(path), load)


def is_alone(path: Path) -> bool:
    """Whether a class of the file has the line `alone = True`: its libraries get a process of their own."""
    tree = ast.parse(path.read_bytes(), filename=str(path))
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    for line in (line for each in classes for line in each.body if isinstance(line, ast.Assign)):
        target, value = line.targets[0], line.value
        pairs = [(target, value)]
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            pairs = list(zip(target.elts, value.elts, strict=False))
        if any(ast.unparse(left) == "alone" and ast.unparse(right) == "True" for left, right in pairs):
            return True
    return False


def entries(contestant: Any, problem: Any, unit: str) -> list[Entry]:
    """The contestant's ways to solve the problem, prepared; none if it has no method for problems of this kind."""
    method = getattr(contestant, problem.kind, None)
    if method is None:
        return []
    made = method(problem)
    found = []
    for way in made if isinstance(made, list) else [made]:
        if not isinstance(way, Entry):
            if not callable(way):
                raise TypeError(
                    f"{contestant.name}: {problem.kind}(problem) returned {type(way).__name__}; must return the "
                    "function to be timed, an Entry, or a list of these"
                )
            note = getattr(contestant, "notes", {}).get(problem.kind, "")
            usual = bool(getattr(contestant, "usual", False))
            way = Entry(contestant.name, way, float(UNITS[unit](problem)), note, usual=usual)
        found.append(way)
    return found
