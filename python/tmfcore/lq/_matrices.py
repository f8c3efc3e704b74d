"""Checks of matrices: of one shape at all steps or one per step, symmetric, semidefinite, split into groups.

series(value, name, length, rows, columns)   (length, rows, columns), a broadcast view if it is the same at all steps
symmetric(series, name)                      the same, made exactly symmetric
covariance(value, name, size)                (size, size), symmetric and positive semidefinite
apart(series, name, rows, columns)           raises if an entry couples two groups
root(covariance)                             its symmetric root
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray, IntArray

__all__ = ["apart", "covariance", "items", "root", "series", "symmetric"]

ROUNDING = 1e-9  # by which a matrix may miss symmetry, as a share of its largest entry


def items(value: object, name: str, n: int | None = None) -> tuple[object, ...]:
    """The matrices of the teams, one each; `n` teams if that is known."""
    wanted = "a sequence with one matrix (or number) per team"
    if isinstance(value, (Set, Mapping, Iterator)):  # without an order, or spent when it is read again
        raise TypeError(f"{name} is {say.show(value)}; must be {wanted}")
    found = check.as_items(value, name, wanted)
    if not found or (n is not None and len(found) != n):
        wanted = "at least one entry" if n is None else f"one entry per team, as B has: {n}"
        raise ValueError(f"{name} has {len(found)} entries; must have {wanted}")
    return found


def series(value: object, name: str, length: int, rows: int, columns: int, letters: str) -> FloatArray:
    """Matrices (length, rows, columns) from one matrix, one per step, or a number: that times the identity."""
    if not check.is_array(value):
        number = check.as_float(value, name)
        if rows != columns:
            raise ValueError(f"{name} is {number!r}; must be a matrix {say.shape((rows, columns), letters)}")
        array = number * np.eye(rows)
    else:
        array = check.as_float_array(
            value, name, shape=[(rows, columns), (length, rows, columns)], letters=[letters, f"T, {letters}"]
        )
    return np.broadcast_to(array, (length, rows, columns))


def symmetric(matrices: FloatArray, name: str) -> FloatArray:
    """The mean of the matrices and their transposes, which they must be already, up to rounding."""
    first = matrices[:1] if matrices.strides[0] == 0 else matrices
    other = first.swapaxes(-1, -2)
    bad = np.abs(first - other) > ROUNDING * np.abs(first).max(initial=0.0)
    if bad.any():
        t, i, j = (int(k) for k in np.argwhere(bad)[0])
        at = f"{i}, {j}" if len(first) == 1 else f"{t}, {i}, {j}"
        turned = f"{j}, {i}" if len(first) == 1 else f"{t}, {j}, {i}"
        raise ValueError(f"{name}[{at}] is {first[t, i, j]:.12g}; must equal {name}[{turned}], {first[t, j, i]:.12g}")
    found: FloatArray = np.broadcast_to(first / 2 + other / 2, matrices.shape)  # without overflow
    return found


def covariance(value: FloatsLike, name: str, size: int) -> FloatArray:
    """A covariance (size, size); a number is that times the identity."""
    found: FloatArray = symmetric(series(value, name, 1, size, size, "m, m"), name)[0]
    low = float(np.linalg.eigvalsh(found).min())
    if low < -ROUNDING * np.abs(found).max(initial=0.0):
        raise ValueError(f"{name} has the eigenvalue {low:.6g}; must be positive semidefinite")
    return found


def apart(matrices: FloatArray, name: str, rows: IntArray, columns: IntArray) -> None:
    """Check that no entry is in a row of one group and a column of another."""
    first = matrices.reshape(-1, *matrices.shape[-2:])
    first = first[:1] if first.strides[0] == 0 else first
    bad = (first != 0) & (rows[:, np.newaxis] != columns[np.newaxis, :])
    if bad.any():
        t, i, j = (int(k) for k in np.argwhere(bad)[0])
        raise ValueError(
            f"{name}[{i}, {j}] is {first[t, i, j]:.6g}; must be 0: it couples groups {rows[i]} and {columns[j]}, whose "
            "agents meet in their means only (A_bar, B_bar, Q_bar)"
        )


def root(covariance: FloatArray) -> FloatArray:
    """The symmetric root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(covariance)
    found: FloatArray = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return found
