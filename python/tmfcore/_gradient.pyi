from typing import Any

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
def empirical_direction(
    policy: Policy,
    mu: NDArray[np.float64],
    flows: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]],
    successors: NDArray[np.int32] | None,
    passive_successors: NDArray[np.int32] | None,
    horizon: int,
    record_every: int,
    active: NDArray[np.float64],
    discount: float,
    always: bool,
    natural: bool,
    direction: NDArray[np.float64],
    visits: NDArray[np.float64],
) -> float: ...
def returns_direction(
    model: Model,
    policy: Policy,
    mu: NDArray[np.float64],
    observations: NDArray[np.unsignedinteger[Any]],
    actions: NDArray[np.signedinteger[Any]],
    discount: float,
    pool: int,
    natural: bool,
    direction: NDArray[np.float64],
    visits: NDArray[np.float64],
) -> float: ...
