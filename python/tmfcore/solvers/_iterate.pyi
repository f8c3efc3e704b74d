from typing import Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from tmfcore._model.model import Model

@disjoint_base
class Iterate:
    horizon: int
    n_observations: int
    n_actions: int
    policy: NDArray[np.float64]
    mu: NDArray[np.float64]
    q: NDArray[np.float64]
    greedy: NDArray[np.int32]
    residual: float
    flows: int
    def __new__(
        cls,
        model: Model,
        initial: NDArray[np.float64],
        active: NDArray[np.float64],
        horizon: int,
        discount: float,
        always: bool,
        kept_bytes: float = ...,
    ) -> Self: ...
    def evaluate(self) -> tuple[float, float, float]: ...
    def play(self) -> None: ...
    def stiffness(
        self,
        policy: NDArray[np.float64],
        q: NDArray[np.float64],
        mu: NDArray[np.float64],
        moved: NDArray[np.float64],
    ) -> tuple[float, float]: ...
    def covariances(self, tables: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def ascend(
        self,
        logits: NDArray[np.float64],
        velocity: NDArray[np.float64] | None,
        rate: float,
        momentum: float,
    ) -> bool: ...
    def soften(self, logits: NDArray[np.float64]) -> bool: ...
    def respond(self, weight: float, by_flow: bool) -> None: ...
    def regularise(
        self,
        logits: NDArray[np.float64],
        prior: NDArray[np.float64],
        temperature: float,
        weight: float,
    ) -> bool: ...
