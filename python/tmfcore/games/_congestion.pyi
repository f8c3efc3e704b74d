from numpy import int32
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

from tmfcore.games._traffic import Traffic

@disjoint_base
class Congestion(Traffic):
    def __init__(
        self,
        successors: NDArray[int32],
        start: ArrayLike,
        links: ArrayLike,
        delay: ArrayLike,
        vehicles: float,
        step: float,
        legal: ArrayLike | None = None,
    ) -> None: ...
