"""The problem of a solve: the game, the schedule, the number of agents, and the clock of the values."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tmfcore._base import pieces
from tmfcore._base import validation as check
from tmfcore._base.types import Clock
from tmfcore._base.validation import FloatArray
from tmfcore._limit import flow as flow_kernel
from tmfcore._limit.checks import active_fractions
from tmfcore._limit.exploitability import judged
from tmfcore._limit.flows import Flow, flow_of
from tmfcore._limit.ode import refuse_always
from tmfcore._limit.pricing import refuse_rounding
from tmfcore._limit.sizes import Needs
from tmfcore._model.activation import ActingShares
from tmfcore._model.continuous import Stages
from tmfcore._model.fingerprint import Fingerprint
from tmfcore._model.game import Game, in_steps
from tmfcore._model.legal import LegalArray
from tmfcore._model.poisson import Poisson
from tmfcore._model.policies import SoftmaxPolicy, TabularPolicy, as_policy
from tmfcore._model.schedules import Active, Schedule
from tmfcore.solvers._descent import Iterate
from tmfcore.solvers._grid import Grid, refuse_step
from tmfcore.solvers.base import Solution

if TYPE_CHECKING:
    from tmfcore.solvers._solver import Solver

__all__ = ["NEVER", "Problem", "is_decided", "logits_of", "no_logits", "softened"]

# The logit of an illegal action. Its exponential is 0, and every step and difference of logits is lost in it; of -inf,
# differences would be NaN.
NEVER = -1e300
SHARE = 1e-6  # share of the uniform policy in rows that no softmax of finite logits gives


class Problem:
    """A game under a schedule, on a clock; the arguments are the user's, and checked.

    Parameters
    ----------
    game : Game
    schedule : Schedule
    n_agents : int or None
    clock : Clock
    step : float or None
        Under Poisson clocks the length of a step, or a Grid; None: the first grid of several.

    Attributes
    ----------
    game : Game
        In steps.
    schedule : Schedule
        In steps.
    label : str
        Of the schedule given.
    grid : Grid or None
        Of Poisson clocks.
    n_agents : int or None
    active : ndarray of float64, shape (1,) or (T,), or ActingShares
        The active fraction of every step, or the probability of acting by observation.
    clock : Clock
    always : bool
        Whether values are those of an agent that acts at every step.
    altruism : float
        The weight of what agents do to all others (Theory, section 14).
    fingerprint : Fingerprint
        The fingerprint that results of the solve carry.
    """

    altruism: float = 0.0
    noisy: ClassVar[bool] = False  # whether the noise is random

    def __init__(
        self, game: object, schedule: Schedule, n_agents: int | None, clock: Clock, step: float | Grid | None = None
    ) -> None:
        self.grid: Grid | None = None
        given, known = schedule, game
        if isinstance(schedule, Poisson):
            refuse_always(clock)
            self.grid = step if isinstance(step, Grid) else Grid.of(game, schedule, step)
            game, schedule = self.grid.game, self.grid.under
        else:
            refuse_step(step)
        self.game = in_steps(game, schedule, n_agents)
        self.schedule, self.clock, self.always = schedule, clock, clock == "always"
        self.active = active_fractions(self.game, schedule, n_agents)
        if isinstance(self.active, ActingShares):
            self.active.check(self.game.n_observations, self.game.n_steps)
        self.n_agents = None if n_agents is None else check.as_positive_int(n_agents, "n_agents")
        self._given = known, given
        self.label = given.label
        played = self.game if self.grid is None else self.grid.clocks.game
        self.fingerprint = Fingerprint.of(played, given, self.n_agents, clock)

    def on(self, clock: Clock) -> Problem:
        """The same problem on another clock."""
        if clock == self.clock:
            return self
        return Problem(self._given[0], self._given[1], self.n_agents, clock, self.grid)

    def of(self, solver: Solver[Any]) -> Problem:
        """The same problem on the clock of a solver, with its altruism."""
        found = self.on(solver.clock)
        if solver.altruism == found.altruism:
            return found
        refuse_rounding(solver.altruism, self.active)
        found = copy.copy(found)
        found.altruism = solver.altruism
        return found

    def fixed(self) -> Problem:
        """The same problem, whose grid is not refined."""
        if self.grid is None:
            return self
        grid = dataclasses.replace(self.grid, refined=False)
        return Problem(self._given[0], self._given[1], self.n_agents, self.clock, grid)

    def finer(self, excess: float) -> Problem | None:
        """The problem on a finer grid, if exploitability was `excess` times too large; None: there is none."""
        grid = None if self.grid is None else self.grid.finer(excess)
        return None if grid is None else Problem(self._given[0], self._given[1], self.n_agents, self.clock, grid)

    def in_steps_of(self, n_steps: int) -> Problem:
        """The problem under Poisson clocks on the grid of a checkpoint."""
        assert self.grid is not None, "of Poisson clocks"
        if n_steps == self.grid.n_steps:
            return self
        grid = Grid.made(self.grid.clocks, self.grid.schedule, n_steps, self.grid.refined)
        return Problem(self._given[0], self._given[1], self.n_agents, self.clock, grid)

    @property
    def legal(self) -> LegalArray | None:
        """Which actions are legal in each row of a policy."""
        return self.game.legal

    @property
    def n_rows(self) -> int:
        """Rows of a policy at a step: S, or more if it sees the noise."""
        return self.game.n_observations

    advice: Callable[[], str] | None = None  # what would shrink its memory, in place of a smaller game

    @property
    def groups(self) -> tuple[int, int]:
        """(width, branches) of the groups of observations whose tables depend on their own population (_occupation)."""
        return self.game.n_observations, 1

    def needs(self) -> Needs:
        """The memory of a solve beside that of its solvers."""
        return {}

    @property
    def decided(self) -> bool:
        """Whether the game is a Markov decision process, the same along every flow."""
        return is_decided(self.game, self.active)

    @property
    def scale(self) -> float:
        """The size of returns, in units of which a tolerance near 0 is a share."""
        return self.game._scale

    def iterate(self) -> Iterate:
        """The uniform policy."""
        game = self.game
        return Iterate(
            game.model, game.initial, self.active, game.n_steps, game.discount, self.always, altruism=self.altruism,
            width=self.groups[0],
        )  # fmt: skip

    def finished(self, solution: Solution[Any]) -> Solution[Any]:
        """A Solution of the loop as it is returned."""
        return solution

    def table(self, policy: object) -> FloatArray:
        """A policy at every step of its own flow, (T, S, A)."""
        game = self.game
        kernel = as_policy(policy, game, "initial")
        mu = np.empty((game.n_steps + 1, game.n_observations))
        flow_kernel.forward(game.model, kernel, game.initial, self.active, game.n_steps, 1, mu)
        return np.stack([kernel.probabilities(mu[t], t, game.n_steps) for t in range(game.n_steps)])

    def judge(self, policy: TabularPolicy | SoftmaxPolicy) -> tuple[Flow, float, float]:
        """Flow, exploitability and mean return of a policy, by the kernels of tmf.exploitability."""
        if self.grid is not None:
            return self.grid.judge(
                Stages(policy.kernel, policy.kernel.n_stages), self.fingerprint.on(""), self.altruism
            )
        return self.judge_in_steps(policy)

    def judge_in_steps(self, policy: TabularPolicy | SoftmaxPolicy) -> tuple[Flow, float, float]:
        """The same in steps, also of Poisson clocks."""
        mu = np.empty((self.game.n_steps + 1, self.game.n_observations))
        gap, _, value = judged(
            self.game, policy.kernel, self.active, self.always, mu, self.altruism, self.groups
        )
        return self.flow(mu), gap, value

    def flow(self, mu: FloatArray) -> Flow:
        """The flow (T+1, S) of a policy of this problem."""
        steps = np.arange(self.game.n_steps + 1, dtype=np.int64)
        return flow_of(self.game, mu, steps, self.active, self.fingerprint.on(""))


def is_decided(game: Game, active: Active) -> bool:
    """Whether rewards, rows and probabilities of acting do not depend on mu: the game is a Markov decision process."""
    return game.model.constant and not (isinstance(active, ActingShares) and active.depends_on_mu)


def softened(table: FloatArray, legal: LegalArray | None) -> FloatArray:
    """A policy (..., S, A) that a softmax of moderate logits, or NEVER at illegal actions, can represent.

    Rows with a legal action of probability below 1e-6 / A, with A the number of legal ones, are mixed with a share of
    1e-6 of the uniform row; other rows do not change.
    """
    least = SHARE / table.shape[-1] if legal is None else legal * (SHARE / legal.sum(axis=1, keepdims=True))
    found = np.empty_like(table)
    for part in pieces.parts(len(table), table[:1].size):
        rows = table[part]
        hard = (rows < least).any(axis=-1, keepdims=True)
        found[part] = np.where(hard, (1 - SHARE) * rows + least, rows)
    return found


def logits_of(table: FloatArray) -> FloatArray:
    """Logarithms of probabilities; NEVER of those that are 0."""
    logits = np.empty(table.shape)
    for part in pieces.parts(len(table), table[:1].size):
        logits[part] = NEVER
        np.log(table[part], out=logits[part], where=table[part] > 0)
    return logits


def no_logits(shape: tuple[int, ...], legal: LegalArray | None) -> FloatArray:
    """Logits (..., S, A) of the uniform policy: 0, and NEVER at illegal actions."""
    logits = np.zeros(shape)
    if legal is not None:
        logits[..., ~legal] = NEVER
    return logits
