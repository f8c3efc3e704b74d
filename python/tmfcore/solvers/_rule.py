"""What a solver has of its own: how it gets from one policy to the next. The loop around it is in _loop.

    Rule         of any solver
    TableRule    of solvers whose iterates are tables (T, S, A), judged at their own flow
    Stuck        no better policy to offer: the solve ends with what was found
    Diverged     the same, and what the rule remembers is worth nothing

A rule lives for one solve. The loop calls `start` or `restore` once, and then for every iteration k

    evaluate(due)       judge the policy in hand
    rate(k, gap)        the step length of update k, for history; callbacks are called after it
    update(k, gap)      make the next policy, unless the solve ends here

`evaluate` and `rate` change nothing that `state` gives: a solve that ends at iteration k is resumed by judging the same
policy again. What ends a solve, how far it got, the best policy so far and history are the loop's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray
from tmfcore.solvers._ascent import DECAYS, decay_factor
from tmfcore.solvers._iterate import Iterate

__all__ = ["NOT_A_NUMBER", "Arrays", "Diverged", "Judged", "Rule", "Stuck", "TableRule", "check_decay", "next_rate"]

Arrays = Mapping[str, npt.NDArray[Any]]

NOT_A_NUMBER = "the policy is not a number after update {}; a smaller step helps"


class Stuck(Exception):
    """A rule has no better policy to offer; its text says why, and the rule is as it was."""


class Diverged(Stuck):
    """A number is not finite; its text says which. The rule cannot go on from where it stands."""


@dataclass(frozen=True)
class Judged:
    """What is known of the policy in hand."""

    gap: float  # exploitability
    value: float  # mean return
    sampled: float  # return of the populations sampled, or the mean return where there are none
    residual: float = 0.0  # l1 distance of the distributions judged at from their own image


class Rule(ABC):
    """How a solver gets from one policy to the next; it owns what it remembers between them.

    Attributes
    ----------
    last : int
        The iteration at which the solve ends at the latest, set by the loop: where "linear" decays are 0.
    policy : float64 array
        Parameters of the policy that `evaluate` judges: a table (T, S, A), or theta. The loop copies the best.
    mu : (T+1, S) float64
        Its flow, as of the last `evaluate` that was due.
    """

    last: int = 0
    policy: FloatArray
    mu: FloatArray

    @abstractmethod
    def start(self, policy: FloatArray | None) -> None:
        """Begin at parameters of the kind and shape of `policy`; None: the uniform policy."""

    @abstractmethod
    def state(self) -> dict[str, npt.NDArray[Any]]:
        """What `restore` needs, copied; the same names and shapes at any time."""

    @abstractmethod
    def restore(self, state: Arrays) -> None:
        """Stand where `state` was taken."""

    @abstractmethod
    def evaluate(self, due: bool) -> Judged | None:
        """Judge the policy in hand, if that is due; whatever is needed for the next update, in any case."""

    @abstractmethod
    def rate(self, iteration: int, gap: float) -> float:
        """Step length of update `iteration`, made from a policy of that exploitability."""

    @abstractmethod
    def update(self, iteration: int, gap: float) -> float:
        """Make the next policy; the step length that was used. Raises Stuck or Diverged where there is none."""

    def close(self) -> None:  # noqa: B027  most rules hold nothing but memory
        """Free what is not memory."""


class TableRule(Rule):
    """A rule over an Iterate, which holds policy, flow and action values and has the kernels that move them."""

    def __init__(self, iterate: Iterate) -> None:
        self.iterate = iterate
        self.policy, self.mu = iterate.policy, iterate.mu

    def start(self, policy: FloatArray | None) -> None:
        if policy is not None:
            self.policy[...] = policy

    def evaluate(self, due: bool) -> Judged:
        gap, _, value = self.iterate.evaluate()
        return Judged(gap, value, value, self.iterate.residual)


def check_decay(decay: object, name: str) -> None:
    """Raise unless `decay` is one of the decays or a function of the iteration."""
    if isinstance(decay, type) or not callable(decay):
        check.as_choice(decay, name, DECAYS)


def next_rate(
    rate: float, decay: str | Callable[[int], float], name: str, iteration: int, decay_iterations: int, last: int
) -> float:
    """The rate of update k times its decay, checked."""
    return rate * decay_factor(decay, name, iteration, decay_iterations, last)
