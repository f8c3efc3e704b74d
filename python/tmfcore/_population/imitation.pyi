# Steps at which one agent may adopt the observation of another one, cimported by the engines.
from typing_extensions import disjoint_base

from tmfcore._population.singles import Singles

@disjoint_base
class Imitators(Singles): ...
