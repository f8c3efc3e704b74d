import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from tmfcore._limit.externality import Externality
from tmfcore._model.model import Model
from tmfcore._model.policy import Policy

@disjoint_base
class ExternalityInTime(Externality): ...

@disjoint_base
class PricesInTime:
    def __init__(self, model: Model, policy: Policy, rate: NDArray[np.float64], short: float) -> None: ...
    def at(
        self,
        stage: int,
        mu: NDArray[np.float64],
        values: NDArray[np.float64],
        price: NDArray[np.float64],
        earned: NDArray[np.float64],
    ) -> None: ...
