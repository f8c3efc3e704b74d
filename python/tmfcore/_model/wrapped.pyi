import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

from tmfcore._model.model import Model

@disjoint_base
class Wrapped(Model):
    base: Model

@disjoint_base
class Restricted(Wrapped):
    def __init__(self, base: Model, legal: ArrayLike) -> None: ...

@disjoint_base
class Charged(Wrapped):
    prices: NDArray[np.float64]
    def __init__(self, base: Model, prices: ArrayLike) -> None: ...
