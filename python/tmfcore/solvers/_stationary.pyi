from typing_extensions import disjoint_base

from tmfcore.solvers._descent import Iterate

@disjoint_base
class StationaryIterate(Iterate):
    tolerance: float
    max_steps: int
    unit: float
    def __init__(self, *arguments: object, **options: object) -> None: ...
    def settles(self) -> bool: ...
