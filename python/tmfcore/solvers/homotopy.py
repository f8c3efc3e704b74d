"""Path following in the temperature: Newton's method on logit equilibria of falling temperature."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf, isfinite, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from tmfcore._base import pieces
from tmfcore._base.validation import FloatArray
from tmfcore.solvers._exact import ExactSolver
from tmfcore.solvers._krylov import gmres
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._registry import Turn, register
from tmfcore.solvers._rule import Arrays, Stuck
from tmfcore.solvers._solver import COUNT, POSITIVE
from tmfcore.solvers._spectral import LogitRule

__all__ = ["Homotopy"]

log = logging.getLogger(__name__)

FACTOR, LEAST_FACTOR = 0.5, 0.01  # factor of the temperature from one equilibrium to the next: first, and smallest
RISE, TRIES = 4.0, 7
SOLVED = 1e-3  # residual at which an equilibrium is accepted: log-odds, weighted by the shares of agents
STEPS, FORCING = 8, 0.05  # Newton steps at most; relative residual at which GMRES stops
HALVINGS = 6
DIFFERENCE = 1e-6  # largest change of a logit in a finite difference
FAINT = 1e-8  # weight of rows without agents


class _Path(LogitRule["Homotopy"]):
    """The logits of the last equilibrium found, its temperature (0: none yet), and the next factor."""

    def __init__(self, solver: Homotopy, problem: Problem) -> None:
        super().__init__(solver, problem)
        self.temperature, self.factor = 0.0, FACTOR
        self.level = self.logits.copy()  # a prior of all zeros: plain entropy instead of a divergence
        self.response = np.zeros(self.policy.shape)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        return super().state() | {"temperature": np.array([self.temperature, self.factor])}

    def restore(self, state: Arrays) -> None:
        super().restore(state)
        self.temperature, self.factor = (float(number) for number in state["temperature"])

    def rate(self, iteration: int, gap: float) -> float:
        return 1.0 / self.next_temperature(self.factor)

    def next_temperature(self, factor: float) -> float:
        """The temperature of the next equilibrium."""
        if self.temperature > 0:
            return factor * self.temperature
        if self.solver.temperature is not None:
            return self.solver.temperature
        q = self.iterate.q
        spread = max(float(np.ptp(q[part], axis=-1).max()) for part in pieces.parts(len(q), q[0].size))
        return spread if spread > 0 else 1.0

    def update(self, iteration: int, gap: float) -> float:
        factor, first = self.factor, self.next_temperature(self.factor)
        q = pieces.copied(self.iterate.q)
        for tries in range(TRIES):
            if self.temperature > 0:
                temperature, y = factor * self.temperature, self.logits
            else:  # no equilibrium yet: high temperatures are easier to solve
                temperature = first * RISE**tries
                y = _of_tables(lambda q, level, unit=temperature: q / unit + level, q, self.level)
            found, steps = self.newton(pieces.copied(y), temperature)
            if found is not None:
                break
            log.debug("no equilibrium found at temperature %.3g; trying a smaller step", temperature)
            factor = sqrt(factor)
        else:
            self.iterate.soften(self.logits)
            self.iterate.evaluate()
            raise Stuck(f"no equilibrium found after that of temperature {self.temperature:.3g}; try another initial=")
        if steps <= 3:
            factor = max(0.6 * factor, LEAST_FACTOR)
        elif steps > 5:
            factor = sqrt(factor)
        self.logits[...], self.temperature, self.factor = found, temperature, factor
        self.iterate.soften(self.logits)
        return 1.0 / temperature

    def residual(self, y: FloatArray, temperature: float) -> tuple[FloatArray, FloatArray]:
        """Y - G(y, temperature), and the shares of agents by decision, under which it has mean 0; both (T, S, A).

        Shares average the policies of y and of G, so that actions which only one of them plays have weight, too.
        """
        it = self.iterate
        pieces.copy(y, self.response)
        it.soften(self.response)
        pi = pieces.copied(it.policy)
        it.play()
        it.regularise(self.response, self.level, temperature, 1.0)
        off = np.empty_like(y)
        for part in pieces.parts(len(y), y[0].size):
            pi[part] += it.policy[part]
            pi[part] *= 0.5
            off[part] = y[part] - self.response[part]
            off[part] -= (pi[part] * off[part]).sum(axis=-1, keepdims=True)
            if self.problem.game.legal is not None:
                off[part, ~self.problem.game.legal] = 0.0
            pi[part] *= it.mu[:-1][part, :, np.newaxis]
        return off, pi

    def newton(self, y: FloatArray, temperature: float) -> tuple[FloatArray | None, int]:
        """The equilibrium near y at this temperature (None if not found), and the number of steps."""
        off, shares = self.residual(y, temperature)
        size = _norm(off, shares)
        for step in range(STEPS):
            if size <= SOLVED:
                return y, step
            scale = _of_tables(lambda shares: np.sqrt(shares + FAINT), shares)
            direction = self.direction(y, off, scale, temperature)
            length = 1.0
            for _ in range(HALVINGS):
                moved = _of_tables(lambda y, along, length=length: y + length * along, y, direction)
                there, shares = self.residual(moved, temperature)
                found = _norm(there, shares)
                if found < size * (1 - 0.1 * length):
                    break
                length *= 0.5
            if not found < size:
                return None, step
            y, off, size = moved, there, found
        return (y, STEPS) if size <= SOLVED else (None, STEPS)

    def direction(self, y: FloatArray, off: FloatArray, scale: FloatArray, temperature: float) -> FloatArray:
        """Newton's step from y, by GMRES in coordinates weighted by the shares of agents."""

        def product(vector: FloatArray) -> FloatArray:
            along = _of_tables(np.divide, vector.reshape(y.shape), scale)
            largest = float(max(along.max(), -along.min()))
            if largest == 0.0:
                return np.zeros_like(vector)
            h = DIFFERENCE / largest
            there, _ = self.residual(_of_tables(lambda y, along: y + h * along, y, along), temperature)
            return _of_tables(lambda scale, there, off: scale * (there - off) / h, scale, there, off).reshape(-1)

        krylov = min(self.solver.krylov, int((self.level == 0.0).sum()))  # illegal actions add no direction
        wanted = _of_tables(lambda scale, off: -(scale * off), scale, off).reshape(-1)
        return _of_tables(np.divide, gmres(product, wanted, FORCING, krylov).reshape(y.shape), scale)


