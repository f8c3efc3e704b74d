"""The gate: every value a user hands over is checked once, here, and leaves as a plain number or array.

    as_int(value, name, low, high)              int; bool and float are TypeErrors
    as_positive_int(value, name, high)          int >= 1
    as_float(value, name, low, high, ...)       finite float, closed or open bounds
    as_bool(value, name)                        bool
    as_choice(value, name, choices)             one of the strings, with a "did you mean"
    as_instance(value, name, kinds)             the value itself, of one of the classes
    as_string(value, name)                      str
    as_labels(value, name, n)                   tuple of n different strings
    as_float_array(value, name, shape, ...)     float64, finite, C-contiguous, own copy unless copy=False
    as_int_array(value, name, shape, ...)       int64, C-contiguous, own copy unless copy=False
    as_probabilities(value, name, shape, ...)   float64 array whose last axis is a distribution, row by row
    as_counts(value, name, shape, n_agents)     int64, >= 0, every row summing to n_agents
    as_successors(value, name, shape, n)        int32 indices of observations
    frozen(array)                               the same array, made read-only
    is_array(value)                             whether it is array-like rather than one number

Errors come in one shape, `argument[index] is VALUE; must BOUND (k of n entries are bad)`: ValueError for
content, TypeError for kind. Nothing is clipped, renormalised or guessed. A `shape` is a tuple in which None
means any length >= 1; `letters` names its dimensions in the error ("S, A"; a list with a list of shapes).
Arrays may be anything with `__dlpack__` or that numpy.asarray takes. Cost: O(size) for arrays.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from tmfcore import _wording as say

__all__ = [
    "ROW_TOLERANCE",
    "FloatArray",
    "IntArray",
    "SuccessorArray",
    "as_bool",
    "as_choice",
    "as_counts",
    "as_float",
    "as_float_array",
    "as_instance",
    "as_int",
    "as_int_array",
    "as_labels",
    "as_positive_int",
    "as_probabilities",
    "as_string",
    "as_successors",
    "frozen",
    "is_array",
]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
SuccessorArray: TypeAlias = npt.NDArray[np.int32]
Shape: TypeAlias = tuple[int | None, ...]

ROW_TOLERANCE = (
    1e-8  # how far a row of probabilities may be from summing to 1; the kernels use the same number
)

_T = TypeVar("_T")
_Scalar = TypeVar("_Scalar", bound=np.generic)


# ---------------------------------------------------------------------------------------------------- scalars


def as_int(value: object, name: str, *, low: int | None = None, high: int | None = None) -> int:
    """`value` as an int in [low, high]; anything with `__index__` except booleans."""
    value = _plain(value, name)
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} is {say.show(value)}; must be an integer")
    try:
        number = operator.index(value)
    except TypeError:  # an ndarray has __index__ too, and refuses unless it is a single integer
        raise TypeError(f"{name} is {say.show(value)}; must be an integer") from None
    if (low is not None and number < low) or (high is not None and number > high):
        raise ValueError(f"{name} is {number}; must be {say.interval(low, high)}")
    return number


def _plain(value: object, name: str) -> object:
    """`value`, and where it is an array of no dimension, of any library, the number in it."""
    if getattr(value, "ndim", None) == 0 and not isinstance(value, np.generic):
        return _as_numpy(value, name)[()]
    return value


def as_positive_int(value: object, name: str, *, high: int | None = None) -> int:
    """`value` as an int in [1, high]."""
    return as_int(value, name, low=1, high=high)


def as_float(
    value: object,
    name: str,
    *,
    low: float | None = None,
    high: float | None = None,
    low_open: bool = False,
    high_open: bool = False,
) -> float:
    """`value` as a finite float between the bounds, which belong to the interval unless open."""
    value = _plain(value, name)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} is {say.show(value)}; must be a real number")
    try:
        number = float(value)
    except OverflowError:
        number = np.inf
    if not np.isfinite(number):
        raise ValueError(f"{name} is {number}; must be finite")
    below = low is not None and (number < low or (low_open and number == low))
    above = high is not None and (number > high or (high_open and number == high))
    if below or above:
        raise ValueError(f"{name} is {number!r}; must be {say.interval(low, high, low_open, high_open)}")
    return number


def as_bool(value: object, name: str) -> bool:
    """`value` as a bool; 0 and 1 are not booleans."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} is {say.show(value)}; must be True or False")
    return bool(value)


