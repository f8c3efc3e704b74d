"""Minimisation over a partly nonnegative vector: L-BFGS directions, projected."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tmfcore._base.validation import FloatArray

__all__ = ["minimise"]

MEMORY, SUFFICIENT, HALVINGS = 10, 1e-4, 40


def minimise(
    function: Callable[[FloatArray], tuple[float, FloatArray]],
    x: FloatArray,
    nonnegative: npt.NDArray[np.bool_],
    steps: int,
    target: float,
) -> FloatArray:
    """A point with a smaller value than x, by two-metric projection (Bertsekas, SIAM J. Control Optim. 20, 1982).

    Components at their bound that would leave it are held; the others follow the L-BFGS direction (Nocedal, Math.
    Comp. 35, 1980) made of their part of the last steps, and the path is projected, with Armijo's test.

    Parameters
    ----------
    function : callable x -> (value, gradient)
        The gradient is the caller's from then on.
    x : (n,) float64
        Feasible.
    nonnegative : (n,) bool
        Which components must stay >= 0.
    steps : int
        At most.
    target : float
        Stop at a value <= target.

    Returns
    -------
    (n,) float64
        Feasible; the last point, at which no step of sufficient decrease was found if fewer than `steps` were made.

    Notes
    -----
    No linear algebra library is called on small matrices: its threads would cost more than they gain. O(n) a step.
    """
    value, gradient = function(x)
    pairs: deque[tuple[FloatArray, FloatArray]] = deque(maxlen=MEMORY)
    for _ in range(steps):
        if value <= target:
            break
        held = nonnegative & (x <= 1e-12) & (gradient > 0)
        downhill = np.where(held, 0.0, -gradient)
        direction = _two_loop(downhill, pairs, held)
        if not float(direction @ gradient) < 0:
            pairs.clear()
            direction = downhill
        length = 1.0 if pairs else 1.0 / max(1e-300, float(np.abs(direction).max())) * 1e-2
        for _ in range(HALVINGS):
            moved = x + length * direction
            np.maximum(moved, 0.0, out=moved, where=nonnegative)
            found, slope = function(moved)
            change = moved - x
            if found <= value + SUFFICIENT * float(gradient @ change):
                break
            length *= 0.5
        else:
            if not pairs:
                return x
            pairs.clear()
            continue
        turn = slope - gradient
        if float(change @ turn) > 1e-14 * float(turn @ turn):
            pairs.append((change, turn))
        x, value, gradient = moved, found, slope
    return x


def _two_loop(
    downhill: FloatArray, pairs: deque[tuple[FloatArray, FloatArray]], held: npt.NDArray[np.bool_]
) -> FloatArray:
    """The inverse Hessian of the last steps, as seen by the components that are not held, times `downhill`."""
    direction = downhill.copy()
    used: list[tuple[FloatArray, FloatArray, float, float]] = []
    scale = 1.0
    for change, turn in reversed(pairs):
        s, y = np.where(held, 0.0, change), np.where(held, 0.0, turn)
        curvature = float(s @ y)
        if curvature <= 1e-14 * float(y @ y):
            continue
        if not used:
            scale = curvature / float(y @ y)
        factor = float(s @ direction) / curvature
        direction -= factor * y
        used.append((s, y, curvature, factor))
    direction *= scale
    for s, y, curvature, factor in reversed(used):
        direction += (factor - float(y @ direction) / curvature) * s
    return direction
