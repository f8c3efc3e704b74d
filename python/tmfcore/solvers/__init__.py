"""Solvers of mean-field games: hyperparameters in the constructor, `.solve(game, schedule, ...) -> Solution`.

    TMFPG         temporal mean-field policy gradient, theory.md section 7
    MirrorDescent online mirror descent, exact
    Solution      what every solver returns; save and load
    Iteration     what a callback is given

A solver is a frozen dataclass: it can be reused, compared and printed, and holds nothing of a solve.
"""

from tmfcore.solvers.base import Iteration, Solution
from tmfcore.solvers.mirror_descent import MirrorDescent
from tmfcore.solvers.tmfpg import TMFPG

__all__ = ["TMFPG", "Iteration", "MirrorDescent", "Solution"]
