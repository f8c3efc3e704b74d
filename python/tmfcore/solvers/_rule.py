"""The rule of a solver: how it makes the next policy from the present one. The loop that runs a rule is in _loop.

    Rule         base of all rules
    TableRule    for iterates that are tables (T, S, A), judged at their own flow
    LogitRule    (_spectral) for tables that are the softmax of logits
    Stuck        raised if no better policy can be found: the solve ends with the best so far
    Diverged     the same, and the state of the rule cannot be used any more

A rule serves one solve. The loop calls `start` or `restore` once, and then for every iteration k

    evaluate(due)       judge the present policy
    rate(k, gap)        the step length of update k, for the history; callbacks are called after it
    update(k, gap)      make the next policy, unless the solve ends here

`evaluate` and `rate` must not change what `state` returns: a solve that ended at iteration k is resumed by judging the
same policy again. A checkpoint is taken after an update (`kept`, `go_on`). The loop keeps the stopping tests, the best
policy and the history.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from tmfcore._base import pieces
from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray
from tmfcore._random import seeding
from tmfcore.solvers._descent import Iterate
from tmfcore.solvers._step_rules import Decay, RateDecay, decay_factor

if TYPE_CHECKING:
    from tmfcore._limit.flows import Flow
    from tmfcore._model.policies import SoftmaxPolicy, TabularPolicy
    from tmfcore.solvers._exact import ExactSolver
    from tmfcore.solvers._problem import Problem
    from tmfcore.solvers._solver import Solver

__all__ = [
    "NOT_A_NUMBER", "Arrays", "Diverged", "Evaluated", "Rule", "Stuck", "TableRule", "Verdict",
    "as_decay", "as_rate_decay", "fitting",
]  # fmt: skip

S = TypeVar("S", bound="Solver[Any]")
E = TypeVar("E", bound="ExactSolver")
Arrays = Mapping[str, npt.NDArray[Any]]

NOT_A_NUMBER = "probabilities are not finite after update {}; use a smaller step length"


class Stuck(Exception):
    """The rule cannot find a better policy, for the reason in the text; its state is unchanged."""


class Diverged(Stuck):
    """A number, named in the text, is not finite; the solve cannot continue from the rule's state."""


class Verdict(NamedTuple):
    """What tmf.exploitability says of a policy, with the policy and its flow."""

    policy: TabularPolicy | SoftmaxPolicy
    flow: Flow
    gap: float  # exploitability
    value: float  # mean return


class Evaluated(NamedTuple):
    """What `evaluate` computes of the present policy."""

    gap: float  # exploitability
    value: float  # mean return
    sampled: float  # return per agent of the sampled populations; the mean return if nothing is sampled
    residual: float = 0.0  # l1 distance between the flow at which the policy is judged and its image under the policy
    verdict: Verdict | None = None  # if the evaluation was that of tmf.exploitability


