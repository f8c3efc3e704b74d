import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from tmfcore._model.activation import ActingShares
from tmfcore._model.model import Model
from tmfcore._model.policy import Policy
from tmfcore.analysis._derivatives import Derivatives

@disjoint_base
class Recursion(Derivatives): ...

def run(
    model: Model,
    policy: Policy,
    active: NDArray[np.float64] | ActingShares,
    ratio: float,
    coins: bool,
    share: float,
    exact: bool,
    record_every: int,
    horizon: int,
    mu: NDArray[np.float64],
    sigma: NDArray[np.float64],
    bias: NDArray[np.float64],
) -> None: ...
