"""Who acts in a linear-quadratic game: the schedule for each group, for a number of agents or in the limit."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.poisson import Poisson
from tmfcore._model.schedules import Schedule, as_schedule

__all__ = ["Activity", "activity"]


class Activity(NamedTuple):
    """Who acts, for each of H groups.

    Attributes
    ----------
    shares : (T, H) float64
        The probability with which an agent acts.
    sizes : tuple of H ints, or ()
        The numbers of agents; () in the limit.
    batches : (T, H) int64, or None
        How many act, drawn without replacement; None: each agent for itself, or in the limit.
    """

    shares: FloatArray
    sizes: tuple[int, ...]
    batches: IntArray | None

    @property
    def inverse_sizes(self) -> FloatArray:
        """1 / M of each group, (H,); 0 in the limit."""
        return 1.0 / np.array(self.sizes, dtype=np.float64) if self.sizes else np.zeros(self.shares.shape[1])

    @property
    def correlations(self) -> tuple[FloatArray, FloatArray]:
        """The factors g and d of Theory, section 17, (H,) each.

        Means over M agents of (a_j - beta) v_j, with a_j = 1 for those who act, have the covariance
        beta (1 - beta) times g Cov(v) + d E v E v'.
        """
        inverse = self.inverse_sizes
        if self.batches is None:
            return inverse, inverse
        several = inverse < 1
        return np.where(several, inverse / np.where(several, 1 - inverse, 1.0), 0.0), np.zeros_like(inverse)


def activity(
    schedule: Schedule, horizon: int, n_groups: int, n_agents: int | tuple[int, ...] | IntArray | None
) -> Activity:
    """Who acts under a schedule, with `n_agents` in each group (one number: the same in all), or None: in the limit."""
    schedule = as_schedule(schedule)
    if isinstance(schedule, Poisson):
        raise ValueError(f"schedule is {schedule!r}; must be one of steps: linear-quadratic games have no clocks")
    if schedule._by_observation():
        raise ValueError(
            f"schedule is {schedule!r}; must not depend on mu or the observation: states are not observations here"
        )
    if n_agents is None:
        shares = np.broadcast_to(schedule.active_fraction(horizon)[:, np.newaxis], (horizon, n_groups))
        return Activity(shares, (), None)
    if check.is_array(n_agents):
        sizes = tuple(check.as_int_array(n_agents, "n_agents", shape=(n_groups,), letters="H", low=1).tolist())
    else:
        sizes = (check.as_positive_int(n_agents, "n_agents"),) * n_groups
    shares = np.stack([schedule.active_fraction(horizon, size) for size in sizes], axis=1)
    kernels = [schedule._kernel(horizon, size)[0] for size in sizes]
    if any(batch is None for batch in kernels):
        return Activity(shares, sizes, None)
    batches = np.stack([np.broadcast_to(np.asarray(batch), (horizon,)) for batch in kernels], axis=1)
    return Activity(shares, sizes, batches)
