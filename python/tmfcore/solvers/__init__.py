"""Solvers of mean-field games: hyperparameters in the constructor, `.solve(game, schedule, ...) -> Solution`.

    TMFPG            temporal mean-field policy gradient, theory.md section 7: learns from N sampled agents
    MirrorDescent    online mirror descent; what `tmf.solve` tries first
    FictitiousPlay   the average of best responses, by where agents are
    FixedPoint       damped best response
    PriorDescent     entropy-regularised responses with a moving prior
    Homotopy         equilibria of players who err less and less, by Newton's method: needs no monotonicity
    MFOMO            occupation-measure optimisation: needs no monotonicity
    Stationary       one policy for all time, at the distribution it settles at
    solve            an equilibrium by the first of them that finds one
    tune             the settings of one of them that serve a game best, or several games
    Solution         what every solver returns; save and load
    Iteration        what a callback is given
    ConvergenceWarning   what a solver issues that ends without meeting its tolerance
    Tuning           what `tune` returns
    default_space    what `tune` searches unless told

All but TMFPG know the game and sample nothing. A solver is a frozen dataclass: it can be reused, compared and printed,
and holds nothing of a solve.
"""

from tmfcore.solvers._space import default_space
from tmfcore.solvers.auto import solve
from tmfcore.solvers.base import ConvergenceWarning, Iteration, Solution
from tmfcore.solvers.best_response import FictitiousPlay, FixedPoint
from tmfcore.solvers.homotopy import Homotopy
from tmfcore.solvers.mfomo import MFOMO
from tmfcore.solvers.mirror_descent import MirrorDescent
from tmfcore.solvers.prior_descent import PriorDescent
from tmfcore.solvers.stationary import Stationary
from tmfcore.solvers.tmfpg import TMFPG
from tmfcore.solvers.tuning import Tuning, tune

__all__ = [
    "MFOMO",
    "TMFPG",
    "ConvergenceWarning",
    "FictitiousPlay",
    "FixedPoint",
    "Homotopy",
    "Iteration",
    "MirrorDescent",
    "PriorDescent",
    "Solution",
    "Stationary",
    "Tuning",
    "default_space",
    "solve",
    "tune",
]
