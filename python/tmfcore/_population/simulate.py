"""N agents: sample the finite population of theory.md section 5, by counts or agent by agent.

    simulate(...) -> Simulation      R independent replicas, over threads; the result depends on the seed alone
    Simulation.trajectories          what individuals did (agents engine, one replica)

Replicas share nothing but what they read: each has its own stream and its own rows of the output.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from tmfcore._base import bars, files, frames
from tmfcore._base import validation as check
from tmfcore._base.functions import SMALLER_GAME, fits_memory, takes_rng
from tmfcore._base.threads import over_replicas, workers_for
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model import appearance
from tmfcore._model.fingerprint import LIMIT, Fingerprint, same
from tmfcore._model.game import Game
from tmfcore._model.model import Model
from tmfcore._model.policies import as_policy
from tmfcore._model.policy import CallablePolicy, Policy
from tmfcore._model.schedules import Schedule, as_schedule
from tmfcore._population import agents as agents_kernel
from tmfcore._population import counts as counts_kernel
from tmfcore._population.costs import seconds_per_step
from tmfcore._random import sampling, seeding

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tmfcore._limit.mean_field import Flow

__all__ = ["Simulation", "Trajectories", "simulate"]

ENGINES = ("auto", "counts", "agents")

MOST_AGENTS = 10**8  # and ...
MOST_CELLS = 2**24  # ... cells of the game's kernel, up to which engine="auto" may move agents one by one
AGENTS_PER_THREAD = 100_000  # below, the threads of one population lose to their own meetings at every step


@dataclass(frozen=True, eq=False)
class Trajectories:
    """What every individual saw, did and earned.

    Individuals are exchangeable: their numbers say nothing of where they start, whatever `start` was.

    Parameters
    ----------
    observations : (N, T) unsigned integers
        Observation of agent i at the start of step t.
    actions : (N, T) signed integers
        Action of agent i at step t, -1 where it was passive.
    rewards : (N, T) float64
        Reward of agent i at step t.
    """

    observations: npt.NDArray[Any]
    actions: npt.NDArray[Any]
    rewards: FloatArray


@dataclass(frozen=True, eq=False)
class Simulation(frames.Frames):
    """R replicas of an N-agent population, recorded every `record_every` steps into J intervals.

    Parameters
    ----------
    counts : (R, J+1, S) int64
        Agents at each observation: at the start, then at the end of each interval.
    decisions : (R, J, S, A) int64 or None
        Acting agents by observation and action, summed over each interval.
    rewards : (R, J) float64
        Mean reward per agent, summed over the steps of each interval, undiscounted.
    returns : (R,) float64
        Discounted return per agent, sum over t of discount**t times the mean reward of step t.
    steps : (J+1,) int64
        Time index (number of steps made) of each recorded count.
    n_agents, horizon, record_every : int
    discount : float
    engine : str
        "counts" or "agents".
    schedule, game : str
        Label of the schedule and name of the game.
    trajectories : Trajectories or None
        Individuals, if they were asked for.
    observation_labels : tuple of S str
    observation_shape : tuple of int
        The game's, for pictures and tables.
    step : float
        dt, the share of a sweep a step lasts.
    action_labels : tuple of A str
        The game's; empty where it is not known.
    fingerprint : Fingerprint or None
        Of game, schedule, N, policy and start: what it may be combined with. None: made by hand, and combined with
        nothing.
    """

    SHAPES: ClassVar[dict[str, str]] = {
        "counts": "R J+1 S", "decisions": "R J S A", "rewards": "R J", "returns": "R", "steps": "J+1",
        "observation_labels": "S", "action_labels": "A",
    }  # fmt: skip

    counts: IntArray
    decisions: IntArray | None
    rewards: FloatArray
    returns: FloatArray
    steps: IntArray
    n_agents: int
    discount: float
    horizon: int
    record_every: int
    engine: str
    schedule: str
    game: str
    trajectories: Trajectories | None = None
    observation_labels: tuple[str, ...] = ()
    observation_shape: tuple[int, ...] = ()
    step: float = 1.0
    action_labels: tuple[str, ...] = ()
    fingerprint: Fingerprint | None = None

    @property
    def mu(self) -> FloatArray:
        """Population distributions counts / n_agents, (R, J+1, S) float64, computed at every call."""
        return self.counts / float(self.n_agents)

    def _table(self) -> frames.Table:
        replica = np.arange(self.replicas)
        n_obs = self.counts.shape[2]
        n_act = len(self.action_labels) if self.decisions is None else self.decisions.shape[3]
        variables: dict[str, frames.Variable] = {
            "counts": (("replica", "step", "observation"), self.counts),
            "mu": (("replica", "step", "observation"), self.mu),
            "rewards": (("replica", "interval"), self.rewards),
            "returns": (("replica",), self.returns),
        }
        if self.decisions is not None:
            variables["decisions"] = (("replica", "interval", "observation", "action"), self.decisions)
        if self.trajectories is not None:
            for name in ("observations", "actions", "rewards"):
                own = "individual_rewards" if name == "rewards" else name
                variables[own] = (("agent", "at"), getattr(self.trajectories, name))
        header = {name: getattr(self, name) for name in (*_HEADER, "step")}
        return frames.Table(
            {
                "replica": replica,
                "step": self.steps,
                "interval": self.steps[:-1],
                "observation": frames.labels_or_numbers(self.observation_labels, n_obs),
                "action": frames.labels_or_numbers(self.action_labels, n_act),
                "agent": np.arange(self.n_agents if self.trajectories is not None else 0),
                "at": np.arange(self.horizon),
            },
            variables,
            "counts",
            {"time": ("step", self.steps * self.step), "interval_time": ("interval", self.steps[:-1] * self.step)},
            header,
        )

    @property
    def replicas(self) -> int:
        """Number of replicas R."""
        return len(self.returns)

    def plot(
        self, kind: str = "auto", *, flow: Flow | None = None, title: str | None = None, ax: Axes | None = None
    ) -> Axes:
        """Draw the share of the agents at each observation over time: mean of the replicas, and of lines their spread.

        Parameters
        ----------
        kind : {"auto", "lines", "places", "heat", "profiles", "snapshots"}, optional
            "auto": snapshots where observations form a grid of two or three axes; else lines for up to 10 observations;
            else lines of the largest places where labels are "place, detail", observations of a place added up; else a
            heat map of observation and time for up to 256, and lines of the largest and the rest beyond. "profiles" are
            shares against the observation at four times.
        flow : Flow or None, optional
            The mean field, drawn as lines under the agents' markers, or as a second row of snapshots; "auto" then
            takes profiles where it would take a heat map.
        title : str or None, optional
            None: game, schedule, N and R.
        ax : matplotlib Axes or None, optional
            Where to draw; None: a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            matplotlib (extra `app`) is not there.
        TypeError, ValueError
            An unknown kind, or one that does not fit the observations; a flow of another game or other active
            fractions.
        """
        from tmfcore import plotting
        from tmfcore._limit.mean_field import Flow  # which is made from this module's times

        check.as_choice(kind, "kind", plotting.KINDS)
        times, unit = appearance.times_of(self)
        mu = self.mu
        field = None
        if flow is not None:
            check.as_instance(flow, "flow", Flow)
            if flow.horizon != self.horizon or flow.mu.shape[1] != mu.shape[2]:
                raise ValueError(
                    f"flow has T = {flow.horizon} steps and S = {flow.mu.shape[1]} observations; "
                    f"must have {self.horizon} and {mu.shape[2]}, as the simulation"
                )
            same("flow", flow.fingerprint, self.fingerprint, LIMIT)
            field = plotting.Course(flow.steps * self.step, flow.mu)
        agents = f"N = {self.n_agents:,} agents"
        if title is None:
            runs = f"mean of {self.replicas:,} runs" if self.replicas > 1 else ""
            title = ", ".join(part for part in (self.game, self.schedule, agents, runs) if part)
        return plotting.over_time(
            plotting.Course(times, mu.mean(axis=0)), self.observation_labels or appearance.numbered(mu.shape[2]),
            self.observation_shape, kind=kind, field=field, replicas=mu, quantity="share of the agents \u03bc\u0302",
            names=(agents, "mean field"), unit=unit, title=title, ax=ax,
        )  # fmt: skip

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to `path` (npz), whole or not at all."""
        arrays: dict[str, npt.NDArray[Any]] = {
            "counts": self.counts,
            "rewards": self.rewards,
            "returns": self.returns,
            "steps": self.steps,
        }
        if self.decisions is not None:
            arrays["decisions"] = self.decisions
        if self.trajectories is not None:
            arrays["observations"] = self.trajectories.observations
            arrays["actions"] = self.trajectories.actions
            arrays["individual_rewards"] = self.trajectories.rewards
        header = {name: getattr(self, name) for name in _HEADER} | appearance.to_header(self)
        header["fingerprint"] = None if self.fingerprint is None else self.fingerprint.to_header()
        files.save_npz(path, arrays, {"kind": "simulation", **header})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Simulation:
        """The Simulation that `save` wrote to `path`.

        Raises
        ------
        FileError
            A ValueError: the file is damaged, of another kind or another format, and named.
        OSError
            It cannot be read.
        TypeError, ValueError
            `path` is no path.
        """
        return files.made(path, "simulation", cls._from_file)

    @classmethod
    def _from_file(cls, arrays: dict[str, npt.NDArray[Any]], header: dict[str, Any]) -> Simulation:
        trajectories = None
        if "observations" in arrays:
            trajectories = Trajectories(arrays["observations"], arrays["actions"], arrays["individual_rewards"])
        return cls(
            counts=arrays["counts"],
            decisions=arrays.get("decisions"),
            rewards=arrays["rewards"],
            returns=arrays["returns"],
            steps=arrays["steps"],
            trajectories=trajectories,
            **{name: header[name] for name in _HEADER},
            **appearance.from_header(header, arrays["counts"].shape[-1]),
            fingerprint=Fingerprint.from_header(header),
        )


