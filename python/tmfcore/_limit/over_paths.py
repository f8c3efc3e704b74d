"""The limit on many paths of a random noise: means of flows and values, and the gain of who deviates (section 13)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.functions import SMALLER_GAME
from tmfcore._base.threads import over_replicas, workers_for
from tmfcore._base.types import Clock
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._limit import flow as flow_kernel
from tmfcore._limit.checks import active_fractions, is_always, refuse_overflow
from tmfcore._limit.evaluation import Evaluation, types_of
from tmfcore._limit.flows import Flow
from tmfcore._limit.path_tables import PathTables
from tmfcore._limit.pricing import asked_others, extra_of
from tmfcore._limit.sizes import Needs, copy_needs, path_needs, value_needs
from tmfcore._model import appearance
from tmfcore._model.activation import ActingShares
from tmfcore._model.fingerprint import LIMIT, Fingerprint, same
from tmfcore._model.game import Game
from tmfcore._model.noise_information import Information
from tmfcore._model.noise_paths import Paths
from tmfcore._model.policies import PolicyLike
from tmfcore._model.policy import Policy
from tmfcore._model.schedules import Active, Schedule
from tmfcore._random import seeding
from tmfcore._results import confidence as _intervals
from tmfcore._results.confidence import Interval
from tmfcore._results.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["NoiseExploitability", "evaluated", "gain_over", "mean_flow"]

SECONDS = 1e-3  # rough time of one path


@dataclass(frozen=True, eq=False, repr=False)
class NoiseExploitability(Result[Literal["gain"]]):
    """The gain of agents who deviate from a policy, estimated on R independent paths of a random noise.

    Parameters
    ----------
    gains : (R,) float64
        On each path, the gain of the best deviation found among those that see the last `memory` states of the noise.
        It was found on the other half of the paths, so that the mean is at most the gain of the best one.
    foresight : (R,) float64
        On each path, the gain of the best response that knows the whole path. Its mean is an upper bound of the gain of
        every deviation that does not know the future.
    returns : (R,) float64
        Mean return of an agent that does not deviate.
    noise : (R, T) int64 or (R, T, ...) float64
        The paths, as `Game.on` takes them.
    memory : int
        m; 0 for deviations that do not see the noise.
    deviations : str
        What they see, in words.
    schedule, game : str
        Label and name.
    fingerprint : Fingerprint or None
        Identifies game, schedule, N and clock.

    Notes
    -----
    `plot` draws the mean gain with its interval, and the bound as a line.
    """

    SHAPES: ClassVar[dict[str, str]] = {"gains": "R", "foresight": "R", "returns": "R"}
    RANGES: ClassVar[dict[str, str]] = {"finite": "gains foresight returns"}

    gains: FloatArray
    foresight: FloatArray
    returns: FloatArray
    noise: FloatArray | IntArray
    memory: int
    deviations: str
    schedule: str = ""
    game: str = ""
    fingerprint: Fingerprint | None = None

    @property
    def value(self) -> float:
        """Mean of `gains`; it may be below 0 if no deviation gains anything."""
        return float(self.gains.mean())

    @property
    def bound(self) -> float:
        """Mean of `foresight`."""
        return float(self.foresight.mean())

    @property
    def mean_return(self) -> float:
        """Mean of `returns`."""
        return float(self.returns.mean())

    def interval(self, of: Literal["gains", "foresight", "returns"] = "gains", confidence: float = 0.95) -> Interval:
        """Student's interval of an expectation over the noise.

        Parameters
        ----------
        of : {"gains", "foresight", "returns"}, optional
            What is averaged. "gains" is the mean gain of the two deviations found, each on paths it was not found on.
        confidence : float, optional
            In (0, 1).
        """
        of = check.as_choice(of, "of", Literal["gains", "foresight", "returns"])
        level, values = _intervals.as_confidence(confidence), getattr(self, of)
        if of != "gains":
            return _intervals.student_of_mean(values, level)
        half = len(values) // 2
        parts = (values[:half], values[half:])
        se = 0.5 * sum(part.var(ddof=1) / len(part) for part in parts) ** 0.5
        mean = 0.5 * (parts[0].mean() + parts[1].mean())
        return _intervals.student(float(mean), float(se), len(values) - 2, level)

    def __float__(self) -> float:
        return self.value

    def _facts(self) -> Iterator[tuple[str, object]]:
        low, high = self.interval()
        yield "game", self.game
        yield "schedule", self.schedule
        yield "gain", f"{self.value:.4g} [{low:.4g}, {high:.4g}] at 95%"
        yield "of deviations that see", self.deviations
        yield "with foresight", self.bound
        yield "paths", len(self.gains)

    def _picture(self, kind: str, **style: Any) -> Axes:
        from tmfcore import plotting

        low, high = self.interval()
        return plotting.intervals(
            [self.deviations], [low], [high], estimate=[self.value], reference=self.bound,
            reference_label="with foresight", confidence=0.95, quantity="gain of a deviating agent (units of return)",
            **style,
        )  # fmt: skip


def mean_flow(
    game: Game, policy: PolicyLike, schedule: Schedule, n_agents: int | None, record_every: int, paths: object,
    rng: seeding.RNG, threads: object,
) -> Flow:  # fmt: skip
    """`mean_field` of a game in steps with random noise."""
    active = active_fractions(game, schedule, n_agents)
    record_every = check.as_positive_int(record_every, "record_every")
    workers = _workers(threads)
    found = Paths.of(game, paths, rng)
    every = min(record_every, game.n_steps)
    needs.ask(_flow_needs(found, every))
    mu, acted = _flows(found, policy, active, every, workers)
    return _flow(found, mu, acted, every, Fingerprint.of(game, schedule, n_agents))


def evaluated(
    game: Game, policy: PolicyLike, schedule: Schedule, n_agents: int | None, clock: Clock, flow: Flow | None,
    paths: object, rng: seeding.RNG, threads: object, altruism: float, others: PolicyLike | None,
) -> Evaluation:  # fmt: skip
    """`evaluate` of a game in steps with random noise."""
    active, always = active_fractions(game, schedule, n_agents), is_always(clock)
    own = Fingerprint.of(game, schedule, n_agents)
    workers = _workers(threads)
    played = policy  # by all others
    if flow is None:
        found = Paths.of(game, paths, rng)
        needs.ask(_flow_needs(found, 1) | _value_needs(game))
        mu, acted = _flows(found, policy, active, 1, workers)
        flow = _flow(found, mu, acted, 1, own)
    else:
        if paths is not None or rng is not None:
            raise ValueError("paths or rng is given beside flow; must be omitted: the paths are those of the flow")
        found, mu = _paths_along(flow, game), np.asarray(flow.by_path)
        same("flow", flow.fingerprint, own, LIMIT)
        needs.ask(_value_needs(game) | copy_needs(game, len(found)))
        if altruism > 0:
            played = asked_others(altruism, others)
    n, n_steps, n_obs = len(found), game.n_steps, game.n_observations
    kernels, weights = found.policy(policy), found.weights
    of_others = kernels if played is policy else found.policy(played)
    values, q = np.zeros((n_steps + 1, n_obs)), np.zeros((n_steps, n_obs, game.n_actions))
    returns, together = np.empty(n), 16  # a few paths at once, and their means in their order
    some = np.empty((together, *values.shape)), np.empty((together, *q.shape))

    for first in range(0, n, together):
        last = min(n, first + together)

        def play(k: int, first: int = first) -> None:
            r = first + k
            model = found.games[r].model
            along = np.ascontiguousarray(mu[r])
            v, each = some[0][k], some[1][k]
            extra = extra_of(altruism, model, game.discount, of_others[r], along, active)
            if not flow_kernel.backward(
                model, kernels[r], along, active, game.discount, always, v, each, None, None, extra
            ):
                refuse_overflow(v)
                refuse_overflow(each)
            returns[r] = game.initial @ v[0]

        over_replicas(play, last - first, min(workers, last - first), SECONDS)
        for k in range(last - first):
            values += weights[first + k] * some[0][k]
            q += weights[first + k] * some[1][k]
    return Evaluation._made(
        flow=flow, values=values, q=q, mean_return=float(weights @ returns), clock=clock,
        types=types_of(found.games[0].model), returns=returns, fingerprint=own.on(clock),
    )  # fmt: skip


def gain_over(
    game: Game, policy: PolicyLike, schedule: Schedule, n_agents: int | None, clock: Clock, paths: object,
    memory: object, rng: seeding.RNG, threads: object = None, altruism: float = 0.0,
) -> NoiseExploitability:  # fmt: skip
    """`exploitability` of a game in steps with random noise, on independent paths."""
    active, always = active_fractions(game, schedule, n_agents), is_always(clock)
    n = check.as_int(paths, "paths", low=4)
    found = Paths.of(game, n, rng)
    information = Information.of(found, 1 if memory is None else memory)
    priced: Needs = {"prices": (8, n, game.n_steps, game.n_observations)} if altruism > 0 else {}
    needs.ask(path_needs(game, n) | priced, lambda: f"paths must be fewer, or {SMALLER_GAME}")
    kernels, workers = found.policy(policy), _workers(threads)
    gains, foresight, returns = np.empty((3, n))
    half: list[tuple[PathTables, IntArray, IntArray, slice]] = []
    for part in (slice(0, n // 2), slice(n // 2, n)):
        some = found.part(part)
        tables, played = PathTables(some, active, always, min(workers, len(some)), altruism), kernels[part]

        def asked(t: int, mu: FloatArray, played: list[Policy] = played) -> FloatArray:
            return np.stack([each.probabilities(now, t, game.n_steps) for each, now in zip(played, mu, strict=True)])

        tables.play(asked, played)
        histories, returns[part] = information.on(some), tables.values()[1]
        foresight[part] = tables.foreseen() - returns[part]
        half.append((tables, histories, tables.deviate(information, histories)[0], part))
    for (tables, histories, _, part), (_, _, deviation, _) in (half, half[::-1]):
        gains[part] = tables.returns_of(deviation, histories) - returns[part]
    if not (np.isfinite(gains).all() and np.isfinite(foresight).all()):
        raise ValueError("the difference of two values is not finite: the rewards are too large")
    return NoiseExploitability._made(
        gains=gains, foresight=foresight, returns=returns, noise=found.noise, memory=information.memory,
        deviations=information.words, schedule=schedule.label, game=game.name,
        fingerprint=Fingerprint.of(game, schedule, n_agents, clock),
    )  # fmt: skip


def _workers(threads: object) -> int:
    """Threads for the paths: functions of games with noise are Python's, so that more than one must be asked for."""
    threads = None if threads is None else check.as_positive_int(threads, "threads")
    return workers_for(threads, 2**31, SECONDS, python=True)


