"""Confidence sets of the rows of a game, from counts, and the most favourable rows within them (Theory, section 18).

Counts(moves, prior)                     moves (S, A, S) that were seen, and what they say of the rows
Counts.estimate                          smoothed frequencies, as `fit` has them
Counts.box(confidence, width)            lower and upper ends of all entries
favourable(low, high, values)            of the rows in a box, those with the largest mean of values
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tmfcore._base import pieces
from tmfcore._base.validation import FloatArray, IntArray

__all__ = ["Box", "Counts", "favourable"]


@dataclass(frozen=True)
class Box:
    """Rows p with low <= p <= high, entry by entry: (S, A, S) each. The estimate is one of them."""

    low: FloatArray
    high: FloatArray

    def holds(self, rows: FloatArray) -> npt.NDArray[np.bool_]:
        """Whether each row is inside, (S, A)."""
        return np.asarray(np.all((self.low <= rows) & (rows <= self.high), axis=-1))


@dataclass(frozen=True)
class Counts:
    """Moves of acting agents, (S, A, S), and how many moves of a uniform row are added to those at each (o, a)."""

    moves: IntArray
    prior: float

    @property
    def visits(self) -> IntArray:
        """How often the next observation was seen, (S, A)."""
        visits: IntArray = self.moves.sum(axis=-1)
        return visits

    @property
    def estimate(self) -> FloatArray:
        """(k + prior / S) / (n + prior), (S, A, S); uniform without visits."""
        size = self.moves.shape[-1]
        total = self.visits + self.prior
        added = np.where(total > 0, self.prior, 1.0)  # without a prior, rows that were not visited are uniform, too
        weight = np.where(total > 0, total, 1.0)[..., np.newaxis]
        found: FloatArray = (self.moves + added[..., np.newaxis] / size) / weight
        return found

    def box(self, confidence: float, width: float) -> Box:
        """Clopper and Pearson's intervals of all entries together (Bonferroni), `width` times as far from the estimate.

        width = 0 gives the estimate, 1 the intervals, widened where they do not hold the smoothed estimate.
        """
        from scipy import special  # slow to load

        centre = self.estimate
        if width == 0:
            return Box(centre, centre)
        tail = (1 - confidence) / (2 * self.moves.size)
        low, high = np.zeros(self.moves.shape), np.ones(self.moves.shape)
        n = self.visits
        for o in range(len(n)):
            for part in pieces.parts(n.shape[1], 64 * n.shape[1]):
                k = self.moves[o, part].astype(np.float64)
                rest = n[o, part, np.newaxis] - k
                some, others = k > 0, rest > 0
                low[o, part][some] = special.betaincinv(k[some], rest[some] + 1, tail)
                high[o, part][others] = special.betainccinv(k[others] + 1, rest[others], tail)
        low = np.clip(centre + width * (np.minimum(low, centre) - centre), 0.0, centre)
        high = np.clip(centre + width * (np.maximum(high, centre) - centre), centre, 1.0)
        return Box(low, high)


def favourable(box: Box, values: FloatArray) -> FloatArray:
    """Rows (S, A, S) in the box with the largest sum_x p(x) values(x).

    From the lower ends the mass that is left goes to the observations in order of falling value, each up to its upper
    end: a sort, and a cumulated sum (Givan, Leach and Dean 2000).
    """
    order = np.argsort(-values, kind="stable")
    low = box.low[..., order]
    room = box.high[..., order] - low
    left = 1.0 - low.sum(axis=-1, keepdims=True) - (np.cumsum(room, axis=-1) - room)
    rows = np.empty_like(low)
    rows[..., order] = low + np.clip(left, 0.0, room)
    return rows
