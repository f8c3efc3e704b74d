"""A game under a schedule, as the tables of a synchronous game without discount, which other packages can play.

    reward(t, mu) = gamma**t [ beta_t r + (1 - beta_t) r0 ],     kernel(t, mu) = beta_t P + (1 - beta_t) P0

beta_t may depend on the observation and on mu. An agent that acts at every step of this game has the flow and, on the
clock "schedule", the values of an agent that acts with probability beta_t in the original game. The values on the clock
"always" are those of gamma**t r and P.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray, SuccessorArray
from tmfcore._limit.checks import active_fractions
from tmfcore._model.activation import ActingShares
from tmfcore._model.game import Game, in_steps
from tmfcore._model.schedules import Active, Schedule, Synchronous, share_at


class SynchronousTables:
    """Dense tables of `game` for an agent that acts with probability `active`; recent tables are cached.

    may_follow (S, A, S): which next observations have a positive probability at some mu; None: probabilities do not
    depend on mu.
    """

    def __init__(self, game: Game, active: Active) -> None:
        self.game, self.active = game, active
        self.n_observations, self.n_actions, self.horizon = game.n_observations, game.n_actions, game.n_steps
        self.initial, self.discount = game.initial, game.discount
        self._known: dict[tuple[int, bytes], tuple[FloatArray, FloatArray]] = {}
        self.may_follow = _may_follow(game, active)

    def __call__(self, t: int, mu: object) -> tuple[FloatArray, FloatArray]:
        """Reward (S, A) and kernel (S, A, S) at step t and the population mu (S,). O(S A S) if not cached."""
        population = np.asarray(mu, dtype=np.float64)
        key = (t, population.tobytes())
        if key not in self._known:
            if len(self._known) > 4 * self.horizon:
                self._known.clear()
            self._known[key] = self._tables(t, population)
        return self._known[key]

    def outcomes(self, t: int, mu: object, o: int, a: int) -> list[tuple[int, float]]:
        """(observation, probability) of all next observations possible at some mu, even if impossible at this mu."""
        row = self(t, mu)[1][o, a]
        found = np.flatnonzero(row if self.may_follow is None else self.may_follow[o, a])
        return [(int(x), float(row[x])) for x in found]

    def _tables(self, t: int, mu: FloatArray) -> tuple[FloatArray, FloatArray]:
        game = self.game
        beta = share_at(self.active, mu / mu.sum(), t)[:, None]
        model, size = game.model, game.n_observations  # illegal actions have the rows of legal ones
        reward, moves, passive_reward, stays = model.tables(mu / mu.sum(), t)
        moves = dense(moves, model.successors, size)
        stays = dense(stays, model.passive_successors, size)
        reward = beta * reward + (1 - beta) * passive_reward[:, None]
        return self.discount**t * reward, beta[..., None] * moves + (1 - beta[..., None]) * stays[:, None]


def of(game: object, schedule: object = None) -> SynchronousTables:
    """The tables of `game` under `schedule`; None: every agent acts at every step."""
    who = Synchronous() if schedule is None else check.as_instance(schedule, "schedule", Schedule)
    game = in_steps(game, who)
    return SynchronousTables(game, active_fractions(game, who, None))


def dense(rows: FloatArray, successors: SuccessorArray | None, size: int) -> FloatArray:
    """Rows (..., K) over successors as rows over all observations (..., S)."""
    if successors is None:
        return rows
    found = np.zeros((*rows.shape[:-1], size))
    where = np.indices(rows.shape)
    np.add.at(found, (*where[:-1], successors), rows)
    return found


def _may_follow(game: Game, active: Active) -> npt.NDArray[np.bool_] | None:
    """(S, A, S): which next observations are possible at some mu; None if transitions do not depend on mu."""
    model, size = game.model, game.n_observations
    if isinstance(active, ActingShares):
        varying, some_wait = active.depends_on_mu, True
    else:
        varying, some_wait = False, bool((active < 1).any())
    if model.constant_transition and not varying:
        return None
    found = np.ones((size, game.n_actions, size), dtype=bool)
    if model.successors is not None:
        found = dense(np.ones(model.successors.shape), model.successors, size) > 0
    if some_wait:
        stays = np.eye(size, dtype=bool)
        if not model.passive_identity:
            cells = model.passive_successors
            stays = np.ones_like(stays) if cells is None else dense(np.ones(cells.shape), cells, size) > 0
        found = found | stays[:, None]
    return found
