"""TMF-PG, the temporal mean-field policy gradient (theory.md section 7).

    TMFPG(...).solve(game, schedule, n_agents) -> Solution

The loop of one solve is in _solve, sampling and credit in _critics, step rules in _ascent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from tmfcore import _progress, _rng
from tmfcore import _validation as check
from tmfcore._threads import Together, workers_for
from tmfcore._validation import FloatArray
from tmfcore.game import Game
from tmfcore.meanfield import CLOCKS, active_fractions
from tmfcore.policy import SoftmaxPolicy, TabularPolicy
from tmfcore.schedule import Schedule
from tmfcore.simulate import calls_python, check_batches, check_population, rounded_counts
from tmfcore.solvers import _critics
from tmfcore.solvers._ascent import DECAYS
from tmfcore.solvers._solve import CRITICS, Ascent
from tmfcore.solvers.base import Callback, Solution

__all__ = ["TMFPG"]


@dataclass(frozen=True, kw_only=True)
class TMFPG:
    """Temporal mean-field policy gradient: play, credit those who acted, ascend (theory.md section 7).

    Every iteration plays the N-agent system with the softmax policy pi_theta under the schedule, computes
    advantages of the decisions made, and moves theta along them. Exploitability is computed in the mean-field
    limit, of the running average of theta; the average with the smallest is returned.

    Parameters
    ----------
    iterations : int, optional
        Updates at most.
    learning_rate : float, optional
        Step length of theta: with adam about what a logit moves in one update, whatever the scale of the
        rewards; with sgd and the natural gradient, in units of 1 / reward, what the log-odds of two actions
        move per difference of their advantages.
    learning_rate_decay : {"harmonic", "sqrt", "linear", "constant"} or callable k -> factor, optional
        Factor of update k: 1 / (1 + k / decay_iterations); the square root of that; from 1 to 0 over
        `iterations`; 1; or the caller's own, >= 0.
    decay_iterations : int, optional
    critic : {"model", "empirical", "returns"}, optional
        "model": Q of the game along the sampled flow. "empirical": the same recursion on observed rewards and
        transition frequencies, pooled over a sweep (or a stage, if shorter); needs no model. "returns": every
        agent's own discounted return minus the mean at its observation in the same sweep; clock="schedule"
        only.
    gradient : {"natural", "plain"}, optional
        "natural": visit-weighted mean advantage of every action at each (stage, observation), entropic mirror
        ascent; where nobody acted nothing moves. "plain": the sum over decisions, per agent.
    optimizer : {"adam", "sgd"}, optional
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
    clock : {"schedule", "always"}, optional
        Whose values are learnt and judged, theory.md section 3.
    tolerance : float or None, optional
        Stop, converged, when exploitability <= tolerance * |mean return|. None: never.
    patience : int or None, optional
        Stop when the best exploitability has not fallen by the share `min_improvement` over so many
        iterations. None: never.
    min_improvement : float, optional
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
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), 1.0)
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
    optimizer: str = "adam"
    betas: tuple[float, float] = (0.5, 0.99)
    average: float | None = 2.0
    stages: int | None = None
    population_aware: bool = False
    entropy: float = 0.0
    inner_updates: int = 1
    replicas: int = 4
    clock: str = "schedule"
    tolerance: float | None = 0.005
    patience: int | None = None
    min_improvement: float = 0.01
    evaluate_every: int = 1

    def __post_init__(self) -> None:
        for name in ("iterations", "decay_iterations", "inner_updates", "replicas", "evaluate_every"):
            self._store(name, check.as_positive_int(getattr(self, name), name))
        for name in ("stages", "patience"):
            if getattr(self, name) is not None:
                self._store(name, check.as_positive_int(getattr(self, name), name))
        self._store("learning_rate", check.as_float(self.learning_rate, "learning_rate", low=0.0, low_open=True))
        if not callable(self.learning_rate_decay):
            check.as_choice(self.learning_rate_decay, "learning_rate_decay", DECAYS)
        check.as_choice(self.critic, "critic", CRITICS)
        check.as_choice(self.gradient, "gradient", ("natural", "plain"))
        check.as_choice(self.optimizer, "optimizer", ("sgd", "adam"))
        check.as_choice(self.clock, "clock", CLOCKS)
        self._store("population_aware", check.as_bool(self.population_aware, "population_aware"))
        self._store("entropy", check.as_float(self.entropy, "entropy", low=0.0))
        self._store("min_improvement", check.as_float(self.min_improvement, "min_improvement", low=0.0, high=1.0))
        if self.tolerance is not None:
            self._store("tolerance", check.as_float(self.tolerance, "tolerance", low=0.0))
        if self.average is not None:
            self._store("average", check.as_float(self.average, "average", low=0.0))
        betas = check.as_float_array(self.betas, "betas", shape=(2,), low=0.0, high=1.0, high_open=True)
        self._store("betas", (float(betas[0]), float(betas[1])))
        if self.inner_updates > 1 and self.critic == "returns":
            raise ValueError(
                f"inner_updates is {self.inner_updates}; must be 1 with critic='returns': sampled returns are those of "
                "the policy that was played, and say nothing unbiased about the next one"
            )

    def _store(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def solve(
        self,
        game: Game,
        schedule: Schedule,
        n_agents: int | None = None,
        *,
        rng: _rng.RNG = None,
        initial: SoftmaxPolicy | TabularPolicy | Solution | None = None,
        callback: Callback | None = None,
        progress: _progress.Progress = False,
        threads: int | None = None,
    ) -> Solution:
        """Learn a policy of `game` played under `schedule`.

        Parameters
        ----------
        game : Game
        schedule : Schedule
        n_agents : int or None, optional
            N, agents of the sampled populations. None: the mean-field limit itself, without sampling, critic
            "model" only; then only schedules that need no N.
        rng : int, Generator, SeedSequence or None, optional
            Seed. One stream is spawned per iteration and replica.
        initial : policy, Solution or None, optional
            Where to start: None, the uniform policy; a policy (its stages repeated to fit); or a Solution of
            the same shape to go on from, with its iteration count and optimiser.
        callback : callable, optional
            Called with an Iteration after each evaluation; returning True stops. An exception,
            KeyboardInterrupt included, passes through solve: what was learnt until then is in
            `iteration.solution()`.
        progress : bool or callable, optional
            True draws a bar over iterations (extra `app`); a callable receives (done, total).
        threads : int or None, optional
            Upper bound on the threads that sample the replicas and judge the average at the same time. None:
            as many as processors where that gains, else 1. Results do not depend on it.

        Returns
        -------
        Solution

        Raises
        ------
        TypeError, ValueError
            Bad arguments; critic="returns" with clock="always" and agents that do not all act; a row of the
            game that is no distribution; a number that is not finite, naming the iteration.

        Notes
        -----
        Cost of an iteration: one run of each replica, and O(T S A K) each for its statistics and the
        evaluation. Memory: O(R T S A) for the samples; critic "returns" needs 2 T N bytes or more.
        """
        _progress.check(progress)
        if callback is not None and not callable(callback):
            raise TypeError(f"callback is {callback!r}; must be a function of an Iteration")
        threads = None if threads is None else check.as_positive_int(threads, "threads")
        problem = self._problem(game, schedule, n_agents)
        ascent = Ascent(self, game, schedule, problem, initial)
        generator = _rng.generators(rng, 1)[0]
        jobs = 1 + len(ascent.critics)
        python = calls_python(game, ascent.kernel(ascent.theta))
        workers = workers_for(threads, jobs, _seconds_per_job(game), python=python, worthwhile=5e-4)
        with _progress.reporter(progress, self.iterations, "TMF-PG") as report, Together(workers) as together:
            try:
                ascent.run(generator, callback, report, together)
            except Exception as error:
                error.add_note(f"in iteration {ascent.iteration} of TMF-PG")
                raise
        return ascent.solution()

    def _problem(self, game: Game, schedule: Schedule, n_agents: int | None) -> _critics.Problem:
        """Everything a solve holds fixed, checked."""
        check.as_instance(game, "game", Game)
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
            n_agents = check.as_positive_int(n_agents, "n_agents")
            check_population(n_agents, engine)
            batch, probability = schedule._kernel(game.horizon, n_agents)
            check_batches(n_agents, batch, engine)
            start = rounded_counts(game.initial, n_agents)
        if always and self.critic == "returns" and not (active == 1.0).all():
            raise ValueError(
                f"clock='always' with critic='returns' needs everybody to act, but schedule is {schedule!r}: an agent "
                "that waits between its actions earns the returns of clock='schedule', and none that always acts is "
                "there to sample; use critic='model' or 'empirical', or clock='schedule'"
            )
        stages = round(game.horizon * game.step) if self.stages is None else self.stages
        n_stages = max(1, min(stages, game.horizon))
        return _critics.Problem(
            model=game.model,
            horizon=game.horizon,
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
            pool=max(1, min(_steps_per_sweep(active, game.horizon), game.horizon // n_stages)),
        )

    def _hyperparameters(self) -> dict[str, Any]:
        """Name and fields, as JSON can hold them."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        if callable(self.learning_rate_decay):
            values["learning_rate_decay"] = getattr(self.learning_rate_decay, "__name__", "callable")
        return {"name": "TMFPG", **values}


def _seconds_per_job(game: Game) -> float:
    """A rough estimate of one pass over the horizon, that only decides about threads."""
    cells = game.n_observations * (10 + game.n_actions * min(game.model.n_successors, game.n_observations))
    return 2e-9 * game.horizon * cells


def _steps_per_sweep(active: FloatArray, horizon: int) -> int:
    """Steps in which every agent acts once on average."""
    mean = float(active.mean())
    return horizon if mean * horizon <= 1 else max(1, min(horizon, round(1 / mean)))
