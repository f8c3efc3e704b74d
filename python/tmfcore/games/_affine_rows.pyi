from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from tmfcore._base.rows import ROW_TOLERANCE as ROW_TOLERANCE

@disjoint_base
class Rows:
    def __init__(
        self, name: str, base: NDArray[np.float64], slopes: NDArray[np.float64] | None, n_observations: int
    ) -> None: ...
    @property
    def constant(self) -> bool: ...
    @property
    def rigid(self) -> bool: ...
    @property
    def n_observations(self) -> int: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    def terms(self, first: int, n: int, matrix: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
