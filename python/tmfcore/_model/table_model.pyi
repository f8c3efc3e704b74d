from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

from tmfcore._model.model import Model

_Table: TypeAlias = ArrayLike | Callable[[NDArray[np.float64], int], ArrayLike]

TABLE_NAMES: Final[tuple[str, ...]]
FLOAT64: Final[np.dtype[np.float64]]

@disjoint_base
class TableModel(Model):
    def __init__(
        self,
        n_observations: int,
        n_actions: int,
        reward: _Table,
        transition: _Table,
        passive_reward: _Table,
        passive_transition: _Table | None,
        successors: ArrayLike | None = None,
        passive_successors: ArrayLike | None = None,
        legal: ArrayLike | None = None,
    ) -> None: ...
