from typing import Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from tmfcore._model.activation import ActingShares
from tmfcore._model.model import Model

@disjoint_base
class Judged:
    horizon: int
    n_observations: int
    n_actions: int
    policy: NDArray[np.float64]
    mu: NDArray[np.float64]
    q: NDArray[np.float64]
    greedy: NDArray[np.int32]
    residual: float
    flows: int
    altruism: float
    prices: NDArray[np.float64] | None
    def __new__(
        cls,
        model: Model,
        initial: NDArray[np.float64],
        active: NDArray[np.float64] | ActingShares,
        horizon: int,
        discount: float,
        always: bool,
        kept_bytes: float = ...,
        altruism: float = ...,
        width: int = ...,
    ) -> Self: ...
    def evaluate(self) -> tuple[float, float, float]: ...
    def play(self) -> None: ...
