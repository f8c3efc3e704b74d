"""Work of numpy on large arrays in pieces, between which Python runs the handlers of signals: Ctrl-C ends it soon.

    add(factor, vector, total)        total += factor * vector
    copied(array)                     a copy
    copy(source, target)              np.copyto
    elementwise(function, *arrays)    function(*arrays)
    parts(n, width)                   slices of n rows of `width` numbers each, some milliseconds of work apart

A call of numpy cannot be interrupted, and writes to new memory at about 1 GB/s, on virtual machines at 0.5 GB/s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["PIECE", "add", "copied", "copy", "elementwise", "parts"]

PIECE = 1 << 20  # numbers

_S = TypeVar("_S", bound=np.generic)


def parts(n: int, width: int = 1) -> Iterator[slice]:
    """Slices that cover range(n), each of at most PIECE / width rows and at least one."""
    rows = max(1, PIECE // max(width, 1))
    for first in range(0, n, rows):
        yield slice(first, min(first + rows, n))


def add(factor: float, vector: npt.NDArray[Any], total: npt.NDArray[Any]) -> None:
    """Add factor * vector to total, both (n,)."""
    for part in parts(len(total)):
        total[part] += factor * vector[part]


def copy(source: npt.NDArray[Any], target: npt.NDArray[Any]) -> None:
    """np.copyto(target, source), of C-contiguous arrays of one shape."""
    if source.size <= PIECE:
        np.copyto(target, source)
        return
    flat, out = source.reshape(-1), target.reshape(-1)
    for part in parts(flat.size):
        out[part] = flat[part]


def copied(array: npt.NDArray[_S]) -> npt.NDArray[_S]:
    """A copy of a C-contiguous array."""
    found = np.empty_like(array)
    copy(array, found)
    return found


def elementwise(
    function: Callable[..., npt.NDArray[_S]], first: npt.NDArray[Any], *others: npt.NDArray[Any]
) -> npt.NDArray[_S]:
    """function(first, *others), of vectors of one length, which works on each element alone."""
    if first.size <= PIECE:
        return function(first, *others)
    found: npt.NDArray[_S] | None = None
    for part in parts(len(first)):
        some = function(first[part], *(other[part] for other in others))
        if found is None:
            found = np.empty(len(first), some.dtype)
        found[part] = some
    assert found is not None, "there is a first part"
    return found
