"""Solvers that mix in best responses: fictitious play, and the damped fixed point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from tmfcore._base import options
from tmfcore._base.validation import FloatArray
from tmfcore.solvers._exact import ExactSolver
from tmfcore.solvers._registry import Turn, register
from tmfcore.solvers._rule import NOT_A_NUMBER, Arrays, Diverged, E, Evaluated, TableRule, as_decay
from tmfcore.solvers._solver import COUNT, NOT_NEGATIVE, SHARE
from tmfcore.solvers._step_rules import IN_ITERATIONS, Decay, averaging_weight

__all__ = ["FictitiousPlay", "FixedPoint"]


class _Mixing(TableRule[E]):
    by_flow: ClassVar[bool]

    def update(self, iteration: int, gap: float) -> float:
        rate = self.rate(iteration, gap)
        self.iterate.respond(rate, self.by_flow)
        if not np.isfinite(self.policy[0, 0, 0]):
            raise Diverged(NOT_A_NUMBER.format(iteration))
        return rate


class _ByFlow(_Mixing["FictitiousPlay"]):
    by_flow = True

    def rate(self, iteration: int, gap: float) -> float:
        s = self.solver
        return averaging_weight(self.settings["average"], iteration + 1) if s.weight is None else s.weight


class _ByRow(_Mixing["FixedPoint"]):
    by_flow = False

    optimal = False  # whether the policy is a best response to every flow, not judged yet

    def start(self, policy: FloatArray | None) -> None:
        super().start(policy)
        self.optimal = policy is None and self.problem.decided
        if self.optimal:
            self.iterate.decide()

    def restore(self, state: Arrays) -> None:
        super().restore(state)
        self.optimal = False

    def evaluate(self, due: bool) -> Evaluated:
        if not self.optimal:
            return super().evaluate(due)
        self.optimal = False
        verdict = self.verdict()
        np.copyto(self.mu, verdict.flow.mu)
        return Evaluated(verdict.gap, verdict.value, verdict.value, verdict=verdict)

    def rate(self, iteration: int, gap: float) -> float:
        weight = self.scheduled("weight", iteration)
        if weight > 1:
            raise ValueError(f"weight * weight_decay({iteration}) is {weight:g}; must be <= 1")
        return weight


@register(
    rule=_ByFlow,
    word="fictitious-play",
    update="mu pi mixed with the flow of BR, weight 1 / (k + 2)",
    source="Perrin et al., arXiv:2007.03458",
    space=lambda scale: {"average": (0.0, 3.0)},
    turn=Turn(place=3, flows=100),
    tested=({"weight": 0.3},),
)
@dataclass(frozen=True, kw_only=True, repr=False)
class FictitiousPlay(ExactSolver):
    """Fictitious play (Perrin et al., arXiv:2007.03458, algorithm 1): average the flows of best responses.

        rho_{k+1} = (1 - w_k) rho_k + w_k rho^BR_k,   w_k = 1 / (k + 2)

    rho(t, o, a) is the share of agents that are at o and choose a, and rho^BR_k the law of one agent that plays the
    best response to the flow of pi_k. Exploitability falls about as 1 / k if the game is monotone.

    Parameters
    ----------
    iterations, tolerance, absolute_tolerance, patience, min_improvement, clock, altruism
        As in every solver.
    weight : float or None, optional
        A constant weight w in (0, 1] for every update (damping). None: w_k as `average` gives it.
    average : float or None, optional
        a >= 0: w_k = (a + 1) / (k + 2 + a), which weights best response k about as k**a. A larger a gives early best
        responses less weight. Not with `weight`. None: 0, the paper's plain mean.

    Notes
    -----
    Among equally good actions the best response takes the one with the lowest index.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0)
    >>> solution = tmf.solvers.FictitiousPlay(tolerance=0.01).solve(game, tmf.Synchronous())
    >>> print(solution.flow.mu[10].round(1))
    [0.5 0.3 0.1 0. ]
    """

    weight: float | None = field(default=None, metadata=SHARE)
    average: float | None = field(default=None, metadata=NOT_NEGATIVE | options.needs(0.0, weight=(None,)))


@register(
    rule=_ByRow,
    word="fixed-point",
    update="each row of pi mixed with that of BR, decaying weight",
    source="Huang, Malhame and Caines 2006",
    space=lambda scale: {
        "weight": (0.05, 1.0), "weight_decay": ["harmonic", "sqrt"], "decay_iterations": (1, 100, "log"),
    },
)
@dataclass(frozen=True, kw_only=True, repr=False)
class FixedPoint(ExactSolver):
    """Damped best response: pi_{k+1} = (1 - w_k) pi_k + w_k BR(flow of pi_k), row by row.

    With weight_decay="constant" and weight 1 this is the fixed-point iteration of Huang, Malhame and Caines
    (Communications in Information and Systems 6(3), 2006), which converges if the best response is a contraction and
    cycles in congestion games. With a decaying weight, exploitability in congestion games falls about as the weight.

    If no table depends on mu or t, as the model of the game declares, the solve starts from the best response, unless
    `initial` is given: it is the same at every flow, and so an equilibrium, found by backward induction in one pass.

    Parameters
    ----------
    iterations, tolerance, absolute_tolerance, patience, min_improvement, clock, altruism
        As in every solver.
    weight : float, optional
        w in (0, 1], the weight of the best response in the first update.
    weight_decay : {"harmonic", "sqrt", "linear", "constant"} or callable k -> factor, optional
        Factor of the weight at update k. "harmonic": 1 / (1 + k / decay_iterations); "sqrt": the square root of that;
        "linear": from 1 to 0 over `iterations`; "constant": 1; a callable: its return value, in [0, 1 / weight].
    decay_iterations : int or None, optional
        Only with "harmonic" and "sqrt". None: 2.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.queueing((0.1, 0.2, 0.3))
    >>> tmf.solvers.FixedPoint(tolerance=0.01).solve(game, tmf.Synchronous()).converged
    True
    """

    weight: float = field(default=1.0, metadata=SHARE)
    weight_decay: Decay | Callable[[int], float] = field(default="harmonic", metadata=options.of(as_decay))
    decay_iterations: int | None = field(default=None, metadata=COUNT | options.needs(2, weight_decay=IN_ITERATIONS))
