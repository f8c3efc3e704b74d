"""Analysis of games: studies of finite populations, and properties that the theory uses.

    convergence(...) -> Convergence      measures the finite-N error E || mu-hat - mu ||_1 against N, and its slope
    fluctuations(...) -> Fluctuations    predicts covariance, bias and error of N agents; compare(simulation)
    monotonicity(...) -> Monotonicity    proves or refutes monotonicity, or reports that no violation was found
    lipschitz(...) -> Lipschitz          Lipschitz constants of rewards, rows and flow: exact or lower bounds
    bound(...) -> Bound                  the worst-case error of N agents, with the predicted and the measured error
    price_of_anarchy(...)                welfare at a Nash equilibrium and at a social optimum
    tolls(...) -> Tolls                  prices that make the optimum an equilibrium; charge(game)

Every study returns plain arrays; measurements come with intervals or standard errors (documentation, page "Intervals").
"""

from tmfcore.analysis.bound import Bound, bound
from tmfcore.analysis.convergence import Convergence, PowerLaw, convergence
from tmfcore.analysis.cooperation import PriceOfAnarchy, Tolls, price_of_anarchy, tolls
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
    "PriceOfAnarchy",
    "Tolls",
    "Violation",
    "bound",
    "convergence",
    "fluctuations",
    "lipschitz",
    "monotonicity",
    "price_of_anarchy",
    "tolls",
]
