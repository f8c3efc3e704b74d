"""Online mirror descent: logits follow the action values of the policy along its own flow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from tmfcore._base import validation as check
from tmfcore.solvers._exact import ExactSolver
from tmfcore.solvers._iterate import Iterate
from tmfcore.solvers._mirror import Ascent
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._rule import check_decay

__all__ = ["MirrorDescent"]


@dataclass(frozen=True, kw_only=True)
class MirrorDescent(ExactSolver):
    """Online mirror descent (Perolat et al., arXiv:2103.00623, algorithm 1).

        y_{k+1}(t, o, a) = y_k(t, o, a) + alpha_k Q_t^{pi_k}(o, a),   pi_{k+1} = softmax(y_{k+1})

    with Q along the flow of pi_k itself (theory.md section 3). Converges where the game is monotone and alpha is
    small. The tabular Munchausen iteration (Lauriere et al., arXiv:2203.11973) makes the same iterates: its
    temperature is 1 / alpha.

    Parameters
    ----------
    iterations, tolerance, absolute_tolerance, patience, min_improvement, clock
        As in every solver: updates at most; the exploitability at which to stop, in shares of |mean return| and in
        units of return; after how many iterations without an improvement of what share to give up (None: never); whose
        values are learnt and judged.
    learning_rate : float or None, optional
        alpha > 0, in units of 1 / reward: what the log-odds of two actions move per difference of their values. None:
        spectral. Where an update moved the policy by d pi and the action values answered by d Q, the next rate is the
        inverse of the stiffness -<dQ, d pi> / <d y, d pi> (Barzilai and Borwein, IMA J. Numer. Anal. 8, 1988), weighted
        by where agents are. The first is 4 / max_{t,o} (max_a Q - min_a Q); from one update to the next it at most
        quadruples, also where the stiffness is not positive, and falls at most to a fiftieth. After an iterate that is
        not the best it is the shortest of three that heed the stiffest direction; from the 13th update on those that
        start at the best are corrected by secants through the last two (theory.md section 9). After 100 iterates none
        of which is the best of its descent the solve begins again where it started, with a growth of at most 2, then
        sqrt 2 and so on, without short rates and secants; after five descents it is stuck.
    learning_rate_decay : {"constant", "sqrt", "harmonic", "linear"} or callable k -> factor, optional
        Factor of update k: 1; 1 / sqrt(1 + k / decay_iterations); the square of that; from 1 to 0 over
        `iterations`; or the caller's own, >= 0. Only with a rate of the caller's.
    decay_iterations : int, optional
    momentum : float, optional
        m in [0, 1): what is added is the heavy ball v_k = m v_{k-1} + Q instead of Q, with v_{-1} = 0.

    Raises
    ------
    TypeError, ValueError
        A hyperparameter of the wrong kind or out of bounds.

    Notes
    -----
    What moves the logits is the value of acting, Q, of an agent that acts at t, and not the chance beta_t mu_t(o)
    that there is one. On the clock "schedule" an action is kept until one acts again, about one sweep, so that
    differences of Q are sums of rewards over a sweep: they, and with them the rates that converge, do not depend on
    how many steps a sweep is cut into. On the clock "always" an action is kept for one step, and differences of Q
    fall with its length; a spectral rate makes up for that.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.beach_bar(20, horizon=10)
    >>> solution = tmf.solvers.MirrorDescent().solve(game, tmf.Synchronous())
    >>> solution.converged, solution.exploitability < 1e-4 * solution.mean_return
    (True, True)
    """

    learning_rate: float | None = None
    learning_rate_decay: str | Callable[[int], float] = "constant"
    decay_iterations: int = 10
    momentum: float = 0.0

    _soft: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.learning_rate is not None:
            rate = check.as_float(self.learning_rate, "learning_rate", low=0.0, low_open=True)
            self._store("learning_rate", rate)
        check_decay(self.learning_rate_decay, "learning_rate_decay")
        self._store("decay_iterations", check.as_positive_int(self.decay_iterations, "decay_iterations"))
        momentum = check.as_float(self.momentum, "momentum", low=0.0, high=1.0, high_open=True)
        self._store("momentum", momentum)
        if self.learning_rate is None and self.learning_rate_decay != "constant":
            raise ValueError("learning_rate_decay is given with a spectral rate; must come with a learning_rate")

    def _exact_rule(self, iterate: Iterate, problem: Problem) -> Ascent:
        return Ascent(self, iterate)