_HEADER = ("n_agents", "discount", "horizon", "record_every", "engine", "schedule", "game")


@takes_rng
@fits_memory(f"replicas must be fewer, record_every larger, decisions and trajectories False, or {SMALLER_GAME}")
def simulate(
    game: Game,
    policy: object,
    schedule: Schedule,
    n_agents: int,
    *,
    replicas: int = 1,
    engine: str = "auto",
    start: object = "rounded",
    rng: seeding.RNG = None,
    threads: int | None = None,
    record_every: int = 1,
    decisions: bool = True,
    trajectories: bool = False,
    progress: bars.Progress = False,
) -> Simulation:
    """Sample R independent populations of `n_agents` agents (theory.md section 5).

    Parameters
    ----------
    game : Game
    policy : TabularPolicy, SoftmaxPolicy, Solution, (S, A) or (L, S, A) floats, or callable f(mu, t) -> (S, A)
    schedule : Schedule
        Who acts at each step.
    n_agents : int
        N >= 1. The counts engine samples exactly up to 10**18 agents with schedules that need binomials only
        (B = 1, B = N, Bernoulli) and up to 10**12 with batches in between; the agents engine goes to 2**32 -
        1.
    replicas : int, optional
        R, independent populations.
    engine : {"auto", "counts", "agents"}, optional
        "counts" moves the histogram, at a cost free of N; "agents" moves every agent. Same law, other draws. "auto"
        is agents where trajectories are asked for, or where so few agents move that drawing them one by one is
        expected to be cheaper; else counts. It is decided from the sizes of the game, the schedule, N and
        `decisions` alone.
    start : {"rounded", "sampled"} or (S,) or (R, S) integers, optional
        Counts at the start: n_agents * game.initial by largest remainder (ties to the lower index); drawn
        from it, agent by agent, for each replica; or given, each row summing to n_agents. Which individual of
        `trajectories` stands where is drawn uniformly.
    rng : int, Generator, SeedSequence or None, optional
        Seed. One stream is spawned per replica, so results never depend on `threads` or `record_every`.
    threads : int or None, optional
        Upper bound on the threads used: over replicas, or, for one large population of the agents engine, over
        its agents. None: as many as processors where the work is large enough to gain from them, else 1.
    record_every : int, optional
        Steps per recorded interval; the last interval may be shorter. J = ceil(T / record_every).
    decisions : bool, optional
        False leaves out the decision counts, (R, J, S, A). Successors may then be drawn from rows averaged over
        the policy, which is faster by up to the number of actions: the same law of the counts, from other
        draws, and `rewards` expected over the actions given the counts.
    trajectories : bool, optional
        True records individuals: (N, T) each, one replica, agents engine.
    progress : bool or callable, optional
        True draws a bar over replicas (extra `app`); a callable receives (done, total).

    Returns
    -------
    Simulation

    Raises
    ------
    TypeError, ValueError
        Bad arguments; a row that is no distribution, found while running. A failed replica ends the others.

    Notes
    -----
    Cost: counts O(R T (S + min(B, S A) + moved cells)) time; agents O(R T B) with an identity passive kernel,
    else O(R T N). Memory: the recorded output, plus 2 bytes per agent and thread (S <= 256) for the agents
    engine.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), 1.0)
    >>> policy = tmf.TabularPolicy.uniform(game)
    >>> run = tmf.simulate(game, policy, tmf.Batch(100), 1000, replicas=8, rng=1)
    >>> run.counts.shape
    (8, 21, 4)
    >>> print(f"{run.returns.mean():.1f}")
    4.5
    """
    check.as_instance(game, "game", Game)
    as_schedule(schedule)
    kernel = as_policy(policy, game)
    n_agents = check.as_positive_int(n_agents, "n_agents")
    replicas = check.as_positive_int(replicas, "replicas")
    record_every = check.as_positive_int(record_every, "record_every")
    decisions = check.as_bool(decisions, "decisions")
    trajectories = check.as_bool(trajectories, "trajectories")
    threads = None if threads is None else check.as_positive_int(threads, "threads")
    engine = _choose_engine(check.as_choice(engine, "engine", ENGINES), trajectories, replicas)
    bars.check(progress)
    check_population(n_agents, engine)
    batch, probability = schedule._kernel(game.horizon, n_agents)
    costs = seconds_per_step(game.model, kernel, n_agents, batch, probability, decisions)
    if engine == "auto":
        engine = cheaper_engine(game.model, n_agents, batch, costs)
    check_batches(n_agents, batch, engine)
    given = _given_start(start, n_agents, replicas, game)

    run = _Run(
        model=game.model,
        policy=kernel,
        engine=engine,
        n_agents=n_agents,
        horizon=game.horizon,
        discount=game.discount,
        batch=batch,
        probability=probability,
        record_every=min(record_every, game.horizon),
        initial=game.initial,
        start=given,
    )
    out = _Output.allocate(run, replicas, decisions, trajectories)
    generators = seeding.generators(rng, replicas)
    seconds = game.horizon * costs[engine]
    python = calls_python(game, kernel)
    workers = workers_for(threads, replicas, seconds, python=python)
    inside = 1
    if engine == "agents" and workers == 1:  # one population at a time: its tiles go to the threads instead
        inside = workers_for(threads, max(1, n_agents // AGENTS_PER_THREAD), seconds, python=python)
    with bars.reporter(progress, replicas, "replicas") as report:
        over_replicas(lambda r: run.replica(r, generators[r], out, inside), replicas, workers, seconds, report)

    _refuse_overflow(out, min(record_every, game.horizon))
    individuals = None
    if out.individuals is not None:
        observations, actions, rewards = out.individuals
        individuals = Trajectories(observations.T, actions.T, rewards.T)
    return Simulation(
        counts=out.counts,
        decisions=out.decisions,
        rewards=out.rewards,
        returns=out.returns,
        steps=appearance.recorded_steps(game.horizon, record_every),
        n_agents=n_agents,
        discount=game.discount,
        horizon=game.horizon,
        record_every=record_every,
        engine=engine,
        schedule=schedule.label,
        game=game.name,
        trajectories=individuals,
        **appearance.appearance_of(game),
        fingerprint=Fingerprint.of(game, schedule, n_agents, policy=kernel, start=_start_name(start, given, game)),
    )


def rounded_counts(initial: FloatArray, n_agents: int) -> IntArray:
    """`n_agents` shared out as `initial` (S,) by largest remainder, ties to the lower index; (S,) int64.

    Integer arithmetic throughout: exact for every N, also where n_agents * initial is no longer exact in
    float64.
    """
    weights = [int(p * 2.0**62) for p in initial.tolist()]
    total = sum(weights)
    shares = [n_agents * w // total for w in weights]
    remainders = [n_agents * w % total for w in weights]
    left = n_agents - sum(shares)
    for o in sorted(range(len(weights)), key=lambda o: -remainders[o])[:left]:
        shares[o] += 1
    return np.array(shares, dtype=np.int64)


def sampled_counts(rng: np.random.Generator, initial: FloatArray, n_agents: int, size: int) -> IntArray:
    """`size` populations of `n_agents` drawn from `initial` (S,) agent by agent; (size, S) int64."""
    return sampling.multinomials(
        rng.bit_generator, np.full(size, n_agents, dtype=np.int64), np.tile(initial, (size, 1))
    )


# ---------------------------------------------------------------------------------------------------------- one replica


@dataclass(frozen=True)
class _Output:
    """Arrays of all replicas, filled in place; individuals are (T, N) as the kernel writes them."""

    counts: IntArray
    decisions: IntArray | None
    rewards: FloatArray
    returns: FloatArray
    individuals: tuple[npt.NDArray[Any], npt.NDArray[Any], FloatArray] | None  # observations, actions, rewards

    @classmethod
    def allocate(cls, run: _Run, replicas: int, decisions: bool, trajectories: bool) -> _Output:
        n_obs, n_act = run.model.n_observations, run.model.n_actions
        n_intervals = -(-run.horizon // run.record_every)
        individuals = None
        if trajectories:
            table = (run.horizon, run.n_agents)
            observations = np.zeros(table, dtype=agents_kernel.observation_dtype(n_obs))
            actions = np.zeros(table, dtype=agents_kernel.action_dtype(n_act))
            individuals = (observations, actions, np.zeros(table))
        return cls(
            counts=np.zeros((replicas, n_intervals + 1, n_obs), dtype=np.int64),
            decisions=np.zeros((replicas, n_intervals, n_obs, n_act), dtype=np.int64) if decisions else None,
            rewards=np.zeros((replicas, n_intervals)),
            returns=np.zeros(replicas),
            individuals=individuals,
        )


@dataclass(frozen=True)
class _Run:
    """What the replicas share; checked, and never written to."""

    model: Model
    policy: Policy
    engine: str
    n_agents: int
    horizon: int
    discount: float
    batch: IntArray | None
    probability: FloatArray | None
    record_every: int
    initial: FloatArray
    start: IntArray | None  # (1 or R, S), None: drawn by each replica

    def replica(self, r: int, generator: np.random.Generator, out: _Output, threads: int) -> None:
        """Run replica `r` into row `r` of `out`, on so many threads."""
        if self.start is None:
            start = sampling.multinomial(generator.bit_generator, self.n_agents, self.initial)
        else:
            start = self.start[r % len(self.start)]
        shared = (self.horizon, self.discount, self.batch, self.probability, self.record_every)
        outputs = (out.counts[r], None if out.decisions is None else out.decisions[r], out.rewards[r])
        if self.engine == "counts":
            value = counts_kernel.run(self.model, self.policy, generator.bit_generator, start, *shared, *outputs)
        else:
            observations, actions, rewards = (None, None, None) if out.individuals is None else out.individuals
            key = seeding.key(generator)
            value = agents_kernel.run(
                self.model, self.policy, key, start, *shared, *outputs, observations, actions, rewards, threads
            )
            if out.individuals is not None:
                agents_kernel.rename(key, *out.individuals)
        out.returns[r] = value


def _refuse_overflow(out: _Output, record_every: int) -> None:
    """Raise unless rewards and returns are finite, naming the interval of the first that is not."""
    bad = ~np.isfinite(out.rewards)
    if bad.any():
        r, j = (int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"the mean reward of replica {r} from step t = {j * record_every} on is {out.rewards[r, j]}; "
            "must be finite: rewards are too large to be added"
        )
    if not np.isfinite(out.returns).all():
        r = int(np.argmin(np.isfinite(out.returns)))
        raise ValueError(f"the return of replica {r} is {out.returns[r]}; must be finite: the rewards are too large")


def calls_python(game: Game, kernel: Policy) -> bool:
    """Whether the kernels call user code with the GIL, at least once a step."""
    tables = (game.reward, game.transition, game.passive_reward, game.passive_transition)
    return isinstance(kernel, CallablePolicy) or any(callable(table) for table in tables)


# ----------------------------------------------------------------------------------------------------- checks


def _choose_engine(engine: str, trajectories: bool, replicas: int) -> str:
    if not trajectories:
        return engine
    if engine == "counts":
        raise ValueError("engine is 'counts', which knows no individuals; trajectories=True needs 'agents' or 'auto'")
    if replicas != 1:
        raise ValueError(f"replicas is {replicas}; must be 1 with trajectories=True (simulate one replica at a time)")
    return "agents"


def cheaper_engine(model: Model, n_agents: int, batch: IntArray | None, costs: dict[str, float]) -> str:
    """What "auto" stands for: counts, unless moving agents is expected to take less than 4/5 of the time.

    Neither a population that takes a tenth of a second to set up nor play by single agents, which both engines do at
    nearly the same cost, is moved one by one.
    """
    single = batch is not None and bool((batch <= 1).all()) and model.passive_identity
    if single or n_agents > MOST_AGENTS or model.n_observations > agents_kernel.MAX_OBSERVATIONS:
        return "counts"
    cells = model.n_observations * model.n_actions * model.n_successors
    if cells > MOST_CELLS:
        return "counts"
    return "agents" if costs["agents"] < 0.8 * costs["counts"] else "counts"


def check_population(n_agents: int, engine: str) -> None:
    limit = agents_kernel.MAX_AGENTS if engine == "agents" else counts_kernel.MAX_AGENTS
    if n_agents > limit:
        name = "agents" if engine == "agents" else "counts"
        raise ValueError(f"n_agents is {n_agents}; must be <= {limit}, what the {name} engine samples correctly")


def check_batches(n_agents: int, batch: IntArray | None, engine: str) -> None:
    if engine != "counts" or batch is None or n_agents <= counts_kernel.MAX_AGENTS_BATCH:
        return
    between = (batch > 1) & (batch < n_agents)
    if between.any():
        t = int(np.argmax(between))
        raise ValueError(
            f"n_agents is {n_agents}; must be <= {counts_kernel.MAX_AGENTS_BATCH} for batches of 1 < B < n_agents "
            f"({int(batch[t])} at step {t}): the counts engine cannot draw them correctly beyond; "
            "use Bernoulli, Sequential or Synchronous"
        )


def _start_name(start: object, given: IntArray | None, game: Game) -> str:
    """How the agents started: given counts may be the rounded ones."""
    if isinstance(start, str):
        return start
    assert given is not None, "counts were given"
    rounded = rounded_counts(game.initial, int(given[0].sum()))
    return "rounded" if (given == rounded).all() else "given"


def _given_start(start: object, n_agents: int, replicas: int, game: Game) -> IntArray | None:
    """Start counts as (1 or R, S) int64, or None if each replica draws its own."""
    if isinstance(start, str):
        if check.as_choice(start, "start", ("rounded", "sampled")) == "sampled":
            return None
        return rounded_counts(game.initial, n_agents)[np.newaxis]
    n_obs = game.n_observations
    counts = check.as_counts(
        start, "start", shape=[(n_obs,), (replicas, n_obs)], letters="R, S", n_agents=n_agents
    )
    return counts.reshape(-1, n_obs)
