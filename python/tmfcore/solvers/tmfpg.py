"""TMF-PG, the temporal mean-field policy gradient (theory.md section 7).

    TMFPG(...).solve(game, schedule, n_agents) -> Solution

The rule of one solve is in _policy_gradient, sampling and credit in _critics, step rules in _ascent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray
from tmfcore._limit.mean_field import active_fractions
from tmfcore._model.game import Game
from tmfcore._model.policies import SoftmaxPolicy, TabularPolicy, as_policy
from tmfcore._model.schedules import Schedule
from tmfcore._population.simulate import check_batches, check_population, rounded_counts
from tmfcore.solvers import _critics
from tmfcore.solvers._ascent import Adam, Normalized, Sgd
from tmfcore.solvers._critics import CRITICS
from tmfcore.solvers._policy_gradient import Ascent
from tmfcore.solvers._problem import Problem, softened
from tmfcore.solvers._rule import check_decay
from tmfcore.solvers._solver import Solver

__all__ = ["TMFPG"]

OPTIMIZERS = ("sgd", "adam", "normalized")


@dataclass(frozen=True, kw_only=True)
class TMFPG(Solver):
    """Temporal mean-field policy gradient: play, credit those who acted, ascend (theory.md section 7).

    Every iteration plays the N-agent system with the softmax policy pi_theta under the schedule, computes
    advantages of the decisions made, and moves theta along them. Exploitability is computed in the mean-field
    limit, of the running average of theta; the average with the smallest is returned.

    Parameters
    ----------
    iterations : int, optional
        Updates at most.
    learning_rate : float, optional
        Step length of theta: with adam and normalized about what a logit moves in one update, whatever the scale
        of the rewards; with sgd and the natural gradient, in units of 1 / reward, what the log-odds of two actions
        move per difference of their advantages.
    learning_rate_decay : {"harmonic", "sqrt", "linear", "constant"} or callable k -> factor, optional
        Factor of update k: 1 / (1 + k / decay_iterations); the square root of that; from 1 to 0 over
        `iterations`; 1; or the caller's own, >= 0.
    decay_iterations : int, optional
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
    betas : (float, float), optional
        Of adam, in [0, 1).
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
    replicas : int, optional
        Populations sampled per iteration. Not used in the mean-field limit.
    tolerance, absolute_tolerance, patience, min_improvement, clock
        As in every solver: the exploitability at which to stop, in shares of |mean return| and in units of return;
        after how many iterations without an improvement of what share to give up (None: never); whose values are
        learnt and judged.
    evaluate_every : int, optional
        Iterations between evaluations of exploitability, of which stops, callbacks and history are made.

    Raises
    ------
    TypeError, ValueError
        A hyperparameter of the wrong kind or out of bounds.

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

    iterations: int = 200
    learning_rate: float = 0.7
    learning_rate_decay: str | Callable[[int], float] = "harmonic"
    decay_iterations: int = 10
    critic: str = "model"
    gradient: str = "natural"
    optimizer: str | None = None
    betas: tuple[float, float] = (0.5, 0.99)
    average: float | None = 2.0
    stages: int | None = None
    population_aware: bool = False
    entropy: float = 0.0
    inner_updates: int = 1
    replicas: int = 4
    tolerance: float | None = 0.005
    evaluate_every: int = 1

    _depends_on: ClassVar[tuple[str, ...]] = ("game", "schedule", "n_agents", "clock")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("decay_iterations", "inner_updates", "replicas", "evaluate_every"):
            self._store(name, check.as_positive_int(getattr(self, name), name))
        if self.stages is not None:
            self._store("stages", check.as_positive_int(self.stages, "stages"))
        self._store("learning_rate", check.as_float(self.learning_rate, "learning_rate", low=0.0, low_open=True))
        check_decay(self.learning_rate_decay, "learning_rate_decay")
        check.as_choice(self.critic, "critic", CRITICS)
        check.as_choice(self.gradient, "gradient", ("natural", "plain"))
        if self.optimizer is not None:
            check.as_choice(self.optimizer, "optimizer", OPTIMIZERS)
        self._store("population_aware", check.as_bool(self.population_aware, "population_aware"))
        self._store("entropy", check.as_float(self.entropy, "entropy", low=0.0))
        if self.average is not None:
            self._store("average", check.as_float(self.average, "average", low=0.0))
        betas = check.as_float_array(self.betas, "betas", shape=(2,), low=0.0, high=1.0, high_open=True)
        self._store("betas", (float(betas[0]), float(betas[1])))
        if self.inner_updates > 1 and self.critic == "returns":
            raise ValueError(
                f"inner_updates is {self.inner_updates}; must be 1 with critic='returns': sampled returns are those of "
                "the policy that was played, and say nothing unbiased about the next one"
            )

    @property
    def _every(self) -> int:
        return self.evaluate_every

    def _rule(self, problem: Problem, generator: np.random.Generator, threads: int | None) -> Ascent:
        sampled = self._problem(problem.game, problem.schedule, problem.n_agents)
        return Ascent(self, problem.game, sampled, generator, threads)

    def _step_rule(self, theta: FloatArray) -> Sgd | Adam | Normalized:
        """The optimiser, at rest."""
        noisy = self.critic == "returns" and self.gradient == "natural"
        optimizer = self.optimizer or ("normalized" if noisy else "adam")
        if optimizer == "adam":
            return Adam.like(theta, self.betas)
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

    def _problem(self, game: Game, schedule: Schedule, n_agents: int | None) -> _critics.Problem:
        """Everything a solve holds fixed, checked."""
        active = active_fractions(game, schedule, n_agents)
        always = self.clock == "always"
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
        if always and self.critic == "returns" and not (active == 1.0).all():
            raise ValueError(
                f"clock='always' with critic='returns' needs everybody to act, but schedule is {schedule!r}: an agent "
                "that waits between its actions earns the returns of clock='schedule', and none that always acts is "
                "there to sample; use critic='model' or 'empirical', or clock='schedule'"
            )
        n_stages = self._n_stages(game)
        return _critics.Problem(
            model=game.model,
            horizon=game.n_steps,
            discount=game.discount,
            initial=game.initial,
            active=active,
            batch=batch,
            probability=probability,
            n_agents=n_agents,
            start=start,
            always=always,
            natural=self.gradient == "natural",
            n_stages=n_stages,
            pool=max(1, min(_steps_per_sweep(active, game.n_steps), game.n_steps // n_stages)),
        )


def _steps_per_sweep(active: FloatArray, horizon: int) -> int:
    """Steps in which every agent acts once on average."""
    mean = float(active.mean())
    return horizon if mean * horizon <= 1 else max(1, min(horizon, round(1 / mean)))
