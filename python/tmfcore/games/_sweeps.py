"""What parameters of the shelf have in common: starts, and numbers that stand for vectors."""

from __future__ import annotations

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray


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
