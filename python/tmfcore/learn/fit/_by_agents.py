"""Regressions from logs of individuals: next observations and rewards, for each (o, a)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tmfcore._base import pieces
from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._population.simulation import Trajectories
from tmfcore._results import confidence
from tmfcore.learn.fit._regression import (
    LARGEST,
    VISITS,
    Regression,
    inverses,
    likely_variance,
    reward_skewness,
    reward_variance,
    ridge,
    rounding,
    score_limits,
    standard_errors,
    told,
)


class AgentLog:
    """Logs of individuals, and sums over agents at each step."""

    def __init__(
        self, logged: Sequence[Trajectories | None], mu: object, n_observations: int, n_actions: int, stays: bool
    ) -> None:
        self.n_observations, self.n_actions, self.stays = n_observations, n_actions, stays
        self.logs = []
        for i, log in enumerate(logged):
            assert log is not None
            if log.record_every != 1:
                raise ValueError(
                    f"data[{i}] has one step in record_every = {log.record_every}; must have every step "
                    "(record_every=1), because rows are estimated from the observation at the next one"
                )
            observations = check.as_int_array(
                log.observations, f"data[{i}].observations", shape=(None, None), letters="N, T", low=0,
                high=n_observations - 1,
            )  # fmt: skip
            shape = observations.shape
            actions = check.as_int_array(
                log.actions, f"data[{i}].actions", shape=shape, letters="N, T", low=-1, high=n_actions - 1
            )
            rewards = check.as_float_array(
                log.rewards, f"data[{i}].rewards", shape=shape, letters="N, T", low=-LARGEST, high=LARGEST
            )
            if stays:
                _refuse_movers(i, observations, actions, rewards)
            cells = observations * (n_actions + 1) + np.where(actions < 0, n_actions, actions)
            self.logs.append((observations, cells, rewards))
        self.flows = self._flows(mu)
        self.initial = np.mean([flow[0] for flow in self.flows], axis=0)
        self.horizon = max(log[0].shape[1] for log in self.logs)
        paid = np.concatenate([log[2].ravel() for log in self.logs])
        self.mean_reward = float(np.mean(paid))
        low, high = float(paid.min()), float(paid.max())
        two = low < high and all(((paid[part] == low) | (paid[part] == high)).all() for part in pieces.parts(len(paid)))
        self.two_rewards = (low, high) if two else None
        n_cells = n_observations * (n_actions + 1)
        visits = sum(np.bincount(log[1].ravel(), minlength=n_cells) for log in self.logs)
        self.visits = np.asarray(visits).reshape(n_observations, n_actions + 1)

    def _flows(self, mu: object) -> list[FloatArray]:
        """The population (T, S) during each log: the caller's `mu`, or the distribution of the logged agents."""
        size = self.n_observations
        if mu is None:
            return [np.stack([np.bincount(at, minlength=size) for at in log[0].T]) / len(log[0]) for log in self.logs]
        one = len(self.logs) == 1 and _axes(mu) == 2
        given = (mu,) if one else check.as_items(mu, "mu", "(T, S) floats, or a sequence of them, one per trajectory")
        if len(given) != len(self.logs):
            raise ValueError(f"mu has {len(given)} populations; must be {len(self.logs)}, one per trajectory")
        return [
            check.as_probabilities(flow, f"mu[{i}]", shape=(log[0].shape[1], size), letters="T, S")
            for i, (flow, log) in enumerate(zip(given, self.logs, strict=True))
        ]

    def regress(self, on_mu: bool, base: FloatArray, prior: float) -> Regression:
        """Regress next observations and rewards on 1 or mu_t, for each cell.

        Parameters
        ----------
        base : (F, cells, S + 1) float64
            Coefficients towards which the prior pulls.
        """
        size, n_cells = self.n_observations, base.shape[1]
        flows = [flow if on_mu else np.ones((len(flow), 1)) for flow in self.flows]
        targets = np.zeros((n_cells, len(base), size + 1))
        seen, last = [], []
        for (observations, cells, rewards), flow in zip(self.logs, flows, strict=True):
            for t, feature in enumerate(flow):
                seen.append(np.bincount(cells[:, t], minlength=n_cells))
                last.append(t + 1 == len(flow))
                targets[..., size] += np.outer(np.bincount(cells[:, t], rewards[:, t], minlength=n_cells), feature)
                if not last[-1]:  # the log does not have the observations after the last step
                    moves = np.bincount(cells[:, t] * size + observations[:, t + 1], minlength=n_cells * size)
                    targets[..., :size] += feature[:, None] * moves.reshape(n_cells, 1, size)
        features = np.concatenate(flows)
        weights = np.stack([np.where(np.array(last)[:, None], 0, seen), seen], axis=-1).astype(np.float64)
        if not on_mu:
            features, weights = np.ones((1, 1)), weights.sum(axis=0, keepdims=True)
        # (2, cells, F, F): visits with a logged next observation, and all visits
        grams = np.stack([[(features.T * w) @ features for w in each.T] for each in np.moveaxis(weights, -1, 0)])
        start = np.moveaxis(base, 0, 1)
        free, smoothed = (
            np.concatenate(
                [
                    ridge(grams[0], targets[..., :size], start[..., :size], strength),
                    ridge(grams[1], targets[..., size:], start[..., size:], strength),
                ],
                axis=-1,
            )
            for strength in (0.0, prior)
        )
        largest = max(float(np.abs(log[2]).max()) for log in self.logs)
        squares, cubes = np.zeros((2, n_cells))
        for (_, cells, rewards), flow in zip(self.logs, flows, strict=True):
            expected = flow @ free[..., size].T  # (T, cells)
            off = rewards - expected[np.arange(len(flow)), cells]
            squares += np.bincount(cells.ravel(), off.ravel() ** 2, minlength=n_cells)
            cubes += np.bincount(cells.ravel(), (off.ravel() / max(largest, 1e-300)) ** 3, minlength=n_cells)
        degrees = np.maximum(weights[..., 1].sum(axis=0) - len(base), 0.0)
        noise = reward_variance(squares, degrees, largest)

        likely = np.clip((start if on_mu else free)[..., :size], 0.0, 1.0)
        widths = np.diagonal(inverses(grams), axis1=-2, axis2=-1)[..., np.newaxis]  # (2, cells, F, 1)
        variance = np.concatenate(
            [likely_variance(likely, widths[0]), noise[:, np.newaxis, np.newaxis] * widths[1]], axis=-1
        )
        sure = told(grams)
        error = standard_errors(variance, smoothed, free)
        error[..., :size][~sure[0]] = np.inf
        # Rewards that all agree count as certain only after enough visits.
        vague = (degrees == 0) | ((noise == 0) & (degrees.sum() < VISITS - 1))
        error[..., size][~sure[1] | vague[:, np.newaxis]] = np.inf
        return _ByCell(
            np.moveaxis(smoothed, 1, 0), np.moveaxis(free, 1, 0), np.moveaxis(error, 1, 0), features, weights, grams,
            noise, reward_skewness(noise, cubes, degrees, largest), degrees, largest, self.two_rewards, self.stays,
        )  # fmt: skip


