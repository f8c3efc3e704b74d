"""Minimisation over a vector, some components of which must be nonnegative: projected L-BFGS."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tmfcore._base.pieces import add, copied, elementwise, parts
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
    """Find a point with a smaller value than x by two-metric projection (Bertsekas, SIAM J. Control Optim. 20, 1982).

    Components at their bound whose step would leave the feasible set are held. The others follow the L-BFGS direction
    (Nocedal, Math. Comp. 35, 1980) of their entries of the last steps. The path is projected, with Armijo's test.

    Parameters
    ----------
    function : callable x -> (value, gradient)
        A fresh gradient array at each call.
    x : (n,) float64
        Feasible.
    nonnegative : (n,) bool
        Which components must stay >= 0.
    steps : int
        The most steps to make.
    target : float
        Stop at a value <= target.

    Returns
    -------
    (n,) float64
        The last point, feasible. If fewer than `steps` steps were made, no step of sufficient decrease was found there.

    Notes
    -----
    Small matrices are handled without BLAS, whose threads would cost more than they gain. Cost: O(n) per step.
    """
    value, gradient = function(x)
    pairs: deque[tuple[FloatArray, FloatArray]] = deque(maxlen=MEMORY)
    for _ in range(steps):
        if value <= target:
            break
        held = elementwise(lambda x, g, bounded: bounded & (x <= 1e-12) & (g > 0), x, gradient, nonnegative)
        downhill = elementwise(lambda held, g: np.where(held, 0.0, -g), held, gradient)
        direction = _two_loop(downhill, pairs, held)
        if not float(direction @ gradient) < 0:
            pairs.clear()
            direction = downhill
        length = 1.0 if pairs else 1.0 / max(1e-300, float(max(direction.max(), -direction.min()))) * 1e-2
        for _ in range(HALVINGS):
            moved = _moved(x, length, direction, nonnegative)
            found, slope = function(moved)
            change = elementwise(np.subtract, moved, x)
            if found <= value + SUFFICIENT * float(gradient @ change):
                break
            length *= 0.5
        else:
            if not pairs:
                return x
            pairs.clear()
            continue
        turn = elementwise(np.subtract, slope, gradient)
        if float(change @ turn) > 1e-14 * float(turn @ turn):
            pairs.append((change, turn))
        x, value, gradient = moved, found, slope
    return x


def _moved(x: FloatArray, length: float, along: FloatArray, nonnegative: npt.NDArray[np.bool_]) -> FloatArray:
    """The projection of x + length * along."""

    def move(x: FloatArray, along: FloatArray, bounded: npt.NDArray[np.bool_]) -> FloatArray:
        moved = x + length * along
        np.maximum(moved, 0.0, out=moved, where=bounded)
        return moved

    return elementwise(move, x, along, nonnegative)


def _two_loop(
    downhill: FloatArray, pairs: deque[tuple[FloatArray, FloatArray]], held: npt.NDArray[np.bool_]
) -> FloatArray:
    """The L-BFGS inverse Hessian of the last steps, restricted to components not held, times `downhill`."""
    direction = copied(downhill)
    used: list[tuple[FloatArray, FloatArray, float, float]] = []
    scale = 1.0
    for change, turn in reversed(pairs):
        s, y = (elementwise(lambda held, one: np.where(held, 0.0, one), held, each) for each in (change, turn))
        curvature = float(s @ y)
        if curvature <= 1e-14 * float(y @ y):
            continue
        if not used:
            scale = curvature / float(y @ y)
        factor = float(s @ direction) / curvature
        add(-factor, y, direction)
        used.append((s, y, curvature, factor))
    for part in parts(len(direction)):
        direction[part] *= scale
    for s, y, curvature, factor in reversed(used):
        add(factor - float(y @ direction) / curvature, s, direction)
    return direction
