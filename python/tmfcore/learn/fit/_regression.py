"""Least squares with a prior, for many cells at once, with standard errors and intervals.

    Regression       estimates with and without the prior, standard errors, and `limits`, the ends of intervals
    ridge, told      least squares, and which coefficients the data identifies
    score_limits     ends of intervals of coefficients that are probabilities
    on_simplex       the nearest distributions

Not acting is action A. A cell is a pair (o, a), flattened. Outcomes are the S next observations and the reward. F is 1,
or S if the game is affine in mu.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tmfcore._base import pieces
from tmfcore._base.validation import FloatArray
from tmfcore._results.records import Record

VISITS = 5  # smallest number of visits for an interval
LARGEST = 1e100  # largest absolute reward, so that sums of squares are finite
HALVINGS = 40  # bisections of [0, 1], to 1e-12
EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False, repr=False)
class Regression(Record):
    """Least-squares estimates from the data.

    Parameters
    ----------
    smoothed, free : (F, cells, S + 1) float64
        Coefficients with and without the prior.
    error : (F, cells, S + 1) float64
        Standard errors of `smoothed`: those of `free`, and the distance between the two.
    """

    smoothed: FloatArray
    free: FloatArray
    error: FloatArray

    def limits(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Ends of the intervals, (F, cells, S + 1) each; NaN where the data does not identify the coefficient."""
        raise NotImplementedError


def ridge(gram: FloatArray, target: FloatArray, base: FloatArray, prior: float) -> FloatArray:
    """The c that minimises squared error + prior |c - base|^2; of several minimisers the one nearest to base.

    Parameters
    ----------
    gram, target, base : (..., F, F), (..., F, X), (..., F, X) float64
        Sums over the data of x x' and of x y', and the coefficients towards which the prior pulls.
    """
    inverse = inverses(gram + prior * np.eye(gram.shape[-1]))
    return np.asarray(base + product(inverse, target - product(gram, base)))


def inverses(gram: FloatArray) -> FloatArray:
    """Pseudo-inverses of symmetric matrices (..., F, F), some at a time: Ctrl-C waits for no more than these."""
    size = gram.shape[-1]
    flat = gram.reshape(-1, size, size)
    found = np.empty_like(flat)
    for part in pieces.parts(len(flat), 4 * size**3):
        found[part] = np.linalg.pinv(flat[part], hermitian=True)
    return found.reshape(gram.shape)


def product(first: FloatArray, second: FloatArray) -> FloatArray:
    """First @ second, (..., F, F) and (..., F, X), some matrices at a time."""
    if first.ndim == 2:
        return np.asarray(first @ second)
    rows, columns = first.shape[-1], second.shape[-1]
    a, b = first.reshape(-1, rows, rows), second.reshape(-1, rows, columns)
    found = np.empty_like(b)
    for part in pieces.parts(len(b), rows * columns):
        found[part] = a[part] @ b[part]
    return found.reshape(second.shape)


def told(gram: FloatArray) -> npt.NDArray[np.bool_]:
    """Whether the data identifies each coefficient, (..., F), from the Gram matrix (..., F, F)."""
    within = product(inverses(gram), gram)  # the projection on the span of the data
    sure: npt.NDArray[np.bool_] = np.diagonal(within, axis1=-2, axis2=-1) > 1 - 1e-6
    return sure


