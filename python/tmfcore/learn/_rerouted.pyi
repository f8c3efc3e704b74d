import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

from tmfcore._model.model import Model
from tmfcore._model.wrapped import Wrapped

@disjoint_base
class Rerouted(Wrapped):
    rows: NDArray[np.float64]
    def __init__(self, base: Model, rows: ArrayLike) -> None: ...
