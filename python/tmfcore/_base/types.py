"""Types of arguments: words to choose from, arrays, functions of the population.

    Clock Engine Start Time choices shared by several functions; validation.as_choice reads them at run time
    FloatsLike              numbers, nested sequences of them, and objects with `__array__`: numpy, pandas, jax, torch
    TableLike               the same, or a function of (mu), (mu, t) or (mu, t, z) that returns the same

numpy's own ArrayLike also admits strings and objects, which the checks of this package refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "Clock", "Engine", "FloatsLike", "PolicyKind", "SharesKind", "Start", "SupportsArray", "TableFunction", "TableLike",
    "Time",
]  # fmt: skip

Clock: TypeAlias = Literal["schedule", "always"]
Engine: TypeAlias = Literal["auto", "counts", "agents"]
Start: TypeAlias = Literal["rounded", "sampled"]
Time: TypeAlias = Literal["steps", "sweeps"]
SharesKind: TypeAlias = Literal["auto", "lines", "places", "heat", "profiles", "snapshots"]  # pictures of shares
PolicyKind: TypeAlias = Literal["auto", "table", "time", "grid"]  # pictures of a policy


class SupportsArray(Protocol):
    """Any object that numpy.asarray converts by `__array__`, numpy's scalars included."""

    def __array__(self) -> npt.NDArray[Any]:
        """The numbers as a numpy array."""
        ...


# Of limited depth: a recursive type would admit "abc", whose entries are strings again.
_Number: TypeAlias = float | SupportsArray
_Row: TypeAlias = _Number | Sequence[_Number]
_Rows: TypeAlias = _Number | Sequence[_Row]
_Tables: TypeAlias = _Number | Sequence[_Rows]
FloatsLike: TypeAlias = _Number | Sequence[_Tables]

_Mu: TypeAlias = npt.NDArray[np.float64]
TableFunction: TypeAlias = (
    Callable[[_Mu], FloatsLike] | Callable[[_Mu, int], FloatsLike] | Callable[[_Mu, int, Any], FloatsLike]
)
TableLike: TypeAlias = FloatsLike | TableFunction
