"""Records: frozen dataclasses with read-only arrays, whose fields are checked against their annotations.

What is checked: the dtype of arrays, the items of tuples and dicts, that the SHAPES of arrays fit each other, and that
their numbers are in their RANGES. This applies to records made by users and to those loaded from files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, ClassVar, Self, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from tmfcore._base import types
from tmfcore._base import wording as say
from tmfcore._base.arrays import check_bounds, check_entries
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


#: Shares of a population may leave [0, 1] by this: rows sum to 1 within 1e-8 only, at every one of many steps.
SHARE_ROUNDING = 1e-4

#: Facts printed by their value alone, without their name.
PLAIN = ("schedule", "solver", "engine", "verdict", "stopped")


class Record:
    """Base of results and their parts: dataclasses, and named tuples that also inherit from `Result`."""

    #: Field -> letters of its dimensions, "R J+1 S": equal letters have equal lengths; S' is another dimension of
    #: length S. None and empty tuples of labels are not checked. In a dict the entries of each key have their own
    #: lengths.
    SHAPES: ClassVar[dict[str, str]] = {}
    #: Numbers of fields: "finite", ">= 0", "share" (in [0, 1] up to rounding), or "bounded" (finite, or NaN: no number)
    #: -> names of the fields.
    RANGES: ClassVar[dict[str, str]] = {}
    #: Fields that `equals` leaves out.
    UNCOMPARED: ClassVar[tuple[str, ...]] = ()

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
        for words, names in kind.RANGES.items():
            for name in names.split():
                value = getattr(self, name)
                for key, entry in value.items() if isinstance(value, Mapping) else [("", value)]:
                    if entry is not None:
                        label = f"{name}[{key!r}]" if key else name
                        _check_range(label, _as_numbers(entry, label), words)
        self.__setstate__(vars(self))

    @classmethod
    def _made(cls, **values: Any) -> Self:
        """A record (dataclass) of values that the package has just computed: unchecked; arrays become read-only."""
        record = cls.__new__(cls)
        vars(record).update(values)
        for value in values.values():
            if type(value) is np.ndarray:
                value.setflags(write=False)
            elif type(value) is dict:
                for entry in value.values():
                    if type(entry) is np.ndarray:
                        entry.setflags(write=False)
        return record

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Set the fields, with read-only views of arrays; also used by copy and pickle."""
        own = vars(self)
        for name, value in state.items():
            own[name] = read_only(value, name)

    def __repr__(self) -> str:
        """One line, without the entries of arrays."""
        facts = (_said(name, value) for name, value in self._facts())
        return f"{type(self).__name__}({', '.join(fact for fact in facts if fact)})"

    def _names(self) -> list[str]:
        """Names of the fields, in order."""
        kind: Any = type(self)
        return list(kind._fields) if isinstance(self, tuple) else [item.name for item in fields(kind) if item.init]

    def _facts(self) -> Iterator[tuple[str, object]]:
        """The facts shown by repr, by name: numbers, short strings and arrays."""
        for name in self._names():
            value = getattr(self, name)
            if isinstance(value, str):
                yield name, say.short(repr(value))
            elif isinstance(value, (bool, int, float, np.generic, np.ndarray)):
                yield name, value

    def _state(self) -> dict[str, Any]:
        """The data of the record by name, which are saved and compared by `equals`."""
        return {name: getattr(self, name) for name in self._names()}

    def equals(self, other: object) -> bool:
        """Whether `other` has the same class and exactly the same values; NaN equals NaN."""
        if not isinstance(other, Record) or type(other) is not type(self):
            return False
        one, two = self._state(), other._state()
        alike = all(_same(one[name], two[name]) for name in one if name not in self.UNCOMPARED and name in two)
        return alike and list(one) == list(two)


def _said(name: str, value: object) -> str:
    """A fact in one line: S=3, 'queueing', 4 replicas, mean return 1.5, converged, mu (5, 3)."""
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
    """The value of a fact as a string: numbers to five digits, arrays by shape."""
    if isinstance(value, np.ndarray) and value.ndim:
        return str(value.shape)
    return f"{float(value):.5g}" if isinstance(value, (float, np.floating, np.ndarray)) else str(value)


