"""Records: frozen dataclasses whose fields are held to their annotations, by hand or from a file, and whose arrays are
read-only.

The kind of a value is checked, not its content: arrays by dtype, tuples and dicts by what they hold; and that arrays
whose SHAPES are given in letters fit each other. O(1) for arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, ClassVar, Self, TypeAlias, get_args

import numpy as np

from tmfcore._base import types
from tmfcore._base import wording as say
from tmfcore._results import packing

Check = Callable[[object], bool]

_KINDS: dict[str, tuple[str, Check]] = {
    "None": ("None", lambda value: value is None),
    "Any": ("anything", lambda value: True),
    "object": ("anything", lambda value: True),
    "str": ("a string", lambda value: isinstance(value, str)),
    "bool": ("True or False", lambda value: isinstance(value, (bool, np.bool_))),
    "int": ("an integer", lambda value: _is_number(value, int, np.integer)),
    "float": ("a real number", lambda value: _is_number(value, int, float, np.integer, np.floating)),
    "FloatArray": ("an array of floats", lambda value: _is_array(value, "f")),
    "IntArray": ("an array of integers", lambda value: _is_array(value, "iu")),
    "npt.NDArray[np.bool_]": ("an array of True and False", lambda value: _is_array(value, "b")),
    "npt.NDArray[Any]": ("an array of numbers or texts", lambda value: _is_array(value, "biufUO")),
}


#: Facts whose value says what it is.
PLAIN = ("schedule", "solver", "engine", "verdict", "stopped")


class Record:
    """Base of what is kept in named fields: of dataclasses, and of named tuples beside `Result`."""

    #: Field -> its dimensions by letter, "R J+1 S": where a letter returns, so does the length; S' is another dimension
    #: as long as S. None has no shape, nor have labels that are not there; of a dict each entry has a length of its own
    #: for each letter.
    SHAPES: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        packing.known(cls)

    def __post_init__(self) -> None:
        kind: Any = type(self)
        for name, (wanted, fits) in _checks(kind).items():
            value = getattr(self, name)
            if not fits(value):
                raise TypeError(f"{name} is {say.show(value)}; must be {wanted}")
        known: dict[tuple[str, str], tuple[int, str]] = {}
        for name, dimensions in _dimensions(kind):
            value = getattr(self, name)
            for key, entry in value.items() if isinstance(value, Mapping) else [("", value)]:
                if entry is not None and (isinstance(entry, np.ndarray) or len(entry)):
                    _fit(f"{name}[{key!r}]" if key else name, entry, dimensions, key, known)
        self.__setstate__(vars(self))

    @classmethod
    def _made(cls, **values: Any) -> Self:
        """A record of values that a verb has just computed: unchecked, in a third of the time. Of dataclasses."""
        record = cls.__new__(cls)
        record.__setstate__(values)
        return record

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Fields with read-only views of their arrays, also of a copy and of what was pickled."""
        own = vars(self)
        for name, value in state.items():
            own[name] = read_only(value)

    def __repr__(self) -> str:
        """One line, whatever the arrays hold."""
        facts = (_said(name, value) for name, value in self._facts())
        return f"{type(self).__name__}({', '.join(fact for fact in facts if fact)})"

    def _names(self) -> list[str]:
        """Fields, in order."""
        kind: Any = type(self)
        return list(kind._fields) if isinstance(self, tuple) else [item.name for item in fields(kind) if item.init]

    def _facts(self) -> Iterator[tuple[str, object]]:
        """What the line says, by name: numbers, short texts and arrays."""
        for name in self._names():
            value = getattr(self, name)
            if isinstance(value, str):
                yield name, say.short(repr(value))
            elif isinstance(value, (bool, int, float, np.generic, np.ndarray)):
                yield name, value

    def _state(self) -> dict[str, Any]:
        """What it is made from, by name: this is saved, and compared by `equals`."""
        return {name: getattr(self, name) for name in self._names()}

    def equals(self, other: object) -> bool:
        """Whether `other` is of the same class and has the same values to the last bit; NaN equals NaN."""
        return isinstance(other, Record) and type(other) is type(self) and _same(self._state(), other._state())


def _said(name: str, value: object) -> str:
    """A fact in a line: S=3, 'queueing', 4 replicas, mean return 1.5, converged, mu (5, 3)."""
    if value is None:
        return ""
    if name == "game":
        return repr(value)
    if isinstance(value, (bool, np.bool_)):
        return name if value else f"not {name}"
    text = worded(value)
    if isinstance(value, str):
        return text if name in PLAIN else f"{name} {text}"
    if len(name) == 1:
        return f"{name}={text}"
    if isinstance(value, (int, np.integer)):
        return f"{text} {name.removesuffix('s') if value == 1 else name}"
    return f"{name} {text}"


def worded(value: object) -> str:
    """A fact's value: numbers to five digits, arrays by shape."""
    if isinstance(value, np.ndarray) and value.ndim:
        return str(value.shape)
    return f"{float(value):.5g}" if isinstance(value, (float, np.floating, np.ndarray)) else str(value)


