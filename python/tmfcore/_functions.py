"""User functions of the population: f(mu), f(mu, t) or f(mu, t, z), told apart once by their signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

TimeFunction: TypeAlias = Callable[[Any, int], Any]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def n_arguments(function: Callable[..., Any], name: str, most: int = 2) -> int:
    """How many arguments `function` is called with: 1 of (mu), 2 of (mu, t) or, where `most` is 3, 3 of (mu, t, z).

    It is f(mu, t) if two positional parameters are required or the second is called t; f(mu) if one is
    required, or none and there is one to fill; f(mu, t, z) if three are required. Further parameters with defaults keep
    their defaults.

    Raises
    ------
    TypeError
        Any other signature, one that cannot be read, or `*args` alone, which would take both.
    """
    shape = f"must be a function of {'(mu) or (mu, t)' if most == 2 else '(mu), (mu, t) or (mu, t, z)'}"
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise TypeError(f"{name} has no signature that can be read; {shape}: wrap it in one") from None
    positional = [p for p in parameters if p.kind in _POSITIONAL]
    required = [p for p in positional if p.default is p.empty]
    forced = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if forced:
        raise TypeError(f"{name} needs the keyword argument {forced[0].name!r}; {shape}")
    if not positional or len(required) > most:
        raise TypeError(f"{name} takes ({', '.join(str(p) for p in parameters)}); {shape}")
    if len(required) > 1:
        return len(required)
    return 2 if len(positional) > 1 and positional[1].name == "t" else 1


def of_mu_and_t(function: Callable[..., Any], name: str, noise: NDArray[np.float64] | None = None) -> TimeFunction:
    """`function` as f(mu, t): itself, or a wrapper that drops t or adds z = noise[t]."""
    n = n_arguments(function, name, most=2 if noise is None else 3)
    if n == 2:
        return function

    def without_time(mu: Any, t: int) -> Any:
        return function(mu)

    def with_noise(mu: Any, t: int) -> Any:
        assert noise is not None
        return function(mu, t, noise[t])

    return without_time if n == 1 else with_noise
