"""An estimated game, and intervals of what was estimated."""

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
from tmfcore.analysis.fit._regression import Regression
from tmfcore.games.affine import affine

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
        The estimate, ready to simulate and to solve.
    kind : {"constant", "affine"}
    visits : (S, A) int64
        How often an acting agent was seen to do a at o.
    passive_visits : (S,) int64
        How often a passive agent was seen at o.
    reward, reward_se : (S, A) float64, or (S, A, S) of an affine game
        Estimate and standard error; of an affine game the reward at the corners e_y of the simplex, last axis y.
        A standard error takes in how far `prior` moved the estimate. It is
        infinity where there is nothing to tell it by: (o, a) never seen, or never seen to lead anywhere; rewards seen
        no more often than there are numbers to tell, or that agree wherever they were seen again, fewer than 4 times;
        counts of no more steps than there are rows; and corners of which
        the populations seen say nothing.
    transition, transition_se : (S, A, S) float64, or (S, A, S, S) of an affine game
        The same of P(x | o, a), or of P(x | o, a, e_y).
    passive_reward, passive_reward_se : (S,) float64, or (S, S)
    passive_transition, passive_transition_se : (S, S) float64, or (S, S, S)
        The same of those who do not act; standard errors are 0 with passive="stay".

    Notes
    -----
    `interval(confidence)` gives intervals of all of them. Twice a standard error to both sides is no substitute: after
    few visits the law of a frequency is skewed, and a standard error itself uncertain.

    `plot` draws the estimates with intervals of 95%: "reward" or "transition", where they are many those whose
    interval is widest.
    """

    SHAPES: ClassVar[dict[str, str]] = {"visits": "S A", "passive_visits": "S"}

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
        """The game is made again from the tables: only what they do not tell of it is kept."""
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
        """The (o, a) nobody was seen to do: their rows are the prior's."""
        return [(int(o), int(a)) for o, a in np.argwhere(self.visits == 0)]

    def interval(self, confidence: float = 0.95) -> FitIntervals:
        """Confidence intervals of every reward and every probability, entry by entry.

        Parameters
        ----------
        confidence : float, optional
            In (0, 1): the share of data sets whose interval holds the true value.

        Returns
        -------
        FitIntervals

        Notes
        -----
        They are those of the data alone: `prior` is in the estimates, which it may move out of an interval, and not in
        the intervals, whose coverage would depend on how well it was guessed.

        Probabilities of constant games from individuals have Jeffreys' intervals. Those of affine games, and from
        counts, have score intervals of the least-squares coefficients; where one coefficient is all there is, that is
        Wilson's. Rewards have Student's after Hall's transformation, which takes out the skewness that the cell's
        rewards show; from counts, Student's of standard errors robust to unequal variances. Rewards of two values are
        treated as probabilities; rewards in which nothing is random are known to rounding.

        Not identified, and NaN: what fewer than 5 visits tell. In an affine game a coefficient is told by as many
        visits as would tell it as well at its own corner of the simplex, a number that the populations seen determine;
        from counts alike. Rewards need 4 visits more than there are coefficients.

        Coverage is within 2 points of 95% on average over the probability. At a single probability and few visits it
        may be less, down to 87% (p = 0.217 after 10 visits), since visits come in whole numbers (documentation, page
        "Intervals").
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
    """Confidence intervals of what `fit` estimated; arrays of the shapes in Fit, NaN where not identified.

    Parameters
    ----------
    confidence : float
        Of each entry by itself, not of all at once.
    reward, transition, passive_reward, passive_transition : Interval
        `low`, `high`, and `identified`, which entries the data tells. With passive="stay" the passive ones are what
        that says, without width.

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
    """Of a table of a fitted game; the last of an affine game's is the corner."""
    own = ["observation"] if name.startswith("passive") else ["observation", "action"]
    if "transition" in name:
        own.append("next_observation")
    return (*own, *["corner"] * (table.ndim - len(own)))


def _bars(
    kind: str, intervals: FitIntervals, estimate: FloatArray | None, visits: IntArray | None, **style: Any
) -> Axes:
    """A bar for each entry; of many, of those whose interval is widest."""
    from tmfcore import plotting

    interval: Interval = getattr(intervals, kind)
    widths = np.nan_to_num(interval.high - interval.low, nan=-1.0).ravel()
    chosen = np.sort(np.argsort(-widths, kind="stable")[:MOST_BARS])
    chosen = chosen[widths[chosen] >= 0]
    if not len(chosen):
        raise ValueError("nothing to draw: the data identifies no entry")
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
