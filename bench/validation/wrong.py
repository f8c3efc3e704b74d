"""Samplers and engines that are slightly wrong, each of which its check must find.

A wrong one stands in for the right one in the module of the check, and the same check is run. The number of draws is
that of a full run times `scale`, so that a full run would find smaller errors. `errors` and `outside_wrong` list them.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench.validation import QUICK, SEED, checks, errors, outside_wrong


@dataclass(frozen=True)
class Wrong:
    """`make(right)` replaces the name `of` in the module of the check: (what it has) -> what it has, wrong."""

    check: str
    what: str
    of: str
    make: Callable[[Any], Any]
    scale: float = QUICK


@contextmanager
def in_place(wrong: Wrong) -> Iterator[None]:
    """Let the check use the wrong one."""
    module: Any = importlib.import_module(f"bench.validation.{checks.load()[wrong.check].group}")
    right = getattr(module, wrong.of)
    setattr(module, wrong.of, wrong.make(right))
    try:
        yield
    finally:
        setattr(module, wrong.of, right)


def found(wrong: Wrong, level: float, seed: int = SEED) -> checks.Finding | None:
    """The first finding that fails; None: the check is blind to this error."""
    with in_place(wrong):
        return next((one for one in checks.findings(wrong.check, wrong.scale, seed) if checks.fails(one, level)), None)


def timed(place: int, level: float, seed: int) -> tuple[checks.Finding | None, float]:
    """The same for WRONG[place], and the seconds of processor time it took."""
    began = time.process_time()
    return found(WRONG[place], level, seed), time.process_time() - began


def lifted(name: str, change: Callable) -> Callable[[Any], errors.Altered]:
    """Replace one name of a module: change(right) is the wrong function."""
    return lambda module: errors.Altered(module, **{name: change(getattr(module, name))})


WRONG = [
    Wrong(check, what, of, lifted(name, change), *scale)
    for check, what, of, name, change, *scale in errors.ERRORS + outside_wrong.ERRORS
]
