"""What tests of TMF-PG share: a solver of few iterations."""

from __future__ import annotations

import numpy as np

import tmfcore as tmf
from tmfcore.solvers import Solution

N = 1000


def small(step: float = 1.0) -> tmf.Game:
    return tmf.games.resource_selection((1.0, 0.6), congestion=1.0, initial=(0.3, 0.7), horizon=4, step=step).at()


def same(one: Solution, two: Solution) -> bool:
    columns = set(one.history) - {"seconds"}
    return one.policy == two.policy and all(np.array_equal(one.history[c], two.history[c]) for c in columns)
