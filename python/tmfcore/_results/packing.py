"""Values as plain arrays and JSON, and back: what a saved result holds.

    @known                      a class that files may hold, made again from its `_state()` or its fields
    pack(value, name, arrays)   JSON; arrays go into the dict, by names such as "flow.mu"
    unpack(form, arrays)        the value

Nothing else is ever made from a file: a class is looked up by name among the known ones, and its own checks run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from tmfcore._base import wording as say

_C = TypeVar("_C", bound=type[Any])
_KNOWN: dict[str, type[Any]] = {}


def known(kind: _C) -> _C:
    """Let files hold objects of `kind`."""
    _KNOWN[kind.__name__] = kind
    return kind


def state_of(value: Any) -> dict[str, Any]:
    """What an object is made from, by name."""
    if hasattr(value, "_state"):
        state: dict[str, Any] = value._state()
        return state
    return {item.name: getattr(value, item.name) for item in fields(value) if item.init}


def make(kind: type[Any], state: dict[str, Any]) -> Any:
    """The object that was made from this."""
    return kind._from_state(state) if hasattr(kind, "_from_state") else kind(**state)


def pack(value: Any, name: str, arrays: dict[str, npt.NDArray[Any]]) -> Any:
    """What JSON can hold of a value, whose arrays are put into `arrays`.

    Raises
    ------
    TypeError
        It is, or holds, what no file can.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        once = value.size > 1 and not any(value.strides)  # one number, repeated
        arrays[name] = value[(slice(1),) * value.ndim] if once else value
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
    raise TypeError(f"{name} is {say.show(value)}; must be arrays, numbers, texts or results to be saved")


def unpack(form: Any, arrays: Mapping[str, npt.NDArray[Any]]) -> Any:
    """The value that `pack` made this of.

    Raises
    ------
    KeyError, TypeError, ValueError
        It is none, or what it holds does not fit together.
    """
    if not isinstance(form, Mapping):
        return form
    if "array" in form:
        array = arrays[form["array"]]
        shape = tuple(form["shape"])
        return array if array.shape == shape else np.broadcast_to(array, shape)
    if "kind" in form:
        return make(_KNOWN[form["kind"]], {key: unpack(entry, arrays) for key, entry in form["state"].items()})
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
    """A key as part of an array's name in the zip."""
    return key if isinstance(key, str) and key.isidentifier() else str(i)
