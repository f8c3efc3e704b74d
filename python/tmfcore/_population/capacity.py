"""How many agents each engine takes.

check_population(n_agents, engine)           in all
check_batches(n_agents, batch, engine)       if some of them act
"""

from __future__ import annotations

import numpy as np

from tmfcore._base.validation import IntArray
from tmfcore._population import agents as agents_kernel
from tmfcore._population import counts as counts_kernel
from tmfcore._population.shards import TILE

__all__ = ["check_batches", "check_population"]


def check_population(n_agents: int, engine: str, ranks: int = 1) -> None:
    """Raise ValueError if there are too many agents."""
    limit = agents_kernel.MAX_AGENTS if engine == "agents" else counts_kernel.MAX_AGENTS
    name = "agents" if engine == "agents" else "counts"
    where = ""
    if ranks > 1:
        limit, where = ranks * (limit + 1 - TILE), f" on {ranks} ranks"
    if n_agents > limit:
        raise ValueError(f"n_agents is {n_agents}; must be <= {limit}, the limit of the {name} engine{where}")


def check_batches(n_agents: int, batch: IntArray | None, engine: str) -> None:
    """Raise ValueError if there are too many agents for batches (T,) or (1,) of them; None: no batches."""
    if engine != "counts" or batch is None or n_agents <= counts_kernel.MAX_AGENTS_BATCH:
        return
    between = (batch > 1) & (batch < n_agents)
    if between.any():
        t = int(np.argmax(between))
        raise ValueError(
            f"n_agents is {n_agents}; must be <= {counts_kernel.MAX_AGENTS_BATCH} for batches of 1 < B < n_agents "
            f"({int(batch[t])} at step {t}): the counts engine cannot draw such batches from more agents; "
            "use Bernoulli, Sequential or Synchronous"
        )
