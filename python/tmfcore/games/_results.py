"""Conversion of results to shares of the population, for functions that take either."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._model.fingerprint import Fingerprint, same
from tmfcore._model.game import Game


def shares(game: Game, values: object, name: str) -> npt.NDArray[Any]:
    """`values` as an array with at least one dimension; the mu of a Simulation, Flow or Solution of the game."""
    result: Any = getattr(values, "flow", values)  # a Solution has a flow
    if hasattr(result, "fingerprint") and hasattr(result, "mu"):
        same(name, result.fingerprint, Fingerprint.of(game), ("game",))
        found: npt.NDArray[Any] = result.mu
        return found
    array = check.as_numbers(values, name) if check.is_array(values) else np.zeros(())
    if array.ndim == 0:
        raise TypeError(
            f"{name} is {say.show(values)}; must be an array over the observations, a Simulation, a Flow or a Solution"
        )
    return array
