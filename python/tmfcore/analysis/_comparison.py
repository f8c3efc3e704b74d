"""Predicted fluctuations compared with the measured ones of simulated populations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from tmfcore._base.types import Time
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model import appearance
from tmfcore._results.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Comparison"]

BIAS_LEVEL = 5.0  # a measured bias counts if it exceeds this many of its standard errors

TIMES = 10  # rows of a printed comparison
QUANTITIES = {
    "error": "E \u2016\u03bc\u0302 \u2212 \u03bc\u2016\u2081", "variance": "N Var \u03bc\u0302",
    "bias": "N E(\u03bc\u0302 \u2212 \u03bc)",
}  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(appearance.Timed, Result[Literal["error", "variance", "bias"]]):
    """Predictions and the measurements of R replicas of N agents, at the recorded times they share.

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
    schedule, game : str
        Label and name.
    observation_labels : tuple of S str
    step : float
        dt, the length of a step in sweeps; 1.0 if time is counted in steps.
    time : str
        The unit of time, "steps" or "sweeps".
    record_times : (K,) float64 or None
        The times under Poisson clocks; None: steps * step.

    Notes
    -----
    `plot` draws the "error", the "variance" or the "bias" over time: predictions as lines, measurements as markers with
    bars of two standard errors. `print` shows the ratios and a table of times.
    """

    SHAPES: ClassVar[dict[str, str]] = {
        "steps": "J+1", "error": "J+1", "error_measured": "J+1", "error_se": "J+1", "variance": "J+1 S",
        "variance_measured": "J+1 S", "variance_se": "J+1 S", "bias": "J+1 S", "bias_measured": "J+1 S",
        "bias_se": "J+1 S", "observation_labels": "S", "record_times": "J+1",
    }  # fmt: skip

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
    schedule: str = ""
    game: str = ""
    observation_labels: tuple[str, ...] = ()
    step: float = 1.0
    time: Time = "steps"
    record_times: FloatArray | None = None

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "game", self.game
        yield "N", int(self.n_agents)
        yield "schedule", self.schedule
        yield "replicas", self.replicas
        yield "error", f"{self.mean_error:.4g} predicted, {self.mean_error_measured:.4g} measured"
        yield "ratio", f"{self.error_ratio:.3f} \u00b1 {self.error_ratio_se:.3f}"

    def __str__(self) -> str:
        """The ratios, and a table of up to ten times."""
        some = np.unique(np.linspace(0, len(self.steps) - 1, TIMES).round().astype(int))
        rows = [("time", "error predicted", "measured", "+- se", "ratio")]
        for k in some:
            predicted, seen = float(self.error[k]), float(self.error_measured[k])
            ratio = f"{predicted / seen:.3f}" if seen else ""
            time, se = f"{self.times[k]:.4g}", f"{self.error_se[k]:.2g}"
            rows.append((time, f"{predicted:.5g}", f"{seen:.5g}", se, ratio))
        lines = ["  ".join(map(str.rjust, row, (10, 15, 10, 9, 6))).rstrip() for row in rows]
        ratios = f"error ratio {self.error_ratio:.3f} \u00b1 {self.error_ratio_se:.3f}"
        if not np.isnan(self.bias_ratio):
            ratios += f", bias ratio {self.bias_ratio:.3f} \u00b1 {self.bias_ratio_se:.3f}"
        return "\n".join([f"{self._title()}: {ratios}", *lines])

    def _axes(self) -> appearance.Coordinates:
        axes: appearance.Coordinates = {
            "step": ("step", self.steps), "time": ("step", self.times),
        }  # fmt: skip
        if self.observation_labels:
            axes["observation"] = ("observation", np.array(self.observation_labels))
        return axes

    def _title(self) -> str:
        sizes = f"N = {self.n_agents:,.0f} agents, {self.replicas:,} runs"
        return ", ".join(part for part in (super()._title(), sizes) if part)

    def _picture(self, kind: str, **style: Any) -> Axes:
        from tmfcore import plotting

        predicted, measured, se = (
            getattr(self, name).reshape(len(self.steps), -1) for name in (kind, f"{kind}_measured", f"{kind}_se")
        )
        times, labels = self.times, appearance.labels_of(self, self.variance.shape[1])
        return plotting.fluctuations(
            times, predicted, np.zeros_like(predicted), ("predicted and measured",) if kind == "error" else labels,
            measured=(times, measured, se), marker_every=-(-len(times) // 20), quantity=QUANTITIES[kind],
            unit=self.time, **style,
        )  # fmt: skip

    @property
    def error_ratio(self) -> float:
        """Predicted divided by measured error, each averaged over time."""
        return self.mean_error / self.mean_error_measured

    @property
    def error_ratio_se(self) -> float:
        """Standard error of `error_ratio`, from that of the measurement."""
        return self.error_ratio * self.mean_error_se / self.mean_error_measured

    @property
    def bias_seen(self) -> FloatArray:
        """Predicted / measured bias where the latter exceeds 5 of its standard errors (t > 0), else NaN; (K, S)."""
        seen = (np.abs(self.bias_measured) > BIAS_LEVEL * self.bias_se) & (self.steps > 0)[:, np.newaxis]
        return np.where(seen, self.bias / np.where(seen, self.bias_measured, 1.0), np.nan)

    @property
    def bias_ratio(self) -> float:
        """Predicted / measured bias: slope of a line through the origin, times and observations weighted by 1 / se^2.

        NaN if no bias is predicted.
        """
        slope, _ = self._bias_slope()
        return 1 / slope if slope else np.nan

    @property
    def bias_ratio_se(self) -> float:
        """Standard error of `bias_ratio`; times count as fully dependent: only the S entries of one time add up."""
        slope, se = self._bias_slope()
        return se / slope**2 if slope else np.nan

    def _bias_slope(self) -> tuple[float, float]:
        """The slope of measured on predicted bias, and a conservative standard error."""
        use = (self.bias_se > 0) & (self.steps > 0)[:, np.newaxis]
        weight = np.where(use, self.bias_se, np.inf) ** -2.0
        energy = float((weight * self.bias**2).sum())
        if energy == 0:
            return np.nan, np.nan
        # Errors at different times of a path are almost the same error: use the largest sum of squares of one time.
        alone = float((weight * self.bias**2).sum(axis=1).max())
        return float((weight * self.bias * self.bias_measured).sum()) / energy, alone**-0.5
