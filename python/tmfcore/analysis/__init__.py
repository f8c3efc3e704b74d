"""What is computed from games: studies that need many runs, and what the theory predicts for them.

    convergence(...) -> Convergence      the finite-N error E || mu-hat - mu ||_1 against N, and its slope
    fluctuations(...) -> Fluctuations    covariance, bias and error of N agents, predicted; compare(simulation)

Every study returns plain arrays; measurements come with intervals or standard errors.
"""

from tmfcore.analysis.convergence import Convergence, convergence
from tmfcore.analysis.fluctuations import Comparison, Fluctuations, fluctuations

__all__ = ["Comparison", "Convergence", "Fluctuations", "convergence", "fluctuations"]
