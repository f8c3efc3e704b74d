"""Tables of a game at the corners of the simplex, which determine tables that are affine in mu."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np

from tmfcore._base.validation import FloatArray
from tmfcore._model.game import Game
from tmfcore._model.sources import dense

__all__ = ["Declared", "Look", "corners", "rewards", "rows", "steps"]

Look: TypeAlias = Callable[[Game, FloatArray, int], tuple[FloatArray, FloatArray]]  # active and passive tables


class Declared(NamedTuple):
    """What a game declares, the only basis of proofs: flags of its model, except flags detected by probing."""

    affine: bool
    constant_reward: bool
    constant_transition: bool
    falling_reward: int

    @classmethod
    def by(cls, game: Game) -> Declared:
        if game.assumed:
            return cls(False, False, False, 0)
        model = game.model
        return cls(model.affine, model.constant_reward, model.constant_transition, model.falling_reward)


def rewards(game: Game, mu: FloatArray, t: int) -> tuple[FloatArray, FloatArray]:
    """Reward (S, A) and passive_reward (S,) at (t, mu)."""
    reward, passive_reward = game.model.rewards(mu, t)
    return reward, passive_reward


def rows(game: Game, mu: FloatArray, t: int) -> tuple[FloatArray, FloatArray]:
    """Transition (S, A, S) and passive_transition (S, S) at (t, mu), dense."""
    model = game.model
    _, active, _, passive = model.tables(mu, t)
    if model.successors is not None:
        active = dense(active, model.successors)
    if model.passive_successors is not None:
        passive = dense(passive, model.passive_successors)
    return active, passive


def steps(game: Game) -> range:
    """The steps whose tables must be read: only step 0 if they are declared not to depend on t."""
    return range(1 if Declared.by(game).affine else game.n_steps)


def corners(game: Game, what: Look, t: int) -> list[FloatArray]:
    """Both tables of `what` (rewards or rows) at mu = e_y for every y, stacked, (S, ...) each."""
    size = game.n_observations
    at = [what(game, corner, t) for corner in np.eye(size)]
    return [np.stack([pair[i] for pair in at]) for i in (0, 1)]
