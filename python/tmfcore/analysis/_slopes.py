"""The steepest slopes found of a function of the population: lower bounds of its Lipschitz constant.

steepest(look, slopes, anchor, trials, generator) -> (n,) float64
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tmfcore._base.validation import FloatArray
from tmfcore.analysis import _adversary

__all__ = ["steepest"]

LINE = 25  # populations per line
SHORTEST = 1e-5  # shorter lines are skipped
TINY = 1e-13  # populations that differ by less count as equal


def steepest(
    look: Callable[[FloatArray], Any],
    slopes: Callable[[Any, Any, FloatArray], FloatArray],
    anchor: FloatArray,
    trials: int,
    generator: np.random.Generator,
) -> FloatArray:
    """The largest slopes between populations on lines across the simplex, refined where they are large or change.

    One half of an interval is always at least as steep as the whole, so refinement never loses a slope.

    Parameters
    ----------
    look : f(mu) -> anything
        Called at most `trials` + 1 times; first at the corners and next to them, if half of the trials are enough.
    slopes : f(x, y, mu - nu) -> (n,) float64
        Slopes between two populations in n norms, minus a bound on rounding errors.
    anchor : (S,) float64
        A population near which the search is denser, such as one of the game's flow.
    """
    size = len(anchor)
    same = look(anchor)
    largest = slopes(same, same, np.ones(size))  # 0 in every norm, and the result if S = 1
    if size == 1:
        return largest
    left = max(trials, 2)
    corners = np.eye(size)
    groups = [corners] if 1 < size <= left // 2 else []
    if groups and size**2 <= left // 2:  # the Jacobian of an affine game is largest at a corner
        groups += [corner + _adversary.SHORT * (corners - corner) for corner in corners]
    for group in groups:
        left -= size
        seen = [look(mu) for mu in group]
        pairs = [slopes(seen[y], seen[z], group[y] - group[z]) for y in range(size) for z in range(y)]
        found = np.asarray(np.max(pairs, axis=0))
        largest = np.maximum(largest, found)
    for first, second in _adversary.lines(anchor, generator):
        n = min(LINE, left)
        if n < 2:
            break
        across = second - first
        if np.abs(across).max() < SHORTEST:
            continue
        left -= n

        def along(s: float, first: FloatArray = first, across: FloatArray = across) -> Any:
            mu = np.maximum(first + s * across, 0.0)
            return mu, look(mu)

        def compare(x: Any, y: Any, width: float) -> FloatArray:
            nonlocal largest
            moved = x[0] - y[0]
            found = slopes(x[1], y[1], moved) if np.abs(moved).max() >= TINY else np.zeros_like(largest)
            largest = np.maximum(largest, found)
            return found

        for _ in _adversary.scan(along, compare, n, generator):
            pass
    return largest
