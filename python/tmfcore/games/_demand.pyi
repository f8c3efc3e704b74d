from numpy.typing import ArrayLike
from typing_extensions import disjoint_base

from tmfcore._model.model import Model

@disjoint_base
class Levels(Model):
    def __init__(
        self,
        levels: ArrayLike,
        capacity: float,
        severity: float,
        social_weight: float,
        dt: float,
    ) -> None: ...
