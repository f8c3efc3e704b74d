"""Online mirror descent: logits follow the action values of the policy along its own flow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tmfcore._base import options
from tmfcore._base import validation as check
from tmfcore.solvers._exact import ExactSolver
from tmfcore.solvers._mirror import Climbing
from tmfcore.solvers._registry import Space, Turn, register
from tmfcore.solvers._rule import as_rate_decay
from tmfcore.solvers._solver import COUNT, POSITIVE
from tmfcore.solvers._step_rules import IN_ITERATIONS, RateDecay

__all__ = ["MirrorDescent"]


def space(scale: float) -> Space:
    """The search space of `tune`."""
    return {"learning_rate": (0.02 / scale, 50.0 / scale, "log"), "momentum": (0.0, 0.98)}


@register(
    rule=Climbing,
    word="mirror-descent",
    update="pi = softmax(y), y += alpha Q (or Q with momentum), corrected by two secants",
    source="Perolat et al., arXiv:2103.00623",
    space=space,
    turn=Turn(place=1, flows=200),
    tested=({"learning_rate": 0.5, "learning_rate_decay": "sqrt"}, {"momentum": 0.5}),
)
@dataclass(frozen=True, kw_only=True, repr=False)
class MirrorDescent(ExactSolver):
    """Online mirror descent (Perolat et al., arXiv:2103.00623, algorithm 1).

        y_{k+1}(t, o, a) = y_k(t, o, a) + alpha_k Q_t^{pi_k}(o, a),   pi_{k+1} = softmax(y_{k+1})

    with Q along the flow of pi_k itself (Theory, section 3). Converges if the game is monotone and alpha is small. The
    tabular Munchausen iteration (Lauriere et al., arXiv:2203.11973) with temperature 1 / alpha has the same iterates.

    Parameters
    ----------
    iterations, tolerance, absolute_tolerance, patience, min_improvement, clock, altruism
        As in every solver.
    learning_rate : float or None, optional
        alpha > 0, in units of 1 / reward: the change of the log-odds of two actions per difference of their values.
        None: a spectral rate, estimated anew in every update (Theory, section 9). If the last update changed the logits
        by dy, the policy by d pi and the action values by dQ, the next rate is the inverse of the stiffness
        -<dQ, d pi> / <dy, d pi> (Barzilai and Borwein, IMA J. Numer. Anal. 8, 1988), weighted by the shares of agents.
        The first rate is 4 / max_{t,o} (max_a Q - min_a Q). From one update to the next the rate grows at most
        fourfold, also if the stiffness is not positive, and falls at most to a fiftieth. After an iterate that is not
        the best so far, the smallest of three short rates is used; from the 13th update on, updates that start at the
        best iterate are corrected by two secants. After 100 iterates without a new best one the solve restarts from
        the first policy, with growth limited to 2, then sqrt 2 and so on, without short rates and secants; after five
        such descents the solver is stuck.
    learning_rate_decay : {"constant", "sqrt", "harmonic", "linear", "adaptive"}, callable k -> factor, or None
        Factor of the rate at update k. "constant": 1; "sqrt": 1 / sqrt(1 + k / decay_iterations); "harmonic": the
        square of that; "linear": from 1 to 0 over `iterations`; "adaptive": that of AdaOGD (ProjectedGradient); a
        callable: its return value, >= 0. Only with `learning_rate`. None: "constant".
    decay_iterations : int or None, optional
        Only with "sqrt" and "harmonic". None: 10.
    momentum : float, optional
        m in [0, 1) of the heavy ball: the logits move by alpha v_k with v_k = m v_{k-1} + Q, v_{-1} = 0.

    Notes
    -----
    Logits move by Q, the value of an agent that acts at t, not weighted by the chance beta_t mu_t(o) that an agent
    acts there. On the clock "schedule" an agent keeps the effect of an action until it acts again, about one sweep
    later. Differences of Q are then sums of rewards over a sweep, and neither they nor the rates that converge depend
    on the number of steps per sweep. On the clock "always" an action lasts one step, and differences of Q are
    proportional to its length; a spectral rate adapts to that.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.beach_bar(20, horizon=10)
    >>> solution = tmf.solvers.MirrorDescent().solve(game, tmf.Synchronous())
    >>> solution.converged, solution.exploitability < 1e-4 * solution.mean_return
    (True, True)
    """

    learning_rate: float | None = field(default=None, metadata=POSITIVE)
    learning_rate_decay: RateDecay | Callable[[int], float] | None = field(
        default=None, metadata=options.of(as_rate_decay) | options.needs("constant", learning_rate=options.GIVEN)
    )
    decay_iterations: int | None = field(
        default=None, metadata=COUNT | options.needs(10, learning_rate_decay=IN_ITERATIONS)
    )
    momentum: float = field(default=0.0, metadata=options.of(check.as_float, low=0.0, high=1.0, high_open=True))

    @property
    def _n_tables(self) -> float:
        return (9 if self.learning_rate is None else 5) + (self.momentum > 0)
