"""Online mirror descent: logits follow the action values of the policy along its own flow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from tmfcore import _validation as check
from tmfcore._descent import Iterate
from tmfcore._validation import FloatArray
from tmfcore.solvers._adaptive import AdaptiveRate, growing_momentum
from tmfcore.solvers._exact import ExactSolver
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._rule import NOT_A_NUMBER, Arrays, Diverged, TableRule, check_decay, next_rate

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
        adaptive. It starts at 2 / max_{t,o} (max_a Q - min_a Q) and grows with every iterate that is the best
        so far, by 20% until it halves for the first time and by 5% from then on. An iterate 1.5 times as
        exploitable as the best (half as much more each time in a row) is dropped, and the step from the best
        one tried again at half the rate; it also halves after 50 iterates none of which is best.
    learning_rate_decay : {"constant", "sqrt", "harmonic", "linear"} or callable k -> factor, optional
        Factor of update k: 1; 1 / sqrt(1 + k / decay_iterations); the square of that; from 1 to 0 over
        `iterations`; or the caller's own, >= 0. Not with an adaptive rate.
    decay_iterations : int, optional
    momentum : float or None, optional
        m in [0, 1): what is added is the heavy ball v_k = m v_{k-1} + Q instead of Q, with v_{-1} = 0; an adaptive rate
        that drops an iterate drops v with it. None: with an adaptive rate min(k / (k + 10), 0.95) at update k, with a
        given one 0, the iteration of the paper.

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
    fall with its length; an adaptive rate makes up for that.

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
    momentum: float | None = None

    _soft: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.learning_rate is not None:
            rate = check.as_float(self.learning_rate, "learning_rate", low=0.0, low_open=True)
            self._store("learning_rate", rate)
        check_decay(self.learning_rate_decay, "learning_rate_decay")
        self._store("decay_iterations", check.as_positive_int(self.decay_iterations, "decay_iterations"))
        if self.momentum is not None:
            momentum = check.as_float(self.momentum, "momentum", low=0.0, high=1.0, high_open=True)
            self._store("momentum", momentum)
        if self.learning_rate is None and self.learning_rate_decay != "constant":
            raise ValueError("learning_rate_decay is given with an adaptive rate; must come with a learning_rate")

    def _exact_rule(self, iterate: Iterate, problem: Problem) -> _Ascent:
        return _Ascent(self, iterate)


class _Ascent(TableRule):
    """Logits, velocity and, where the rate is adaptive, the best logits with the direction from there."""

    def __init__(self, solver: MirrorDescent, iterate: Iterate) -> None:
        super().__init__(iterate)
        self.solver = solver
        self.logits = np.zeros(iterate.policy.shape)
        moves = solver.learning_rate is None if solver.momentum is None else solver.momentum > 0
        self.velocity = np.zeros_like(self.logits) if moves else None
        self.adaptive = AdaptiveRate() if solver.learning_rate is None else None
        if self.adaptive is not None:
            self.best_logits, self.best_q = np.zeros_like(self.logits), np.zeros_like(self.logits)

    def start(self, policy: FloatArray | None) -> None:
        if policy is not None:
            self.logits[...] = np.log(policy)
            self.iterate.soften(self.logits)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        state = {"logits": self.logits.copy()}
        if self.velocity is not None:
            state["velocity"] = self.velocity.copy()
        if self.adaptive is not None:
            state["rate"] = self.adaptive.state()
            state |= {"best_logits": self.best_logits.copy(), "best_q": self.best_q.copy()}
        return state

    def restore(self, state: Arrays) -> None:
        self.logits[...] = state["logits"]
        if self.velocity is not None:
            self.velocity[...] = state["velocity"]
        if self.adaptive is not None:
            self.adaptive.restore(state["rate"])
            self.best_logits[...], self.best_q[...] = state["best_logits"], state["best_q"]
        self.iterate.soften(self.logits)

    def rate(self, iteration: int, gap: float) -> float:
        s = self.solver
        if self.adaptive is not None:
            return self.adaptive.after(gap, self.first_rate())
        assert s.learning_rate is not None, "else it is adaptive"
        return next_rate(
            s.learning_rate, s.learning_rate_decay, "learning_rate_decay", iteration, s.decay_iterations, self.last
        )

    def update(self, iteration: int, gap: float) -> float:
        rate = self.rate(iteration, gap)
        if self.adaptive is not None:
            self.adapt(self.adaptive, gap)
        if not self.iterate.ascend(self.logits, self.velocity, rate, self.momentum(iteration)):
            raise Diverged(NOT_A_NUMBER.format(iteration))
        return rate

    def first_rate(self) -> float:
        """Of an adaptive rate."""
        spread = float(np.ptp(self.iterate.q, axis=-1).max())
        return 2.0 / spread if spread > 0 else 1.0

    def momentum(self, iteration: int) -> float:
        """Of this update."""
        given = self.solver.momentum
        return growing_momentum(iteration) if given is None else given

    def adapt(self, adaptive: AdaptiveRate, gap: float) -> None:
        """Choose the rate of the next update, and whether it starts from here or from the best logits."""
        if adaptive.now == 0.0:
            adaptive.now = self.first_rate()
        verdict = adaptive.judge(gap)
        if verdict == "keep":
            np.copyto(self.best_logits, self.logits)
            np.copyto(self.best_q, self.iterate.q)
        elif verdict == "go back":
            np.copyto(self.logits, self.best_logits)
            np.copyto(self.iterate.q, self.best_q)
            if self.velocity is not None:
                self.velocity.fill(0.0)
