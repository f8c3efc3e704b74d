"""Stationary equilibria: one policy for all steps, at its stationary distribution."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np

from tmfcore._base.validation import FloatArray
from tmfcore._limit.sizes import Needs
from tmfcore.solvers._endless import Endless
from tmfcore.solvers._mirror import Climbing
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._registry import register
from tmfcore.solvers._rule import Stuck
from tmfcore.solvers._sizes import exact_needs
from tmfcore.solvers._solver import COUNT, NOT_NEGATIVE
from tmfcore.solvers._stationary import StationaryIterate
from tmfcore.solvers.mirror_descent import MirrorDescent, space

__all__ = ["Stationary"]

log = logging.getLogger(__name__)

TRIES, SHORTER = 6, 0.1  # tries of an update, and the factor of the rate from one try to the next
CAUTION = 0.1  # factor of the first rate from one descent to the next: a long step can trap the chain in a corner


class _Settled(Climbing):
    """Mirror descent that undoes a step if the distribution of the next policy does not converge."""

    iterate: StationaryIterate

    def __init__(self, solver: MirrorDescent, problem: Problem) -> None:
        super().__init__(solver, problem)
        if self.spectral is not None:
            self.spectral.caution = CAUTION

    def climb(self, rate: float) -> tuple[float, bool]:
        logits, velocity = self.logits.copy(), None if self.velocity is None else self.velocity.copy()
        for _ in range(TRIES):
            rate, fine = super().climb(rate)
            if not fine or self.iterate.settles():
                return rate, fine
            np.copyto(self.logits, logits)
            if self.velocity is not None and velocity is not None:
                np.copyto(self.velocity, velocity)
            rate *= SHORTER
            log.debug("the distribution of the next policy does not converge; trying rate %.3g", rate)
        self.iterate.soften(self.logits)
        raise Stuck(
            f"the distribution of the next policy does not converge, also with {TRIES} ever smaller rates: it changes "
            f"by {self.iterate.residual:.3g} per step; raise distribution_steps"
        )


@register(
    rule=_Settled,
    word="stationary",
    update="mirror descent on one pi for all steps, judged at Phi(mu) = mu over an infinite horizon",
    source="Guo et al., arXiv:1901.09585",
    space=space,
    endless=True,
)
@dataclass(frozen=True, kw_only=True, repr=False)
class Stationary(Endless, MirrorDescent):
    """Stationary equilibrium over an infinite horizon, by mirror descent (Perolat et al., arXiv:2103.00623).

    Finds a policy pi (S, A) and a distribution mu with Phi(mu; pi) = mu such that no policy earns more than pi at mu,
    over an infinite horizon with the game's discount (the discounted case of Guo et al., arXiv:1901.09585). With
    discount 1 no policy has a larger gain: the mean reward in the long run, per sweep or, in a game in steps, per step.
    An iterate is judged at its own distribution, the limit of mu <- (mu + Phi(mu)) / 2 from game.initial:

        exploitability = sum_o mu(o) [V^BR(o) - V^pi(o)],   V = V^pi and V^BR of Theory, section 3, with V_t = V_{t+1}

    or the same of gains (Theory, section 16), and its logits move by Q at that distribution, as in MirrorDescent.

    Parameters
    ----------
    iterations, tolerance, absolute_tolerance, patience, min_improvement, clock, altruism
        As in every solver.
    learning_rate, learning_rate_decay, decay_iterations, momentum
        As in MirrorDescent.
    distribution_tolerance : float, optional
        mu counts as stationary if its residual sum_o |Phi(mu)(o) - mu(o)| is <= this.
    distribution_steps : int, optional
        The largest number of steps to reach that. If the kernels do not depend on mu and S <= 1000, powers of the
        kernel are used after 200 steps, each O(S^3) for twice as many steps as before, without this limit. With
        discount 1 it bounds the search for gains, too.

    Raises
    ------
    TypeError, ValueError
        A hyperparameter has the wrong type or is out of bounds. From `solve`: the game or the schedule depends on t
        (the game's tables are compared at all steps, at the initial population and at the distribution found); the
        distribution of the first policy, or its gains, do not converge; discount 1 with altruism or Poisson clocks.

    Notes
    -----
    Each descent begins with a tenth of the first rate of the previous one, because a long step can trap the chain in a
    corner. Mirror descent cycles, and ends stuck, in games that are not monotone, such as rock, paper, scissors; use
    `tmf.solve` with a long horizon for these.

    If the distribution of the next policy does not converge, the update is repeated with a tenth of its rate. After six
    such failures the solver is stuck, and returns the best policy so far.

    The horizon of the game is not used, and a schedule that is a function of (mu, t) is called with t = 0.
    Solution.policy has one stage. Solution.flow is one step, from mu to Phi(mu), and history["residual"] is their
    distance. If the population splits into parts that never mix, another initial distribution leads to another mu.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0)
    >>> solution = tmf.solvers.Stationary().solve(game, tmf.Synchronous())
    >>> print(solution.flow.mu[0].round(2), solution.history["residual"].max() <= 1e-12)
    [0.53 0.33 0.13 0.  ] True
    """

    distribution_tolerance: float = field(default=1e-12, metadata=NOT_NEGATIVE)
    distribution_steps: int = field(default=100_000, metadata=COUNT)

    def _needs(self, problem: Problem) -> Needs:
        n_obs = problem.game.n_observations
        return exact_needs(problem, self._n_tables, 1) | {"powers of the kernel": (16, n_obs, n_obs)}

    def _iterate(self, problem: Problem) -> StationaryIterate:
        return self._lasting(problem)

    def _table(self, problem: Problem, policy: object) -> FloatArray:
        return self._row(problem, policy)
