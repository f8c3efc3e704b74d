"""Games of agents at positions, who see their neighbours more than others: the graphon game on blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from tmfcore._base import needs, pieces
from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory, noted
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.game import Game
from tmfcore.games._shelf import SKEWED, shelf
from tmfcore.games.queueing import queueing
from tmfcore.games.typed import assembled

__all__ = ["graphon"]

Graphon: TypeAlias = Callable[[FloatArray, FloatArray], FloatsLike]


@shelf(
    "Agents at positions, all in the same game, each with the population of its neighbours in place of mu.",
    small=lambda: {
        "game": queueing([0.1, 0.25], horizon=5), "positions": SKEWED, "weights": np.add.outer(SKEWED, SKEWED**2),
        "blocks": [0, 0, 1, 1, 1, 2, 2], "initial": [[0.6, 0.1, 0.3], [0.2, 0.7, 0.1], [0.3, 0.25, 0.45]],
    },
)  # fmt: skip
@fits_memory("positions or blocks must be fewer", asks=True)
def graphon(
    game: Game,
    *,
    positions: FloatsLike,
    weights: Graphon | FloatsLike,
    blocks: int | FloatsLike | None = None,
    initial: FloatsLike | None = None,
) -> Game:
    """Agents at n positions, each of which meets the population of its neighbours (graphon game, arXiv:2602.16196).

    An agent at position i plays `game` with, in place of mu, the distribution

        g_i = sum_j w_ij m_j,   w_ij = W(alpha_i, alpha_j) / sum_{k != i} W(alpha_i, alpha_k),   w_ii = 0

    where m_j is the distribution of the agents at position j. A position without neighbours (W = 0) meets all others
    alike. Positions may be put together to blocks, of which all agents meet the mean of g_i over the positions of the
    block. This is `typed` with a type for each block, of the share of positions that it has.

    Parameters
    ----------
    game : Game
        The game of all agents.
    positions : (n,) or (n, d) floats
        alpha, in [0, 1].
    weights : callable or (n, n) floats or booleans
        W >= 0: a function of two arrays of positions, (m, 1) and (1, n), or (m, 1, d) and (1, n, d), that returns
        (m, n) weights; or the weights themselves.
    blocks : int, (n,) integers or None, optional
        The block of each position, 0, 1, .. without gaps; or the number of equal intervals into which each coordinate
        is cut, whose non-empty cells are the blocks. None: a block for each position.
    initial : (M, S') floats or None, optional
        The distribution of the agents of each of the M blocks at the start. None: game.initial for all.

    Returns
    -------
    Game
        S = M S' observations "block 0: label", if `game` has S'; otherwise as `game`. Named "graphon"; `by_type`
        splits its results by block.

    Raises
    ------
    TypeError, ValueError
        Positions outside of [0, 1], fewer than 2; weights that are negative, not finite or of another shape; blocks of
        another shape, or with gaps.
    MemoryError
        W, (n, n), does not fit.

    Notes
    -----
    With n positions, as many blocks and N = n agents, each of them stands alone at its position, and `simulate` plays
    the system of n agents of the paper exactly, with every schedule. A step costs the tables of `game` for every
    block, and O(M^2 S') for all g.

    Examples
    --------
    Two groups, which rarely meet: the first is crowded at the start.

    >>> import numpy as np, tmfcore as tmf
    >>> game = tmf.games.graphon(
    ...     tmf.games.robotics(), positions=np.linspace(0, 1, 20), blocks=2,
    ...     weights=lambda x, y: np.where((x < 0.5) == (y < 0.5), 1.0, 0.1))
    >>> game
    Game('graphon', S=6, A=3, T=100, discount=0.95)
    """
    import scipy.sparse as sp  # slow to import

    check.as_instance(game, "game", Game)
    where = check.as_float_array(
        positions, "positions", shape=[(None,), (None, None)], letters=["n", "n, d"], low=0.0, high=1.0
    )
    n = len(where)
    if n < 2:
        raise ValueError(f"positions has {n} entries; must have at least 2")
    block = _blocks(blocks, where)
    n_blocks = int(block.max()) + 1
    needs.ask({"weights": (24, n, n), "coupling": (64, n_blocks, n_blocks, game.n_observations)}, first=True)
    sizes = np.bincount(block)
    member = sp.csr_array((np.ones(n), (np.arange(n), block)), shape=(n, n_blocks))
    given: Any = weights
    if not callable(weights):
        given = check.as_float_array(_numbers(weights), "weights", shape=(n, n), letters="n, n", low=0.0)
    met = np.zeros((n_blocks, n_blocks))  # sum over the positions of a block of the weights of those of another
    for part in pieces.parts(n, n):
        rows, here = _rows(given, where, part), np.arange(part.start, part.stop)
        rows[here - part.start, here] = 0.0
        with np.errstate(over="ignore"):
            total = rows.sum(axis=1, keepdims=True)
        if not np.isfinite(total).all():
            i = part.start + int(np.argmin(np.isfinite(total[:, 0])))
            raise ValueError(f"weights of position {i} sum to inf; their sum must be finite: divide all by 1e10")
        alone = total[:, 0] == 0
        rows[alone], total[alone] = 1.0, n - 1
        rows[here - part.start, here] = 0.0
        met += member[part].T @ ((rows @ member) / total)
    kinds = [game] * n_blocks
    if initial is not None:
        begun = check.as_probabilities(initial, "initial", shape=(n_blocks, game.n_observations), letters="M, S'")
        kinds = [game.replace(initial=one) for one in begun]
    shares = sizes / n
    coupling = met / sizes[:, np.newaxis] / shares
    return assembled(
        kinds, shares=shares, coupling=coupling, rates=1.0,
        names=[f"block {i}" for i in range(n_blocks)], name="graphon",
    )  # fmt: skip


def _blocks(blocks: object, positions: FloatArray) -> IntArray:
    """The block of each position, (n,)."""
    n = len(positions)
    if blocks is None:
        return np.arange(n)
    if not check.is_array(blocks):
        cuts = check.as_positive_int(blocks, "blocks")
        cells = np.minimum((positions.reshape(n, -1) * cuts).astype(np.int64), cuts - 1)
        found: IntArray = np.unique(cells, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
        return found
    given = check.as_int_array(blocks, "blocks", shape=(n,), letters="n", low=0, high=n - 1)
    missing = np.setdiff1d(np.arange(given.max() + 1), given)
    if len(missing):
        raise ValueError(f"blocks has no entry {missing[0]}; must have every number up to the largest, {given.max()}")
    return given


def _rows(weights: Any, positions: FloatArray, part: slice) -> FloatArray:
    """The weights of some positions, (m, n), in an array of their own."""
    if not callable(weights):
        return np.array(weights[part])
    shape = (part.stop - part.start, len(positions))
    found = noted(weights, "weights", "(x, y)")(positions[part, np.newaxis], positions[np.newaxis])
    return np.array(check.as_float_array(_numbers(found), "weights(x, y)", shape=shape, letters="m, n", low=0.0))


def _numbers(weights: Any) -> Any:
    """Booleans as 0 and 1; anything else as it is."""
    return weights.astype(np.float64) if isinstance(weights, np.ndarray) and weights.dtype == np.bool_ else weights