def score_limits(
    fitted: FloatArray,
    inverse: FloatArray,
    identified: npt.NDArray[np.bool_],
    variance: Callable[[FloatArray, npt.NDArray[np.intp]], FloatArray],
    level: float,
) -> tuple[FloatArray, FloatArray]:
    """Ends of score intervals of coefficients that are probabilities: (F, X) each, NaN where not identified.

    The interval of a coefficient holds the values c0 in [0, 1] within z standard errors of the estimate, where the
    standard error is computed at the least-squares coefficients under the constraint that this coefficient is c0. With
    a single coefficient this is Wilson's interval.

    Parameters
    ----------
    fitted : (F, X) float64
        Coefficients of X outcomes.
    inverse : (F, F) float64
        Inverse of the sum of x x': fixing coefficient k at d above its estimate moves the others, at least squares, by
        column k times d / inverse[k, k].
    identified : (F,) bool
    variance : callable (coefficients (K, X, F), which (K,)) -> (K, X)
        Variance of the estimates of the coefficients `which`, given for each of them a set of coefficients in [0, 1].
    level : float
    """
    from scipy.special import ndtri  # scipy takes longer to import than the rest of the package

    which = np.flatnonzero(identified)
    low, high = np.full_like(fitted, np.nan), np.full_like(fitted, np.nan)
    if not len(which):
        return low, high
    z = float(ndtri(0.5 + level / 2))
    pull = inverse[which] / inverse[which, which][:, np.newaxis]
    centre, nearest = fitted[which], np.clip(fitted[which], 0.0, 1.0)

    def beyond(value: FloatArray) -> npt.NDArray[np.bool_]:
        at = np.clip(fitted.T + pull[:, np.newaxis] * (value - fitted[which])[..., np.newaxis], 0.0, 1.0)
        far: npt.NDArray[np.bool_] = np.abs(centre - value) > z * np.sqrt(variance(at, which))
        return far

    # If the estimate is so far outside [0, 1] that the interval would be empty, centre it at the nearest value inside.
    centre = np.where(beyond(nearest), nearest, centre)
    for ends, border in ((low, 0.0), (high, 1.0)):
        out, inside = np.full_like(centre, border), nearest.copy()
        everything = ~beyond(out)
        for _ in range(HALVINGS):
            middle = (out + inside) / 2
            far = beyond(middle)
            out, inside = np.where(far, middle, out), np.where(far, inside, middle)
        ends[which] = np.where(everything, border, inside)
    return low, high


def on_simplex(points: FloatArray) -> FloatArray:
    """The nearest distributions, along the last axis (Duchi et al., ICML 2008)."""
    ordered = -np.sort(-points, axis=-1)
    surplus = np.cumsum(ordered, axis=-1) - 1.0
    ranks = np.arange(1, points.shape[-1] + 1)
    last = np.sum(ordered * ranks > surplus, axis=-1, keepdims=True) - 1
    near: FloatArray = np.maximum(points - np.take_along_axis(surplus, last, axis=-1) / (last + 1), 0.0)
    return near


def likely_variance(likely: FloatArray, widths: FloatArray) -> FloatArray:
    """Variance of estimated probabilities; if all n visits agree, as if half a visit of n + 1 had not.

    Parameters
    ----------
    likely : (..., X) float64
        Guesses of the probabilities, in [0, 1].
    widths : (..., 1) float64
        1 / n.
    """
    doubt = 0.5 * widths / (1 + widths)
    return np.asarray(widths * np.maximum(likely * (1 - likely), doubt * (1 - doubt)))


def reward_variance(squares: FloatArray, degrees: FloatArray, largest: float) -> FloatArray:
    """Variance of a reward in each cell, (cells,), from squared residuals.

    If the rewards of a cell all agree, they count as certain only if those of every cell do. Otherwise this may be
    chance, and the cell gets the variance of all cells together.
    """
    noise = squares / np.maximum(degrees, 1.0)
    still = noise <= (64 * EPS * largest) ** 2
    if still.all():
        return np.zeros_like(noise)
    return np.where(still, squares.sum() / max(degrees.sum(), 1.0), noise)


def reward_skewness(noise: FloatArray, cubes: FloatArray, degrees: FloatArray, largest: float) -> FloatArray:
    """Skewness of a reward in each cell, (cells,), from cubed residuals in units of `largest`; 0 if unknown.

    With d degrees of freedom the expected sum of cubes is about d (d - 1) / (d + 1) times the third cumulant (exactly,
    for residuals of a mean).
    """
    scaled = np.sqrt(noise) / max(largest, 1e-300)
    divisor = degrees * (degrees - 1) * scaled**3
    known = (degrees > 1) & (divisor > 0)
    return np.where(known, cubes * (degrees + 1) / np.where(known, divisor, 1.0), 0.0)


def standard_errors(variance: FloatArray, smoothed: FloatArray, free: FloatArray) -> FloatArray:
    """Standard errors of smoothed estimates: from the variance without the prior plus the squared shift by it."""
    return np.sqrt(variance + (smoothed - free) ** 2)


def rounding(gram: FloatArray, degrees: float, largest: float) -> float:
    """A bound on the rounding error of an estimated reward."""
    spectrum = np.linalg.eigvalsh(gram)
    kept = spectrum[spectrum > spectrum[-1] * 1e-12]
    return EPS * (8 + degrees + float(kept[-1] / kept[0])) * largest if len(kept) else 0.0
