from numpy.typing import ArrayLike
from typing_extensions import disjoint_base

from tmfcore._model.model import Model

@disjoint_base
class ResourceSelection(Model):
    def __init__(
        self,
        values: ArrayLike,
        congestion: ArrayLike,
        switching_cost: float,
        power: float,
        step: float,
    ) -> None: ...

@disjoint_base
class Queueing(Model):
    def __init__(
        self,
        capacities: ArrayLike,
        service_reward: float,
        waiting_cost: float,
        jockeying_cost: float,
        step: float,
    ) -> None: ...
