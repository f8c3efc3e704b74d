import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

from tmfcore._model.model import Model
from tmfcore.games._affine_rows import Rows

@disjoint_base
class Affine(Model):
    @property
    def active(self) -> Rows: ...
    @property
    def passive(self) -> Rows: ...
    @property
    def by_mass(self) -> bool: ...
    def __init__(
        self,
        reward0: ArrayLike,
        reward_mu: ArrayLike | None,
        transition0: ArrayLike,
        transition_mu: ArrayLike | None,
        passive_reward0: ArrayLike,
        passive_reward_mu: ArrayLike | None,
        passive_transition0: ArrayLike | None,
        passive_transition_mu: ArrayLike | None,
        successors: ArrayLike | None = None,
        passive_successors: ArrayLike | None = None,
        legal: ArrayLike | None = None,
    ) -> None: ...
    def reward_slopes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
