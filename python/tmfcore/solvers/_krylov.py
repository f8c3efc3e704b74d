"""GMRES without restarts (Saad and Schultz, SIAM J. Sci. Stat. Comput. 7, 1986), on vectors of any length in pieces."""

from __future__ import annotations

from collections.abc import Callable
from math import hypot, sqrt

import numpy as np

from tmfcore._base.pieces import add, elementwise
from tmfcore._base.validation import FloatArray

__all__ = ["gmres"]

BREAKDOWN = float(np.finfo(np.float64).eps)  # a direction shorter by this factor than its product is one of rounding


def gmres(
    product: Callable[[FloatArray], FloatArray], wanted: FloatArray, tolerance: float, directions: int
) -> FloatArray:
    """The x of the Krylov space of J and `wanted` that makes |J x - wanted| smallest.

    Parameters
    ----------
    product : callable v -> J v
        A new array (n,) at each call.
    wanted : (n,) float64
    tolerance : float
        The space grows until the residual is smaller than `wanted` by this factor,
    directions : int
        or has so many directions, each of which is stored.

    Returns
    -------
    (n,) float64

    Notes
    -----
    Cost: a product, and O(k n), for direction k. scipy's makes a product more, and adds all directions up in one call.
    """
    size = _norm(wanted)
    found = np.zeros_like(wanted)
    if size == 0.0:
        return found
    basis = [elementwise(lambda vector: vector / size, wanted)]
    columns: list[list[float]] = []  # of a triangular matrix, which rotations make of that of the products
    rotations: list[tuple[float, float]] = []
    residuals = [size]  # in the rotated basis
    while True:
        vector = product(basis[-1])
        before, column = _norm(vector), []
        for one in basis:
            column.append(float(one @ vector))
            add(-column[-1], one, vector)
        length = _norm(vector)
        last = not length > BREAKDOWN * before  # not a number, too
        column.append(0.0 if last else length)
        for k, (c, s) in enumerate(rotations):
            column[k], column[k + 1] = c * column[k] + s * column[k + 1], c * column[k + 1] - s * column[k]
        diagonal = hypot(*column[-2:])
        c, s = (column[-2] / diagonal, column[-1] / diagonal) if diagonal > 0 else (1.0, 0.0)
        rotations.append((c, s))
        columns.append([*column[:-2], diagonal])
        residuals[-1:] = [c * residuals[-1], -s * residuals[-1]]
        if last or abs(residuals[-1]) <= tolerance * size or len(basis) >= directions:
            break
        basis.append(elementwise(lambda vector, length=length: vector / length, vector))
    for k in reversed(range(len(basis))):
        share = residuals[k] / columns[k][k] if columns[k][k] > 0 else 0.0
        for i in range(k):
            residuals[i] -= share * columns[k][i]
        add(share, basis[k], found)
    return found


def _norm(vector: FloatArray) -> float:
    return sqrt(float(vector @ vector))
