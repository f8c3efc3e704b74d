from typing import Any

from numpy import float64
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from tmfcore._model.model import Model

@disjoint_base
class Traffic(Model):
    network: Any
    @property
    def n_links(self) -> int: ...
    @property
    def vehicles(self) -> float: ...
    def volumes(self, mu: NDArray[float64]) -> NDArray[float64]: ...
