from typing import Any

import numpy as np
from numpy.random import BitGenerator
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from tmfcore._model.activation import ActingShares
from tmfcore._model.model import Model
from tmfcore._model.policy import Policy
from tmfcore._population.stepping import Populations

@disjoint_base
class AgentsPopulations(Populations):
    batches: list[NDArray[np.int64]] | None
    def __init__(
        self,
        model: Model,
        horizon: int,
        discount: float,
        batch: NDArray[np.int64] | None,
        probability: NDArray[np.float64] | ActingShares | None,
        counts: NDArray[np.int64],
        decisions: bool,
        bit_generators: list[BitGenerator],
        state: dict[str, Any] | None = None,
    ) -> None: ...
    def restart(self, counts: NDArray[np.int64], bit_generators: list[BitGenerator]) -> None: ...
    def follow(self, policy: Policy) -> int: ...
    def step(self, n_steps: int) -> None: ...
    def draw(self) -> list[NDArray[np.int64]]: ...
    def act(self, actions: list[NDArray[np.int64]]) -> tuple[NDArray[np.float64], NDArray[np.int64]]: ...
    def individuals(self) -> NDArray[np.unsignedinteger[Any]]: ...
    def state(self) -> dict[str, Any]: ...
