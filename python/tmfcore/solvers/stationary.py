"""Stationary equilibria: one policy for all steps, at its stationary distribution."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np

from tmfcore._base.validation import FloatArray
from tmfcore._limit.flows import Flow
from tmfcore._limit.sizes import Needs
from tmfcore._model import appearance as _appearance
from tmfcore._model.activation import ActingShares
from tmfcore._model.game import Game
from tmfcore._model.policies import SoftmaxPolicy, TabularPolicy, as_policy
from tmfcore._model.schedules import share_at
from tmfcore.solvers._descent import Iterate
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
    update="mirror descent on one pi for all steps, judged at Phi(mu) = mu, discounted over an infinite horizon",
    source="Guo et al., arXiv:1901.09585",
    space=space,
    endless=True,
)
@dataclass(frozen=True, kw_only=True, repr=False)
class Stationary(MirrorDescent):
    """Stationary equilibrium over an infinite horizon, by mirror descent (Perolat et al., arXiv:2103.00623).

    Finds a policy pi (S, A) and a distribution mu with Phi(mu; pi) = mu such that no policy earns more than pi at mu,
    over an infinite horizon with the game's discount (the discounted case of Guo et al., arXiv:1901.09585). An iterate
    is judged at its own distribution, the limit of mu <- (mu + Phi(mu)) / 2 from game.initial:

        exploitability = sum_o mu(o) [V^BR(o) - V^pi(o)],   V = V^pi and V^BR of Theory, section 3, with V_t = V_{t+1}

    and its logits move by Q at that distribution, as in MirrorDescent.

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
        kernel are used after 200 steps, each O(S^3) for twice as many steps as before, without this limit.

    Raises
    ------
    TypeError, ValueError
        A hyperparameter has the wrong type or is out of bounds. From `solve`: the discount is 1; the game or the
        schedule depends on t (the game's tables are compared at all steps, at the initial population and at the
        distribution found); the distribution of the first policy does not converge.

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

    def _iterate(self, problem: Problem) -> Iterate:
        game, active = problem.game, problem.active
        if not game.discount < 1:
            raise ValueError(f"game.discount is {game.discount:g}; must be < 1 over an infinite horizon")
        rows = active.table if isinstance(active, ActingShares) else active
        if rows is not None and (rows != rows[0]).any():
            t = int(np.argwhere(rows != rows[0])[0, 0])
            raise ValueError(
                f"the active fraction is {_shown(rows[t])} at t={t} and {_shown(rows[0])} at t=0; must not depend on t"
            )
        _refuse_time(game, game.initial)
        if not isinstance(active, ActingShares):
            active = active[:1].copy()
        elif rows is not None:
            active = ActingShares(rows[:1].copy(), None, active.name)
        iterate = StationaryIterate(
            game.model, game.initial, active, 1, game.discount, problem.always, altruism=problem.altruism
        )
        iterate.tolerance, iterate.max_steps = self.distribution_tolerance, self.distribution_steps
        return iterate

    def _table(self, problem: Problem, policy: object) -> FloatArray:
        kernel = as_policy(policy, problem.game, "initial")
        if kernel.n_stages != 1:
            raise ValueError(f"initial has {kernel.n_stages} stages; must have 1: a stationary policy is one for all t")
        return kernel.probabilities(problem.game.initial, 0, 1)[np.newaxis]

    def _judge(self, problem: Problem, policy: TabularPolicy | SoftmaxPolicy) -> tuple[Flow, float, float]:
        flow, gap, value = self._judge_in_steps(problem, policy)
        if problem.grid is None:
            return flow, gap, value
        pi = self._parameters(policy)[0]
        mu = problem.grid.settled(pi, flow.mu[0])
        return self._flow(problem, np.stack([mu, mu])), *problem.grid.judge_stationary(pi, mu, problem.altruism)

    def _judge_in_steps(
        self, problem: Problem, policy: TabularPolicy | SoftmaxPolicy
    ) -> tuple[Flow, float, float]:
        iterate = self._iterate(problem)
        iterate.policy[...] = self._parameters(policy)
        gap, _, value = iterate.evaluate()
        _refuse_time(problem.game, iterate.mu[0].copy())
        return self._flow(problem, iterate.mu.copy()), gap, value

    def _flow(self, problem: Problem, mu: FloatArray) -> Flow:
        appearance = _appearance.appearance_of(problem.game)
        share = share_at(problem.active, mu[0], 0)
        active = share.copy() if len(share) == 1 else np.array([mu[0] @ share])
        return Flow(
            mu, np.arange(2), active, 1, problem.game.name, **appearance, fingerprint=problem.fingerprint.on("")
        )


def _shown(fraction: FloatArray) -> str:
    return f"{fraction:g}" if fraction.ndim == 0 else str(fraction)


def _refuse_time(game: Game, mu: FloatArray) -> None:
    """Raise ValueError if the game's tables at mu depend on t. O(T) tables; none if the game is declared free of t."""
    if game.model.affine:
        return
    mu, model = mu / mu.sum(), game.model
    first = model.tables(mu, 0)
    for t in range(1, game.n_steps):
        if any((now != then).any() for now, then in zip(model.tables(mu, t), first, strict=True)):
            raise ValueError(f"the game's tables at t={t} differ from those at t=0; must not depend on t")
