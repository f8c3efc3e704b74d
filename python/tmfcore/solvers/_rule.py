"""What a solver has of its own: how it gets from one policy to the next. The loop around it is in _loop.

    Rule         of any solver
    TableRule    of solvers whose iterates are tables (T, S, A), judged at their own flow
    LogitRule    (_spectral) of those among them that move logits
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
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray
from tmfcore.solvers._descent import Iterate
from tmfcore.solvers._step_rules import Decay, decay_factor

if TYPE_CHECKING:
    from tmfcore.solvers._exact import ExactSolver
    from tmfcore.solvers._problem import Problem
    from tmfcore.solvers._solver import Solver

__all__ = ["NOT_A_NUMBER", "Arrays", "Diverged", "Evaluated", "Rule", "Stuck", "TableRule", "as_decay"]

S = TypeVar("S", bound="Solver[Any]")
E = TypeVar("E", bound="ExactSolver")
Arrays = Mapping[str, npt.NDArray[Any]]

NOT_A_NUMBER = "the policy is not a number after update {}; a smaller step helps"


class Stuck(Exception):
    """A rule has no better policy to offer; its text says why, and the rule is as it was."""


class Diverged(Stuck):
    """A number is not finite; its text says which. The rule cannot go on from where it stands."""


@dataclass(frozen=True)
class Evaluated:
    """What is known of the policy in hand."""

    gap: float  # exploitability
    value: float  # mean return
    sampled: float  # return of the populations sampled, or the mean return where there are none
    residual: float = 0.0  # l1 distance of the distributions judged at from their own image


class Rule(ABC, Generic[S]):
    """How a solver gets from one policy to the next; it owns what it remembers between them.

    Attributes
    ----------
    solver, settings
        Its solver, and what its fields amount to where some are not given.
    last : int
        The iteration at which the solve ends at the latest, set by the loop: where "linear" decays are 0.
    policy : float64 array
        Parameters of the policy that `evaluate` judges: a table (T, S, A), or theta. The loop copies the best.
    mu : (T+1, S) float64
        Its flow, as of the last `evaluate` that was due.
    flows : int
        Flows, or runs, that were computed so far.
    """

    last: int = 0
    policy: FloatArray
    mu: FloatArray

    def __init__(self, solver: S, problem: Problem) -> None:
        self.solver, self.problem, self.settings = solver, problem, solver.settings

    @property
    @abstractmethod
    def flows(self) -> int:
        """What it has cost so far."""

    def sample_from(self, generator: np.random.Generator, threads: int | None) -> None:
        """Take the stream that a rule draws from, and the threads it may use; called once, before anything else."""

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
    def evaluate(self, due: bool) -> Evaluated | None:
        """Judge the policy in hand, if that is due; whatever is needed for the next update, in any case."""

    @abstractmethod
    def rate(self, iteration: int, gap: float) -> float:
        """Step length of update `iteration`, made from a policy of that exploitability."""

    @abstractmethod
    def update(self, iteration: int, gap: float) -> float:
        """Make the next policy; the step length that was used. Raises Stuck or Diverged where there is none."""

    def scheduled(self, name: str, iteration: int) -> float:
        """The setting `name` times its decay at update k, checked."""
        s = self.settings
        decay, label = s[f"{name}_decay"], f"{name}_decay"
        return float(s[name] * decay_factor(decay, label, iteration, s["decay_iterations"], self.last))

    def close(self) -> None:
        """Free what is not memory."""


class TableRule(Rule[E]):
    """A rule over an Iterate, which holds policy, flow and action values and has the kernels that move them."""

    iterate: Iterate

    def __init__(self, solver: E, problem: Problem) -> None:
        super().__init__(solver, problem)
        self.iterate = solver._iterate(problem)
        self.policy, self.mu = self.iterate.policy, self.iterate.mu

    @property
    def flows(self) -> int:
        return self.iterate.flows

    def start(self, policy: FloatArray | None) -> None:
        if policy is not None:
            self.policy[...] = policy

    def state(self) -> dict[str, npt.NDArray[Any]]:
        return {"policy": self.policy.copy()}

    def restore(self, state: Arrays) -> None:
        self.policy[...] = state["policy"]

    def evaluate(self, due: bool) -> Evaluated:
        gap, _, value = self.iterate.evaluate()
        return Evaluated(gap, value, value, self.iterate.residual)


def as_decay(decay: object, name: str) -> object:
    """One of the decays, or a function of the iteration."""
    return decay if callable(decay) and not isinstance(decay, type) else check.as_choice(decay, name, Decay)
