"""Deprecated names and arguments: a warning names the new name, and the version that removes the old one.

deprecated(old, new, until)              warn at the caller's line
renamed(until, old="new", ...)           decorator of a function whose keyword arguments have new names
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from tmfcore._base.functions import warn

__all__ = ["deprecated", "renamed"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def deprecated(old: str, new: str, until: str) -> None:
    """Warn that `old` is replaced by `new` and will be removed in version `until`.

    The DeprecationWarning points at the line outside the package that led here. Python shows it by default only if
    that line is in __main__ or in tests.
    """
    warn(f"{old} is deprecated and will be removed in tmfcore {until}; use {new}", DeprecationWarning)


def renamed(until: str, **names: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Decorator: keyword arguments given by an old name (old="new") are passed by the new name, with a warning.

    A call with both is a TypeError.
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @functools.wraps(function)
        def called(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            for old, new in names.items():
                if old in kwargs:
                    if new in kwargs:
                        both = f"{function.__name__}() has {old!r} and {new!r}"
                        raise TypeError(f"{both}, which are the same argument; pass {new}= only")
                    deprecated(f"the argument {old!r} of {function.__name__}()", f"{new!r}", until)
                    kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return called

    return decorate
