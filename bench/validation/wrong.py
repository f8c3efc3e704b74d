"""Samplers and engines that are slightly wrong, each of which its check must find.

A wrong one stands in for the right one in the module of the check, and the same check is run. The number of draws is
that of a full run times `scale`, so that a full run would find smaller errors.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.validation import QUICK, SEED, checks, outside_wrong


@dataclass(frozen=True)
class Wrong:
    """`make(right)` replaces the name `of` in the module of the check: (what it has) -> what it has, wrong."""

    check: str
    what: str
    of: str
    make: Callable[[Any], Any]
    scale: float = QUICK


class Altered:
    """A module or object, some of whose names are replaced."""

    def __init__(self, right: Any, **names: Any) -> None:
        self.__dict__.update(names, _right=right)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._right, name)


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


def lifted(name: str, change: Callable) -> Callable[[Any], Altered]:
    """Replace one name of a module: change(right) is the wrong function."""
    return lambda module: Altered(module, **{name: change(getattr(module, name))})


# ------------------------------------------------------------------------------------------------------ samplers


def _shifted(p: np.ndarray, by: float) -> np.ndarray:
    """Move a share of the first cell that has mass to the last that has."""
    p = p.copy()
    have = np.flatnonzero(p)
    p[have[-1]] += by * p[have[0]]
    p[have[0]] *= 1 - by
    return p


def _biased_integers(draw):
    """Without rejection: a word times n, the high half. Only large n differ."""
    return lambda bits, n, size, addressed=False: np.array(
        [int(word) * n >> 64 for word in _words(bits, size)], np.int64
    ) if n > 2**60 else draw(bits, n, size, addressed)  # fmt: skip


def _words(bits, size):
    return np.random.Generator(bits).integers(0, 2**64, size, np.uint64)


def _last_left_out(split):
    """A batch of N - 1 never leaves out an agent of the last cell."""

    def wrong(bits, counts, batch):
        drawn = split(bits, counts, batch)
        if batch == counts.sum() - 1 and len(counts) > 1 and drawn[-1] < counts[-1] and drawn[0] > 0:
            drawn[-1] += 1
            drawn[0] -= 1
        return drawn

    return wrong


def _same_twice(draw):
    """Every second batch repeats the bits of the one before."""

    def wrong(key, n_agents, n, size):
        chosen, bits = draw(key, n_agents, n, size)
        chosen[1::2] = chosen[: len(chosen) // 2 * 2 : 2]
        return chosen, bits

    return wrong


def _too_large(draw):
    """One draw in a thousand is one too large."""
    return lambda bits, n, p, k: np.minimum(draw(bits, n, p, k) + (np.arange(k) % 1000 == 0), n)


def _independent_cells(split):
    """Every second cell is that of another split."""

    def wrong(bits, n, p):
        drawn = split(bits, n, p)
        drawn[:, 1::2] = split(bits, n, p)[:, 1::2]
        return drawn

    return wrong


def _ascending(draw):
    """The members of a batch in their order."""
    return lambda *arguments: (lambda chosen, bits: (np.sort(chosen, axis=1), bits))(*draw(*arguments))


def _larger(p):
    return np.where(np.asarray(p) > 0.5, p, np.asarray(p) * (1 + 1e-4))


MOVED = "1e-3 of a cell moved to another"
TABLES = {
    "uniform integers": [
        ("bounded", "no rejection at n = 3 * 2^61 + 1", _biased_integers),
        ("bounded", "n - 1 for n", lambda f: lambda bits, n, k, addressed: f(bits, max(1, n - 1), k, addressed)),
    ],
    "categorical": [
        ("categorical", MOVED, lambda f: lambda bits, p, k: f(bits, _shifted(p, 1e-3), k), 0.5),
        ("categorical", "the last cell is never drawn", lambda f: lambda *a: np.minimum(f(*a), max(0, len(a[1]) - 2))),
    ],
    "alias tables": [
        ("alias_draws", MOVED, lambda f: lambda bits, p, k: f(bits, _shifted(p, 1e-3), k), 0.5),
        ("alias_probabilities", "thresholds off by 1e-13", lambda f: lambda p: f(p) + 1e-13),
    ],
    "binomial": [
        ("binomials", "p (1 + 1e-4) for p", lambda f: lambda bits, n, p, k: f(bits, n, float(_larger(p)), k), 0.2),
        ("binomials", "n - 1 for n", lambda f: lambda bits, n, p, k: f(bits, n - 1, p, k)),
        ("binomials", "one draw in 1,000 is one too large", _too_large),
    ],
    "binomial, side by side": [
        ("binomials_abreast", "p (1 + 1e-4) for p", lambda f: lambda bits, n, p: f(bits, n, _larger(p)), 0.2),
        ("binomials_abreast", "every lane has the number of the next", lambda f: lambda *a: np.roll(f(*a), 1)),
    ],
    "multinomial": [
        ("multinomials", MOVED, lambda f: lambda bits, n, p: f(bits, n, np.tile(_shifted(p[0], 1e-3), (len(p), 1)))),
        ("multinomials", "every second cell drawn by itself", _independent_cells),
    ],
    "multinomial, one by one": [
        ("multinomial", MOVED, lambda f: lambda bits, n, p: f(bits, n, _shifted(p, 1e-3))),
    ],
    "hypergeometric": [
        ("hypergeometric_split", "with replacement",
         lambda f: lambda bits, counts, b: np.random.Generator(bits).multinomial(b, counts / counts.sum())),
        ("hypergeometric_split", "batches of N - 1 always have the whole last cell", _last_left_out),
    ],
    "small batches": [
        ("small_batches", "every second batch repeats the one before", _same_twice),
        ("small_batches", "in ascending order", _ascending),
    ],
}  # fmt: skip

WRONG = [
    Wrong(check, what, "sampling" if name in ("categorical", "multinomial", "multinomials") else "_doors",
          lifted(name, change), *scale)
    for check, ones in TABLES.items() for name, what, change, *scale in ones
]  # fmt: skip
WRONG += [
    Wrong(check, what, of, lifted(name, change), *scale)
    for check, what, of, name, change, *scale in outside_wrong.ERRORS
]
