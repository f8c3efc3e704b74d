from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmfcore._population.agents import MAX_AGENTS as MAX_AGENTS

def rename(
    key: NDArray[np.uint64],
    initial_counts: NDArray[np.int64],
    observations: NDArray[np.unsignedinteger[Any]],
    actions: NDArray[np.signedinteger[Any]],
    rewards: NDArray[np.float64],
) -> None: ...
def numbers(
    key: NDArray[np.uint64], initial_counts: NDArray[np.int64], begin: int, out: NDArray[np.int64]
) -> None: ...
