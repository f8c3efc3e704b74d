from numpy.typing import ArrayLike
from typing_extensions import disjoint_base

from tmfcore._model.model import Model

@disjoint_base
class Restricted(Model):
    def __init__(self, base: Model, legal: ArrayLike) -> None: ...
