from collections.abc import Callable
from typing import Final

from typing_extensions import disjoint_base

TILE: Final[int]

@disjoint_base
class Shard:
    n_agents: int
    begin: int
    end: int
    def __init__(self, rank: int, size: int, n_agents: int, add: Callable[[memoryview, int], object]) -> None: ...
    def check(self, n_agents: int, most: int, listed: bool) -> None: ...

@disjoint_base
class Visitors:
    n: int
    def __init__(self, shard: Shard, most: int, width: int) -> None: ...
