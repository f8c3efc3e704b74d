import numpy as np
from numpy.random import BitGenerator
from numpy.typing import NDArray
from typing_extensions import disjoint_base

@disjoint_base
class AliasTables: ...

def alias_draws(bit_generator: BitGenerator, p: NDArray[np.float64], size: int) -> NDArray[np.int64]: ...
def alias_probabilities(p: NDArray[np.float64]) -> NDArray[np.float64]: ...
