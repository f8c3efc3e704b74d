from typing import Any

from numpy import float64, int32
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

from tmfcore._model.model import Model

@disjoint_base
class Routing(Model):
    network: Any
    on_way: NDArray[float64]
    room: NDArray[float64]
    @property
    def linear(self) -> bool: ...
    @property
    def vehicles(self) -> float: ...
    @property
    def n_links(self) -> int: ...
    def __init__(
        self,
        successors: NDArray[int32],
        passive_successors: NDArray[int32],
        place: ArrayLike,
        arriving: ArrayLike,
        passive_arriving: ArrayLike,
        paying: ArrayLike,
        delay: ArrayLike,
        steps: ArrayLike,
        vehicles: float,
        time_step: float,
        late: float,
        horizon: int,
        linear: bool,
    ) -> None: ...
    def volumes(self, mu: NDArray[float64]) -> NDArray[float64]: ...
