"""Tables of a game at the corners of the simplex: what is affine in mu is known from them exactly."""

from __future__ import annotations

import numpy as np

from tmfcore._validation import FloatArray
from tmfcore.game import Game, _dense

__all__ = ["AFFINE_TOLERANCE", "corners", "is_affine", "random_populations", "rewards", "rows", "steps"]

AFFINE_TOLERANCE = 1e-9  # relative to the largest entry at the corners


def rewards(game: Game, mu: FloatArray, t: int) -> tuple[FloatArray, FloatArray]:
    """Reward (S, A) and passive_reward (S,) at (t, mu)."""
    reward, _, passive_reward, _ = game.model.tables(mu, t)
    return reward, passive_reward


def rows(game: Game, mu: FloatArray, t: int) -> tuple[FloatArray, FloatArray]:
    """Transition (S, A, S) and passive_transition (S, S) at (t, mu), dense."""
    model = game.model
    _, active, _, passive = model.tables(mu, t)
    if model.successors is not None:
        active = _dense(active, model.successors)
    if model.passive_successors is not None:
        passive = _dense(passive, model.passive_successors)
    return active, passive


def steps(game: Game) -> range:
    """The steps whose tables have to be looked at: one where they are known not to depend on t."""
    return range(1 if game.model.affine else game.horizon)


def corners(game: Game, what: object, t: int) -> list[FloatArray]:
    """Both tables of `what` (rewards or rows) at mu = e_y for every y, stacked: (S, ...) each."""
    size = game.n_observations
    at = [what(game, corner, t) for corner in np.eye(size)]  # type: ignore[operator]
    return [np.stack([pair[i] for pair in at]) for i in (0, 1)]


def is_affine(game: Game, what: object, stacked: list[FloatArray], populations: FloatArray, t: int) -> bool:
    """Whether the game says so, or the tables at some populations are the mixtures of those at the corners."""
    if game.model.affine:
        return True
    for mu in populations:
        for found, at_corners in zip(what(game, mu, t), stacked, strict=True):  # type: ignore[operator]
            scale = max(1.0, float(np.abs(at_corners).max()))
            if np.abs(found - np.tensordot(mu, at_corners, axes=1)).max() > AFFINE_TOLERANCE * scale:
                return False
    return True


def random_populations(generator: np.random.Generator, n: int, size: int) -> FloatArray:
    """(n, S) distributions, from near the corners to the middle of the simplex."""
    concentration = 10.0 ** generator.uniform(-1.0, 1.0, size=n)
    weights = np.array([generator.gamma(c, size=size) for c in concentration]) + 1e-12
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
