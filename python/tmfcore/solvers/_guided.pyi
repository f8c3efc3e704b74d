import numpy as np
from numpy.typing import NDArray

from tmfcore._model.activation import ActingShares
from tmfcore._model.model import Model
from tmfcore._model.policy import Policy

def guided_direction(
    model: Model,
    policy: Policy,
    mu: NDArray[np.float64],
    decisions: NDArray[np.int64] | None,
    n_agents: float,
    active: NDArray[np.float64] | ActingShares,
    gaps: NDArray[np.float64],
    horizon: int,
    every: int,
    natural: bool,
    all_actions: bool,
    direction: NDArray[np.float64],
    visits: NDArray[np.float64],
) -> None: ...
