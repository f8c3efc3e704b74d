"""Solvers of mean-field games: hyperparameters in the constructor, `.solve(game, schedule, ...) -> Solution`.

    solve            find an equilibrium with a given solver, or with several solvers that take turns
    tune             search the settings of a solver that work best on one game or several
    Solution         what every solver returns; can be saved and loaded
    Iteration        what a callback receives
    ConvergenceWarning   issued when a solver ends without meeting its tolerance
    Tuning           what `tune` returns
    Discretisation   the error of the steps on which solvers work under Poisson clocks
    default_space    the settings that `tune` searches by default
    Subsampled       policies of agents that see kappa neighbours; returns a Subsampling

All solvers but TMFPG read the model of the game and sample nothing. A solver is a frozen dataclass of settings: it can
be reused, compared and printed, and keeps no state of a solve. Each module of this folder registers its solvers:

"""

from typing import TYPE_CHECKING

from tmfcore._base.registry import discover
from tmfcore.solvers._grid import Discretisation
from tmfcore.solvers._registry import SOLVERS
from tmfcore.solvers._space import default_space
from tmfcore.solvers._subsampled import Subsampled, Subsampling
from tmfcore.solvers.auto import solve
from tmfcore.solvers.base import ConvergenceWarning, Iteration, Solution
from tmfcore.solvers.tuning import Tuning, tune

if TYPE_CHECKING:
    # written by python -m bench.solvers
    from typing import Literal, TypeAlias

    from tmfcore.solvers.best_response import FictitiousPlay as FictitiousPlay
    from tmfcore.solvers.best_response import FixedPoint as FixedPoint
    from tmfcore.solvers.homotopy import Homotopy as Homotopy
    from tmfcore.solvers.mfomo import MFOMO as MFOMO
    from tmfcore.solvers.mirror_descent import MirrorDescent as MirrorDescent
    from tmfcore.solvers.prior_descent import PriorDescent as PriorDescent
    from tmfcore.solvers.projected_gradient import ProjectedGradient as ProjectedGradient
    from tmfcore.solvers.stationary import Stationary as Stationary
    from tmfcore.solvers.stationary_tmfpg import StationaryTMFPG as StationaryTMFPG
    from tmfcore.solvers.tmfpg import TMFPG as TMFPG

    ExactName: TypeAlias = Literal[
        "FictitiousPlay", "fictitious-play",
        "FixedPoint", "fixed-point",
        "Homotopy", "homotopy",
        "MFOMO", "mfomo",
        "MirrorDescent", "mirror-descent",
        "PriorDescent", "prior-descent",
        "ProjectedGradient", "projected-gradient",
        "Stationary", "stationary",
    ]  # fmt: skip

    SoftmaxName: TypeAlias = Literal[
        "StationaryTMFPG", "stationary-tmf-pg",
        "TMFPG", "tmf-pg",
    ]  # fmt: skip

discover(__name__, __path__)
globals().update({name: SOLVERS[name].solver for name in SOLVERS})
if __doc__:
    __doc__ += "".join(f"    {entry.name:<16} {entry.summary}\n" for entry in SOLVERS.values())

__all__ = ["ConvergenceWarning", "Discretisation", "Iteration", "Solution", "Tuning", "default_space", "solve", "tune"]
__all__ += ["Subsampled", "Subsampling", *SOLVERS]
