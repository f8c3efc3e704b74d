"""Time in sweeps: what a step of length dt makes of a horizon and a discount (theory.md section 8)."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray


def in_sweeps(make: Callable[..., Any]) -> bool:
    """Whether the games of a function take their horizon in sweeps, and a step as a share of one."""
    known = inspect.signature(make).parameters
    return "step" in known and "time" not in known and known["horizon"].annotation == "float"


def step_length(step: object) -> float:
    """The step dt in (0, 1]: the share of a sweep it lasts."""
    return check.as_float(step, "step", low=0.0, high=1.0, low_open=True)


def steps_and_discount(horizon: object, discount: object, step: float) -> tuple[int, float]:
    """(round(T / dt), gamma**dt): steps and discount per step, from a horizon and a discount in sweeps."""
    sweeps = check.as_float(horizon, "horizon", low=0.0, low_open=True)
    gamma = check.as_float(discount, "discount", low=0.0, high=1.0)
    n_steps = min(sweeps / step, 2.0**62)  # the Game says what is too many
    if round(n_steps) < 1:
        raise ValueError(f"horizon is {sweeps:g} sweeps of {1 / step:g} steps; must last at least one step")
    return round(n_steps), gamma**step


def start(initial: object, n_observations: int) -> FloatArray:
    """`initial` checked, or everybody at observation 0."""
    if initial is None:
        everybody = np.zeros(n_observations)
        everybody[0] = 1.0
        return everybody
    return check.as_probabilities(initial, "initial", shape=(n_observations,), letters="S")


def vector(value: object, name: str, n: int, letter: str, *, low: float, low_open: bool) -> FloatArray:
    """A (n,) array of floats; one number stands for n equal ones."""
    if not check.is_array(value):
        return np.full(n, check.as_float(value, name, low=low, low_open=low_open))
    return check.as_float_array(value, name, shape=(n,), letters=letter, low=low, low_open=low_open)
