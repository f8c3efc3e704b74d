# Steps at which one agent acts, cimported by the engines.
from typing_extensions import disjoint_base

@disjoint_base
class Singles: ...
