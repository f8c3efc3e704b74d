import numpy.typing as npt
from typing_extensions import disjoint_base

from tmfcore._model.model import Model

@disjoint_base
class ClockedModel(Model):
    def __init__(
        self, base: Model, short: float, dt: float, rest: npt.ArrayLike, bound: float, successors: npt.ArrayLike | None
    ) -> None: ...
