from typing import Any

from numpy.typing import NDArray
from typing_extensions import disjoint_base

@disjoint_base
class Seed:
    n_children_spawned: int
    def __init__(self, words: list[int]) -> None: ...
    def spawn(self, n_children: int) -> list[Seed]: ...
    def generate_state(self, n_words: int, dtype: Any = ...) -> NDArray[Any]: ...
