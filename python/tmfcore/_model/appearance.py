"""Facts about their game that results keep for plots and tables: labels, the grid of observations, and the time.

appearance_of(game)             keyword arguments of a result: labels, observation_shape, step, time
appearance_in_time(game, times) the same, of one recorded at some times under Poisson clocks
labels_of(result, n)            labels of its observations
axes_of(result, intervals)      coordinates of its table
times_of(result)                times of its records, and their unit
recorded_steps(horizon, every)  the steps that a run records
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from tmfcore._base.validation import FloatArray, IntArray

if TYPE_CHECKING:
    from tmfcore._model.game import Game


Coordinates: TypeAlias = dict[str, tuple[str, npt.NDArray[Any]]]


class Named(Protocol):
    """An object with labels of observations."""

    @property
    def observation_labels(self) -> tuple[str, ...]: ...


class Clocked(Protocol):
    """A result that was recorded at some steps of a game."""

    @property
    def steps(self) -> IntArray: ...
    @property
    def step(self) -> float: ...
    @property
    def time(self) -> str: ...


class Recorded(Clocked, Named, Protocol):
    """A recorded result with labels and with the grid of observations."""

    @property
    def observation_shape(self) -> tuple[int, ...]: ...
    @property
    def action_labels(self) -> tuple[str, ...]: ...


def appearance_of(game: Game) -> dict[str, Any]:
    """The facts about `game` that a result keeps."""
    return {
        "observation_labels": game.observation_labels,
        "observation_shape": game.observation_shape,
        "action_labels": game.action_labels,
        "step": game.dt,
        "time": game.unit,
    }


def appearance_in_time(game: Game, times: FloatArray) -> dict[str, Any]:
    """The facts about a game in sweeps that was recorded at `times` (J+1,)."""
    names = ("observation_labels", "observation_shape", "action_labels", "time")
    step = float((times[-1] - times[0]) / (len(times) - 1))
    return {name: getattr(game, name) for name in names} | {"step": step, "record_times": times}


def labels_of(result: Named, n: int) -> tuple[str, ...]:
    """Labels of the `n` observations of a result; numbers if it has none."""
    return result.observation_labels or numbered(n)


def axes_of(result: Recorded, intervals: IntArray) -> Coordinates:
    """Coordinates of its table: records and intervals with their times; observations and actions if labelled."""
    times = times_of(result)[0]
    starts = intervals * result.step if getattr(result, "record_times", None) is None else times[:-1]
    axes: Coordinates = {
        "step": ("step", result.steps), "time": ("step", times), "interval": ("interval", intervals),
        "interval_time": ("interval", starts),
    }  # fmt: skip
    for name, labels in (("observation", result.observation_labels), ("action", result.action_labels)):
        if labels and labels != numbered(len(labels)):
            axes[name] = (name, np.array(labels))
    return axes


def numbered(n: int) -> tuple[str, ...]:
    """The default labels "0", "1", ..."""
    return _NUMBERS[:n] if n <= len(_NUMBERS) else tuple(map(str, range(n)))


_NUMBERS = tuple(map(str, range(256)))


def times_of(result: Clocked) -> tuple[FloatArray, str]:
    """Times of the records and their unit."""
    given: FloatArray | None = getattr(result, "record_times", None)
    return result.steps.astype(np.float64) * result.step if given is None else given, result.time


class Timed:
    """Adds `times` to a result with `steps`."""

    @property
    def times(self: Clocked) -> FloatArray:
        """Time of each record, (J+1,) float64, in the unit `time`: "sweeps" or "steps"."""
        return times_of(self)[0]


def recorded_steps(horizon: int, record_every: int) -> IntArray:
    """The steps at which a run records: 0, record_every, 2 record_every, ..., horizon; (J+1,) int64."""
    every = min(record_every, horizon)
    steps = np.arange(0, horizon + every, every, dtype=np.int64)
    steps[-1] = horizon
    return steps
