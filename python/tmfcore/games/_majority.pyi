from typing_extensions import disjoint_base

from tmfcore._model.model import Model

@disjoint_base
class Majority(Model):
    def __init__(
        self,
        n_polled: int,
        fidelity: float,
        correlation: float,
        worth: float,
        polling_cost: float,
    ) -> None: ...