class Rule(ABC, Generic[S]):
    """Makes the next policy from the present one, and owns all state between updates.

    Attributes
    ----------
    solver, settings
        The solver, and its fields with their defaults filled in.
    last : int
        The last iteration that the solve may reach, set by the loop; "linear" decays are 0 there.
    policy : float64 array
        Parameters of the policy that `evaluate` judges: a table (T, S, A), or theta. The loop copies the best.
    mu : (T+1, S) float64
        The flow of `policy` at the last `evaluate(due=True)`.
    flows : int
        Number of flows or sampled runs computed so far.
    earlier : int
        Those computed before the solve went on from a checkpoint.
    """

    last: int = 0
    earlier: int = 0
    policy: FloatArray
    mu: FloatArray

    def __init__(self, solver: S, problem: Problem) -> None:
        self.solver, self.problem, self.settings = solver, problem, solver.settings

    @property
    @abstractmethod
    def flows(self) -> int:
        """Number of flows or sampled runs computed so far: the cost of the solve."""

    def sample_from(self, seed: seeding.Stream, threads: int | Executor | None) -> None:
        """Set the random stream, and the number of threads, or what takes their place; called once, first of all."""

    @abstractmethod
    def start(self, policy: FloatArray | None) -> None:
        """Start from these parameters (type and shape of `self.policy`); None: the uniform policy."""

    @abstractmethod
    def state(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays that `restore` needs, not copied; names and shapes never change."""

    @abstractmethod
    def restore(self, state: Arrays) -> None:
        """Return to the state that `state` returned."""

    def kept(self) -> dict[str, Any]:
        """What a checkpoint between two updates has of the rule, not copied: `state`, and all else that matters.

        The streams that are spawned are kept by the caller (_turns).
        """
        return {"state": self.state(), "flows": self.flows}

    def go_on(self, kept: Mapping[str, Any]) -> None:
        """Go on from what `kept` returned, instead of `start`; the next updates are the same to the bit.

        Raises
        ------
        ValueError
            The arrays are not those of this rule.
        """
        self.restore(fitting(kept["state"], self.state()))
        self.earlier = int(kept["flows"]) - self.flows

    @abstractmethod
    def evaluate(self, due: bool) -> Evaluated | None:
        """Judge the present policy if `due`; compute what the next update needs in any case."""

    @abstractmethod
    def rate(self, iteration: int, gap: float) -> float:
        """Step length of update `iteration` from a policy of exploitability `gap`."""

    @abstractmethod
    def update(self, iteration: int, gap: float) -> float:
        """Make the next policy and return the step length used. Raises Stuck or Diverged if there is no such policy."""

    def verdict(self) -> Verdict:
        """What tmf.exploitability says of the present policy, which may own `self.policy` until the loop goes on."""
        policy = self.solver._policy(self.policy, self.problem.game.n_steps, own=True)
        return Verdict(policy, *self.solver._judge(self.problem, policy))

    def scheduled(self, name: str, iteration: int) -> float:
        """The setting `name` times its decay at update k, checked."""
        s = self.settings
        decay, label = s[f"{name}_decay"], f"{name}_decay"
        return float(s[name] * decay_factor(decay, label, iteration, s["decay_iterations"], self.last))

    def close(self) -> None:
        """Free resources other than memory, such as threads."""


class TableRule(Rule[E]):
    """A rule over an Iterate, which holds policy, flow and action values, and the kernels that update them."""

    iterate: Iterate

    def __init__(self, solver: E, problem: Problem) -> None:
        super().__init__(solver, problem)
        self.iterate = solver._iterate(problem)
        self.policy, self.mu = self.iterate.policy, self.iterate.mu

    @property
    def flows(self) -> int:
        return self.earlier + self.iterate.flows

    def start(self, policy: FloatArray | None) -> None:
        if policy is not None:
            pieces.copy(policy, self.policy)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        return {"policy": self.policy}

    def restore(self, state: Arrays) -> None:
        pieces.copy(state["policy"], self.policy)

    def evaluate(self, due: bool) -> Evaluated:
        gap, _, value = self.iterate.evaluate()
        return Evaluated(gap, value, value, self.iterate.residual)


def fitting(kept: Arrays, own: Arrays) -> Arrays:
    """The arrays of a file, checked to have the names, shapes and types of those that they replace."""
    for name, array in {**own, **kept}.items():
        if name not in own or name not in kept or not isinstance(kept[name], np.ndarray):
            raise ValueError(f"array {name!r} is missing, or not of this solver")
        if kept[name].shape != own[name].shape or kept[name].dtype != own[name].dtype:
            raise ValueError(f"{name} has shape {array.shape} and type {array.dtype}")
    return kept


def as_rate_decay(decay: object, name: str) -> object:
    """Check the decay of a learning rate: one of the names in RateDecay, or a function of the iteration."""
    return decay if callable(decay) and not isinstance(decay, type) else check.as_choice(decay, name, RateDecay)


def as_decay(decay: object, name: str) -> object:
    """Check a decay: one of the names in Decay, or a function of the iteration."""
    return decay if callable(decay) and not isinstance(decay, type) else check.as_choice(decay, name, Decay)
