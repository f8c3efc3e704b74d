"""Options that have no effect beside others: given all the same, they are an error.

    required(name, value, on, found, among)   whether option `name` has an effect; an error if it is given and has none
    of(check, **bounds)                       metadata of a field of settings: how a value is checked
    needs(default, **on)                      metadata of a field that is None where it is not given
    settle(record)                            check the fields of a frozen dataclass; they become what checks give
    resolved(record)                          its fields by name, with defaults where nothing was given

A default of None means that an option was not given. What it then is, `resolved` says: None again where the option has
no effect. Fields keep what was given, so that dataclasses.replace makes the same of it as the caller would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Any, Final

from tmfcore._base import wording as say

__all__ = ["GIVEN", "needs", "of", "required", "resolved", "settle"]

GIVEN: Final = ("anything but None",)


def required(name: str, value: object, on: str, found: object, among: tuple[object, ...]) -> bool:
    """Whether option `name` has an effect: it has where option `on`, which is `found`, is one of `among`.

    Parameters
    ----------
    name, value
        The option, and None where it is not given.
    on, found
        The other option.
    among
        Values of the other option; GIVEN for anything but None, (None,) for an option that must be left out.

    Raises
    ------
    ValueError
        The option is given and has no effect.
    """
    fine = found is not None if among is GIVEN else any(_same(found, each) for each in among)
    if not fine and value is not None:
        if among is GIVEN:
            wanted = f"it needs {on}"
        elif among == (None,):
            wanted = f"{on} takes its place"
        else:
            wanted = f"it needs {on}={' or '.join(map(repr, among))}"
        raise ValueError(f"{name} is {_words(value)}; must be left out where {on} is {_words(found)}: {wanted}")
    return fine


def _same(one: object, other: object) -> bool:
    return one is other or (type(one) is type(other) and bool(one == other))


def _words(value: object) -> str:
    plain = value is None or isinstance(value, (str, bool, int, float, tuple))
    return say.short(repr(value)) if plain else say.show(value)


def of(check: Callable[..., object], **bounds: Any) -> dict[str, Any]:
    """Metadata of a field whose values are what check(value, name, **bounds) makes of them."""
    return {"check": partial(check, **bounds)}


def needs(default: object, **on: tuple[object, ...]) -> dict[str, Any]:
    """Metadata of a field that has an effect where each of the fields `on`, which stand before it, has such a value.

    A `default` that is a function is one of the fields before, by name.
    """
    return {"default": default, "on": on}


def settle(record: Any) -> None:
    """Check every field of a frozen dataclass; where None may be given it says so in its annotation."""
    for each in fields(record):
        value, check = getattr(record, each.name), each.metadata.get("check")
        if check is not None and not (value is None and str(each.type).endswith("None")):
            object.__setattr__(record, each.name, check(value, each.name))


def resolved(record: Any) -> dict[str, Any]:
    """Fields by name, with defaults where none is given; ValueError where one is given that has no effect."""
    found: dict[str, Any] = {}
    for each in fields(record):
        value = getattr(record, each.name)
        if "on" in each.metadata:
            fine = [required(each.name, value, on, found[on], among) for on, among in each.metadata["on"].items()]
            if all(fine) and value is None:
                default = each.metadata["default"]
                value = default(found) if callable(default) else default
        found[each.name] = value
    return found
