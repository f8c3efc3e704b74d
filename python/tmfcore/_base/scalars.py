"""Checks of single values: numbers, flags, choices, names, paths, functions. See `validation`."""

from __future__ import annotations

import operator
import os
from collections.abc import Collection, Iterable, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar, cast, overload

import numpy as np

from tmfcore._base import wording as say

INT64_MAX = 2**63 - 1

_T = TypeVar("_T")
_Word = TypeVar("_Word", bound=str)


def as_int(value: object, name: str, *, low: int | None = None, high: int | None = None) -> int:
    """`value` as an int in [low, high] and in [-2**63, 2**63).

    Accepts objects with `__index__`, except booleans, and whole floats (1e6).
    """
    if type(value) is int:
        number: int | None = value
    else:
        value = plain(value)
        number = _whole(value)
    if number is None:
        raise TypeError(f"{name} is {say.show(value)}; must be an integer")
    if (low is not None and number < low) or (high is not None and number > high):
        raise ValueError(f"{name} is {say.integer(number)}; must be {say.interval(low, high)}")
    if not -INT64_MAX - 1 <= number <= INT64_MAX:
        raise ValueError(f"{name} is {say.integer(number)}; must be in [-2**63, 2**63)")
    return number


def _whole(value: object) -> int | None:
    """`value` as an integer, or None if it is not one."""
    if isinstance(value, (bool, np.bool_, np.timedelta64, np.ma.MaskedArray)):  # these all have __index__
        return None
    if isinstance(value, (float, np.floating)):
        return int(value) if np.isfinite(value) and value == np.trunc(value) else None
    try:
        return operator.index(value)  # type: ignore[arg-type]  # an error means: not an integer
    except Exception:
        return None


def plain(value: object) -> object:
    """`value`; if it is an array without dimensions (of any library), the number in it."""
    if isinstance(value, (np.generic, int, float, np.ma.MaskedArray)) or getattr(value, "ndim", None) != 0:
        return value
    try:
        return np.asarray(value)[()]
    except Exception:  # for example an array on another device
        return value


def as_positive_int(value: object, name: str, *, high: int | None = None) -> int:
    """`value` as an int in [1, high]."""
    if type(value) is int and 1 <= value <= (INT64_MAX if high is None else high):
        return value
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
    """`value` as a finite float within the bounds, which are closed by default."""
    if type(value) is float:
        number = value
    else:
        value = plain(value)
        real = isinstance(value, (int, float, np.integer, np.floating))
        if not real or isinstance(value, (bool, np.bool_, np.timedelta64)):
            raise TypeError(f"{name} is {say.show(value)}; must be a real number")
        try:
            if isinstance(value, np.longdouble):
                with np.errstate(over="ignore"):  # it may be larger than any float
                    number = float(value)
            else:
                number = float(value)  # type: ignore[arg-type]  # one of the kinds above
        except OverflowError:
            number = np.inf
    if not isfinite(number):
        raise ValueError(f"{name} is {number}; must be finite")
    below = low is not None and (number < low or (low_open and number == low))
    above = high is not None and (number > high or (high_open and number == high))
    if below or above:
        raise ValueError(f"{name} is {number!r}; must be {say.interval(low, high, low_open, high_open)}")
    return number


def as_bool(value: object, name: str) -> bool:
    """`value` as a bool; 0 and 1 are refused."""
    if value is True or value is False:
        return value
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} is {say.show(value)}; must be True or False")
    return bool(value)


@overload
def as_choice(value: _Word, name: str, choices: object) -> _Word: ...
@overload
def as_choice(value: object, name: str, choices: object) -> str: ...
def as_choice(value: object, name: str, choices: object) -> str:
    """`value` if it is one of `choices`, a Literal or strings; the error lists them and suggests the closest one.

    The Literal is also the annotation of the argument, so that type checkers and this check read the same list.
    """
    words = cast(Collection[str], getattr(choices, "__args__", None) or choices)
    if not isinstance(value, str):
        raise TypeError(f"{name} is {say.show(value)}; must be one of {say.listed(words)}")
    if value not in words:
        from difflib import get_close_matches  # needed for the error only

        close = get_close_matches(value[:100], words, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ValueError(f"{name} is {say.short(repr(value))}; must be one of {say.listed(words)}{hint}")
    return value


def as_instance(value: Any, name: str, kinds: type[_T] | tuple[type[_T], ...]) -> _T:
    """`value` itself if it is an instance of one of `kinds`."""
    if not isinstance(value, kinds):
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        wanted = " or ".join(say.article(kind.__name__) for kind in kinds)
        raise TypeError(f"{name} is {say.show(value)}; must be {wanted}")
    return value


def as_string(value: object, name: str) -> str:
    """`value` if it is a str."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is {say.show(value)}; must be a string")
    return value


def as_labels(value: object, name: str, n: int | None = None) -> tuple[str, ...]:
    """`value` as a tuple of `n` different strings; of any length if `n` is None."""
    if type(value) is tuple and set(map(type, value)) == {str} and len(set(value)) == len(value) == (n or len(value)):
        return value
    wanted = f"a sequence of {'' if n is None else f'{n} '}strings"
    if n is not None and isinstance(value, Sequence) and len(value) != n and not isinstance(value, str):
        raise ValueError(f"{name} has {len(value)} labels; must have {n}")
    labels = as_items(value, name, wanted)
    for i, label in enumerate(labels):
        if type(label) is not str:
            as_string(label, f"{name}[{i}]")
    if n is not None and len(labels) != n:
        raise ValueError(f"{name} has {len(labels)} labels; must have {n}")
    first: dict[str, int] = {}
    for i, label in enumerate(labels if len(set(labels)) < len(labels) else ()):
        if first.setdefault(label, i) != i:
            raise ValueError(f"{name}[{i}] is {say.short(repr(label))}; must differ from {name}[{first[label]}]")
    return labels


def as_items(value: object, name: str, wanted: str) -> tuple[Any, ...]:
    """The items of any iterable except a string, as a tuple; `wanted` ends the error text "must be ..."."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable) or getattr(value, "ndim", 1) == 0:
        raise TypeError(f"{name} is {say.show(value)}; must be {wanted}")
    try:
        return tuple(value)
    except MemoryError:
        raise MemoryError(f"{name} does not fit in memory; must be {wanted}") from None


def as_path(value: object, name: str = "path") -> Path:
    """`value`, a str or a path, as a Path; file descriptors and invalid file names are refused."""
    text = value if isinstance(value, str) else None
    if isinstance(value, os.PathLike):
        text = value.__fspath__()
    if not isinstance(text, str):
        raise TypeError(f"{name} is {say.show(value)}; must be a string or a path")
    if not text or "\0" in text:
        raise ValueError(f"{name} is {say.short(repr(text))}; must name a file")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        raise ValueError(f"{name} is {say.short(ascii(text))}; must be a valid file name") from None
    return Path(text)


def as_function(value: object, name: str, of: str) -> Any:
    """`value` if it is callable; `of` names its arguments in the error."""
    if not callable(value) or isinstance(value, type):
        raise TypeError(f"{name} is {say.show(value)}; must be a function of {of}")
    return value
