"""Solvers that mix best responses: fictitious play, and the damped fixed point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tmfcore import _validation as check
from tmfcore._descent import Iterate
from tmfcore._validation import FloatArray
from tmfcore.solvers import _exact
from tmfcore.solvers._ascent import averaging_weight

__all__ = ["FictitiousPlay", "FixedPoint"]


@dataclass(frozen=True, kw_only=True)
class FictitiousPlay(_exact.ExactSolver):
    """Fictitious play (Perrin et al., arXiv:2007.03458, algorithm 1): average the flows of best responses.

        rho_{k+1} = (1 - w_k) rho_k + w_k rho^BR_k,   w_k = 1 / (k + 2)

    with rho(t, o, a) the share of agents that do a at o, and rho^BR_k that of an agent who plays the best response to
    the flow of pi_k among the others. Exploitability falls about as 1 / k where the game is monotone.

    Parameters
    ----------
    iterations, tolerance, absolute_tolerance, clock
        As in every exact solver: updates at most; the exploitability at which to stop, in shares of |mean return| and
        in units of return; whose values are learnt and judged.
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
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), 1.0)
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

    def _rule(self, iterate: Iterate, problem: _exact.Problem) -> _Mixing:
        return _Mixing(iterate, self._weight, by_flow=True)

    def _weight(self, iteration: int) -> float:
        return averaging_weight(self.average, iteration + 1) if self.weight is None else self.weight


@dataclass(frozen=True, kw_only=True)
class FixedPoint(_exact.ExactSolver):
    """Damped best response: pi_{k+1} = (1 - w_k) pi_k + w_k BR(flow of pi_k), row by row.

    With weight_decay="constant" and weight 1 the fixed-point iteration of Huang, Malhame and Caines (Communications in
    Information and Systems 6(3), 2006), which converges where best responses contract and cycles in games of
    congestion; a weight that decays reaches their equilibria, about as fast as it falls.

    Parameters
    ----------
    iterations, tolerance, absolute_tolerance, clock
        As in every exact solver: updates at most; the exploitability at which to stop, in shares of |mean return| and
        in units of return; whose values are learnt and judged.
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
        _exact.check_decay(self.weight_decay, "weight_decay")
        self._store("decay_iterations", check.as_positive_int(self.decay_iterations, "decay_iterations"))

    def _rule(self, iterate: Iterate, problem: _exact.Problem) -> _Mixing:
        return _Mixing(iterate, self._weight, by_flow=False)

    def _weight(self, iteration: int) -> float:
        weight = _exact.next_rate(
            self.weight, self.weight_decay, "weight_decay", iteration, self.decay_iterations, self.iterations
        )
        if weight > 1:
            raise ValueError(f"weight * weight_decay({iteration}) is {weight:g}; must be <= 1")
        return weight


class _Mixing:
    """Nothing to remember but the policy."""

    def __init__(self, iterate: Iterate, weight: Callable[[int], float], *, by_flow: bool) -> None:
        self.iterate, self.rate, self.by_flow = iterate, weight, by_flow

    def start(self, table: FloatArray | None) -> None:
        if table is not None:
            self.iterate.policy[...] = table

    def state(self) -> dict[str, npt.NDArray[Any]]:
        return {"policy": self.iterate.policy.copy()}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        self.iterate.policy[...] = state["policy"]

    def update(self, iteration: int, gap: float) -> bool:
        self.iterate.respond(self.rate(iteration), self.by_flow)
        return bool(np.isfinite(self.iterate.policy[0, 0, 0]))
