# What single agents do in turn.
from typing_extensions import disjoint_base

@disjoint_base
class Singles: ...
