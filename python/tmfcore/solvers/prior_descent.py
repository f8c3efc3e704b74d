"""Prior descent: best responses of those who pay for leaving a prior policy, and a prior that follows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from tmfcore import _validation as check
from tmfcore._descent import Iterate
from tmfcore._validation import FloatArray
from tmfcore.solvers._adaptive import AdaptiveRate, growing_momentum
from tmfcore.solvers._exact import ExactSolver
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._rule import NOT_A_NUMBER, Arrays, Diverged, TableRule

__all__ = ["PriorDescent"]


@dataclass(frozen=True, kw_only=True)
class PriorDescent(ExactSolver):
    """Entropy-regularised iteration with a moving prior (Cui and Koeppl, arXiv:2102.01585).

    Each update responds to the flow of pi_k as one who pays temperature * KL(pi || prior) whenever he acts,

        pi' is proportional to prior exp(Q~ / temperature),   log pi_{k+1} = (1 - w) log pi_k + w log pi' + constant

    with Q~ the action values of that response (relative entropy; _descent.Iterate.regularise has the recursion). Every
    `prior_every` updates the prior becomes the policy, so that the cost fades and exploitability goes to 0; with a
    prior that stays the iteration ends at the regularised equilibrium, whose exploitability is not 0.

    Parameters
    ----------
    iterations, tolerance, absolute_tolerance, patience, min_improvement, clock
        As in every solver: updates at most; the exploitability at which to stop, in shares of |mean return| and in
        units of return; after how many iterations without an improvement of what share to give up (None: never); whose
        values are learnt and judged.
    temperature : float or None, optional
        tau > 0, in units of return. Large values contract, and take more iterations. None: adaptive. It starts at
        the largest difference of two Q at one (t, o) along the flow of the first policy; 1 / temperature then grows
        and shrinks as the adaptive rate of MirrorDescent does, and going back takes an iteration of its own. The
        logits then gather momentum as they do there: what moves them is v_k = min(k / (k + 10), 0.95) v_{k-1} + the
        move above, with v dropped on going back. A prior that stays has no adaptive temperature: it keeps the first.
    prior_every : int or None, optional
        Updates between two moves of the prior. None: it stays uniform, or the policy of `initial`.
    weight : float, optional
        w in (0, 1], of the response.

    Raises
    ------
    TypeError, ValueError
        A hyperparameter of the wrong kind or out of bounds.

    Notes
    -----
    With prior_every=1 and weight=1 this is mirror descent with Q~ for Q at the rate 1 / temperature. History has the
    rate, weight / temperature.

    Examples
    --------
    A prior that stays: the equilibrium of players who err.

    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.5), 1.0, horizon=1, initial=(0.5, 0.5))
    >>> solver = tmf.solvers.PriorDescent(temperature=0.5, prior_every=None, iterations=100)
    >>> print(solver.solve(game, tmf.Synchronous()).policy.table.round(2)[0])
    [[0.5 0.5]
     [0.5 0.5]]
    """

    temperature: float | None = None
    prior_every: int | None = 1
    weight: float = 1.0

    _soft: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.temperature is not None:
            self._store("temperature", check.as_float(self.temperature, "temperature", low=0.0, low_open=True))
        if self.prior_every is not None:
            self._store("prior_every", check.as_positive_int(self.prior_every, "prior_every"))
        self._store("weight", check.as_float(self.weight, "weight", low=0.0, high=1.0, low_open=True))

    def _exact_rule(self, iterate: Iterate, problem: Problem) -> _Response:
        return _Response(self, iterate)


class _Response(TableRule):
    """Logits of the policy, log probabilities of the prior, and 1 / temperature."""

    def __init__(self, solver: PriorDescent, iterate: Iterate) -> None:
        super().__init__(iterate)
        self.solver = solver
        self.logits = np.zeros(iterate.policy.shape)
        self.prior = np.full(iterate.policy.shape, -np.log(iterate.n_actions))
        self.adaptive = AdaptiveRate()  # of 1 / temperature, where the caller gives none
        self.moves = solver.temperature is None and solver.prior_every is not None
        if solver.temperature is not None:
            self.adaptive.now = 1.0 / solver.temperature
        if self.moves:
            self.best_logits, self.velocity = np.zeros_like(self.logits), np.zeros_like(self.logits)

    def start(self, policy: FloatArray | None) -> None:
        if policy is not None:
            self.logits[...] = np.log(policy)
            self.iterate.soften(self.logits)
            self.prior[...] = _log_probabilities(self.logits)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        state = {"logits": self.logits.copy(), "prior": self.prior.copy(), "rate": self.adaptive.state()}
        if self.moves:
            state |= {"best_logits": self.best_logits.copy(), "velocity": self.velocity.copy()}
        return state

    def restore(self, state: Arrays) -> None:
        self.logits[...], self.prior[...] = state["logits"], state["prior"]
        self.adaptive.restore(state["rate"])
        if self.moves:
            self.best_logits[...], self.velocity[...] = state["best_logits"], state["velocity"]
        self.iterate.soften(self.logits)

    def rate(self, iteration: int, gap: float) -> float:
        now = self.adaptive.after(gap, self.first_rate()) if self.moves else self.adaptive.now or self.first_rate()
        return self.solver.weight * now

    def first_rate(self) -> float:
        """1 / temperature at the start, where the caller gives none."""
        spread = float(np.ptp(self.iterate.q, axis=-1).max())
        return 1.0 / spread if spread > 0 else 1.0

    def update(self, iteration: int, gap: float) -> float:
        rate = self.rate(iteration, gap)
        if not self.move(iteration, gap):
            raise Diverged(NOT_A_NUMBER.format(iteration))
        return rate

    def move(self, iteration: int, gap: float) -> bool:
        """The update; False where it is no policy."""
        s, adaptive = self.solver, self.adaptive
        if adaptive.now == 0.0:
            adaptive.now = self.first_rate()
        if self.moves:
            verdict = adaptive.judge(gap)
            if verdict == "keep":
                np.copyto(self.best_logits, self.logits)
            elif verdict == "go back":
                np.copyto(self.logits, self.best_logits)
                self.velocity.fill(0.0)
                self.prior[...] = _log_probabilities(self.logits)
                return self.iterate.soften(self.logits)
        fine = self.gather(iteration) if self.moves else self.respond()
        if s.prior_every is not None and (iteration + 1) % s.prior_every == 0:
            self.prior[...] = _log_probabilities(self.logits)
        return fine

    def respond(self) -> bool:
        """Move the logits towards the response."""
        return self.iterate.regularise(self.logits, self.prior, 1.0 / self.adaptive.now, self.solver.weight)

    def gather(self, iteration: int) -> bool:
        """Move them by what momentum makes of that."""
        before = self.logits.copy()
        if not self.respond():
            return False
        self.velocity *= growing_momentum(iteration)
        self.velocity += self.logits
        self.velocity -= before
        np.add(before, self.velocity, out=self.logits)
        return self.iterate.soften(self.logits)


def _log_probabilities(logits: FloatArray) -> FloatArray:
    """Logits whose largest entry a row is 0, shifted so that their exponentials sum to 1."""
    return np.asarray(logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True)))