def _axes(value: object) -> int:
    """The number of axes of an array or nested sequence, from its first entries."""
    axes = 0
    while isinstance(value, (list, tuple)) and value and axes < 3:
        value, axes = value[0], axes + 1
    ndim = getattr(value, "ndim", 0)
    return axes + (ndim if isinstance(ndim, int) else 0)


@dataclass(frozen=True, eq=False, repr=False)
class _ByCell(Regression):
    """One regression per cell.

    Parameters
    ----------
    features : (J, F) float64
        1, or mu at each step of each run.
    weights : (J, cells, 2) float64
        Numbers of visits with a logged next observation, and of all visits.
    grams : (2, cells, F, F) float64
        The sums of x x' over both.
    noise, skewness, degrees : (cells,) float64
        Variance and skewness of a reward, and their degrees of freedom.
    largest : float
        Largest absolute reward.
    two_rewards : (float, float) or None
        The values of rewards, if there are exactly two.
    stays : bool
        Whether passive agents are declared to stay where they are, with reward 0.
    """

    features: FloatArray
    weights: FloatArray
    grams: FloatArray
    noise: FloatArray
    skewness: FloatArray
    degrees: FloatArray
    largest: float
    two_rewards: tuple[float, float] | None
    stays: bool

    def limits(self, level: float) -> tuple[FloatArray, FloatArray]:
        ends = np.full((2, *self.free.shape), np.nan)
        size = self.free.shape[2] - 1
        # Rewards with two values are treated as proportions, unless they are not random.
        shares = self.two_rewards is not None and self.noise.any()
        for cell in range(self.free.shape[1]):
            ends[:, :, cell, :size] = self._shares(cell, 0, self.free[:, cell, :size], level)
            if shares and self.two_rewards is not None:
                low, high = self.two_rewards
                share = (self.free[:, cell, size:] - low) / (high - low)
                ends[:, :, cell, size:] = low + (high - low) * self._shares(cell, 1, share, level)
            else:
                ends[:, :, cell, size] = self._rewards(cell, level)
        if self.stays:
            passive = ends.reshape(2, len(self.free), size, -1, size + 1)[:, :, :, -1]
            passive[..., :size], passive[..., size] = np.eye(size), 0.0
        return ends[0], ends[1]

    def _shares(self, cell: int, which: int, fitted: FloatArray, level: float) -> FloatArray:
        """Ends (2, F, X) of intervals of outcome probabilities (F, X); `which` is the first axis of `grams`."""
        gram, weight = self.grams[which, cell], self.weights[:, cell, which]
        if len(gram) == 1:
            trials = weight.sum()
            if trials < VISITS:
                return np.full((2, *fitted.shape), np.nan)
            return np.stack(tuple(confidence.proportion(np.rint(fitted * trials), trials, level)))
        inverse = np.linalg.pinv(gram, hermitian=True)
        # The estimate is linear in the outcomes of agents; its variance sums the squares of the coefficients.
        pulls = weight[:, np.newaxis] * (self.features @ inverse) ** 2  # (J, F)
        worth = 1 / np.maximum(pulls.sum(axis=0), 1e-300)
        linear = pulls.T @ self.features
        square = np.stack([(self.features.T * pull) @ self.features for pull in pulls.T])

        def variance(at: FloatArray, which: npt.NDArray[np.intp]) -> FloatArray:
            """Sum over agents of pull^2 p (1 - p), p = mu_t . c."""
            found = np.einsum("kf,kxf->kx", linear[which], at) - np.einsum("kxf,kxf->kx", at @ square[which], at)
            return np.asarray(np.maximum(found, 0.0))

        return np.stack(score_limits(fitted, inverse, told(gram) & (worth >= VISITS), variance, level))

    def _rewards(self, cell: int, level: float) -> FloatArray:
        """Ends (2, F) of intervals of rewards: Student's, corrected for the skewness of the residuals."""
        gram, degrees = self.grams[1, cell], self.degrees[cell]
        estimate = self.free[:, cell, -1]
        known = told(gram) & (degrees >= VISITS - 1)
        inverse = np.linalg.pinv(gram, hermitian=True)
        widths = np.diagonal(inverse)
        # The estimate is linear in the rewards of agents; its third cumulant sums the cubes of the coefficients.
        third = self.weights[:, cell, 1] @ (self.features @ inverse) ** 3
        skewness = self.skewness[cell] * third / np.maximum(widths, 1e-100) ** 1.5
        se = np.sqrt(self.noise[cell] * widths)
        low, high = confidence.student_of_skewed(estimate, se, skewness, max(degrees, 1.0), level)
        slack = rounding(gram, degrees, self.largest)
        return np.where(known, [low - slack, high + slack], np.nan)


def _refuse_movers(i: int, observations: IntArray, actions: IntArray, rewards: FloatArray) -> None:
    """Raise if passive="stay" but an agent that does not act moves or has a reward."""
    moved = np.zeros(observations.shape, dtype=bool)
    moved[:, :-1] = observations[:, 1:] != observations[:, :-1]
    for what, where in (("moves", moved), ("has a reward", rewards != 0)):
        bad = np.argwhere(where & (actions < 0))
        if len(bad):
            n, t = bad[0]
            raise ValueError(
                f"passive is 'stay', but agent {n} of data[{i}] does not act at step {t} and {what} "
                f"({len(bad)} cases); use passive='fit'"
            )
