import numpy as np
from numpy.random import BitGenerator
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from tmfcore._model.activation import ActingShares
from tmfcore._model.model import Model
from tmfcore._model.policy import Policy

@disjoint_base
class Individuals:
    def __init__(
        self, model: Model, policy: Policy | None, horizon: int, acting: ActingShares | None = None
    ) -> None: ...
    def move(
        self,
        bit_generator: BitGenerator,
        t: int,
        mu: NDArray[np.float64],
        observations: NDArray[np.int64],
        actions: NDArray[np.int64],
        arrived: NDArray[np.int64],
        rewards: NDArray[np.float64],
    ) -> None: ...
    def move_among(
        self,
        bit_generator: BitGenerator,
        t: int,
        batch: int,
        probability: float,
        counts: NDArray[np.int64],
        observations: NDArray[np.int64],
        actions: NDArray[np.int64],
        next_counts: NDArray[np.int64],
        arrived: NDArray[np.int64],
        rewards: NDArray[np.float64],
    ) -> None: ...

def encode(
    observations: NDArray[np.int64], mu: NDArray[np.float64], time: float, out: NDArray[np.float32]
) -> None: ...
