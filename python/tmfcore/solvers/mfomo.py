"""MF-OMO: equilibria are the zeros of a smooth function of occupation measures, values and shortfalls of actions."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tmfcore._base import pieces
from tmfcore._base.validation import FloatArray
from tmfcore._limit import flow as flow_kernel
from tmfcore._model.legal import lawful, uniform
from tmfcore.solvers._exact import ExactSolver
from tmfcore.solvers._minimise import minimise
from tmfcore.solvers._occupation import Occupation
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._registry import register
from tmfcore.solvers._rule import NOT_A_NUMBER, Arrays, Diverged, Stuck, TableRule
from tmfcore.solvers._solver import COUNT, POSITIVE

__all__ = ["MFOMO"]

log = logging.getLogger(__name__)

UNVISITED = 1e-12  # share of the population below which a row of L does not define a policy
LARGEST = 1e6  # largest multiple of the first penalty: beyond it L-BFGS makes no progress
STALLED, PROGRESS = 15, 0.01  # stalled: the best exploitability has not fallen by this share in so many iterations


class _Optimisation(TableRule["MFOMO"]):
    """The policy, the penalty, the scale R, and the exploitability of the previous policy."""

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
        """The penalty of the next iteration, given the exploitability of the present policy."""
        if not np.isfinite(self.before):
            return self.penalty
        return self.penalty * (2.0 if gap >= self.before else 1.0 / 1.2)

    def stalled(self, gap: float) -> bool:
        """Whether the solve is taken to be at a minimum above 0, given the exploitability of the present policy."""
        return gap > self.best * (1 - PROGRESS) and self.waited + 1 >= STALLED

    def begin_again(self) -> None:
        """Restart from the uniform policy; raise Stuck if the solve started there."""
        if self.uniform:
            raise Stuck(
                f"a minimum above 0: the best exploitability has not fallen by {PROGRESS:.0%} in {STALLED} "
                "iterations; start from another policy (initial=) or use tmf.solve"
            )
        self.uniform, self.best, self.waited, self.before = True, np.inf, 0, np.inf
        self.penalty = self.solver.penalty
        log.debug("restart from the uniform policy: no progress by %g in %d iterations", PROGRESS, STALLED)
        self.policy[...] = uniform(self.problem.game)

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
        rows = list(pieces.parts(len(policy), policy[0].size))

        def shortfalls(part: slice) -> FloatArray:
            """By how much each action is worse than the best one."""
            q = self.q[part]
            best: FloatArray = q.max(axis=-1, keepdims=True)
            return best - q

        penalty = self.grown(gap)
        if penalty > LARGEST * self.solver.penalty:
            limit = f"the penalty has grown from {self.solver.penalty:g} to its limit, {self.penalty:.3g}"
            raise Stuck(f"{limit}; start from another policy (initial=) or use tmf.solve")
        self.penalty, self.before = penalty, gap
        if self.scale == 0.0:
            spread = max(float(shortfalls(part).max()) for part in rows)
            self.scale = spread if spread > 0 else 1.0

        width, branches = self.problem.groups
        objective = Occupation(
            game.model, game.initial, active, game.n_steps, game.discount, always,
            self.penalty * self.scale, 0.1 * self.penalty / self.scale, width=width, branches=branches,
        )  # fmt: skip
        cells: Any = slice(None) if game.legal is None else np.flatnonzero(game.legal)
        size = len(policy) * (policy[0].size if game.legal is None else len(cells))

        unit = self.scale

        def split(x: FloatArray) -> tuple[FloatArray, FloatArray]:
            """Views of L and z (2, T, legal actions) and y without its last row (T, S)."""
            return x[: 2 * size].reshape(2, len(policy), -1), x[2 * size :].reshape(len(policy), -1)

        def vector(*tables: Callable[[slice], FloatArray]) -> FloatArray:
            """The vector of L, z and y, of which functions give the rows of some steps."""
            found = np.empty(2 * size + policy[..., 0].size)
            (occupation, shortfall), values = split(found)
            for part in rows:
                new = [table(part).reshape(part.stop - part.start, -1) for table in tables]
                occupation[part], shortfall[part], values[part] = new[0][:, cells], new[1][:, cells], new[2]
            return found

        def parts(x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
            """The parts L, y and z of x, which has y and z in units of R; L and z are 0 at illegal actions."""
            y, tables = np.zeros_like(self.values), np.zeros((2, *policy.shape))
            (occupation, shortfall), values = split(x)
            all_occupation, all_shortfall = tables.reshape(2, len(policy), -1)
            for part in rows:
                y[part] = unit * values[part]
                all_occupation[part, cells] = occupation[part]
                all_shortfall[part, cells] = unit * shortfall[part]
            return tables[0], y, tables[1]

        def function(x: FloatArray) -> tuple[float, FloatArray]:
            """F / R and its gradient."""
            value = objective.objective(*parts(x), *self.slopes)
            by_occupation, by_value, by_shortfall = self.slopes
            gradient = vector(
                lambda part: by_occupation[part] / unit, lambda part: by_shortfall[part], lambda part: by_value[part]
            )
            return value / unit, gradient

        x = vector(
            lambda part: mu[part, :, np.newaxis] * policy[part],
            lambda part: shortfalls(part) / unit,
            lambda part: self.values[part] / unit,
        )
        nonnegative = np.zeros(len(x), dtype=np.bool_)
        nonnegative[: 2 * size] = True
        occupation, _, _ = parts(minimise(function, x, nonnegative, self.solver.steps, target=0.0))
        one = np.eye(policy.shape[2])
        for part in rows:
            there = occupation[part].sum(axis=-1, keepdims=True)
            responses = one[lawful(self.q[part].argmax(axis=-1), game.legal)]
            new = np.where(there > UNVISITED, occupation[part] / np.maximum(there, UNVISITED), responses)
            new /= new.sum(axis=-1, keepdims=True)
            if not np.isfinite(new).all():
                raise Diverged(NOT_A_NUMBER.format(iteration))
            policy[part] = new
        return penalty


@register(
    rule=_Optimisation,
    word="mfomo",
    update="lowers the MF-OMO objective over occupation measures",
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

    (_occupation.Occupation defines the residuals). F is 0 at the equilibria and nowhere else, so no monotonicity is
    needed, but the method may end at a local minimum above 0. R, the largest difference of two Q at one (t, o) of the
    first policy, is the unit of y, z and F: the iterates do not depend on the unit of reward.

    An iteration starts from a policy: L is its flow, y are the values of the best response, and z is the shortfall of
    each action against the best response. Both residuals are then 0, and F is the exploitability (without discounting
    over steps). The iteration makes `steps` steps of a projected L-BFGS method; the next policy is
    L_t(o, a) / sum_b L_t(o, b), or the best response where there are no agents. If its exploitability is not smaller
    than before, the penalty c doubles for the next iteration, else it is divided by 1.2. At a million times its first
    value the solver is stuck. The learning rate in the history is c.

    If the best exploitability has not fallen by 1% in 15 iterations, the policy is taken to be at a minimum above 0. A
    solve that started from another policy than the uniform one restarts from the uniform policy (rate 0 in the
    history); a solve that started from the uniform policy is stuck.

    Parameters
    ----------
    iterations, tolerance, absolute_tolerance, patience, min_improvement, clock, altruism
        As in every solver.
    penalty : float, optional
        The first c > 0.
    steps : int, optional
        L-BFGS steps per iteration.

    Notes
    -----
    With clock="always" minima with F = 0 are equilibria if every agent has a positive chance to act at every step.

    Cost of a step: O(T S A K); if the game depends on mu, O(T S^2 A K) and 2 S evaluations of its tables at every t,
    since derivatives are one-sided differences of order h^2, h = 1e-7; on the tree of a noise they are taken at all
    histories together, by 2 S evaluations with S of the original game. For games of up to about 100 observations.

    Examples
    --------
    Rock, paper, scissors against the population, where mirror descent and fictitious play cycle:

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

    _selfish = "its gradient would need second derivatives of the game in mu, those of the prices; use tmf.solve"

    @property
    def _n_tables(self) -> float:
        return 110  # with the steps that L-BFGS keeps
