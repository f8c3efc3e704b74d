"""What results keep of their game so that they can draw themselves: names and places of observations, and the time.

appearance_of(game)             keyword arguments of a result: labels, observation_shape, step, time
to_header(result)               the same as JSON has it
from_header(header, n)          back; files without it have numbered observations on a line, and steps
times_of(result)                times of its records, and their unit
recorded_steps(horizon, every)  which steps a run records
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tmfcore._base.validation import FloatArray, IntArray

if TYPE_CHECKING:
    from tmfcore._model.game import Game


class Clocked(Protocol):
    """A result recorded at some steps of a game."""

    @property
    def steps(self) -> IntArray: ...
    @property
    def step(self) -> float: ...
    @property
    def time(self) -> str: ...


class Recorded(Clocked, Protocol):
    """One that knows the names and places of observations, too."""

    @property
    def observation_labels(self) -> tuple[str, ...]: ...
    @property
    def observation_shape(self) -> tuple[int, ...]: ...
    @property
    def action_labels(self) -> tuple[str, ...]: ...


def appearance_of(game: Game) -> dict[str, Any]:
    """What a result of `game` keeps."""
    return {
        "observation_labels": game.observation_labels,
        "observation_shape": game.observation_shape,
        "action_labels": game.action_labels,
        "step": game.dt,
        "time": game.unit,
    }


def to_header(result: Recorded) -> dict[str, Any]:
    """For a saved file; labels that are only numbers are left out."""
    labels = result.observation_labels
    return {
        "observation_labels": [] if labels == numbered(len(labels)) else list(labels),
        "observation_shape": list(result.observation_shape),
        "action_labels": list(result.action_labels),
        "step": result.step,
        "time": result.time,
    }


def from_header(header: Mapping[str, Any], n_observations: int) -> dict[str, Any]:
    """Of a saved file, also of one that was written without."""
    return {
        "observation_labels": tuple(header.get("observation_labels") or numbered(n_observations)),
        "observation_shape": tuple(header.get("observation_shape") or (n_observations,)),
        "action_labels": tuple(header.get("action_labels") or ()),
        "step": float(header.get("step", 1.0)),
        "time": str(header.get("time", "steps")),
    }


def numbered(n: int) -> tuple[str, ...]:
    """The labels of observations without names."""
    return tuple(map(str, range(n)))


def times_of(result: Clocked) -> tuple[FloatArray, str]:
    """Times of the records and their unit."""
    return result.steps.astype(np.float64) * result.step, result.time


class Timed:
    """Has `times` beside `steps`."""

    @property
    def times(self: Clocked) -> FloatArray:
        """Time of each record, (J+1,) float64: in sweeps or in steps, as `time` says."""
        return times_of(self)[0]


def recorded_steps(horizon: int, record_every: int) -> IntArray:
    """Time indices at which a run records: 0, record_every, 2 record_every, ..., horizon; (J+1,) int64."""
    n_intervals = -(-horizon // record_every)
    return np.minimum(np.arange(n_intervals + 1, dtype=np.int64) * record_every, horizon)
