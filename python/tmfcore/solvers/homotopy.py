"""Path following in the temperature: Newton's method on equilibria of players who err less and less."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from math import inf, isfinite, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from tmfcore._base.validation import FloatArray
from tmfcore.solvers._exact import ExactSolver
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._registry import Turn, register
from tmfcore.solvers._rule import Arrays, Stuck
from tmfcore.solvers._solver import COUNT, POSITIVE
from tmfcore.solvers._spectral import LogitRule

__all__ = ["Homotopy"]

log = logging.getLogger(__name__)

FACTOR, LEAST_FACTOR = 0.5, 0.01  # of the temperature, from one equilibrium to the next; its root where that fails
RISE, TRIES = 4.0, 7
SOLVED = 1e-3  # residual, in log-odds, weighted by where agents are
STEPS, FORCING = 8, 0.05  # of Newton's method; the residual to which its linear systems are solved
HALVINGS = 6
DIFFERENCE = 1e-6  # what logits move by at most in a difference
FAINT = 1e-8  # weight of rows where nobody is


class _Path(LogitRule["Homotopy"]):
    """The logits of the last equilibrium found, its temperature (0: none yet), and the factor to the next."""

    def __init__(self, solver: Homotopy, problem: Problem) -> None:
        super().__init__(solver, problem)
        self.temperature, self.factor = 0.0, FACTOR
        self.level = np.zeros(self.policy.shape)  # log probabilities of no prior: entropy itself
        self.response = np.zeros(self.policy.shape)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        return super().state() | {"temperature": np.array([self.temperature, self.factor])}

    def restore(self, state: Arrays) -> None:
        super().restore(state)
        self.temperature, self.factor = (float(number) for number in state["temperature"])

    def rate(self, iteration: int, gap: float) -> float:
        return 1.0 / self.next_temperature(self.factor)

    def next_temperature(self, factor: float) -> float:
        """Where the path is followed to."""
        if self.temperature > 0:
            return factor * self.temperature
        if self.solver.temperature is not None:
            return self.solver.temperature
        spread = float(np.ptp(self.iterate.q, axis=-1).max())
        return spread if spread > 0 else 1.0

    def update(self, iteration: int, gap: float) -> float:
        factor, first = self.factor, self.next_temperature(self.factor)
        q = self.iterate.q.copy()
        for tries in range(TRIES):
            if self.temperature > 0:
                temperature, y = factor * self.temperature, self.logits
            else:  # no equilibrium yet: the higher the temperature, the easier it is found
                temperature = first * RISE**tries
                y = q / temperature
            found, steps = self.newton(y.copy(), temperature)
            if found is not None:
                break
            log.debug("no equilibrium found at temperature %.3g; a smaller step is tried", temperature)
            factor = sqrt(factor)
        else:
            self.iterate.soften(self.logits)
            self.iterate.evaluate()
            raise Stuck(f"the path of equilibria is lost after temperature {self.temperature:.3g}")
        if steps <= 3:
            factor = max(0.6 * factor, LEAST_FACTOR)
        elif steps > 5:
            factor = sqrt(factor)
        self.logits[...], self.temperature, self.factor = found, temperature, factor
        self.iterate.soften(self.logits)
        return 1.0 / temperature

    def residual(self, y: FloatArray, temperature: float) -> tuple[FloatArray, FloatArray]:
        """Y - G(y, temperature), and the shares of agents by decision, under which it has mean 0; (T, S, A).

        Shares are the mean of what the policies of y and of G do: an action that only one of them plays counts.
        """
        it = self.iterate
        np.copyto(self.response, y)
        it.soften(self.response)
        pi = it.policy.copy()
        it.play()
        it.regularise(self.response, self.level, temperature, 1.0)
        pi += it.policy
        pi *= 0.5
        off = y - self.response
        off -= (pi * off).sum(axis=-1, keepdims=True)
        return off, it.mu[:-1, :, np.newaxis] * pi

    def newton(self, y: FloatArray, temperature: float) -> tuple[FloatArray | None, int]:
        """The equilibrium of a temperature near y, and the steps taken; None where there is none in reach."""
        off, shares = self.residual(y, temperature)
        size = _norm(off, shares)
        for step in range(STEPS):
            if size <= SOLVED:
                return y, step
            scale = np.sqrt(shares + FAINT)
            direction = self.direction(y, off, scale, temperature)
            length = 1.0
            for _ in range(HALVINGS):
                moved = y + length * direction
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
        """Newton's step from y, by GMRES in coordinates in which rows count by where agents are."""
        from scipy.sparse.linalg import LinearOperator, gmres  # a tenth of a second, which others need not wait for

        def product(vector: FloatArray) -> FloatArray:
            along = vector.reshape(y.shape) / scale
            largest = float(np.abs(along).max())
            if largest == 0.0:
                return np.zeros_like(vector)
            h = DIFFERENCE / largest
            return np.asarray((scale * (self.residual(y + h * along, temperature)[0] - off)).ravel() / h)

        system = LinearOperator((y.size, y.size), matvec=product, dtype=np.float64)
        krylov = min(self.solver.krylov, y.size)
        found, _ = gmres(system, -(scale * off).ravel(), rtol=FORCING, restart=krylov, maxiter=1)
        return np.asarray(found.reshape(y.shape) / scale)


