from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

def softmax(theta: ArrayLike) -> NDArray[np.float64]: ...
@disjoint_base
class Policy:
    @property
    def n_observations(self) -> int: ...
    @property
    def n_actions(self) -> int: ...
    @property
    def n_stages(self) -> int: ...
    @property
    def depends_on_mu(self) -> bool: ...
    @property
    def differentiable(self) -> bool: ...
    def probabilities(self, mu: NDArray[np.float64], t: int, horizon: int) -> NDArray[np.float64]: ...

@disjoint_base
class TablePolicy(Policy):
    @property
    def table(self) -> NDArray[np.float64]: ...
    def __init__(self, probabilities: ArrayLike, own: bool = False) -> None: ...

@disjoint_base
class AffinePolicy(Policy):
    @property
    def logits(self) -> NDArray[np.float64]: ...
    def __init__(self, theta: ArrayLike) -> None: ...

@disjoint_base
class CallablePolicy(Policy):
    def __init__(
        self,
        function: Callable[[NDArray[np.float64], int], ArrayLike],
        n_observations: int,
        n_actions: int,
        legal: NDArray[np.bool_] | None = None,
        name: str = "policy",
    ) -> None: ...

@disjoint_base
class LegalPolicy(Policy):
    def __init__(self, base: Policy, legal: NDArray[np.bool_]) -> None: ...
