"""An estimated game, and intervals of what was estimated."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tmfcore._base import confidence as _intervals
from tmfcore._base.confidence import Interval
from tmfcore._base.records import Record
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.game import Game
from tmfcore.analysis.fit._regression import Regression


@dataclass(frozen=True, eq=False, repr=False)
class Fit(Record):
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
    `interval(level)` gives confidence intervals of all of them. Twice a standard error to both sides is no substitute:
    after few visits the law of a frequency is skewed, and a standard error itself uncertain.
    """

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
    regression: Regression = field(repr=False)

    @property
    def unseen(self) -> list[tuple[int, int]]:
        """The (o, a) nobody was seen to do: their rows are the prior's."""
        return [(int(o), int(a)) for o, a in np.argwhere(self.visits == 0)]

    def interval(self, level: float = 0.95) -> FitIntervals:
        """Confidence intervals of every reward and every probability, entry by entry.

        Parameters
        ----------
        level : float, optional
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
        may be less, down to 87% (p = 0.217 after 10 visits), since visits come in whole numbers: docs/intervals.md.
        """
        level = _intervals.as_level(level)
        n_obs, n_act = self.visits.shape
        ends = []
        for table in self.regression.limits(level):
            table = np.moveaxis(table, 0, -1).reshape(n_obs, n_act + 1, n_obs + 1, -1)
            ends.append(table if self.kind == "affine" else table[..., 0])

        def of(*where: int | slice) -> Interval:
            low, high = (np.ascontiguousarray(table[:, *where]) for table in ends)
            return Interval(low, high, level)

        acting = slice(n_act)
        return FitIntervals(
            level=level,
            reward=of(acting, n_obs),
            transition=of(acting, slice(n_obs)),
            passive_reward=of(n_act, n_obs),
            passive_transition=of(n_act, slice(n_obs)),
        )


@dataclass(frozen=True, eq=False, repr=False)
class FitIntervals(Record):
    """Confidence intervals of what `fit` estimated; arrays of the shapes in Fit, NaN where not identified.

    Parameters
    ----------
    level : float
        Of each entry by itself, not of all at once.
    reward, transition, passive_reward, passive_transition : Interval
        `low`, `high`, and `identified`, which entries the data tells. With passive="stay" the passive ones are what
        that says, without width.
    """

    level: float
    reward: Interval
    transition: Interval
    passive_reward: Interval
    passive_transition: Interval