def _flows(
    paths: Paths, policy: PolicyLike, active: Active, every: int, workers: int
) -> tuple[FloatArray, FloatArray]:
    """The recorded flow (R, J+1, S) on each path, and the shares that act, (R, T); (1,) or (T,) if always the same."""
    n, n_steps = len(paths), paths.game.n_steps
    records = len(appearance.recorded_steps(n_steps, every))
    kernels = paths.policy(policy)
    mu = np.empty((n, records, paths.game.n_observations))
    acted = np.empty((n, n_steps)) if isinstance(active, ActingShares) else active

    def play(r: int) -> None:
        own = acted[r] if isinstance(active, ActingShares) else None
        flow_kernel.forward(
            paths.games[r].model, kernels[r], paths.game.initial, active, n_steps, every, mu[r], None, own
        )

    over_replicas(play, n, min(workers, n), SECONDS)
    return mu, acted


def _flow_needs(paths: Paths, every: int) -> Needs:
    """The flows on all paths."""
    n_steps = paths.game.n_steps
    flows = {"by_path": (8, len(paths), -(-n_steps // every) + 1, paths.game.n_observations)}
    return flows | copy_needs(paths.game, len(paths))


def _value_needs(game: Game) -> Needs:
    """Means of values over paths, and those of some paths."""
    return value_needs(game) | {"values of 16 paths": (128, game.n_steps + 1, game.n_observations, 1 + game.n_actions)}


def _flow(paths: Paths, mu: FloatArray, acted: FloatArray, every: int, fingerprint: Fingerprint) -> Flow:
    """The Flow of flows on paths."""
    game, weights = paths.game, paths.weights
    share = weights @ acted if acted.ndim == 2 else np.broadcast_to(acted, (game.n_steps,))
    return Flow._made(
        mu=np.tensordot(weights, mu, 1), steps=appearance.recorded_steps(game.n_steps, every), active_fraction=share,
        horizon=game.n_steps, game=game.name, **appearance.appearance_of(game), by_path=mu, noise=paths.noise,
        probabilities=paths.probabilities, fingerprint=fingerprint,
    )  # fmt: skip


def _paths_along(flow: object, game: Game) -> Paths:
    """The paths of a flow that was recorded at every step of this game."""
    found = check.as_instance(flow, "flow", Flow)
    if found.by_path is None or found.noise is None:
        raise ValueError("flow is on one path; must be over many, as mean_field returns it if the noise is random")
    wanted = (len(found.noise), game.n_steps + 1, game.n_observations)
    if found.by_path.shape != wanted:
        raise ValueError(f"flow.by_path has shape {found.by_path.shape}; must be {wanted} (record_every=1)")
    return Paths(game, found.noise, found.probabilities)
