"""The regression line of log error on log N, and the uncertainty of its slope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._results import confidence as _intervals
from tmfcore._results.confidence import Interval
from tmfcore._results.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UNEQUAL = 1e-3  # significance level of the test that all points have the same relative variance
BENT = 1e-2  # significance level of the test that the points lie on a line


@dataclass(frozen=True, eq=False, repr=False)
class PowerLaw(Result[Literal["slope"]]):
    """A line fitted to log error against log N.

    Parameters
    ----------
    slope, slope_se : float
        Fitted slope and its standard error; NaN if there are fewer than two N or an error is 0. With two replicas the
        standard error is itself uncertain; `interval` takes account of that.
    intercept : float
        log error at log N = 0.
    chi2 : float
        Sum of squared residuals, each divided by its variance as estimated from the replicas; about n - 2 if the points
        lie on a line. NaN if all replicas agree.
    degrees : float
        Degrees of freedom of `slope_se`.

    Notes
    -----
    `plot` draws the slope with its 95% interval, and the slope -1/2 of 1/sqrt(N).
    """

    slope: float
    slope_se: float
    intercept: float
    chi2: float
    degrees: float

    def interval(self, confidence: float = 0.95) -> Interval:
        """Student's confidence interval of the slope.

        Parameters
        ----------
        confidence : float, optional
            In (0, 1).
        """
        return _intervals.student(self.slope, self.slope_se, self.degrees, _intervals.as_confidence(confidence))

    def _picture(self, kind: str, **style: Any) -> Axes:
        from tmfcore import plotting

        low, high = self.interval()
        return plotting.intervals(
            ["slope"], [low], [high], estimate=[self.slope], reference=-0.5, reference_label="1/\u221aN",
            quantity="slope of log error on log N", **style,
        )  # fmt: skip


def fit_line(n_agents: IntArray, errors: FloatArray) -> PowerLaw:
    """Least squares of log mean error on log N; see Convergence.fit.

    Parameters
    ----------
    n_agents : (n,) int64
    errors : (n, R) float64
        R >= 2 replicas at each N.
    """
    size, replicas = errors.shape
    means = errors.mean(axis=1)
    if size < 2 or not (means > 0).all():
        return PowerLaw(np.nan, np.nan, np.nan, np.nan, np.nan)
    x, y = np.log(n_agents.astype(float)), np.log(means)
    centred = x - x.mean()
    pull = centred / (centred @ centred)  # the slope is pull @ y
    slope = float(pull @ y)
    intercept = float(y.mean() - slope * x.mean())
    # Variances of the log means (delta method), relative to the line, which is known better than each mean.
    spread = errors.var(axis=1, ddof=1) / replicas / np.exp(2 * (intercept + slope * x))
    expected = spread.mean()
    if _outlies(spread, replicas - 1):
        variance = float(pull**2 @ spread)
        degrees = _intervals.welch_degrees(pull**2 * spread, replicas - 1)
    else:
        variance = float(pull @ pull * expected)
        degrees = float(size * (replicas - 1))

    squares = float(((y - intercept - slope * x) ** 2).sum())
    chi2 = np.nan
    bent = expected == 0
    if expected > 0:
        leverage = 1 / size + centred * pull
        chi2 = squares * (size - 2) / float((1 - leverage) @ spread) if size > 2 else 0.0
        bent = size > 2 and _exceeds(chi2 / (size - 2), size - 2, degrees, BENT)
    if bent:  # estimate the variance from the scatter about the line
        degrees = float(size - 2)
        variance = float(pull @ pull) * squares / degrees if degrees else np.nan
    return PowerLaw(slope, float(np.sqrt(variance)), intercept, chi2, degrees)


def _outlies(variances: FloatArray, degrees: int) -> bool:
    """Whether the largest variance is too large for samples of equal variance (Cochran's C test)."""
    size = len(variances)
    others = variances.sum() - variances.max()
    if others == 0:
        return False
    return _exceeds(variances.max() * (size - 1) / others, degrees, degrees * (size - 1), UNEQUAL / size)


def _exceeds(ratio: float, above: float, below: float, chance: float) -> bool:
    """Whether a ratio of equal variances with these degrees of freedom exceeds `ratio` with probability < `chance`."""
    from scipy.special import fdtrc  # scipy takes longer to import than the rest of the package

    return float(fdtrc(above, below, ratio)) < chance
