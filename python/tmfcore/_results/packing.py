"""Conversion of results to plain arrays and JSON for files, and back.

    @known                      a class that files may contain; loaded objects are made from its `_state()` or fields
    pack(value, name, arrays)   the JSON part; arrays are added to the dict `arrays`, by names such as "flow.mu"
    unpack(form, arrays)        the value

Loading a file makes objects of the registered classes only, found by name, and their own checks run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from tmfcore._base import wording as say

_C = TypeVar("_C", bound=type[Any])
_KNOWN: dict[str, type[Any]] = {}
#: Packages that `import tmfcore` does not load, whose classes a file may contain.
_LATE = ("tmfcore.learn", "tmfcore.lq")


def known(kind: _C) -> _C:
    """Register a class whose objects files may contain."""
    _KNOWN[kind.__name__] = kind
    return kind


def _known(name: str) -> type[Any]:
    """The class registered by this name; KeyError if there is none."""
    if name not in _KNOWN:
        for package in _LATE:
            import_module(package)
    return _KNOWN[name]


def state_of(value: Any) -> dict[str, Any]:
    """The data from which an object can be made again, by name."""
    if hasattr(value, "_state"):
        state: dict[str, Any] = value._state()
        return state
    return {item.name: getattr(value, item.name) for item in fields(value) if item.init}


def make(kind: type[Any], state: dict[str, Any]) -> Any:
    """Make an object from its state."""
    return kind._from_state(state) if hasattr(kind, "_from_state") else kind(**state)


def pack(value: Any, name: str, arrays: dict[str, npt.NDArray[Any]]) -> Any:
    """The JSON form of a value; its arrays are added to `arrays`.

    Raises
    ------
    TypeError
        A value that cannot be saved, or that contains one.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        once = value.ndim == 1 and value.size > 1 and value.strides == (0,)  # a broadcast view of one number
        arrays[name] = value[:1] if once else value
        return {"array": name, "shape": list(value.shape)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if _KNOWN.get(type(value).__name__) is type(value):
        state = {key: pack(entry, f"{name}.{key}" if name else key, arrays) for key, entry in state_of(value).items()}
        return {"kind": type(value).__name__, "state": state}
    if isinstance(value, Mapping):
        pairs = enumerate(value.items())
        return {"dict": [[key, pack(entry, f"{name}.{_safe(key, i)}", arrays)] for i, (key, entry) in pairs]}
    if isinstance(value, (tuple, list, np.ndarray)):
        form = "objects" if isinstance(value, np.ndarray) else type(value).__name__
        return {form: [pack(entry, f"{name}.{i}", arrays) for i, entry in enumerate(value)]}
    raise TypeError(f"{name} is {say.show(value)}, which cannot be saved; must be arrays, numbers, strings or results")


def unpack(form: Any, arrays: Mapping[str, npt.NDArray[Any]]) -> Any:
    """The value from which `pack` made `form`.

    Raises
    ------
    KeyError, TypeError, ValueError
        `form` is not from `pack`, or its parts do not fit together.
    """
    if not isinstance(form, Mapping):
        return form
    if "array" in form:
        array = arrays[form["array"]]
        shape = tuple(form["shape"])
        if array.shape == shape:
            return array
        if len(shape) != 1 or array.shape != (1,):  # what is copied later must not be larger than the file
            raise ValueError(f"{form['array']} has shape {array.shape}; must be {shape}")
        return np.broadcast_to(array, shape)
    if "kind" in form:
        return make(_known(form["kind"]), {key: unpack(entry, arrays) for key, entry in form["state"].items()})
    ((how, entries),) = form.items()
    if how == "dict":
        return {key: unpack(entry, arrays) for key, entry in entries}
    values = [unpack(entry, arrays) for entry in entries]
    if how == "objects":
        array = np.empty(len(values), dtype=object)
        array[:] = values
        return array
    return {"tuple": tuple, "list": list}[how](values)


def _safe(key: object, i: int) -> str:
    """A key as part of the name of an array in the zip file."""
    return key if isinstance(key, str) and key.isidentifier() else str(i)
