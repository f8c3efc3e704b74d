from numpy.typing import ArrayLike
from typing_extensions import disjoint_base

from tmfcore.games._affine import Affine

@disjoint_base
class PairwiseRevision(Affine):
    def __init__(self, payoffs: ArrayLike, rule: int, intensity: float, mutation: float, dt: float) -> None: ...
