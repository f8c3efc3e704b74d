from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tmfcore._model.activation import ActingShares
from tmfcore._model.model import Model
from tmfcore._model.policy import Policy

_Pair: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]

def empirical_direction(
    policy: Policy,
    mu: NDArray[np.float64],
    flows: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]],
    successors: NDArray[np.int32] | None,
    passive_successors: NDArray[np.int32] | None,
    horizon: int,
    pool: int,
    active: NDArray[np.float64] | ActingShares,
    discount: float,
    always: bool,
    tables: _Pair,
    sums: _Pair,
    natural: bool,
    direction: NDArray[np.float64],
    visits: NDArray[np.float64],
    level: NDArray[np.float64],
    surplus: NDArray[np.float64],
    altruism: float = 0.0,
) -> float: ...
def returns_direction(
    model: Model,
    policy: Policy,
    mu: NDArray[np.float64],
    observations: NDArray[np.unsignedinteger[Any]],
    actions: NDArray[np.signedinteger[Any]],
    active: NDArray[np.float64] | ActingShares,
    discount: float,
    pool: int,
    tables: _Pair,
    sums: _Pair,
    natural: bool,
    direction: NDArray[np.float64],
    visits: NDArray[np.float64],
    level: NDArray[np.float64],
    surplus: NDArray[np.float64],
    altruism: float = 0.0,
) -> float: ...
