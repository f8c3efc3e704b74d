"""Many paths of a common noise: the mean field, and N agents, on each of them (Theory, section 13)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.functions import SMALLER_GAME, fits_memory, noted, takes_rng
from tmfcore._base.types import Clock, FloatsLike, SharesKind, Time
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._limit import flow as flow_kernel
from tmfcore._limit.exploitability import judged, judged_under
from tmfcore._limit.mean_field import active_fractions, is_always, refuse_overflow
from tmfcore._limit.sizes import flow_needs
from tmfcore._model import appearance
from tmfcore._model.game import Game, in_steps
from tmfcore._model.noise import NoiseChain, NoisePolicy
from tmfcore._model.noise_policies import NoisePolicyLike, game_on, of_steps, policy_on
from tmfcore._model.schedules import Schedule, as_schedule
from tmfcore._population.simulate import simulate
from tmfcore._random import seeding
from tmfcore._results import confidence as _intervals
from tmfcore._results.confidence import Interval
from tmfcore._results.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["OverNoise", "over_noise"]

Averaged: TypeAlias = Literal["returns", "exploitability", "gains", "agents_returns"]
Sampler: TypeAlias = Callable[[np.random.Generator], FloatsLike]


@dataclass(frozen=True, eq=False, repr=False)
class OverNoise(Result[SharesKind]):
    """A policy on R independent paths of a common noise.

    Parameters
    ----------
    mu : (R, T+1, S) float64
        The mean-field flow on each path.
    returns : (R,) float64
        Mean return of an agent on each path, in the mean field.
    exploitability : (R,) float64
        On each path the gain of an agent who deviates optimally and knows the whole path. Its mean is an upper bound of
        the gain of one who does not know the future.
    gains : (R,) float64 or None
        On each path the gain of an agent who plays the `deviation`. Its mean is a lower bound of the gain of the best
        deviation, and a deviation that does not know the future bounds the gain of those who do not.
    noise : (R, T, ...) float64
        The paths: what functions of (mu, t, z) get.
    counts : (R, T+1, S) int64 or None
        Agents at each observation, in one simulated population for each path.
    agents_returns : (R,) float64 or None
        Discounted return per agent of these populations.
    n_agents : int or None
    schedule, game : str
        Label and name.
    observation_labels : tuple of S str
    observation_shape : tuple of int
        As in the game, for plots and tables.
    step : float
        dt, the length of a step in sweeps; 1.0 if time is in steps.
    time : str
        Unit of time, "steps" or "sweeps".
    action_labels : tuple of A str

    Notes
    -----
    `plot` draws the mean over paths of the share of the population at each observation over time, with lines also the
    middle 90% of the paths; kinds as for Flow.
    """

    SHAPES: ClassVar[dict[str, str]] = {
        "mu": "R T+1 S", "returns": "R", "exploitability": "R", "gains": "R", "counts": "R T+1 S",
        "agents_returns": "R",
        "observation_labels": "S", "action_labels": "A",
    }  # fmt: skip
    RANGES: ClassVar[dict[str, str]] = {"share": "mu", "finite": "returns exploitability", ">= 0": "counts"}

    mu: FloatArray
    returns: FloatArray
    exploitability: FloatArray
    gains: FloatArray | None
    noise: FloatArray
    counts: IntArray | None
    agents_returns: FloatArray | None
    n_agents: int | None
    schedule: str
    game: str
    observation_labels: tuple[str, ...] = ()
    observation_shape: tuple[int, ...] = ()
    step: float = 1.0
    time: Time = "steps"
    action_labels: tuple[str, ...] = ()

    @property
    def mean_return(self) -> float:
        """Mean of `returns` over the paths; `interval` has its interval."""
        return float(self.returns.mean())

    @property
    def mean_exploitability(self) -> float:
        """Mean of `exploitability` over the paths: it bounds the gain of agents who do not know the future."""
        return float(self.exploitability.mean())

    @property
    def times(self) -> FloatArray:
        """Time of each step, (T+1,) float64, in the unit `time`."""
        return np.arange(self.mu.shape[1], dtype=np.float64) * self.step

    def interval(self, of: Averaged = "returns", confidence: float = 0.95) -> Interval:
        """Student's interval of an expectation over the noise.

        Parameters
        ----------
        of : {"returns", "exploitability", "gains", "agents_returns"}, optional
            What is averaged over paths.
        confidence : float, optional
            In (0, 1).

        Raises
        ------
        TypeError, ValueError
            Another word, a confidence out of range, or numbers that were not computed. One path has no interval: its
            ends are NaN.
        """
        of = check.as_choice(of, "of", Averaged)
        values = getattr(self, of)
        level = _intervals.as_confidence(confidence)
        if values is None:
            wanted = "deviation=, a policy" if of == "gains" else "populations=True"
            raise ValueError(f"of is {of!r}, which was not computed; must be with {wanted}")
        return _intervals.student(float(values.mean()), _intervals.standard_error(values), len(values) - 1, level)

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "game", self.game
        yield "schedule", self.schedule
        yield "T", self.mu.shape[1] - 1
        yield "paths", len(self.returns)
        yield "mean return", self.mean_return
        yield "mean exploitability", self.mean_exploitability
        yield "mean gain", None if self.gains is None else float(self.gains.mean())

    def _axes(self) -> appearance.Coordinates:
        steps = np.arange(self.mu.shape[1])
        axes: appearance.Coordinates = {"step": ("step", steps), "time": ("step", self.times)}
        labels = self.observation_labels
        if labels and labels != appearance.numbered(len(labels)):
            axes["observation"] = ("observation", np.array(labels))
        return axes

    def _picture(self, kind: Any, **style: Any) -> Axes:
        from tmfcore import plotting
        from tmfcore.plotting._choice import BY_LINES

        return plotting.over_time(
            plotting.Course(self.times, self.mu.mean(axis=0)), appearance.labels_of(self, self.mu.shape[2]),
            self.observation_shape, kind=kind, replicas=self.mu if kind in BY_LINES else None, unit=self.time, **style,
        )  # fmt: skip


@takes_rng
@fits_memory(f"paths must be fewer, or {SMALLER_GAME}", asks=True)
def over_noise(
    game: Game,
    policy: NoisePolicyLike,
    schedule: Schedule,
    noise: NoiseChain | Sampler,
    n_agents: int | None = None,
    *,
    paths: int = 256,
    deviation: NoisePolicyLike | None = None,
    clock: Clock = "schedule",
    populations: bool = False,
    rng: seeding.RNG = None,
) -> OverNoise:
    """Play a policy on many independent paths of a common noise: the limit, and N agents.

    Parameters
    ----------
    game : Game
        With `noise=`, any path, which is replaced.
    policy : NoisePolicy, callable f(mu, t, z) -> (S, A), any policy of the game, or, with a chain, of a NoiseTree of it
        The same on all paths; z is the present value of the noise. A table of Z^k S observations, such as a solution on
        a NoiseTree, depends on the last k states of the chain.
    schedule : Schedule
    noise : NoiseChain or callable f(rng) -> (T, ...) floats
        The law of the paths. A function gets a Generator of its own for each path; in a game in sweeps it may return
        any number of entries, the same for all paths, which are spread evenly over the horizon.
    n_agents : int or None, optional
        N, to convert batch sizes to fractions, as in mean_field, and for `populations`.
    paths : int, optional
        R. The first paths do not depend on their number.
    deviation : a policy as above, or None, optional
        Another policy, of one agent while all others keep `policy`: its gain on each path is computed, too. The best
        response to `policy` on a NoiseTree, for example.
    clock : {"schedule", "always"}, optional
        Whether the deviating agent acts with the probability beta_t of the schedule (default), or at every step.
    populations : bool, optional
        Whether to simulate a population of `n_agents` on each path, too.
    rng : int, Generator, SeedSequence or None, optional

    Returns
    -------
    OverNoise
        Flows, returns and exploitability by path; `interval` has confidence intervals of their expectations.

    Raises
    ------
    TypeError, ValueError
        Bad arguments; a game without noise; a path of another shape; what the game refuses.

    Notes
    -----
    On each path agents play against a known sequence, so that `exploitability` compares with the best response that
    knows the future: an upper bound of what one gains who does not, of which `deviation` gives a lower bound. For short
    horizons the game on a NoiseTree has the exact gain.
    Cost: that of `exploitability` for each path, and of `simulate`.

    Examples
    --------
    >>> import numpy as np, tmfcore as tmf
    >>> def reward(mu, t, rain):
    ...     return np.repeat(-(mu + [0.0, rain])[:, None], 2, axis=1)
    >>> game = tmf.Game(2, 2, 30, 1.0, [1, 0], reward, [[[1, 0], [0, 1]]] * 2, noise=np.zeros(30))
    >>> weather = tmf.NoiseChain([0.5, 0.5], [[0.9, 0.1], [0.1, 0.9]])
    >>> uniform = tmf.TabularPolicy.uniform(game)
    >>> found = tmf.over_noise(game, uniform, tmf.Synchronous(), weather, rng=1)
    >>> found.interval()
    Interval(-22.9368, -22.0124, confidence=0.95)
    """
    original = of_steps(in_steps(game, schedule, n_agents))
    as_schedule(schedule)
    n_paths = check.as_positive_int(paths, "paths")
    populations = check.as_bool(populations, "populations")
    if populations and n_agents is None:
        raise ValueError("n_agents is None with populations=True; must be N, the number of agents to simulate")
    always, active = is_always(clock), active_fractions(original, schedule, n_agents)
    chain = noise if isinstance(noise, NoiseChain) else None
    n_steps, n_obs = original.n_steps, original.n_observations
    each = 8 + 8 * (chain.values[0].size if chain else 1)
    needed = flow_needs(original, active, 1)
    needed |= {"mu": (8, n_paths, n_steps + 1, n_obs), "noise": (each, n_paths, n_steps)}
    needs.ask(needed | ({"counts": (8, n_paths, n_steps + 1, n_obs)} if populations else {}))
    of_noise, of_agents = seeding.generators(rng, 2)
    states, values = paths_of(noise, original, n_paths, of_noise)
    for name, given in (("policy", policy), ("deviation", deviation)):
        if chain is None and isinstance(given, NoisePolicy):
            raise TypeError(f"{name} is a NoisePolicy, of states of a chain; must come with noise that is a NoiseChain")
    streams = seeding.seeds(of_agents, n_paths)
    mu, later = np.empty((n_paths, n_steps + 1, n_obs)), np.empty((n_steps + 1, n_obs))
    returns, foreseeing = np.empty(n_paths), np.empty(n_paths)
    gains = None if deviation is None else np.empty(n_paths)
    counts = np.empty((n_paths, n_steps + 1, n_obs), np.int64) if populations else None
    agents_returns = np.empty(n_paths) if populations else None
    for r in range(n_paths):
        on_path = game_on(original, values[r])
        path = None if states is None else states[r]
        played = policy_on(policy, on_path, values[r], path, chain)
        foreseeing[r], largest, returns[r] = judged(on_path, played, active, always, mu[r])
        if not (isfinite(foreseeing[r]) and isfinite(largest)):
            judged_under(on_path, played, schedule, n_agents, clock)  # raises an error that names the step
        if gains is not None:
            other = policy_on(deviation, on_path, values[r], path, chain, "deviation")
            if not flow_kernel.backward(on_path.model, other, mu[r], active, original.discount, always, later):
                refuse_overflow(later)
            gains[r] = original.initial @ later[0] - returns[r]
        if counts is not None and agents_returns is not None and n_agents is not None:
            run = simulate(on_path, played, schedule, n_agents, rng=seeding.generator(streams[r]), decisions=False)
            counts[r], agents_returns[r] = run.counts[0], run.returns[0]
    return OverNoise._made(
        mu=mu, returns=returns, exploitability=foreseeing, gains=gains, noise=values, counts=counts,
        agents_returns=agents_returns, n_agents=None if n_agents is None else int(n_agents), schedule=schedule.label,
        game=original.name, **appearance.appearance_of(original),
    )  # fmt: skip


def paths_of(
    noise: object, game: Game, n_paths: int, rng: np.random.Generator
) -> tuple[IntArray | None, FloatArray]:
    """Independent paths: states (R, T) if the noise is a chain, and values (R, T, ...)."""
    if isinstance(noise, NoiseChain):
        states = noise.sample(game.n_steps, n_paths, rng)
        return states, noise.values[states]
    if not callable(noise) or isinstance(noise, type):
        raise TypeError(f"noise is {say.show(noise)}; must be a NoiseChain or a function of (rng) that returns a path")
    sample = noted(noise, "noise", "(rng)")
    found: list[FloatArray] = []
    for r, stream in enumerate(seeding.generators(rng, n_paths)):
        path = check.as_float_array(sample(stream), f"noise(rng), path {r},")
        if found and path.shape != found[0].shape:
            raise ValueError(f"noise(rng) has shape {path.shape} on path {r}; must be {found[0].shape}, as on path 0")
        found.append(path)
    return None, np.stack(found)
