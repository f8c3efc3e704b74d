"""Checkpoints of solves: the task that a file must have, and the end of a call (`_results.checkpoint`).

    seed_of(checkpoint, rng)        what a task has of the seed
    opened_for(checkpoint, ...)     the Keeper of a solve, or None
    ended(keeper, problem)          the Solution of a call that is at its end, with its warning; else None
    end(keeper, solution, warning)  write it, and warn
    of_problem(found, problem)      a Solution of a file, as a solve of the problem returns it

What is kept between two iterations is in _turns, and of each solver in _loop and _rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tmfcore._base.functions import warn
from tmfcore._model.fingerprint import Fingerprint
from tmfcore._model.noise_policy import NoisePolicy
from tmfcore._model.policies import SoftmaxPolicy, TabularPolicy, as_policy
from tmfcore._random import seeding
from tmfcore._results.checkpoint import CheckpointLike, Keeper, digest, opened
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._turns import as_initial
from tmfcore.solvers.base import ConvergenceWarning, P, Solution

if TYPE_CHECKING:
    from tmfcore.solvers._solver import Solver

__all__ = ["described", "end", "ended", "of_problem", "opened_for", "seed_of"]


def opened_for(
    checkpoint: CheckpointLike | Keeper | None, solvers: Sequence[Solver[Any]], problem: Problem, seed: object,
    initial: object, options: Mapping[str, Any], drawn: bool = False,
) -> Keeper | None:  # fmt: skip
    """The Keeper of a solve of `problem` by `solvers`, which take turns.

    `seed` is what `seed_of` said before anything was spawned. It matters only if random numbers are `drawn`, by the
    caller or by a solver.
    """
    if checkpoint is None:
        return None
    drawn = drawn or any(each._draws(problem) for each in solvers)
    if drawn and seed is None:
        seeding.described(None)  # raises: there must be a seed
    task = {
        **problem.fingerprint.task(), "solver": [each._hyperparameters for each in solvers],
        "rng": seed if drawn else None, "initial": described(initial, problem), **options,
    }  # fmt: skip
    return opened(checkpoint, "solve", task)


def seed_of(checkpoint: object, rng: seeding.RNG) -> object:
    """What a task has of the seed; None if there is none, or no checkpoint."""
    return None if checkpoint is None or rng is None else seeding.described(rng)


def described(initial: object, problem: Problem) -> str | None:
    """What a task has of the policy to start from; of a Solution, all that a solve can go on from."""
    initial = as_initial(initial)
    if initial is None:
        return None
    if isinstance(initial, Solution):
        parts = {"policy": initial.policy, "mu": initial.flow.mu, "state": initial.state, "solver": initial.solver}
        return f"Solution {digest(parts)}"
    if isinstance(initial, (TabularPolicy, SoftmaxPolicy, NoisePolicy)):
        return f"{type(initial).__name__} {digest(initial)}"
    game = problem.fingerprint._game
    assert game is not None, "the problem has a game"
    game = game if game._first is None else game._first
    return f"policy {Fingerprint.of(game, policy=as_policy(initial, game, 'initial')).task()['policy']}"


def ended(keeper: Keeper | None, problem: Problem, rng: seeding.RNG, n: int) -> Solution[Any] | None:
    """The Solution of a call whose checkpoint has its end, with its warning; None if it has to go on.

    `n` streams are spawned from `rng`, as the call did, so that what is drawn later is the same, too.
    """
    if keeper is None or keeper.state is None or "solution" not in keeper.state:
        return None
    with keeper.restoring():
        found, warning = keeper.state["solution"], keeper.state["warning"]
        found = of_problem(found, problem)
    seeding.seeds(rng, n)
    if warning is not None:
        warn(str(warning), ConvergenceWarning)
    return found


def of_problem(found: Any, problem: Problem) -> Solution[Any]:
    """A Solution of a file, whose fingerprint now has the game and the schedule, as that of a solve has."""
    if not isinstance(found, Solution):
        raise TypeError("no Solution")
    own = problem.fingerprint.on(found.clock)
    object.__setattr__(found, "fingerprint", own)
    object.__setattr__(found.flow, "fingerprint", own.on(""))
    return found


def end(keeper: Keeper | None, solution: Solution[P], warning: str | None) -> Solution[P]:
    """Write the end of a call; warn, if it has not converged; return the Solution."""
    if keeper is not None:
        keeper.save({"solution": solution, "warning": warning})
    if warning is not None:
        warn(warning, ConvergenceWarning)
    return solution
