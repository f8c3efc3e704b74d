from typing import Any, Final

from numpy.typing import ArrayLike
from typing_extensions import disjoint_base

from tmfcore._model.model import Model

ROW_SIGNATURES: Final[tuple[str, ...]]

def signature_types(signature: str) -> tuple[str, ...]: ...
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
        legal: ArrayLike | None = None,
    ) -> None: ...
