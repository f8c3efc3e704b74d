"""Solvers that mix best responses: fictitious play, and the damped fixed point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tmfcore._base import validation as check
from tmfcore.solvers._ascent import averaging_weight
from tmfcore.solvers._exact import ExactSolver
from tmfcore.solvers._iterate import Iterate
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._rule import NOT_A_NUMBER, Arrays, Diverged, TableRule, check_decay, next_rate

__all__ = ["FictitiousPlay", "FixedPoint"]


@dataclass(frozen=True, kw_only=True)
class FictitiousPlay(ExactSolver):
    """Fictitious play (Perrin et al., arXiv:2007.03458, algorithm 1): average the flows of best responses.

        rho_{k+1} = (1 - w_k) rho_k + w_k rho^BR_k,   w_k = 1 / (k + 2)

    with rho(t, o, a) the share of agents that do a at o, and rho^BR_k that of an agent who plays the best response to
    the flow of pi_k among the others. Exploitability falls about as 1 / k where the game is monotone.

    Parameters
    ----------
    iterations, tolerance, absolute_tolerance, patience, min_improvement, clock
        As in every solver: updates at most; the exploitability at which to stop, in shares of |mean return| and in
        units of return; after how many iterations without an improvement of what share to give up (None: never); whose
        values are learnt and judged.
    average : float, optional
        a >= 0: w_k = (a + 1) / (k + 2 + a), which weights best response k about as k**a. 0 is the paper's plain mean,
        larger a forget the start sooner.
    weight : float or None, optional
        Damping instead: the same w in (0, 1] at every update.

    Raises
    ------
    TypeError, ValueError
        A hyperparameter of the wrong kind or out of bounds; both average and weight.

    Notes
    -----
    Among equally good actions the best response takes the lowest.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0)
    >>> solution = tmf.solvers.FictitiousPlay(tolerance=0.01).solve(game, tmf.Synchronous())
    >>> print(solution.flow.mu[10].round(1))
    [0.5 0.3 0.1 0. ]
    """

    average: float = 0.0
    weight: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._store("average", check.as_float(self.average, "average", low=0.0))
        if self.weight is not None:
            self._store("weight", check.as_float(self.weight, "weight", low=0.0, high=1.0, low_open=True))
            if self.average > 0:
                raise ValueError(f"average is {self.average:g}; must be 0 where weight is given: it sets the weights")

    def _exact_rule(self, iterate: Iterate, problem: Problem) -> _Mixing:
        return _Mixing(iterate, self._weight, by_flow=True)

    def _weight(self, iteration: int, last: int) -> float:
        return averaging_weight(self.average, iteration + 1) if self.weight is None else self.weight


@dataclass(frozen=True, kw_only=True)
class FixedPoint(ExactSolver):
    """Damped best response: pi_{k+1} = (1 - w_k) pi_k + w_k BR(flow of pi_k), row by row.

    With weight_decay="constant" and weight 1 the fixed-point iteration of Huang, Malhame and Caines (Communications in
    Information and Systems 6(3), 2006), which converges where best responses contract and cycles in games of
    congestion; a weight that decays reaches their equilibria, about as fast as it falls.

    Parameters
    ----------
    iterations, tolerance, absolute_tolerance, patience, min_improvement, clock
        As in every solver: updates at most; the exploitability at which to stop, in shares of |mean return| and in
        units of return; after how many iterations without an improvement of what share to give up (None: never); whose
        values are learnt and judged.
    weight : float, optional
        w in (0, 1], of the best response.
    weight_decay : {"harmonic", "sqrt", "linear", "constant"} or callable k -> factor, optional
        Factor of the weight at update k: 1 / (1 + k / decay_iterations); its square root; from 1 to 0 over
        `iterations`; 1; or the caller's own, in [0, 1 / weight].
    decay_iterations : int, optional

    Raises
    ------
    TypeError, ValueError
        A hyperparameter of the wrong kind or out of bounds.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.queueing((0.1, 0.2, 0.3))
    >>> tmf.solvers.FixedPoint(tolerance=0.01).solve(game, tmf.Synchronous()).converged
    True
    """

    weight: float = 1.0
    weight_decay: str | Callable[[int], float] = "harmonic"
    decay_iterations: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        self._store("weight", check.as_float(self.weight, "weight", low=0.0, high=1.0, low_open=True))
        check_decay(self.weight_decay, "weight_decay")
        self._store("decay_iterations", check.as_positive_int(self.decay_iterations, "decay_iterations"))

    def _exact_rule(self, iterate: Iterate, problem: Problem) -> _Mixing:
        return _Mixing(iterate, self._weight, by_flow=False)

    def _weight(self, iteration: int, last: int) -> float:
        weight = next_rate(self.weight, self.weight_decay, "weight_decay", iteration, self.decay_iterations, last)
        if weight > 1:
            raise ValueError(f"weight * weight_decay({iteration}) is {weight:g}; must be <= 1")
        return weight


class _Mixing(TableRule):
    """Nothing to remember but the policy."""

    def __init__(self, iterate: Iterate, weight: Callable[[int, int], float], *, by_flow: bool) -> None:
        super().__init__(iterate)
        self.weight, self.by_flow = weight, by_flow

    def state(self) -> dict[str, npt.NDArray[Any]]:
        return {"policy": self.policy.copy()}

    def restore(self, state: Arrays) -> None:
        self.policy[...] = state["policy"]

    def rate(self, iteration: int, gap: float) -> float:
        return self.weight(iteration, self.last)

    def update(self, iteration: int, gap: float) -> float:
        rate = self.rate(iteration, gap)
        self.iterate.respond(rate, self.by_flow)
        if not np.isfinite(self.policy[0, 0, 0]):
            raise Diverged(NOT_A_NUMBER.format(iteration))
        return rate
