from typing import Any

from numpy import float64, int32
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

from tmfcore._model.model import Model

@disjoint_base
class Congestion(Model):
    network: Any
    @property
    def n_links(self) -> int: ...
    @property
    def vehicles(self) -> float: ...
    def __init__(
        self,
        successors: NDArray[int32],
        start: ArrayLike,
        links: ArrayLike,
        delay: ArrayLike,
        vehicles: float,
        step: float,
    ) -> None: ...
    def volumes(self, mu: NDArray[float64]) -> NDArray[float64]: ...
