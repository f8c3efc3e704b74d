
import numpy as np
from numpy.random import BitGenerator
from numpy.typing import NDArray
from typing_extensions import disjoint_base

@disjoint_base
class RowSplitter:
    def __new__(cls, n_rows: int, n_cells: int) -> RowSplitter: ...

def categorical(bit_generator: BitGenerator, p: NDArray[np.float64], size: int) -> NDArray[np.int64]: ...
def multinomial(bit_generator: BitGenerator, n: int, p: NDArray[np.float64]) -> NDArray[np.int64]: ...
def multinomials(
    bit_generator: BitGenerator, n: NDArray[np.int64], p: NDArray[np.float64]
) -> NDArray[np.int64]: ...
