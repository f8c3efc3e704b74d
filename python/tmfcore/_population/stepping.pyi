from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple

import numpy as np
from numpy.random import BitGenerator
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from tmfcore._model.activation import ActingShares
from tmfcore._model.model import Model
from tmfcore._model.policy import Policy

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

@disjoint_base
class Populations:
    t: int
    drawn: bool
    bit_generators: list[BitGenerator]
    def alone(self, function: Callable[[*_Ts], _T], *arguments: *_Ts) -> _T: ...
    def again(self, n_steps: int, followed: int) -> bool: ...
    def mean_rewards(self) -> NDArray[np.float64]: ...
    def returns(self) -> NDArray[np.float64]: ...
    def all_counts(self) -> NDArray[np.int64]: ...
    def all_decisions(self) -> NDArray[np.int64] | None: ...
    def all_keys(self) -> NDArray[np.uint64]: ...

@disjoint_base
class CountsPopulations(Populations):
    def __init__(
        self,
        model: Model,
        horizon: int,
        discount: float,
        batch: NDArray[np.int64] | None,
        probability: NDArray[np.float64] | ActingShares | None,
        counts: NDArray[np.int64],
        decisions: bool,
        bit_generators: list[BitGenerator],
        state: dict[str, Any] | None = None,
    ) -> None: ...
    def restart(self, counts: NDArray[np.int64], bit_generators: list[BitGenerator]) -> None: ...
    def follow(self, policy: Policy) -> int: ...
    def step(self, n_steps: int) -> None: ...
    def draw(self) -> NDArray[np.int64]: ...
    def act(self, decisions: NDArray[np.int64]) -> None: ...
    def state(self) -> dict[str, Any]: ...
