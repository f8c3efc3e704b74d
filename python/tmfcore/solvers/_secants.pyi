import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from tmfcore.solvers._judged import Judged

@disjoint_base
class Secants:
    pairs: NDArray[np.float64]
    policy: NDArray[np.float64]
    q: NDArray[np.float64]
    mu: NDArray[np.float64]
    def __new__(cls, iterate: Judged, n_pairs: int) -> Secants: ...
    def begin(self, logits: NDArray[np.float64]) -> None: ...
    def end(self, logits: NDArray[np.float64], update: int) -> None: ...
    def answer(self, update: int) -> tuple[float, float, float]: ...
    def covariances(self) -> NDArray[np.float64]: ...
