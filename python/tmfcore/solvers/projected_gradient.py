"""Projected gradient: probabilities follow the action values, at rates that need no knowledge of the game."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tmfcore._base import options
from tmfcore._random import seeding
from tmfcore.solvers._exact import ExactSolver
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._registry import register
from tmfcore.solvers._rule import NOT_A_NUMBER, Arrays, Diverged, TableRule, as_rate_decay
from tmfcore.solvers._secants import first_rate
from tmfcore.solvers._solver import COUNT, NOT_NEGATIVE, POSITIVE
from tmfcore.solvers._step_rules import IN_ITERATIONS, RateDecay, decay_factor

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["ProjectedGradient"]

QUARTER = 0.25  # of the first rate of mirror descent: the largest difference of two values moves a row from end to end


class _Projecting(TableRule["ProjectedGradient"]):
    """The policy, the unit of its rates, and the words of the noise."""

    def __init__(self, solver: ProjectedGradient, problem: Problem) -> None:
        super().__init__(solver, problem)
        self.unit = 0.0 if solver.learning_rate is None else solver.learning_rate  # 0: not known yet
        self.words = np.zeros(4, dtype=np.uint64)

    def sample_from(self, seed: seeding.Stream, threads: int | Executor | None) -> None:
        if self.solver.noise > 0:
            self.words = seeding.key(seeding.generator(seed))

    def state(self) -> dict[str, npt.NDArray[Any]]:
        return super().state() | {"unit": np.array(self.unit), "words": self.words}

    def restore(self, state: Arrays) -> None:
        super().restore(state)
        self.unit, self.words = float(state["unit"]), np.array(state["words"])

    def rate(self, iteration: int, gap: float) -> float:
        decay, steps = self.settings["learning_rate_decay"], self.settings["decay_iterations"]
        factor = decay_factor(decay, "learning_rate_decay", iteration, steps, self.last)
        return (self.unit or QUARTER * first_rate(self.iterate)) * factor

    def update(self, iteration: int, gap: float) -> float:
        self.unit = self.unit or QUARTER * first_rate(self.iterate)
        rate, noise = self.rate(iteration, gap), None
        if self.solver.noise > 0:
            words = [int(word) for word in self.words]
            noise = seeding.addressed(words, (iteration,)).standard_normal(self.policy.shape)
            noise *= self.solver.noise
        if not self.iterate.project(rate, noise):
            raise Diverged(NOT_A_NUMBER.format(iteration))
        return rate


@register(
    rule=_Projecting,
    word="projected-gradient",
    update="rows of pi + alpha Q, projected on the simplex; alpha = sqrt(1 + max M) / (k + 1), M geometric",
    source="Jordan, Lin and Zhou, arXiv:2310.14085",
    space=lambda scale: {"learning_rate": (0.02 / scale, 50.0 / scale, "log")},
    tested=({"learning_rate": 0.5, "learning_rate_decay": "harmonic"},),
)
@dataclass(frozen=True, kw_only=True, repr=False)
class ProjectedGradient(ExactSolver):
    """Projected gradient at the rates of AdaOGD, as we reconstruct it (Jordan, Lin and Zhou, arXiv:2310.14085).

        pi_{k+1}(t, o, .) = projection of pi_k(t, o, .) + alpha_k (Q_t^{pi_k}(o, .) + noise) on the simplex
        alpha_k = alpha sqrt(1 + max_{s <= k} M_s) / (k + 1),    M_s geometric, of mean log(s + 10)

    with Q along the flow of pi_k itself, as in MirrorDescent. For noisy values, and games whose gradient is strongly
    monotone: |pi - pi*|^2 falls about as 1 / k, without knowledge of the modulus mu, by which the rates 1 / (mu k) must
    be chosen ("harmonic"). Without noise MirrorDescent is faster.

    Parameters
    ----------
    iterations, tolerance, absolute_tolerance, patience, min_improvement, clock, altruism
        As in every solver.
    learning_rate : float or None, optional
        alpha > 0, in units of 1 / reward. None: 1 / max_{t,o} (max_a Q - min_a Q) of the first policy; then the unit of
        reward means nothing.
    learning_rate_decay : {"adaptive", "harmonic", "sqrt", "linear", "constant"} or callable k -> factor, optional
        Factor of the rate at update k. "adaptive": as above; "harmonic": 1 / (1 + k / decay_iterations); "sqrt": the
        square root of that; "linear": from 1 to 0 over `iterations`; "constant": 1; a callable: its return value, >= 0.
    decay_iterations : int or None, optional
        Only with "harmonic" and "sqrt". None: 1, with which "harmonic" and learning_rate 1 / mu is 1 / (mu (k + 1)).
    noise : float, optional
        Standard deviation, in units of reward, of normal noise that is added to every Q in every update: values as they
        are observed. Iterates are judged without it.

    Notes
    -----
    The paper states O(log^3 T / T) for |x - x*|^2 after T steps, knowing T. Its printed step was not at hand: the one
    above, with k in place of T, so that solves can be continued, is ours; the rates agree (page "Rates without a
    modulus"). The M_s are the same in every solve. The policy returned is the one of smallest exploitability; the last
    one is in `state["policy"]`.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0)
    >>> solution = tmf.solvers.ProjectedGradient(tolerance=0.01).solve(game, tmf.Synchronous())
    >>> print(solution.flow.mu[10].round(1))
    [0.5 0.3 0.1 0. ]
    """

    learning_rate: float | None = field(default=None, metadata=POSITIVE)
    learning_rate_decay: RateDecay | Callable[[int], float] = field(
        default="adaptive", metadata=options.of(as_rate_decay)
    )
    decay_iterations: int | None = field(
        default=None, metadata=COUNT | options.needs(1, learning_rate_decay=IN_ITERATIONS)
    )
    noise: float = field(default=0.0, metadata=NOT_NEGATIVE)

    def _draws(self, problem: Problem) -> bool:
        return self.noise > 0

    @property
    def _n_tables(self) -> float:
        return 4 + (self.noise > 0)
