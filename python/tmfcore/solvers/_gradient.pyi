import numpy as np
from numpy.typing import NDArray

from tmfcore._model.activation import ActingShares
from tmfcore._model.model import Model
from tmfcore._model.policy import Policy

def model_direction(
    model: Model,
    policy: Policy,
    mu: NDArray[np.float64],
    decisions: NDArray[np.int64] | None,
    active: NDArray[np.float64] | ActingShares,
    discount: float,
    always: bool,
    natural: bool,
    direction: NDArray[np.float64],
    visits: NDArray[np.float64],
    extra: NDArray[np.float64] | None = None,
) -> float: ...
