"""How well an agent could tell candidate games apart, while all others play one policy (Theory, section 18).

View(game, mu, active)         a candidate in steps, with its own flow of that policy
distances(views, pairs)        d(j, k) and d(k, j) of pairs of candidates
looks(views, j, k)             the policy that attains d(j, k)
loglikelihood(view, ...)       of a trajectory, in one candidate
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf, log

import numpy as np
import numpy.typing as npt

from tmfcore._base.threads import Together, available_processors
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.game import Game
from tmfcore._model.legal import lawful
from tmfcore._model.policies import TabularPolicy
from tmfcore._model.schedules import Active
from tmfcore.learn import _pairs
from tmfcore.learn._oracle import shares_at

__all__ = ["View", "all_pairs", "distances", "loglikelihood", "looks", "needs_of_distances"]

TABLES = 1 << 30  # bytes of rows that are in memory at a time
TILE = 8  # candidates whose rows stay in the cache while they are compared
SECONDS = 2e-3  # of work, from which on more threads are worth their start

Pairs = npt.NDArray[np.intp]


@dataclass(frozen=True)
class View:
    """A candidate in steps, and the population of a policy in it: mu (T+1, S)."""

    game: Game
    mu: FloatArray
    active: Active


def all_pairs(n: int) -> Pairs:
    """The pairs j < k of n candidates, (P, 2), tile by tile: those of few candidates are neighbours."""
    found = np.stack(np.triu_indices(n, 1), axis=-1).astype(np.intp)
    order = np.lexsort((found[:, 1], found[:, 0], found[:, 1] // TILE, found[:, 0] // TILE))
    return found[order]


def needs_of_distances(game: Game, n: int) -> dict[str, tuple[int, ...]]:
    """Memory of the distances of all pairs of n candidates."""
    size = game.n_observations
    return {
        "rows of candidates": (8, _rows_in_memory(game, n), size, game.n_actions, size),
        "values of pairs": (32, n * (n - 1) // 2, size),
    }


def distances(
    views: Sequence[View], pairs: Pairs, threads: int | None = None, greedy: npt.NDArray[np.intp] | None = None
) -> FloatArray:
    """For each pair (j, k) how far an agent in candidate j sees the two apart, and an agent in k, (P, 2).

    d(j, k) = max over policies of E_j sum_t |P^j_t - P^k_t|_1 at what the agent does, in the flows of one policy of the
    others. `greedy`, (T, P, 2, S) intp, gets the best actions.
    """
    game, size, n_pairs = views[0].game, views[0].game.n_observations, len(pairs)
    rows = _Loaded(views)
    groups = rows.groups(pairs)
    following: FloatArray | None = None
    values, spare = np.empty((2, n_pairs, 2, size))
    workers = min(available_processors(), size) if threads is None else threads
    together = Together(workers if size * size * game.n_actions * n_pairs > SECONDS * 1e9 else 1)
    try:
        for t in range(game.n_steps - 1, -1, -1):
            rows.forget()
            for first, second, place in groups:
                own = rows.load(first, second, t, pairs[place])
                out = np.empty((len(own), 2, size))
                best = None if greedy is None else np.empty((len(own), 2, size), np.intp)
                ahead = None if following is None else np.ascontiguousarray(following[place])
                for some in _observations(size, game.n_actions, len(own), workers):
                    together([_step(rows, own, ahead, out, best, *ends) for ends in some], None)
                values[place] = out
                if greedy is not None and best is not None:
                    greedy[t, place] = best
            following, values, spare = values, spare, values
    finally:
        together.close()
    assert following is not None, "T >= 1"
    starts = np.stack([view.game.initial for view in views])
    found: FloatArray = (starts[pairs] * following).sum(-1)  # einsum adds in an order that depends on the processor
    return found


def looks(views: Sequence[View], j: int, k: int) -> TabularPolicy:
    """The policy with which an agent in candidate j sees it and k apart best; the first of equally good actions."""
    game = views[j].game
    greedy = np.empty((game.n_steps, 1, 2, game.n_observations), np.intp)
    distances([views[j], views[k]], np.array([[0, 1]], np.intp), 1, greedy)
    actions = lawful(np.ascontiguousarray(greedy[:, 0, 0], np.int64), game.legal)
    table = np.zeros((*actions.shape, game.n_actions))
    np.put_along_axis(table, actions[..., np.newaxis], 1.0, axis=-1)
    return TabularPolicy._trusted(table, game.n_steps, own=True)


def loglikelihood(view: View, observations: IntArray, actions: IntArray) -> float:
    """Log probability of the moves of an agent, given what it did; -inf if one of them is impossible."""
    model, total = view.game.model, 0.0
    moves = zip(observations[:-1].tolist(), actions.tolist(), observations[1:].tolist(), strict=True)
    for t, (o, a, x) in enumerate(moves):
        row, _ = model.row(view.mu[t], t, o, a)
        cells = model.passive_successors if a < 0 else model.successors
        if cells is None:
            p = float(row[x])
        else:
            p = float(row[(cells[o] if a < 0 else cells[o, a]) == x].sum())
        if p <= 0:
            return -inf
        total += log(p)
    return total


# ---------------------------------------------------------------------------------------------------------------- parts


class _Loaded:
    """Dense rows of candidates at a step: of all, or of the two blocks that are compared at present.

    active (n, S, A, S), passive (n, S, S) or None if all agents act, shares (n, S)
    """

    def __init__(self, views: Sequence[View]) -> None:
        game = views[0].game
        size = game.n_observations
        self.views, self.block = views, _block(game, len(views))
        n = _rows_in_memory(game, len(views))
        self.active = np.empty((n, size, game.n_actions, size))
        acting = all(isinstance(view.active, np.ndarray) and (view.active == 1).all() for view in views)
        self.passive = None if acting else np.empty((n, size, size))
        self.shares = np.ones((n, size))
        self.loaded: list[int | None] = [None, None]  # the block in each half

    def groups(self, pairs: Pairs) -> list[tuple[int, int, Pairs]]:
        """Pairs by the blocks of their candidates: (block of j, block of k, numbers of the pairs)."""
        keys, which = np.unique(pairs // self.block, axis=0, return_inverse=True)
        return [(int(a), int(b), np.flatnonzero(which.reshape(-1) == i)) for i, (a, b) in enumerate(keys)]

    def forget(self) -> None:
        """The rows are those of another step."""
        self.loaded = [None, None]

    def load(self, first: int, second: int, t: int, pairs: Pairs) -> Pairs:
        """Fill in the rows of two blocks at step t, and return the places of pairs of their candidates."""
        for block in (first, second):
            if block not in self.loaded:
                half = 0 if self.loaded[0] not in (first, second) else 1
                self.loaded[half] = block
                self._fill(block, half, t)
        moved = [0 if block is None else (half - block) * self.block for half, block in enumerate(self.loaded)]
        return pairs + np.where(pairs // self.block == self.loaded[0], moved[0], moved[1])

    def _fill(self, block: int, half: int, t: int) -> None:
        for i, view in enumerate(self.views[block * self.block : (block + 1) * self.block], half * self.block):
            mu = view.mu[t]
            _pairs.fill(view.game.model, mu, t, self.active[i], None if self.passive is None else self.passive[i])
            self.shares[i] = shares_at(view.active, mu, t, self.shares.shape[1])


def _block(game: Game, n: int) -> int:
    """How many candidates have their rows in memory at a time: all, or blocks of which two fit."""
    each = 8 * game.n_observations**2 * game.n_actions
    return n if n * each <= TABLES else max(1, min(n, TABLES // (2 * each)))


def _rows_in_memory(game: Game, n: int) -> int:
    """The number of candidates for whose rows there is room."""
    block = _block(game, n)
    return n if block == n else 2 * block


def _observations(size: int, n_actions: int, n_pairs: int, workers: int) -> Iterator[list[tuple[int, int]]]:
    """Ranges of observations, for `workers` at a time: milliseconds of work, between which Ctrl-C is heard."""
    each = max(1, int(2e7 / max(1, size * n_actions * n_pairs)))
    cuts = [(first, min(first + each, size)) for first in range(0, size, each)]
    for i in range(0, len(cuts), workers):
        yield cuts[i : i + workers]


def _step(
    rows: _Loaded, pairs: Pairs, following: FloatArray | None, values: FloatArray, greedy: npt.NDArray[np.intp] | None,
    first: int, last: int,
) -> Callable[[], None]:  # fmt: skip
    def job() -> None:
        _pairs.step_back(rows.active, rows.passive, rows.shares, pairs, following, values, greedy, first, last)

    return job
