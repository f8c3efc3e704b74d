"""tmfcore: mean-field games in which any B of N agents act at a step; simulation, mean-field limit and equilibrium.

    import tmfcore as tmf

Documentation: https://tmfcore.readthedocs.io. "Theory, section 4" in a docstring means its page "Theory".

Subpackages; each imports only from those below it (page "Architecture"):

    cli  reproduce  interop  testing     command line, the paper's experiments (both not imported here), other libraries
    _sweep                               parameter studies: a function on every cell of a grid
    learn                                games that are not known: estimates from data
    solvers  analysis                    equilibria; convergence in N, fluctuations, monotonicity
    _population                          N agents: simulate, finite_exploitability
    games                                built-in games, and constructors of games
    _limit                               the mean field: mean_field, evaluate, best_response, exploitability, welfare
    lq                                   linear-quadratic games of teams
    _model                               Game, policies, schedules
    _results                             base class of all results, their tables and files; confidence intervals
    plotting  _random  _base             pictures; seeds and random streams; checks of arguments, files, threads
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tmfcore import analysis, games, interop, solvers, testing
from tmfcore._base.about import build_info, get_cython_path, get_include
from tmfcore._base.files import FileError
from tmfcore._base.needs import estimate, max_memory
from tmfcore._limit.evaluation import Evaluation
from tmfcore._limit.exploitability import BestResponse, best_response, exploitability
from tmfcore._limit.flows import Flow
from tmfcore._limit.mean_field import evaluate, mean_field
from tmfcore._limit.over_paths import NoiseExploitability
from tmfcore._limit.welfare import welfare
from tmfcore._model.game import Game, Tables
from tmfcore._model.linear_softmax import LinearSoftmax
from tmfcore._model.model import Model
from tmfcore._model.noise import NoiseChain
from tmfcore._model.noise_policy import NoisePolicy
from tmfcore._model.poisson import Poisson
from tmfcore._model.policies import SoftmaxPolicy, TabularPolicy
from tmfcore._model.sampled_policy import SampledPolicy
from tmfcore._model.schedules import Batch, Bernoulli, Fraction, Schedule, Sequential, Synchronous
from tmfcore._population.finite import FiniteExploitability, finite_exploitability
from tmfcore._population.population import Population
from tmfcore._population.simulate import simulate
from tmfcore._population.simulation import Simulation, Trajectories
from tmfcore._results.checkpoint import Checkpoint
from tmfcore._results.confidence import Interval
from tmfcore._results.result import load
from tmfcore._sweep.sweep import sweep
from tmfcore._sweep.swept import Sweep
from tmfcore.solvers import ConvergenceWarning, Solution, solve, tune

if TYPE_CHECKING:
    from tmfcore import learn as learn
    from tmfcore import lq as lq
    from tmfcore import plotting as plotting

_LATE = ("learn", "lq", "plotting")  # rooms that are loaded at first use

__version__: str

__all__ = [
    "Batch",
    "Bernoulli",
    "BestResponse",
    "Checkpoint",
    "ConvergenceWarning",
    "Evaluation",
    "FileError",
    "FiniteExploitability",
    "Flow",
    "Fraction",
    "Game",
    "Interval",
    "LinearSoftmax",
    "Model",
    "NoiseChain",
    "NoiseExploitability",
    "NoisePolicy",
    "Poisson",
    "Population",
    "SampledPolicy",
    "Schedule",
    "Sequential",
    "Simulation",
    "SoftmaxPolicy",
    "Solution",
    "Sweep",
    "Synchronous",
    "Tables",
    "TabularPolicy",
    "Trajectories",
    "__version__",
    "analysis",
    "best_response",
    "build_info",
    "estimate",
    "evaluate",
    "exploitability",
    "finite_exploitability",
    "games",
    "get_cython_path",
    "get_include",
    "interop",
    "learn",
    "load",
    "lq",
    "max_memory",
    "mean_field",
    "simulate",
    "solve",
    "solvers",
    "sweep",
    "testing",
    "tune",
    "welfare",
]


def __getattr__(name: str) -> Any:
    """Load `__version__` (from the installed metadata) and the rooms that not everybody needs at first use."""
    if name == "__version__":
        from importlib.metadata import version

        return version("tmfcore")
    if name in _LATE:
        from importlib import import_module

        return import_module(f"tmfcore.{name}")
    raise AttributeError(f"module 'tmfcore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), "__version__", *_LATE})
