"""Time in sweeps: the steps in which a schedule plays a game (Theory, section 8).

is_sweeps(time, step)                   whether a game's time is sweeps
step_under(game, schedule, n_agents)    dt, the share of a sweep that one step lasts
whole_steps(horizon, dt)                T = round(horizon / dt)

One sweep is the time in which every agent acts once on average: B of N agents acting at a step make dt = B / N.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.types import Time
from tmfcore._model.schedules import as_schedule
from tmfcore._model.sources import INT32_MAX

if TYPE_CHECKING:
    from tmfcore._model.core import Core

__all__ = ["is_sweeps", "step_length", "step_under", "whole_steps"]


def is_sweeps(time: object, step: object) -> bool:
    """Whether time is sweeps; only then may a step have a length of its own."""
    in_sweeps = check.as_choice(time, "time", Time) == "sweeps"
    if step is not None and not in_sweeps:
        raise ValueError(f"step is {step} with time='steps'; must be left out, or time be 'sweeps'")
    return in_sweeps


def step_length(step: object) -> float:
    """The step dt in (0, 1], the share of a sweep that one step lasts."""
    return check.as_float(step, "step", low=0.0, high=1.0, low_open=True)


def step_under(game: Core, schedule: object, n_agents: object) -> float:
    """The sweeps that a step of a game in sweeps lasts: its own step, or the active fraction of the schedule.

    Raises
    ------
    TypeError, ValueError
        Neither; a schedule whose batch varies over time, or in which nobody acts; n_agents missing or too small.
    """
    if game.step is not None:
        return game.step
    if schedule is None:
        raise TypeError(
            f"{game!r} is a game in sweeps, whose steps are those of a schedule; must come with schedule and n_agents, "
            "or have a step of its own (step=)"
        )
    who = as_schedule(schedule)
    if any(isinstance(value, np.ndarray) for value in who._values()):
        raise ValueError(
            f"schedule is {who.label}, of which every step has its own, and so would have its own length; must be "
            "constant, or the game must say how many sweeps a step lasts (step=)"
        )
    step = float(who._active(1, None if n_agents is None else check.as_positive_int(n_agents, "n_agents"))[0])
    if step == 0:
        raise ValueError(
            f"schedule is {who!r}, under which nobody acts and no sweep ends; must let agents act, or the game must "
            "say how many sweeps a step lasts (step=)"
        )
    return step


def whole_steps(horizon: float, step: float) -> int:
    """T = round(horizon / step) of a horizon in sweeps, at least 1 and a C int."""
    n_steps = min(horizon / step, 2.0**62)
    if round(n_steps) < 1:
        raise ValueError(f"horizon is {horizon:g} sweeps of {1 / step:g} steps; must last at least one step")
    if round(n_steps) > INT32_MAX:
        raise ValueError(
            f"horizon is {horizon:g} sweeps of {1 / step:.6g} steps, {n_steps:.6g} in all; must be at most {INT32_MAX}"
        )
    return round(n_steps)
