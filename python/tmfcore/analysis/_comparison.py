"""Predicted fluctuations beside what replicas of N agents measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tmfcore._base.records import Record
from tmfcore._base.validation import FloatArray, IntArray

__all__ = ["Comparison"]

BIAS_LEVEL = 5.0  # a measured bias counts where it exceeds so many of its standard errors


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Record):
    """Predictions beside what R replicas of N agents measured, at the recorded times they share.

    Parameters
    ----------
    steps : (K,) int64
    n_agents : float
        N.
    replicas : int
        R.
    error, error_measured, error_se : (K,) float64
        E || mu-hat_t - mu_t ||_1: predicted, measured, and the standard error of the measurement.
    mean_error, mean_error_measured, mean_error_se : float
        The same averaged over the times t > 0.
    variance, variance_measured, variance_se : (K, S) float64
        N Var(mu-hat_t(x)).
    bias, bias_measured, bias_se : (K, S) float64
        N E(mu-hat_t(x) - mu_t(x)).
    """

    steps: IntArray
    n_agents: float
    replicas: int
    error: FloatArray
    error_measured: FloatArray
    error_se: FloatArray
    mean_error: float
    mean_error_measured: float
    mean_error_se: float
    variance: FloatArray
    variance_measured: FloatArray
    variance_se: FloatArray
    bias: FloatArray
    bias_measured: FloatArray
    bias_se: FloatArray

    @property
    def error_ratio(self) -> float:
        """Predicted over measured error, averaged over time."""
        return self.mean_error / self.mean_error_measured

    @property
    def error_ratio_se(self) -> float:
        """Its standard error, from that of the measurement."""
        return self.error_ratio * self.mean_error_se / self.mean_error_measured

    @property
    def bias_seen(self) -> FloatArray:
        """Predicted over measured bias where that exceeds 5 of its standard errors (t > 0), else NaN; (K, S)."""
        seen = (np.abs(self.bias_measured) > BIAS_LEVEL * self.bias_se) & (self.steps > 0)[:, np.newaxis]
        return np.where(seen, self.bias / np.where(seen, self.bias_measured, 1.0), np.nan)

    @property
    def bias_ratio(self) -> float:
        """Predicted over measured bias: a line through the origin, all times and observations weighted by 1 / se^2.

        NaN where no bias is predicted.
        """
        slope, _ = self._bias_slope()
        return 1 / slope if slope else np.nan

    @property
    def bias_ratio_se(self) -> float:
        """Its standard error, taking the times as dependent: as if there were as many samples as observations."""
        slope, se = self._bias_slope()
        return se / slope**2 if slope else np.nan

    def _bias_slope(self) -> tuple[float, float]:
        """Measured on predicted bias, and a cautious standard error."""
        use = (self.bias_se > 0) & (self.steps > 0)[:, np.newaxis]
        weight = np.where(use, self.bias_se, np.inf) ** -2.0
        energy = float((weight * self.bias**2).sum())
        if energy == 0:
            return np.nan, np.nan
        # Along a path errors of different times are nearly one error: the squares of a single time set the scale.
        alone = float((weight * self.bias**2).sum(axis=1).max())
        return float((weight * self.bias * self.bias_measured).sum()) / energy, alone**-0.5