@register(
    rule=_Path,
    word="homotopy",
    update="pi = softmax(Q~ / tau), Q~ with an entropy bonus of weight tau; tau falls",
    source="McKelvey and Palfrey 1995; Cui and Koeppl, arXiv:2102.01585",
    space=lambda scale: {"temperature": (0.01 * scale, 10.0 * scale, "log"), "krylov": (10, 200, "log")},
    turn=Turn(place=2, flows=100, largest=200_000),  # larger policies would need gigabytes
)
@dataclass(frozen=True, kw_only=True, repr=False)
class Homotopy(ExactSolver):
    """Path following in the temperature, with a Newton-Krylov method; needs no monotonicity.

    At a temperature tau > 0 the logit equilibrium has pi proportional to exp(Q~ / tau), with Q~ the action values of
    agents that earn tau per unit of entropy (McKelvey and Palfrey, Games Econ. Behav. 10, 1995; Cui and Koeppl,
    arXiv:2102.01585). For large tau it is unique. Each iteration follows it from one tau to a smaller one; as tau tends
    to 0 it leads to an equilibrium of the game, unless the path turns back.

    With y the logits and G(y, tau) = Q~ / tau at the flow of softmax(y), Newton's method solves y = G(y, tau) with
    GMRES. A product with the Jacobian is a finite difference that costs one flow and one pass of values. Rows are
    weighted by the share of agents there. tau falls faster while Newton's method needs few steps. If Newton's method
    fails, smaller steps of tau are tried; after seven failures the solver is stuck. The learning rate in the history
    is 1 / tau.

    Parameters
    ----------
    iterations, tolerance, absolute_tolerance, patience, min_improvement, clock, altruism
        As in every solver.
    temperature : float or None, optional
        The first tau > 0, in units of reward. None: max_{t,o} (max_a Q - min_a Q) at the first policy.
    krylov : int, optional
        The largest number of GMRES directions, each of which is stored as a table of the policy's size.

    Notes
    -----
    An iteration costs tens to hundreds of flows. Their number depends on the number of directions in which the
    population responds, not on the size of the game. Memory: O(krylov T S A).

    Examples
    --------
    Rock, paper, scissors, where mirror descent and fictitious play cycle:

    >>> import tmfcore as tmf
    >>> game = tmf.games.rock_paper_scissors()
    >>> solution = tmf.solvers.Homotopy().solve(game, tmf.Synchronous())
    >>> solution.converged, len(solution.history["iteration"]) < 10
    (True, True)
    """

    iterations: int = field(default=200, metadata=COUNT)
    temperature: float | None = field(default=None, metadata=POSITIVE)
    krylov: int = field(default=80, metadata=COUNT)

    @property
    def _n_tables(self) -> float:
        return 21 + self.krylov


def _norm(off: FloatArray, shares: FloatArray) -> float:
    """Root mean square of log-odds over agents and steps; infinite if an entry is not finite."""
    if not isfinite(float(max(off.max(), -off.min()))):
        return inf
    return sqrt(float(_of_tables(lambda shares, off: shares * off * off, shares, off).sum()) / len(off))


def _of_tables(function: Callable[..., FloatArray], first: FloatArray, *others: FloatArray) -> FloatArray:
    """pieces.elementwise of tables of one shape."""
    flat = (table.reshape(-1) for table in (first, *others))
    return pieces.elementwise(function, *flat).reshape(first.shape)
