"""Findings, the register of checks, and what fails."""

from __future__ import annotations

import importlib
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from bench.validation import GROUPS, LEVEL, SEED


@dataclass(frozen=True)
class Finding:
    """One comparison. With a p-value it belongs to the family of tests; without, `error` must be at most `bound`."""

    what: str  # the case: parameters, schedule
    law: str  # what it is compared with
    draws: int
    statistic: str
    p: float | None = None
    error: float = 0.0
    bound: float = 0.0


Draws = Callable[[float], int]


@dataclass(frozen=True)
class Check:
    """A group of findings: `run(draws, seed)`, where draws(n) is n in a full run, and less in a quick one."""

    name: str
    group: str
    run: Callable[[Draws, np.random.SeedSequence], Iterable[Finding]]


CHECKS: dict[str, Check] = {}


def check(name: str) -> Callable:
    """Register a function as the check `name`, in the group of its module; its docstring is printed on the page."""

    def entered(run: Callable) -> Callable:
        CHECKS[name] = Check(name, run.__module__.rsplit(".", 1)[-1], run)
        return run

    return entered


def load() -> dict[str, Check]:
    """All checks, in the order of GROUPS."""
    for group in GROUPS:
        importlib.import_module(f"bench.validation.{group}")
    return CHECKS


def findings(name: str, scale: float, seed: int = SEED) -> Iterator[Finding]:
    """The findings of one check. Its random numbers depend on `seed` and its name, not on what else is run."""

    def draws(n: float) -> int:
        return max(2_000, int(n * scale))

    yield from CHECKS[name].run(draws, np.random.SeedSequence([seed, zlib.crc32(name.encode())]))


def timed(name: str, scale: float, seed: int) -> tuple[list[Finding], float]:
    """The same in a list, also in a process that has loaded nothing yet; and the seconds of processor time it took."""
    load()
    began = time.process_time()
    return list(findings(name, scale, seed)), time.process_time() - began


def level(found: Iterable[Finding]) -> float:
    """The p-value below which a test of this family fails."""
    return LEVEL / max(1, sum(one.p is not None for one in found))


def fails(one: Finding, level: float) -> bool:
    """A p-value below the level, or an error above its bound; NaN fails, too."""
    return not one.p >= level if one.p is not None else not one.error <= one.bound


def failures(found: Iterable[Finding]) -> list[Finding]:
    """Those that fail, of a whole family."""
    found = list(found)
    least = level(found)
    return [one for one in found if fails(one, least)]
