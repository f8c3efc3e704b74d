"""Confidence intervals, as every estimate of the package gives them.

    Interval                       lower and upper ends, and the level they hold at
    student(...)                   estimate +- t se
    student_of_skewed(...)         the same, less the skewness that was seen
    student_of_logs(...)           the same of the logarithm of a positive estimate
    proportion(...)                hits of independent trials, after Jeffreys
    welch_degrees(...)             degrees of freedom of a sum of estimated variances

Their measured coverage is in the documentation, page "Intervals". Quantiles are those of scipy.special, on which
scipy.stats is built: it takes a tenth of the time to import.
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
    """A confidence interval of a number, or of each entry of an array; `low, high = interval` takes it apart.

    Parameters
    ----------
    low, high : float or float64 array
        Its ends, in units of what is estimated; NaN where the data does not identify that.
    confidence : float
        Share of the samples whose interval holds the true value, entry by entry.

    Notes
    -----
    `plot` draws a bar from end to end for each entry that the data identifies.
    """

    low: Any
    high: Any
    confidence: float

    @property
    def identified(self) -> Any:
        """Whether the data says anything: False where the ends are NaN. bool, or an array of them."""
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


def t_quantile(degrees: Any, level: float) -> Any:
    """Half the width of Student's interval, in standard errors; NaN for no degrees of freedom."""
    from scipy.special import stdtrit  # scipy takes longer to import than the rest of the package

    return stdtrit(degrees, 0.5 + level / 2)


def student(estimate: Any, se: Any, degrees: Any, level: float) -> Interval:
    """The interval estimate +- t se."""
    half = t_quantile(degrees, level) * se
    return Interval(estimate - half, estimate + half, level)


def student_of_skewed(estimate: Any, se: Any, skewness: Any, degrees: Any, level: float) -> Interval:
    """Student's interval of estimates that may be skewed: their `skewness`, estimated as well, is transformed away.

    With T = (estimate - truth) / se, T + a T^2 / 3 + a^2 T^3 / 27 + a / 6 is nearly normal, a the skewness of the
    estimate; it grows with T, and the ends are where it is a quantile of Student's. Source: Hall, Journal of the Royal
    Statistical Society B 54 (1992), 221-228.
    """
    a: FloatArray = np.asarray(skewness, dtype=np.float64)
    plain = np.abs(a) < 1e-8  # rounding
    a = np.where(plain, 1.0, a)
    half = t_quantile(degrees, level)
    below, above = (np.where(plain, end, 3 / a * (np.cbrt(1 + a * (end - a / 6)) - 1)) for end in (-half, half))
    return Interval(estimate - above * se, estimate - below * se, level)


def student_of_logs(estimate: Any, relative_se: Any, degrees: Any, level: float) -> Interval:
    """Student's interval of the logarithm of estimates, whose standard error is the relative one (delta method)."""
    factor = np.exp(np.minimum(t_quantile(degrees, level) * relative_se, 700.0))  # e^710 is no double
    return Interval(estimate / factor, estimate * factor, level)


def proportion(hits: ArrayLike, trials: ArrayLike, level: float) -> Interval:
    """Jeffreys' interval: equal tails of Beta(hits + 1/2, misses + 1/2), up to 0 and 1 where all trials agree.

    Source: Brown, Cai and DasGupta, Statistical Science 16 (2001), section 4.3. Its coverage is the level on average
    over the proportion; at a single proportion and few trials it may be less, since hits are whole numbers.
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
