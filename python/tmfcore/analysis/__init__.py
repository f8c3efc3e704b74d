"""What is computed from games: studies that need many runs.

    convergence(...) -> Convergence      the finite-N error E || mu-hat - mu ||_1 against N, and its slope

Every study returns plain arrays with intervals; plotting is elsewhere.
"""

from tmfcore.analysis.convergence import Convergence, convergence

__all__ = ["Convergence", "convergence"]
