from numpy.typing import ArrayLike
from typing_extensions import disjoint_base

from tmfcore._model.model import Model

@disjoint_base
class LinearQuadratic(Model):
    def __init__(
        self,
        n_observations: int,
        n_steps: int,
        push: ArrayLike,
        pull: float,
        delta: float,
        shifts: ArrayLike,
        chances: ArrayLike,
        action_reward: ArrayLike,
        cross: ArrayLike,
        standing: float,
        terminal: float,
        rounding: int,
        wrap: bool,
    ) -> None: ...
