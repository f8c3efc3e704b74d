"""Checks of arrays: numbers of the right kind, shape and range, counts. See `validation`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from tmfcore._base import needs, pieces
from tmfcore._base import wording as say
from tmfcore._base.entries import all_finite

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
SuccessorArray: TypeAlias = npt.NDArray[np.int32]
Shape: TypeAlias = tuple[int | None, ...]

DEEPEST = 32  # most dimensions of an array given as nested sequences

_Scalar = TypeVar("_Scalar", bound=np.generic)


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
        Real numbers (integers and floats of any width) in any object with `__dlpack__` or that numpy.asarray
        accepts.
    name
        The name of the argument in errors.
    shape
        The required shape, None for any length >= 1; or a list of such shapes, one of which must match.
    letters
        The letters of the dimensions for the error text, as "S, A"; a list of them if `shape` is a list.
    low, high, low_open, high_open
        Bounds on every entry, closed by default.
    copy
        True (default): the result shares no memory with `value`. False: it may share memory.

    Raises
    ------
    TypeError
        Booleans, complex numbers, strings, objects, ragged or masked arrays.
    ValueError
        A wrong shape; entries that are not finite or out of bounds (the error names the first and counts all).
    """
    array = converted(value, name, np.float64, "iuf", "real numbers", copy, shape, letters)
    if not all_finite(array):
        check_entries(array, name, np.isfinite, "must be finite")
    check_bounds(array, name, low, high, low_open, high_open)
    return array


def as_real_array(value: object, name: str) -> FloatArray:
    """`value` as a C-contiguous float64 array of any shape, NaN and infinity included; it may share memory."""
    return converted(value, name, np.float64, "iuf", "real numbers", False)


def as_numbers(value: object, name: str) -> npt.NDArray[Any]:
    """`value` as an array of real numbers of any shape and width, NaN and infinity included; it may share memory."""
    raw = as_numpy(value, name)
    if raw.dtype.kind not in "iuf":
        raise TypeError(f"{name} holds dtype {say.short(str(raw.dtype))}; must hold real numbers")
    return raw


def as_bool_array(value: object, name: str) -> npt.NDArray[np.bool_]:
    """`value` as a C-contiguous array of booleans of any shape, always a copy."""
    return converted(value, name, np.bool_, "b", "True or False, or be strings", True)


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
    """`value` as a C-contiguous int64 array, entries in [low, high]; floats are accepted if all are whole."""
    array = converted(value, name, np.int64, "iuf", "integers", copy, shape, letters)
    check_bounds(array, name, low, high)
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
        # int64 sums wrap modulo 2**64, so a wrong row could sum to n_agents; the sum in floats detects this.
        bad = (array.sum(axis=-1) != n_agents) | (array.sum(axis=-1, dtype=np.float64) > 1.5 * n_agents)
        if bad.any():
            where = first_of(bad)
            at = f"[{say.at(where)}]" if where else ""
            total = sum(int(n) for n in array[where])
            tally = f" ({say.tally(bad, 'rows')})" if where else ""
            raise ValueError(f"{name}{at} sums to {total}; must sum to n_agents = {n_agents}{tally}")
    return array


def as_successors(
    value: object, name: str, *, shape: Shape, letters: str | Sequence[str] = "", n_observations: int
) -> SuccessorArray:
    """`value` as an int32 array of observations in [0, n_observations); a row may contain duplicates."""
    wide = as_int_array(value, name, shape=shape, letters=letters, low=0, high=n_observations - 1, copy=False)
    return np.array(wide, dtype=np.int32, order="C")


def frozen(array: npt.NDArray[_Scalar]) -> npt.NDArray[_Scalar]:
    """`array` itself, made read-only."""
    array.setflags(write=False)
    return array


def is_array(value: object) -> bool:
    """Whether `value` is array-like with at least one dimension, for arguments that take a number or an array."""
    if isinstance(value, (str, bytes, int, float, np.generic)) or getattr(value, "ndim", 1) == 0:
        return False
    return any(hasattr(value, mark) for mark in ("__len__", "__array__", "__dlpack__"))


# ----------------------------------------------------------------------------------------------------- pieces


def converted(
    value: object,
    name: str,
    dtype: type[Any],
    kinds: str,
    what: str,
    copy: bool,
    shape: Shape | Sequence[Shape] | None = None,
    letters: str | Sequence[str] = "",
) -> npt.NDArray[Any]:
    """Any array-like as a C-contiguous array of `dtype`; dtypes whose kind is not in `kinds` are an error.

    The shape is checked before anything is copied.
    """
    raw = as_numpy(value, name)
    if raw.dtype.kind not in kinds:
        kind = "objects" if raw.dtype.kind == "O" else f"dtype {say.short(str(raw.dtype))}"
        raise TypeError(f"{name} holds {kind}; must hold {what}")
    _check_shape(raw, name, shape, letters)
    if raw.size > pieces.PIECE and (copy or raw.dtype != dtype or not raw.flags.c_contiguous):
        needs.ask({f"a copy of {name}": (np.dtype(dtype).itemsize, *raw.shape)}, first=True)
    try:
        if dtype is np.int64 and raw.dtype.kind == "f":
            check_entries(raw, name, _are_whole, "must be an integer")
            if raw.dtype.itemsize >= 4:  # float16 never reaches 2**63
                check_bounds(raw, name, -(2.0**63), 2.0**63, high_open=True)
        if dtype is np.int64 and raw.dtype.kind == "u" and raw.dtype.itemsize == 8:
            check_bounds(raw, name, None, np.iinfo(np.int64).max)
        if raw.dtype.kind != "f" or raw.dtype.itemsize <= 8:
            return _as(raw, dtype, copy)
        with np.errstate(over="ignore"):  # a longdouble beyond float64 becomes infinite, which is checked later
            return raw.astype(dtype, order="C", subok=False)
    except MemoryError:
        raise MemoryError(f"{name} has shape {raw.shape}; a copy of it does not fit in memory") from None


