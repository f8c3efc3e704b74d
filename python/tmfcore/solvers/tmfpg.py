"""TMF-PG, the temporal mean-field policy gradient (Theory, section 7).

    TMFPG(...).solve(game, schedule, n_agents) -> Solution

The rule of one solve is in _policy_gradient, sampling and credit in _critics, step rules in _step_rules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from tmfcore._base import options
from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray
from tmfcore._model.game import Game
from tmfcore._model.policies import SoftmaxPolicy, TabularPolicy, as_policy
from tmfcore._population.simulate import check_batches, check_population, rounded_counts
from tmfcore.solvers import _critics
from tmfcore.solvers._critics import CriticName
from tmfcore.solvers._policy_gradient import Learning
from tmfcore.solvers._problem import Problem, softened
from tmfcore.solvers._registry import register
from tmfcore.solvers._rule import as_decay
from tmfcore.solvers._solver import COUNT, NOT_NEGATIVE, POSITIVE, Solver
from tmfcore.solvers._step_rules import IN_ITERATIONS, Adam, Decay, Normalized, Sgd

__all__ = ["TMFPG"]

Optimizer: TypeAlias = Literal["sgd", "adam", "normalized"]
Gradient: TypeAlias = Literal["natural", "plain"]


def _optimizer(settings: dict[str, Any]) -> Optimizer:
    return "normalized" if settings["critic"] == "returns" and settings["gradient"] == "natural" else "adam"


def _as_betas(betas: object, name: str) -> tuple[float, float]:
    first, second = check.as_float_array(betas, name, shape=(2,), low=0.0, high=1.0, high_open=True).tolist()
    return first, second


@register(
    rule=Learning,
    word="tmf-pg",
    update="softmax(theta), theta moved along advantages of sampled decisions (section 7)",
    source="Yang, arXiv:2602.18026",
    space=lambda scale: {
        "learning_rate": (0.05, 5.0, "log"), "decay_iterations": (1, 100, "log"), "average": (0.0, 5.0),
    },
    tested=({"population_aware": True},),
    quick={"replicas": 1},
)
@dataclass(frozen=True, kw_only=True, repr=False)
class TMFPG(Solver[SoftmaxPolicy]):
    """Temporal mean-field policy gradient: play, credit those who acted, ascend (Theory, section 7).

    Every iteration plays the N-agent system with the softmax policy pi_theta under the schedule, computes
    advantages of the decisions made, and moves theta along them. Exploitability is computed in the mean-field
    limit, of the running average of theta; the average with the smallest is returned.

    Parameters
    ----------
    learning_rate : float, optional
        Step length of theta: with adam and normalized about what a logit moves in one update, whatever the scale
        of the rewards; with sgd and the natural gradient, in units of 1 / reward, what the log-odds of two actions
        move per difference of their advantages.
    learning_rate_decay : {"harmonic", "sqrt", "linear", "constant"} or callable k -> factor, optional
        Factor of update k: 1 / (1 + k / decay_iterations); the square root of that; from 1 to 0 over
        `iterations`; 1; or the caller's own, >= 0.
    decay_iterations : int or None, optional
        Only of "harmonic" and "sqrt". None: 10.
    critic : {"model", "empirical", "returns"}, optional
        "model": Q of the game along the sampled flow. "empirical": the same recursion on observed rewards and
        transition frequencies, pooled over a sweep (or a stage, if shorter); needs no model. "returns": every
        agent's own discounted return; clock="schedule" only. The last two are compared with what acting was worth
        in earlier and in the other populations, never in the agent's own: however few act, nothing is lost.
    gradient : {"natural", "plain"}, optional
        "natural": visit-weighted mean advantage of every action at each (stage, observation), entropic mirror
        ascent; 0 where nobody acted. "plain": the sum over decisions, per agent.
    optimizer : {"adam", "sgd", "normalized"} or None, optional
        "normalized": sgd in units of the mean size of the directions so far. None: "normalized" for the natural
        gradient of critic "returns", whose noise it does not enlarge; else "adam".
    betas : (float, float) or None, optional
        In [0, 1); only of adam. None: (0.5, 0.99).
    average : float or None, optional
        a >= 0: judge and return the running average of theta that weights iterate k about as k**a, which
        takes out most of the noise of finite N. None: the iterates themselves.
    stages : int or None, optional
        L, policy stages spread evenly over the horizon, at most one a step. None: one a sweep.
    population_aware : bool, optional
        True makes the logits affine in mu, (L, S, A, 1 + S). Its "natural" gradient weights the mean
        advantage by the features (1, mu).
    entropy : float, optional
        tau >= 0, weight of an entropy bonus: natural adds -tau (log pi - sum_a pi log pi) on visited rows,
        plain its gradient weighted by visits. The fixed point is then a regularised equilibrium.
    inner_updates : int, optional
        Updates per sampled population, with advantages recomputed for the current policy along the same flow.
    replicas : int or None, optional
        Populations sampled per iteration; not with n_agents=None, the mean-field limit. None: 4.
    iterations, tolerance, absolute_tolerance, patience, min_improvement, clock
        As in every solver.
    evaluate_every : int, optional
        Iterations between evaluations of exploitability, of which stops, callbacks and history are made.

    Notes
    -----
    The noise of N agents in mu-hat, about 1 / sqrt(N), is noise in every advantage, and after n samples of it
    the policy is known to about 1 / sqrt(n N): exploitability falls no faster, whatever the learning rate.
    More replicas buy a smaller tolerance.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0)
    >>> solution = tmf.solvers.TMFPG().solve(game, tmf.Synchronous(), n_agents=1000, rng=1)
    >>> solution.converged
    True
    >>> print(solution.flow.mu[10].round(1))
    [0.5 0.3 0.1 0. ]
    """

    iterations: int = field(default=200, metadata=COUNT)
    learning_rate: float = field(default=0.7, metadata=POSITIVE)
    learning_rate_decay: Decay | Callable[[int], float] = field(default="harmonic", metadata=options.of(as_decay))
    decay_iterations: int | None = field(
        default=None, metadata=COUNT | options.needs(10, learning_rate_decay=IN_ITERATIONS)
    )
    critic: CriticName = field(default="model", metadata=options.of(check.as_choice, choices=CriticName))
    gradient: Gradient = field(default="natural", metadata=options.of(check.as_choice, choices=Gradient))
    optimizer: Optimizer | None = field(
        default=None, metadata=options.of(check.as_choice, choices=Optimizer) | options.needs(_optimizer)
    )
    betas: tuple[float, float] | None = field(
        default=None, metadata=options.of(_as_betas) | options.needs((0.5, 0.99), optimizer=("adam",))
    )
    average: float | None = field(default=2.0, metadata=NOT_NEGATIVE)
    stages: int | None = field(default=None, metadata=COUNT)
    population_aware: bool = field(default=False, metadata=options.of(check.as_bool))
    entropy: float = field(default=0.0, metadata=NOT_NEGATIVE)
    inner_updates: int = field(default=1, metadata=COUNT)
    replicas: int | None = field(default=None, metadata=COUNT | options.needs(4))
    tolerance: float | None = field(default=0.005, metadata=NOT_NEGATIVE)
    evaluate_every: int = field(default=1, metadata=COUNT)

    _depends_on: ClassVar[tuple[str, ...]] = ("game", "schedule", "n_agents", "clock")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.inner_updates > 1 and self.critic == "returns":
            raise ValueError(
                f"inner_updates is {self.inner_updates}; must be 1 with critic='returns': sampled returns are those of "
                "the policy that was played, and say nothing unbiased about the next one"
            )

    @property
    def _every(self) -> int:
        return self.evaluate_every

    def _step_rule(self, theta: FloatArray) -> Sgd | Adam | Normalized:
        """The optimiser, at rest."""
        optimizer = self.settings["optimizer"]
        if optimizer == "adam":
            return Adam.like(theta, self.settings["betas"])
        return Sgd() if optimizer == "sgd" else Normalized()

    def _shape(self, game: Game) -> tuple[int, int, int, int]:
        """Of theta, (L, S, A, F)."""
        features = 1 + game.n_observations if self.population_aware else 1
        return self._n_stages(game), game.n_observations, game.n_actions, features

    def _n_stages(self, game: Game) -> int:
        stages = round(game.n_steps * game.dt) if self.stages is None else self.stages
        return max(1, min(stages, game.n_steps))

    def _start(self, problem: Problem, policy: object) -> FloatArray:
        """Logits as they are, repeated to fit the stages; else the logarithms of the mean policy of each stage."""
        game = problem.game
        as_policy(policy, game, "initial")
        theta = np.zeros(self._shape(game))
        n_stages, features = theta.shape[0], theta.shape[-1]
        if isinstance(policy, SoftmaxPolicy):
            given = self._parameters(policy)
            if given.shape[-1] <= features and n_stages % len(given) == 0:
                theta[..., : given.shape[-1]] = np.repeat(given, n_stages // len(given), axis=0)
                return theta
        table = softened(problem.table(policy))
        stage = np.arange(game.n_steps) * n_stages // game.n_steps
        starts = np.searchsorted(stage, np.arange(n_stages))
        means = np.add.reduceat(table, starts, axis=0) / np.bincount(stage)[:, np.newaxis, np.newaxis]
        theta[..., 0] = np.log(means)
        return theta

    def _policy(self, parameters: FloatArray, horizon: int) -> SoftmaxPolicy:
        return SoftmaxPolicy(parameters if parameters.shape[-1] > 1 else parameters[..., 0], horizon=horizon)

    def _parameters(self, policy: TabularPolicy | SoftmaxPolicy) -> FloatArray:
        if not isinstance(policy, SoftmaxPolicy):
            return np.empty(0)
        return policy.theta if policy.affine else policy.theta[..., np.newaxis]

    def _plan(self, problem: Problem) -> _critics.Plan:
        """How populations are played, checked."""
        game, schedule, n_agents, active = problem.game, problem.schedule, problem.n_agents, problem.active
        options.required("replicas", self.replicas, "n_agents", n_agents, options.GIVEN)
        batch, probability = None, None
        start = np.zeros(game.n_observations, dtype=np.int64)
        if n_agents is None:
            if self.critic != "model":
                raise ValueError(
                    f"n_agents is None; critic={self.critic!r} learns from a sampled population and needs n_agents "
                    "(critic='model' works in the mean-field limit)"
                )
        else:
            engine = "agents" if self.critic == "returns" else "counts"
            check_population(n_agents, engine)
            batch, probability = schedule._kernel(game.n_steps, n_agents)
            check_batches(n_agents, batch, engine)
            start = rounded_counts(game.initial, n_agents)
        if problem.always and self.critic == "returns" and not (active == 1.0).all():
            raise ValueError(
                f"clock='always' with critic='returns' needs everybody to act, but schedule is {schedule!r}: an agent "
                "that waits between its actions earns the returns of clock='schedule', and none that always acts is "
                "there to sample; use critic='model' or 'empirical', or clock='schedule'"
            )
        n_stages = self._n_stages(game)
        return _critics.Plan(
            model=game.model,
            horizon=game.n_steps,
            discount=game.discount,
            initial=game.initial,
            active=active,
            batch=batch,
            probability=probability,
            n_agents=n_agents,
            start=start,
            always=problem.always,
            natural=self.gradient == "natural",
            n_stages=n_stages,
            pool=max(1, min(_steps_per_sweep(active, game.n_steps), game.n_steps // n_stages)),
        )


def _steps_per_sweep(active: FloatArray, horizon: int) -> int:
    """Steps in which every agent acts once on average."""
    mean = float(active.mean())
    return horizon if mean * horizon <= 1 else max(1, min(horizon, round(1 / mean)))
