from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from tmfcore._model.activation import ActingShares
from tmfcore._model.model import Model
from tmfcore._model.policy import Policy

MAX_AGENTS: Final[int]

@disjoint_base
class GraphEngine:
    def __init__(
        self,
        model: Model,
        policy: Policy,
        horizon: int,
        starts: NDArray[np.int64],
        neighbours: NDArray[np.int32],
        shares: NDArray[np.float64] | None,
        running: NDArray[np.float64] | None,
    ) -> None: ...

def run(
    engine: GraphEngine,
    key: NDArray[np.uint64],
    observed: NDArray[np.unsignedinteger[Any]],
    discount: float,
    batch: NDArray[np.int64] | None,
    probability: NDArray[np.float64] | ActingShares | None,
    record_every: int,
    counts: NDArray[np.int64],
    decisions: NDArray[np.int64] | None,
    rewards: NDArray[np.float64],
    observations: NDArray[np.unsignedinteger[Any]] | None = None,
    actions: NDArray[np.signedinteger[Any]] | None = None,
    individual_rewards: NDArray[np.float64] | None = None,
    watch: NDArray[np.int64] | None = None,
    so_far: NDArray[np.float64] | None = None,
) -> float: ...
