# Steps at which one agent acts, cimported by the engines.
from typing_extensions import disjoint_base

@disjoint_base
class Singles: ...

def one_by_one(size: int, n_agents: int, n_observations: int) -> bool: ...
