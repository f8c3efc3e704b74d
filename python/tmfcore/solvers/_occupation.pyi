from typing import Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from tmfcore._model.activation import ActingShares
from tmfcore._model.model import Model

@disjoint_base
class Occupation:
    def __new__(
        cls,
        model: Model,
        initial: NDArray[np.float64],
        active: NDArray[np.float64] | ActingShares,
        horizon: int,
        discount: float,
        always: bool,
        flow_weight: float,
        value_weight: float,
        step: float = ...,
        width: int = ...,
        branches: int = ...,
    ) -> Self: ...
    def objective(
        self,
        L: NDArray[np.float64],
        y: NDArray[np.float64],
        z: NDArray[np.float64],
        L_gradient: NDArray[np.float64],
        y_gradient: NDArray[np.float64],
        z_gradient: NDArray[np.float64],
    ) -> float: ...
