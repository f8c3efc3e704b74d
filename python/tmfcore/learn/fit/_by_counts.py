"""Regression from counts: next counts and mean rewards on the numbers of decisions (o, a), all in one regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._population.simulation import Simulation
from tmfcore._results import confidence
from tmfcore.learn.fit._regression import (
    LARGEST,
    VISITS,
    Regression,
    likely_variance,
    ridge,
    rounding,
    score_limits,
    standard_errors,
    told,
)


class CountLog:
    """Counts and decisions of simulations, as rows and columns of one regression."""

    def __init__(self, runs: Sequence[object], stays: bool) -> None:
        self.stays = stays
        designs, follows, sizes = [], [], []
        for i, run in enumerate(runs):
            assert isinstance(run, Simulation)
            if run.decisions is None or run.record_every != 1:
                raise ValueError(
                    f"data[{i}] has no decisions of single steps; simulate it with decisions=True, record_every=1"
                )
            counts, decisions = run.counts, run.decisions
            check.as_float_array(run.rewards, f"data[{i}].rewards", low=-LARGEST, high=LARGEST)
            resting = counts[:, :-1] - decisions.sum(axis=-1)
            if stays:
                _refuse_leavers(i, counts, resting)
            size, n_actions = decisions.shape[2:]
            earned = run.n_agents * run.rewards[..., None]
            designs.append(np.concatenate([decisions, resting[..., None]], axis=-1).reshape(-1, size, n_actions + 1))
            follows.append(np.concatenate([counts[:, 1:], earned], axis=-1).reshape(-1, size + 1))
            sizes.append(np.full(len(follows[-1]), float(run.n_agents)))
        shapes = {design.shape[1:] for design in designs}
        if len(shapes) > 1:
            raise ValueError(f"data has games of {len(shapes)} different sizes; must be runs of one game")
        self.n_observations, self.n_actions = designs[0].shape[1], designs[0].shape[2] - 1
        self.design = np.concatenate(designs).reshape(-1, self.n_observations * (self.n_actions + 1)).astype(np.float64)
        self.follows = np.concatenate(follows)
        self.sizes = np.concatenate(sizes)
        first = [run.mu[:, 0] for run in runs if isinstance(run, Simulation)]
        self.initial = np.concatenate(first).mean(axis=0)
        self.horizon = max(run.horizon for run in runs if isinstance(run, Simulation))
        self.mean_reward = float((self.follows[:, -1] / self.sizes).mean())
        self.visits = self.design.sum(axis=0).astype(np.int64).reshape(self.n_observations, self.n_actions + 1)

    def regress(self, on_mu: bool, base: FloatArray, prior: float) -> Regression:
        """Regress next counts and mean rewards on the decisions."""
        assert not on_mu, "`fit` refuses affine games from counts"
        size = self.n_observations
        cells = np.ones((size, self.n_actions + 1), dtype=bool)
        outcome = self.follows
        if self.stays:
            cells[:, -1] = False
            outcome = outcome.copy()
            outcome[:, :size] -= self.design[:, ~cells.ravel()]
        used = cells.ravel()
        x = self.design[:, used] / np.sqrt(self.sizes)[:, None]
        y = outcome / np.sqrt(self.sizes)[:, None]
        gram = x.T @ x
        inverse = np.asarray(np.linalg.pinv(gram, hermitian=True))
        free, smoothed = base.copy(), base.copy()
        free[0, used] = ridge(gram, x.T @ y, base[0, used], 0.0)
        smoothed[0, used] = ridge(gram, x.T @ y, base[0, used], prior)
        pulls = (x @ inverse) ** 2  # (rows, used)
        # Every cell has its own variance per agent; dividing by sqrt(N) gives rows of different N the same scale.
        shares = pulls.T @ (x / np.sqrt(self.sizes)[:, None])  # (used, used)
        degrees = float(len(x) - x.shape[1])
        variance = np.zeros((int(used.sum()), size + 1))
        if degrees > 0:  # HC1: robust to variances that differ from row to row
            variance = len(x) / degrees * pulls.T @ (y - x @ free[0, used]) ** 2
            worth = 1 / np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
            variance[:, :size] = np.maximum(variance[:, :size], likely_variance(np.zeros(1), 1 / worth))
        error = np.zeros_like(base)
        error[0, used] = standard_errors(variance, smoothed[0, used], free[0, used])
        error[0, np.flatnonzero(used)[~told(gram)]] = np.inf
        if degrees <= 0:  # the fit interpolates the data
            error[0, used] = np.inf
        largest = float(np.abs(self.follows[:, -1] / self.sizes).max())
        return _Together(smoothed, free, error, used, gram, shares, variance[:, -1], degrees, largest)


@dataclass(frozen=True, eq=False, repr=False)
class _Together(Regression):
    """One regression of all cells.

    Parameters
    ----------
    used : (cells,) bool
        Whether a cell is a column of the regression.
    gram : (used, used) float64
    shares : (used, used) float64
        Variance of each estimate in units of the variance of one agent of each cell.
    noise : (used,) float64
        Variance of the estimates of rewards.
    degrees : float
    largest : float
        Largest absolute mean reward.
    """

    used: npt.NDArray[np.bool_]
    gram: FloatArray
    shares: FloatArray
    noise: FloatArray
    degrees: float
    largest: float

    def limits(self, level: float) -> tuple[FloatArray, FloatArray]:
        ends = np.full((2, *self.free.shape), np.nan)
        ends[:, :, ~self.used] = self.free[:, ~self.used]
        inverse = np.asarray(np.linalg.pinv(self.gram, hermitian=True))
        known = told(self.gram)
        worth = 1 / np.maximum(self.shares.sum(axis=1), 1e-300)

        def variance(at: FloatArray, which: npt.NDArray[np.intp]) -> FloatArray:
            """Sum over cells of shares p (1 - p)."""
            return np.asarray(np.einsum("kj,kxj->kx", self.shares[which], at * (1 - at)))

        fitted = self.free[0, self.used]
        low, high = score_limits(fitted[:, :-1], inverse, known & (worth >= VISITS), variance, level)
        half = confidence.t_quantile(max(self.degrees, 1.0), level) * np.sqrt(self.noise)
        half = half + rounding(self.gram, self.degrees, self.largest)
        half = np.where(known & (self.degrees >= VISITS - 1), half, np.nan)
        ends[0, 0, self.used] = np.column_stack([low, fitted[:, -1] - half])
        ends[1, 0, self.used] = np.column_stack([high, fitted[:, -1] + half])
        return ends[0], ends[1]


def _refuse_leavers(i: int, counts: IntArray, resting: IntArray) -> None:
    """Raise if passive="stay" but fewer agents remain at an observation than did not act there."""
    bad = np.argwhere(counts[:, 1:] < resting)
    if len(bad):
        r, t, o = bad[0]
        raise ValueError(
            f"passive is 'stay', but of {resting[r, t, o]} agents of data[{i}] that do not act at step {t} of replica "
            f"{r} at observation {o}, at most {counts[r, t + 1, o]} stay ({len(bad)} cases); use passive='fit'"
        )
