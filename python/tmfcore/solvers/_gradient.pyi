import numpy as np
from numpy.typing import NDArray

from ._model import Model
from ._policy import Policy

def model_direction(
    model: Model,
    policy: Policy,
    mu: NDArray[np.float64],
    decisions: NDArray[np.int64] | None,
    active: NDArray[np.float64],
    discount: float,
    always: bool,
    natural: bool,
    direction: NDArray[np.float64],
    visits: NDArray[np.float64],
) -> float: ...
