"""Checks of the arguments of pictures: numbers by shape, names, courses, lines by label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.validation import FloatArray
from tmfcore.plotting._canvas import text

#: Largest number for which margins and scales are finite.
LARGEST = 1e100


def numbers(value: object, name: str, *shape: int | None, gaps: bool = False) -> FloatArray:
    """`value` as a float64 array of that shape (None: any length >= 1) that can be drawn.

    With `gaps` NaN and infinity are allowed.
    """
    if gaps:
        array = check.as_real_array(value, name)
        if array.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True)):
            raise ValueError(f"{name} has shape {array.shape}; must be {say.shape(shape)}")
        large = np.abs(array[np.isfinite(array)]).max(initial=0.0)
        if large > LARGEST:
            raise ValueError(f"{name} holds {large:g}; must be at most {LARGEST:g} to be drawn")
        return array
    return check.as_float_array(value, name, shape=shape, low=-LARGEST, high=LARGEST)


def number(value: object, name: str, low: float = -LARGEST) -> float:
    """`value` as a float that can be drawn."""
    return check.as_float(value, name, low=low, high=LARGEST)


def course(value: Any, name: str) -> tuple[FloatArray, FloatArray]:
    """Times (J,) and values (J, S) of a Course."""
    if not (isinstance(value, tuple) and len(value) == 2):
        raise TypeError(f"{name} is {say.show(value)}; must be a Course")
    values = numbers(value[1], f"{name}.values", None, None)
    return numbers(value[0], f"{name}.times", len(values)), values


def by_label(lines: object, name: str = "lines") -> dict[str, Any]:
    """A mapping of labels to lines, with checked labels."""
    if not isinstance(lines, Mapping) or not lines:
        what = "empty" if isinstance(lines, Mapping) else say.show(lines)
        raise (ValueError if isinstance(lines, Mapping) else TypeError)(f"{name} is {what}; must map labels to lines")
    return {text(label, f"a label of {name}"): line for label, line in lines.items()}


def labels(value: object, n: int | None = None, name: str = "labels") -> tuple[str, ...]:
    """Labels that can be drawn."""
    if isinstance(value, Mapping):
        raise TypeError(f"{name} is {say.show(value)}; must be a sequence of strings, not a mapping")
    return tuple(text(label, f"{name}[{i}]") for i, label in enumerate(check.as_labels(value, name, n)))


def labels_or_numbers(value: object, n: int, name: str) -> tuple[str, ...]:
    """Labels that can be drawn; numbers if there are none."""
    return tuple(map(str, range(n))) if isinstance(value, (tuple, list)) and not value else labels(value, n, name)


def several(value: object, name: str, n: int, of: str) -> tuple[Any, ...]:
    """The `n` parts of a tuple or list."""
    if not isinstance(value, (tuple, list)) or len(value) != n:
        raise TypeError(f"{name} is {say.show(value)}; must be {of}")
    return tuple(value)


def names(value: object) -> tuple[str, str]:
    """Names of two courses in a legend."""
    first, second = several(value, "names", 2, "two strings")
    return text(first, "names[0]"), text(second, "names[1]")


def texts(**given: object) -> None:
    """Refuse values that are not strings that can be drawn."""
    for name, value in given.items():
        text(value, name)


def flags(**given: object) -> None:
    """Refuse values other than True and False."""
    for name, value in given.items():
        check.as_bool(value, name)


def grid(shape: object, n: int) -> tuple[int, ...]:
    """The shape of a grid of `n` observations; () if there is none."""
    sizes = tuple(int(size) for size in check.as_int_array(shape, "shape", shape=[(None,), (0,)], low=1))
    points = 1
    for size in sizes:
        points *= size
    if sizes and points != n:
        raise ValueError(f"shape is {sizes}, {say.integer(points)} points; must be {n}, one per observation")
    return sizes
