"""Prior descent: best responses with a cost for deviating from a prior policy, and a prior that follows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tmfcore._base import pieces
from tmfcore._base.validation import FloatArray
from tmfcore.solvers._exact import ExactSolver
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._registry import register
from tmfcore.solvers._rule import NOT_A_NUMBER, Arrays, Diverged
from tmfcore.solvers._secants import SpectralRate, first_rate
from tmfcore.solvers._solver import COUNT, POSITIVE, SHARE
from tmfcore.solvers._spectral import LogitRule

__all__ = ["PriorDescent"]


class _Response(LogitRule["PriorDescent"]):
    """Logits of the policy, log probabilities of the prior, and 1 / temperature, fixed or spectral."""

    def __init__(self, solver: PriorDescent, problem: Problem) -> None:
        super().__init__(solver, problem)
        self.prior = _log_probabilities(self.logits)
        self.fixed = 1.0 / solver.temperature if solver.temperature is not None else 0.0  # 0: not known yet
        if solver.temperature is None and solver.prior_every is not None:
            self.spectral = SpectralRate(self.iterate)

    def start(self, policy: FloatArray | None) -> None:
        super().start(policy)
        if policy is not None:
            self.prior = _log_probabilities(self.logits)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        return super().state() | {"prior": self.prior, "fixed": np.array(self.fixed)}

    def restore(self, state: Arrays) -> None:
        super().restore(state)
        self.prior, self.fixed = pieces.copied(state["prior"]), float(state["fixed"])

    def rate(self, iteration: int, gap: float) -> float:
        return self.solver.weight * self.inverse_temperature(gap)

    def inverse_temperature(self, gap: float) -> float:
        """1 / temperature of the next update; 0 if a new descent begins."""
        if self.spectral is not None:
            return self.spectral.rate(gap)
        return self.fixed or first_rate(self.iterate)

    def update(self, iteration: int, gap: float) -> float:
        s, inverse = self.solver, self.inverse_temperature(gap)
        if self.spectral is None:
            self.fixed = inverse
            fine = self.iterate.regularise(self.logits, self.prior, 1.0 / inverse, s.weight)
        elif self.spectral.stalled(gap):
            self.spectral.begin_again(self.logits)
            self.prior = _log_probabilities(self.logits)
            fine = self.iterate.soften(self.logits)
        else:
            self.spectral.take(gap, self.logits, inverse, False)
            fine = self.iterate.regularise(self.logits, self.prior, 1.0 / inverse, s.weight)
            self.spectral.moved(inverse, self.logits)
        if not fine:
            raise Diverged(NOT_A_NUMBER.format(iteration))
        if s.prior_every is not None and (iteration + 1) % s.prior_every == 0:
            self.prior = _log_probabilities(self.logits)
        return s.weight * inverse


@register(
    rule=_Response,
    word="prior-descent",
    update="pi proportional to prior exp(Q~ / tau), Q~ with the cost tau KL(pi, prior); the prior follows pi",
    source="Cui and Koeppl, arXiv:2102.01585",
    space=lambda scale: {
        "temperature": (0.001 * scale, 10.0 * scale, "log"), "prior_every": (1, 10), "weight": (0.1, 1.0),
    },
    tested=({"temperature": 2.0, "prior_every": 3, "weight": 0.5}, {"prior_every": None}),
)
@dataclass(frozen=True, kw_only=True, repr=False)
class PriorDescent(ExactSolver):
    """Entropy-regularised iteration with a moving prior (Cui and Koeppl, arXiv:2102.01585).

    Each update computes the best response pi' to the flow of pi_k of an agent that pays temperature * KL(pi || prior)
    whenever it acts,

        pi' is proportional to prior exp(Q~ / temperature),   log pi_{k+1} = (1 - w) log pi_k + w log pi' + constant

    with Q~ the action values of that response, cost included (_descent.Iterate.regularise has the recursion). Every
    `prior_every` updates the prior is set to the policy, so that the cost vanishes and exploitability goes to 0. With a
    fixed prior the iteration ends at the regularised equilibrium, whose exploitability is not 0.

    Parameters
    ----------
    iterations, tolerance, absolute_tolerance, patience, min_improvement, clock, altruism
        As in every solver.
    temperature : float or None, optional
        tau > 0, in units of return. Large values make the iteration a contraction, but it takes more iterations. None:
        1 / tau is the spectral rate of MirrorDescent, with its restarts, and starts at 4 divided by the largest
        difference of two Q at one (t, o) along the flow of the first policy; with a fixed prior it keeps that value.
    prior_every : int or None, optional
        Updates between two changes of the prior. None: a fixed prior, the policy of `initial` or the uniform one.
    weight : float, optional
        w in (0, 1], the weight of the response.

    Notes
    -----
    With prior_every=1 and weight=1 this is mirror descent with Q~ in place of Q and rate 1 / temperature. The learning
    rate in the history is weight / temperature.

    Examples
    --------
    With a fixed prior: a regularised (logit) equilibrium.

    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.5), congestion=1.0, horizon=1, initial=(0.5, 0.5))
    >>> solver = tmf.solvers.PriorDescent(temperature=0.5, prior_every=None, iterations=100)
    >>> print(solver.solve(game, tmf.Synchronous()).policy.table.round(2)[0])
    [[0.5 0.5]
     [0.5 0.5]]
    """

    temperature: float | None = field(default=None, metadata=POSITIVE)
    prior_every: int | None = field(default=1, metadata=COUNT)
    weight: float = field(default=1.0, metadata=SHARE)

    @property
    def _n_tables(self) -> float:
        return 8 if self.temperature is not None or self.prior_every is None else 12


def _log_probabilities(logits: FloatArray) -> FloatArray:
    """Logits (T, S, A) whose largest entry per row is 0, shifted so that their exponentials sum to 1."""
    found = np.empty_like(logits)
    for part in pieces.parts(len(logits), logits[0].size):
        found[part] = logits[part] - np.log(np.exp(logits[part]).sum(axis=-1, keepdims=True))
    return found
