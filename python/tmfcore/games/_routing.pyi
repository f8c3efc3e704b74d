from numpy import float64, int32
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

from tmfcore.games._traffic import Traffic

@disjoint_base
class Routing(Traffic):
    on_way: NDArray[float64]
    room: NDArray[float64]
    @property
    def linear(self) -> bool: ...
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
