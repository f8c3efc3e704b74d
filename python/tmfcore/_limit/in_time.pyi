import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from tmfcore._model.model import Model
from tmfcore._model.policy import Policy

@disjoint_base
class InTime: ...

def forward(
    model: Model,
    policy: Policy,
    rate: NDArray[np.float64],
    short: float,
    spans: NDArray[np.float64],
    stages: NDArray[np.int32],
    mu: NDArray[np.float64],
    acted: NDArray[np.float64],
) -> None: ...
def backward(
    model: Model,
    policy: Policy,
    rate: NDArray[np.float64],
    decay: float,
    short: float,
    spans: NDArray[np.float64],
    stages: NDArray[np.int32],
    mu: NDArray[np.float64],
    start: NDArray[np.float64],
    values: NDArray[np.float64] | None = None,
    altruism: float = 0.0,
) -> float: ...