def _as(raw: npt.NDArray[Any], dtype: Any, copy: bool) -> npt.NDArray[Any]:
    """raw.astype(dtype, order="C", copy=copy), large arrays in pieces."""
    if raw.size <= pieces.PIECE or (not copy and raw.dtype == dtype and raw.flags.c_contiguous):
        return raw.astype(dtype, order="C", copy=copy, subok=False)
    found = np.empty(raw.shape, dtype)
    flat = raw.flags.c_contiguous
    source, target = (raw.reshape(-1), found.reshape(-1)) if flat else (raw, found)
    for part in pieces.parts(len(source), source[:1].size):
        target[part] = source[part]
    return found


def _are_whole(entries: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(entries) & (entries == np.trunc(entries)))


def as_numpy(value: object, name: str) -> npt.NDArray[Any]:
    """`value` as a plain array of any dtype."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; must be a plain array")
    if isinstance(value, np.ndarray):
        return np.asarray(value)
    if callable(value) or isinstance(value, (str, bytes, bytearray, Set, Mapping)) or value is None:
        raise TypeError(f"{name} is {say.show(value)}; must be an array")
    if hasattr(value, "__dlpack__"):
        try:
            return np.from_dlpack(value)
        except (BufferError, RuntimeError, TypeError, ValueError):
            pass  # another device or dtype: asarray below converts it or raises the error
    try:
        _check_nesting(value, name)
        return np.asarray(value)
    except _NestingError as error:
        raise TypeError(str(error)) from None
    except MemoryError:
        raise MemoryError(f"{name} does not fit in memory as an array") from None
    except ValueError:
        raise ValueError(f"{name} is ragged; must be a rectangular array") from None
    except Exception as error:
        raise TypeError(f"{name} is {say.show(value)}; must be an array ({say.short(str(error))})") from error


class _NestingError(Exception):
    """Nested sequences that numpy cannot convert safely."""


def _check_nesting(value: object, name: str) -> None:
    """Refuse sequences nested too deeply (numpy overflows the stack on endless ones), and masked arrays in them."""
    finished: set[int] = set()

    def walk(part: object, depth: int) -> None:
        if depth > DEEPEST:
            raise _NestingError(f"{name} holds sequences nested deeper than {DEEPEST}; must be an array")
        for item in part:  # type: ignore[attr-defined]  # is_nested has checked that it is a sequence
            if type(item) is float or type(item) is int:
                continue
            if isinstance(item, np.ma.MaskedArray):
                raise _NestingError(f"{name} holds a masked array; must hold plain numbers")
            if is_nested(item) and id(item) not in finished:
                walk(item, depth + 1)
                finished.add(id(item))  # a sequence that occurs several times is checked once

    def is_nested(item: object) -> bool:
        return isinstance(item, (list, tuple)) or (
            not isinstance(item, (np.ndarray, np.generic, float, int, str, bytes, type))
            and hasattr(item, "__getitem__")
            and hasattr(item, "__len__")
            and not hasattr(item, "__array__")
        )

    if is_nested(value):
        walk(value, 1)


def _check_shape(
    array: npt.NDArray[Any], name: str, shape: Shape | Sequence[Shape] | None, letters: str | Sequence[str]
) -> None:
    if shape is None or array.shape == shape:
        return
    options: Sequence[Shape] = [shape] if isinstance(shape, tuple) else shape
    for option in options:
        if len(option) != array.ndim:
            continue
        for have, want in zip(array.shape, option, strict=True):
            if have < 1 if want is None else have != want:
                break
        else:
            return
    named = [letters] if isinstance(letters, str) else letters
    if len(named) != len(options):
        named = [""] * len(options)
    wanted = " or ".join(say.shape(option, dims) for option, dims in zip(options, named, strict=True))
    raise ValueError(f"{name} has shape {array.shape}; must be {wanted}")


def check_bounds(
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
        check_entries(array, name, inside, f"must be {say.interval(low, high, low_open, high_open)}")


def check_entries(
    array: npt.NDArray[Any], name: str, good: Callable[[npt.NDArray[Any]], npt.NDArray[np.bool_]], bound: str
) -> None:
    if array.size > pieces.PIECE:
        flat = array.reshape(-1) if array.flags.c_contiguous else array
        if all(np.all(good(flat[part])) for part in pieces.parts(len(flat), flat[:1].size)):
            return
    bad = ~np.asarray(good(array))
    if not bad.any():
        return
    if array.ndim == 0:
        raise ValueError(f"{name} is {say.number(array)}; {bound}")
    where = first_of(bad)
    raise ValueError(
        f"{name}[{say.at(where)}] is {say.number(array[where])}; {bound} ({say.tally(bad, 'entries')})"
    )


def first_of(bad: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    """Index of the first true entry in C order."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
