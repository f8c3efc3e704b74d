"""TMF-PG, the temporal mean-field policy gradient (Theory, section 7).

    TMFPG(...).solve(game, schedule, n_agents) -> Solution

The rule of one solve is in _policy_gradient, sampling and advantages in _critics, step rules in _step_rules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from tmfcore._base import options
from tmfcore._base import validation as check
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray
from tmfcore._limit.pricing import refuse_altruism
from tmfcore._limit.sizes import Needs
from tmfcore._model.activation import ActingShares
from tmfcore._model.game import Game
from tmfcore._model.linear_softmax import LinearSoftmax
from tmfcore._model.policies import SoftmaxPolicy, TabularPolicy, as_policy
from tmfcore._model.schedules import Active
from tmfcore._population import agents as agents_kernel
from tmfcore._population.capacity import check_batches, check_population
from tmfcore._population.starts import rounded_counts
from tmfcore._results.checkpoint import digest
from tmfcore.solvers import _critics
from tmfcore.solvers._critics import CriticName
from tmfcore.solvers._features import Features, as_features
from tmfcore.solvers._guidance import Guidance, as_guidance, as_weight, described
from tmfcore.solvers._policy_gradient import Learning
from tmfcore.solvers._problem import NEVER, Problem, logits_of, no_logits, softened
from tmfcore.solvers._registry import register
from tmfcore.solvers._rule import as_rate_decay
from tmfcore.solvers._sizes import gradient_needs
from tmfcore.solvers._solver import COUNT, NOT_NEGATIVE, POSITIVE, Solver
from tmfcore.solvers._step_rules import IN_ITERATIONS, Adam, Normalized, RateDecay, Sgd

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
    update="softmax(theta), theta moved along the advantages of sampled decisions (section 7)",
    source="Yang, arXiv:2602.18026",
    space=lambda scale: {
        "learning_rate": (0.05, 5.0, "log"), "decay_iterations": (1, 100, "log"), "average": (0.0, 5.0),
    },
    tested=({"population_aware": True},),
    quick={"replicas": 1},
)
@dataclass(frozen=True, kw_only=True, repr=False)
class TMFPG(Solver[SoftmaxPolicy]):
    """Temporal mean-field policy gradient: sample populations, estimate advantages, ascend (Theory, section 7).

    Every iteration plays the N-agent system with the softmax policy pi_theta under the schedule, computes
    advantages of the decisions made, and moves theta along them. The running average of theta is judged by its
    exploitability in the mean-field limit; the average with the smallest exploitability is returned.

    Parameters
    ----------
    learning_rate : float, optional
        Step length of theta. With "adam" and "normalized": about the change of a logit in one update, at any scale
        of rewards. With "sgd" and the natural gradient: in units of 1 / reward, the change of the log-odds of two
        actions per difference of their advantages.
    learning_rate_decay : {"harmonic", "sqrt", "linear", "constant", "adaptive"} or callable k -> factor, optional
        Factor of the rate at update k. "harmonic": 1 / (1 + k / decay_iterations); "sqrt": the square root of that;
        "linear": from 1 to 0 over `iterations`; "constant": 1; "adaptive": that of AdaOGD (ProjectedGradient); a
        callable: its return value, >= 0.
    decay_iterations : int or None, optional
        Only with "harmonic" and "sqrt". None: 10.
    critic : {"model", "empirical", "returns"}, optional
        "model": Q from the game's model along the sampled flow. "empirical": the same recursion on observed rewards
        and transition frequencies, pooled over a sweep (or a stage, if shorter); needs no model. "returns": the
        discounted return of each agent; clock="schedule" only. The last two subtract baselines from earlier samples
        and from the other populations of the iteration, never from the agent's own population, so that the gradient
        keeps its full size even if a single agent acts per step.
    gradient : {"natural", "plain"}, optional
        "natural": the visit-weighted mean advantage of each action at each (stage, observation), as in entropic mirror
        ascent; 0 where no agent acted. "plain": the sum over decisions, divided by the number of agents.
    optimizer : {"adam", "sgd", "normalized"} or None, optional
        "normalized": sgd with directions divided by the mean size of all directions so far. None: "normalized" for the
        natural gradient with critic "returns", whose noise it does not amplify; else "adam".
    betas : (float, float) or None, optional
        Each in [0, 1); only with "adam". None: (0.5, 0.99).
    average : float or None, optional
        a >= 0: judge and return the running average of theta that weights iterate k about as k**a, which removes most
        of the noise of finite N. None: judge and return the iterates themselves.
    stages : int or None, optional
        L, the number of policy stages, spread evenly over the horizon; at most one per step. None: one per sweep.
    population_aware : bool, optional
        True: logits affine in mu, theta of shape (L, S, A, 1 + S). The "natural" gradient then weights the mean
        advantage by the features (1, mu).
    features : (S, A, d) floats or None, optional
        The policy is a LinearSoftmax of these features, with d parameters per stage: for observations that resemble
        each other. The advantages that the critic finds are fitted to the features by least squares, weighted by
        visits ("natural"), or summed over them ("plain"). One-hot features give the bits of None. Not with
        population_aware, nor in games with illegal actions.
    entropy : float, optional
        tau >= 0, weight of an entropy bonus. "natural" adds -tau (log pi - sum_a pi log pi) on visited rows, "plain"
        the gradient of the entropy weighted by visits. The fixed point is then a regularised equilibrium.
    inner_updates : int, optional
        Updates per sampled population, with advantages recomputed for the current policy along the same flow.
    guidance : (S,) or (T + 1, S) floats, Flow, callable f(mu) or f(mu, t), or None, optional
        A reference population, for all times or for each, to which the sampled ones are drawn (DG-PG,
        arXiv:2602.20078): of a model that is solved beforehand, for example, or `wardrop`. A function gives it from the
        population and the time. Advantages A become (1 - w) A - w G, with G(o, a) the mean over x ~ P(. | o, a, mu_t)
        of (mu_{t+1} - reference_{t+1})(x): as if every step ended with a reward for being where too few are. Theory,
        section 7, has what it does to the noise. If the reference is not the flow of an equilibrium, the end is
        biased, unless w falls to 0.
    guidance_weight : float, or callable k -> weight, or None, optional
        w in [0, 1], at update k; only with `guidance`. Rewards and shares are added as they are. None: 0.5.
    replicas : int or None, optional
        Populations sampled per iteration; not with n_agents=None, the mean-field limit. None: 4.
    iterations, tolerance, absolute_tolerance, patience, min_improvement, clock, altruism
        As in every solver.
    evaluate_every : int, optional
        Iterations between evaluations of exploitability. Stopping tests, callbacks and history use evaluations only.

    Notes
    -----
    The noise of N agents in mu-hat, about 1 / sqrt(N), enters every advantage, and n samples determine the policy to
    about 1 / sqrt(n N): exploitability falls no faster, whatever the learning rate. A smaller tolerance needs more
    replicas.

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
    learning_rate_decay: RateDecay | Callable[[int], float] = field(
        default="harmonic", metadata=options.of(as_rate_decay)
    )
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
    features: Features | FloatsLike | None = field(
        default=None, metadata=options.of(as_features) | options.needs(None, population_aware=(False,))
    )
    entropy: float = field(default=0.0, metadata=NOT_NEGATIVE)
    inner_updates: int = field(default=1, metadata=COUNT)
    guidance: Guidance | None = field(default=None, metadata=options.of(as_guidance))
    guidance_weight: float | Callable[[int], float] | None = field(
        default=None, metadata=options.of(as_weight) | options.needs(0.5, guidance=options.GIVEN)
    )
    replicas: int | None = field(default=None, metadata=COUNT | options.needs(4))
    tolerance: float | None = field(default=0.005, metadata=NOT_NEGATIVE)
    evaluate_every: int = field(default=1, metadata=COUNT)

    _depends_on: ClassVar[tuple[str, ...]] = ("game", "schedule", "n_agents", "clock")
    _samples: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.critic == "empirical" and self.clock == "always":
            refuse_altruism(
                self.altruism, "with clock='always' and critic='empirical'",
                "the others whose returns count act by the schedule; critic='model' has both",
            )  # fmt: skip
        if self.inner_updates > 1 and self.critic == "returns":
            raise ValueError(
                f"inner_updates is {self.inner_updates}; must be 1 with critic='returns': sampled returns are unbiased "
                "for the policy that was played only, not for the next one"
            )

    @property
    def _every(self) -> int:
        return self.evaluate_every

    @cached_property
    def _hyperparameters(self) -> dict[str, Any]:
        guidance = self.guidance
        shown = {} if guidance is None or callable(guidance) else {"guidance": described(guidance)}
        if self._basis is not None:
            shown["features"] = f"array of shape {self._basis.array.shape} {digest(self._basis.array)}"
        return super()._hyperparameters | shown

    @property
    def _basis(self) -> Features | None:
        return self.features if isinstance(self.features, Features) else None

    def _draws(self, problem: Problem) -> bool:
        return problem.n_agents is not None

    def _step_rule(self, theta: FloatArray) -> Sgd | Adam | Normalized:
        """A new optimiser."""
        optimizer = self.settings["optimizer"]
        if optimizer == "adam":
            return Adam.like(theta, self.settings["betas"])
        return Sgd() if optimizer == "sgd" else Normalized()

    def _shape(self, game: Game) -> tuple[int, int, int, int]:
        """The shape (L, S, A, F) of theta."""
        features = 1 + game.n_observations if self.population_aware else 1
        return self._n_stages(game), game.n_observations, game.n_actions, features

    def _n_stages(self, game: Game) -> int:
        stages = round(game.n_steps * game.dt) if self.stages is None else self.stages
        return max(1, min(stages, game.n_steps))

    def _start(self, problem: Problem, policy: object) -> FloatArray:
        """Theta of a policy; with features, the parameters whose logits are nearest to it."""
        basis = self._basis
        if basis is None:
            return self._table(problem, policy)
        if isinstance(policy, LinearSoftmax) and np.array_equal(policy.features, basis.array):
            n_stages = self._n_stages(problem.game)
            if n_stages % policy.n_stages == 0:
                return np.repeat(policy.weights, n_stages // policy.n_stages, axis=0)
        return basis.nearest(self._table(problem, policy)[..., 0])

    def _table(self, problem: Problem, policy: object) -> FloatArray:
        """The logits of a SoftmaxPolicy, repeated to fit the stages; else the log of the mean policy of each stage."""
        game = problem.game
        as_policy(policy, game, "initial")
        theta = self._uniform(game)
        n_stages, features = theta.shape[0], theta.shape[-1]
        if isinstance(policy, SoftmaxPolicy):
            given = _logits(policy)
            takes_all = bool(((given[..., 0] > NEVER) | (theta[:1, ..., 0] == NEVER)).all())
            if given.shape[-1] <= features and n_stages % len(given) == 0 and takes_all:
                theta[..., : given.shape[-1]] = np.repeat(given, n_stages // len(given), axis=0)
                return theta
        table = softened(problem.table(policy), problem.legal)
        stage = np.arange(game.n_steps) * n_stages // game.n_steps
        starts = np.searchsorted(stage, np.arange(n_stages))
        means = np.add.reduceat(table, starts, axis=0) / np.bincount(stage)[:, np.newaxis, np.newaxis]
        theta[..., 0] = logits_of(means)
        return theta

    def _zero(self, game: Game) -> FloatArray:
        """The parameters of the uniform policy."""
        basis = self._basis
        return self._uniform(game) if basis is None else np.zeros((self._n_stages(game), basis.size))

    def _uniform(self, game: Game) -> FloatArray:
        """The theta of the uniform policy."""
        theta = np.zeros(self._shape(game))
        theta[..., 0] = no_logits(theta.shape[:3], game.legal)
        return theta

    def _needs(self, problem: Problem) -> Needs:
        game, plan, shape = problem.game, self._plan(problem), self._shape(problem.game)
        replicas = self.settings["replicas"] if problem.n_agents is not None else 1
        whole = agents_kernel.observation_dtype(game.n_observations).itemsize
        whole += agents_kernel.action_dtype(game.n_actions).itemsize
        found = gradient_needs(problem, shape, replicas, self.critic, -(-game.n_steps // plan.pool), whole)
        if self.guidance is not None:
            found |= {"guidance": (8 * (replicas + 2), *shape), "reference": (24, game.n_steps + 1, shape[1])}
        if self._basis is not None:
            found["features"] = (32, *self._basis.array.shape)
        return found

    def _policy(self, parameters: FloatArray, horizon: int, own: bool = False) -> SoftmaxPolicy:
        if self._basis is not None:
            return LinearSoftmax(self._basis.array, parameters, horizon=horizon)
        theta = np.where(parameters == NEVER, -np.inf, parameters)
        return SoftmaxPolicy(theta if theta.shape[-1] > 1 else theta[..., 0], horizon=horizon)

    def _parameters(self, policy: TabularPolicy | SoftmaxPolicy) -> FloatArray:
        if self._basis is not None:
            if isinstance(policy, LinearSoftmax) and np.array_equal(policy.features, self._basis.array):
                return policy.weights
            return np.empty(0)
        return _logits(policy) if isinstance(policy, SoftmaxPolicy) else np.empty(0)

    def _plan(self, problem: Problem) -> _critics.Plan:
        """Check that populations can be sampled, and fix how."""
        game, schedule, n_agents, active = problem.game, problem.schedule, problem.n_agents, problem.active
        if self._basis is not None:
            self._basis.check(game)
        options.required("replicas", self.replicas, "n_agents", n_agents, options.GIVEN)
        batch, probability = None, None
        start = np.zeros(game.n_observations, dtype=np.int64)
        if n_agents is None:
            if self.critic != "model":
                raise ValueError(
                    f"n_agents is None; critic={self.critic!r} samples a population and needs n_agents "
                    "(critic='model' works in the mean-field limit)"
                )
        else:
            engine = "agents" if self.critic == "returns" else "counts"
            check_population(n_agents, engine)
            batch, probability = schedule._kernel(game.n_steps, n_agents)
            check_batches(n_agents, batch, engine)
            start = rounded_counts(game.initial, n_agents)
        if problem.always and self.critic == "returns" and (isinstance(active, ActingShares) or (active < 1.0).any()):
            raise ValueError(
                f"clock='always' with critic='returns' needs all agents to act at every step, but schedule is "
                f"{schedule!r}: agents that wait between actions earn the returns of clock='schedule'; use "
                "critic='model' or 'empirical', or clock='schedule'"
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
            pool=max(1, min(_steps_per_sweep(active, game), game.n_steps // n_stages)),
            altruism=problem.altruism,
        )


def _logits(policy: SoftmaxPolicy) -> FloatArray:
    """(L, S, A, F), with NEVER for -inf."""
    theta = np.maximum(policy.theta, NEVER)
    return theta if policy.affine else theta[..., np.newaxis]


def _steps_per_sweep(active: Active, game: Game) -> int:
    """Steps in which every agent acts once on average; by the start, if it depends on the observation or on mu."""
    horizon = game.n_steps
    if isinstance(active, ActingShares):
        table = active.table if active.table is not None else active.shares(game.initial, 0)[np.newaxis]
        mean = float((table @ game.initial).mean())
    else:
        mean = float(active.mean())
    return horizon if mean * horizon <= 1 else max(1, min(horizon, round(1 / mean)))
