"""A mean-field flow: what `mean_field` returns, as a result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tmfcore._base.types import SharesKind, Time
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model import appearance as _appearance
from tmfcore._model.activation import ActingShares
from tmfcore._model.fingerprint import Fingerprint
from tmfcore._model.game import Game
from tmfcore._model.schedules import Active
from tmfcore._results.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Flow", "flow_of"]


@dataclass(frozen=True, eq=False, repr=False)
class Flow(_appearance.Timed, Result[SharesKind]):
    """A mean-field flow: the population distribution over time, recorded every `record_every` steps.

    Parameters
    ----------
    mu : (J+1, S) float64
        Population distribution at each recorded time; if the noise is random, its mean over the paths.
    steps : (J+1,) int64
        Step of each record, from 0 to the horizon.
    active_fraction : (T,) float64
        Share of the population that acts at each step, sum_o mu_t(o) beta_t(o, mu_t); may be a broadcast view.
        Under Poisson clocks: the mean number of actions of an agent in each interval, which may exceed 1.
    horizon : int
        T.
    game : str
        Name of the game.
    observation_labels : tuple of S str
    observation_shape : tuple of int
        As in the game, for plots and tables.
    step : float
        dt, the length of a step in sweeps; 1.0 if time is in steps.
    time : str
        Unit of time, "steps" or "sweeps".
    action_labels : tuple of A str
        As in the game; empty if unknown.
    record_times : (J+1,) float64 or None
        Under Poisson clocks, the times of the recorded distributions, in units of time; `steps` then numbers them, and
        an interval counts as a step. None: steps * step.
    by_path : (R, J+1, S) float64 or None
        If the noise is random, the population distribution on each of R paths.
    noise : (R, T) int64 or (R, T, ...) float64 or None
        These paths, as `Game.on` takes them: states of a chain, or values.
    probabilities : (R,) float64 or None
        Their probabilities, if they are all paths of a chain; None if they were drawn, each of weight 1 / R.
    fingerprint : Fingerprint or None
        Identifies game, schedule and N, so that only matching results are combined. None, for a flow made by hand:
        it cannot be combined with other results.

    Notes
    -----
    `plot` draws the share of the population at each observation over time. "lines": one line per observation. "places":
    observations with labels "place, detail" are added up by place, and the largest places are drawn. "heat": a colour
    map of observation and time. "profiles": shares against the observation at four times. "snapshots": colour maps of
    the grid of observations at four times. "auto": snapshots if observations form a grid of two or three axes; else
    lines for up to 10 observations; else places, if labels allow it; else heat for up to 256; else the largest lines.
    Over many paths, pictures are of the mean; lines also show the middle 90% of the paths.
    """

    SHAPES: ClassVar[dict[str, str]] = {
        "mu": "J+1 S", "steps": "J+1", "active_fraction": "T", "observation_labels": "S", "action_labels": "A",
        "record_times": "J+1", "by_path": "R J+1 S", "probabilities": "R",
    }  # fmt: skip
    RANGES: ClassVar[dict[str, str]] = {
        "share": "mu active_fraction by_path probabilities", ">= 0": "steps", "finite": "record_times",
    }  # fmt: skip

    mu: FloatArray
    steps: IntArray
    active_fraction: FloatArray
    horizon: int
    game: str = ""
    observation_labels: tuple[str, ...] = ()
    observation_shape: tuple[int, ...] = ()
    step: float = 1.0
    time: Time = "steps"
    action_labels: tuple[str, ...] = ()
    record_times: FloatArray | None = None
    by_path: FloatArray | None = None
    noise: FloatArray | IntArray | None = None
    probabilities: FloatArray | None = None
    fingerprint: Fingerprint | None = None

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "game", self.game
        yield "S", self.mu.shape[1]
        yield "T", self.horizon
        yield "records", len(self.steps)
        if self.by_path is not None:
            yield "paths", f"{len(self.by_path)}{'' if self.probabilities is None else ', all'}"

    def _axes(self) -> _appearance.Coordinates:
        return _appearance.axes_of(self, np.arange(self.horizon))

    def _title(self) -> str:
        return self.game

    def _picture(self, kind: Any, **style: Any) -> Axes:
        from tmfcore import plotting
        from tmfcore.plotting._choice import BY_LINES

        times, unit = _appearance.times_of(self)
        return plotting.over_time(
            plotting.Course(times, self.mu), _appearance.labels_of(self, self.mu.shape[1]), self.observation_shape,
            kind=kind, replicas=self.by_path if kind in BY_LINES else None, unit=unit, **style,
        )  # fmt: skip


def flow_of(game: Game, mu: FloatArray, steps: IntArray, active: Active, fingerprint: Fingerprint) -> Flow:
    """A Flow of `game` over its whole horizon. With ActingShares, mu must have every step."""
    horizon, appearance = game.n_steps, _appearance.appearance_of(game)
    if isinstance(active, ActingShares):
        active = active.fractions(mu)
    if len(active) == 1 or (active == active[0]).all():
        active = np.ndarray((horizon,), np.float64, active, 0, (0,))
    return Flow._made(
        mu=mu, steps=steps, active_fraction=active, horizon=horizon, game=game.name, **appearance,
        fingerprint=fingerprint,
    )  # fmt: skip
