import numpy as np
from numpy.typing import NDArray

from tmfcore._model.model import Model

def fill(
    model: Model,
    mu: NDArray[np.float64],
    t: int,
    active: NDArray[np.float64],
    passive: NDArray[np.float64] | None,
) -> None: ...
def step_back(
    rows: NDArray[np.float64],
    passive: NDArray[np.float64] | None,
    shares: NDArray[np.float64],
    pairs: NDArray[np.intp],
    following: NDArray[np.float64] | None,
    values: NDArray[np.float64],
    greedy: NDArray[np.intp] | None,
    first: int,
    last: int,
) -> None: ...
