"""MF-OMO: equilibria as the minima of a smooth function of occupation measures, values and shortfalls."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tmfcore._base.validation import FloatArray
from tmfcore._limit import flow as flow_kernel
from tmfcore.solvers._exact import ExactSolver
from tmfcore.solvers._minimise import minimise
from tmfcore.solvers._occupation import Occupation
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._registry import register
from tmfcore.solvers._rule import NOT_A_NUMBER, Arrays, Diverged, Stuck, TableRule
from tmfcore.solvers._solver import COUNT, POSITIVE

__all__ = ["MFOMO"]

log = logging.getLogger(__name__)

UNVISITED = 1e-12  # share of the population below which a row of L says nothing
LARGEST = 1e6  # times the penalty at the start: L-BFGS makes no way against so stiff a residual
STALLED, PROGRESS = 15, 0.01  # iterations in which the best exploitability has not fallen by that share of itself


class _Optimisation(TableRule["MFOMO"]):
    """The policy, the penalty, the scale R, and the exploitability of the policy before."""

    def __init__(self, solver: MFOMO, problem: Problem) -> None:
        super().__init__(solver, problem)
        self.penalty, self.scale, self.before = solver.penalty, 0.0, np.inf  # scale 0: not known yet
        self.best, self.waited, self.uniform = np.inf, 0, True
        shape = self.policy.shape
        self.values, self.q = np.zeros((shape[0] + 1, shape[1])), np.zeros(shape)
        self.slopes = np.zeros(shape), np.zeros_like(self.values), np.zeros(shape)

    def start(self, policy: FloatArray | None) -> None:
        super().start(policy)
        self.uniform = policy is None

    def state(self) -> dict[str, npt.NDArray[Any]]:
        numbers = np.array([self.penalty, self.scale, self.before, self.best, self.waited, self.uniform])
        return super().state() | {"penalty": numbers}

    def restore(self, state: Arrays) -> None:
        super().restore(state)
        numbers = (float(number) for number in state["penalty"])
        self.penalty, self.scale, self.before, self.best, waited, uniform = numbers
        self.waited, self.uniform = int(waited), bool(uniform)

    def rate(self, iteration: int, gap: float) -> float:
        return 0.0 if self.stalled(gap) else min(self.grown(gap), LARGEST * self.solver.penalty)

    def grown(self, gap: float) -> float:
        """The penalty after a policy of that exploitability."""
        if not np.isfinite(self.before):
            return self.penalty
        return self.penalty * (2.0 if gap >= self.before else 1.0 / 1.2)

    def stalled(self, gap: float) -> bool:
        """Whether a policy of that exploitability is at a minimum above 0, or near one."""
        return gap > self.best * (1 - PROGRESS) and self.waited + 1 >= STALLED

    def begin_again(self) -> None:
        """From the uniform policy, unless the solve came from there."""
        if self.uniform:
            raise Stuck(
                f"a minimum above 0: {STALLED} iterations have not lowered the best exploitability by "
                f"{PROGRESS:.0%}; begin at another policy (initial=) or take tmf.solve"
            )
        self.uniform, self.best, self.waited, self.before = True, np.inf, 0, np.inf
        self.penalty = self.solver.penalty
        log.debug("begins again at the uniform policy: no progress by %g in %d iterations", PROGRESS, STALLED)
        self.policy.fill(1.0 / self.iterate.n_actions)

    def update(self, iteration: int, gap: float) -> float:
        if self.stalled(gap):
            self.begin_again()
            return 0.0
        if gap > self.best * (1 - PROGRESS):
            self.waited += 1
        else:
            self.best, self.waited = gap, 0
        game, active, always = self.problem.game, self.problem.active, self.problem.always
        policy, mu = self.iterate.policy, self.iterate.mu
        flow_kernel.backward(game.model, None, mu, active, game.discount, always, self.values, self.q, None)
        best = self.q.max(axis=-1, keepdims=True)
        penalty = self.grown(gap)
        if penalty > LARGEST * self.solver.penalty:
            raise Stuck(f"the penalty has grown from {self.solver.penalty:g} to {self.penalty:.3g}")
        self.penalty, self.before = penalty, gap
        if self.scale == 0.0:
            spread = float((best - self.q).max())
            self.scale = spread if spread > 0 else 1.0

        objective = Occupation(
            game.model, game.initial, active, game.n_steps, game.discount, always,
            self.penalty * self.scale, 0.1 * self.penalty / self.scale,
        )  # fmt: skip
        size = policy.size

        def parts(x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
            """L, y and z of one vector."""
            y = np.zeros_like(self.values)
            y[:-1] = x[2 * size :].reshape(-1, policy.shape[1])
            return x[:size].reshape(policy.shape), y, x[size : 2 * size].reshape(policy.shape)

        def function(x: FloatArray) -> tuple[float, FloatArray]:
            value = objective.objective(*parts(x), *self.slopes)
            by_occupation, by_value, by_shortfall = self.slopes
            return value, np.concatenate([by_occupation.ravel(), by_shortfall.ravel(), by_value[:-1].ravel()])

        at_policy = mu[:-1, :, np.newaxis] * policy, best - self.q, self.values[:-1]
        x = np.concatenate([array.ravel() for array in at_policy])
        nonnegative = np.arange(len(x)) < 2 * size
        occupation, _, _ = parts(minimise(function, x, nonnegative, self.solver.steps, target=0.0))
        there = occupation.sum(axis=-1, keepdims=True)
        responses = np.eye(policy.shape[2])[self.q.argmax(axis=-1)]
        policy[...] = np.where(there > UNVISITED, occupation / np.maximum(there, UNVISITED), responses)
        policy /= policy.sum(axis=-1, keepdims=True)
        if not np.isfinite(policy).all():
            raise Diverged(NOT_A_NUMBER.format(iteration))
        return penalty


@register(
    rule=_Optimisation,
    word="mfomo",
    update="a smaller value of the MF-OMO objective over occupation measures",
    source="Guo, Hu and Zhang, arXiv:2206.09608",
    space=lambda scale: {"penalty": (1.0, 1e4, "log"), "steps": (20, 500, "log")},
    tested=({"penalty": 50.0},),
    quick={"steps": 4},
)
@dataclass(frozen=True, kw_only=True, repr=False)
class MFOMO(ExactSolver):
    """Mean-field occupation-measure optimisation (Guo, Hu and Zhang, arXiv:2206.09608).

    Minimises, over L >= 0, y and z >= 0,

        F = c R sum |flow residual|^2 + c / (10 R) sum |value residual|^2 + sum_{t,o,a} z_t(o, a) L_t(o, a)

    (_occupation.Occupation has the residuals), which is 0 at the equilibria and only there: no monotonicity is needed,
    though a local minimum above 0 may be found. R, the largest difference of two Q at one (t, o) at the start, makes
    the terms comparable in any unit of reward.

    An iteration starts from a policy, where L is its flow, y the values of the best response and z what each action
    falls short of it: both residuals are then 0, and F is the exploitability (with all steps counted alike). It makes
    `steps` steps of a projected L-BFGS method and takes the policy L_t(o, a) / sum_b L_t(o, b), best responses where
    nobody is. If that is more exploitable than the policy before, the penalty c doubles for the next iteration, else
    it is divided by 1.2. At a million times its start the method is stuck, and stops. History has c as the learning
    rate.

    Where 15 iterations have not lowered the best exploitability by 1%, the policy is at a minimum above 0. A solve
    from another policy than the uniform one begins again there, which history has as rate 0; one from the uniform
    policy is stuck.

    Parameters
    ----------
    iterations, tolerance, absolute_tolerance, patience, min_improvement, clock
        As in every solver.
    penalty : float, optional
        c > 0 at the start.
    steps : int, optional
        Steps of an iteration.

    Notes
    -----
    On clock="always" minima with F = 0 are equilibria if everybody has a chance to act at every step.

    Cost of a step: O(T S A K), and where the game depends on mu O(T S^2 A K) with 2 S evaluations of its tables at
    every t, since derivatives are one-sided differences of order h^2, h = 1e-7. For games of up to about 100
    observations.

    Examples
    --------
    Rock, paper, scissors, where mirror descent and fictitious play go round: who shows what meets the crowd.

    >>> import numpy as np, tmfcore as tmf
    >>> beats = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    >>> game = tmf.Game(3, 3, horizon=2, discount=1.0, initial=[1, 0, 0], transition=np.tile(np.eye(3), (3, 1, 1)),
    ...                 reward=lambda mu: np.repeat((beats @ mu)[:, None], 3, axis=1))
    >>> solution = tmf.solvers.MFOMO(absolute_tolerance=1e-6).solve(game, tmf.Synchronous())
    >>> solution.converged
    True
    >>> print(solution.flow.mu[1].round(2))
    [0.33 0.33 0.33]
    """

    iterations: int = field(default=100, metadata=COUNT)
    penalty: float = field(default=100.0, metadata=POSITIVE)
    steps: int = field(default=100, metadata=COUNT)