def read_only(value: Any) -> Any:
    """A value whose arrays, also those in tuples and dicts, cannot be written to through it."""
    if isinstance(value, np.ndarray):
        if value.flags.writeable:
            value = value.view()
            value.flags.writeable = False
        return value
    if type(value) is dict:
        return {key: read_only(entry) for key, entry in value.items()}
    if type(value) is tuple and not _of_strings(value):
        return tuple(map(read_only, value))
    return value


_STRINGS = {str}


def _of_strings(value: tuple[Any, ...]) -> bool:
    """Whether a tuple has strings alone: a flow has thousands of labels, and is made in microseconds."""
    kinds = set(map(type, value))
    return kinds <= _STRINGS or all(issubclass(kind, str) for kind in kinds)


def _same(one: Any, other: Any) -> bool:
    """Whether two values of a field are equal, array by array; numpy's numbers are those of Python."""
    one, other = (value.item() if isinstance(value, np.generic) else value for value in (one, other))
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        a, b = np.asarray(one), np.asarray(other)
        floats = a.dtype.kind in "fc" and b.dtype.kind in "fc"
        if a.dtype.kind == "O":
            return a.shape == b.shape and _same(a.ravel().tolist(), b.ravel().tolist())
        return a.dtype == b.dtype and bool(np.array_equal(a, b, equal_nan=floats))
    if isinstance(one, Record):
        return one.equals(other)
    if isinstance(one, Mapping):
        return isinstance(other, Mapping) and list(one) == list(other) and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, (tuple, list)):
        return type(one) is type(other) and len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float) and one != one:
        return other != other
    return type(one) is type(other) and bool(one == other)


Dimension: TypeAlias = tuple[str, str, int]  # J+1: as it is written, its letter J, and the 1 beyond it


@cache
def _dimensions(kind: Any) -> list[tuple[str, list[Dimension]]]:
    """SHAPES, read."""
    found = []
    for name, dimensions in kind.SHAPES.items():
        parts = [(one, *one.rstrip("'").partition("+")) for one in dimensions.split()]
        found.append((name, [(one, letter, int(more or 0)) for one, letter, _, more in parts]))
    return found


def _fit(
    name: str, value: Any, dimensions: list[Dimension], key: str, known: dict[tuple[str, str], tuple[int, str]]
) -> None:
    """Refuse an array or a tuple whose lengths are not those `known` by letter so far; add its own."""
    shape = value.shape if isinstance(value, np.ndarray) else (len(value),)
    if len(shape) != len(dimensions):
        raise ValueError(f"{name} has shape {shape}; must be ({', '.join(one for one, _, _ in dimensions)})")
    for n, (_, letter, more) in zip(shape, dimensions, strict=True):
        length, where = known.setdefault((letter, key), (n - more, name))
        if n - more != length:
            wanted = ", ".join(one for one, _, _ in dimensions)
            raise ValueError(f"{name} has shape {shape}; must be ({wanted}) with {letter} = {length}, as {where}")


@cache
def _checks(kind: Any) -> dict[str, tuple[str, Check]]:
    """For each field of a dataclass what it must be, in words, and the check; a generic field has its `kind`."""
    return {field.name: _check_of(str(field.metadata.get("kind", field.type))) for field in fields(kind)}


def _check_of(annotation: str) -> tuple[str, Check]:
    """The check of an annotation: alternatives, tuples, dicts, callables, and classes by their names."""
    options = _split(annotation, "|")
    if len(options) > 1:
        checks = [_check_of(option) for option in options]
        return " or ".join(words for words, _ in checks), lambda value: any(fits(value) for _, fits in checks)
    if choices := get_args(getattr(types, annotation, None)) if annotation in types.__all__ else ():
        return f"one of {say.listed(choices)}", lambda value: isinstance(value, str) and value in choices
    if annotation in _KINDS:
        return _KINDS[annotation]
    outer, _, inner = annotation.partition("[")
    if outer not in ("Callable", "dict", "tuple"):
        name = outer.rpartition(".")[2]
        return say.article(name), lambda value: any(base.__name__ == name for base in type(value).__mro__)
    parts = [_check_of(part) for part in _split(inner[:-1], ",") if part != "..."]
    if outer == "Callable":
        return "a function", callable
    if outer == "dict":
        (_, key), (words, item) = parts
        return f"a dict, each entry {words}", lambda value: (
            isinstance(value, Mapping) and all(key(k) and item(v) for k, v in value.items())
        )
    words = f"a tuple, each entry {' or '.join(dict.fromkeys(words for words, _ in parts))}"
    if inner == "str, ...]":
        return words, lambda value: isinstance(value, tuple) and _of_strings(value)
    if inner.endswith("...]"):
        return words, lambda value: isinstance(value, tuple) and all(parts[0][1](entry) for entry in value)
    return words, lambda value: (
        isinstance(value, tuple)
        and len(value) == len(parts)
        and all(fits(entry) for (_, fits), entry in zip(parts, value, strict=True))
    )


def _split(text: str, mark: str) -> list[str]:
    """The parts of an annotation between marks that stand in no brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == mark and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _is_number(value: object, *kinds: type[Any]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, (bool, np.timedelta64))


def _is_array(value: object, dtypes: str) -> bool:
    return isinstance(value, np.ndarray) and not isinstance(value, np.ma.MaskedArray) and value.dtype.kind in dtypes
