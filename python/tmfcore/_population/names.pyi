from typing import Any

import numpy as np
from numpy.typing import NDArray

def rename(
    key: NDArray[np.uint64],
    initial_counts: NDArray[np.int64],
    observations: NDArray[np.unsignedinteger[Any]],
    actions: NDArray[np.signedinteger[Any]],
    rewards: NDArray[np.float64],
) -> None: ...
