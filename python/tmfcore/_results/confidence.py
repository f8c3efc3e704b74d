"""Confidence intervals of all estimates of the package.

    Interval                       lower and upper ends, and the confidence level
    standard_error(values)         of their mean, whatever their size
    student(...)                   estimate +- t se
    student_of_mean(values)        the same for the mean of samples
    student_of_skewed(...)         the same, corrected for the estimated skewness
    student_of_logs(...)           the same for the logarithm of a positive estimate
    proportion(...)                of hits among independent trials (Jeffreys)
    welch_degrees(...)             degrees of freedom of a sum of estimated variances

Their measured coverage is in the documentation, page "Intervals". Quantiles are computed by scipy.special, which takes
a tenth of the time of scipy.stats to import.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray
from tmfcore._results.result import Result
from tmfcore._results.tables import Variable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Interval"]


@dataclass(frozen=True, eq=False, repr=False)
class Interval(Result[Literal["ends"]]):
    """A confidence interval of a number, or of each entry of an array; `low, high = interval` unpacks it.

    Parameters
    ----------
    low, high : float or float64 array
        The ends, in units of the estimate; NaN for entries that the data do not identify.
    confidence : float
        Probability that the interval of an entry contains its true value.

    Notes
    -----
    `plot` draws a bar from `low` to `high` for each entry that the data identify.
    """

    low: Any
    high: Any
    confidence: float

    @property
    def identified(self) -> Any:
        """Whether the data identify the value: False where the ends are NaN. bool, or an array of bool."""
        known = ~np.isnan(self.low)
        return known if np.ndim(known) else bool(known)

    def __iter__(self) -> Iterator[Any]:
        return iter((self.low, self.high))

    def __repr__(self) -> str:
        if np.ndim(self.low):
            seen = np.asarray(self.identified)
            told = f"identified={seen.sum()} of {seen.size}"
            return f"Interval(shape={seen.shape}, confidence={self.confidence:g}, {told})"
        return f"Interval({self.low:.6g}, {self.high:.6g}, confidence={self.confidence:g})"

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "low", self.low
        yield "high", self.high
        yield "confidence", self.confidence

    def _variables(self) -> dict[str, Variable]:
        dims = tuple(f"axis_{k}" for k in range(np.ndim(self.low)))
        return {"low": (dims, np.asarray(self.low)), "high": (dims, np.asarray(self.high))}

    def _picture(self, kind: str, **style: Any) -> Axes:
        from tmfcore import plotting

        names = [", ".join(map(str, index)) for index in np.ndindex(np.shape(self.low))]
        low, high = np.ravel(self.low), np.ravel(self.high)
        return plotting.intervals(
            names, low, high, confidence=self.confidence, quantity="interval", entries="entry", **style
        )


def as_confidence(confidence: object) -> float:
    """`confidence` as a float in (0, 1)."""
    return check.as_float(confidence, "confidence", low=0.0, high=1.0, low_open=True, high_open=True)


def unit_of(values: ArrayLike) -> float:
    """A power of two near the largest |value|: divided by it, values can be squared, and nothing is rounded."""
    largest = float(np.abs(values).max())
    return float(2.0 ** (np.frexp(largest)[1] - 1)) if 0 < largest < np.inf else 1.0


def standard_error(values: FloatArray) -> Any:
    """The standard error of the mean of n values (n, ...), of each entry: (...); NaN for one."""
    if len(values) < 2:
        return float("nan")
    unit = unit_of(values)
    found = unit * ((values / unit).std(axis=0, ddof=1) / np.sqrt(len(values)))
    return found if np.ndim(found) else float(found)


def t_quantile(degrees: Any, level: float) -> Any:
    """Half the width of Student's interval, in standard errors; NaN for 0 degrees of freedom."""
    from scipy.special import stdtrit  # scipy takes longer to import than the rest of the package

    return stdtrit(degrees, 0.5 + level / 2)


def student(estimate: Any, se: Any, degrees: Any, level: float) -> Interval:
    """The interval estimate +- t se."""
    half = t_quantile(degrees, level) * se
    return Interval(estimate - half, estimate + half, level)


def student_of_mean(values: FloatArray, level: float, mean: Any = None) -> Interval:
    """Student's interval of the mean of n independent samples (n, ...), of each entry; NaN for one sample."""
    if mean is None:
        mean = values.mean(axis=0)
    return student(mean if np.ndim(mean) else float(mean), standard_error(values), len(values) - 1, level)


def student_of_skewed(estimate: Any, se: Any, skewness: Any, degrees: Any, level: float) -> Interval:
    """Student's interval for skewed estimates: a transformation removes their `skewness`, which is estimated, too.

    Let T = (estimate - truth) / se, and a the skewness of the estimate. Then T + a T^2 / 3 + a^2 T^3 / 27 + a / 6 is
    nearly normal and increases with T; at the ends of the interval it equals a quantile of Student's distribution.
    Source: Hall, Journal of the Royal Statistical Society B 54 (1992), 221-228.
    """
    a: FloatArray = np.asarray(skewness, dtype=np.float64)
    plain = np.abs(a) < 1e-8  # not skewed, up to rounding
    a = np.where(plain, 1.0, a)
    half = t_quantile(degrees, level)
    below, above = (np.where(plain, end, 3 / a * (np.cbrt(1 + a * (end - a / 6)) - 1)) for end in (-half, half))
    return Interval(estimate - above * se, estimate - below * se, level)


def student_of_logs(estimate: Any, relative_se: Any, degrees: Any, level: float) -> Interval:
    """Student's interval of the logarithm of estimates, whose standard error is the relative one (delta method)."""
    factor = np.exp(np.minimum(t_quantile(degrees, level) * relative_se, 700.0))  # e^710 overflows
    return Interval(estimate / factor, estimate * factor, level)


def proportion(hits: ArrayLike, trials: ArrayLike, level: float) -> Interval:
    """Jeffreys' interval: equal tails of Beta(hits + 1/2, misses + 1/2); it ends at 0 or 1 if all trials agree.

    Source: Brown, Cai and DasGupta, Statistical Science 16 (2001), section 4.3. Averaged over proportions its coverage
    is the level; for a single proportion and few trials it may be lower, since hits are whole numbers.
    """
    from scipy.special import betaincinv  # scipy takes longer to import than the rest of the package

    x: FloatArray = np.asarray(hits, dtype=np.float64)
    misses: FloatArray = np.asarray(trials, dtype=np.float64) - x
    tail = (1 - level) / 2
    low = np.where(x > 0, betaincinv(x + 0.5, misses + 0.5, tail), 0.0)
    high = np.where(misses > 0, betaincinv(x + 0.5, misses + 0.5, 1 - tail), 1.0)
    return Interval(low, high, level)


def welch_degrees(variances: ArrayLike, degrees: ArrayLike) -> float:
    """Degrees of freedom of a sum of independently estimated variances (Welch 1947, Satterthwaite 1946).

    Parameters
    ----------
    variances : (K,) array_like
        The terms of the sum.
    degrees : (K,) array_like or float
        Degrees of freedom of each.
    """
    parts: FloatArray = np.asarray(variances, dtype=np.float64)
    each: FloatArray = np.asarray(degrees, dtype=np.float64)
    if not parts.any():
        return float(each.min())
    share = parts / parts.max()  # squares of small variances would underflow
    return float(share.sum() ** 2 / (share**2 / each).sum())