def read_only(value: Any, name: str) -> Any:
    """The value of field `name` with read-only views of its arrays, also of those in tuples and dicts."""
    try:
        return _read_only(value)
    except RecursionError:
        raise ValueError(f"{name} is {say.show(value)} that contains itself; must not") from None


def _read_only(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        if value.flags.writeable:
            value = value.view()
            value.setflags(write=False)
        return value
    if type(value) is dict:
        return {key: _read_only(entry) for key, entry in value.items()}
    if type(value) is tuple and not _of_strings(value):
        return tuple(map(_read_only, value))
    return value


_STRINGS = {str}


def _of_strings(value: tuple[Any, ...]) -> bool:
    """Whether a tuple has strings only; fast, since a flow may have thousands of labels."""
    kinds = set(map(type, value))
    return kinds <= _STRINGS or all(issubclass(kind, str) for kind in kinds)


def _same(one: Any, other: Any) -> bool:
    """Whether two values of a field are equal, array by array; numpy scalars equal Python numbers."""
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


Dimension: TypeAlias = tuple[str, str, int]  # for example ("J+1", "J", 1)


@cache
def _dimensions(kind: Any) -> list[tuple[str, list[Dimension]]]:
    """SHAPES, parsed."""
    found = []
    for name, dimensions in kind.SHAPES.items():
        parts = [(one, *one.rstrip("'").partition("+")) for one in dimensions.split()]
        found.append((name, [(one, letter, int(more or 0)) for one, letter, _, more in parts]))
    return found


def _fit(
    name: str, value: Any, dimensions: list[Dimension], key: str, known: dict[tuple[str, str], tuple[int, str]]
) -> None:
    """Check the lengths of an array or a tuple against those `known` by letter so far, and add new ones."""
    shape = value.shape if isinstance(value, np.ndarray) else (len(value),)
    if len(shape) != len(dimensions):
        raise ValueError(f"{name} has shape {shape}; must be ({', '.join(one for one, _, _ in dimensions)})")
    for n, (_, letter, more) in zip(shape, dimensions, strict=True):
        length, where = known.setdefault((letter, key), (n - more, name))
        if n - more != length:
            wanted = ", ".join(one for one, _, _ in dimensions)
            raise ValueError(f"{name} has shape {shape}; must be ({wanted}) with {letter} = {length}, as {where}")


def _as_numbers(value: object, name: str) -> npt.NDArray[Any]:
    """An array; an integer that only Python holds becomes a float."""
    found = np.asarray(value)
    if found.dtype != object:
        return found
    try:
        return np.asarray(value, dtype=np.float64)
    except OverflowError:
        raise ValueError(f"{name} is {say.show(value)}; must be within the range of floats") from None


def _check_range(name: str, value: npt.NDArray[Any], words: str) -> None:
    """Check the numbers of an array; of a broadcast view of one number, this one."""
    if value.ndim == 1 and value.strides == (0,):
        value = value[:1]
    if words == "bounded":
        check_entries(value, name, lambda entries: ~np.isinf(entries), "must be finite, or NaN")
        return
    check_entries(value, name, np.isfinite, "must be finite")
    if words == ">= 0":
        check_bounds(value, name, 0, None)
    elif words == "share":
        check_bounds(value, name, -SHARE_ROUNDING, 1 + SHARE_ROUNDING)


@cache
def _checks(kind: Any) -> dict[str, tuple[str, Check]]:
    """For each field of a dataclass a text "must be ..." and the check; generic fields name their `kind`."""
    return {field.name: _check_of(str(field.metadata.get("kind", field.type))) for field in fields(kind)}


def _check_of(annotation: str) -> tuple[str, Check]:
    """The text and the check of an annotation: unions, tuples, dicts, callables, and classes by name."""
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
    """The parts of an annotation, split at each `mark` outside brackets."""
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
