import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from tmfcore._model.activation import ActingShares
from tmfcore._model.model import Model
from tmfcore._model.policy import Policy

@disjoint_base
class TaggedModel(Model):
    def __init__(self, base: Model) -> None: ...

@disjoint_base
class TaggedPolicy(Policy):
    def __init__(self, own: Policy, others: Policy) -> None: ...

def respond(
    model: Model,
    policy: Policy | None,
    counts: NDArray[np.int64],
    n_agents: float,
    active: NDArray[np.float64] | ActingShares,
    discount: float,
    values: NDArray[np.float64],
    greedy: NDArray[np.int64] | None = None,
    extra: NDArray[np.float64] | None = None,
) -> None: ...
def surprises(
    model: Model,
    policy: Policy,
    counts: NDArray[np.int64],
    valued: NDArray[np.int64],
    n_agents: float,
    active: NDArray[np.float64] | ActingShares,
    discount: float,
    values: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
