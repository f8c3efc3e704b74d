import numpy as np
from numpy.typing import NDArray

from tmfcore._model.activation import ActingShares
from tmfcore._model.evaluator import Kept
from tmfcore._model.model import Model
from tmfcore._model.policy import Policy

def forward(
    model: Model,
    policy: Policy,
    initial: NDArray[np.float64],
    active: NDArray[np.float64] | ActingShares,
    horizon: int,
    record_every: int,
    mu: NDArray[np.float64],
    kept: Kept | None = None,
    acted: NDArray[np.float64] | None = None,
) -> None: ...
def backward(
    model: Model,
    policy: Policy | None,
    mu: NDArray[np.float64],
    active: NDArray[np.float64] | ActingShares,
    discount: float,
    always: bool,
    values: NDArray[np.float64],
    q: NDArray[np.float64] | None = None,
    greedy: NDArray[np.int64] | None = None,
    kept: Kept | None = None,
    extra: NDArray[np.float64] | None = None,
) -> bool: ...
def gaps(
    model: Model,
    policy: Policy,
    mu: NDArray[np.float64],
    active: NDArray[np.float64] | ActingShares,
    discount: float,
    always: bool,
    kept: Kept | None = None,
    extra: NDArray[np.float64] | None = None,
) -> tuple[float, float, float]: ...
