"""TMF-PG over an infinite horizon, on one run without resets (Theory, section 16).

    StationaryTMFPG(...).solve(game, schedule, n_agents) -> Solution

The rule of one solve is in _one_run, the TD(0) critic in the kernel _td.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from tmfcore._base import options
from tmfcore._base.validation import FloatArray
from tmfcore._limit.sizes import Needs, cells_of, kernel_needs
from tmfcore._model.activation import ActingShares
from tmfcore._model.policies import SoftmaxPolicy, TabularPolicy
from tmfcore._population.capacity import check_batches, check_population
from tmfcore._population.starts import rounded_counts
from tmfcore.solvers._endless import Endless
from tmfcore.solvers._one_run import RunPlan, Walking
from tmfcore.solvers._problem import NEVER, Problem, logits_of, softened
from tmfcore.solvers._registry import register
from tmfcore.solvers._rule import as_decay
from tmfcore.solvers._solver import COUNT, NOT_NEGATIVE, POSITIVE, SHARE, Solver
from tmfcore.solvers._step_rules import IN_ITERATIONS, Decay

__all__ = ["StationaryTMFPG"]


@register(
    rule=Walking,
    word="stationary-tmf-pg",
    update="softmax(theta), theta moved along advantages learnt by TD(0) from one run without resets (section 16)",
    source="ours; the gradient of Yang, arXiv:2602.18026, with TD(0) of Sutton 1988",
    space=lambda scale: {
        "learning_rate": (0.005, 0.5, "log"), "decay_iterations": (3, 300, "log"), "critic_rate": (0.05, 1.0, "log"),
    },
    endless=True,
)
@dataclass(frozen=True, kw_only=True, repr=False)
class StationaryTMFPG(Endless, Solver[SoftmaxPolicy]):
    """Stationary equilibrium without a model: one run of N agents, never reset, and a TD(0) critic.

    One population of N agents starts at game.initial and plays on and on, while its policy, one softmax for all steps,
    is learnt. Each iteration plays a few sweeps. The critic learns from every step of every agent: values of acting and
    of waiting, by TD(0), with the game's discount over an infinite horizon. Then theta moves along the advantages of
    the observations at which agents acted, as in the natural gradient of TMFPG. mu is that of the run. With discount 1
    rewards are taken less their mean, which the run estimates too: the policy then maximises the gain, the mean reward
    in the long run.

    The learner sees what agents observe, do and earn, who acts, and nothing else of the game. For the stopping tests
    and the history, the running average of theta is judged by the model, at its stationary distribution, as in
    `Stationary`; the average with the smallest exploitability is returned.

    Parameters
    ----------
    learning_rate : float, optional
        About the change of a logit in one update, at any scale of rewards: advantages are divided by the mean size of
        all so far.
    learning_rate_decay : {"harmonic", "sqrt", "linear", "constant"} or callable k -> factor, optional
        Factor of the rate at update k, as in TMFPG.
    decay_iterations : int or None, optional
        Only with "harmonic" and "sqrt". None: 30.
    critic_rate : float, optional
        In (0, 1], the step length of TD(0) for one sample. The n agents that take action a at o in the same step move
        its value by the share 1 - (1 - critic_rate)^n, as they would one after another.
    sweeps : float, optional
        Length of an iteration: in one sweep every agent acts once on average.
    average : float or None, optional
        a >= 0: judge and return the running average of theta that weights iterate k about as k**a. None: theta itself.
    iterations, tolerance, absolute_tolerance, patience, min_improvement, clock, altruism
        As in every solver.
    evaluate_every : int, optional
        Iterations between evaluations of exploitability. Stopping tests, callbacks and history use evaluations only.
    distribution_tolerance, distribution_steps : optional
        As in `Stationary`, for these evaluations.

    Raises
    ------
    TypeError, ValueError
        A hyperparameter has the wrong type or is out of bounds; altruism is not 0. From `solve`: n_agents is None; the
        game or the schedule depends on t; nobody acts; the discount is 1 with clock="always", or under Poisson clocks.

    Notes
    -----
    The noise of N agents in mu-hat, about 1 / sqrt(N), enters every advantage, and is averaged over the run. Values
    reach back 1 / (1 - discount) steps, and follow policy and population with this delay, so that rates must be small
    against it. Agents of several types (games.typed) need no option: types are parts of the observations that agents
    never leave, and gains are learnt for each such part.

    A Solution that is continued (`initial`) goes on with its population and its values: the run is still one.

    The mean return is that of Stationary: of an infinite horizon, or the gain per sweep (per step of a game in steps).

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0)
    >>> solution = tmf.solvers.StationaryTMFPG().solve(game, tmf.Synchronous(), n_agents=1000, rng=1)
    >>> solution.converged
    True
    >>> print(solution.flow.mu[0].round(1))
    [0.5 0.3 0.1 0. ]
    """

    iterations: int = field(default=3000, metadata=COUNT)
    tolerance: float | None = field(default=0.01, metadata=NOT_NEGATIVE)
    learning_rate: float = field(default=0.03, metadata=POSITIVE)
    learning_rate_decay: Decay | Callable[[int], float] = field(default="sqrt", metadata=options.of(as_decay))
    decay_iterations: int | None = field(
        default=None, metadata=COUNT | options.needs(30, learning_rate_decay=IN_ITERATIONS)
    )
    critic_rate: float = field(default=0.5, metadata=SHARE)
    sweeps: float = field(default=1.0, metadata=POSITIVE)
    average: float | None = field(default=2.0, metadata=NOT_NEGATIVE)
    evaluate_every: int = field(default=50, metadata=COUNT)
    distribution_tolerance: float = field(default=1e-10, metadata=NOT_NEGATIVE)
    distribution_steps: int = field(default=100_000, metadata=COUNT)

    _depends_on: ClassVar[tuple[str, ...]] = ("game", "schedule", "n_agents", "clock")
    _selfish: ClassVar[str] = "what agents do to each other is known from the model only; use Stationary"

    @property
    def _every(self) -> int:
        return self.evaluate_every

    def _draws(self, problem: Problem) -> bool:
        return True

    def _plan(self, problem: Problem) -> RunPlan:
        """Check that a population can be played, and fix how."""
        game, n_agents = problem.game, problem.n_agents
        active = self._still(problem)
        if n_agents is None:
            raise ValueError(f"n_agents is None; {self.name} learns from a population and needs its size")
        if game.discount == 1 and problem.always:
            raise ValueError(
                "game.discount is 1 with clock='always'; must be < 1: an average reward is that of the agents of the "
                "schedule, clock='schedule'"
            )
        check_population(n_agents, "counts")
        batch, _ = problem.schedule._kernel(game.n_steps, n_agents)
        check_batches(n_agents, batch, "counts")
        if isinstance(active, ActingShares):
            shares = active.shares(game.initial, 0) if active.table is None else active.table[0]
            share = float(shares @ game.initial)
        else:
            share = float(active[0])
        if share == 0:
            raise ValueError("nobody acts at the initial population: the active fraction is 0; must be > 0")
        return RunPlan(
            batch=None if batch is None else batch[:1],
            probability=active if batch is None else None,
            active=active,
            start=rounded_counts(game.initial, n_agents),
            n_steps=max(1, round(self.sweeps / share)),
        )

    def _needs(self, problem: Problem) -> Needs:
        game = problem.game
        n_obs, n_act = game.n_observations, game.n_actions
        return kernel_needs(game.model) | {
            "20 tables of the solver": (160, n_obs, n_act),
            "moves of a step": (8, cells_of(game.model)),
            "powers of the kernel": (16, n_obs, n_obs),
        }

    def _start(self, problem: Problem, policy: object) -> FloatArray:
        """The logits of a SoftmaxPolicy; else the log of its probabilities."""
        table = self._row(problem, policy)
        if isinstance(policy, SoftmaxPolicy) and not policy.affine and (table > 0).all():
            return self._parameters(policy)
        return logits_of(softened(table, problem.legal))

    def _policy(self, parameters: FloatArray, horizon: int, own: bool = False) -> SoftmaxPolicy:
        return SoftmaxPolicy(np.where(parameters == NEVER, -np.inf, parameters), horizon=horizon)

    def _parameters(self, policy: TabularPolicy | SoftmaxPolicy) -> FloatArray:
        if not isinstance(policy, SoftmaxPolicy) or policy.affine:
            return np.empty(0)
        return np.maximum(policy.theta, NEVER)
