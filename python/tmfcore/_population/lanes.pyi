from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from tmfcore._model.model import Model
from tmfcore._model.policy import Policy
from tmfcore._population.pauses import Pauses

MOST: Final[int]
MOST_AGENTS: Final[int]

@disjoint_base
class Side:
    def run(
        self,
        keys: NDArray[np.uint64],
        initial_counts: NDArray[np.int64],
        discount: float,
        record_every: int,
        counts: NDArray[np.int64],
        decisions: NDArray[np.int64] | None,
        rewards: NDArray[np.float64],
        returns: NDArray[np.float64],
        watch: NDArray[np.int64] | None = ...,
        pieces: Pauses | None = ...,
        states: list[dict[str, Any]] | None = ...,
        ends: NDArray[np.uint64] | None = ...,
    ) -> tuple[int, int]: ...
    def run_apart(
        self,
        keys: NDArray[np.uint64],
        initial_counts: NDArray[np.int64],
        discount: float,
        lengths: NDArray[np.int64],
        counts: NDArray[np.int64],
        decisions: NDArray[np.int64] | None,
        rewards: NDArray[np.float64],
        returns: NDArray[np.float64],
        watch: NDArray[np.int64] | None = ...,
        pieces: Pauses | None = ...,
        states: list[dict[str, Any]] | None = ...,
        ends: NDArray[np.uint64] | None = ...,
    ) -> tuple[int, int]: ...

def fewest(n_observations: int) -> int: ...
def side(
    model: Model, policy: Policy, horizon: int, n_agents: int, decisions: bool, size: int = ...
) -> Side | None: ...
