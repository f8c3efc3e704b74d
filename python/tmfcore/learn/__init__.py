"""Model-based learning: games that are not known, from what agents did in them.

    fit(data, ...) -> Fit          a game from logged play, with confidence intervals

Play may be asynchronous: agents that do not act give the passive rewards and transitions.
"""

from tmfcore.learn.fit import Fit, FitIntervals, fit

__all__ = ["Fit", "FitIntervals", "fit"]
