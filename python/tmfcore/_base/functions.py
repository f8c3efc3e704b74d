"""User functions f(mu), f(mu, t) or f(mu, t, z), distinguished once by their signature; and decorators of functions.

of_mu_and_t(function, name, noise)      the function as f(mu, t) that returns float64; errors name the step
n_arguments(function, name, most)       how many of (mu, t, z) it takes
noted(function, name, of)               a callback; a note that names it is added to its errors
fits_memory(advice, asks)               decorator: advice is added to errors about too little memory
SMALLER_GAME                            this advice for functions that need memory for each step of a game
takes_rng                               decorator: the error for seed= says to pass rng=
warn(text, category)                    a warning that points at the caller's line
"""

from __future__ import annotations

import functools
import inspect
import sys
import warnings
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, ParamSpec, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from tmfcore._base import validation as check

TimeFunction: TypeAlias = Callable[[Any, int], Any]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_FLOAT64 = np.dtype(np.float64)

#: The first words of numpy's errors about arrays that are too large for any memory.
_TOO_LARGE = (
    "Maximum allowed dimension exceeded", "array is too big", "maximum supported dimension", "Python int too large",
)  # fmt: skip

SMALLER_GAME = "game must have fewer steps (horizon), observations or actions"

_SAYS_RNG = "says_rng"  # attribute of the wrapper of fits_memory: whether takes_rng has decorated it

_P = ParamSpec("_P")
_R = TypeVar("_R")


def n_arguments(function: Callable[..., Any], name: str, most: int = 2, hint: str = "") -> int:
    """The number of arguments to call `function` with: 1 for (mu), 2 for (mu, t) or, if `most` is 3, 3 for (mu, t, z).

    f(mu, t) if two positional parameters are required or the second one is called t; f(mu) if one is required, or none
    and there is at least one; f(mu, t, z) if three are required. Further parameters keep their defaults. `hint` is
    appended to the error about a function of three arguments if at most two are allowed.

    Raises
    ------
    TypeError
        Any other signature, an unreadable signature, `*args` alone (which is ambiguous), or a class.
    """
    shape = f"must be a function of {'(mu) or (mu, t)' if most == 2 else '(mu), (mu, t) or (mu, t, z)'}"
    if isinstance(function, type):
        raise TypeError(f"{name} is the class {function.__name__}; {shape}")
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise TypeError(f"{name} has no readable signature; {shape}: wrap it in a Python function") from None
    positional = [p for p in parameters if p.kind in _POSITIONAL]
    required = [p for p in positional if p.default is p.empty]
    forced = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if forced:
        raise TypeError(f"{name} needs the keyword argument {forced[0].name!r}; {shape}")
    if not positional or len(required) > most:
        hint = hint if len(required) == 3 else ""
        raise TypeError(f"{name} takes ({', '.join(str(p) for p in parameters)}); {shape}{hint}")
    if len(required) > 1:
        return len(required)
    return 2 if len(positional) > 1 and positional[1].name == "t" else 1


def of_mu_and_t(
    function: Callable[..., Any],
    name: str,
    noise: NDArray[np.float64] | None = None,
    hint: str = "",
    step: float | None = None,
    n_steps: int = 0,
    read: Callable[[object, str], NDArray[np.float64]] = check.as_real_array,
) -> TimeFunction:
    """`function` as f(mu, t) of the step t; t is dropped, or z = noise[t] added, as its signature requires.

    With `step`, the length of a step in sweeps, the function gets the time t * step in sweeps, and the entries of
    `noise` are spread evenly over `n_steps`. Its errors propagate, with a note that names the function and the time.
    Its return value is checked to be real numbers and converted to float64 by `read`, unless it is a float64 array; the
    caller must check the shape.
    """
    n = n_arguments(function, name, most=2 if noise is None else 3, hint=hint)

    def called(mu: Any, t: int) -> Any:
        when = t if step is None else t * step
        try:
            if n == 2:
                value = function(mu, when)
            elif n == 1:
                value = function(mu)
            else:
                assert noise is not None, "no function has three arguments without it"
                value = function(mu, when, noise[t if step is None else t * len(noise) // n_steps])
        except Exception as error:
            at = f"at step t = {t}" if step is None else f"at t = {when:g} sweeps"
            error.add_note(f"raised by {name}(mu, t) {at}")
            raise
        if type(value) is np.ndarray and value.dtype == _FLOAT64:
            return value
        return read(value, f"{name}(mu, t={when:g})")

    return called


def noted(function: object, name: str, of: str) -> Callable[..., Any]:
    """`function`, checked to be callable with arguments `of`; a note that names it is added to its errors."""
    call = check.as_function(function, name, of)

    def called(*arguments: Any) -> Any:
        try:
            return call(*arguments)
        except Exception as error:
            error.add_note(f"raised by {name}, called as a function of {of}")
            raise

    return called


def fits_memory(advice: str, *, asks: bool = False) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Decorator of a function that may run out of memory: `advice` names the arguments to make smaller.

    numpy's own errors name a shape, or say that a dimension is too large, but name no argument. If decorated functions
    call each other, the advice is that of the outermost; the attribute `cause` of the error has the text without it.
    `asks`: the function calls `needs.ask`, so that `estimate` takes it. `takes_rng` adds its error without a wrapper.
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @functools.wraps(function)
        def tried(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            try:
                return function(*args, **kwargs)
            except (MemoryError, OverflowError, TypeError, ValueError) as error:
                if isinstance(error, TypeError):
                    if getattr(tried, _SAYS_RNG):
                        _refuse_seed(function, kwargs)
                    raise
                text = str(error)
                if isinstance(error, MemoryError) or text.startswith(_TOO_LARGE):
                    cause, asked = getattr(error, "cause", text), getattr(error, "asked", False)
                    name = function.__qualname__ if function.__name__ == "__init__" else function.__name__
                    what = f"{name.removesuffix('.__init__')}() "
                    what += cause if asked else f"needs more memory than there is{f' ({cause})' if cause else ''}"
                    told = MemoryError(f"{what}; {getattr(error, 'advice', None) or advice}")
                    # a solver's `partial` result, and notes; advice of `ask` is that of the innermost function
                    told.__dict__.update(vars(error) | {"cause": cause, "advice": None})
                    raise told from None
                raise

        setattr(tried, _SAYS_RNG, False)
        if asks:
            tried.asks_for_memory = True  # type: ignore[attr-defined]
        return tried

    return decorate


def takes_rng(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorator of a function with an argument `rng`: the error for `seed` or `random_state` says to pass `rng`."""
    if hasattr(function, _SAYS_RNG):  # of fits_memory, whose wrapper serves for both
        setattr(function, _SAYS_RNG, True)
        return function

    @functools.wraps(function)
    def tried(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except TypeError:
            _refuse_seed(function, kwargs)
            raise

    return tried


def _refuse_seed(function: Callable[..., object], arguments: Mapping[str, object]) -> None:
    """Raise if a seed is given by the name that it has elsewhere."""
    for other in ("seed", "random_state"):
        if other in arguments:
            raise TypeError(
                f"{function.__name__}() has no argument {other!r}; pass rng={arguments[other]!r}"
            ) from None


class ConvergenceWarning(UserWarning):
    """A solver ended without meeting its tolerance; the result says why."""


def warn(text: str, category: type[Warning]) -> None:
    """Warn at the line that called the package, through any number of its own functions in between."""
    frame: FrameType | None = sys._getframe(1)
    level = 2
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "tmfcore":
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)
