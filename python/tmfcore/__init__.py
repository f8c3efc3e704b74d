"""tmfcore: temporal mean-field games. N agents of whom any B act at a step, their limit, and its equilibrium.

    import tmfcore as tmf

Documentation: https://tmfcore.readthedocs.io. "Theory, section 4" in a docstring means its page "Theory".

Rooms, each of which imports only from those below it (page "Architecture"):

    cli  reproduce  interop  testing     what people touch (cli and reproduce are not imported here)
    solvers  analysis                    what is computed from games
    _population                          N agents: simulate, finite_exploitability
    games                                the shelf
    _limit                               the mean field: mean_field, evaluate, best_response, exploitability
    _model                               what is played: Game, policies, schedules
    _results                             what verbs return: the base of results, their tables and files
    plotting  _random  _base             pictures; seeds and streams; checks of every user value
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tmfcore import analysis, games, interop, solvers, testing
from tmfcore._base.about import build_info, get_cython_path, get_include
from tmfcore._base.files import FileError
from tmfcore._limit.exploitability import BestResponse, best_response, exploitability
from tmfcore._limit.mean_field import Evaluation, Flow, evaluate, mean_field
from tmfcore._model.game import Game, Tables
from tmfcore._model.model import Model
from tmfcore._model.policies import SoftmaxPolicy, TabularPolicy
from tmfcore._model.schedules import Batch, Bernoulli, Fraction, Schedule, Sequential, Synchronous
from tmfcore._population.finite import FiniteExploitability, finite_exploitability
from tmfcore._population.simulate import simulate
from tmfcore._population.simulation import Simulation, Trajectories
from tmfcore._results.confidence import Interval
from tmfcore._results.result import load
from tmfcore.analysis.fit import Fit, FitIntervals, fit
from tmfcore.solvers import ConvergenceWarning, Solution, solve, tune

if TYPE_CHECKING:
    from tmfcore import plotting as plotting

__version__: str

__all__ = [
    "Batch",
    "Bernoulli",
    "BestResponse",
    "ConvergenceWarning",
    "Evaluation",
    "FileError",
    "FiniteExploitability",
    "Fit",
    "FitIntervals",
    "Flow",
    "Fraction",
    "Game",
    "Interval",
    "Model",
    "Schedule",
    "Sequential",
    "Simulation",
    "SoftmaxPolicy",
    "Solution",
    "Synchronous",
    "Tables",
    "TabularPolicy",
    "Trajectories",
    "__version__",
    "analysis",
    "best_response",
    "build_info",
    "evaluate",
    "exploitability",
    "finite_exploitability",
    "fit",
    "games",
    "get_cython_path",
    "get_include",
    "interop",
    "load",
    "mean_field",
    "simulate",
    "solve",
    "solvers",
    "testing",
    "tune",
]


def __getattr__(name: str) -> Any:
    """`__version__`, from the installed metadata, and `plotting`, when asked for: both take longer than the rest."""
    if name == "__version__":
        from importlib.metadata import version

        return version("tmfcore")
    if name == "plotting":
        from importlib import import_module

        return import_module("tmfcore.plotting")
    raise AttributeError(f"module 'tmfcore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), "__version__"})
