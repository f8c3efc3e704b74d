"""Time in sweeps: the length of the steps in which a schedule plays a game (Theory, section 8).

is_sweeps(time, step)                   whether a game's time is in sweeps
step_under(game, schedule, n_agents)    dt, the length of a step in sweeps
whole_steps(horizon, dt)                T = round(horizon / dt)

One sweep is the time in which every agent acts once on average: if B of N agents act at a step, dt = B / N.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.types import Time
from tmfcore._model.schedules import as_schedule
from tmfcore._model.sources import INT32_MAX

if TYPE_CHECKING:
    from tmfcore._model.core import Core

__all__ = ["is_sweeps", "step_length", "step_under", "whole_steps"]


def is_sweeps(time: object, step: object) -> bool:
    """Whether `time` is "sweeps"; `step` is allowed only then."""
    in_sweeps = check.as_choice(time, "time", Time) == "sweeps"
    if step is not None and not in_sweeps:
        raise ValueError(f"step is {say.show(step)} with time='steps'; must be omitted, or pass time='sweeps'")
    return in_sweeps


def step_length(step: object) -> float:
    """The length of a step in sweeps, dt in (0, 1], checked."""
    return check.as_float(step, "step", low=0.0, high=1.0, low_open=True)


def step_under(game: Core, schedule: object, n_agents: object) -> float:
    """dt, the length of a step in sweeps: the game's own `step`, or the active fraction of the schedule.

    Raises
    ------
    TypeError, ValueError
        There is neither; the batch of the schedule varies over time, or the probability of acting over observations
        or populations; no agent acts; n_agents missing or too small.
    """
    if game.step is not None:
        return game.step
    if schedule is None:
        raise TypeError(
            f"{game!r} is in sweeps, and the schedule sets the length of its steps; must come with schedule and "
            "n_agents, or be made with step="
        )
    who = as_schedule(schedule)
    if who._by_observation():
        raise ValueError(
            f"schedule is {who.label}: who acts depends on the observation or the population, so that no sweep has a "
            "length; the game must be made with the length of a step in sweeps (step=)"
        )
    if any(isinstance(value, np.ndarray) for value in who._values()):
        raise ValueError(
            f"schedule is {who.label} and varies over time, so that steps would differ in length; must be constant, or "
            "the game must be made with the length of a step in sweeps (step=)"
        )
    n_agents = None if n_agents is None else check.as_positive_int(n_agents, "n_agents")
    active = who._active(1, n_agents)
    assert isinstance(active, np.ndarray), "it does not depend on the observation"
    step = float(active[0])
    if step == 0:
        raise ValueError(
            f"schedule is {who!r}, under which no agent acts and no sweep ends; must let agents act, or the game must "
            "be made with the length of a step in sweeps (step=)"
        )
    return step


def whole_steps(horizon: float, step: float, cause: str = "") -> int:
    """T = round(horizon / step) for a horizon in sweeps; at least 1, and small enough for a C int.

    `cause`: the argument that gave `step`, for errors.
    """
    n_steps = min(horizon / step, 2.0**62)
    cause = f" (the steps of a sweep follow from {cause})" if cause else ""
    if round(n_steps) < 1:
        raise ValueError(f"horizon is {horizon:g} sweeps of {1 / step:g} steps{cause}; must last at least one step")
    if round(n_steps) > INT32_MAX:
        raise ValueError(
            f"horizon is {horizon:g} sweeps of {1 / step:.6g} steps{cause}, {n_steps:.6g} in all; "
            f"must be at most {INT32_MAX}"
        )
    return round(n_steps)
