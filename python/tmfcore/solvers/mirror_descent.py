"""Online mirror descent: logits follow the action values of the policy along its own flow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tmfcore._base import options
from tmfcore._base import validation as check
from tmfcore.solvers._exact import ExactSolver
from tmfcore.solvers._mirror import Climbing
from tmfcore.solvers._registry import Space, Turn, register
from tmfcore.solvers._rule import as_decay
from tmfcore.solvers._solver import COUNT, POSITIVE
from tmfcore.solvers._step_rules import IN_ITERATIONS, Decay

__all__ = ["MirrorDescent"]


def space(scale: float) -> Space:
    """Rates, and momentum."""
    return {"learning_rate": (0.02 / scale, 50.0 / scale, "log"), "momentum": (0.0, 0.98)}


@register(
    rule=Climbing,
    word="mirror-descent",
    update="pi = softmax(y), y += alpha Q (or a heavy ball of Q), less two secants",
    source="Perolat et al., arXiv:2103.00623",
    space=space,
    turn=Turn(place=1, flows=200),
    tested=({"learning_rate": 0.5, "learning_rate_decay": "sqrt"}, {"momentum": 0.5}),
)
@dataclass(frozen=True, kw_only=True, repr=False)
class MirrorDescent(ExactSolver):
    """Online mirror descent (Perolat et al., arXiv:2103.00623, algorithm 1).

        y_{k+1}(t, o, a) = y_k(t, o, a) + alpha_k Q_t^{pi_k}(o, a),   pi_{k+1} = softmax(y_{k+1})

    with Q along the flow of pi_k itself (Theory, section 3). Converges where the game is monotone and alpha is
    small. The tabular Munchausen iteration (Lauriere et al., arXiv:2203.11973) makes the same iterates: its
    temperature is 1 / alpha.

    Parameters
    ----------
    iterations, tolerance, absolute_tolerance, patience, min_improvement, clock
        As in every solver.
    learning_rate : float or None, optional
        alpha > 0, in units of 1 / reward: what the log-odds of two actions move per difference of their values. None:
        spectral. Where an update moved the policy by d pi and the action values answered by d Q, the next rate is the
        inverse of the stiffness -<dQ, d pi> / <d y, d pi> (Barzilai and Borwein, IMA J. Numer. Anal. 8, 1988), weighted
        by where agents are. The first is 4 / max_{t,o} (max_a Q - min_a Q); from one update to the next it at most
        quadruples, also where the stiffness is not positive, and falls at most to a fiftieth. After an iterate that is
        not the best it is the shortest of three that heed the stiffest direction; from the 13th update on those that
        start at the best are corrected by secants through the last two (Theory, section 9). After 100 iterates none
        of which is the best of its descent the solve begins again where it started, with a growth of at most 2, then
        sqrt 2 and so on, without short rates and secants; after five descents it is stuck.
    learning_rate_decay : {"constant", "sqrt", "harmonic", "linear"}, callable k -> factor, or None, optional
        Factor of update k: 1; 1 / sqrt(1 + k / decay_iterations); the square of that; from 1 to 0 over
        `iterations`; or the caller's own, >= 0. Only with a rate of the caller's. None: "constant".
    decay_iterations : int or None, optional
        Only of "sqrt" and "harmonic". None: 10.
    momentum : float, optional
        m in [0, 1): what is added is the heavy ball v_k = m v_{k-1} + Q instead of Q, with v_{-1} = 0.

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

    learning_rate: float | None = field(default=None, metadata=POSITIVE)
    learning_rate_decay: Decay | Callable[[int], float] | None = field(
        default=None, metadata=options.of(as_decay) | options.needs("constant", learning_rate=options.GIVEN)
    )
    decay_iterations: int | None = field(
        default=None, metadata=COUNT | options.needs(10, learning_rate_decay=IN_ITERATIONS)
    )
    momentum: float = field(default=0.0, metadata=options.of(check.as_float, low=0.0, high=1.0, high_open=True))