def as_choice(value: object, name: str, choices: Iterable[str]) -> str:
    """`value` if it is one of the strings in `choices`; the error lists them and suggests the closest."""
    choices = tuple(choices)
    if not isinstance(value, str):
        raise TypeError(f"{name} is {say.show(value)}; must be one of {say.listed(choices)}")
    if value not in choices:
        from difflib import get_close_matches  # only on the way to an error

        close = get_close_matches(value, choices, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ValueError(f"{name} is {value!r}; must be one of {say.listed(choices)}{hint}")
    return value


def as_instance(value: Any, name: str, kinds: type[_T] | tuple[type[_T], ...]) -> _T:
    """`value` itself if it is an instance of one of `kinds`."""
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    if not isinstance(value, kinds):
        wanted = " or ".join(say.article(kind.__name__) for kind in kinds)
        raise TypeError(f"{name} is {say.show(value)}; must be {wanted}")
    return value


def as_string(value: object, name: str) -> str:
    """`value` if it is a str."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is {say.show(value)}; must be a string")
    return value


def as_labels(value: object, name: str, n: int) -> tuple[str, ...]:
    """`value` as a tuple of `n` different strings."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"{name} is {say.show(value)}; must be a sequence of {n} strings")
    labels = tuple(as_string(label, f"{name}[{i}]") for i, label in enumerate(value))
    if len(labels) != n:
        raise ValueError(f"{name} has {len(labels)} labels; must have {n}")
    first: dict[str, int] = {}
    for i, label in enumerate(labels):
        if first.setdefault(label, i) != i:
            raise ValueError(f"{name}[{i}] is {label!r}; must differ from {name}[{first[label]}]")
    return labels


# ----------------------------------------------------------------------------------------------------- arrays


def as_float_array(
    value: object,
    name: str,
    *,
    shape: Shape | Sequence[Shape] | None = None,
    letters: str | Sequence[str] = "",
    low: float | None = None,
    high: float | None = None,
    low_open: bool = False,
    high_open: bool = False,
    copy: bool = True,
) -> FloatArray:
    """`value` as a finite C-contiguous float64 array.

    Parameters
    ----------
    value
        Real numbers (integers and floats of any width) in anything with `__dlpack__` or that numpy.asarray
        takes.
    name
        What errors call it.
    shape
        The shape it must have, None where any length >= 1 will do; or a list of such shapes to choose from.
    letters
        The dimensions by letter for the error text, as "S, A"; a list of them if `shape` is one.
    low, high, low_open, high_open
        Bounds on every entry, closed unless open.
    copy
        True (default): the result shares no memory with `value`. False: it may.

    Raises
    ------
    TypeError
        Booleans, complex numbers, strings, objects, ragged or masked arrays.
    ValueError
        A wrong shape; an entry that is not finite or out of bounds (the first is named, all are counted).
    """
    array = _convert(value, name, np.float64, "iuf", "real numbers", copy)
    _check_shape(array, name, shape, letters)
    _check_entries(array, name, np.isfinite, "must be finite")
    _check_bounds(array, name, low, high, low_open, high_open)
    return array


def as_int_array(
    value: object,
    name: str,
    *,
    shape: Shape | Sequence[Shape] | None = None,
    letters: str | Sequence[str] = "",
    low: int | None = None,
    high: int | None = None,
    copy: bool = True,
) -> IntArray:
    """`value` as a C-contiguous int64 array, entries in [low, high]; floats are refused, even whole ones."""
    array = _convert(value, name, np.int64, "iu", "integers", copy)
    _check_shape(array, name, shape, letters)
    _check_bounds(array, name, low, high)
    return array


def as_probabilities(
    value: object,
    name: str,
    *,
    shape: Shape | Sequence[Shape] | None = None,
    letters: str | Sequence[str] = "",
    copy: bool = True,
) -> FloatArray:
    """`value` as a float64 array of distributions: entries >= 0, every row of the last axis summing to 1.

    The tolerance on the sum is ROW_TOLERANCE; rows are passed on as given, never renormalised.

    Raises
    ------
    TypeError, ValueError
        As as_float_array, and `transition[3, 1] sums to 0.97; each row must sum to 1 within 1e-08 (2 of 24
        rows are bad)`.
    """
    array = as_float_array(value, name, shape=shape, letters=letters, low=0.0, copy=copy)
    if array.ndim == 0:
        raise ValueError(f"{name} is a single number; must be an array of probabilities")
    sums = array.sum(axis=-1)
    bad = ~(np.abs(sums - 1.0) <= ROW_TOLERANCE)
    if bad.any():
        if array.ndim == 1:
            raise ValueError(f"{name} sums to {say.number(sums)}; must sum to 1 within {ROW_TOLERANCE:g}")
        where = _first(bad)
        raise ValueError(
            f"{name}[{say.at(where)}] sums to {say.number(sums[where])}; "
            f"each row must sum to 1 within {ROW_TOLERANCE:g} ({say.tally(bad, 'rows')})"
        )
    return array


def as_counts(
    value: object,
    name: str,
    *,
    shape: Shape | Sequence[Shape] | None = None,
    letters: str | Sequence[str] = "",
    n_agents: int | None = None,
    copy: bool = True,
) -> IntArray:
    """`value` as int64 counts by observation (last axis): entries >= 0, every row summing to `n_agents`."""
    array = as_int_array(value, name, shape=shape, letters=letters, low=0, copy=copy)
    if n_agents is not None:
        # int64 sums wrap modulo 2**64, so a wrong row could land on n_agents; its sum in floats then gives it
        # away.
        bad = (array.sum(axis=-1) != n_agents) | (array.sum(axis=-1, dtype=np.float64) > 1.5 * n_agents)
        if bad.any():
            where = _first(bad)
            at = f"[{say.at(where)}]" if where else ""
            total = sum(int(n) for n in array[where])
            tally = f" ({say.tally(bad, 'rows')})" if where else ""
            raise ValueError(f"{name}{at} sums to {total}; must sum to n_agents = {n_agents}{tally}")
    return array


def as_successors(
    value: object, name: str, *, shape: Shape, letters: str | Sequence[str] = "", n_observations: int
) -> SuccessorArray:
    """`value` as an int32 array of observations in [0, n_observations); a row may name one twice."""
    wide = as_int_array(value, name, shape=shape, letters=letters, low=0, high=n_observations - 1, copy=False)
    return np.array(wide, dtype=np.int32, order="C")


def frozen(array: npt.NDArray[_Scalar]) -> npt.NDArray[_Scalar]:
    """The same array, read-only from now on."""
    array.setflags(write=False)
    return array


def is_array(value: object) -> bool:
    """Whether `value` is array-like of one dimension or more, where either that or a number will do."""
    if isinstance(value, (str, bytes, np.generic)) or getattr(value, "ndim", 1) == 0:
        return False
    return any(hasattr(value, mark) for mark in ("__len__", "__array__", "__dlpack__"))


# ----------------------------------------------------------------------------------------------------- pieces


def _convert(
    value: object, name: str, dtype: type[Any], kinds: str, what: str, copy: bool
) -> npt.NDArray[Any]:
    """Any array-like as a C-contiguous array of `dtype`, refusing dtypes whose kind is not among `kinds`."""
    raw = _as_numpy(value, name)
    nothing = raw.size == 0 and raw.dtype.kind == "f"  # [] is float64 to numpy
    if raw.dtype.kind not in kinds and not nothing:
        kind = "objects" if raw.dtype.kind == "O" else f"dtype {raw.dtype}"
        raise TypeError(f"{name} holds {kind}; must hold {what}")
    if dtype is np.int64 and raw.dtype.kind == "u":
        _check_bounds(raw, name, None, np.iinfo(np.int64).max)
    result = raw.astype(dtype, order="C", copy=copy, subok=False)
    return np.ascontiguousarray(result).reshape(raw.shape)


def _as_numpy(value: object, name: str) -> npt.NDArray[Any]:
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; must be a plain array")
    if isinstance(value, np.ndarray):
        return value
    if callable(value) or isinstance(value, (str, bytes, dict, set)) or value is None:
        raise TypeError(f"{name} is {say.show(value)}; must be an array")
    if hasattr(value, "__dlpack__"):
        try:
            return np.from_dlpack(value)
        except (BufferError, RuntimeError, TypeError, ValueError):
            pass  # another device or dtype: asarray below says what it thinks of it
    try:
        return np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} is ragged; must be a rectangular array") from None
    except Exception as error:
        raise TypeError(f"{name} is {say.show(value)}; must be an array ({error})") from error


