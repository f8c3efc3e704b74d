"""Options that only have an effect with certain values of other options; giving one without effect is an error.

    required(name, value, on, found, among)   whether option `name` has an effect; an error if given without effect
    of(check, **bounds)                       metadata of a field of settings: the check of its values
    needs(default, **on)                      metadata of a field that is None if it is not given
    settle(record)                            check the fields of a frozen dataclass and store the checked values
    resolved(record)                          its fields by name, with defaults for those that were not given

A default of None means that an option was not given. `resolved` then gives its default, or None if the option has no
effect. Fields keep the value that was given, so that dataclasses.replace behaves like a new call with that change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cache, partial
from typing import Any, Final

from tmfcore._base import wording as say

__all__ = ["GIVEN", "needs", "of", "required", "resolved", "settle"]

GIVEN: Final = ("anything but None",)


def required(name: str, value: object, on: str, found: object, among: tuple[object, ...]) -> bool:
    """Whether option `name` has an effect: it does if option `on`, whose value is `found`, is one of `among`.

    Parameters
    ----------
    name, value
        The option and its value, None if it is not given.
    on, found
        The other option and its value.
    among
        Values of the other option; GIVEN for any value but None, (None,) if the other option must be omitted.

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
            wanted = f"{on} replaces it"
        else:
            wanted = f"it needs {on}={' or '.join(map(repr, among))}"
        raise ValueError(f"{name} is {_words(value)}; must be omitted if {on} is {_words(found)}: {wanted}")
    return fine


def _same(one: object, other: object) -> bool:
    return one is other or (type(one) is type(other) and bool(one == other))


def _words(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return say.integer(value)
    plain = value is None or isinstance(value, (str, bool, float, tuple))
    return say.short(repr(value)) if plain else say.show(value)


def of(check: Callable[..., object], **bounds: Any) -> dict[str, Any]:
    """Metadata of a field whose value is replaced by check(value, name, **bounds)."""
    return {"check": partial(check, **bounds)}


def needs(default: object, **on: tuple[object, ...]) -> dict[str, Any]:
    """Metadata of a field that has an effect only if each of the earlier fields `on` has one of the values given here.

    A `default` that is a function is called with the earlier fields, a dict by name.
    """
    return {"default": default, "on": on}


def settle(record: Any) -> None:
    """Check every field of a frozen dataclass; None is allowed if the annotation of the field ends in None."""
    kind: Any = type(record)
    for name, check, optional in _checks(kind):
        value = getattr(record, name)
        if not (value is None and optional):
            object.__setattr__(record, name, check(value, name))


@cache
def _checks(kind: Any) -> list[tuple[str, Callable[..., object], bool]]:
    """Name and check of each checked field of a dataclass, and whether it may be None."""
    checked = [each for each in fields(kind) if "check" in each.metadata]
    return [(each.name, each.metadata["check"], str(each.type).endswith("None")) for each in checked]


def resolved(record: Any) -> dict[str, Any]:
    """Fields by name, with defaults for those not given; ValueError if a field without effect is given."""
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
