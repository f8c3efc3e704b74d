from numpy.typing import ArrayLike
from typing_extensions import disjoint_base

from tmfcore._model.model import Model

@disjoint_base
class Robotics(Model):
    def __init__(
        self,
        worth: ArrayLike,
        costs: ArrayLike,
        congestion: float,
        least_share: float,
        success: float,
        slowdown: float,
        least_success: float,
    ) -> None: ...
