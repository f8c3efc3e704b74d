from typing_extensions import disjoint_base

from tmfcore._model.model import Model

@disjoint_base
class Evaluator: ...

@disjoint_base
class Kept:
    def __new__(cls, size: int, horizon: int) -> Kept: ...

def keep_kernels(model: Model, horizon: int, most_bytes: float = ...) -> Kept | None: ...
