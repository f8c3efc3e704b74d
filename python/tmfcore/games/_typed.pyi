from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

from tmfcore._model.model import Model

@disjoint_base
class Block: ...

@disjoint_base
class Typed(Model):
    @property
    def models(self) -> tuple[Model, ...]: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def manners(self) -> tuple[int, ...]: ...
    @property
    def rates(self) -> tuple[float, ...]: ...
    @property
    def indptr(self) -> NDArray[np.int32]: ...
    @property
    def indices(self) -> NDArray[np.int32]: ...
    @property
    def weights(self) -> NDArray[np.float64]: ...
    def __init__(
        self,
        models: Sequence[Model],
        rates: ArrayLike,
        indptr: NDArray[np.int32],
        indices: NDArray[np.int32],
        weights: NDArray[np.float64],
        names: Sequence[str],
        manners: Sequence[int],
    ) -> None: ...
    def neighbourhoods(self, n_seen: int) -> NDArray[np.float64]: ...
