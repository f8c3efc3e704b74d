"""Games of agents of several types: fixed for life, coupled through what each type sees of the population."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from tmfcore import _validation as check
from tmfcore._typed import Typed
from tmfcore._validation import FloatArray
from tmfcore.game import Game

__all__ = ["by_type", "typed"]


def typed(
    games: Sequence[Game],
    shares: object,
    *,
    coupling: object = None,
    rates: object = 1.0,
    names: Sequence[str] | None = None,
) -> Game:
    """One game of agents of M fixed types, each with observations, actions, rewards and kernels of its own.

    An agent of type i at o is at observation (i, o) of the whole game. Where the game of type i asks for a population
    distribution mu, it is shown

        x_i = sum_j W_ij mu_j,   or   x = C mu   with a matrix C over all observations,

    mu_j(o) being the share of all N agents that are of type j and at o, so that mu_j sums to the share of type j. This
    is the multi-type (multi-population) mean-field game; with W_ij = W(alpha_i, alpha_j) it is the graphon game (Caines
    and Huang, SIAM J. Control Optim. 59, 2021) sampled on M blocks.

    Parameters
    ----------
    games : sequence of M Games
        What each type plays: its own S_i, A_i, rewards, kernels and start, and the same horizon, discount and step.
    shares : (M,) floats
        The share of each type among all agents; sums to 1.
    coupling : (M, M) or (S, S) floats or scipy sparse matrix, optional
        W or C >= 0, S = sum_i S_i. None: W_ij = 1, every type sees the distribution of all agents together. W_ij != 0
        needs S_i = S_j. A (S, S) matrix is taken for C also where S = M.
    rates : (M,) floats or one number, optional
        The share of its turns, in (0, 1], that an agent of the type takes; it passes the others, as a passive agent.
    names : sequence of M different strings, optional
        Default "type 1", "type 2", ...

    Returns
    -------
    Game
        S = sum_i S_i observations "name: label", A = max_i A_i actions; where type i has fewer, the actions from A_i on
        do what action 0 does. `by_type` takes its results apart. Named "typed".

    Raises
    ------
    TypeError, ValueError
        Values of the wrong kind, shape or range; games that do not last equally long, or see each other at different
        observations.

    Notes
    -----
    Sparse where every type is: K is the largest K_i (K_i + K0_i of a type with a rate below 1). A step costs the types'
    own tables and one product with C. `start="rounded"` gives the types N * shares agents, rounded.

    Examples
    --------
    A quarter of the drivers see the crowd twice as large as it is.

    >>> import tmfcore as tmf
    >>> roads = tmf.games.resource_selection([1.0, 0.9], congestion=1.0, horizon=10)
    >>> game = tmf.games.typed([roads, roads], [0.75, 0.25], coupling=[[1, 1], [2, 2]], names=["calm", "wary"])
    >>> game
    Game('typed', S=4, A=2, T=10, discount=0.95)
    >>> solution = tmf.solve(game, tmf.Synchronous())
    >>> parts = tmf.games.by_type(game, solution.flow.mu[-1])
    >>> {name: round(float(mu.sum()), 6) for name, mu in parts.items()}
    {'calm': 0.75, 'wary': 0.25}
    """
    kinds = _games(games)
    n_types = len(kinds)
    share = check.as_probabilities(shares, "shares", shape=(n_types,), letters="M")
    rate = _rates(rates, n_types)
    called = (
        tuple(f"type {i + 1}" for i in range(n_types)) if names is None else check.as_labels(names, "names", n_types)
    )
    matrix = _coupling(coupling, [game.n_observations for game in kinds])
    first = kinds[0]
    n_actions = max(game.n_actions for game in kinds)
    richest = next(game for game in kinds if game.n_actions == n_actions)
    return Game._trusted(
        Typed(
            [game.model for game in kinds],
            rate,
            matrix.indptr.astype(np.int32),
            matrix.indices.astype(np.int32),
            matrix.data,
            called,
        ),
        first.horizon,
        first.discount,
        np.concatenate([part * game.initial for part, game in zip(share, kinds, strict=True)]),
        name="typed",
        observation_labels=tuple(
            f"{name}: {label}" for name, game in zip(called, kinds, strict=True) for label in game.observation_labels
        ),
        action_labels=richest.action_labels,
        step=first.step,
        recipe=partial(typed, kinds, share, coupling=matrix, rates=rate, names=called),
    )


def by_type(game: Game, values: object, *, axis: int = -1) -> dict[str, npt.NDArray[Any]]:
    """An array over the observations of a typed game, taken apart.

    Parameters
    ----------
    game : Game
        Made by `typed`.
    values : array
        With S entries along `axis`: counts, mu or values, say; or a policy (S, A) with axis=0.
    axis : int, optional

    Returns
    -------
    dict of str to array
        Name of each type -> its part, S_i entries along `axis`: views of `values` where it is an array.

    Raises
    ------
    TypeError, ValueError
        A game without types; an axis of another length.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> one, two = tmf.games.queueing([0.1]), tmf.games.queueing([0.2, 0.3])
    >>> game = tmf.games.typed([one, two], [0.5, 0.5], coupling=[[1, 0], [0, 1]])
    >>> tmf.games.by_type(game, game.initial)
    {'type 1': array([0.5, 0. ]), 'type 2': array([0.5, 0. , 0. ])}
    """
    check.as_instance(game, "game", Game)
    if not isinstance(game.model, Typed):
        raise TypeError(f"game is {game!r}; must be a game made by games.typed")
    array = np.asarray(values)
    place = check.as_int(axis, "axis", low=-array.ndim, high=array.ndim - 1)
    if array.shape[place] != game.n_observations:
        raise ValueError(
            f"values has {array.shape[place]} entries along axis {place}; must be {game.n_observations}, one each"
        )
    ends = np.cumsum([model.n_observations for model in game.model.models])
    return dict(zip(game.model.names, np.split(array, ends[:-1], axis=place), strict=True))


def _games(games: object) -> tuple[Game, ...]:
    if isinstance(games, Game) or not isinstance(games, Sequence):
        raise TypeError(f"games is {type(games).__name__}; must be a sequence of Games, one a type")
    kinds = tuple(check.as_instance(game, f"games[{i}]", Game) for i, game in enumerate(games))
    if not kinds:
        raise ValueError("games is empty; must have one Game a type")
    for i, game in enumerate(kinds):
        for field in ("horizon", "discount", "step"):
            mine, theirs = getattr(game, field), getattr(kinds[0], field)
            if mine != theirs:
                raise ValueError(f"games[{i}] has {field} {mine:g}; must be that of games[0], {theirs:g}")
    return kinds


def _rates(rates: object, n_types: int) -> FloatArray:
    if not check.is_array(rates):
        return np.full(n_types, check.as_float(rates, "rates", low=0.0, high=1.0, low_open=True))
    return check.as_float_array(rates, "rates", shape=(n_types,), letters="M", low=0.0, low_open=True, high=1.0)


def _coupling(coupling: Any, sizes: list[int]) -> Any:
    """C (S, S), a scipy.sparse.csr_array, from W, C or None."""
    import scipy.sparse as sp  # takes longer to load than the rest of the package

    n_types, n_observations = len(sizes), sum(sizes)
    if coupling is None:
        coupling = np.ones((n_types, n_types))
    whole = (n_observations, n_observations)
    if sp.issparse(coupling):
        given: Any = coupling
        matrix = given.tocsr().astype(np.float64)
        if matrix.shape != whole:
            raise ValueError(f"coupling has shape {matrix.shape}; must be {whole} = (S, S)")
        matrix.sum_duplicates()
        check.as_float_array(matrix.data, "coupling.data", shape=(matrix.nnz,), letters="nnz", low=0.0)
        return matrix
    weights = np.asarray(coupling)
    if weights.shape == whole:
        return sp.csr_array(check.as_float_array(weights, "coupling", shape=whole, letters="S, S", low=0.0))
    weights = check.as_float_array(weights, "coupling", shape=(n_types, n_types), letters="M, M", low=0.0)
    for i, j in np.argwhere(weights):
        if sizes[i] != sizes[j]:
            raise ValueError(
                f"coupling[{i}, {j}] is {weights[i, j]:g}, but type {i} has {sizes[i]} observations and type {j} has "
                f"{sizes[j]}; must be 0, or give a matrix (S, S) = {whole}"
            )
    blocks = [
        [sp.diags_array(np.full(sizes[i], weights[i, j])) if weights[i, j] else sp.csr_array((sizes[i], sizes[j]))
         for j in range(n_types)]
        for i in range(n_types)
    ]  # fmt: skip
    return sp.csr_array(sp.block_array(blocks, format="csr"))
