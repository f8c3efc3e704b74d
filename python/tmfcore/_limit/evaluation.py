"""Values of a policy along a flow, as a result (Theory, section 3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from tmfcore._base.types import Clock
from tmfcore._base.validation import FloatArray
from tmfcore._limit.flows import Flow
from tmfcore._model import appearance as _appearance
from tmfcore._model.fingerprint import Fingerprint
from tmfcore._model.model import Model
from tmfcore._results.confidence import Interval, as_confidence, student_of_mean
from tmfcore._results.result import Result
from tmfcore._results.tables import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Evaluation", "mean_by_type", "types_of", "values_over_time"]


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Result[Literal["auto", "lines", "heat", "profiles", "snapshots"]]):
    """Values of a policy along a flow, V_T = 0 (Theory, section 3).

    Parameters
    ----------
    flow : Flow
        The flow, recorded at every step.
    values : (T+1, S) float64
        V_t(o).
    q : (T, S, A) float64
        Q_t(o, a), the value of an agent that takes action a at step t; NaN at illegal actions.
    mean_return : float
        sum_o mu_0(o) V_0(o).
    clock : {"schedule", "always"}
    types : tuple of (name, number of observations)
        For a typed game, in the order of observations; else empty.
    returns : (R,) float64 or None
        If the noise is random, the mean return on each path of the flow; all else are means over these paths.
    fingerprint : Fingerprint or None
        Identifies game, schedule, N and clock.

    Notes
    -----
    `plot` draws V_t(o) over time, in units of return; kinds as for Flow.
    """

    SHAPES: ClassVar[dict[str, str]] = {"values": "T+1 S", "q": "T S A", "returns": "R"}
    RANGES: ClassVar[dict[str, str]] = {"finite": "values mean_return returns", "bounded": "q"}

    flow: Flow
    values: FloatArray
    q: FloatArray
    mean_return: float
    clock: Clock = "schedule"
    types: tuple[tuple[str, int], ...] = ()
    returns: FloatArray | None = None
    fingerprint: Fingerprint | None = None

    def interval(self, confidence: float = 0.95) -> Interval:
        """Student's interval of the mean return, over random paths of the noise.

        Parameters
        ----------
        confidence : float, optional
            In (0, 1).

        Returns
        -------
        Interval
            Of length 0 if the paths are all there are. One path has no interval: its ends are NaN.

        Raises
        ------
        ValueError
            The noise is not random.
        """
        level = as_confidence(confidence)
        if self.returns is None:
            raise ValueError("the mean return is exact; must be that of a game with random noise to have an interval")
        if self.flow.probabilities is not None:
            return Interval(self.mean_return, self.mean_return, level)
        return student_of_mean(self.returns, level, self.mean_return)

    @property
    def by_type(self) -> dict[str, float]:
        """Mean return of the agents of each type: name -> sum_o mu_0(o) V_0(o) / share; {} without types."""
        return mean_by_type(self.types, self.flow.mu[0], self.values[0]) if self.types else {}

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield from self.flow._facts()
        yield "mean return", self.mean_return
        for name, _ in self.types:
            yield f"mean return of {name}", self.by_type[name]

    def _axes(self) -> _appearance.Coordinates:
        return self.flow._axes()

    def _table(self) -> Table:
        return self.flow._table() | super()._table()

    def _title(self) -> str:
        return ", ".join(part for part in (self.flow.game, f"mean return {self.mean_return:.4g}") if part)

    def _picture(self, kind: Any, **style: Any) -> Axes:
        return values_over_time(self.values, self.flow, kind, **style)


def types_of(model: Model) -> tuple[tuple[str, int], ...]:
    """Name and number of observations of each type in the model of a game made by games.typed; () for other games."""
    names, models = (getattr(model, part, ()) for part in ("names", "models"))
    return tuple((name, model.n_observations) for name, model in zip(names, models, strict=True)) if models else ()


def mean_by_type(types: tuple[tuple[str, int], ...], mu: FloatArray, values: FloatArray) -> dict[str, float]:
    """Mean of values (S,) over the agents of each type; NaN for a type without agents."""
    if not types:
        raise ValueError("the game has no types; must be made by games.typed")
    ends = np.cumsum([n for _, n in types])[:-1]
    parts = zip(types, np.split(mu, ends), np.split(values, ends), strict=True)
    return {name: float(share @ value / share.sum()) if share.sum() else np.nan for (name, _), share, value in parts}


def values_over_time(values: FloatArray, flow: Flow, kind: Any, **style: Any) -> Axes:
    """The picture of values (T+1, S) along a flow."""
    from tmfcore import plotting

    times = np.arange(len(values)) * flow.step if flow.record_times is None else flow.record_times
    return plotting.over_time(
        plotting.Course(times, values), _appearance.labels_of(flow, values.shape[1]), flow.observation_shape, kind=kind,
        shares=False, quantity="value V (units of return)", unit=flow.time, **style,
    )  # fmt: skip
