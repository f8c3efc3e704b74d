"""Games estimated from logged play: rewards and transitions with confidence intervals, and a Game to solve.

    fit(data, ...) -> Fit          from trajectories of individuals, or from the counts of simulations
    Fit.game                       the estimated game, constant or affine in mu
    Fit.interval(confidence)       intervals of all rewards and probabilities, and which of them the data identifies

Play may be asynchronous: agents that do not act (action -1) give the passive rewards and transitions.

    _verb          arguments, and the assembly of a Fit
    _result        Fit, FitIntervals
    _by_agents     from individuals: a regression for each (o, a)
    _by_counts     from counts: one regression for all (o, a)
    _regression    least squares with a prior, score intervals, projection on the simplex
"""

from tmfcore.learn.fit._result import Fit, FitIntervals
from tmfcore.learn.fit._verb import fit

__all__ = ["Fit", "FitIntervals", "fit"]