def _check_shape(
    array: npt.NDArray[Any], name: str, shape: Shape | Sequence[Shape] | None, letters: str | Sequence[str]
) -> None:
    if shape is None:
        return
    options: Sequence[Shape] = [shape] if isinstance(shape, tuple) else shape
    for option in options:
        if len(option) == array.ndim and all(
            have == want if want is not None else have >= 1
            for have, want in zip(array.shape, option, strict=True)
        ):
            return
    named = [letters] if isinstance(letters, str) else letters
    if len(named) != len(options):
        named = [""] * len(options)
    wanted = " or ".join(say.shape(option, dims) for option, dims in zip(options, named, strict=True))
    raise ValueError(f"{name} has shape {array.shape}; must be {wanted}")


def _check_bounds(
    array: npt.NDArray[Any],
    name: str,
    low: float | None,
    high: float | None,
    low_open: bool = False,
    high_open: bool = False,
) -> None:
    def inside(entries: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        good = np.ones(entries.shape, dtype=np.bool_)
        if low is not None:
            good &= entries > low if low_open else entries >= low
        if high is not None:
            good &= entries < high if high_open else entries <= high
        return good

    if low is not None or high is not None:
        _check_entries(array, name, inside, f"must be {say.interval(low, high, low_open, high_open)}")


def _check_entries(
    array: npt.NDArray[Any], name: str, good: Callable[[npt.NDArray[Any]], npt.NDArray[np.bool_]], bound: str
) -> None:
    bad = ~np.asarray(good(array))
    if not bad.any():
        return
    if array.ndim == 0:
        raise ValueError(f"{name} is {say.number(array)}; {bound}")
    where = _first(bad)
    raise ValueError(
        f"{name}[{say.at(where)}] is {say.number(array[where])}; {bound} ({say.tally(bad, 'entries')})"
    )


def _first(bad: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    """Index of the first true entry in C order."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
