import numpy as np
from numpy.typing import NDArray

from tmfcore.solvers._judged import Judged

class Iterate(Judged):
    def spread(self) -> float: ...
    def ascend(
        self,
        logits: NDArray[np.float64],
        velocity: NDArray[np.float64] | None,
        rate: float,
        momentum: float,
    ) -> bool: ...
    def soften(self, logits: NDArray[np.float64]) -> bool: ...
    def decide(self) -> None: ...
    def project(self, rate: float, noise: NDArray[np.float64] | None) -> bool: ...
    def respond(self, weight: float, by_flow: bool) -> None: ...
    def regularise(
        self,
        logits: NDArray[np.float64],
        prior: NDArray[np.float64],
        temperature: float,
        weight: float,
    ) -> bool: ...
