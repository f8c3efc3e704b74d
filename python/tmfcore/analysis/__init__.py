"""What is computed from games: studies that need many runs, and what the theory says about them.

    convergence(...) -> Convergence      the finite-N error E || mu-hat - mu ||_1 against N, and its slope
    fluctuations(...) -> Fluctuations    covariance, bias and error of N agents, predicted; compare(simulation)
    monotonicity(...) -> Monotonicity    a proof from what the game declares, a refutation, or trials in vain
    lipschitz(...) -> Lipschitz          constants of rewards, rows and flow: exact where declared, else lower bounds
    bound(...) -> Bound                  the worst-case error of N agents beside the predicted and the measured one

Every study returns plain arrays; measurements come with intervals or standard errors (documentation, page "Intervals").
"""

from tmfcore.analysis.bound import Bound, bound
from tmfcore.analysis.convergence import Convergence, PowerLaw, convergence
from tmfcore.analysis.fluctuations import Comparison, Fluctuations, fluctuations
from tmfcore.analysis.lipschitz import Lipschitz, lipschitz
from tmfcore.analysis.monotonicity import Monotonicity, Violation, monotonicity

__all__ = [
    "Bound",
    "Comparison",
    "Convergence",
    "Fluctuations",
    "Lipschitz",
    "Monotonicity",
    "PowerLaw",
    "Violation",
    "bound",
    "convergence",
    "fluctuations",
    "lipschitz",
    "monotonicity",
]
