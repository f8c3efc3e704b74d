"""Promises of the author of a compiled game, and their checks. Each promise lets kernels call the game less often.

    broken(tables, promises, mus, steps) -> a text about the first promise found broken, or None

constant_transition      neither kernel depends on mu or t
local_passive_reward     r0_t(o, mu) depends on o and mu(o) only
separable_reward         r_t(o, a, mu) - r0_t(o, mu) depends on o and a only

A promise that holds at the points tried is assumed to hold elsewhere. Rows promised constant are also checked whenever
a kernel computes them (CompiledModel); a run may compute them once only. Cost: two tables for each mu and step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from tmfcore._base.validation import FloatArray

__all__ = ["NAMES", "ROUNDING", "broken", "differently_elsewhere", "points"]

NAMES = ("constant_transition", "local_passive_reward", "separable_reward")
ALONE = 16  # up to this number of observations each is checked by itself
ROUNDING = 1e-9  # largest difference of equal rewards, relative to the largest reward


def points(initial: FloatArray, seed: int = 0) -> list[FloatArray]:
    """Distributions (S,) at which a game is tried: initial, uniform, and a random one."""
    n = len(initial)
    drawn = np.random.default_rng(seed).dirichlet(np.ones(n))
    return [initial, np.full(n, 1.0 / n), drawn / drawn.sum()]


def differently_elsewhere(mu: FloatArray, kept: npt.NDArray[np.intp]) -> FloatArray:
    """A distribution that equals mu (S,) at `kept` and has all remaining mass at one other observation.

    If there are fewer than two other observations, mu itself.
    """
    other = np.setdiff1d(np.arange(len(mu)), kept)
    if len(other) < 2:
        return mu
    moved = mu.copy()
    heir = other[np.argmin(mu[other])]
    moved[other] = 0.0
    moved[heir] = mu[other].sum()
    return moved


def _kept_apart(n: int) -> list[npt.NDArray[np.intp]]:
    """Sets of observations such that for each ordered pair some set contains the first and not the second.

    Few observations: each is a set. Many: they are numbered, and each bit gives two sets, of the numbers with this bit
    and of those without. With three or more observations each set omits at least two.
    """
    places = np.arange(n, dtype=np.intp)
    if n <= ALONE:
        return list(places[:, np.newaxis])
    bits = (n - 1).bit_length()
    numbers = (places << bits) // n  # spread over all numbers of `bits` bits, so that each bit splits them evenly
    return [places[(numbers >> bit & 1) == value] for bit in range(bits) for value in (0, 1)]


def broken(
    tables_at: Callable[[FloatArray, int], tuple[FloatArray, ...]],
    promises: Iterable[str],
    mus: Sequence[FloatArray],
    steps: Sequence[int],
) -> str | None:
    """A text about the first of `promises` that `tables_at(mu, t)` breaks at `mus` (S,) and `steps`; or None."""
    promises = tuple(promises)
    first = tables_at(mus[0], steps[0])
    for mu in mus:
        apart = _kept_apart(len(mu)) if "local_passive_reward" in promises else []
        moved = [tables_at(differently_elsewhere(mu, kept), steps[-1])[2][kept] for kept in apart]
        for t in steps:
            tables = tables_at(mu, t)
            if "constant_transition" in promises:
                for name, i in (("transition", 1), ("passive_transition", 3)):
                    bad = np.argwhere(tables[i] != first[i])
                    if len(bad):
                        at = tuple(int(k) for k in bad[0])
                        return (
                            f"constant_transition is promised, but {name}{list(at)} is {first[i][at]:.6g} at one "
                            f"(mu, t) and {tables[i][at]:.6g} at another"
                        )
            if "separable_reward" in promises:
                extra, extra_first = (rewards[0] - rewards[2][:, np.newaxis] for rewards in (tables, first))
                bad = np.argwhere(~_close(extra, extra_first, tables[0], first[0]))
                if len(bad):
                    at = tuple(int(k) for k in bad[0])
                    return (
                        f"separable_reward is promised, but reward{list(at)} - passive_reward[{at[0]}] is "
                        f"{extra_first[at]:.6g} at one (mu, t) and {extra[at]:.6g} at another"
                    )
            for kept, there in zip(apart, moved, strict=True):
                here = tables[2][kept]
                bad = np.argwhere(~_close(here, there, tables[2], here))
                if len(bad):
                    k = int(bad[0, 0])
                    return (
                        f"local_passive_reward is promised, but passive_reward[{kept[k]}] is {here[k]:.6g} at "
                        f"one (mu, t) and {there[k]:.6g} at another with the same mu[{kept[k]}]"
                    )
    return None


def _close(x: FloatArray, y: FloatArray, *scales: FloatArray) -> npt.NDArray[np.bool_]:
    largest = max((float(np.abs(scale).max()) for scale in scales if scale.size), default=0.0)
    close: npt.NDArray[np.bool_] = np.abs(x - y) <= ROUNDING * max(largest, 1e-300)
    return close
