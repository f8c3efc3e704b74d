"""Linear features of TMF-PG: parameters w (L, d) in place of a theta for every pair (Theory, section 7).

as_features     check the setting `features`
Features        logits of parameters, and directions of tables fitted by least squares
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray
from tmfcore._model.game import Game
from tmfcore._model.linear_softmax import linear_logits

__all__ = ["Features", "as_features"]

RCOND = 1e-12  # singular values of normal equations, relative to the largest, that count as 0


@dataclass(frozen=True, eq=False)
class Features:
    """An array (S, A, d), checked, with the equality of its entries."""

    array: FloatArray

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Features) and np.array_equal(self.array, other.array)

    def __hash__(self) -> int:
        return hash((self.array.shape, self.array.tobytes()))

    def __repr__(self) -> str:
        return f"array of shape {self.array.shape}"

    @property
    def size(self) -> int:
        """D."""
        return int(self.array.shape[2])

    @cached_property
    def rows(self) -> FloatArray:
        """(S A, d)."""
        return self.array.reshape(-1, self.size)

    @cached_property
    def apart(self) -> bool:
        """Whether no pair has two features, so that normal equations are diagonal."""
        return bool(((self.rows != 0).sum(axis=1) <= 1).all())

    def check(self, game: Game) -> None:
        """Raise ValueError unless the features are those of pairs of the game, all of them legal."""
        wanted = game.n_observations, game.n_actions
        if self.array.shape[:2] != wanted:
            raise ValueError(f"features has shape {self.array.shape}; must be (S, A, d) with (S, A) = {wanted}")
        if game.legal is not None:
            raise ValueError("features is given for a game with illegal actions; must be omitted: all must be legal")

    def logits(self, weights: FloatArray) -> FloatArray:
        """(L, S, A, 1)."""
        return linear_logits(self.array, weights)[..., np.newaxis]

    def summed(self, direction: FloatArray) -> FloatArray:
        """The derivative (L, d) in the parameters, from that in the logits, (L, S, A, 1)."""
        return np.asarray(np.einsum("loa,oaf->lf", direction[..., 0], self.array))

    def fitted(self, total: FloatArray, visits: FloatArray) -> FloatArray:
        """Least squares: w (L, d) with the least sum of visits (total / visits - features w)^2, and the least norm.

        total (L, S, A, 1) and visits (L, S, A): a sum of advantages, and their number.
        """
        right = self.summed(total)
        found = np.zeros_like(right)
        for stage, weights in enumerate(visits.reshape(len(visits), -1)):
            if self.apart:
                square = np.einsum("i,if,if->f", weights, self.rows, self.rows)
                np.divide(right[stage], square, out=found[stage], where=square > 0)
            else:
                square = self.rows.T @ (weights[:, np.newaxis] * self.rows)
                found[stage] = np.linalg.lstsq(square, right[stage], rcond=RCOND)[0]
        return found

    def nearest(self, logits: FloatArray) -> FloatArray:
        """Parameters (L, d) whose logits are nearest to these (L, S, A), up to a constant for each observation."""
        if self.apart and self.rows.shape[0] == self.size and (self.rows == np.eye(self.size)).all():
            return logits.reshape(len(logits), -1).copy()
        wanted = (logits - logits.mean(axis=-1, keepdims=True)).reshape(len(logits), -1)
        rows = (self.array - self.array.mean(axis=1, keepdims=True)).reshape(-1, self.size)
        return np.ascontiguousarray(np.linalg.lstsq(rows, wanted.T, rcond=None)[0].T)


def as_features(value: object, name: str) -> Features:
    """An array (S, A, d) of finite numbers."""
    if isinstance(value, Features):
        return value
    return Features(check.frozen(check.as_float_array(value, name, shape=(None, None, None), letters="S, A, d")))
