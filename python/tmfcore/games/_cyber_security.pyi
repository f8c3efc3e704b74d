from numpy.typing import ArrayLike
from typing_extensions import disjoint_base

from tmfcore._model.model import Model

@disjoint_base
class CyberSecurity(Model):
    def __init__(
        self,
        switching: float,
        attack: ArrayLike,
        contagion: ArrayLike,
        recovery: ArrayLike,
        cost: ArrayLike,
    ) -> None: ...
