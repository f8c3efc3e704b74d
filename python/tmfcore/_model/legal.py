"""Which actions are legal: (S, A) booleans of a game, and the stand-ins for the rows of the others.

as_legal(value, S, A)               the argument `legal`, checked; None if every action is legal
filled(value, name, shape, legal)   an array of a user, with the rows of illegal actions replaced
first_legal(legal)                  for each action itself or, if it is illegal, the first legal one; (S, A)
lawful(actions, legal)              the same of actions (..., S) that a kernel chose
folded(table, legal)                probabilities of illegal actions moved to the legal ones that stand for them
uniform(game)                       (S, A) probabilities, uniform over the legal actions
blank(array, model)                 NaN at illegal actions, in results

Inside the model the row of an illegal action is a copy of the row of the first legal action at its observation, so that
kernels read a valid row everywhere, and values, best responses and bounds are those of the legal actions. No policy
gives it weight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.model import Model
from tmfcore._model.policy import AffinePolicy, CallablePolicy, LegalPolicy, Policy, TablePolicy

if TYPE_CHECKING:
    from tmfcore._model.core import Core

__all__ = [
    "LegalArray", "as_lawful_policy", "as_legal", "blank", "filled", "first_legal", "folded", "lawful", "never_taken",
    "uniform",
]  # fmt: skip

LegalArray: TypeAlias = npt.NDArray[np.bool_]
_Number = TypeVar("_Number", bound=np.generic)


def as_legal(value: object, n_observations: int, n_actions: int) -> LegalArray | None:
    """`legal` as a read-only (S, A) array; None if it is None, or if every action is legal."""
    if value is None:
        return None
    legal = check.as_bool_array(value, "legal")
    if legal.shape != (n_observations, n_actions):
        raise ValueError(f"legal has shape {legal.shape}; must be (S, A) = {(n_observations, n_actions)}")
    none = np.asarray(~legal.any(axis=1))
    if none.any():
        raise ValueError(
            f"legal[{int(none.argmax())}] has no True; each observation must have at least one legal action "
            f"({say.tally(none, 'rows')})"
        )
    return None if legal.all() else check.frozen(legal)


def first_legal(legal: LegalArray) -> IntArray:
    """The action whose row stands for that of each action, (S, A): itself, or the first legal one."""
    first = legal.argmax(axis=1)[:, np.newaxis]
    return np.where(legal, np.arange(legal.shape[1]), first)


def filled(value: object, name: str, shape: tuple[int | None, ...], legal: LegalArray | None) -> object:
    """A copy of an array (S, A, ...) with stand-ins; `value` itself if it is a function, or not of this shape."""
    if legal is None or value is None or callable(value):
        return value
    given = check.as_numbers(value, name)
    if given.ndim != len(shape) or given.shape[:2] != legal.shape:
        return given
    try:
        array = np.array(given)
    except MemoryError:
        raise MemoryError(f"{name} has shape {given.shape}; a copy of it does not fit in memory") from None
    o, a = np.nonzero(~legal)
    array[o, a] = array[o, first_legal(legal)[o, a]]
    return array


def lawful(actions: npt.NDArray[_Number], legal: LegalArray | None) -> npt.NDArray[_Number]:
    """Actions (..., S) that a kernel chose, with the first legal ones, which have the same rows, for illegal ones."""
    if legal is None:
        return actions
    stand_ins = first_legal(legal)
    return np.asarray(stand_ins[np.arange(len(stand_ins)), actions], dtype=actions.dtype)


def folded(table: FloatArray, legal: LegalArray) -> FloatArray:
    """Probabilities (..., S, A) in which those of illegal actions are moved to the actions that stand for them."""
    out = np.where(legal, table, 0.0)
    first = legal.argmax(axis=1)
    out[..., np.arange(len(first)), first] += np.where(legal, 0.0, table).sum(axis=-1)
    return out


def uniform(game: Core) -> FloatArray:
    """Every legal action equally likely, (S, A)."""
    if game.legal is None:
        return np.full((game.n_observations, game.n_actions), 1.0 / game.n_actions)
    return np.asarray(game.legal / game.legal.sum(axis=1, keepdims=True))


def never_taken(theta: object) -> npt.NDArray[np.bool_] | None:
    """Which logits are -inf, the actions never taken; None if there are none, or theta is not an array of numbers."""
    if not check.is_array(theta) or callable(theta):
        return None
    never = np.isneginf(check.as_real_array(theta, "theta"))
    if never.ndim == 4:
        never[..., 1:] = False
    return never if never.any() else None


def blank(array: FloatArray, model: Model) -> FloatArray:
    """The array (S, A, ...) or (..., S, A) itself, with NaN at illegal actions."""
    if model.legal is not None:
        if array.shape[:2] == model.legal.shape:
            array[~model.legal] = np.nan
        else:
            array[..., ~model.legal] = np.nan
    return array


def as_lawful_policy(kernel: Policy, legal: LegalArray, name: str) -> Policy:
    """A compiled policy, after the check that no illegal action has weight; others than tables check themselves.

    Raises
    ------
    ValueError
        A weight on an illegal action; the error names stage, observation and action.
    """
    if isinstance(kernel, TablePolicy):
        weights = np.where(legal, 0.0, kernel.table)
        if weights.any():
            at = tuple(int(i) for i in np.argwhere(weights)[0])
            raise ValueError(f"{_at(name, at)} is {weights[at]:.6g}; must be 0: {_rule(legal, at)}")
        return kernel
    if isinstance(kernel, AffinePolicy):
        wrong = ~legal & (kernel.logits > -np.inf)
        if wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise ValueError(
                f"{name}.theta[{say.at(at)}, 0] is {kernel.logits[at]:.6g}; must be -inf, for weight 0: "
                f"{_rule(legal, at)}"
            )
        return kernel
    return kernel if isinstance(kernel, CallablePolicy) else LegalPolicy(kernel, legal)


def _at(name: str, at: tuple[int, ...]) -> str:
    """Stage, observation and action."""
    return f"{name}[{say.at(at)}]"


def _rule(legal: LegalArray, at: tuple[int, ...]) -> str:
    _, o, a = at
    return (
        f"game.legal[{o}, {a}] is False, and legal at observation {o} are the actions "
        f"{np.flatnonzero(legal[o]).tolist()}; start from TabularPolicy.uniform(game)"
    )
