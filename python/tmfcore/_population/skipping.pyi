# Sequential play of which only the events that change the counts are drawn, cimported by counts.
from typing_extensions import disjoint_base

from tmfcore._model.model import Model
from tmfcore._model.policy import Policy

def applies(model: Model, policy: Policy, horizon: int, n_agents: int) -> bool: ...
@disjoint_base
class Skipping: ...
