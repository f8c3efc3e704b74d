"""Step rules of gradient ascent: learning-rate schedules, AdaOGD among them, sgd and adam."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from tmfcore._base import validation as check
from tmfcore._base.functions import noted
from tmfcore._base.validation import FloatArray

__all__ = [
    "IN_ITERATIONS", "Adam", "Decay", "Normalized", "RateDecay", "Sgd",
    "adaptive_factor", "averaging_weight", "decay_factor",
]  # fmt: skip

EPSILON = 1e-8  # Adam's epsilon, in units of the direction
Decay: TypeAlias = Literal["constant", "sqrt", "harmonic", "linear"]
RateDecay: TypeAlias = Literal["constant", "sqrt", "harmonic", "linear", "adaptive"]
IN_ITERATIONS = ("sqrt", "harmonic")  # the decays that use decay_iterations


def decay_factor(
    decay: RateDecay | Callable[[int], float], name: str, iteration: int, decay_iterations: int | None, last: int
) -> float:
    """Factor of the learning rate at an iteration k >= 0.

    "constant": 1; "sqrt": 1 / sqrt(1 + k / d); "harmonic": 1 / (1 + k / d), with d = decay_iterations; "linear": from
    1 down to 0 at iteration `last`; "adaptive": as `adaptive_factor`; a callable: its return value, which errors call
    `name`.
    """
    if callable(decay):
        return check.as_float(noted(decay, name, "the iteration")(iteration), f"{name}({iteration})", low=0.0)
    if decay == "linear":
        return max(0.0, 1.0 - iteration / last)
    if decay == "adaptive":
        return adaptive_factor(iteration)
    if decay == "constant" or decay_iterations is None:
        return 1.0
    slowed = 1.0 + iteration / decay_iterations
    return 1.0 / slowed if decay == "harmonic" else float(slowed**-0.5)


def adaptive_factor(iteration: int) -> float:
    """Factor of AdaOGD, as we reconstruct it: sqrt(1 + max_{s <= k} M_s) / (k + 1) at iteration k.

    M_s is geometric with p_s = 1 / log(s + 10), drawn from a stream of its own, the same in every solve. The maximum
    grows about as log^2 k, so that steps shrink as log k / k: in the end they are longer than 1 / (mu k), whatever the
    modulus mu of a strongly monotone game, which therefore need not be known. (Theory, section 9; Jordan, Lin and Zhou,
    arXiv:2310.14085, whose printed step, with p = 1 / log(T + 10) for T iterations, was not at hand: the rates agree.)
    """
    block, place = divmod(iteration, BLOCK)
    return float(np.sqrt(1.0 + _largest(block)[place]) / (iteration + 1.0))


BLOCK = 4096  # iterations whose M are drawn together


@lru_cache(maxsize=256)
def _largest(block: int) -> FloatArray:
    """max_{s <= k} M_s for the iterations k of a block."""
    found: FloatArray = np.maximum.accumulate(_waits(block))
    return np.maximum(found, max((_waits(earlier).max() for earlier in range(block)), default=0.0))


@lru_cache(maxsize=256)
def _waits(block: int) -> FloatArray:
    """M of the iterations of a block."""
    p = 1 / np.log(np.arange(block * BLOCK, (block + 1) * BLOCK) + 10.0)
    stream = np.random.Generator(np.random.PCG64(np.random.SeedSequence(2310, spawn_key=(block,))))
    found: FloatArray = np.floor(np.log1p(-stream.random(BLOCK)) / np.log1p(-p)) + 1
    return found


def averaging_weight(average: float | None, iteration: int) -> float:
    """Weight of iterate k in the running average: 1 at k = 0, (a + 1) / (k + 1 + a) after; 1 if a = average is None.

    The average then weights iterate j about as j**a (Shamir and Zhang, arXiv:1212.1824, section 4): a = 0 is the plain
    mean, and a larger a gives early iterates less weight.
    """
    return 1.0 if average is None else (average + 1.0) / (iteration + 1.0 + average)


@dataclass
class Sgd:
    """theta <- theta + rate * direction."""

    def step(self, theta: FloatArray, direction: FloatArray, rate: float) -> None:
        """Update `theta` in place."""
        theta += rate * direction

    def state(self) -> dict[str, FloatArray]:
        """Empty: there is no state."""
        return {}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Do nothing: there is no state."""


@dataclass
class Normalized:
    """theta <- theta + rate * direction / s, with s the mean over all directions so far of their root mean square.

    Entries that are 0 are left out of the root mean square. Steps do not depend on the scale of rewards. Unlike in
    Adam, all entries share one scale s: an entry that is mostly noise moves less than one with a clear gradient.
    """

    size: float = 0.0
    count: int = 0

    def step(self, theta: FloatArray, direction: FloatArray, rate: float) -> None:
        """Update `theta` in place."""
        moved = direction[direction != 0]
        if moved.size == 0:
            return
        largest = float(np.abs(moved).max())  # scale first, so that no square overflows or underflows
        self.count += 1
        self.size += (largest * float(np.sqrt(np.mean((moved / largest) ** 2))) - self.size) / self.count
        theta += rate * (direction / self.size)

    def state(self) -> dict[str, FloatArray]:
        """The size s, and the number of directions it averages."""
        return {"size": np.array(self.size), "count": np.array(float(self.count))}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """The inverse of `state`."""
        self.size, self.count = float(state["size"]), int(state["count"])


@dataclass
class Adam:
    """Adam (Kingma and Ba, arXiv:1412.6980, algorithm 1), ascending."""

    first: FloatArray
    second: FloatArray
    betas: tuple[float, float]
    count: int = 0

    @classmethod
    def like(cls, theta: FloatArray, betas: tuple[float, float]) -> Adam:
        """A new Adam with zero moments, for parameters of the shape of `theta`."""
        return cls(np.zeros_like(theta), np.zeros_like(theta), betas)

    def step(self, theta: FloatArray, direction: FloatArray, rate: float) -> None:
        """Update `theta` in place."""
        beta1, beta2 = self.betas
        self.count += 1
        self.first += (1 - beta1) * (direction - self.first)
        self.second += (1 - beta2) * (direction**2 - self.second)
        first = self.first / (1 - beta1**self.count)
        second = self.second / (1 - beta2**self.count)
        theta += rate * first / (np.sqrt(second) + EPSILON)

    def state(self) -> dict[str, FloatArray]:
        """Both moments and the number of steps."""
        return {"first": self.first, "second": self.second, "count": np.array(float(self.count))}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """The inverse of `state`."""
        self.first[...], self.second[...], self.count = state["first"], state["second"], int(state["count"])
