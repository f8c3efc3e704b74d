"""Least squares with a prior, for many cells at once, and what is known of the coefficients.

    Regression       estimates with the prior and without, standard errors, and `limits`, the ends of intervals
    ridge, told      least squares, and which coefficients the data tells
    score_limits     ends of intervals of coefficients that are probabilities
    on_simplex       the nearest distributions

The passive are action A; cells are (o, a), flat; outcomes are the S next observations and the reward; F is 1, or
S where the game is affine in mu.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tmfcore._base.validation import FloatArray
from tmfcore._results.records import Record

VISITS = 5  # fewer tell too little for an interval
LARGEST = 1e100  # absolute reward, so that sums of squares are finite
HALVINGS = 40  # of [0, 1], to 1e-12
EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False, repr=False)
class Regression(Record):
    """Least squares of what was seen.

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
        """Ends of the intervals, (F, cells, S + 1) each; NaN where the data does not identify what they are of."""
        raise NotImplementedError


def ridge(gram: FloatArray, target: FloatArray, base: FloatArray, prior: float) -> FloatArray:
    """The c of least squared error + prior |c - base|^2; the one nearest to base where several are least.

    Parameters
    ----------
    gram, target, base : (..., F, F), (..., F, X), (..., F, X) float64
        Sums over the data of x x' and of x y', and where the prior pulls.
    """
    inverse = np.linalg.pinv(gram + prior * np.eye(gram.shape[-1]), hermitian=True)
    return np.asarray(base + inverse @ (target - gram @ base))


def told(gram: FloatArray) -> npt.NDArray[np.bool_]:
    """Whether the data tells each coefficient: (..., F) of (..., F, F)."""
    within = np.linalg.pinv(gram, hermitian=True) @ gram  # the projection on what was seen
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

    The interval of a coefficient holds the values c0 in [0, 1] that are less than z standard errors from the estimate,
    the standard error being that under c0: of the coefficients of least squared error among those with c0. Where one
    coefficient is all there is, this is Wilson's interval.

    Parameters
    ----------
    fitted : (F, X) float64
        Coefficients of X outcomes.
    inverse : (F, F) float64
        Of the sum of x x': moving one coefficient by d moves those of least squares by its column times
        d / inverse[k, k].
    identified : (F,) bool
    variance : callable (coefficients (K, X, F), which (K,)) -> (K, X)
        Variance of the estimates of the coefficients `which`, under each's own coefficients in [0, 1].
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

    # An estimate so far outside [0, 1] that no value in it is near enough: an interval about the nearest, not none.
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
    """Variance of estimated probabilities; where all of n visits agree, as if half of one of n + 1 did not.

    Parameters
    ----------
    likely : (..., X) float64
        What the probabilities may be, in [0, 1].
    widths : (..., 1) float64
        1 / n.
    """
    doubt = 0.5 * widths / (1 + widths)
    return np.asarray(widths * np.maximum(likely * (1 - likely), doubt * (1 - doubt)))


def reward_variance(squares: FloatArray, degrees: FloatArray, largest: float) -> FloatArray:
    """Variance of a reward in each cell, (cells,), from squared residuals.

    Rewards that agree are taken for certain only if those of every cell do. Otherwise that may be chance, and the cell
    has the variance that all have together.
    """
    noise = squares / np.maximum(degrees, 1.0)
    still = noise <= (64 * EPS * largest) ** 2
    if still.all():
        return np.zeros_like(noise)
    return np.where(still, squares.sum() / max(degrees.sum(), 1.0), noise)


def reward_skewness(noise: FloatArray, cubes: FloatArray, degrees: FloatArray, largest: float) -> FloatArray:
    """Skewness of a reward in each cell, (cells,), from cubed residuals, which are in units of `largest`; 0 if unknown.

    With d degrees of freedom the sum of cubes is near d (d - 1) / (d + 1) times the third cumulant, for a mean exactly.
    """
    scaled = np.sqrt(noise) / max(largest, 1e-300)
    divisor = degrees * (degrees - 1) * scaled**3
    known = (degrees > 1) & (divisor > 0)
    return np.where(known, cubes * (degrees + 1) / np.where(known, divisor, 1.0), 0.0)


def standard_errors(variance: FloatArray, smoothed: FloatArray, free: FloatArray) -> FloatArray:
    """Standard errors of what the prior has pulled: those of the data alone, and how far it pulled."""
    return np.sqrt(variance + (smoothed - free) ** 2)


def rounding(gram: FloatArray, degrees: float, largest: float) -> float:
    """What rounding may do to an estimated reward."""
    spectrum = np.linalg.eigvalsh(gram)
    kept = spectrum[spectrum > spectrum[-1] * 1e-12]
    return EPS * (8 + degrees + float(kept[-1] / kept[0])) * largest if len(kept) else 0.0
