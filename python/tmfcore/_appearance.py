"""What results keep of their game so that they can draw themselves: names and places of observations, and the time.

appearance_of(game)             keyword arguments of a result: labels, observation_shape, step
to_header(result)               the same as JSON has it
from_header(header, n)          back; files without it have numbered observations on a line, and steps
times_of(result)                times of its records, and their unit
places_of(labels), by_place     observations that differ in a detail only, added up
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from tmfcore._validation import FloatArray, IntArray

if TYPE_CHECKING:
    from tmfcore.game import Game


class Recorded(Protocol):
    """A result recorded at some times of a game."""

    @property
    def steps(self) -> IntArray: ...
    @property
    def step(self) -> float: ...
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
        "step": game.step,
    }


def to_header(result: Recorded) -> dict[str, Any]:
    """For a saved file; labels that are only numbers are left out."""
    labels = result.observation_labels
    return {
        "observation_labels": [] if labels == numbered(len(labels)) else list(labels),
        "observation_shape": list(result.observation_shape),
        "action_labels": list(result.action_labels),
        "step": result.step,
    }


def from_header(header: Mapping[str, Any], n_observations: int) -> dict[str, Any]:
    """Of a saved file, also of one that was written without."""
    return {
        "observation_labels": tuple(header.get("observation_labels") or numbered(n_observations)),
        "observation_shape": tuple(header.get("observation_shape") or (n_observations,)),
        "action_labels": tuple(header.get("action_labels") or ()),
        "step": float(header.get("step", 1.0)),
    }


def numbered(n: int) -> tuple[str, ...]:
    """The labels of observations without names."""
    return tuple(map(str, range(n)))


def places_of(labels: Sequence[str]) -> tuple[tuple[str, ...], IntArray]:
    """The different places of labels "place, detail", in their order, and which of them is each label's, (S,)."""
    names = [label.partition(", ")[0] for label in labels]
    number = {name: k for k, name in enumerate(dict.fromkeys(names))}
    return tuple(number), np.array([number[name] for name in names])


def by_place(values: npt.NDArray[np.floating[Any]], places: IntArray) -> FloatArray:
    """Sums (..., P) of the values (..., S) at each of P places."""
    sums = np.zeros((*values.shape[:-1], int(places.max()) + 1))
    np.add.at(np.moveaxis(sums, -1, 0), places, np.moveaxis(values, -1, 0))
    return sums


def times_of(result: Recorded) -> tuple[FloatArray, str]:
    """Times of the records and their unit: sweeps where the game says how long a step lasts, else steps."""
    return result.steps.astype(np.float64) * result.step, unit_of(result.step)


def unit_of(step: float) -> str:
    """The unit of times in steps of so many sweeps."""
    return "sweeps" if step < 1 else "steps"
