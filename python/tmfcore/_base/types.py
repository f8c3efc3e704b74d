"""Types of arguments, beside the checks of their values: words of choices, arrays, functions of the population.

    Clock Engine Start Time choices of several verbs (others stand where they are made); validation.as_choice reads them
    FloatsLike              numbers, nested sequences of them, and whatever has `__array__`: numpy, pandas, jax, torch
    TableLike               the same, or a function of (mu), (mu, t) or (mu, t, z) that returns the same

numpy's own ArrayLike takes strings and objects, too, which every check here refuses.
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
    """What numpy.asarray takes for an array; numpy's own numbers are among it."""

    def __array__(self) -> npt.NDArray[Any]:
        """The numbers as an array of numpy's."""
        ...


# To a depth, since a type that contains itself would take "abc", whose entries are strings again.
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
