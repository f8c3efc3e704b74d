from typing import Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from tmfcore._model.activation import ActingShares
from tmfcore._model.evaluator import Evaluator, Kept
from tmfcore._model.model import Model
from tmfcore._model.policy import Policy

@disjoint_base
class Externality:
    looks_ahead: bool
    def __new__(cls, at: Evaluator, policy: Policy | None) -> Self: ...

def prices(
    model: Model,
    policy: Policy,
    mu: NDArray[np.float64],
    active: NDArray[np.float64] | ActingShares,
    discount: float,
    found: NDArray[np.float64],
    kept: Kept | None = None,
    width: int = 0,
) -> None: ...
