from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

_Table: TypeAlias = ArrayLike | Callable[[NDArray[np.float64], int], ArrayLike]

ROW_TOLERANCE: Final[float]
ROW_SIGNATURES: Final[tuple[str, ...]]
TABLE_NAMES: Final[tuple[str, ...]]
FLOAT64: Final[np.dtype[np.float64]]

def signature_types(signature: str) -> tuple[str, ...]: ...
@disjoint_base
class Model:
    @property
    def n_observations(self) -> int: ...
    @property
    def n_actions(self) -> int: ...
    @property
    def n_successors(self) -> int: ...
    @property
    def n_passive_successors(self) -> int: ...
    @property
    def successors(self) -> NDArray[np.int32] | None: ...
    @property
    def passive_successors(self) -> NDArray[np.int32] | None: ...
    @property
    def constant(self) -> bool: ...
    @property
    def constant_transition(self) -> bool: ...
    @property
    def constant_reward(self) -> bool: ...
    @property
    def falling_reward(self) -> int: ...
    @property
    def passive_identity(self) -> bool: ...
    @property
    def local_passive_reward(self) -> bool: ...
    @property
    def separable_reward(self) -> bool: ...
    @property
    def affine(self) -> bool: ...
    @property
    def differentiable(self) -> bool: ...
    def tables(
        self, mu: NDArray[np.float64], t: int = 0
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]: ...
    def row(
        self, mu: NDArray[np.float64], t: int, observation: int, action: int
    ) -> tuple[NDArray[np.float64], float]: ...
    def slopes(
        self, mu: NDArray[np.float64], t: int, observation: int, action: int, sigma: ArrayLike | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
    def check_mu(self, mu: NDArray[np.float64]) -> None: ...

@disjoint_base
class TableModel(Model):
    def __init__(
        self,
        n_observations: int,
        n_actions: int,
        reward: _Table,
        transition: _Table,
        passive_reward: _Table,
        passive_transition: _Table,
        successors: ArrayLike | None = None,
        passive_successors: ArrayLike | None = None,
    ) -> None: ...

@disjoint_base
class CompiledModel(Model):
    def __init__(
        self,
        n_observations: int,
        n_actions: int,
        function: Any,
        successors: ArrayLike | None = None,
        passive_successors: ArrayLike | None = None,
        user_data: int | None = None,
        owner: object = None,
        constant_transition: bool = False,
        local_passive_reward: bool = False,
        separable_reward: bool = False,
        step: float = 0.0,
        own: ArrayLike | None = None,
    ) -> None: ...
