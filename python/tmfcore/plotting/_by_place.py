"""Sums over observations of the same place, for labels "place, detail"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tmfcore._base.validation import FloatArray, IntArray


def places_of(labels: Sequence[str]) -> tuple[tuple[str, ...], IntArray]:
    """The distinct places of labels "place, detail", in order, and the index of the place of each label, (S,)."""
    names = [label.partition(", ")[0] for label in labels]
    number = {name: k for k, name in enumerate(dict.fromkeys(names))}
    return tuple(number), np.array([number[name] for name in names])


def by_place(values: npt.NDArray[np.floating[Any]], places: IntArray) -> FloatArray:
    """Sums (..., P) of values (..., S) by place."""
    sums = np.zeros((*values.shape[:-1], int(places.max()) + 1))
    np.add.at(np.moveaxis(sums, -1, 0), places, np.moveaxis(values, -1, 0))
    return sums
