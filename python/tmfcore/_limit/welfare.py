"""The welfare of a population: the mean return of its agents (Theory, section 14)."""

from __future__ import annotations

from tmfcore._base import validation as check
from tmfcore._base.functions import SMALLER_GAME, fits_memory, takes_rng
from tmfcore._limit.exploitability import judged_under
from tmfcore._limit.mean_field import evaluate
from tmfcore._model.game import Game
from tmfcore._model.noise_paths import refuse_paths
from tmfcore._model.policies import PolicyLike
from tmfcore._model.schedules import Schedule
from tmfcore._random import seeding

__all__ = ["welfare"]


@takes_rng
@fits_memory(SMALLER_GAME, asks=True)
def welfare(
    game: Game, policy: PolicyLike, schedule: Schedule, n_agents: int | None = None, *, paths: int | None = None,
    rng: seeding.RNG = None, threads: int | None = None,
) -> float:  # fmt: skip
    """The mean discounted return of the agents of a population in which all follow `policy` (Theory, section 14).

        J = sum_t gamma^t sum_o mu_t(o) [ beta_t sum_a pi r + (1 - beta_t) r0 ],    mu the mean-field flow of the policy

    Parameters
    ----------
    game : Game
    policy : TabularPolicy, SoftmaxPolicy, Solution, (S, A) or (L, S, A) floats, or callable f(mu, t) -> (S, A)
    schedule : Schedule
    n_agents : int or None, optional
        N, to convert batch sizes to fractions, as in mean_field.
    paths, rng, threads : optional
        As in mean_field, if the noise is random: J is the mean over the paths.

    Returns
    -------
    float
        J per agent, in units of return. It is `mean_return` of `evaluate`. The mean return of N agents tends to it.

    Raises
    ------
    TypeError, ValueError
        Bad arguments, n_agents missing, a row of the game or policy that is not a distribution.

    Notes
    -----
    Cost: O(T S A K) time, O(T S) memory.

    Examples
    --------
    Pigou's two roads: one takes an hour, the other as many hours as the share of the drivers on it.

    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection(
    ...     (-1.0, 0.0), congestion=(0.0, 1.0), switching_cost=0.0, horizon=1, initial=(0.5, 0.5))
    >>> tmf.welfare(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous())
    -0.75
    """
    if check.as_instance(game, "game", Game)._first is not None:
        return evaluate(game, policy, schedule, n_agents, paths=paths, rng=rng, threads=threads).mean_return
    refuse_paths(paths=paths, rng=rng, threads=threads)
    return judged_under(game, policy, schedule, n_agents)[2]
