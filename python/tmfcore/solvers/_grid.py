"""Poisson clocks in solvers: the grid of steps on which a solver works (Theory, section 12).

    Grid.of(game, schedule, step)      the game in steps of dt in which an agent at o acts with probability nu(o) dt
    Grid.judge(policy)                 flow, exploitability and mean return of its policies in continuous time
    Grid.finer(share)                  the next grid, if steps are to be refined

Solvers know nothing of continuous time: they find equilibria of the game in steps, whose error is of order dt. What is
said of their policies is computed in continuous time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.functions import SMALLER_GAME
from tmfcore._base.validation import FloatArray
from tmfcore._limit import ode
from tmfcore._limit.externality_in_time import PricesInTime
from tmfcore._limit.flows import Flow
from tmfcore._model import appearance, sources
from tmfcore._model.clock import whole_steps
from tmfcore._model.continuous import Continuous, Stages
from tmfcore._model.fingerprint import Fingerprint
from tmfcore._model.game import Game
from tmfcore._model.poisson import Poisson
from tmfcore._model.policy import TablePolicy
from tmfcore._model.schedules import Bernoulli, Schedule
from tmfcore._results.records import Record

__all__ = ["Discretisation", "Grid", "refuse_step"]

FIRST = 16  # steps per mean time between events of the fastest agents, on the first grid of several
LEAST, MOST = 2, 16  # by which steps of one grid are shorter than those of the last
MOST_POLICIES = 1000  # of policy iteration, which takes a few
ROUND, MOST_ROUNDS = 30.0, 300  # events of an agent in a round towards a stationary distribution, and rounds
STILL = 1e-10  # l1 change in a round, from which on a distribution counts as stationary
MOST_ENTRIES = 4_000_000  # T S A of a policy, up to which grids are refined


@dataclass(frozen=True, eq=False, repr=False)
class Discretisation(Record):
    """What a solver's grid of steps says of a policy that is meant for continuous time.

    Parameters
    ----------
    step : float
        dt, the length of a step in sweeps.
    exploitability, mean_return : float
        Of the policy in the game in steps of dt.
    exploitability_error, mean_return_error : float
        By how much these differ from the numbers in continuous time: step minus clock. Of order dt.
    """

    step: float
    exploitability: float
    mean_return: float
    exploitability_error: float
    mean_return_error: float


@dataclass(frozen=True, eq=False)
class Grid:
    """Steps of one length for a game under Poisson clocks.

    Parameters
    ----------
    clocks : Continuous
    schedule : Poisson
    n_steps : int
        T.
    refined : bool
        Whether finer grids may follow: the user gave no step.
    game : Game
        In steps of horizon / T.
    under : Schedule
        Who acts at a step, with probability nu(o) dt.
    """

    clocks: Continuous
    schedule: Poisson
    n_steps: int
    refined: bool
    game: Game
    under: Schedule

    @classmethod
    def of(cls, game: object, schedule: Poisson, step: object) -> Grid:
        """The grid of a given step; None: the first of several."""
        clocks = Continuous.of(game, schedule)
        game = clocks.game
        fastest = float((clocks.rate + clocks.leaving(game.initial)).max())
        if step is None:
            n_steps = whole_steps(game.horizon, min(1.0, 1 / (FIRST * fastest), game.horizon))
            return cls.made(clocks, schedule, max(n_steps, math.ceil(game.horizon)), True)
        dt = check.as_float(step, "step", low=0.0, high=min(1.0, game.horizon), low_open=True)
        return cls.made(clocks, schedule, whole_steps(game.horizon, dt, f"step = {dt:g}"), False)

    @classmethod
    def made(cls, clocks: Continuous, schedule: Poisson, n_steps: int, refined: bool) -> Grid:
        dt = clocks.game.horizon / n_steps
        acting = clocks.rate * dt
        if acting.max() > 1:
            raise ValueError(
                f"step is {dt:g} at a rate of {clocks.rate.max():g}; must be at most {1 / clocks.rate.max():g}, since "
                "an agent acts with probability rate * step at a step"
            )
        alike = bool((acting == acting[0]).all())
        under = Bernoulli(float(acting[0]) if alike else acting[np.newaxis])
        return cls(clocks, schedule, n_steps, refined, clocks.game.replace(step=dt), under)

    @property
    def step(self) -> float:
        """dt, in sweeps."""
        return self.clocks.game.horizon / self.n_steps

    def finer(self, excess: float) -> Grid | None:
        """The next grid, if exploitability in continuous time was `excess` times what it must be; None: no more."""
        factor = min(max(math.ceil(2 * excess), LEAST), MOST)
        n_steps, size = self.n_steps * factor, self.clocks.game.n_observations * self.clocks.game.n_actions
        if not self.refined or n_steps * size > MOST_ENTRIES:
            return None
        return self.made(self.clocks, self.schedule, n_steps, True)

    def judge(
        self, stages: Stages, fingerprint: Fingerprint, altruism: float = 0.0
    ) -> tuple[Flow, float, float]:
        """Flow at the ends of steps, exploitability and mean return of a policy in continuous time."""
        game = self.clocks.game
        found = ode.gaps_in_time(self.clocks, stages, self.n_steps, altruism)
        every = (len(found.mu) - 1) // self.n_steps
        times = game.horizon * (np.arange(self.n_steps + 1) / self.n_steps)
        flow = Flow._made(
            mu=found.mu[::every].copy(), steps=np.arange(self.n_steps + 1),
            active_fraction=np.diff(found.actions[::every]), horizon=self.n_steps, game=game.name,
            **appearance.appearance_in_time(game, times), fingerprint=fingerprint,
        )  # fmt: skip
        return flow, float(game.initial @ found.gains), float(game.initial @ found.values)

    def settled(self, pi: FloatArray, mu: FloatArray) -> FloatArray:
        """The stationary distribution (S,) that is reached from mu under a policy (S, A)."""
        span = ROUND / float((self.clocks.rate + self.clocks.leaving(mu)).max())
        for _ in range(MOST_ROUNDS):
            if np.abs(self.clocks.drift(mu, pi)).sum() * span <= STILL:
                break
            mu = ode.distribution(
                ode.solved(lambda t, y: self.clocks.drift(ode.distribution(y), pi), 0.0, span, mu)[1]
            )
        return mu

    def judge_stationary(self, pi: FloatArray, mu: FloatArray, altruism: float = 0.0) -> tuple[float, float]:
        """Exploitability and mean return of a policy (S, A) that is played forever at its distribution mu (S,)."""
        clocks, model = self.clocks, self.clocks.model
        found, places = clocks.tables(mu), np.arange(len(mu))
        rows, generator = found.transition, found.generator
        if model.successors is not None:
            rows = sources.dense(rows, model.successors)
        if model.passive_identity:
            generator = np.zeros((len(mu), len(mu)))
        elif model.passive_successors is not None:
            generator = sources.dense(generator, model.passive_successors)

        def equations(chances: FloatArray) -> tuple[FloatArray, FloatArray]:
            """Of V of a policy: (rho + nu - nu A - Q) V = nu sum_a pi r + r0."""
            jumps = clocks.rate[:, np.newaxis] * np.einsum("oa,oax->ox", chances, rows)
            earned = clocks.rate * (chances * found.reward).sum(axis=1) + found.standing
            return np.diag(clocks.decay + clocks.rate) - jumps - generator, earned

        extra = np.zeros(len(mu)) if altruism == 0 else altruism * self._prices_forever(pi, mu, *equations(pi))

        def values(chances: FloatArray) -> FloatArray:
            matrix, earned = equations(chances)
            return np.asarray(np.linalg.solve(matrix, earned + extra))

        own = best = values(pi)
        for _ in range(MOST_POLICIES):  # policy iteration
            q = found.reward + rows @ best
            greedy = np.zeros_like(q)
            greedy[places, q.argmax(axis=1)] = 1.0
            last, best = best, np.maximum(best, values(greedy))
            if (best - last).max() <= 1e-13 * np.abs(best).max():
                break
        return float(mu @ (best - own)), float(mu @ own)

    def _prices_forever(
        self, pi: FloatArray, mu: FloatArray, matrix: FloatArray, earned: FloatArray
    ) -> FloatArray:
        """E (S,) per unit of time at a stationary distribution: a + L V, and V solves (matrix - L) V = earned + a."""
        clocks = self.clocks
        kernel = PricesInTime(clocks.model, TablePolicy(pi[np.newaxis]), clocks.rate, clocks.step)
        corners = np.concatenate([np.zeros((1, len(mu))), np.eye(len(mu))])
        prices, unused = np.empty((2, *corners.shape))
        for values, price, other in zip(corners, prices, unused, strict=True):
            kernel.at(0, mu, values, price, other)
        linear = (prices[1:] - prices[0]).T
        return np.asarray(prices[0] + linear @ np.linalg.solve(matrix - linear, earned + prices[0]))

    def advice(self) -> str:
        """What helps if steps are too long."""
        if self.refined:
            return f"refined up to {MOST_ENTRIES:.0e} entries of a policy; raise the tolerance, or {SMALLER_GAME}"
        return "give a smaller step, or none: steps are then refined"


def refuse_step(step: object) -> None:
    """Raise if `step` is given with a schedule in steps."""
    if step is not None:
        raise ValueError(
            f"step is {say.show(step)}; must be omitted unless schedule is Poisson: the schedule or the game sets the "
            "length of steps"
        )
