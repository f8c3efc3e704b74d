"""`solve`: an equilibrium by whatever solver finds it."""

from __future__ import annotations

import dataclasses
import warnings

from tmfcore import _progress, _rng
from tmfcore import _validation as check
from tmfcore._functions import takes_rng
from tmfcore.game import Game
from tmfcore.schedule import Schedule
from tmfcore.solvers._exact import ExactSolver
from tmfcore.solvers.base import Callback, ConvergenceWarning, Iteration, Solution
from tmfcore.solvers.best_response import FictitiousPlay
from tmfcore.solvers.mfomo import MFOMO
from tmfcore.solvers.mirror_descent import MirrorDescent

__all__ = ["solve"]

SMALL = 20_000  # entries T S A of a policy up to which MFOMO is tried, with at most ...
FEW = 100  # ... so many observations


@takes_rng
def solve(
    game: Game,
    schedule: Schedule,
    n_agents: int | None = None,
    *,
    clock: str = "schedule",
    tolerance: float | None = 1e-4,
    absolute_tolerance: float | None = 1e-9,
    rng: _rng.RNG = None,
    initial: object = None,
    callback: Callback | None = None,
    progress: _progress.Progress = False,
) -> Solution:
    """An equilibrium of `game` played under `schedule`, by the first exact solver that finds one.

    MirrorDescent comes first. Where it does not meet the tolerance, the game is taken for one that is not monotone:
    MFOMO goes on from its policy in games of up to 100 observations and 20,000 policy entries T S A, FictitiousPlay in
    larger ones. The least exploitable policy of all is returned.

    Parameters
    ----------
    game : Game
    schedule : Schedule
    n_agents : int or None, optional
        Turns batch sizes into fractions beta = B / N; not needed by Synchronous, Fraction and Bernoulli.
    clock : {"schedule", "always"}, optional
        Whose values are learnt and judged, theory.md section 3.
    tolerance : float or None, optional
        Stop, converged, when exploitability <= tolerance * |mean return|. None: never.
    absolute_tolerance : float or None, optional
        The same when exploitability <= absolute_tolerance, in units of return.
    rng : int, Generator, SeedSequence or None, optional
        As every solver takes it; nothing is drawn.
    initial : policy, Solution or None, optional
        Where to start, as every solver takes it.
    callback : callable, optional
        Called with an Iteration after each evaluation of each solver; returning True stops.
    progress : bool or callable, optional
        True draws a bar a solver (extra `app`); a callable receives (done, total) of each.

    Returns
    -------
    Solution
        `solver` holds the name and hyperparameters of the solver that found the policy, `reason` all that were tried.

    Raises
    ------
    TypeError, ValueError
        As every solver does; `partial` of what the game or a callback raises is the best Solution of all solvers.

    Warns
    -----
    ConvergenceWarning
        None of the solvers meets the tolerance.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), 1.0)
    >>> solution = tmf.solve(game, tmf.Synchronous())
    >>> solution.solver["name"], solution.converged
    ('MirrorDescent', True)
    """
    stopped = False

    def watched(now: Iteration) -> bool:
        nonlocal stopped
        stopped = callback is not None and callback(now) is True
        return stopped

    check.as_instance(game, "game", Game)
    size = game.horizon * game.n_observations * game.n_actions
    second: type[ExactSolver] = MFOMO if game.n_observations <= FEW and size <= SMALL else FictitiousPlay
    options = {"clock": clock, "tolerance": tolerance, "absolute_tolerance": absolute_tolerance}
    start = initial
    best: Solution | None = None
    missed = False
    tried = []
    for kind in (MirrorDescent, second):
        try:
            loop = kind(**options)._run(  # type: ignore[arg-type]
                game, schedule, n_agents, rng=rng, initial=start,
                callback=watched if callable(callback) else callback, progress=progress,
            )  # fmt: skip
        except BaseException as error:
            partial = getattr(error, "partial", None)
            if best is not None and (partial is None or best.exploitability <= partial.exploitability):
                error.partial = best  # type: ignore[attr-defined]  # what Loop.run gives every exception
            raise
        found = loop.solution()
        tried.append(f"{kind.__name__}: {found.reason}")
        missed = loop.missed
        if best is None or found.converged or found.exploitability < best.exploitability:
            best = found
        if best.converged or stopped:
            break
        start = best
    assert best is not None, "two solvers were tried"
    solution = dataclasses.replace(best, reason="; ".join(tried))
    if missed:
        warnings.warn(f"solve has not converged: {solution.reason}", ConvergenceWarning, stacklevel=3)
    return solution
