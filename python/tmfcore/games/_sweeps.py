"""Common parts of the built-in games: time in sweeps, initial distributions, and numbers in place of vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray
from tmfcore._model.game import Game
from tmfcore._model.model import Model


def in_sweeps(
    made: partial[Game], model: Callable[[float, int], Model], horizon: object, discount: object, initial: object,
    step: object, *, mu: FloatArray, needed: Mapping[str, tuple[int, ...]] | None = None, last: int = 0,
    trial: float = 1.0, **look: Any,
) -> Game:  # fmt: skip
    """A game in sweeps.

    Parameters
    ----------
    made : partial
        The public function, with the arguments that make the game again, except time and initial distribution.
    model : callable
        Function of (dt, n_steps) that returns the model of a game of n_steps steps of dt sweeps.
    horizon, discount, initial, step
        As given by the user.
    mu : (S,) floats
        The initial distribution, checked.
    needed : dict, optional
        Memory that the game takes, for which its function has asked: it is asked for again for other steps.
    last : int, optional
        Number of steps after the horizon.
    trial : float, optional
        The step length at which the game is tried.
    **look
        Names and labels, as in Game. The default name is that of the function.
    """
    look = {"name": made.func.__name__} | look

    def cut(dt: float, n_steps: int, gamma: float) -> Game:
        needs.ask(needed or {}, first=True)
        return Game._trusted(model(dt, n_steps), n_steps + last, gamma, mu, step=dt, **look)

    again = None if initial is None else mu
    recipe = partial(made, horizon=horizon, discount=discount, initial=again, step=step)
    return Game._swept(cut, horizon, discount, step, recipe, trial)


def start(initial: object, n_observations: int, *, even: bool = False) -> FloatArray:
    """`initial`, checked. None: all agents at observation 0 or, if `even`, the uniform distribution."""
    if initial is None:
        return np.full(n_observations, 1.0 / n_observations) if even else np.eye(1, n_observations)[0]
    return check.as_probabilities(initial, "initial", shape=(n_observations,), letters="S")


def vector(value: object, name: str, n: int, letter: str, *, low: float, low_open: bool) -> FloatArray:
    """A (n,) array of floats; one number stands for n equal ones."""
    if not check.is_array(value):
        return np.full(n, check.as_float(value, name, low=low, low_open=low_open))
    return check.as_float_array(value, name, shape=(n,), letters=letter, low=low, low_open=low_open)
