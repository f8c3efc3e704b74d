from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from tmfcore._model.activation import ActingShares
from tmfcore._model.model import Model
from tmfcore._model.policy import Policy
from tmfcore._population.pauses import Pauses
from tmfcore._population.shards import Shard

MAX_AGENTS: Final[int]
MAX_OBSERVATIONS: Final[int]
MAX_ROWS: Final[int]

def observation_dtype(n_observations: int) -> np.dtype[np.unsignedinteger[Any]]: ...
def action_dtype(n_actions: int) -> np.dtype[np.signedinteger[Any]]: ...
def check_observations(
    observations: NDArray[np.uint8],
    now: NDArray[np.int64],
    dtype: np.dtype[np.unsignedinteger[Any]],
    shard: Shard | None = None,
) -> None: ...
def run(
    model: Model,
    policy: Policy,
    key: NDArray[np.uint64],
    initial_counts: NDArray[np.int64],
    horizon: int,
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
    threads: int = 1,
    watch: NDArray[np.int64] | None = None,
    so_far: NDArray[np.float64] | None = None,
    pieces: Pauses | None = None,
    state: dict[str, Any] | None = None,
    shard: Shard | None = None,
    end: NDArray[np.uint64] | None = None,
    end_observations: NDArray[np.uint8] | None = None,
) -> float: ...

@disjoint_base
class AgentsEngine: ...
