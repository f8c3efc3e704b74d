"""User functions of the population: f(mu) or f(mu, t), told apart once by their signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

TimeFunction: TypeAlias = Callable[[Any, int], Any]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def takes_time(function: Callable[..., Any], name: str) -> bool:
    """Whether `function` is to be called as f(mu, t) rather than f(mu).

    It is f(mu, t) if two positional parameters are required or the second is called t; f(mu) if one is
    required, or none and there is one to fill. Further parameters with defaults keep their defaults.

    Raises
    ------
    TypeError
        Any other signature, one that cannot be read, or `*args` alone, which would take both.
    """
    shape = "must be a function of (mu) or (mu, t)"
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise TypeError(f"{name} has no signature that can be read; {shape}: wrap it in one") from None
    positional = [p for p in parameters if p.kind in _POSITIONAL]
    required = [p for p in positional if p.default is p.empty]
    forced = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if forced:
        raise TypeError(f"{name} needs the keyword argument {forced[0].name!r}; {shape}")
    if not positional or len(required) > 2:
        raise TypeError(f"{name} takes ({', '.join(str(p) for p in parameters)}); {shape}")
    return len(required) == 2 or (len(positional) > 1 and positional[1].name == "t")


def of_mu_and_t(function: Callable[..., Any], name: str) -> TimeFunction:
    """`function` as f(mu, t): itself, or a wrapper that drops t."""
    if takes_time(function, name):
        return function

    def without_time(mu: Any, t: int) -> Any:
        return function(mu)

    return without_time