@register(
    rule=_Path,
    word="homotopy",
    update="pi = softmax(Q~ / tau) with Q~ net of entropy at tau, and tau falls",
    source="McKelvey and Palfrey 1995; Cui and Koeppl, arXiv:2102.01585",
    space=lambda scale: {"temperature": (0.01 * scale, 10.0 * scale, "log"), "krylov": (10, 200, "log")},
    turn=Turn(place=2, flows=100, largest=200_000),  # beyond which it would need gigabytes
)
@dataclass(frozen=True, kw_only=True, repr=False)
class Homotopy(ExactSolver):
    """Path following in the temperature, with a Newton-Krylov method; needs no monotonicity.

    The equilibrium of players who err, pi proportional to exp(Q~ / tau), with Q~ the values of players who are paid
    tau for a unit of entropy (McKelvey and Palfrey, Games Econ. Behav. 10, 1995; Cui and Koeppl, arXiv:2102.01585),
    is one for each tau where tau is large. An iteration follows it from one tau to a smaller one, and tau to 0 leads to
    an equilibrium of the game if the path does not turn back.

    With y the logits and G(y, tau) = Q~ / tau at the flow of softmax(y), Newton's method solves y = G(y, tau) by GMRES;
    products with the Jacobian are differences, each one flow and one pass of values. Rows count by where agents are.
    tau falls faster while Newton's method needs few steps; where it fails, a smaller fall is tried, and after seven
    the solver is stuck. History has 1 / tau as the learning rate.

    Parameters
    ----------
    iterations, tolerance, absolute_tolerance, patience, min_improvement, clock
        As in every solver.
    temperature : float or None, optional
        tau > 0 to begin at, in units of reward. None: max_{t,o} (max_a Q - min_a Q) at the first policy.
    krylov : int, optional
        Directions of GMRES at most, for each of which a table of the policy's size is kept.

    Notes
    -----
    An iteration costs tens to hundreds of flows, however large the game: as many as directions matter in which the
    population answers. Memory O(krylov T S A).

    Examples
    --------
    Rock, paper, scissors, where mirror descent and fictitious play go round:

    >>> import tmfcore as tmf
    >>> game = tmf.games.rock_paper_scissors()
    >>> solution = tmf.solvers.Homotopy().solve(game, tmf.Synchronous())
    >>> solution.converged, len(solution.history["iteration"]) < 10
    (True, True)
    """

    iterations: int = field(default=200, metadata=COUNT)
    temperature: float | None = field(default=None, metadata=POSITIVE)
    krylov: int = field(default=80, metadata=COUNT)


def _norm(off: FloatArray, shares: FloatArray) -> float:
    """Root mean square of log-odds over agents and steps; infinite where it is not a number."""
    size = sqrt(float((shares * off * off).sum()) / len(off)) if isfinite(float(np.abs(off).max())) else inf
    return size
