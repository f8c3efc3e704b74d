"""Tables for draws, made before timing starts: cumulative rows, and alias rows (Walker 1977, Vose 1991)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tmfcore.bench.problems import Floats, Playing


def cumulative(rows: Floats) -> Floats:
    """Rows (R, C) as one increasing array (R * C,): row r goes from r to r + 1, so that searchsorted(u + r) draws from it."""
    flat = np.cumsum(rows, axis=1)
    flat /= flat[:, -1:]
    flat[:, -1] = 1.0
    return (flat + np.arange(len(rows))[:, None]).ravel()


def alias(rows: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Share of each cell that stays with it, and the cell that gets the rest; both (R, C)."""
    share = np.ones_like(rows)
    other = np.tile(np.arange(rows.shape[1]), (len(rows), 1))
    for r, row in enumerate(rows * rows.shape[1]):
        weight, own, to = row.tolist(), share[r], other[r]
        small = [c for c, w in enumerate(weight) if w < 1.0]
        large = [c for c, w in enumerate(weight) if w >= 1.0]
        while small and large:
            c, big = small.pop(), large[-1]
            own[c], to[c] = weight[c], big
            weight[big] -= 1.0 - weight[c]
            if weight[big] < 1.0:
                small.append(large.pop())
    return share, other


def packed_alias(rows: Floats) -> tuple[npt.NDArray[np.uint32], int]:
    """Alias rows with 4 bytes per cell: threshold in the high bits, other cell in the low `bits`; padded to a power of two.

    The threshold has 32 - bits bits, so that a probability is off by up to 2**(bits - 33) of a cell, in exchange for one
    load per draw; the benchmark cannot detect this. tmfcore resolves ties exactly, which takes more time.
    """
    bits = max(1, int(rows.shape[1] - 1).bit_length())
    padded = np.zeros((len(rows), 1 << bits))
    padded[:, : rows.shape[1]] = rows
    share, other = alias(padded)
    top = (1 << (32 - bits)) - 1
    full = share >= 1.0
    other = np.where(full, np.arange(1 << bits), other)
    threshold = np.minimum(np.round(share * (top + 1)), top).astype(np.uint64)
    return ((threshold << np.uint64(bits)) | other.astype(np.uint64)).astype(np.uint32), bits


def joint(problem: Playing) -> Floats:
    """Rows (S, A * S): action and successor in one draw; cell a * S + x."""
    return (problem.pi[:, :, None] * problem.transition).reshape(problem.size, -1)


def rows_of(problem: Playing, decisions: bool) -> Floats:
    """Rows for one draw per agent and step: joint rows if decisions are recorded, otherwise the averaged kernel."""
    return joint(problem) if decisions else problem.averaged
