"""The steepest slopes found of a function of the population: lower bounds of a Lipschitz constant.

steepest(look, slopes, anchor, trials, generator) -> (n,) float64
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tmfcore._base.validation import FloatArray
from tmfcore.analysis import _adversary

__all__ = ["steepest"]

LINE = 25  # populations of a line
SHORTEST = 1e-5  # lines of a smaller extent are left out
TINY = 1e-13  # populations that differ by less are the same but for rounding


def steepest(
    look: Callable[[FloatArray], Any],
    slopes: Callable[[Any, Any, FloatArray], FloatArray],
    anchor: FloatArray,
    trials: int,
    generator: np.random.Generator,
) -> FloatArray:
    """The largest slopes between populations on lines across the simplex, refined where they are large or change.

    Of two halves of an interval one is as steep as the whole, so that refinement never loses what it has found.

    Parameters
    ----------
    look : f(mu) -> anything
        Called at most `trials` + 1 times; first at the corners and next to them, where half of these are enough.
    slopes : f(x, y, mu - nu) -> (n,) float64
        Slopes between two populations, by each of n measures, less what rounding may add.
    anchor : (S,) float64
        A population around which more is looked at: where the game's flow is.
    """
    size = len(anchor)
    same = look(anchor)
    largest = slopes(same, same, np.ones(size))  # 0 by every measure, and all there is where S = 1
    if size == 1:
        return largest
    left = max(trials, 2)
    corners = np.eye(size)
    groups = [corners] if 1 < size <= left // 2 else []
    if groups and size**2 <= left // 2:  # next to a corner the Jacobian of an affine game is largest
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
