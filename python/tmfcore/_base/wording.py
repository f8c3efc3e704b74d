"""Parts of error texts of the form `argument[index] is VALUE; must BOUND (k of n entries are bad)`.

    number(value)               a number, to twelve digits
    integer(value)              an integer; its magnitude if it is long
    short(text)                 a text, cut if it is long
    show(value)                 a value of the wrong type
    article(noun)               the noun with its article
    listed(choices)             the strings to choose from
    interval(low, high, ...)    bounds
    shape(lengths, letters)     the shape that an array must have
    at(where)                   an index
    tally(bad, what)            how many of how many are bad

Nothing here checks anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt


def number(value: Any) -> str:
    """A number to twelve digits, enough to show that a row misses the tolerance of 1e-8."""
    return str(int(value)) if np.asarray(value).dtype.kind in "iu" else f"{float(value):.12g}"


def integer(value: int) -> str:
    """An integer; above forty digits its magnitude, since Python refuses to print very long integers."""
    digits = int(value.bit_length() * 0.30103) + 1
    return str(value) if digits <= 40 else f"{'-' if value < 0 else ''}1e{digits - 1} or so"


def short(text: str) -> str:
    """A text; only its beginning if it is longer than eighty characters."""
    return text if len(text) <= 80 else f"{text[:77]}..."


def show(value: object) -> str:
    """A value of the wrong type: short ones in full, others by their type."""
    if value is None:
        return "None"
    kind = type(value).__name__
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{integer(int(value))} ({kind})"
    if isinstance(value, (bool, str, float, np.generic)):
        return f"{short(repr(value))} ({kind})"
    return article(kind)


def article(noun: str) -> str:
    """The noun with its article."""
    return f"{'an' if noun[:1].lower() in 'aeiou' or noun == 'ndarray' else 'a'} {noun}"


def listed(choices: Iterable[str]) -> str:
    """The strings to choose from."""
    return ", ".join(map(repr, choices))


def interval(low: float | None, high: float | None, low_open: bool = False, high_open: bool = False) -> str:
    """Bounds (at least one is given): ">= 0", "in [0, 1]", "in (0, 1]"."""
    if low is None:
        return f"{'<' if high_open else '<='} {_end(high)}"
    if high is None:
        return f"{'>' if low_open else '>='} {_end(low)}"
    return f"in {'(' if low_open else '['}{_end(low)}, {_end(high)}{')' if high_open else ']'}"


def shape(lengths: tuple[int | None, ...], letters: str = "") -> str:
    """A shape, "(S, A) = (3, 2)"; only one of the two if the other adds nothing. None is any length."""
    comma = "," if len(lengths) == 1 else ""
    numbers = f"({', '.join('any' if n is None else str(n) for n in lengths)}{comma})"
    if not letters:
        return numbers
    named = f"({letters}{comma})"
    return named if set(lengths) == {None} else f"{named} = {numbers}"


def at(where: tuple[int, ...]) -> str:
    """An index as written between brackets."""
    return ", ".join(map(str, where))


def tally(bad: npt.NDArray[np.bool_], what: str) -> str:
    """How many of how many are bad."""
    return f"{np.count_nonzero(bad)} of {bad.size} {what} are bad"


def _end(bound: float | None) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound)
