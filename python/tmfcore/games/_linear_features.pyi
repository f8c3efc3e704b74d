from numpy.typing import ArrayLike
from typing_extensions import disjoint_base

from tmfcore._model.model import Model

MOST_FEATURES: int

@disjoint_base
class LinearFeatures(Model):
    def __init__(
        self,
        own: ArrayLike,
        crowd: ArrayLike,
        target: ArrayLike,
        step: float,
        n_steps: int,
        crowding: float,
        epsilon: float,
    ) -> None: ...
