"""Games learnt from logged play: rewards and transitions estimated, with their intervals, and a Game to solve.

    fit(data, ...) -> Fit          from trajectories of individuals, or from the counts of simulations
    Fit.game                       constant or affine in mu; every verb and solver takes it
    Fit.interval(confidence)       of every reward and every probability, and which of them the data identifies

Play may be asynchronous: who did not act (action -1) teaches the passive rewards and transitions.

    _verb          arguments, and what a Fit is made of
    _result        Fit, FitIntervals
    _by_agents     who went where: sums over agents, and a regression for each (o, a)
    _by_counts     how many went where: one regression of all
    _regression    least squares with a prior, score intervals, projection on the simplex
"""

from tmfcore.analysis.fit._result import Fit, FitIntervals
from tmfcore.analysis.fit._verb import fit

__all__ = ["Fit", "FitIntervals", "fit"]
