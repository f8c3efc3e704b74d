"""What the verbs of the limit check: who acts, clocks, flows they are given, and values that overflow."""

from __future__ import annotations

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.entries import all_finite
from tmfcore._base.types import Clock
from tmfcore._base.validation import FloatArray
from tmfcore._limit.flows import Flow
from tmfcore._model.game import Game
from tmfcore._model.schedules import Active, Schedule, as_schedule


def active_fractions(game: Game, schedule: Schedule, n_agents: int | None, *, smooth: bool = False) -> Active:
    """beta_t for the kernels; `smooth`: a function of mu is not rounded to whole agents, so that it has derivatives."""
    as_schedule(schedule)
    if n_agents is not None:
        n_agents = check.as_positive_int(n_agents, "n_agents")
    return schedule._active(game.n_steps, None if smooth and schedule._rounds() else n_agents)


def refuse_overflow(values: FloatArray) -> None:
    """Raise unless values (T+1, S) or (T, S, A) are finite. The error names the last bad step, computed first."""
    if all_finite(values):
        return
    t = int(np.flatnonzero((~np.isfinite(values)).reshape(len(values), -1).any(axis=1))[-1])
    where = (t, *(int(i) for i in np.argwhere(~np.isfinite(values[t]))[0]))
    raise ValueError(
        f"the value at step t = {t}, observation {where[1]} is {values[where]}; must be finite: the sum of the rewards "
        "from there on overflows"
    )


def is_always(clock: Clock) -> bool:
    """Whether the evaluated agent acts at every step."""
    return check.as_choice(clock, "clock", Clock) == "always"


def full_flow(flow: Flow, game: Game) -> FloatArray:
    """Distributions (T+1, S) of a flow recorded at every step of this game, C-contiguous."""
    check.as_instance(flow, "flow", Flow)
    if flow.horizon != game.n_steps:
        raise ValueError(f"flow.horizon is {flow.horizon}; must be the game's, {game.n_steps}")
    if len(flow.mu) != game.n_steps + 1:
        raise ValueError(
            f"flow.mu has {len(flow.mu)} rows; must have T + 1 = {game.n_steps + 1}: "
            "values need the flow at every step (record_every=1)"
        )
    shape = (game.n_steps + 1, game.n_observations)
    return check.as_float_array(flow.mu, "flow.mu", shape=shape, letters="T+1, S", low=0.0, copy=False)
