from numpy.typing import ArrayLike
from typing_extensions import disjoint_base

from tmfcore._model.model import Model

@disjoint_base
class CrowdAversion(Model):
    def __init__(
        self,
        transition: ArrayLike,
        passive_transition: ArrayLike,
        successors: ArrayLike | None,
        passive_successors: ArrayLike | None,
        worth: ArrayLike,
        extra: ArrayLike,
        scale: ArrayLike,
        crowding: float,
        epsilon: float,
    ) -> None: ...
