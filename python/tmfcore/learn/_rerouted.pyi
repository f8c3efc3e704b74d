import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

from tmfcore._model.model import Model

@disjoint_base
class Rerouted(Model):
    base: Model
    rows: NDArray[np.float64]
    def __init__(self, base: Model, rows: ArrayLike) -> None: ...
