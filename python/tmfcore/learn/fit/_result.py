"""An estimated game, and confidence intervals of its rewards and probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.game import Game
from tmfcore._results import confidence as _intervals
from tmfcore._results.confidence import Interval
from tmfcore._results.result import Result
from tmfcore._results.tables import Variable
from tmfcore.games.affine import affine
from tmfcore.learn.fit._regression import Regression

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TABLES = ("reward", "transition", "passive_reward", "passive_transition")
MOST_BARS = 24


@dataclass(frozen=True, eq=False, repr=False)
class Fit(Result[Literal["reward", "transition"]]):
    """An estimated game.

    Parameters
    ----------
    game : Game
        The estimated game; every verb and solver takes it.
    kind : {"constant", "affine"}
    visits : (S, A) int64
        Number of times that an acting agent chose a at o.
    passive_visits : (S,) int64
        Number of times that a passive agent was at o.
    reward, reward_se : (S, A) float64, or (S, A, S) of an affine game
        Estimate and standard error; for an affine game the reward at the corners e_y of the simplex, last axis y.
        The standard error includes the shift of the estimate by `prior`. It is infinite if the data cannot determine
        it: (o, a) was never visited, or never with a next observation; there are no more rewards than coefficients, or
        all rewards agree and were repeated fewer than 4 times; counts have no more steps than there are pairs of an
        observation and an action (or not acting); or the populations in the data do not identify the corner.
    transition, transition_se : (S, A, S) float64, or (S, A, S, S) of an affine game
        The same for P(x | o, a), or for P(x | o, a, e_y).
    passive_reward, passive_reward_se : (S,) float64, or (S, S)
    passive_transition, passive_transition_se : (S, S) float64, or (S, S, S)
        The same for agents that do not act; standard errors are 0 with passive="stay".

    Notes
    -----
    `interval(confidence)` gives intervals of all estimates. Use it instead of two standard errors to each side: after
    few visits the law of a frequency is skewed, and the standard error is uncertain itself.

    `plot` draws the estimates of "reward" or "transition" with 95% intervals; of many entries, the 24 with the widest.
    """

    SHAPES: ClassVar[dict[str, str]] = {"visits": "S A", "passive_visits": "S"}
    RANGES: ClassVar[dict[str, str]] = {">= 0": "visits passive_visits"}

    game: Game
    kind: str
    visits: IntArray
    passive_visits: IntArray
    reward: FloatArray
    reward_se: FloatArray
    transition: FloatArray
    transition_se: FloatArray
    passive_reward: FloatArray
    passive_reward_se: FloatArray
    passive_transition: FloatArray
    passive_transition_se: FloatArray
    regression: Regression

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "game", self.game.name
        yield "kind", self.kind
        yield "S", self.visits.shape[0]
        yield "A", self.visits.shape[1]
        yield "visits", int(self.visits.sum() + self.passive_visits.sum())
        yield "unseen", f"{len(self.unseen)} of {self.visits.size}"

    def _state(self) -> dict[str, Any]:
        """The game is rebuilt from the tables when loaded; only its other parts are stored."""
        game = self.game
        about = {"horizon": game.horizon, "discount": game.discount, "initial": game.initial, "name": game.name}
        return super()._state() | {"game": about}

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> Self:
        tables = {name: state[name] for name in TABLES}
        return cls(**state | {"game": game_of(state["kind"] == "affine", **tables, **state["game"])})

    def _variables(self) -> dict[str, Variable]:
        entries = {name: (name, getattr(self, name)) for table in TABLES for name in (table, f"{table}_se")}
        return super()._variables() | {name: (_dimensions(*entry), entry[1]) for name, entry in entries.items()}

    def _title(self) -> str:
        return self.game.name

    def _picture(self, kind: str, **style: Any) -> Axes:
        return _bars(kind, self.interval(), np.asarray(getattr(self, kind)), self.visits, **style)

    @property
    def unseen(self) -> list[tuple[int, int]]:
        """The (o, a) without a visit; their rows are those of the prior."""
        return [(int(o), int(a)) for o, a in np.argwhere(self.visits == 0)]

    def interval(self, confidence: float = 0.95) -> FitIntervals:
        """Confidence intervals of every reward and every probability, for each entry separately.

        Parameters
        ----------
        confidence : float, optional
            In (0, 1): the share of data sets whose interval contains the true value.

        Returns
        -------
        FitIntervals

        Notes
        -----
        Intervals use the data alone. `prior` enters the estimates, which may therefore lie outside their intervals; in
        the intervals, it would make the coverage depend on the quality of the prior.

        Probabilities of constant games from individuals have Jeffreys' intervals. Probabilities of affine games, and
        all from counts, have score intervals of the least-squares coefficients; with a single coefficient these are
        Wilson's. Rewards have Student's intervals after Hall's transformation, which corrects for the skewness of the
        cell's rewards; from counts, Student's intervals with standard errors robust to unequal variances. Rewards with
        two values are treated as probabilities; rewards that are not random are known up to rounding.

        Entries with fewer than 5 visits are not identified: their ends are NaN. In an affine game, and from counts, the
        visits of a coefficient are counted by their information: the number of visits at its own corner of the simplex
        that would determine it as well. Rewards need 4 visits more than there are coefficients.

        Coverage is within 2 points of 95% on average over the probability. At a single probability and few visits it
        may be less, down to 87% (p = 0.217 after 10 visits), since the number of visits is an integer (documentation,
        page "Intervals").
        """
        confidence = _intervals.as_confidence(confidence)
        n_obs, n_act = self.visits.shape
        ends = []
        for table in self.regression.limits(confidence):
            table = np.moveaxis(table, 0, -1).reshape(n_obs, n_act + 1, n_obs + 1, -1)
            ends.append(table if self.kind == "affine" else table[..., 0])

        def of(*where: int | slice) -> Interval:
            low, high = (np.ascontiguousarray(table[:, *where]) for table in ends)
            return Interval(low, high, confidence)

        acting = slice(n_act)
        return FitIntervals(
            confidence=confidence,
            reward=of(acting, n_obs),
            transition=of(acting, slice(n_obs)),
            passive_reward=of(n_act, n_obs),
            passive_transition=of(n_act, slice(n_obs)),
        )


@dataclass(frozen=True, eq=False, repr=False)
class FitIntervals(Result[Literal["reward", "transition"]]):
    """Confidence intervals of the estimates of `fit`; arrays of the shapes in Fit, NaN where not identified.

    Parameters
    ----------
    confidence : float
        Level of each entry separately, not of all at once.
    reward, transition, passive_reward, passive_transition : Interval
        `low`, `high`, and `identified`, whether the data identifies the entry. With passive="stay" the passive
        intervals have width 0: reward 0, staying with probability 1.

    Notes
    -----
    `plot` draws them for "reward" or "transition".
    """

    confidence: float
    reward: Interval
    transition: Interval
    passive_reward: Interval
    passive_transition: Interval

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "confidence", self.confidence
        for name in TABLES:
            seen = np.asarray(getattr(self, name).identified)
            yield name, f"{seen.sum()} of {seen.size} identified"

    def _variables(self) -> dict[str, Variable]:
        found: dict[str, Variable] = {}
        for name in TABLES:
            interval = getattr(self, name)
            dims = _dimensions(name, interval.low)
            found |= {f"{name}_low": (dims, interval.low), f"{name}_high": (dims, interval.high)}
        return found

    def _picture(self, kind: str, **style: Any) -> Axes:
        return _bars(kind, self, None, None, **style)


def _dimensions(name: str, table: FloatArray) -> tuple[str, ...]:
    """Names of the dimensions of a table of a fitted game; an affine game has corners as the last."""
    own = ["observation"] if name.startswith("passive") else ["observation", "action"]
    if "transition" in name:
        own.append("next_observation")
    return (*own, *["corner"] * (table.ndim - len(own)))


def _bars(
    kind: str, intervals: FitIntervals, estimate: FloatArray | None, visits: IntArray | None, **style: Any
) -> Axes:
    """Draw a bar per entry; of many entries, those with the widest intervals."""
    from tmfcore import plotting

    interval: Interval = getattr(intervals, kind)
    widths = np.nan_to_num(interval.high - interval.low, nan=-1.0).ravel()
    chosen = np.sort(np.argsort(-widths, kind="stable")[:MOST_BARS])
    chosen = chosen[widths[chosen] >= 0]
    if not len(chosen):
        raise ValueError(f"nothing to draw: the data identifies no entry of {kind}")
    places = list(np.ndindex(interval.low.shape))
    names = [", ".join(map(str, places[i])) for i in chosen]
    unit = "reward" if kind == "reward" else "probability"
    shown = "" if len(chosen) == len(widths) else f" ({len(chosen)} of {len(widths)} entries)"
    return plotting.intervals(
        names, interval.low.flat[chosen], interval.high.flat[chosen],
        estimate=None if estimate is None else estimate.flat[chosen], confidence=intervals.confidence,
        quantity=unit + shown, entries="entry of " + kind, **style,
    )  # fmt: skip


def game_of(
    affine_in_mu: bool, *, reward: FloatArray, transition: FloatArray, passive_reward: FloatArray,
    passive_transition: FloatArray, horizon: object, discount: float, initial: FloatsLike, name: str,
) -> Game:  # fmt: skip
    """The Game of the estimates."""
    n_obs, n_act = reward.shape[:2]
    horizon = check.as_positive_int(horizon, "horizon")
    if not affine_in_mu:
        return Game(
            n_obs, n_act, horizon, discount, initial, reward, transition, passive_reward=passive_reward,
            passive_transition=passive_transition, name=name,
        )  # fmt: skip
    return affine(
        np.zeros((n_obs, n_act)), reward_mu=reward, transition0=np.zeros((n_obs, n_act, n_obs)),
        transition_mu=transition,
        passive_reward_mu=passive_reward, passive_transition0=np.zeros((n_obs, n_obs)),
        passive_transition_mu=passive_transition, horizon=horizon, discount=discount, initial=initial, name=name,
    )  # fmt: skip
