"""`solve`: find an equilibrium with one solver, or with several that take turns."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, Unpack, overload

from tmfcore._base import bars
from tmfcore._base import validation as check
from tmfcore._base.functions import SMALLER_GAME, fits_memory, takes_rng
from tmfcore._base.types import Clock
from tmfcore._limit.pricing import as_altruism
from tmfcore._model.game import Game, in_steps
from tmfcore._model.noise_paths import refuse_paths
from tmfcore._model.policies import PolicyLike, SoftmaxPolicy, TabularPolicy
from tmfcore._model.schedules import Schedule
from tmfcore._random import seeding
from tmfcore._results.checkpoint import CheckpointLike
from tmfcore.solvers._grid import refuse_step
from tmfcore.solvers._noise import NoisySolve
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._registry import in_turns, made, named
from tmfcore.solvers._resuming import end, ended, opened_for, seed_of
from tmfcore.solvers._solver import Solver, changed
from tmfcore.solvers._turns import play
from tmfcore.solvers.base import Callback, P, Solution

if TYPE_CHECKING:
    from tmfcore.solvers import ExactName, SoftmaxName

__all__ = ["solve"]

Own: TypeAlias = Literal["own"]
OWN: Own = "own"  # default of options for which None has a meaning

log = logging.getLogger(__name__)


class Options(TypedDict, total=False):
    """Options of `solve` that do not change the type of the policy."""

    iterations: int | None
    time_limit: float | None
    tolerance: float | Own | None
    absolute_tolerance: float | Own | None
    clock: Clock | None
    altruism: float | None
    rng: seeding.RNG
    initial: PolicyLike | None
    callback: Callback | None
    progress: bars.Progress
    threads: int | None
    step: float | None
    paths: int | None
    memory: int | None
    checkpoint: CheckpointLike | None


@overload
def solve(
    game: Game, schedule: Schedule, n_agents: int | None = ..., *,
    solver: ExactName | list[ExactName] | tuple[ExactName, ...] | None = ..., **options: Unpack[Options],
) -> Solution[TabularPolicy]: ...  # fmt: skip
@overload
def solve(
    game: Game, schedule: Schedule, n_agents: int | None = ..., *, solver: SoftmaxName, **options: Unpack[Options],
) -> Solution[SoftmaxPolicy]: ...  # fmt: skip
@overload
def solve(
    game: Game, schedule: Schedule, n_agents: int | None = ..., *,
    solver: Solver[P] | type[Solver[P]] | Sequence[Solver[P] | type[Solver[P]]], **options: Unpack[Options],
) -> Solution[P]: ...  # fmt: skip
@overload
def solve(
    game: Game, schedule: Schedule, n_agents: int | None = ..., *,
    solver: Sequence[ExactName | SoftmaxName | Solver[Any] | type[Solver[Any]]], **options: Unpack[Options],
) -> Solution: ...  # fmt: skip
@takes_rng
@fits_memory(SMALLER_GAME, asks=True)
def solve(
    game: Game,
    schedule: Schedule,
    n_agents: int | None = None,
    *,
    solver: object = None,
    iterations: int | None = None,
    time_limit: float | None = None,
    tolerance: float | Own | None = OWN,
    absolute_tolerance: float | Own | None = OWN,
    clock: Clock | None = None,
    altruism: float | None = None,
    rng: seeding.RNG = None,
    initial: PolicyLike | None = None,
    callback: Callback | None = None,
    progress: bars.Progress = False,
    threads: int | None = None,
    step: float | None = None,
    paths: int | None = None,
    memory: int | None = None,
    checkpoint: CheckpointLike | None = None,
) -> Solution[Any]:
    """Find an equilibrium of `game` played under `schedule`, with a given solver or with several that take turns.

    By default three exact solvers take turns: MirrorDescent, which is fast if the game is monotone; Homotopy, which
    needs no monotonicity, for policies of up to T S A = 200,000 entries; and FictitiousPlay. A turn ends after a number
    of computed flows: in the first round 200 for MirrorDescent and 100 for the others, doubled in every further round.
    The whole takes a few times as long as the solver that converges first. If `solver` lists several, they take turns
    in the given order. If none meets the tolerance, the policy with the smallest exploitability is returned.

    If no table of the game depends on mu or t, as its model declares, the game is a Markov decision process. The
    default is then FixedPoint alone, which solves it by backward induction, in one pass.

    If the noise of the game is random, one policy for all paths is found (Theory, section 13): on the tree of all
    histories if the noise is a chain of few states and steps, exactly; else on drawn paths, by MirrorDescent and
    FictitiousPlay, and then judged on fresh ones.

    Parameters
    ----------
    game : Game
    schedule : Schedule
    n_agents : int or None, optional
        N. Exact solvers use it for the active fraction beta = B / N of a batch; schedules Synchronous, Fraction and
        Bernoulli need no N. TMFPG samples populations of N agents.
    solver : str, class, solver, or a sequence of these, optional
        A name is that of a class ("MirrorDescent") or of the command line ("mirror-descent"). None: FixedPoint, or
        three solvers take turns, as described above.
    iterations : int or None, optional
        The largest number of updates of all solvers together. A solver instance also keeps its own limit `iterations`.
        None: the limits of the solvers.
    time_limit : float or None, optional
        Seconds after which the solve ends at its next evaluation, with the best policy so far. The solve can be
        continued by passing its Solution as `initial`.
    tolerance, absolute_tolerance : float, None or "own", optional
        Stop, converged, when exploitability <= tolerance * |mean return| (near 0: as in every solver), or
        <= absolute_tolerance in units of return. None: never. "own": the solver's, by default 1e-4 for exact solvers,
        0.005 for TMFPG; absolute None.
    clock : {"schedule", "always"} or None, optional
        The clock on which values are computed (Theory, section 3). None: the solver's, by default "schedule".
    altruism : float or None, optional
        In [0, 1]: the weight of what an agent does to the returns of all others (Theory, section 14). 0: a Nash
        equilibrium. 1: a stationary point of `welfare`, found from the policy that the solve starts from. None: the
        solver's, by default 0.
    rng, initial, threads : optional
        As in the method `solve` of every solver; exact solvers draw no random numbers.
    callback : callable, optional
        Called with an Iteration after each evaluation of each solver; the solve stops if it returns True.
    progress : bool or callable, optional
        True draws one bar, on a terminal or in a notebook (extra `app`); a callable receives (done, total), updates of
        all solvers together.
    step : float or None, optional
        Only with Poisson clocks: the length of the steps on which solvers work, in sweeps, an agent acting with
        probability rate * step. None: steps are refined until the tolerance is met in continuous time. The Solution is
        judged in continuous time, and its `discretisation` has the error of the steps.
    paths : int or None, optional
        Only if the noise is random: the number of paths to draw and to find the policy on. It is judged on twice as
        many others, at least 256, by `exploitability`, for deviations that see what the policy sees; `tolerance`, by
        default 0.005, is then that of the upper end of the interval, and the exploitability of `history` is the gain
        of deviating at one step alone, summed over steps. None: the tree if it fits, else 64.
    memory : int or None, optional
        m, for drawn paths: the policy sees the last m states of the noise; 0: nothing of it. Of noise that is a
        function it sees at which of up to 8 levels, or 16 values, it is. None: 1.
    checkpoint : path, Checkpoint or None, optional
        A file that keeps the state of the solve, every minute or as often as a Checkpoint says, between iterations. A
        call that was stopped goes on from it: the Solution has the same bits, but for the seconds, which are those of
        all calls. TMFPG and drawn paths need `rng`. A callback is not called again for iterations that are kept.

    Returns
    -------
    Solution
        `solver` has the name and settings of the solver that found the policy; `reason` covers all solvers tried.

    Raises
    ------
    TypeError, ValueError
        As in the method `solve` of every solver. Exceptions of the game or a callback carry the best Solution of all
        solvers as their attribute `partial`.
    FileError
        The checkpoint is damaged, or of a call with another game, schedule, solver, option, seed or version.

    Warns
    -----
    ConvergenceWarning
        No solver met its tolerance.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0)
    >>> solution = tmf.solve(game, tmf.Synchronous())
    >>> solution.solver["name"], solution.converged
    ('MirrorDescent', True)
    >>> tmf.solve(game, tmf.Synchronous(), solver="Homotopy", iterations=50).converged
    True
    """
    seed, noisy = seed_of(checkpoint, rng), None
    if check.as_instance(game, "game", Game)._first is not None:
        refuse_step(step)
        noisy = NoisySolve(in_steps(game, schedule, n_agents, random=True), schedule, n_agents, paths, memory, rng)
        problem = noisy.problem("schedule")
    else:
        refuse_paths(paths=paths, memory=memory)
        problem = Problem(game, schedule, n_agents, "schedule", step)
    if iterations is not None:
        iterations = check.as_positive_int(iterations, "iterations")
    changes: dict[str, Any] = {}
    if clock is not None:
        changes["clock"] = check.as_choice(clock, "clock", Clock)
    if altruism is not None:
        changes["altruism"] = as_altruism(altruism)
    if not _own("tolerance", tolerance):
        changes["tolerance"] = tolerance
    if not _own("absolute_tolerance", absolute_tolerance):
        changes["absolute_tolerance"] = absolute_tolerance
    chosen = _chosen(solver, problem)
    if noisy is not None:
        chosen = noisy.check(chosen, asked=solver is not None)
        changes |= noisy.tolerances(changes, chosen)
    limit = {} if iterations is None else {"iterations": iterations}
    solvers = [changed(each, **changes, **({} if kept else limit)) for each, kept in chosen]
    given = {
        "time_limit": time_limit, "step": step, "iterations": iterations, "paths": paths, "memory": memory,
    }  # fmt: skip
    on_paths = noisy is not None and noisy.tree is None
    keeper = opened_for(checkpoint, solvers, problem, seed, initial, given, on_paths)
    before = ended(keeper, problem, rng, len(solvers))
    if before is not None:
        return before
    loops = play(
        solvers, problem, rng=rng, initial=initial, callback=callback, progress=progress,
        threads=threads, time_limit=time_limit, iterations=iterations, keeper=keeper,
    )  # fmt: skip
    reason = "; ".join(f"{loop.solver.name}: {loop.reason}" if len(solvers) > 1 else loop.reason for loop in loops)
    if noisy is not None and on_paths:
        return end(keeper, *noisy.best(loops, reason))
    missed = not any(loop.converged for loop in loops) and all(loop.missed for loop in loops)
    for loop in loops:
        loop.reason = reason
    found = [loop.solution(last=True) for loop in [loop for loop in loops if loop.converged] or loops]
    best = min(found, key=lambda solution: solution.exploitability)
    name = "solve" if len(solvers) > 1 else solvers[0].name
    return end(keeper, best, f"{name} has not converged: {reason}" if missed else None)


def _own(name: str, value: object) -> bool:
    """Whether the solver's own value of an option is used."""
    if isinstance(value, str) and value != OWN:
        raise ValueError(f'{name} is {value!r}; must be a number, None or "{OWN}"')
    return isinstance(value, str)


def _chosen(solver: object, problem: Problem) -> list[tuple[Solver[Any], bool]]:
    """The solvers to run, in order, and whether each was given as an instance, with its own settings."""
    game = problem.game
    if solver is None and problem.decided:  # a Markov decision process
        solver = "FixedPoint"
    if isinstance(solver, str):
        return [(named(solver).default, False)]
    if solver is None:
        size = game.n_steps * game.n_observations * game.n_actions
        fit = [entry.default for entry in in_turns() if entry.turn is not None and size <= entry.turn.largest]
        if log.isEnabledFor(logging.DEBUG):
            log.debug("trying %s, in a game of %s policy entries", ", ".join(each.name for each in fit), size)
        return [(each, False) for each in fit]
    if isinstance(solver, (list, tuple)):
        if not solver:
            raise ValueError("solver is empty; must name at least one solver")
        return [(made(each, f"solver[{i}]"), isinstance(each, Solver)) for i, each in enumerate(solver)]
    return [(made(solver), isinstance(solver, Solver))]
