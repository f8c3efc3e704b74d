from typing import Any, Final

import numpy as np
from numpy.random import BitGenerator
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from tmfcore._model.activation import ActingShares
from tmfcore._model.model import Model
from tmfcore._model.policy import Policy
from tmfcore._population.pauses import Pauses

MAX_AGENTS: Final[int]
MAX_AGENTS_BATCH: Final[int]

def run(
    model: Model,
    policy: Policy,
    bit_generator: BitGenerator,
    initial_counts: NDArray[np.int64],
    horizon: int,
    discount: float,
    batch: NDArray[np.int64] | None,
    probability: NDArray[np.float64] | ActingShares | None,
    record_every: int,
    counts: NDArray[np.int64],
    decisions: NDArray[np.int64] | None,
    rewards: NDArray[np.float64],
    flows: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]] | None = None,
    watch: NDArray[np.int64] | None = None,
    lengths: NDArray[np.int64] | None = None,
    so_far: NDArray[np.float64] | None = None,
    pieces: Pauses | None = None,
    state: dict[str, Any] | None = None,
    end: NDArray[np.uint64] | None = None,
    last: int = -1,
) -> float: ...

@disjoint_base
class CountsEngine: ...
