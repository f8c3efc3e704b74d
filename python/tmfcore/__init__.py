"""tmfcore: temporal mean-field games. N agents of whom any B act at a step, their limit, and its equilibrium.

    import tmfcore as tmf

The house, bottom up; imports point only down:

    cli  reproduce  interop                         what people touch (not imported here but interop, which is lazy)
    solvers  analysis  testing  gamefile            what is computed from games
    simulate  |  mean_field, evaluate  |  best_response, exploitability, finite_exploitability
    Game, games  TabularPolicy, SoftmaxPolicy  Synchronous, Sequential, Batch, Fraction, Bernoulli
    _validation  _rng  _files  plotting             the gates: every user value is checked once
    _counts _agents _flow _gradient _observed _fluctuations _tagged _model _policy  compiled kernels
"""

from __future__ import annotations

from tmfcore import analysis, games, interop, solvers, testing
from tmfcore._about import build_info, get_cython_path, get_include
from tmfcore._files import FileError
from tmfcore._intervals import Interval
from tmfcore.equilibrium import best_response, exploitability
from tmfcore.finite import FiniteExploitability, finite_exploitability
from tmfcore.fit import Fit, FitIntervals, fit
from tmfcore.game import Game
from tmfcore.meanfield import Evaluation, Flow, evaluate, mean_field
from tmfcore.policy import SoftmaxPolicy, TabularPolicy
from tmfcore.schedule import Batch, Bernoulli, Fraction, Schedule, Sequential, Synchronous
from tmfcore.simulate import Simulation, simulate
from tmfcore.solvers import ConvergenceWarning, Solution, solve, tune

__all__ = [
    "Batch",
    "Bernoulli",
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
    "Schedule",
    "Sequential",
    "Simulation",
    "SoftmaxPolicy",
    "Solution",
    "Synchronous",
    "TabularPolicy",
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
    "mean_field",
    "simulate",
    "solve",
    "solvers",
    "testing",
    "tune",
]


def __getattr__(name: str) -> str:
    """`__version__`, from the installed metadata, read when asked for: that takes longer than the imports."""
    if name == "__version__":
        from importlib.metadata import version

        return version("tmfcore")
    raise AttributeError(f"module 'tmfcore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), "__version__"})
