"""Rows of probabilities: one rule for arrays, for what Python functions return, and for rows of compiled functions.

Entries    must be >= 0. Those within rounding of 0 (above -1e-14; in float32 and narrower, above -1e-6) count as 0.
Sums       of a row must be 1 within 1e-8; in float32 and narrower (torch, jax, Stable-Baselines3) within 1e-5.
Scaling    Rows in float32 and narrower are divided by their sum, in float64. Rows in float64 are used as given.

Kernels see float64 only, and have the rule for float64 (`_model/model.pyx`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tmfcore._base import wording as say
from tmfcore._base.arrays import (
    FloatArray,
    Shape,
    as_numpy,
    check_bounds,
    check_entries,
    converted,
    first_of,
)
from tmfcore._base.entries import all_distributions

ROW_TOLERANCE, NARROW_TOLERANCE = 1e-8, 1e-5  # on the sum of a row: float64, and float32 and narrower
ROUNDING, NARROW_ROUNDING = 1e-14, 1e-6  # entries of -ROUNDING or more count as 0


def as_probabilities(
    value: object,
    name: str,
    *,
    shape: Shape | Sequence[Shape] | None = None,
    letters: str | Sequence[str] = "",
    copy: bool = True,
) -> FloatArray:
    """`value` as a float64 array of distributions: entries >= 0, every row of the last axis summing to 1.

    The tolerances, and which rows are scaled, are those of this module.

    Raises
    ------
    TypeError, ValueError
        As as_float_array, and `transition[3, 1] sums to 0.97; each row must sum to 1 within 1e-08 (2 of 24
        rows are bad)`.
    """
    raw = as_numpy(value, name)
    array = converted(raw, name, np.float64, "iuf", "real numbers", copy, shape, letters)
    narrow = _is_narrow(raw)
    if array.ndim and not narrow and all_distributions(array, array.shape[-1], ROW_TOLERANCE):
        return array
    array = settled(array, narrow)
    if array.ndim and all_distributions(array, array.shape[-1], ROW_TOLERANCE):
        return array
    check_entries(array, name, np.isfinite, "must be finite")
    check_bounds(array, name, 0.0, None)
    if array.ndim == 0:
        raise ValueError(f"{name} is a single number; must be an array of probabilities")
    tolerance = NARROW_TOLERANCE if narrow else ROW_TOLERANCE
    sums = array.sum(axis=-1)
    bad = ~(np.abs(sums - 1.0) <= tolerance)
    if bad.any():
        if array.ndim == 1:
            raise ValueError(f"{name} sums to {say.number(sums)}; must sum to 1 within {tolerance:g}")
        where = first_of(bad)
        raise ValueError(
            f"{name}[{say.at(where)}] sums to {say.number(sums[where])}; "
            f"each row must sum to 1 within {tolerance:g} ({say.tally(bad, 'rows')})"
        )
    return array


def as_rows(value: object, name: str) -> FloatArray:
    """Rows that a function returned, as float64 of any shape, scaled if they are narrower; the caller checks them."""
    raw = as_numpy(value, name)
    array: FloatArray = converted(raw, name, np.float64, "iuf", "real numbers", False)
    return settled(array, True) if _is_narrow(raw) else array


def as_shares(value: object, name: str) -> FloatArray:
    """Numbers in [0, 1] that a function returned, as float64 of any shape; the caller checks them."""
    raw = as_numpy(value, name)
    array: FloatArray = converted(raw, name, np.float64, "iuf", "real numbers", False)
    return within(array, NARROW_ROUNDING) if _is_narrow(raw) else array


def settled(rows: FloatArray, narrow: bool = False) -> FloatArray:
    """Rows whose entries within rounding of 0 are 0; if they came in a `narrow` type and sum to 1, scaled. O(size)."""
    least = -(NARROW_ROUNDING if narrow else ROUNDING)
    if rows.size and rows.min() < 0:
        rows = np.where((rows < 0) & (rows >= least), 0.0, rows)
    if narrow and rows.ndim:
        sums = rows.sum(axis=-1, keepdims=True)
        near = np.abs(sums - 1) <= NARROW_TOLERANCE
        rows = rows / np.where(near, sums, 1.0)
    return rows


def within(shares: FloatArray, rounding: float = ROUNDING) -> FloatArray:
    """Numbers of which those within `rounding` of [0, 1] are in it."""
    held = np.clip(shares, 0.0, 1.0)
    return np.where(np.abs(shares - held) <= rounding, held, shares)


def _is_narrow(raw: npt.NDArray[Any]) -> bool:
    return raw.dtype.kind == "f" and raw.dtype.itemsize < 8
