"""Model-based learning: games that are not known, from what agents did in them.

    fit(data, ...) -> Fit                      a game from logged play, with confidence intervals
    eliminate(games, oracle, ...) -> Elimination   which of several games is played, from few trajectories
    optimistic(game, ...) -> Episodes          a policy of high welfare, while the rows are learnt
    Oracle(game, schedule, ...)                trajectories of one agent in a game that a learner does not see

Play may be asynchronous: agents that do not act give the passive rewards and transitions.
"""

from tmfcore.learn._eliminate import Elimination, eliminate
from tmfcore.learn._optimistic import Episodes, optimistic
from tmfcore.learn._oracle import Oracle
from tmfcore.learn.fit import Fit, FitIntervals, fit

__all__ = ["Elimination", "Episodes", "Fit", "FitIntervals", "Oracle", "eliminate", "fit", "optimistic"]
