import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from tmfcore._model.policy import Policy

@disjoint_base
class HistogramPolicy(Policy):
    @property
    def kappa(self) -> int: ...
    @property
    def n_seen(self) -> int: ...
    @property
    def n_blocks(self) -> int: ...
    @property
    def table(self) -> NDArray[np.float64]: ...
    def __init__(
        self, table: NDArray[np.float64], kappa: int, weights: NDArray[np.float64] | None = None
    ) -> None: ...
    def places(self, histograms: NDArray[np.int32]) -> NDArray[np.int64]: ...
