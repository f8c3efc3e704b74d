"""Games of agents of several fixed types, each with its own game, coupled through the population."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray
from tmfcore._limit.sizes import Needs
from tmfcore._model import sources
from tmfcore._model.game import Game
from tmfcore.games import _coupling, _results
from tmfcore.games._shelf import shelf
from tmfcore.games._typed import Typed
from tmfcore.games.queueing import queueing

__all__ = ["by_type", "typed"]


@shelf(
    "Agents of several types, each with its own game; a type can depend on some types more than on others.",
    small=lambda: {
        "games": [queueing([0.1, 0.25], horizon=5), queueing([0.2, 0.3], horizon=5)], "shares": [0.6, 0.4],
        "coupling": [[1.0, 0.5], [0.3, 1.2]], "rates": [1.0, 0.7], "names": ["calm", "wary"],
    },
)  # fmt: skip
@fits_memory("games must be fewer, or have fewer observations, actions or successors", asks=True)
def typed(
    games: Sequence[Game],
    *,
    shares: FloatsLike,
    coupling: object = None,
    rates: FloatsLike = 1.0,
    names: Sequence[str] | None = None,
) -> Game:
    """One game of agents of M fixed types, each with its own observations, actions, rewards and kernels.

    An agent of type i at observation o of its own game is at observation (i, o) of the whole game. In place of a
    population distribution mu the game of type i gets

        x_i = sum_j W_ij mu_j,   or   x = C mu   with a matrix C over all observations,

    where mu_j(o) is the share of all N agents that are of type j and at o, so that mu_j sums to the share of type j.
    This is the multi-type (multi-population) mean-field game; with W_ij = W(alpha_i, alpha_j) it is the graphon game
    (Caines and Huang, SIAM J. Control Optim. 59, 2021) sampled on M blocks.

    **The sum of x_i.** Games are made for distributions. x_i is a distribution if W_ij = 1 for all j (if, in the rows
    of type i, all columns of C sum to 1). Otherwise rewards, queues, crowds and travel times are computed at x_i, by
    the formulas of the games. Transition rows must be distributions for every population: for affine games (`affine`,
    `garnet`, `susceptible_infected`) this is checked when the game is made, and a coupling that violates it is an
    error. If sum_j W_ij shares[j] = 1, so that x_i is a distribution in the limit, such games and `linear_quadratic`
    get x_i divided by its sum: it then is a distribution also for N agents, whose numbers by type are rounded or drawn.
    Your own arrays and callables get x_i itself, and their rows are checked at every call.

    Parameters
    ----------
    games : sequence of M Games
        The game of each type: its own S_i, A_i, rewards, kernels and initial distribution; equal horizon, discount,
        time and step. If they are in sweeps, so is the result.
    shares : (M,) floats
        The share of each type among all agents; sums to 1.
    coupling : (M, M) or (S, S) floats or scipy sparse matrix, optional
        W or C >= 0, S = sum_i S_i. None: W_ij = 1, every type gets the distribution of all agents together. W_ij != 0
        needs S_i = S_j. An (S, S) matrix is C also if S = M.
    rates : (M,) floats or one number, optional
        In (0, 1]: probability that an agent of the type acts when the schedule selects it; otherwise it is passive.
    names : sequence of M different strings, optional
        Default "type 1", "type 2", ...

    Returns
    -------
    Game
        S = sum_i S_i observations "name: label", A = max_i A_i actions; if type i has fewer, its actions from A_i on
        are illegal. `by_type` splits its results by type. Named "typed".

    Raises
    ------
    TypeError, ValueError
        Values of the wrong kind, shape or range; games of different horizon, discount, time or step; W_ij != 0 between
        types with different numbers of observations; a coupling for which rows of a game would not be distributions,
        or a link would get more vehicles than its road network has travel times for: the error names an entry of
        `coupling`, and the accepted values. During play: x_i must be scaled but is 0.

    Notes
    -----
    Sparse if every type is: K is the largest K_i (K_i + K0_i for a type with a rate below 1). A step costs the types'
    own tables and one product with C. Construction costs O(S_i A_i K_i S) more for an affine type i whose x_i is not a
    distribution. With `start="rounded"` the types have N * shares agents, rounded.

    Examples
    --------
    For a quarter of the drivers every vehicle counts twice.

    >>> import tmfcore as tmf
    >>> roads = tmf.games.resource_selection([1.0, 0.9], congestion=1.0, horizon=10)
    >>> game = tmf.games.typed([roads, roads], shares=[0.75, 0.25], coupling=[[1, 1], [2, 2]], names=["calm", "wary"])
    >>> game
    Game('typed', S=4, A=2, T=10 sweeps, discount=0.95)
    >>> solution = tmf.solve(game, tmf.Synchronous())
    >>> parts = tmf.games.by_type(game, solution.flow.mu[-1])
    >>> {name: round(float(mu.sum()), 6) for name, mu in parts.items()}
    {'calm': 0.75, 'wary': 0.25}
    """
    return assembled(games, shares=shares, coupling=coupling, rates=rates, names=names, name="typed")


def assembled(
    games: Sequence[Game], shares: FloatsLike, coupling: object, rates: FloatsLike, names: Sequence[str] | None,
    name: str,
) -> Game:  # fmt: skip
    """`typed`, of another name."""
    kinds = _games(games)
    n_types = len(kinds)
    share = check.as_probabilities(shares, "shares", shape=(n_types,), letters="M")
    rate = _rates(rates, n_types)
    called = (
        tuple(f"type {i + 1}" for i in range(n_types)) if names is None else check.as_labels(names, "names", n_types)
    )
    needed = _needs(kinds, rate)
    shown = _coupling.read(coupling, [game.n_observations for game in kinds], needed)  # asks for them
    initial = np.concatenate([part * game.initial for part, game in zip(share, kinds, strict=True)])
    matrix, first = shown.matrix, kinds[0]
    n_actions = max(game.n_actions for game in kinds)
    richest = next(game for game in kinds if game.n_actions == n_actions)
    recipe = partial(_again, games=kinds, shares=share, coupling=shown.given, rates=rate, names=called, name=name)
    pickles = all(game._pickles for game in kinds)

    def together(parts: Sequence[Game]) -> Game:
        models, manners = _coupling.settle(shown, [game.model for game in parts], initial)
        made = Game._trusted(
            Typed(
                models,
                rate,
                matrix.indptr.astype(np.int32),
                matrix.indices.astype(np.int32),
                matrix.data,
                called,
                manners,
            ),
            parts[0].n_steps,
            parts[0].discount,
            initial,
            name=name,
            observation_labels=tuple(
                f"{who}: {label}"
                for who, game in zip(called, parts, strict=True)
                for label in game.observation_labels
            ),
            action_labels=richest.action_labels,
            step=parts[0].dt,
            assumed=any(game.assumed for game in parts),
        )
        made._made_by(recipe, pickles=pickles)
        return made

    if first.time == "steps":
        return together(kinds)
    cuts: list[Any] = [game._cut for game in kinds]

    def cut(dt: float, n_steps: int, gamma: float) -> Game:
        needs.ask(needed, first=True)
        return together([sources.at(each, dt, n_steps, gamma) for each in cuts])

    tried = together([game._trial for game in kinds])
    return Game._swept(cut, first.horizon, first.discount, first.step, recipe, tried, pickles=pickles)


def _needs(kinds: Sequence[Game], rates: FloatArray) -> Needs:
    """Successors and labels of the whole game."""
    models = [game._trial.model if game.time == "sweeps" else game.model for game in kinds]
    n_obs, n_act = sum(model.n_observations for model in models), max(model.n_actions for model in models)
    resting = [1 if model.passive_identity else model.n_passive_successors for model in models]
    cells = max(m.n_successors + (k if rate < 1 else 0) for m, k, rate in zip(models, resting, rates, strict=True))
    return {
        "successors": (28, n_obs, n_act, cells), "passive successors": (28, n_obs, max(resting)),
        "vectors and labels": (200, n_obs),
    }  # fmt: skip


def _again(
    games: Sequence[Game], shares: FloatsLike, coupling: object, rates: FloatsLike, names: Sequence[str] | None,
    name: str, horizon: float | None = None, discount: float | None = None, step: float | None = None,
) -> Game:  # fmt: skip
    """`typed`, with arguments by which `replace` changes horizon, discount and step of all types."""
    given = {"horizon": horizon, "discount": discount, "step": step}
    common = {name: value for name, value in given.items() if value is not None}
    if common:
        games = [game.replace(**common) for game in games]
    return assembled(games, shares=shares, coupling=coupling, rates=rates, names=names, name=name)


def by_type(game: Game, values: object, *, axis: int = -1) -> dict[str, npt.NDArray[Any]]:
    """Split an array over the observations of a typed game, or the mu of a result, by type.

    Parameters
    ----------
    game : Game
        Made by `typed`.
    values : array, Simulation, Flow or Solution
        An array with S entries along `axis`, for example counts, mu or values; or a policy (S, A) with axis=0. For a
        result its mu is used.
    axis : int, optional

    Returns
    -------
    dict of str to array
        Name of each type -> its part, S_i entries along `axis`; views of `values` if it is an array.

    Raises
    ------
    TypeError, ValueError
        A game without types; an axis of another length; a result of another game.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> one, two = tmf.games.queueing([0.1]), tmf.games.queueing([0.2, 0.3])
    >>> game = tmf.games.typed([one, two], shares=[0.5, 0.5], coupling=[[1, 0], [0, 1]])
    >>> tmf.games.by_type(game, game.initial)
    {'type 1': array([0.5, 0. ]), 'type 2': array([0.5, 0. , 0. ])}
    """
    check.as_instance(game, "game", Game)
    model = game._trial.model if game.time == "sweeps" else game.model
    if not isinstance(model, Typed):
        raise TypeError(f"game is {game!r}; must be a game made by games.typed")
    array = _results.shares(game, values, "values")
    place = check.as_int(axis, "axis", low=-array.ndim, high=array.ndim - 1)
    if array.shape[place] != game.n_observations:
        raise ValueError(
            f"values has {array.shape[place]} entries along axis {place}; must be {game.n_observations}, one per "
            "observation"
        )
    ends = np.cumsum([part.n_observations for part in model.models])
    return dict(zip(model.names, np.split(array, ends[:-1], axis=place), strict=True))


def _games(games: object) -> tuple[Game, ...]:
    if isinstance(games, Game) or not isinstance(games, Sequence):
        raise TypeError(f"games is {type(games).__name__}; must be a sequence of Games, one per type")
    kinds = tuple(check.as_instance(game, f"games[{i}]", Game) for i, game in enumerate(games))
    if not kinds:
        raise ValueError("games is empty; must have one Game per type")
    for i, game in enumerate(kinds):
        for field in ("time", "horizon", "discount", "step"):
            mine, theirs = getattr(game, field), getattr(kinds[0], field)
            if mine != theirs:
                raise ValueError(f"games[{i}] has {field} {mine}; must be that of games[0], {theirs}")
    return kinds


def _rates(rates: object, n_types: int) -> FloatArray:
    if not check.is_array(rates):
        return np.full(n_types, check.as_float(rates, "rates", low=0.0, high=1.0, low_open=True))
    return check.as_float_array(rates, "rates", shape=(n_types,), letters="M", low=0.0, low_open=True, high=1.0)
