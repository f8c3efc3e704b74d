"""A search for large or changing slopes of a black-box function: kinks, spikes, narrow windows.

    scan(look, compare, n, generator)     evaluates n points of one line, more of them where slopes differ or are large
    lines(anchor, generator)              lines across the simplex: edges, one share from 0 to 1, chords, near a point

A search can refute a property, but never prove it: between its evaluations a black-box function can do anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tmfcore._base.validation import FloatArray

__all__ = ["SHORT", "lines", "random_populations", "scan"]

FIRST = 9  # points of a line before it is refined
ALIKE = 1e-6  # numbers that differ by less than this share of the largest count as equal
SHORT = 1e-3  # length of a short line near a corner, as a share of the way to another corner
NARROWEST = 1e-7  # narrowest interval, as a share of a line: below it differences are mostly rounding


def scan(
    look: Callable[[float], Any],
    compare: Callable[[Any, Any, float], FloatArray],
    n: int,
    generator: np.random.Generator,
) -> Iterator[None]:
    """Evaluate up to n points s in [0, 1]: both ends, some between, and midpoints of the intervals that stand out.

    Parameters
    ----------
    look : f(s) -> anything
        Called once per point.
    compare : f(left, right, width) -> (M,) float64
        Called with the values of two neighbouring points; returns numbers, such as slopes, that are constant along a
        line on which nothing is hidden, and larger the closer they are to a violation.
    n : int
        At least 2.

    Yields
    ------
    None
        After every comparison, so that the caller may stop. If the numbers are equal on all intervals between the first
        9 points, the scan ends. Otherwise it halves, in turns, the interval with the largest numbers, the interval
        whose numbers differ most from a neighbour's (weighted by its width), and the widest interval.
    """
    inner = generator.uniform(size=max(0, min(FIRST, n) - 2))
    at = np.concatenate([[0.0], (np.arange(len(inner)) + inner) / max(len(inner), 1), [1.0]]).tolist()
    seen = [look(s) for s in at]
    found: list[FloatArray] = []
    for i in range(len(at) - 1):
        found.append(compare(seen[i], seen[i + 1], max(at[i + 1] - at[i], NARROWEST)))
        yield
    if np.ptp(found, axis=0).max() <= ALIKE * np.abs(found).max():
        return
    turn = 0
    while len(at) < n:
        widths = np.diff(at)
        i = _next(np.array(found), widths, turn % 3)
        turn += 1
        if widths[i] < 2 * NARROWEST:
            i = int(np.argmax(widths))
        middle = 0.5 * (at[i] + at[i + 1])
        at.insert(i + 1, middle)
        seen.insert(i + 1, look(middle))
        found[i : i + 1] = [
            compare(seen[j], seen[j + 1], at[j + 1] - at[j]) for j in (i, i + 1)
        ]
        yield


def _next(found: FloatArray, widths: FloatArray, turn: int) -> int:
    """The interval to halve."""
    usable = widths >= 2 * NARROWEST
    spread = found - np.median(found, axis=0)
    if turn == 0:
        score = spread.max(axis=1) * widths**0.1
    elif turn == 1 and len(found) > 1:
        gaps = np.abs(np.diff(found, axis=0)).max(axis=1)
        score = np.maximum(np.append(gaps, 0.0), np.append(0.0, gaps)) * widths
        if score.max() <= 1e-9 * np.abs(found).max():
            score = widths
    else:
        score = widths
    return int(np.argmax(np.where(usable, score, -np.inf)))


def lines(anchor: FloatArray, generator: np.random.Generator) -> Iterator[tuple[FloatArray, FloatArray]]:
    """An endless stream of lines across the simplex, as pairs of ends; every other line starts at `anchor` (S,).

    Lines from the anchor towards a corner cover the whole way or down to a hundredth of it. The other lines are: edges
    between corners; from a corner to the centre or another mixture of the other corners, along which one share goes
    from 1 to 0; chords between random points, long and short; short lines near a corner.
    """
    size = len(anchor)
    corners = np.eye(size)
    kind = 0
    while True:
        toward = corners[generator.integers(size)]
        yield anchor, anchor + 10 ** generator.uniform(-2, 0) * (toward - anchor)
        y, z = generator.permutation(size)[:2] if size > 1 else (0, 0)
        if kind % 5 == 0:
            yield corners[y], corners[z]
        elif kind % 5 == 1:
            others = random_populations(generator, 1, size)[0] if kind % 2 else np.ones(size)
            others = np.where(np.arange(size) == y, 0.0, others)
            yield corners[y], others / others.sum() if others.sum() > 0 else corners[y]
        elif kind % 5 == 4:
            near = corners[generator.integers(size)]
            yield near + SHORT * (corners[y] - near), near + SHORT * (corners[z] - near)
        else:
            first, second = random_populations(generator, 2, size)
            yield first, second if kind % 5 == 2 else 0.9 * first + 0.1 * second
        kind += 1


def random_populations(generator: np.random.Generator, n: int, size: int) -> FloatArray:
    """(n, S) distributions, from near the corners to the middle of the simplex."""
    concentration = 10.0 ** generator.uniform(-1.0, 1.0, size=n)
    weights = np.array([generator.gamma(c, size=size) for c in concentration]) + 1e-12
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
