"""Poisson clocks: continuous time, in which every agent acts at times of its own.

    Poisson(rate)    each agent acts at the events of a Poisson process of its own

It is a schedule without steps. `continuous` has the game that agents with such clocks play.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, cast

import numpy as np
import numpy.typing as npt

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray
from tmfcore._model.schedules import Schedule

__all__ = ["Poisson"]


@dataclass(frozen=True, eq=False, repr=False)
class Poisson(Schedule):
    """Every agent has its own exponential clock, and acts when it rings: continuous time (Theory, section 12).

    Parameters
    ----------
    rate : float or (S,) floats, optional
        nu > 0, actions of an agent per unit of time: its waiting times are exponential with mean 1 / rate. Or one rate
        >= 0 for each observation, with which the agents there act; at least one is positive.
    most : float or None, optional
        For a game whose `passive_rates` are a function of mu, or are inside a compiled model: the largest rate at which
        a passive agent leaves an observation, for every mu. `simulate` needs it, and raises an error where the game
        exceeds it; a larger bound costs time only. None: computed from the arrays of the game.

    Raises
    ------
    TypeError
        Not numbers.
    ValueError
        A rate out of range, an empty array; when used, one whose length is not S.

    Notes
    -----
    The game's time must be in sweeps, and nothing in it may depend on t. A sweep is one unit of time; at rate 1 every
    agent acts once in it, on average. `passive_rates`, `passive_reward` and `discount` are per unit of time.
    `simulate`, `mean_field`, `evaluate`, `best_response`, `exploitability`, `solve`, `tune`, all solvers and
    `analysis.fluctuations` take this schedule; other functions need steps.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.infection_by_contact(0.8, recovery=0.2, horizon=50)
    >>> out = tmf.TabularPolicy([[1, 0], [1, 0]])
    >>> run = tmf.simulate(game, out, tmf.Poisson(), 1000, rng=1, times=[0, 0.5, 50])
    >>> run.times
    array([ 0. ,  0.5, 50. ])
    >>> run.counts[0, :, 1]
    array([100, 119, 766])
    """

    rate: float | Sequence[float] | npt.NDArray[np.floating[Any]] = 1.0
    most: float | None = None

    def __post_init__(self) -> None:
        rate: float | tuple[float, ...]
        if check.is_array(self.rate):
            rates = check.as_float_array(self.rate, "rate", shape=(None,), letters="S", low=0.0)
            if not rates.any():
                raise ValueError("rate is 0 at every observation; at least one rate must be positive")
            rate = tuple(rates.tolist())
        else:
            rate = check.as_float(self.rate, "rate", low=0.0, low_open=True)
        object.__setattr__(self, "rate", rate)
        if self.most is not None:
            object.__setattr__(self, "most", check.as_float(self.most, "most", low=0.0))

    @property
    def label(self) -> str:
        low, high = min(self._rates()), max(self._rates())
        return f"Poisson({low:g})" if low == high else f"Poisson({low:g}..{high:g})"

    def _rates_at(self, n_observations: int) -> FloatArray:
        """nu(o), the rate at which agents act at each of S observations: (S,) float64, read-only."""
        rates = self._rates()
        if isinstance(self.rate, tuple) and len(rates) != n_observations:
            raise ValueError(f"rate has {len(rates)} entries; must have one per observation, S = {n_observations}")
        return check.frozen(np.array(np.broadcast_to(rates, (n_observations,)), dtype=np.float64))

    @property
    def active_fraction(self) -> NoReturn:
        """No attribute: agents do not act in steps."""
        raise AttributeError("Poisson clocks have no active_fraction, since agents do not act in steps")

    def _rates(self) -> tuple[float, ...]:
        return self.rate if isinstance(self.rate, tuple) else (cast(float, self.rate),)

    def _values(self) -> tuple[Any, ...]:
        return (self.rate,) if self.most is None else (self.rate, self.most)

    def _active(self, horizon: int, n_agents: int | None) -> NoReturn:
        raise ValueError(
            f"schedule is {self!r}, whose agents act in continuous time; must be a schedule in steps (Fraction(0.01) "
            "has short ones): only simulate, mean_field, evaluate, best_response, exploitability, solvers, tune and "
            "analysis.fluctuations take Poisson clocks"
        )

    def _kernel(self, horizon: int, n_agents: int) -> NoReturn:
        self._active(horizon, n_agents)
