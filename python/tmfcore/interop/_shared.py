"""Shared by the modules of `interop`: observations, masks, checks of actions, starts, tables by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.game import Game
from tmfcore._population import individuals
from tmfcore._random import sampling

Rows = npt.NDArray[np.float32]
Masks = npt.NDArray[np.int8]
Flags = npt.NDArray[np.bool_]

_INTEGERS = {int, np.int64, np.int32}


def missing(module: str, error: ModuleNotFoundError, extra: str = "envs") -> ModuleNotFoundError:
    """The error for a library that is not installed, naming the extra that installs it."""
    message = f"{module} needs {error.name}, which is not installed: python -m pip install 'tmfcore[{extra}]'"
    return ModuleNotFoundError(message, name=error.name)


def encode(observations: IntArray, mu: FloatArray, t: int, horizon: int) -> Rows:
    """New array (n, 2S+1) float32 for learners: own observation (one-hot), mu (shared (S,) or own (n, S)), t / T."""
    mu = mu.reshape(-1, mu.shape[-1])
    out = np.empty((len(observations), 2 * mu.shape[1] + 1), dtype=np.float32)
    individuals.encode(observations, mu, t / horizon, out)
    return out


def masks(acts: Flags, game: Game, observations: IntArray) -> Masks:
    """Action masks (n, A) int8: legal actions of agents that act, only the first one of the others."""
    n_actions, legal = game.n_actions, game.legal
    if legal is not None:
        out = legal[observations].astype(np.int8)
        idle = np.flatnonzero(~acts)
        out[idle] = 0
        out[idle, legal.argmax(axis=1)[observations[idle]]] = 1
        return out
    out = np.zeros((len(acts), n_actions), dtype=np.int8)
    out[acts] = 1
    out[:, 0] = 1
    return out


def as_actions(values: object, n: int, n_actions: int) -> IntArray:
    """`n` actions as (n,) int64, each checked to lie in 0..A-1."""
    array = values if isinstance(values, np.ndarray) else np.zeros(0)
    if type(values) is list and _INTEGERS.issuperset(map(type, values)):
        array = np.array(values)
    if array.dtype.kind in "iu" and array.shape == (n,) and not np.ma.isMaskedArray(array):  # fast path
        if n == 0 or (array.min() >= 0 and array.max() < n_actions):
            return array.astype(np.int64)
    numbers = check.as_numbers(values, "actions")
    if numbers.dtype.kind == "f" and numbers.size > 0:
        raise TypeError(f"actions have dtype {numbers.dtype}; must be integers")
    return check.as_int_array(numbers, "actions", shape=(n,), low=0, high=n_actions - 1)


def refuse_illegal(actions: IntArray, observations: IntArray, game: Game, name: Callable[[int], str]) -> None:
    """Raise if one of n agents at `observations` (n,) takes an illegal action; `name(i)` is that of its action."""
    if game.legal is None:
        return
    fine = game.legal[observations, actions]
    if not fine.all():
        i = int(fine.argmin())
        o = int(observations[i])
        raise ValueError(
            f"{name(i)} is {actions[i]}, which is illegal at observation {o}; must be one of "
            f"{np.flatnonzero(game.legal[o]).tolist()}, as action_mask says"
        )


def as_action(value: object, n_actions: int) -> int:
    """One action, checked to lie in 0..A-1; may be an array of one integer, as learners return it."""
    if isinstance(value, np.ndarray) and value.shape == (1,):
        value = value[0]
    return check.as_int(value, "action", low=0, high=n_actions - 1)


def row(found: Mapping[int, float], actions: Sequence[int]) -> FloatArray:
    """Probabilities of `actions`, 0 where `found` has none; float32 ones are scaled (`_base.rows`)."""
    values = [found.get(a, 0.0) for a in actions]
    return check.as_rows(np.array(values, np.result_type(*found.values()) if found else None), "probabilities")


def as_seed(seed: object) -> int | None:
    """The seed of a reset; None: continue the old stream."""
    return None if seed is None else check.as_int(seed, "seed", low=0)


def as_options(options: object) -> dict[str, Any]:
    """The options of a reset."""
    return {} if options is None else check.as_instance(options, "options", dict)


def categorical(rng: np.random.Generator, p: FloatArray, n: int) -> IntArray:
    """`n` draws from p (S,)."""
    return sampling.categorical(rng.bit_generator, p, n)


def by_step(table: FloatArray) -> FloatArray | BySteps:
    """A table for each step (T, ...) in the form for a Game: one array if all are equal, else a function of (mu, t)."""
    return table[0] if (table == table[0]).all() else BySteps(table)


class BySteps:
    """A table for each step (T, ...) as a function of (mu, t)."""

    def __init__(self, table: FloatArray) -> None:
        self.table = table

    def __call__(self, mu: FloatArray, t: int) -> FloatArray:
        return self.at(t)

    def at(self, t: int, law: FloatArray | None = None) -> FloatArray:
        """The table of step t, which does not depend on `law`."""
        found: FloatArray = self.table[t]
        return found
